"""``voc-segmentation:DIR``: pictures with a class for every pixel, in the folders of PASCAL VOC."""

from __future__ import annotations

from pathlib import Path

from vestige.datasets.dataset import Dataset
from vestige.datasets.masks import ClassTable, Colour, MaskFile, voc_colours
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    folder_of,
    inside,
    lines_of,
    pictures_below,
)
from vestige.datasets.voc import CLASSES, VOID, voc_picture, wanted_names
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.spec import DataSpec

_MOST_CLASSES = 255


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
    names = wanted_names(spec, folder, "Segmentation")
    if names is None:
        names = {path.stem for path in pictures_below(masks, problems, {".png"}) if path.parent == masks}
    examples = []
    for name in sorted(names):
        with problems.caught():
            examples.append(_example(spec, folder, name, table))
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


def _example(spec: DataSpec, folder: Path, name: str, table: ClassTable) -> Example:
    file = inside(folder / "SegmentationClass", f"{name}.png", folder / "ImageSets")
    picture = voc_picture(folder, name)
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


KIND = Kind(load_voc_segmentation, splits=("train", "val"))
