"""A kind of data set: how it is read, and which options it knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vestige.datasets.dataset import Dataset
from vestige.datasets.reading import Problems
from vestige.spec import DataSpec


@dataclass(frozen=True)
class Kind:
    """A kind of data set.

    Attributes:
        load: reads what a spec names; collects problems and goes on.
        options: the options and flags it knows, besides ``fold``, ``exif`` and its splits.
        splits: the flags of its own training and test part, if it carries a split.
    """

    load: Callable[[DataSpec, Problems], Dataset]
    options: tuple[str, ...] = ()
    splits: tuple[str, str] | None = None
