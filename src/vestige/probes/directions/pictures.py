"""The pictures of a report on directions: faces at every step (the first paper's Fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vestige.images import Pixels, crop_resize
from vestige.probes.directions.run import DirectionRun
from vestige.report.blocks import Gallery, Tile
from vestige.text import signed

PANEL = 138
"""Pixels of a panel's side: 46 enlarged threefold."""

GAP, WIDE = 3, 14
"""Pixels between two panels, and between two groups of them."""

PAPER = 255

FARTHER = 3.0
"""How much wider than the range of lambda the overview goes a second time."""


def overview(run: DirectionRun, name: str) -> Gallery:
    """Every plain direction with the face that is lowest on it and the one that is highest."""
    tiles = []
    for direction in run.plain:
        low, high = run.arrays["shown"][direction][[0, -1]].tolist()
        own = [moved_line(run, direction, low, first=True), moved_line(run, direction, high)]
        farther = [moved_line(run, direction, row, times=FARTHER) for row in (low, high)]
        tiles.append(_tile(run, direction, below([below(own, GAP), below(farther, GAP)], WIDE)))
    caption = (
        "For each attribute the test face near the lower end of its direction and one near the upper. From left to "
        "right: the photograph; its colours, regressed from the representation unmoved; the colours of f′ = f̃ + "
        "λw, with λ from the low end of the training pictures’ range to the high one (the first paper’s Fig. 6); "
        "the change from end to end, grey for none. The two lines below go as far again on either side: three times "
        "the range, where no face is, which shows plainly what the range itself shows faintly. Colours are linear "
        "in the representation, so the change is the same for every face. Faces are taken at even steps of rank "
        "along the direction; nobody chose them."
    )
    return Gallery(name, tuple(tiles), caption, columns=1)


def in_detail(run: DirectionRun, name: str) -> Gallery:
    """All faces of every direction, and below them the same change added to their photographs."""
    tiles = []
    for direction in range(len(run.directions)):
        rows = run.arrays["shown"][direction].tolist()
        regressed = [moved_line(run, direction, row, first=k == 0) for k, row in enumerate(rows)]
        added = [added_line(run, direction, row) for row in rows]
        pixels = below([below(regressed, GAP), below(added, GAP)], WIDE)
        tiles.append(_tile(run, direction, pixels))
    caption = (
        "Above: regressed back from the moved representation. Below: the same change added to the photograph, which "
        "keeps what the representation forgets."
    )
    return Gallery(name, tuple(tiles), caption, columns=1)


def _tile(run: DirectionRun, direction: int, pixels: Pixels) -> Tile:
    return Tile(pixels, _caption(run, direction), f"Test faces moved along {run.directions[direction]}")


def _caption(run: DirectionRun, direction: int) -> str:
    lambdas = run.arrays["lambdas"][direction]
    low, high = (signed(float(value)) for value in lambdas[[0, -1]])
    _, largest = run.change(direction)
    attribute, _, others = run.directions[direction].partition(", ")
    name = ", ".join(part for part in (run.named(attribute), others) if part)
    return f"{name}: λ from {low} to {high}; colours change by up to {largest:.2f} (full contrast of the last picture)"


def moved_line(run: DirectionRun, direction: int, row: int, *, first: bool = False, times: float = 1.0) -> Pixels:
    """A face: photograph, regressed unmoved, at every step, and (in the first line) the change from end to end."""
    change = run.change(direction)[0] if first else None
    return _line([run.photograph(row), run.reconstruction(row)], run.along(direction, row, times=times), change)


def added_line(run: DirectionRun, direction: int, row: int) -> Pixels:
    """A face: photograph, nothing, and the photograph with every step's change."""
    return _line([run.photograph(row), None], run.along(direction, row, photograph=True), None)


def _line(start: Sequence[Pixels | None], steps: Sequence[Pixels], change: Pixels | None) -> Pixels:
    return beside(
        [beside([_panel(p) for p in start], GAP), beside([_panel(p) for p in steps], GAP), _panel(change)], WIDE
    )


def _panel(pixels: Pixels | None) -> Pixels:
    """Enlarged or reduced to one panel; blank where there is nothing."""
    if pixels is None:
        return np.full((PANEL, PANEL, 3), PAPER, np.uint8)
    return crop_resize(pixels, None, (PANEL, PANEL), "bicubic")


def beside(parts: Sequence[Pixels], gap: int) -> Pixels:
    """Pictures of one height side by side."""
    return np.concatenate([_spaced(part, gap if k else 0, axis=1) for k, part in enumerate(parts)], axis=1)


def below(parts: Sequence[Pixels], gap: int) -> Pixels:
    """Pictures of one width, one below the other."""
    return np.concatenate([_spaced(part, gap if k else 0, axis=0) for k, part in enumerate(parts)], axis=0)


def _spaced(pixels: Pixels, gap: int, *, axis: int) -> Pixels:
    """A picture with paper before it."""
    return np.pad(pixels, [(gap if k == axis else 0, 0) for k in range(3)], constant_values=PAPER)
