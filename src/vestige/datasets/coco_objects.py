"""``coco-objects:ANNOTATIONS.json``: pictures with COCO's objects, as polygons or run lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vestige.datasets.annotations import check_corners
from vestige.datasets.coco_files import (
    CocoPictures,
    are_numbers,
    by_id,
    id_of,
    pictures_folder,
    read_document,
    short,
)
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import BadFileError, Checked, Kind, Problems
from vestige.example import Example
from vestige.files import user_path
from vestige.regions import NamedMask, Polygons, Region, RunLengths, parse_counts
from vestige.spec import DataSpec


def load_coco_objects(spec: DataSpec, problems: Problems) -> Dataset:
    """One example for every picture, with all its objects; one without any is an example, too.

    Polygons are continuous from the picture's corner and taken as they stand; run lengths (``counts`` as numbers or as
    text) are of the picture's pixels, column by column. Crowds are objects like others. An object without segmentation
    is a problem. Pictures lie in ``images=DIR``, by default the annotation file's folder.

    Raises:
        VestigeError: where the file cannot be read as COCO annotations.
    """
    file = user_path(spec.path)
    root = pictures_folder(spec, file)
    document = read_document(file)
    pictures = CocoPictures(spec, file, root, by_id(file, document["images"], "image", problems))
    names = {key: entry.get("name") for key, entry in by_id(file, document["categories"], "category", problems).items()}
    objects: dict[str, list[NamedMask]] = defaultdict(list)
    for key, entry in by_id(file, document["annotations"], "annotation", problems).items():
        with problems.caught():
            where = f"annotation {key}"
            category = names.get(id_of(entry, "category_id") or "")
            if not isinstance(category, str) or not category.strip():
                said = short(entry.get("category_id"))
                raise BadFileError(file, f'{where}: category_id {said} is not among "categories", or has no name there')
            checked = pictures.of(where, entry)
            region = _region(file, where, entry.get("segmentation"), checked)
            objects[str(id_of(entry, "image_id"))].append(NamedMask(category, region))
    examples = []
    for key in pictures.entries:
        with problems.caught():
            found = pictures.look(key)
            if isinstance(found, BadFileError):
                raise found
            name = found.image.path.relative_to(root).as_posix()
            examples.append(Example(name, name, found.image, objects=tuple(objects[key])))
    return Dataset(spec.text, tuple(examples))


def _region(file: Path, name: str, given: Any, picture: Checked) -> Region:
    if isinstance(given, Mapping):
        return _runs(file, name, given, picture)
    if not isinstance(given, list) or not given:
        raise BadFileError(file, f'{name}: "segmentation" is {short(given)}; expected polygons or run lengths')
    rings = []
    for numbers in given:
        if not are_numbers(numbers) or len(numbers) % 2:
            raise BadFileError(file, f"{name}: a polygon is {short(numbers)}; expected numbers x, y, x, y, ...")
        rings.append(check_corners(file, name, np.array(numbers, dtype=np.float64).reshape(-1, 2), picture))
    return Polygons(tuple(rings))


def _runs(file: Path, name: str, given: Mapping[str, Any], picture: Checked) -> RunLengths:
    counts, size = given.get("counts"), given.get("size")
    if size != [picture.size[1], picture.size[0]]:
        raise BadFileError(
            file,
            f'{name}: "size" of its run lengths is {short(size)}; expected the picture\'s height and width, '
            f"{[picture.size[1], picture.size[0]]}{picture.doubt}",
        )
    try:
        found = parse_counts(counts) if isinstance(counts, str) else np.array(counts, dtype=np.int64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadFileError(file, f'{name}: "counts" is {short(counts)}; expected run lengths') from error
    if found.ndim != 1 or (found < 0).any() or found.sum() != picture.size[0] * picture.size[1]:
        raise BadFileError(file, f"{name}: the run lengths do not add up to its picture's pixels")
    return RunLengths(found, picture.size)


KIND = Kind(load_coco_objects, ("images",))
