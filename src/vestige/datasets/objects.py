"""What loaders of annotated objects share: boxes and keypoints that must belong to their picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige import geometry
from vestige.datasets.reading import BadFileError, Checked
from vestige.errors import VestigeError
from vestige.geometry import Box, Points


def check_box(file: Path, name: str, box: Box, picture: Checked, line: int | None = None) -> None:
    """Refuse a box that cannot be of an object in its picture; see :func:`vestige.geometry.check_box`.

    Args:
        file: the annotation.
        name: of the object in it, for the message.
        box: ``(4,)`` in pixels.
        picture: that it is a box of.
        line: of the annotation.

    Raises:
        BadFileError: saying what the box is and what was expected.
    """
    try:
        geometry.check_box(box, picture.size)
    except VestigeError as error:
        raise BadFileError(file, f"{name}: {error}{picture.doubt}", line) from error


def check_keypoints(
    file: Path,
    name: str,
    points: Points,
    visible: NDArray[np.bool_],
    box: Box,
    picture: Checked,
    line: int | None = None,
) -> None:
    """Refuse keypoints farther outside their picture than the object's box is large: they belong to another one.

    Args:
        file: the annotation.
        name: of the object in it, for the message.
        points: ``(K, 2)`` in pixels.
        visible: ``(K,)``; only these are looked at.
        box: ``(4,)`` of the object.
        picture: that they are in.
        line: of the annotation.

    Raises:
        BadFileError: naming the first keypoint that cannot be right.
    """
    allowed = float(max(box[2] - box[0], box[3] - box[1]))
    outside = np.maximum(np.maximum(-points, points - np.array(picture.size, dtype=np.float64)), 0).max(axis=1)
    wrong = np.flatnonzero(visible & (outside > allowed))
    if len(wrong):
        x, y = points[wrong[0]]
        raise BadFileError(
            file,
            f"{name}: keypoint {wrong[0]} at ({x:g}, {y:g}) lies {outside[wrong[0]]:.0f} pixels outside its picture of "
            f"{picture.size[0]}x{picture.size[1]} pixels; expected at most {allowed:.0f}, the size of the object"
            f"{picture.doubt}",
            line,
        )
