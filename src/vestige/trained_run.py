"""Finished runs, used again: measured on other data, asked about other pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from vestige.contract.found import Found
from vestige.contract.plan import Part, Plan, Work, layer_of, with_stored
from vestige.contract.task import Predictor, Task, Trained
from vestige.datasets.dataset import Dataset
from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.reader import Reader
from vestige.probes.engine.linear import LinearProbe, check_weights
from vestige.probes.engine.predict_run import BATCH, Predicted, lacks_box, predict_pictures
from vestige.probes.engine.views import decodable
from vestige.progress import NamedProgress, Say
from vestige.results import Results, damaged
from vestige.run import Run
from vestige.spelling import spelled
from vestige.stopwatch import Stopwatch
from vestige.tasks import task_named

_LOOK = "rgb:46"
"""The network that every run's baseline reads, by which it is known which pictures can be decoded."""


def check_trained(run: Run) -> Task:
    """The task of a finished run that can be used again.

    Raises:
        VestigeError: where the run is unfinished, or leaves nothing to use, as those of correspondence.
    """
    name = run.results().task
    task = task_named(name)
    if not task.loaded_by:
        used = " or ".join(each.replace("RUN", str(run.folder), 1) for each in task.used_by)
        raise VestigeError(
            f"{run.folder}: is a run of {name}, which leaves no probe to use on other pictures; "
            + (f"look at those with: {used}" if used else "run its command again with other data")
            + f", or see its report with: vestige report {run.folder}"
        )
    return task


def load_trained(run: Run) -> Trained:
    """What a finished run was trained to do.

    Raises:
        VestigeError: as :func:`check_trained`.
    """
    return check_trained(run).load(run)


def load_predictor(run: Run, category: str | None = None, *, look_back: bool = True) -> Predictor:
    """What predicts on new pictures; arguments as of :meth:`vestige.contract.task.Trained.predictor`.

    Raises:
        VestigeError: where the run is unfinished, damaged, or has no such class.
    """
    return load_trained(run).predictor(category, look_back=look_back)


def portrait_predictors(runs: Sequence[Run], category: str | None = None) -> list[tuple[Run, Predictor]]:
    """Runs with what each predicts at its first look; ``category``: the class, for those that have several.

    Raises:
        VestigeError: as :func:`load_predictor`; where a class is given and no run has any.
    """
    tasks = [run.results().task for run in runs]
    if category is not None and "keypoints" not in tasks:
        raise VestigeError(f"{spelled('category', category)}: none of the runs has classes")
    return [
        (run, load_predictor(run, category if task == "keypoints" else None, look_back=False))
        for run, task in zip(runs, tasks, strict=True)
    ]


def reader_of(run: Run, device: str, progress: NamedProgress | None = None) -> Reader:
    """A Reader that computes features as the run did, on any device.

    Raises:
        VestigeError: where the run does not say how, or says it in another way than any run does.
    """
    try:
        extraction = check_json(run.results().config.get("extraction"), ExtractOptions)
    except ValueError as error:
        raise damaged(run.results_path, f"config.extraction: {error}") from error
    return Reader(replace(extraction, device=device), progress=progress)


def evaluate_run(run: Run, test: Dataset, reader: Reader) -> Found:
    """Measure every method of a finished run on other data; the probes stay where they are.

    Raises:
        VestigeError: where the run is unfinished, its backbone's weights have changed, the data are those that it was
            trained on, or they do not have what is measured.
    """
    with Stopwatch() as watch:
        return replace(_evaluated(run, test, reader), times=watch.spent())


def _evaluated(run: Run, test: Dataset, reader: Reader) -> Found:
    started = time.monotonic()
    task = check_trained(run)
    trained = run.results()
    if trained.data.get("train", {}).get("fingerprint") == test.fingerprint:
        raise VestigeError(f"{test.spec}: is what {run.folder} was trained on; evaluate on other pictures")
    loaded = task.load(run)
    loaded.check(test)
    check_weights(loaded.probes, reader)
    test = decodable(test, _LOOK, reader)
    evaluation = loaded.evaluate(test, reader)
    return Found(
        task=task,
        options=(),
        config={**trained.config, "evaluated_run": str(run.folder)},
        data={"train": trained.data["train"], "test": test},
        backbone=trained.backbone,
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics=trained.metrics,
        methods=trained.methods,
        extraction=None,
        seconds=time.monotonic() - started,
        notes=tuple(dict.fromkeys((*trained.notes, *evaluation.notes))),
        ridge=trained.ridge,
    )


def plan_evaluation(run: Run, test: Dataset, reader: Reader) -> Plan:
    """What an evaluation will do: every network of the run looks at the pictures.

    Raises:
        VestigeError: as :func:`evaluate_run`.
    """
    trained, results = load_trained(run), run.results()
    trained.check(test)
    part = Part("test", test.spec, len(test), len(test))
    plan = _plan_of_probes(Plan(f"evaluate {results.task}", (part,)), trained.probes, results, reader)
    return with_stored(plan, reader, test)


def plan_prediction(
    run: Run, examples: Sequence[Example], reader: Reader, *, category: str | None = None, whole: bool = False
) -> Plan:
    """What a prediction will do; arguments and errors as of :func:`predict_run`."""
    predictor, results, n = load_predictor(run, category), run.results(), len(examples)
    if not whole:
        lacks_box(run, predictor, examples)
    work = (Work("photographs", n),)
    plan = Plan(f"predict {results.task}", (Part("", "photographs", n, n),), passes=0, work=work, uncounted="drawing")
    return _plan_of_probes(plan, predictor.probes, results, reader)


def _plan_of_probes(plan: Plan, probes: Sequence[LinearProbe], results: Results, reader: Reader) -> Plan:
    """The plan with the networks and layers that probes look through; the pictures themselves are no network."""
    check_weights(probes, reader)
    main = str(results.backbone["spec"])
    sources = dict.fromkeys(probe.source for probe in probes if probe.source is not None)
    seen = [source for source in sources if source.backbone == main or not source.backbone.startswith("rgb:")]
    reads = [(s.backbone, reader.reads(s.backbone, [s.layer], [s.readout])[0]) for s in seen]
    return replace(
        plan,
        networks=tuple(dict.fromkeys(network for network, _ in reads)),
        layers=tuple(layer_of(read, network) for network, read in reads),
        uncounted="looking back" if results.config.get("look_backs") else plan.uncounted,
        dtype=reader.options.store_dtype,
        keep=reader.keep,
    )


def predict_run(
    run: Run,
    examples: Sequence[Example],
    reader: Reader | None = None,
    *,
    category: str | None = None,
    whole: bool = False,
    batch: int = BATCH,
    say: Say | None = None,
) -> Predicted:
    """Predict pictures by a finished run; no features are stored unless the reader does.

    Args:
        run: a finished run of a probe.
        reader: of features; None for one that computes as the run did and stores nothing.
        category: the class, for a run that has several.
        examples, whole, batch, say: as of :func:`predict_pictures`.

    Raises:
        VestigeError: as :func:`predict_pictures`.
    """
    predictor = load_predictor(run, category)
    reader = reader or replace(reader_of(run, "auto"), keep=False)
    return predict_pictures(run, predictor, examples, reader, whole=whole, batch=batch, say=say)
