"""``folder:DIR``: pictures alone."""

from __future__ import annotations

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import PICTURES, Problems, checked_picture, files_below, folder_of, relative_id
from vestige.example import Example
from vestige.images import ImageFile
from vestige.spec import DataSpec


def load_folder(spec: DataSpec, problems: Problems) -> Dataset:
    """All pictures in the folder and the folders below, with nothing known of them.

    Raises:
        VestigeError: where the folder does not exist.
    """
    folder = folder_of(spec.text, spec.path)
    examples = []
    for path in files_below(folder, PICTURES):
        with problems.caught():
            checked_picture(path)
            name = relative_id(path, folder)
            examples.append(Example(name, name, ImageFile(path)))
    return Dataset(spec.text, tuple(examples))
