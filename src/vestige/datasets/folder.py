"""``folder:DIR``: pictures alone, or with their folders as scenes."""

from __future__ import annotations

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import (
    BadFileError,
    Kind,
    Problems,
    checked_picture,
    folder_of,
    pictures_below,
    relative_id,
    scene_of_folder,
)
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.spec import DataSpec


def load_folder(spec: DataSpec, problems: Problems) -> Dataset:
    """All pictures in the folder and the folders below, with nothing known of them.

    With ``scene=folder`` a picture's folder is its scene, without a first folder of one letter.

    Raises:
        VestigeError: where the folder does not exist, or ``scene`` is something else.
    """
    by_folder = spec.options.get("scene")
    if by_folder not in (None, "folder"):
        raise VestigeError(f"{spec.text!r}: scene={by_folder}: expected scene=folder")
    folder = folder_of(spec.text, spec.path)
    examples = []
    for path in pictures_below(folder, problems):
        with problems.caught():
            name = relative_id(path, folder)
            scene = scene_of_folder(name) if by_folder else ""
            if by_folder and not scene:
                raise BadFileError(path, "lies in no folder of its own; with scene=folder its folder is its scene")
            examples.append(Example(name, name, checked_picture(path, spec).image, scene=scene))
    return Dataset(spec.text, tuple(examples))


KIND = Kind(load_folder, ("scene",))
