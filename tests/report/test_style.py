"""Labels keep their distance, charts are the same every time."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rcParams
from PIL import Image

from vestige.report import style
from vestige.report.style import (
    DARK,
    LIGHT,
    figure_pixels,
    label_right,
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
