"""``miniplaces:DIR``: MiniPlaces, scenes with polygons of their objects."""

from __future__ import annotations

from pathlib import Path

from vestige.datasets.annotations import parse_polygon, parse_xml
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import BadFileError, Checked, Kind, Problems, checked_picture, folder_of, inside, lines_of
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import what_is
from vestige.regions import NamedMask, Polygons
from vestige.spec import DataSpec

_OFFSET = 0.5  # corners are whole pixels from 1 on: the centre of pixel 1 is 0.5 here


def load_miniplaces(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/images/PART/...jpg`` as ``DIR/train.txt`` and ``DIR/val.txt`` list them, with the number of their scene.

    ``DIR/categories.txt`` and ``DIR/object_categories.txt`` give the names of those numbers, which also stand in
    ``DIR/objects/PART/...xml``; a picture without such a file has a scene alone. Corners of polygons are pixels counted
    from 1, so 0.5 is taken away, and a polygon holds the pixels that its corners lie in. A scene is called what its
    folder is, without the letter: ``abbey``.

    Raises:
        VestigeError: where a folder or a list is not as expected.
    """
    folder = folder_of(spec.text, spec.path)
    try:
        scenes = {number: _scene(name) for name, number in _table(folder / "categories.txt")}
        names = {number: name for name, number in _table(folder / "object_categories.txt")}
        parts = [part for part in ("train", "val") if part in spec.options] or ["train", "val"]
        listed = [(part, line, *row) for part in parts for line, row in _rows(folder / f"{part}.txt")]
    except BadFileError as error:
        raise VestigeError(f"{spec.text!r}: {error}") from error
    examples = []
    for part, line, name, number in listed:
        with problems.caught():
            examples.append(_example(spec, folder, folder / f"{part}.txt", line, name, number, scenes, names))
    return Dataset(spec.text, tuple(examples))


def _scene(name: str) -> str:
    """``abbey`` of ``/a/abbey``."""
    return name[3:] if name[:1] == "/" and len(name) > len("/a/") else name


def _table(file: Path) -> list[tuple[str, int]]:
    return [row for _, row in _rows(file)]


def _rows(file: Path) -> list[tuple[int, tuple[str, int]]]:
    """The lines ``name number`` of a list."""
    rows = []
    for line, text in lines_of(file):
        name, _, number = text.rpartition(" ")
        if not name or not number.isdecimal() or len(number) > 6:
            raise BadFileError(file, f"{text[:60]!r}; expected a name and a number", line)
        rows.append((line, (name.strip(), int(number))))
    return rows


def _example(
    spec: DataSpec,
    folder: Path,
    listing: Path,
    line: int,
    name: str,
    number: int,
    scenes: dict[int, str],
    names: dict[int, str],
) -> Example:
    if number not in scenes:
        raise BadFileError(listing, f"scene {number} is not in categories.txt", line)
    checked = checked_picture(inside(folder / "images", name, listing, line), spec)
    annotation = inside(folder / "objects", name, listing, line).with_suffix(".xml")
    objects = _objects(annotation, checked, number, names) if what_is(annotation) else ()
    return Example(name, name, checked.image, scene=scenes[number], objects=objects)


def _objects(file: Path, picture: Checked, scene: int, names: dict[int, str]) -> tuple[NamedMask, ...]:
    document = parse_xml(file, fragment=True)
    said = (document.findtext("class") or str(scene)).strip()
    if said != str(scene):
        raise BadFileError(file, f"is of scene {said[:40]}; the list says {scene}")
    found = []
    for element in document.findall("objects"):
        number = (element.findtext("class") or "").strip()
        if not number.isdecimal() or len(number) > 6 or int(number) not in names:
            raise BadFileError(file, f"an object is of class {number[:40]!r}, which is not in object_categories.txt")
        name = names[int(number)]
        rings = tuple(parse_polygon(file, name, each, picture, _OFFSET) for each in element.findall("polygon"))
        if not rings:
            raise BadFileError(file, f"{name} has no <polygon>")
        found.append(NamedMask(name, Polygons(rings)))
    return tuple(found)


KIND = Kind(load_miniplaces, splits=("train", "val"))
