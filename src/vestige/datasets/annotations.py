"""What annotations say of the objects in a picture: boxes, keypoints, landmarks and polygons, which must belong to it.

And XML, in which several kinds of data say it.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige import geometry
from vestige.datasets.reading import BadFileError, Checked, Problems, numbers, read_text
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Box, Points, bounding_box
from vestige.markup import Markup, shipped_markup, unknown_markup

_FACE_MARKUPS = {68: "face68", 194: "helen194"}
_LEAST_CORNERS = 3


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


def parse_xml(file: Path, *, fragment: bool = False) -> ET.Element:
    """The root of a document; of a fragment, which has several, one above them.

    Raises:
        BadFileError: where the file cannot be read or is no plain XML.
    """
    text = read_text(file)
    if "<!ENTITY" in text:
        raise BadFileError(file, "defines entities; expected plain XML")
    try:
        return ET.fromstring(f"<annotation>{text}</annotation>" if fragment else text)
    except ET.ParseError as error:
        raise BadFileError(file, f"is no XML: {error}", error.position[0]) from error


def parse_polygon(file: Path, name: str, polygon: ET.Element, picture: Checked, offset: float) -> Points:
    """The corners ``(n, 2)`` of ``<polygon><pt><x/><y/></pt>...``, in pixels of the picture.

    Args:
        file: the annotation.
        name: of the object, for the message.
        polygon: the element.
        picture: that it is of.
        offset: taken away from what the file says, where its pixels are counted otherwise.

    Raises:
        BadFileError: where it has too few corners, or one that lies outside the picture by more than a pixel.
    """
    corners = []
    for point in polygon.findall("pt"):
        words = [(point.findtext(axis) or "").strip() for axis in ("x", "y")]
        corners.append(numbers(file, None, words, f"x and y of a corner of {name}"))
    return check_corners(file, name, np.array(corners, dtype=np.float64).reshape(-1, 2) - offset, picture)


def check_corners(file: Path, name: str, corners: Points, picture: Checked) -> Points:
    """The corners of a polygon, moved onto the picture's edge where they lie less than a pixel outside.

    Raises:
        BadFileError: as :func:`parse_polygon`.
    """
    if len(corners) < _LEAST_CORNERS:
        raise BadFileError(file, f"{name}: a polygon has {len(corners)} corners; expected {_LEAST_CORNERS} or more")
    size = np.array(picture.size, dtype=np.float64)
    wrong = np.flatnonzero(((corners < -1) | (corners > size + 1)).any(axis=1))
    if len(wrong):
        x, y = corners[wrong[0]]
        raise BadFileError(
            file,
            f"{name}: a corner at ({x:g}, {y:g}) lies outside its picture of {picture.size[0]}x{picture.size[1]} "
            f"pixels{picture.doubt}",
        )
    return np.clip(corners, 0, size)
