"""A landmark run is read back whole, or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.report.point_run import read_point_run
from vestige.run import Run

Make = Callable[..., Run]


def test_reads_what_was_written(landmark_run: Make) -> None:
    run = landmark_run()
    read = read_point_run(run)
    arrays = run.examples()
    assert read.methods == ("mean", "rgb", "untrained", "ridge", "look-back")
    assert read.best == "look-back"
    assert read.n_points == 68
    np.testing.assert_array_equal(read.examples.errors["ridge"], arrays["error/ridge"])
    np.testing.assert_array_equal(
        read.examples.part_boxes["mouth"], arrays["part_boxes"][:, list(read.parts).index("mouth")]
    )
    difference = read.difference("look-back", "ridge")
    assert difference is not None
    assert difference.mean == pytest.approx(np.mean(arrays["error/look-back"] - arrays["error/ridge"]))


def test_without_look_back(landmark_run: Make) -> None:
    read = read_point_run(landmark_run(methods={"mean": 0.25, "ridge": 0.08}))
    assert read.best == "ridge"
    assert not read.examples.part_boxes
    assert read.difference("look-back", "ridge") is None
    assert read.find("look-back") is None


@pytest.mark.parametrize("name", ["truth", "crops", "pictures", "picture_rows", "ids", "parts"])
def test_missing_array(landmark_run: Make, name: str) -> None:
    run = landmark_run()
    run.write_examples({key: array for key, array in run.examples().items() if key != name})
    with pytest.raises(VestigeError, match=rf"examples\.npz: .*array '{name}'.*overwrite=True"):
        read_point_run(run)


@pytest.mark.parametrize("name", ["crops", "visible", "prediction/ridge", "error/mean", "part_boxes", "pictures"])
def test_wrong_shape(landmark_run: Make, name: str) -> None:
    run = landmark_run()
    arrays = run.examples()
    run.write_examples({**arrays, name: arrays[name][:-1]})
    with pytest.raises(VestigeError, match=rf"'{name}' has shape \(.*\), expected \("):
        read_point_run(run)


def test_picture_of_an_example_that_is_not_there(landmark_run: Make) -> None:
    run = landmark_run()
    arrays = run.examples()
    run.write_examples({**arrays, "picture_rows": arrays["picture_rows"] + 1000})
    with pytest.raises(VestigeError, match=r"picture_rows. .* 0 to 39"):
        read_point_run(run)


def test_markup_with_a_point_that_is_not_there(landmark_run: Make) -> None:
    run = landmark_run()
    document = json.loads(run.results_path.read_text())
    document["config"]["markup"]["parts"]["jaw"] = [0, 99]
    run.results_path.write_text(json.dumps(document))
    with pytest.raises(VestigeError, match=r"part 'jaw' .* outside 0\.\.67"):
        read_point_run(run)
