"""Pictures: the right ones are kept, and points are drawn where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.colors import to_rgb

from vestige.geometry import to_unit
from vestige.probes.landmarks.pictures import (
    GAP,
    PANEL,
    PART_COLOURS,
    boxed_step,
    miss,
    steps_shown,
    triplet,
    typical_pictures,
    worst_pictures,
)
from vestige.report.point_run import PointRun, read_point_run
from vestige.run import Run

Make = Callable[..., Run]


def test_typical_and_worst_pictures(landmark_run: Make) -> None:
    run = read_point_run(landmark_run(n_pictures=12))
    errors = run.examples.errors["look-back"][run.examples.picture_rows]
    typical = typical_pictures(run, 5)
    assert len(set(typical)) == 5
    assert np.all(np.diff(errors[typical]) >= 0)
    np.testing.assert_array_equal(worst_pictures(run, 3), np.argsort(-errors)[:3])


def blank(run: PointRun) -> PointRun:
    pictures = np.zeros_like(run.examples.pictures)
    return replace(run, examples=replace(run.examples, pictures=pictures))


def centre_of_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    """The mean position (continuous pixels) of the pixels near a colour."""
    near = np.abs(pixels.astype(float) - 255 * np.array(to_rgb(colour))).sum(axis=-1) < 60
    rows, columns = np.nonzero(near)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def test_points_are_drawn_where_they_are(landmark_run: Make) -> None:
    """In every panel the dots of a part are centred on its points, to a third of a pixel."""
    run = blank(read_point_run(landmark_run(methods={"ridge": 0.02})))
    run = replace(run, parts={"one": (30,)})
    row = int(run.examples.picture_rows[2])
    drawn = triplet(run, 2).pixels
    assert drawn.shape == (PANEL, 2 * PANEL + GAP, 3)
    for index, points in enumerate((run.examples.truth[row], run.examples.predictions["ridge"][row])):
        panel = drawn[:, index * (PANEL + GAP) :][:, :PANEL]
        expected = to_unit(points, run.examples.crops[row])[30] * PANEL
        np.testing.assert_allclose(centre_of_colour(panel, PART_COLOURS[0]), expected, atol=0.34)


def test_boxes_stand_on_the_step_before_the_last(landmark_run: Make) -> None:
    once = read_point_run(landmark_run())
    assert steps_shown(once) == ("truth", "ridge", "look-back")
    assert boxed_step(once) == "ridge"
    twice = read_point_run(landmark_run(name="twice", methods={"ridge": 0.08, "look-back": 0.06, "look-back-2": 0.05}))
    assert steps_shown(twice) == ("truth", "ridge", "look-back", "look-back-2")
    assert boxed_step(twice) == "look-back"
    without = replace(once, examples=replace(once.examples, part_boxes={}))
    boxed, plain = triplet(once, 0).pixels, triplet(without, 0).pixels
    different = np.any(boxed != plain, axis=(0, 2))
    assert different[PANEL + GAP : 2 * PANEL + GAP].any()
    assert not different[:PANEL].any()
    assert not different[2 * PANEL + GAP :].any()


def test_captions_name_the_picture_and_its_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    row = int(run.examples.picture_rows[0])
    tile = triplet(run, 0)
    errors = {method: run.examples.errors[method][row] for method in ("ridge", "look-back")}
    assert tile.caption == (
        f"{run.examples.ids[row]}: ridge {errors['ridge']:.3f}, look-back {errors['look-back']:.3f}"
    )
    assert str(run.examples.ids[row]) in tile.alt
    assert f"{errors['look-back']:.3f}" in miss(run, 0).caption
