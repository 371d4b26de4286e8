"""Annotations in XML: documents, and the polygons in them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from vestige.datasets.reading import BadFileError, Checked, numbers, read_text
from vestige.geometry import Points

LEAST_CORNERS = 3


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
    if len(corners) < LEAST_CORNERS:
        raise BadFileError(file, f"{name}: a polygon has {len(corners)} corners; expected {LEAST_CORNERS} or more")
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
