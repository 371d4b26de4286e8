"""``ade20k:DIR``: ADE20K's scenes, as SceneParse150 has them or in full."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    folder_of,
    lines_of,
    pictures_below,
    relative_id,
    scene_of_folder,
)
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import user_path, what_is
from vestige.images import ImageFile
from vestige.picture_files import PictureError, read_stored
from vestige.regions import class_objects
from vestige.spec import DataSpec

_PARTS = ("training", "validation")
_FLAGS = {"train": "training", "val": "validation"}
_SEGMENTATION = "_seg.png"


@dataclass(frozen=True)
class SegmentationFile:
    """A picture whose pixels are numbers of classes, or, in colours, ADE20K's ``R // 10 * 256 + G``.

    Attributes:
        path: of the file.
        exif: whether it is turned as its EXIF orientation says, as its picture is.
    """

    path: Path
    exif: bool

    def read(self) -> NDArray[np.int32]:
        """``(H, W)``.

        Raises:
            VestigeError: where it cannot be read.
        """
        try:
            values = np.asarray(read_stored(self.path, self.exif))
        except PictureError as error:
            raise VestigeError(f"{self.path}: {error.reason}") from error
        if values.ndim == 2:
            return values.astype(np.int32)
        numbers: NDArray[np.int32] = values[..., 0].astype(np.int32) // 10 * 256 + values[..., 1]
        return numbers

    def digest(self) -> str:
        """That of any picture file."""
        return ImageFile(self.path, self.exif).digest()


def load_ade20k(spec: DataSpec, problems: Problems) -> Dataset:
    """One example for every picture, with its scene and its objects: all pixels of a class are one.

    SceneParse150: ``DIR/images/PART/NAME.jpg``, ``DIR/annotations/PART/NAME.png``, ``DIR/sceneCategories.txt`` (NAME
    and scene), and the names of the numbers 1 to 150 in ``DIR/objectInfo150.txt`` (the last column); 0 is no object.

    The full set: ``DIR/images/PART/x/SCENE/NAME.jpg`` beside ``NAME_seg.png``, with the names of its classes, one a
    line from number 1 on, in ``names=FILE``. PART is ``training`` or ``validation``; ``train`` and ``val`` keep one. Of
    several names of a class, the first is taken.

    Raises:
        VestigeError: where a folder or a list is not as expected.
    """
    folder = folder_of(spec.text, spec.path)
    images = folder / "images"
    if what_is(images) != "folder":
        raise VestigeError(f"{spec.text!r}: {images} does not exist; expected ADE20K's images")
    full = what_is(folder / "annotations") != "folder"
    try:
        names = _full_names(spec) if full else _info_names(folder / "objectInfo150.txt")
        scenes = {} if full else _scenes(folder / "sceneCategories.txt")
    except BadFileError as error:
        raise VestigeError(f"{spec.text!r}: {error}") from error
    parts = [_FLAGS[flag] for flag in _FLAGS if flag in spec.options] or list(_PARTS)
    examples = []
    for path in pictures_below(images, problems, {".jpg"}):
        name = relative_id(path, images)
        if name.partition("/")[0] not in parts:
            continue
        with problems.caught():
            if full:
                scene = scene_of_folder(name.partition("/")[2])
                segmentation = path.with_name(f"{path.stem}{_SEGMENTATION}")
            else:
                segmentation = (folder / "annotations" / name).with_suffix(".png")
                if path.stem not in scenes:
                    raise BadFileError(path, "is not in sceneCategories.txt")
                scene = scenes[path.stem]
            examples.append(_example(spec, path, name, segmentation, scene, names))
    return Dataset(spec.text, tuple(examples))


def _example(spec: DataSpec, path: Path, name: str, segmentation: Path, scene: str, names: dict[int, str]) -> Example:
    checked = checked_picture(path, spec)
    checked_picture(segmentation, spec)
    file = SegmentationFile(segmentation, spec.exif)
    try:
        numbers = file.read()
    except VestigeError as error:
        raise BadFileError(segmentation, str(error).removeprefix(f"{segmentation}: ")) from error
    if numbers.shape != (checked.size[1], checked.size[0]):
        raise BadFileError(
            segmentation,
            f"has {numbers.shape[1]}x{numbers.shape[0]} pixels; its picture has "
            f"{checked.size[0]}x{checked.size[1]}{checked.doubt}",
        )
    unknown = [int(number) for number in np.unique(numbers) if number and number not in names]
    if unknown:
        raise BadFileError(segmentation, f"holds class {unknown[0]}, which has no name; expected 1 to {max(names)}")
    return Example(name, name, checked.image, scene=scene, objects=class_objects(file, names))


def _scenes(file: Path) -> dict[str, str]:
    found = {}
    for line, text in lines_of(file):
        words = text.split()
        if len(words) != 2:
            raise BadFileError(file, f"{text[:60]!r}; expected a picture's name and its scene", line)
        found[words[0]] = words[1]
    return found


def _info_names(file: Path) -> dict[int, str]:
    """``Idx Ratio Train Val Stuff Name`` in columns, with a heading."""
    found = {}
    for line, text in lines_of(file):
        words = re.split(r"\t+|\s{2,}", text)
        if words[0].isdecimal() and len(words) >= 2:
            found[int(words[0])] = _first_name(file, words[-1], line)
        elif found:
            raise BadFileError(file, f"{text[:60]!r}; expected a number and, at the end, a name", line)
    if not found:
        raise BadFileError(file, "names no class; expected lines of a number and, at the end, a name")
    return found


def _full_names(spec: DataSpec) -> dict[int, str]:
    given = spec.options.get("names")
    if not given:
        raise VestigeError(
            f"{spec.text!r}: has no annotations folder, so it is the full set: give the names of its classes, one a "
            "line from number 1 on, with names=FILE"
        )
    file = user_path(given)
    return {line: _first_name(file, text, line) for line, text in lines_of(file)}


def _first_name(file: Path, text: str, line: int) -> str:
    """The first of a class's names, which stand between commas."""
    name = text.split(",")[0].strip()
    if not name:
        raise BadFileError(file, f"{text[:60]!r}; expected a name before the first comma", line)
    return name


KIND = Kind(load_ade20k, ("names",), splits=("train", "val"))
