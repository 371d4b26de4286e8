"""Pictures of a tile side by side, or one below the other, with paper between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vestige.images import Pixels

GAP = 4
"""Pixels between two pictures."""

PAPER = 255


def beside(pictures: Sequence[Pixels], gap: int = GAP, paper: int = PAPER) -> Pixels:
    """Pictures ``(H, _, 3)`` side by side.

    Args:
        pictures: of one height.
        gap: pixels between two.
        paper: the grey of the gaps.
    """
    return _joined(pictures, gap, paper, axis=1)


def below(pictures: Sequence[Pixels], gap: int = GAP, paper: int = PAPER) -> Pixels:
    """Pictures ``(_, W, 3)`` of one width, one below the other; arguments as of :func:`beside`."""
    return _joined(pictures, gap, paper, axis=0)


def _joined(pictures: Sequence[Pixels], gap: int, paper: int, *, axis: int) -> Pixels:
    """All of them, each but the first with paper before it."""
    widths = [[(gap * (k > 0) if side == axis else 0, 0) for side in range(3)] for k in range(len(pictures))]
    spaced = [np.pad(each, width, constant_values=paper) for each, width in zip(pictures, widths, strict=True)]
    return np.concatenate(spaced, axis=axis)
