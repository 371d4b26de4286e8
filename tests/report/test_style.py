"""Labels keep their distance, charts are the same every time."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rcParams
from matplotlib.figure import Figure
from PIL import Image

from vestige.report import style
from vestige.report.style import (
    DARK,
    LIGHT,
    figure_pixels,
    key_above,
    label_right,
    name_boxes,
    name_points,
    panels,
    spread,
    themed,
    to_png,
    to_svg,
)

positions = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(positions)
def test_spread_keeps_order_distance_and_bounds(wanted: list[float]) -> None:
    placed = np.array(spread(wanted, 0.1, 0.0, 1.0))
    order = np.argsort(wanted, kind="stable")
    assert np.all(np.diff(placed[order]) >= 0.1 - 1e-9)
    assert placed.min() >= 0.0
    assert placed.max() <= 1.0 + 1e-9


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True))
def test_spread_leaves_what_is_apart(tenths: list[int]) -> None:
    wanted = [k / 10 for k in tenths]
    assert np.allclose(spread(wanted, 0.1, 0.0, 1.0), wanted)


def test_names_of_points_hide_no_point_and_no_name() -> None:
    """Measured by matplotlib's own extents; the points are so near that names beside all of them would overlap."""
    points = np.array([(0, 7), (0.5, 7), (0.2, 6.9), (0.6, 6.2), (0.1, 6.1), (10, 7), (10, 6.8), (10, 0), (5, 0)])
    names = {(x, y): f"object {k}" for k, (x, y) in enumerate(points.tolist()[:7])}
    with themed(LIGHT):
        figure, (axes, *_) = panels(4, 3.1, share_x=False, share_y=False, columns=2)
        axes.plot(*points.T, "o", markersize=4)
        axes.margins(0.12)
        name_points(axes, points, names, LIGHT.muted)
        figure_pixels(figure)
        boxes = [text.get_window_extent() for text in axes.texts]
        assert [text.get_text() for text in axes.texts] == list(names.values())
        for k, box in enumerate(boxes):
            tight = box.padded(-1.5)  # words have room above and below their letters
            assert not any(tight.overlaps(other.padded(-1.5)) for other in boxes[:k])
            assert not tight.count_contains(axes.transData.transform(points))
            assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1


def test_names_of_boxes_hide_no_other_name_and_stay_on_the_picture() -> None:
    """The boxes are those that hid one another's names: alike, side by side, in corners."""
    boxes = np.array(
        [
            *([0.27, 0.08, 0.46, 0.09], [0.27, 0.09, 0.4, 0.26], [0.3, 0.24, 0.35, 0.29], [0.32, 0.24, 0.5, 0.37]),
            *([0.9, 0, 1, 0.1], [0.95, 0.02, 1, 0.06], [0, 0.9, 0.1, 1], [0, 0.95, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]),
        ]
    )
    names = [f"skyscraper {k}" for k in range(len(boxes))]
    with themed(LIGHT):
        figure = Figure(figsize=(4.6, 3.2), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1), ylim=(1, 0))
        name_boxes(axes, boxes, names, [LIGHT.ink] * len(boxes))
        figure_pixels(figure)
        found = [text.get_window_extent() for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == names
    assert all(0 <= box.x0 < box.x1 <= 460 and 0 <= box.y0 < box.y1 <= 320 for box in found)
    assert not any(box.overlaps(other) for k, box in enumerate(found) for other in found[:k])
    assert len(axes.patches) == 2 * len(boxes)


@pytest.mark.parametrize(("length", "rows"), [(10, 1), (50, 2), (100, 4)])
def test_a_key_above_panels_has_rows_enough_to_fit_the_page(length: int, rows: int) -> None:
    with themed(LIGHT):
        figure, (ax,) = panels(1, 2.0)
        for k in range(4):
            ax.plot([0, 1], [0, k], label=f"{'n' * length}{k}")
        key_above(figure, [ax], LIGHT)
        figure_pixels(figure)
        (key,) = figure.legends
        box = key.get_window_extent()
        tops = {round(text.get_window_extent().y0) for text in key.get_texts()}
    assert len(tops) == rows
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_spread_is_the_least_squares_answer() -> None:
    assert np.allclose(spread([0.5, 0.5, 0.9], 0.2, 0.0, 1.0), [0.4, 0.6, 0.9])


def chart(theme):
    figure, (ax,) = panels(1, 2.0)
    ax.plot([0, 1], [0, 1], color=theme.colour("blue"))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    label_right(ax, [(1.0, 1.0, "Ridge", theme.colour("blue")), (1.0, 0.99, "Other", theme.ink)])
    return figure


def test_svg_is_the_same_every_time_and_well_formed() -> None:
    with themed(LIGHT):
        first, second = to_svg(chart(LIGHT)), to_svg(chart(LIGHT))
    assert first == second
    texts = [
        "".join(node.itertext()) for node in ElementTree.fromstring(first).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"Ridge", "Other"} <= set(texts)
    assert b"'DejaVu Sans'" not in first


def test_themes_differ_and_settings_are_put_back() -> None:
    before = rcParams["text.color"]
    with themed(DARK):
        dark = to_svg(chart(DARK))
    with themed(LIGHT):
        light = to_svg(chart(LIGHT))
    assert DARK.colour("blue").encode() in dark
    assert DARK.colour("blue").encode() not in light
    assert rcParams["text.color"] == before


def test_contrast_of_every_ink_on_its_paper() -> None:
    """Words are readable (WCAG: 4.5 for text, 3 for lines)."""

    def luminance(colour: str) -> float:
        channels = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for theme in (LIGHT, DARK):
        for least, colours in ((4.5, (theme.ink, theme.muted)), (3.0, (*theme.palette.values(),))):
            for colour in colours:
                low, high = sorted((luminance(colour), luminance(theme.paper)))
                assert (high + 0.05) / (low + 0.05) >= least, (theme.name, colour)


def test_pixels_and_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "FIGURE_DPI", 200)
    with themed(LIGHT):
        figure = chart(LIGHT)
        assert figure_pixels(figure).shape == (200, 1000, 3)
        assert np.asarray(Image.open(io.BytesIO(to_png(figure, LIGHT)))).shape == (400, 2000, 4)
