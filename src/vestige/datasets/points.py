"""What landmark loaders share: which points are there, where they may lie, and how many there should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.objects import check_box
from vestige.datasets.reading import BadFileError, Checked, Problems
from vestige.example import Example
from vestige.geometry import Box, Points, bounding_box
from vestige.markup import Markup, shipped_markup, unknown_markup

_FACE_MARKUPS = {68: "face68", 194: "helen194"}


@dataclass(frozen=True)
class Annotated:
    """An example and the annotation file that its points came from."""

    example: Example
    file: Path


def face_markup(n_points: int) -> Markup:
    """The markup of a face with this number of points: 68 (300-W), 194 (Helen), or unknown."""
    name = _FACE_MARKUPS.get(n_points)
    return unknown_markup(n_points) if name is None else shipped_markup(name)


def landmark_box(
    file: Path, points: Points, visible: NDArray[np.bool_], picture: Checked, line_of: Sequence[int]
) -> Box:
    """The tight box ``(4,)`` of the visible landmarks, after a check that they belong to the picture.

    Faces may be cut by the picture's edge, so landmarks may lie outside it; but at least half must lie inside, and
    none farther outside than one (longer) side of the box of those inside: the file is then of another picture, or
    in other units.

    Args:
        file: the annotation, for messages.
        points: ``(K, 2)`` in pixels.
        visible: ``(K,)``.
        picture: that they are in.
        line_of: the line in the file of each point.

    Raises:
        BadFileError: naming the line of the first point that cannot be right.
    """
    shown = points[visible]
    if len(shown) == 0:
        raise BadFileError(file, "all points are missing")
    size = picture.size
    outside = np.maximum(np.maximum(-shown, shown - np.array(size, dtype=np.float64)), 0).max(axis=1)
    lines = np.asarray(line_of)[visible]
    if 2 * (outside == 0).sum() < len(shown):
        raise BadFileError(
            file,
            f"{(outside > 0).sum()} of {len(shown)} points lie outside the picture of {size[0]}x{size[1]} pixels"
            f"{picture.doubt}",
        )
    low_high = bounding_box(shown[outside == 0])
    side = float((low_high[2:] - low_high[:2]).max())
    if side == 0:
        raise BadFileError(file, "all points inside the picture lie in one place")
    if outside.max() > side:
        worst = int(outside.argmax())
        x, y = shown[worst]
        raise BadFileError(
            file,
            f"the point ({x:g}, {y:g}) lies {outside[worst]:.0f} pixels outside the picture of {size[0]}x{size[1]} "
            f"pixels; expected at most {side:.0f}, the size of the face{picture.doubt}",
            int(lines[worst]),
        )
    box = bounding_box(shown)
    for axis, what in enumerate(("column", "row")):
        if box[axis] == box[axis + 2]:
            raise BadFileError(file, f"all points lie in one {what}; expected points with a box about them")
    check_box(file, "points", box, picture)
    return box


def of_one_count(annotated: Sequence[Annotated], problems: Problems) -> list[Example]:
    """The examples that have as many points as most; the others are noted as problems."""
    counts = Counter(len(_keypoints(entry.example)) for entry in annotated)
    if not counts:
        return []
    expected = max(counts, key=lambda count: (counts[count], count))
    kept = []
    for entry in annotated:
        count = len(_keypoints(entry.example))
        if count == expected:
            kept.append(entry.example)
        else:
            problems.add(entry.file, f"has {count} points; expected {expected}, as in {counts[expected]} other files")
    return kept


def _keypoints(example: Example) -> Points:
    assert example.keypoints is not None  # landmark loaders set them
    return example.keypoints
