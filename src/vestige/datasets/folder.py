"""``folder:DIR``: pictures alone."""

from __future__ import annotations

from vestige.datasets.dataset import Dataset
from vestige.datasets.kind import Kind
from vestige.datasets.reading import Problems, checked_picture, folder_of, pictures_below, relative_id
from vestige.example import Example
from vestige.spec import DataSpec


def load_folder(spec: DataSpec, problems: Problems) -> Dataset:
    """All pictures in the folder and the folders below, with nothing known of them.

    Raises:
        VestigeError: where the folder does not exist.
    """
    folder = folder_of(spec.text, spec.path)
    examples = []
    for path in pictures_below(folder, problems):
        with problems.caught():
            name = relative_id(path, folder)
            examples.append(Example(name, name, checked_picture(path, spec).image))
    return Dataset(spec.text, tuple(examples))


KIND = Kind(load_folder)
