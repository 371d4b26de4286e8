"""``coco:ANNOTATIONS.json``: keypoints in COCO's format, of one or many categories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.annotations import check_box, check_keypoints
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
from vestige.datasets.reading import BadFileError, Kind, Problems
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.files import user_path
from vestige.geometry import Box, Points
from vestige.markup import Markup, markup_of_names, shipped_markup
from vestige.spec import DataSpec

_ALL = "all"


def load_coco(spec: DataSpec, problems: Problems) -> Dataset:
    """One example for every annotated object that has keypoints; crowds and objects without keypoints are passed over.

    COCO's boxes ``[x, y, w, h]`` are continuous from the picture's corner and taken as they stand; its keypoints are
    0-based pixel indices, so 0.5 is added (with the flag ``corners`` they too are taken as they stand). A keypoint
    counts as visible where its flag is at least ``visible=1`` (labelled); ``visible=2`` leaves out hidden ones.
    Pictures lie in ``images=DIR``, by default the annotation file's folder. Ids may be numbers or texts. What the file
    says of a keypoint with v = 0 plays no part.

    ``category=NAME`` keeps the objects of one category. Where categories differ in their keypoints one has to be named,
    or ``category=all``: an example then has the points of all, named ``category/point``, of which only those of its own
    can be visible.

    Raises:
        VestigeError: where the file cannot be read as COCO annotations with keypoints, or it has several categories
            with different keypoints and none is named.
    """
    file = user_path(spec.path)
    root = pictures_folder(spec, file)
    document = read_document(file)
    layout = _layout_of(spec, file, document)
    reader = _Reader(
        file=file,
        layout=layout,
        pictures=CocoPictures(spec, file, root, by_id(file, document["images"], "image", problems)),
        least=spec.integer("visible", 1, 0, 2),
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
    """Where the keypoints of each category (by COCO's id, as text) stand among those of all.

    Attributes:
        categories: those that are read.
        passed: the ids of those that are not.
        markup: the points of all that are read.
    """

    categories: Mapping[str, _Category]
    passed: frozenset[str]
    markup: Markup


@dataclass
class _Reader:
    """Turns one annotation after the other into examples."""

    file: Path
    layout: _Layout
    pictures: CocoPictures
    least: int
    offset: float

    def example(self, annotation: Mapping[str, Any]) -> Example:
        name = f"annotation {annotation['id']}"
        category = self.layout.categories[str(id_of(annotation, "category_id"))]
        checked = self.pictures.of(name, annotation)
        box = self.box(name, annotation)
        points, visible = self.keypoints(name, annotation, category)
        check_box(self.file, name, box, checked)
        check_keypoints(self.file, name, points, visible, box, checked)
        picture = checked.image.path.relative_to(self.pictures.root).as_posix()
        return Example(
            id=f"{picture}#{annotation['id']}",
            group=picture,
            image=checked.image,
            box=box,
            keypoints=points,
            visible=visible,
            category=category.name,
        )

    def box(self, name: str, annotation: Mapping[str, Any]) -> Box:
        values = annotation.get("bbox")
        if not are_numbers(values) or len(values) != 4:
            raise BadFileError(self.file, f'{name}: "bbox" is {short(values)}; expected [x, y, width, height]')
        x, y, width, height = values
        return np.array([x, y, x + width, y + height], dtype=np.float64)

    def keypoints(
        self, name: str, annotation: Mapping[str, Any], category: _Category
    ) -> tuple[Points, NDArray[np.bool_]]:
        values = _labelled(annotation["keypoints"])
        if not are_numbers(values):
            raise BadFileError(self.file, f'{name}: "keypoints" is {short(values)}; expected finite numbers x, y, v')
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


def _with_keypoints(
    file: Path, annotations: list[Any], layout: _Layout, problems: Problems
) -> Iterator[Mapping[str, Any]]:
    for key, entry in by_id(file, annotations, "annotation", problems).items():
        if not _is_object_with_keypoints(entry):
            continue
        category = id_of(entry, "category_id")
        if category in layout.passed:
            continue
        if category not in layout.categories:
            problems.add(
                file, f'annotation {key}: category_id {short(entry.get("category_id"))} is not among "categories"'
            )
        else:
            yield entry


def _is_object_with_keypoints(entry: Any) -> bool:
    """Whether an annotation is of one object with at least one labelled keypoint, or has keypoints that are wrong."""
    if not isinstance(entry, dict) or entry.get("iscrowd") in (1, "1") or not entry.get("keypoints"):
        return False
    values = _labelled(entry["keypoints"])
    return not are_numbers(values) or any(v > 0 for v in values[2::3])


def _labelled(values: Any) -> Any:
    """Keypoints with zeros for those that have no v, or v = 0: some files leave their x and y null."""
    if not isinstance(values, list) or len(values) % 3:
        return values
    return [number for k in range(0, len(values), 3) for number in (values[k : k + 3] if values[k + 2] else (0, 0, 0))]


def _layout_of(spec: DataSpec, file: Path, document: dict[str, Any]) -> _Layout:
    """The categories that have annotated keypoints and are wanted, and the one list of points that serves all."""
    counts: dict[str | None, Counter[int]] = defaultdict(Counter)
    for annotation in document["annotations"]:
        if _is_object_with_keypoints(annotation):
            counts[id_of(annotation, "category_id")][_n_points(annotation)] += 1
    names: dict[str, tuple[str, tuple[str, ...]]] = {}
    for entry in document["categories"]:
        key, name = _id_and_name(file, entry)
        if key in counts:
            names[key] = (name, _point_names(file, entry, counts[key]))
    if not names:
        raise VestigeError(f"{spec.text!r}: no annotation has keypoints; expected COCO keypoint annotations")
    chosen = _chosen(spec, names, {key: counts[key].total() for key in names})
    return _joined(chosen, frozenset(names.keys() - chosen.keys()))


_Names = Mapping[str, tuple[str, tuple[str, ...]]]
"""By its id, the name of a category and of its points."""


def _chosen(spec: DataSpec, names: _Names, counts: Mapping[str, int]) -> _Names:
    """The categories that ``category=NAME`` asks for; without it all, where they have the same points."""
    wanted = spec.options.get("category")
    known = sorted({name for name, _ in names.values()})
    if wanted in known:
        return {key: entry for key, entry in names.items() if entry[0] == wanted}
    if wanted not in (None, _ALL):
        raise VestigeError(f"{spec.text!r}: no annotated category {wanted!r}; {choice(wanted, known)}")
    if wanted is None and len({points for _, points in names.values()}) > 1:
        listed = ", ".join(
            f"{name} ({len(points)} points, {counts[key]} objects)" for key, (name, points) in names.items()
        )
        raise VestigeError(
            f"{spec.text!r}: the categories have different points: {listed}; choose one, as in "
            f"category={names[max(names, key=counts.__getitem__)][0]}, or "
            f"category={_ALL} for the points of all side by side"
        )
    return names


def _id_and_name(file: Path, entry: Any) -> tuple[str, str]:
    key = id_of(entry)
    if key is not None and isinstance(entry.get("name"), str):
        return key, entry["name"]
    raise VestigeError(f'{file}: a category is {short(entry)}; expected an object with "id" and "name"')


def _point_names(file: Path, category: Mapping[str, Any], counts: Counter[int]) -> tuple[str, ...]:
    """The names that the category gives, or numbers as many as most of its annotations have points."""
    names = category.get("keypoints")
    if not names:
        return tuple(str(k) for k in range(max(counts, key=lambda n: (counts[n], n))))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise VestigeError(f'{file}: category {category["name"]!r}: expected "keypoints", a list of names')
    return tuple(names)


def _joined(names: _Names, passed: frozenset[str]) -> _Layout:
    lists = {points for _, points in names.values()}
    if len(lists) == 1:
        (points,) = lists
        shared = {key: _Category(name, len(points), 0) for key, (name, points) in names.items()}
        coco17 = shipped_markup("coco17")
        return _Layout(shared, passed, coco17 if points == coco17.points else markup_of_names("coco", points))
    categories: dict[str, _Category] = {}
    joined: list[str] = []
    for key, (name, points) in names.items():
        categories[key] = _Category(name, len(points), len(joined))
        joined += [f"{name}/{point}" for point in points]
    return _Layout(categories, passed, markup_of_names("coco", joined))


def _n_points(entry: Mapping[str, Any]) -> int:
    return len(entry["keypoints"]) // 3 if isinstance(entry["keypoints"], list) else 0


KIND = Kind(load_coco, ("images", "category", "visible", "corners"))
