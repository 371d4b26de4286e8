"""What a comparison of networks and layers may be asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from msgspec import ValidationError, convert

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.contract.task import Task
from vestige.datasets.given import PointTrainTest
from vestige.errors import VestigeError, choice
from vestige.options import option, seed_option
from vestige.probes.engine.options import normaliser_option
from vestige.spec import EVEN_LAYERS
from vestige.spelling import spelled
from vestige.tasks import task_named, task_names

if TYPE_CHECKING:
    from vestige.datasets.dataset import Dataset

_PASSED_ON = ("mirror", "box_margin", "normaliser")
"""Options of the tasks that are given here, each where the task has it."""

_NOT_SET = (*_PASSED_ON, "backbone", "layers", "readouts", "untrained_seeds", "seed", "look_backs", "margin_quantile")
"""Those that a comparison has options of its own for, or no use."""


@dataclass(frozen=True)
class CompareOptions:
    """What is compared, and on what.

    Attributes:
        task: the name of the task that layers are compared on.
        backbones: their specs; ``NAME@random:SEED`` is a network's untrained twin.
        layers: as :func:`vestige.probes.compare.network_layers.layers_by_network` takes them.
        readouts: of every layer; () for the task's own, and for averaging over the picture.
        mirror: train on mirrored copies, too; None as the task does.
        box_margin: the share of a box's longer side that the crop adds on every side; None as the task does.
        normaliser: what errors of landmarks are divided by; None as the task does.
        settings: other options of the task, as ``NAME=VALUE``.
        seed: of folds and bootstrap.
    """

    task: str = option("landmarks", "What is read out of the layers: landmarks, keypoints, ...", metavar="NAME")
    backbones: tuple[str, ...] = option(
        ("efficientnet_lite0", "efficientnet_lite0@random:0"),
        "A network, as in probe; repeat for several. NAME@random:SEED is untrained.",
        names=("--backbone",),
        metavar="SPEC",
        default_text="efficientnet_lite0 and efficientnet_lite0@random:0",
    )
    layers: tuple[str, ...] = option(
        (EVEN_LAYERS,),
        "A layer's name or a glob, read in the networks that have it; with NETWORK=, in the one whose SPEC begins so. "
        "Repeat for several; even:N and all as in probe.",
        names=("--layer",),
        metavar="[NETWORK=]NAME",
    )
    readouts: tuple[str, ...] = option(
        (),
        "As in probe; repeat for several.",
        names=("--readout",),
        metavar="R",
        default_text="auto (of a vector auto:4096) and gap",
    )
    mirror: bool | None = option(
        None,
        "Train on mirrored copies, too.",
        names=("--mirror/--no-mirror",),
        default_text="as probe does: mirror for points alone",
    )
    box_margin: float | None = option(
        None,
        "Share of a box's side added on every side.",
        bounds=b.BOX_MARGIN,
        default_text="as probe does: 0.3 for faces",
    )
    normaliser: str | None = normaliser_option("Of landmarks: ")
    settings: tuple[str, ...] = option(
        (),
        "Another option of the task's, as its probe has it: grid=12, attribute=glasses; repeat for several.",
        names=("--set",),
        metavar="NAME=VALUE",
        default_text="those of probe",
    )
    seed: int = seed_option("the folds and the bootstrap")

    def __post_init__(self) -> None:
        check_bounds(self)
        if not self.backbones:
            raise VestigeError(f"{spelled('backbones')}: names none; name at least one network")
        self.probing()

    def probing(self) -> tuple[Any, ...]:
        """The task's own options.

        Raises:
            VestigeError: where there is no such task, it has nothing to compare, or lacks an option that is given.
        """
        task = compared_task(self.task)
        known = {each.name for kind in task.options for each in fields(kind)}
        given = {name: value for name in _PASSED_ON if (value := getattr(self, name)) is not None}
        for name, value in given.items():
            if name not in known:
                raise VestigeError(f"{spelled(name, value)}: {self.task} has no such option; leave it out")
        given |= {"seed": self.seed, **_settings(task, self.settings)}
        own = [{each.name for each in fields(kind)} for kind in task.options]
        return tuple(
            kind(**{name: value for name, value in given.items() if name in names})
            for kind, names in zip(task.options, own, strict=True)
        )


def _settings(task: Task, words: Sequence[str]) -> dict[str, Any]:
    """The fields of a task's options that words of the form ``NAME=VALUE`` set.

    Raises:
        VestigeError: naming the word, and what was expected.
    """
    kinds = {each: hint for kind in task.options for each, hint in _settable(kind).items()}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in kinds:
            expected = choice(name, sorted(kinds)) if equals else "expected NAME=VALUE"
            raise VestigeError(f"{spelled('settings', (word,))}: {expected}")
        field, hint = kinds[name]
        several = get_origin(hint) is tuple
        try:
            value = convert(text, get_args(hint)[0] if several else hint, strict=False)
        except ValidationError as error:
            raise VestigeError(f"{spelled('settings', (word,))}: {error}") from error
        found[field] = (*found.get(field, ()), value) if several else value
    return found


def _settable(kind: type) -> dict[str, tuple[str, Any]]:
    """What can be set of options: the word of the command line, and the field with its type."""
    hints = get_type_hints(kind)
    known = {each.name: each.metadata["option"] for each in fields(kind) if "option" in each.metadata}
    words = {name: (about.names or (f"--{name.replace('_', '-')}",))[0] for name, about in known.items()}
    return {
        word.partition("/")[0].removeprefix("--"): (name, hints[name])
        for name, word in words.items()
        if name not in _NOT_SET
    }


def compared_task(name: str) -> Task:
    """A task on which layers can be compared.

    Raises:
        VestigeError: where there is none of the name, or nothing to compare.
    """
    comparable = [each for each in task_names() if task_named(each).bench_by]
    if name not in comparable:
        raise VestigeError(f"{spelled('task', name)}: {choice(name, comparable)}")
    return task_named(name)


def check_comparison(data: tuple[Dataset, Dataset], options: CompareOptions) -> None:
    """Refuse data that lack what the compared task reads."""
    compared_task(options.task).check(data, *options.probing())


COMPARE = Task(
    name="compare",
    question="Measure backbones x layers x readouts on one task, on the same crops; one report ranks them and tells "
    "the cost.\n\nKilled at any moment, it goes on where it was when it is started again.",
    data=PointTrainTest,
    options=(CompareOptions,),
    checked_by="vestige.probes.compare.task:check_comparison",
    measured_by="vestige.probes.compare.measure:measure_comparison",
    planned_by="vestige.probes.compare.plan:plan_comparison",
    paged_by="vestige.probes.compare.page:comparison_parts",
    tables_by="vestige.probes.compare.run:ranking_tables",
    group="",
    example=(
        "vestige compare synthetic:faces,n=120,seed=1 --test synthetic:faces,n=60,seed=2 "
        "--backbone efficientnet_lite0 --backbone efficientnet_lite0@random:0 --layer block4 --layer block10 "
        "-o runs/compare"
    ),
)
