"""The folders of PASCAL VOC, and two kinds of data that lie in them.

``voc-segmentation:DIR``: pictures with a class for every pixel. ``voc-keypoints:VOCDIR,annotations=DIR``: Berkeley's
keypoints of the 20 classes of PASCAL VOC 2011.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.annotations import check_box, check_keypoints, parse_xml
from vestige.datasets.dataset import Dataset
from vestige.datasets.masks import ClassTable, Colour, MaskFile, voc_colours
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    files_below,
    folder_of,
    inside,
    lines_of,
    pictures_below,
    relative_id,
)
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import what_is
from vestige.geometry import Box, Points
from vestige.markup import Markup, shipped_markup
from vestige.spec import DataSpec

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Of VOC's segmentation masks, by index."""

VOID = 255
"""The index of pixels that count for nothing in VOC's masks."""

_MOST_CLASSES = 255
_OBJECT_FILE = re.compile(r"(.+)_(\d+)")  # PICTURE_OBJECT
_FLAGS = {"1": True, "0": False, "true": True, "false": False}


def _wanted_names(spec: DataSpec, folder: Path, task: str) -> set[str] | None:
    """The pictures' names in the list that the flag ``train`` or ``val`` names; None without a flag.

    Args:
        spec: with the flag.
        folder: VOC's, with ``ImageSets``.
        task: ``Main`` or ``Segmentation``.

    Raises:
        VestigeError: where the list cannot be read.
    """
    for split in ("train", "val"):
        if split in spec.options:
            file = folder / "ImageSets" / task / f"{split}.txt"
            try:
                return {line.split()[0] for _, line in lines_of(file)}
            except BadFileError as error:
                raise VestigeError(f"{spec.text!r}: the {split} part is the names listed there: {error}") from error
    return None


def _voc_picture(folder: Path, name: str) -> Path:
    """Where a picture lies; its ending is ``.jpg``, or ``.png`` where only that is there."""
    path = folder / "JPEGImages" / f"{name}.jpg"
    other = path.with_suffix(".png")
    return other if what_is(other) and not what_is(path) else path


def load_voc_segmentation(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/SegmentationClass/NAME.png`` and ``DIR/JPEGImages/NAME.jpg``; the box is the whole picture.

    ``train`` and ``val`` keep the names in ``DIR/ImageSets/Segmentation/train.txt`` and ``val.txt``. The classes are
    the lines of ``DIR/classes.txt``, ``name`` or ``name r g b``, by index; without that file, VOC's 21. A class named
    ``void`` counts for nothing, and so does the value 255. Masks hold indices, or the classes' colours (where
    ``classes.txt`` has none: VOC's colours). Every mask is decoded once, so that a wrong value is found here.

    Raises:
        VestigeError: where a folder, a list or ``classes.txt`` is not as expected.
    """
    folder = folder_of(spec.text, spec.path)
    masks = folder / "SegmentationClass"
    if not masks.is_dir():
        raise VestigeError(
            f"{spec.text!r}: {masks} does not exist; expected VOC's folders JPEGImages, SegmentationClass"
        )
    table = read_classes(folder / "classes.txt")
    names = _wanted_names(spec, folder, "Segmentation")
    if names is None:
        names = {path.stem for path in pictures_below(masks, problems, {".png"}) if path.parent == masks}
    examples = []
    for name in sorted(names):
        with problems.caught():
            examples.append(_picture_example(spec, folder, name, table))
    return Dataset(spec.text, tuple(examples), classes=table.names, void=table.void)


def read_classes(file: Path) -> ClassTable:
    """The classes of ``classes.txt``; VOC's where there is no such file.

    Raises:
        VestigeError: naming the line that is none.
    """
    if not file.exists():
        return ClassTable(CLASSES, VOID, voc_colours(len(CLASSES)))
    try:
        rows = [(line, text.split()) for line, text in lines_of(file)]
    except BadFileError as error:
        raise VestigeError(str(error)) from error
    names = tuple(words[0] for _, words in rows)
    if len(set(names)) != len(names) or len(names) > _MOST_CLASSES:
        raise VestigeError(f"{file}: expected at most {_MOST_CLASSES} classes, each named once")
    void = names.index("void") if "void" in names else VOID
    coloured = [len(words) == 4 for _, words in rows]
    if not any(coloured):
        _refuse(file, next((row for row in rows if len(row[1]) != 1), None))
        return ClassTable(names, void, voc_colours(len(names)))
    _refuse(file, next((row for row, has in zip(rows, coloured, strict=True) if not has), None))
    return ClassTable(names, void, tuple(_colour(file, row) for row in rows))


def _refuse(file: Path, row: tuple[int, list[str]] | None) -> None:
    if row is not None:
        raise VestigeError(
            f"{file}, line {row[0]}: {' '.join(row[1])[:60]!r}; expected 'name', or 'name r g b' in every line"
        )


def _colour(file: Path, row: tuple[int, list[str]]) -> Colour:
    values = [int(word) if word.isdecimal() and len(word) <= 3 else -1 for word in row[1][1:]]
    if not all(0 <= value <= 255 for value in values):
        raise VestigeError(f"{file}, line {row[0]}: {' '.join(row[1])[:60]!r}; expected 'name r g b' with 0 to 255")
    return values[0], values[1], values[2]


def _picture_example(spec: DataSpec, folder: Path, name: str, table: ClassTable) -> Example:
    file = inside(folder / "SegmentationClass", f"{name}.png", folder / "ImageSets")
    picture = _voc_picture(folder, name)
    checked = checked_picture(picture, spec)
    checked_picture(file, spec)
    mask = MaskFile(file, table, spec.exif)
    try:
        height, width = mask.read().shape
    except VestigeError as error:
        raise BadFileError(file, str(error).removeprefix(f"{file}: ")) from error
    if (width, height) != checked.size:
        raise BadFileError(
            file, f"has {width}x{height} pixels; its picture has {checked.size[0]}x{checked.size[1]}{checked.doubt}"
        )
    return Example(name, name, checked.image, mask=mask)


SEGMENTATION = Kind(load_voc_segmentation, splits=("train", "val"))


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
    wanted = _wanted_names(spec, folder, "Main")
    markup = shipped_markup("voc")
    examples = []
    for file in files_below(root, {".xml"}, problems):
        match = _OBJECT_FILE.fullmatch(file.stem)
        with problems.caught():
            if match is None:
                raise BadFileError(file, "expected a name PICTURE_OBJECT.xml, as in 2008_000008_1.xml")
            if wanted is None or match.group(1) in wanted:
                examples.append(_object_example(spec, folder, root, file, match.group(1), markup))
    classes = tuple(dict.fromkeys(point.split("/")[0] for point in markup.points))
    return Dataset(spec.text, tuple(examples), markup, classes=classes)


def _object_example(spec: DataSpec, folder: Path, root: Path, file: Path, picture: str, markup: Markup) -> Example:
    category = file.parent.name
    document = parse_xml(file)
    for tag, expected in (("image", picture), ("category", category)):
        said = (document.findtext(f".//{tag}") or expected).strip()
        if said != expected:
            raise BadFileError(file, f"<{tag}> is {said[:40]!r}; expected {expected!r}, as its path says")
    path = _voc_picture(folder, inside(folder, picture, file).name)
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


KEYPOINTS = Kind(load_voc_keypoints, ("annotations",), splits=("train", "val"))
