"""Categories of whole pictures, from the names of their folders."""

from __future__ import annotations

from pathlib import PurePosixPath


def scene_of_folder(name: str) -> str:
    """The folder of a picture as its scene, without a first folder of one letter: ``a/abbey/1.jpg`` is of ``abbey``.

    Args:
        name: of the picture, a path with forward slashes from the root of its data set.
    """
    parts = PurePosixPath(name).parent.parts
    return "/".join(parts[1:] if len(parts) > 1 and len(parts[0]) == 1 else parts)
