"""What the loaders of PASCAL VOC share: its folders, and the lists of its splits."""

from __future__ import annotations

from pathlib import Path

from vestige.datasets.reading import BadFileError, lines_of
from vestige.errors import VestigeError
from vestige.files import what_is
from vestige.spec import DataSpec

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Of VOC's segmentation masks, by index."""

VOID = 255
"""The index of pixels that count for nothing in VOC's masks."""


def wanted_names(spec: DataSpec, folder: Path, task: str) -> set[str] | None:
    """The pictures' names in the list that the flag ``train`` or ``val`` names; None without a flag.

    Args:
        spec: with the flag.
        folder: VOC's, with ``ImageSets``.
        task: ``Main`` or ``Segmentation``.

    Raises:
        VestigeError: where the list cannot be read.
    """
    for split in ("train", "val"):
        if split in spec.options:
            file = folder / "ImageSets" / task / f"{split}.txt"
            try:
                return {line.split()[0] for _, line in lines_of(file)}
            except BadFileError as error:
                raise VestigeError(f"{spec.text!r}: the {split} part is the names listed there: {error}") from error
    return None


def voc_picture(folder: Path, name: str) -> Path:
    """Where a picture lies; its ending is ``.jpg``, or ``.png`` where only that is there."""
    path = folder / "JPEGImages" / f"{name}.jpg"
    other = path.with_suffix(".png")
    return other if what_is(other) and not what_is(path) else path
