"""``voc-keypoints:VOCDIR,annotations=DIR``: Berkeley's keypoints of the 20 classes of PASCAL VOC 2011."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.annotations import check_box, check_keypoints, parse_xml
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    files_below,
    folder_of,
    inside,
    relative_id,
)
from vestige.datasets.voc import voc_picture, wanted_names
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Box, Points
from vestige.markup import Markup, shipped_markup
from vestige.spec import DataSpec

_NAME = re.compile(r"(.+)_(\d+)")
_FLAGS = {"1": True, "0": False, "true": True, "false": False}


def load_voc_keypoints(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/CLASS/PICTURE_OBJECT.xml`` and ``VOCDIR/JPEGImages/PICTURE.jpg``, one example for every object.

    ``train`` and ``val`` keep the pictures in ``VOCDIR/ImageSets/Main/train.txt`` and ``val.txt``. Keypoints are
    1-based with pixel centres on integers, so 0.5 is taken away; bounds are 1-based and inclusive:
    ``(xmin - 1, ymin - 1, xmax, ymax)``, where ``xmax = xmin - 1 + width`` if the width is given. An example has the
    points of all classes, named ``class/point``, of which only those of its own can be visible.

    Raises:
        VestigeError: where a folder or a list does not exist, or ``annotations`` is not given.
    """
    folder = folder_of(spec.text, spec.path)
    if not spec.options.get("annotations"):
        raise VestigeError(
            f"{spec.text!r}: expected annotations=DIR, the folder of Berkeley's CLASS/PICTURE_OBJECT.xml"
        )
    root = folder_of(spec.text, spec.options["annotations"])
    wanted = wanted_names(spec, folder, "Main")
    markup = shipped_markup("voc")
    examples = []
    for file in files_below(root, {".xml"}, problems):
        match = _NAME.fullmatch(file.stem)
        with problems.caught():
            if match is None:
                raise BadFileError(file, "expected a name PICTURE_OBJECT.xml, as in 2008_000008_1.xml")
            if wanted is None or match.group(1) in wanted:
                examples.append(_example(spec, folder, root, file, match.group(1), markup))
    classes = tuple(dict.fromkeys(point.split("/")[0] for point in markup.points))
    return Dataset(spec.text, tuple(examples), markup, classes=classes)


def _example(spec: DataSpec, folder: Path, root: Path, file: Path, picture: str, markup: Markup) -> Example:
    category = file.parent.name
    document = parse_xml(file)
    for tag, expected in (("image", picture), ("category", category)):
        said = (document.findtext(f".//{tag}") or expected).strip()
        if said != expected:
            raise BadFileError(file, f"<{tag}> is {said[:40]!r}; expected {expected!r}, as its path says")
    path = voc_picture(folder, inside(folder, picture, file).name)
    checked = checked_picture(path, spec)
    box = _bounds(file, document)
    points, visible = _keypoints(file, document, category, markup)
    check_box(file, "visible_bounds", box, checked)
    check_keypoints(file, "object", points, visible, box, checked)
    name = relative_id(file, root)
    return Example(name, picture, checked.image, box, points, visible, category=category)


def _bounds(file: Path, document: ET.Element) -> Box:
    element = document.find(".//visible_bounds")
    if element is None:
        raise BadFileError(file, "has no <visible_bounds xmin ymin width height/>")
    xmin, ymin = (_number(file, element, key) for key in ("xmin", "ymin"))
    xmax = _number(file, element, "xmax") if "xmax" in element.attrib else xmin - 1 + _number(file, element, "width")
    ymax = _number(file, element, "ymax") if "ymax" in element.attrib else ymin - 1 + _number(file, element, "height")
    return np.array([xmin - 1, ymin - 1, xmax, ymax])


def _keypoints(file: Path, document: ET.Element, category: str, markup: Markup) -> tuple[Points, NDArray[np.bool_]]:
    points = np.zeros((len(markup.points), 2))
    visible = np.zeros(len(points), dtype=bool)
    own = {point.split("/")[1]: k for k, point in enumerate(markup.points) if point.startswith(f"{category}/")}
    if not own:
        raise BadFileError(file, f"is of class {category!r}, by its folder; expected one of VOC's 20 classes")
    seen: set[str] = set()
    for element in document.iter("keypoint"):
        name = element.get("name", "")
        if name not in own:
            raise BadFileError(file, f"has a keypoint {name[:40]!r}; expected one of {', '.join(own)}")
        if name in seen:
            raise BadFileError(file, f"has the keypoint {name!r} twice")
        seen.add(name)
        flag = _FLAGS.get(element.get("visible", "1").lower())
        if flag is None:
            raise BadFileError(file, f"keypoint {name}: visible={element.get('visible')!r}; expected 0 or 1")
        if flag:
            points[own[name]] = [_number(file, element, "x") - 0.5, _number(file, element, "y") - 0.5]
            visible[own[name]] = True
    if not visible.any():
        raise BadFileError(file, "has no visible keypoint")
    return points, visible


def _number(file: Path, element: ET.Element, key: str) -> float:
    text = element.get(key)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadFileError(file, f"<{element.tag} {element.get('name', '')}>: {key}={text!r}; expected a finite number")
    return value


KIND = Kind(load_voc_keypoints, ("annotations",), splits=("train", "val"))
