"""A run of people's answers read back from its folder: what its page is drawn from, and what other tasks know of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

from vestige.arrays import check_arrays
from vestige.manifest import check_digest
from vestige.report.measured_run import ArraysRun, check_config
from vestige.results import Row, damaged, mend
from vestige.run import Run
from vestige.units.annotations.answers import Answer
from vestige.units.annotations.files import ANSWERS, read_answers
from vestige.units.annotations.said import UnitSaid, units_said

_NEEDED = {
    "layers": "text L",
    "unit_layers": "row:L U",
    "units": "index U",
    "objects?": "text U",
    "iou?": "real U",
    "detector?": "bool U",
    "examples?": "row:U E",
    "example_pictures?": "byte E K S S 3",
}


class _Config(TypedDict):
    metric: str
    dissection: str
    groups: list[str]


@dataclass(frozen=True)
class AnnotationRun(ArraysRun):
    """People's answers on a network's units, beside the labels by masks where the dissection has some.

    Attributes:
        answers: of all, failed ones, too.
    """

    answers: tuple[Answer, ...]

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Those that answers are on, in the order of depth."""
        return tuple(self.arrays["layers"].tolist())

    @cached_property
    def units(self) -> tuple[UnitSaid, ...]:
        """Units with an answer that passed, in the order of the arrays."""
        return units_said(self.answers, self.layers)

    @property
    def used_groups(self) -> tuple[str, ...]:
        """The groups that the answers are sorted into."""
        return tuple(self.results.config["groups"])

    @property
    def has_masks(self) -> bool:
        """Whether masks give units labels, too."""
        return "objects" in self.arrays

    def of(self, layer: str) -> tuple[UnitSaid, ...]:
        """The units of a layer."""
        return tuple(unit for unit in self.units if unit.layer == layer)

    def row(self, metric: str, layer: str, method: str = "people") -> Row | None:
        """A number of a layer."""
        return self.find(method, metric, layer)


def read_annotations(run: Run) -> AnnotationRun:
    """A finished run of people's answers.

    Raises:
        VestigeError: where the run is of another task, or lacks what belongs to one.
    """
    results = run.results_of("annotations", "units annotations")
    read = AnnotationRun(run.name, results, run.examples(), read_answers_of(run))
    check_config(run, results, _Config)
    check_arrays(run.examples_path, read.arrays, _NEEDED, mend=mend())
    named = [(read.layers[k], n) for k, n in zip(read.arrays["unit_layers"], read.arrays["units"], strict=True)]
    if any(answer.layer not in read.layers for answer in read.answers) or named != [
        (unit.layer, unit.unit) for unit in read.units
    ]:
        raise damaged(run.examples_path, f"its units are not those of {ANSWERS}")
    return read


def read_answers_of(run: Run) -> tuple[Answer, ...]:
    """The answers of a finished run of them.

    Raises:
        VestigeError: where they are missing or damaged.
    """
    path = run.folder / ANSWERS
    check_digest(path)
    return read_answers(path)
