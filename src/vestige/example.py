"""One picture with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vestige.geometry import Box, Points
from vestige.regions import NamedMask


class Picture(Protocol):
    """Pixels that are read when they are needed, and known by their content."""

    def read(self) -> NDArray[np.uint8]:
        """The pixels: ``(H, W, 3)`` RGB for an image, ``(H, W)`` class indices for a mask.

        Raises:
            VestigeError: naming the file that cannot be read.
        """
        ...

    def digest(self) -> str:
        """A text that changes whenever the pixels do (a hash of the file, or the recipe of a drawing)."""
        ...


@dataclass(frozen=True)
class Example:
    """One picture with what is known of it. Coordinates are pixels of the picture (see :mod:`vestige.geometry`).

    Attributes:
        id: unique in its data set; a path relative to the data set's root where there is one.
        group: what folds must keep together (a person, a photograph); by default the id.
        image: the picture, ``(H, W, 3)`` RGB.
        box: ``(4,)`` of the object, or None: the whole picture.
        keypoints: ``(K, 2)``, or None where the data set has none.
        visible: ``(K,)`` boolean; the coordinates of an invisible keypoint mean nothing (they are finite, never NaN).
        mask: class indices ``(H, W)``, or None.
        category: the class of the object, where the data set has several.
        scene: the category of the whole picture, where the data set has any.
        objects: named masks of what is in it; they may overlap.
        attributes: named numbers (0/1 for binary ones); a missing one has no entry.
        source: the spec of its data set, for people to read; empty where it is of none.
    """

    id: str
    group: str
    image: Picture
    box: Box | None = None
    keypoints: Points | None = None
    visible: NDArray[np.bool_] | None = None
    mask: Picture | None = None
    category: str = ""
    scene: str = ""
    objects: tuple[NamedMask, ...] = ()
    attributes: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    source: str = ""
