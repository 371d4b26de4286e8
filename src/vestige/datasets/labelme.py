"""``labelme:DIR``: pictures with LabelMe's polygons, the form of SUN2012."""

from __future__ import annotations

from pathlib import Path

from vestige.datasets.annotations import parse_polygon, parse_xml
from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    PICTURES,
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    files_below,
    folder_of,
    inside,
    relative_id,
    scene_of_folder,
)
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import what_is
from vestige.regions import NamedMask, Polygons
from vestige.spec import DataSpec


def load_labelme(spec: DataSpec, problems: Problems) -> Dataset:
    """``DIR/Annotations/.../NAME.xml`` and ``DIR/Images/.../NAME.jpg``, one example for every annotation.

    LabelMe's corners are places of the mouse in pixels from the picture's corner, and are taken as they stand. Objects
    that were deleted are passed over, and names are in lower case. The scene is the folder below ``Images``, without a
    first folder of one letter (``a/abbey`` is ``abbey``).

    Raises:
        VestigeError: where one of the folders does not exist.
    """
    folder = folder_of(spec.text, spec.path)
    annotations, images = folder / "Annotations", folder / "Images"
    for path in (annotations, images):
        if what_is(path) != "folder":
            raise VestigeError(f"{spec.text!r}: {path} does not exist; expected LabelMe's Annotations and Images")
    examples = []
    for file in files_below(annotations, {".xml"}, problems):
        with problems.caught():
            examples.append(_example(spec, annotations, images, file))
    return Dataset(spec.text, tuple(examples))


def _example(spec: DataSpec, annotations: Path, images: Path, file: Path) -> Example:
    document = parse_xml(file)
    place = Path(relative_id(file, annotations)).parent
    said = (document.findtext("filename") or "").strip()
    name = Path(said).name if said else f"{file.stem}.jpg"
    picture = inside(images / place, name, file)
    if picture.suffix.lower() not in PICTURES:
        raise BadFileError(file, f"<filename> is {said[:60]!r}; expected a picture")
    checked = checked_picture(picture, spec)
    objects = []
    for element in document.findall("object"):
        if (element.findtext("deleted") or "0").strip() == "1":
            continue
        called = " ".join((element.findtext("name") or "").lower().split())
        if not called:
            raise BadFileError(file, "an object has no <name>")
        rings = tuple(parse_polygon(file, called, each, checked, 0.0) for each in element.findall("polygon"))
        if not rings:
            raise BadFileError(file, f"{called} has no <polygon>; masks in files are not read")
        objects.append(NamedMask(called, Polygons(rings)))
    example = relative_id(picture, images)
    return Example(example, example, checked.image, scene=scene_of_folder(example), objects=tuple(objects))


KIND = Kind(load_labelme)
