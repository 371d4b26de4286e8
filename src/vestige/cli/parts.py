"""The options that measuring commands share, each stated once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vestige.cli.options import markup_of, path_of
from vestige.options import needed, option

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset


@dataclass(frozen=True)
class Data:
    """Where data come from.

    Attributes:
        train, test: their specs.
        strict: stop where files are bad.
    """

    train: str = needed(
        "Data to train on, as kind:PATH[,key=value]: 300w:DIR, cub:DIR, coco:FILE, synthetic:faces,n=200.",
        metavar="TRAIN",
        argument=True,
    )
    test: str | None = option(None, "Data to test on; may be left out where TRAIN has its own split.", metavar="DATA")
    strict: bool = option(
        False, "Stop where files are bad instead of going on without them.", names=("--strict",), last=True
    )

    def open(self) -> tuple[Dataset, Dataset]:
        """The data to train on and to test on."""
        from vestige.datasets.opening import open_train_test

        return open_train_test(self.train, self.test, strict=self.strict)


@dataclass(frozen=True)
class PointData(Data):
    """Where data with points come from.

    Attributes:
        markup: a file that says what the points mean.
    """

    markup: Path | None = option(
        None, "What the points mean (JSON), for points that vestige does not know.", metavar="FILE", last=True
    )

    def open(self) -> tuple[Dataset, Dataset]:
        """The data to train on and to test on."""
        from vestige.datasets.opening import open_train_test

        return open_train_test(self.train, self.test, strict=self.strict, markup=markup_of(self.markup))


@dataclass(frozen=True)
class Where:
    """Where a run goes.

    Attributes:
        output: its folder.
        overwrite: whether a finished run in it is replaced.
    """

    output: Path = needed("Folder of the run; it is made.", names=("-o", "--output"), metavar="RUN", parser=path_of)
    overwrite: bool = option(False, "Replace a finished run in the folder.", names=("--overwrite",), last=True)
