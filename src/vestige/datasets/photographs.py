"""Photographs that belong to no data set, as examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import ImageFile, image_size


def open_pictures(paths: Sequence[Path]) -> tuple[Example, ...]:
    """Photographs as examples, named by their files.

    Raises:
        VestigeError: where one cannot be read.
    """
    if not paths:
        raise VestigeError("expected at least one picture")
    paths = tuple(dict.fromkeys(paths))
    names = Counter(path.name for path in paths)
    examples = []
    for path in paths:
        image_size(path)  # tells at once what is no picture
        name = path.name if names[path.name] == 1 else str(path)
        examples.append(Example(name, name, ImageFile(path)))
    return tuple(examples)
