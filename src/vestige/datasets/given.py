"""The data that a measurement is given, as options: specs are opened, data sets taken as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vestige.options import needed, option

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset


def strict_option() -> bool:
    """Of what is done where files are bad."""
    return option(False, "Stop where files are bad, or go on without them.", names=("--strict/--skip-bad",), last=True)


def markup_option() -> Path | None:
    """Of a file that says what points mean."""
    return option(
        None, "What the points mean (JSON), for points that vestige does not know.", metavar="FILE", last=True
    )


@dataclass(frozen=True)
class TrainTest:
    """Where data come from.

    Attributes:
        train, test: their specs, or from Python the data sets themselves.
        strict: stop where files are bad.
    """

    train: str | Dataset = needed(
        "Data to train on, as kind:PATH[,key=value]: 300w:DIR, cub:DIR, coco:FILE, synthetic:faces,n=200.",
        metavar="TRAIN",
        argument=True,
        typed_as=str,
    )
    test: str | Dataset | None = option(
        None,
        "Data to test on; may be left out where TRAIN has its own split.",
        metavar="DATA",
        typed_as=str,
    )
    strict: bool = strict_option()

    def open(self) -> tuple[Dataset, Dataset]:
        """The data to train on and to test on."""
        from vestige.datasets.opening import open_train_test

        return open_train_test(self.train, self.test, strict=self.strict)


@dataclass(frozen=True)
class PointTrainTest(TrainTest):
    """Where data with points come from.

    Attributes:
        markup: a file that says what the points mean.
    """

    markup: Path | None = markup_option()

    def open(self) -> tuple[Dataset, Dataset]:
        """The data to train on and to test on."""
        from vestige.datasets.opening import open_train_test
        from vestige.markup import read_markup

        markup = None if self.markup is None else read_markup(self.markup)
        return open_train_test(self.train, self.test, strict=self.strict, markup=markup)


@dataclass(frozen=True)
class Pictures:
    """Where pictures come from that are only looked at: nothing is trained on them.

    Attributes:
        data: their spec, or from Python the data set itself.
        strict: stop where files are bad.
    """

    data: str | Dataset = needed(
        "Pictures, as kind:PATH[,key=value]: miniplaces:DIR,train, ade20k:DIR, folder:DIR,scene=folder.",
        metavar="DATA",
        argument=True,
        typed_as=str,
    )
    strict: bool = strict_option()

    def open(self) -> Dataset:
        """The pictures."""
        from vestige.datasets.opening import open_given

        return open_given(self.data, strict=self.strict)
