"""Where people's answers come from: a run's store, a run of theirs, or a file; and whether they are about the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vestige.errors import VestigeError
from vestige.run import Run
from vestige.spelling import spelled
from vestige.units.annotate import installed
from vestige.units.annotations.answers import Answer
from vestige.units.annotations.files import ANSWERS, answers_json, are_anonymous, read_answers

if TYPE_CHECKING:
    from vestige.units.annotate.store import Store
    from vestige.units.dissect.run import DissectRun


@dataclass(frozen=True)
class Said:
    """Answers, and what they are about.

    Attributes:
        answers: of all, failed ones, too.
        source: where they come from, in words.
        dissection: whose units they are on; None where that is not known.
        folder: of the dissection.
    """

    answers: tuple[Answer, ...]
    source: str
    dissection: DissectRun | None = None
    folder: Path | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that answers are on, in the order of depth; without a dissection in that of the answers."""
        named = dict.fromkeys(answer.layer for answer in self.answers)
        ordered = named if self.dissection is None else self.dissection.layers
        return tuple(layer for layer in ordered if layer in named)

    @property
    def anonymous(self) -> bool:
        """Whether those who answered are told apart within a unit alone, as in the authors' release."""
        return are_anonymous(self.answers)

    @property
    def fingerprint(self) -> str:
        """The same for the same answers."""
        return f"sha256:{hashlib.sha256(answers_json(self.answers).encode()).hexdigest()}"


def answers_of_file(path: Path, run: Path | None = None) -> Said:
    """The answers of a file; about a dissection where one is named.

    Raises:
        VestigeError: where they cannot be read, or are not about the dissection.
    """
    answers = read_answers(path)
    if run is None:
        return Said(answers, path.name)
    from vestige.units.dissect.run import read_dissection

    dissection = read_dissection(Run(run))
    check_about(dissection, answers, str(path))
    return Said(answers, path.name, dissection, run)


def answers_of_run(folder: Path, database: str = "") -> Said:
    """The answers of a dissection, out of its store, or of a run of answers.

    Raises:
        VestigeError: where the run has none, or they are not about it.
    """
    from vestige.units.annotations.run import read_answers_of
    from vestige.units.dissect.run import read_dissection

    run = Run(folder)
    if run.results().task == "annotations":
        return Said(read_answers_of(run), str(folder / ANSWERS))
    dissection = read_dissection(run)
    answers = _store(folder, database, make=False).answers()
    if not answers:
        raise _unanswered(folder)
    check_about(dissection, answers, str(folder))
    return Said(answers, "a database" if database else f"{folder}", dissection, folder)


def take_in(said: Said, database: str = "") -> int:
    """Take answers into the store of the dissection that they are about; how many are new.

    Raises:
        VestigeError: where someone has answered otherwise there.
    """
    assert said.folder is not None  # answers about no dissection have no store
    return _store(said.folder, database, make=True).add(said.answers)


def _unanswered(folder: Path) -> VestigeError:
    return VestigeError(
        f"{folder}: nobody has named its units yet; ask people with `vestige units annotate {folder}`, or take answers "
        f"in with {spelled('imported', word='FILE')}"
    )


def _store(folder: Path, database: str, *, make: bool) -> Store:
    """Where a dissection's answers are; made where it is missing, if that is meant.

    Raises:
        VestigeError: where it cannot be opened, or holds answers about another dissection.
    """
    with installed():
        from vestige.units.annotate.serving import store_of
        from vestige.units.annotate.store import store_path

    if not (make or database or store_path(folder).exists()):
        raise _unanswered(folder)
    return store_of(Run(folder), database)


def check_about(run: DissectRun, answers: Iterable[Answer], source: str) -> None:
    """Refuse answers that are not on units of a dissection, or on other pictures than it has.

    Raises:
        VestigeError: naming where they come from, the answer, and what the dissection has.
    """
    for answer in answers:
        said = f"{source}: {answer.annotator} on {answer.layer}:{answer.unit}"
        if answer.layer not in run.layers:
            raise VestigeError(f"{said}: the run {run.name} has no such layer; its layers: {', '.join(run.layers)}")
        units = len(run.of(answer.layer, "threshold"))
        if answer.unit >= units:
            raise VestigeError(f"{said}: the run {run.name} has no such unit; {answer.layer} has {units}, from 0")
        own, lowest = (run.of(answer.layer, key)[answer.unit] for key in ("top_rows", "negatives"))
        top = set(answer.shown) - set(answer.planted)
        if not (top <= set(np.asarray(own).tolist()) and set(answer.planted) <= set(np.asarray(lowest).tolist())):
            raise VestigeError(
                f"{said}: was shown other pictures than the run {run.name} has of the unit; these are answers about "
                "another dissection"
            )
