"""Pictures of an alignment (Fig. 3): test instances, their nearest neighbours, and these warped by each flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.align.aligner import Aligner, transfer_points
from vestige.correspondence.flow import flow
from vestige.correspondence.instances import Instances
from vestige.images import Pixels, crop_resize
from vestige.intervals import Floats
from vestige.report.choosing import even_steps

SHOWN = 8
"""Test instances that are shown, at even steps of the error."""

NEIGHBOURS = 5
"""Of each, the nearest."""

SIDE = 192
"""Pixels of a kept picture's side."""


def gallery(
    test: Instances, train: Instances, aligners: Mapping[str, Aligner], error: Floats
) -> dict[str, NDArray[Any]]:
    """What a report shows of some test instances: S of them, with their M nearest neighbours.

    Args:
        test: the instances.
        train: those that neighbours are among.
        aligners: by method; all of the same neighbours.
        error: ``(N,)``: instances are taken at even steps of it, those without one never.

    Returns:
        ``picture_rows`` (S,) and ``pictures`` (S, side, side, 3); ``neighbour_pictures`` (S, M, side, side, 3),
        ``neighbour_rows`` (S, M), -1 where there are fewer, and ``neighbour_points`` (S, M, K, 2), in unit
        coordinates and NaN where not visible; by method ``warped/METHOD`` and ``landed/METHOD``, likewise.
    """
    rows = even_steps(error, SHOWN)
    size = (SIDE, SIDE)
    first = next(iter(aligners.values())).neighbours.rows[rows, :NEIGHBOURS]
    shape = (*first.shape, SIDE, SIDE, 3)
    points = np.where(train.visible[first][..., None], train.unit[first], np.nan)
    points[first < 0] = np.nan
    near = np.zeros(shape, np.uint8)
    warped = {method: np.zeros(shape, np.uint8) for method in aligners}
    landed = {method: np.full(points.shape, np.nan) for method in aligners}
    for place in zip(*np.nonzero(first >= 0), strict=True):
        other = int(first[place])
        near[place] = train.pixels(other, size)
        for method, aligner in aligners.items():
            warped[method][place], there = _warped(aligner, int(rows[place[0]]), other, train)
            landed[method][place][train.visible[other]] = there
    return {
        "picture_rows": rows,
        "pictures": np.stack([test.pixels(int(row), size) for row in rows]),
        "neighbour_rows": first,
        "neighbour_pictures": near,
        "neighbour_points": points.astype(np.float32),
        **{f"warped/{method}": pictures for method, pictures in warped.items()},
        **{f"landed/{method}": found.astype(np.float32) for method, found in landed.items()},
    }


def _warped(aligner: Aligner, row: int, other: int, train: Instances) -> tuple[Pixels, NDArray[np.float64]]:
    """A neighbour as the instance sees it, and where its keypoints land."""
    cells = aligner.sources.cells
    field = aligner.field(aligner.sources.read(row), other)
    dense = flow.interpolate(field, cells.stride, cells.centre, cells.size)
    seen = flow.warp(train.pixels(other, cells.size), dense)
    pixels = crop_resize(np.rint(seen).astype(np.uint8), None, (SIDE, SIDE), "bicubic")
    return pixels, transfer_points(field, cells, train.unit[other, train.visible[other]])
