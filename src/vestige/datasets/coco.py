"""``coco:ANNOTATIONS.json``: keypoints in COCO's format, of one or many categories."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset
from vestige.datasets.objects import check_box, check_keypoints
from vestige.datasets.reading import BadFileError, Problems, checked_picture, inside
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import Box, Points
from vestige.images import ImageFile
from vestige.markup import Markup, markup_of_names, shipped_markup
from vestige.spec import DataSpec

_LARGEST = 1e9  # of a number in an annotation; NaN and infinities are not below it either


def load_coco(spec: DataSpec, problems: Problems) -> Dataset:
    """One example for every annotated object that has keypoints; crowds and objects without keypoints are passed over.

    COCO's boxes ``[x, y, w, h]`` are continuous from the picture's corner and taken as they stand; its keypoints are
    0-based pixel indices, so 0.5 is added (with the flag ``corners`` they too are taken as they stand). A keypoint
    counts as visible where its flag is at least ``visible=1`` (labelled); ``visible=2`` leaves out hidden ones.
    Pictures lie in ``images=DIR``, by default the annotation file's folder.

    Where categories differ in their keypoints, an example has the points of all, named ``category/point``, of which
    only those of its own can be visible.

    Raises:
        VestigeError: where the file cannot be read as COCO annotations with keypoints.
    """
    file = Path(spec.path).expanduser()
    root = Path(spec.options.get("images") or file.parent).expanduser()
    if not root.is_dir():
        raise VestigeError(f"{spec.text!r}: {root} is no folder; give the pictures' folder with images=DIR")
    document = _read_document(file)
    layout = _layout_of(spec, file, document)
    reader = _Reader(
        file=file,
        root=root,
        layout=layout,
        pictures=_by_id(file, document["images"], "image", problems),
        least=spec.integer("visible", 1),
        offset=0.0 if "corners" in spec.options else 0.5,
    )
    examples = []
    for annotation in _with_keypoints(file, document["annotations"], layout, problems):
        with problems.caught():
            examples.append(reader.example(annotation))
    return Dataset(spec.text, tuple(examples), layout.markup, classes=tuple(c.name for c in layout.categories.values()))


@dataclass(frozen=True)
class _Category:
    name: str
    n_points: int
    offset: int  # of its first point among the points of all categories


@dataclass(frozen=True)
class _Layout:
    """Where the keypoints of each category (by COCO's id) stand among those of all."""

    categories: Mapping[int, _Category]
    markup: Markup


@dataclass
class _Reader:
    """Turns one annotation after the other into examples; every picture is looked at once."""

    file: Path
    root: Path
    layout: _Layout
    pictures: Mapping[int, Mapping[str, Any]]
    least: int
    offset: float
    sizes: dict[int, tuple[Path, tuple[int, int]] | BadFileError] = field(default_factory=dict)

    def example(self, annotation: Mapping[str, Any]) -> Example:
        name = f"annotation {annotation['id']}"
        category = self.layout.categories[annotation["category_id"]]
        path, size = self.picture(name, annotation)
        box = self.box(name, annotation)
        points, visible = self.keypoints(name, annotation, category)
        check_box(self.file, name, box, size)
        check_keypoints(self.file, name, points, visible, box, size)
        picture = path.relative_to(self.root).as_posix()
        return Example(
            id=f"{picture}#{annotation['id']}",
            group=picture,
            image=ImageFile(path),
            box=box,
            keypoints=points,
            visible=visible,
            category=category.name,
        )

    def picture(self, name: str, annotation: Mapping[str, Any]) -> tuple[Path, tuple[int, int]]:
        key = annotation.get("image_id")
        entry = self.pictures.get(key) if isinstance(key, int) else None
        if entry is None or not isinstance(key, int):
            raise BadFileError(self.file, f'{name}: image_id {key!r} is not among "images"')
        if key not in self.sizes:
            try:
                self.sizes[key] = self._checked(entry)
            except BadFileError as error:
                self.sizes[key] = error
                raise
        known = self.sizes[key]
        if isinstance(known, BadFileError):
            raise BadFileError(self.file, f"{name}: its picture cannot be used: {known}")
        return known

    def _checked(self, entry: Mapping[str, Any]) -> tuple[Path, tuple[int, int]]:
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise BadFileError(self.file, f'image {entry["id"]}: expected a "file_name"')
        path = inside(self.root, name, self.file)
        size = checked_picture(path)
        said = (entry.get("width") or size[0], entry.get("height") or size[1])
        if said != size:
            raise BadFileError(
                path, f"has {size[0]}x{size[1]} pixels; {self.file} annotates a picture of {said[0]}x{said[1]}"
            )
        return path, size

    def box(self, name: str, annotation: Mapping[str, Any]) -> Box:
        values = annotation.get("bbox")
        if not _are_numbers(values) or len(values) != 4:
            raise BadFileError(self.file, f'{name}: "bbox" is {_short(values)}; expected [x, y, width, height]')
        x, y, width, height = values
        return np.array([x, y, x + width, y + height], dtype=np.float64)

    def keypoints(
        self, name: str, annotation: Mapping[str, Any], category: _Category
    ) -> tuple[Points, NDArray[np.bool_]]:
        values = annotation["keypoints"]
        if not _are_numbers(values):
            raise BadFileError(self.file, f'{name}: "keypoints" is {_short(values)}; expected finite numbers x, y, v')
        if len(values) != 3 * category.n_points:
            raise BadFileError(
                self.file,
                f'{name}: {len(values)} numbers in "keypoints"; expected {3 * category.n_points}, '
                f"x, y and v of the {category.n_points} points of {category.name!r}",
            )
        own = np.array(values, dtype=np.float64).reshape(-1, 3)
        points = np.zeros((len(self.layout.markup.points), 2))
        visible = np.zeros(len(points), dtype=bool)
        here = slice(category.offset, category.offset + category.n_points)
        visible[here] = own[:, 2] >= max(self.least, 1)
        points[here] = np.where(visible[here, None], own[:, :2] + self.offset, 0.0)
        if not visible.any():
            raise BadFileError(self.file, f"{name}: no keypoint has a flag of {self.least} or more")
        return points, visible


def _read_document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise VestigeError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise VestigeError(f"{file}: is no JSON file: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise VestigeError(f'{file}: expected COCO annotations, a JSON object with the list "{key}"')
    return dict(document)


def _by_id(file: Path, entries: list[Any], what: str, problems: Problems) -> dict[int, Mapping[str, Any]]:
    found: dict[int, Mapping[str, Any]] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), int):
            problems.add(file, f'{what} number {number} is {_short(entry)}; expected an object with a whole "id"')
        elif entry["id"] in found:
            problems.add(file, f"{what} {entry['id']} is there twice")
        else:
            found[entry["id"]] = entry
    return found


def _with_keypoints(
    file: Path, annotations: list[Any], layout: _Layout, problems: Problems
) -> Iterator[Mapping[str, Any]]:
    for key, entry in _by_id(file, annotations, "annotation", problems).items():
        if not _is_object_with_keypoints(entry):
            continue
        category = entry.get("category_id")
        if not isinstance(category, int) or category not in layout.categories:
            problems.add(file, f'annotation {key}: category_id {category!r} is not among "categories"')
        else:
            yield entry


def _is_object_with_keypoints(entry: Any) -> bool:
    """Whether an annotation is of one object with at least one labelled keypoint, or has keypoints that are wrong."""
    if not isinstance(entry, dict) or entry.get("iscrowd") or not entry.get("keypoints"):
        return False
    values = entry["keypoints"]
    return not _are_numbers(values) or any(v > 0 for v in values[2::3])


def _layout_of(spec: DataSpec, file: Path, document: dict[str, Any]) -> _Layout:
    """The categories that have annotated keypoints, and the one list of points that serves all of them."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)  # by the category's repr: files may hold anything there
    for annotation in document["annotations"]:
        if _is_object_with_keypoints(annotation):
            counts[repr(annotation.get("category_id"))][_n_points(annotation)] += 1
    names: dict[int, tuple[str, tuple[str, ...]]] = {}
    for entry in document["categories"]:
        key, name = _id_and_name(file, entry)
        if repr(key) in counts:
            names[key] = (name, _point_names(file, entry, counts[repr(key)]))
    if not names:
        raise VestigeError(f"{spec.text!r}: no annotation has keypoints; expected COCO keypoint annotations")
    return _joined(names)


def _id_and_name(file: Path, entry: Any) -> tuple[int, str]:
    if isinstance(entry, dict):
        key, name = entry.get("id"), entry.get("name")
        if isinstance(key, int) and isinstance(name, str):
            return key, name
    raise VestigeError(f'{file}: a category is {_short(entry)}; expected an object with "id" and "name"')


def _point_names(file: Path, category: Mapping[str, Any], counts: Counter[int]) -> tuple[str, ...]:
    """The names that the category gives, or numbers as many as most of its annotations have points."""
    names = category.get("keypoints")
    if not names:
        return tuple(str(k) for k in range(max(counts, key=lambda n: (counts[n], n))))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise VestigeError(f'{file}: category {category["name"]!r}: expected "keypoints", a list of names')
    return tuple(names)


def _joined(names: Mapping[int, tuple[str, tuple[str, ...]]]) -> _Layout:
    lists = {points for _, points in names.values()}
    if len(lists) == 1:
        (points,) = lists
        shared = {key: _Category(name, len(points), 0) for key, (name, points) in names.items()}
        coco17 = shipped_markup("coco17")
        return _Layout(shared, coco17 if points == coco17.points else markup_of_names("coco", points))
    categories: dict[int, _Category] = {}
    joined: list[str] = []
    for key, (name, points) in names.items():
        categories[key] = _Category(name, len(points), len(joined))
        joined += [f"{name}/{point}" for point in points]
    return _Layout(categories, markup_of_names("coco", joined))


def _n_points(entry: Mapping[str, Any]) -> int:
    return len(entry["keypoints"]) // 3 if isinstance(entry["keypoints"], list) else 0


def _are_numbers(values: Any) -> TypeGuard[list[float]]:
    return isinstance(values, list) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= _LARGEST for v in values
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
