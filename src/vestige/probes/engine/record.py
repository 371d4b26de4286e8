"""What a probe leaves in its run folder, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vestige.datasets.dataset import Dataset, describe_data
from vestige.departures import departures
from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.reader import Read, Reader
from vestige.manifest import files_in, update_manifest
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.probes.engine.evaluate_vectors import evaluate_vectors
from vestige.probes.engine.evaluation import Evaluation, evaluate_points
from vestige.probes.engine.fit import Fit
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.point_methods import PointMethod, Setup, load_methods
from vestige.probes.engine.predict import Prediction, VectorPrediction, predict_images, predict_vectors
from vestige.probes.engine.vector_methods import VectorMethod, load_vectors
from vestige.probes.engine.vector_tasks import VECTOR_TASKS, open_vector_task
from vestige.probes.keypoints.evaluate import evaluate_keypoints
from vestige.probes.keypoints.probes import load_keypoint_probes
from vestige.progress import Count
from vestige.results import Results, Row, damaged, described, now
from vestige.run import Run
from vestige.spelling import spelled
from vestige.version import __version__


class Probe(Protocol):
    """A probe that was trained and measured, whatever its task: what it leaves in results.json and in its folder."""

    @property
    def name(self) -> str:
        """Of the task."""
        ...

    @property
    def options(self) -> Any:
        """That it was trained with: a dataclass with the ``backbone``'s spec."""
        ...

    @property
    def extraction(self) -> ExtractOptions:
        """How its features were computed."""
        ...

    @property
    def train(self) -> Dataset:
        """The training examples that could be read."""
        ...

    @property
    def test(self) -> Dataset:
        """The test examples that could be read."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Of the backbone."""
        ...

    @property
    def chosen(self) -> Read:
        """The layer and readout of ``ridge``."""
        ...

    @property
    def fits(self) -> tuple[Fit, ...]:
        """Of ``ridge``."""
        ...

    @property
    def evaluation(self) -> Evaluation:
        """On the test examples."""
        ...

    @property
    def sweep(self) -> tuple[Row, ...]:
        """All layers and seeds."""
        ...

    @property
    def seconds(self) -> float:
        """That it took."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and why."""
        ...

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What the task measures."""
        ...

    @property
    def known_methods(self) -> Mapping[str, Method]:
        """How it may be read, in the order of tables."""
        ...

    def config(self) -> dict[str, Any]:
        """What is not in the options; ``metric`` is the one that reports are about."""
        ...

    def save(self, folder: Path) -> None:
        """Write the probes."""
        ...


def record(run: Run, probe: Probe, command: Sequence[str] = ()) -> Results:
    """Write a probe into its started run: config, probes, examples, and last of all the results.

    Args:
        run: a started run.
        probe: what was trained and measured.
        command: the words of the command line that asked for it, where one did.
    """
    measured = (*probe.evaluation.rows, *probe.sweep)
    metrics, methods = described(measured, probe.metrics, probe.known_methods)
    results = Results(
        task=probe.name,
        config={
            **asdict(probe.options),
            "command": list(command),
            "extraction": asdict(probe.extraction),
            **probe.config(),
        },
        data={"train": describe_data(probe.train), "test": describe_data(probe.test)},
        backbone={
            "spec": probe.options.backbone,
            "weights_sha256": probe.weights_sha256,
            "layer": probe.chosen.layer.name,
            "readout": str(probe.chosen.readout),
            "dim": probe.chosen.size,
        },
        ridge=_describe_ridge(probe.fits),
        rows=probe.evaluation.rows,
        sweep=probe.sweep,
        created=now(),
        seconds=round(probe.seconds, 1),
        vestige=__version__,
        notes=(
            *probe.notes,
            *probe.evaluation.notes,
            *departures(probe.options, probe.evaluation.rows, metrics, methods),
        ),
        metrics=metrics,
        methods=methods,
    )
    probe.save(run.probe_folder)
    update_manifest(run.folder, *(run.probe_folder / name for name in files_in(run.probe_folder)))
    _write(run, results, probe.evaluation)
    return results


def _describe_ridge(fits: Sequence[Fit]) -> dict[str, Any]:
    """What the fits of one probe chose: of several, over the targets of all."""
    targets = [len(fit.probe.intercept) for fit in fits]
    lowest, medians, highest = zip(*(fit.chosen for fit in fits), strict=True)
    return {
        "alphas": sorted({alpha for fit in fits for alpha in fit.alphas}) if len(fits) > 1 else list(fits[0].alphas),
        "chosen": [min(lowest), float(np.median(medians)), max(highest)],
        "at_boundary": sum(round(fit.at_boundary * n) for fit, n in zip(fits, targets, strict=True)) / sum(targets),
        "form": " and ".join(sorted({fit.form for fit in fits})),
        "uncertain": sum(fit.uncertain for fit in fits),
    }


def record_evaluation(
    source: Run,
    run: Run,
    test: Dataset,
    evaluation: Evaluation,
    seconds: float,
    command: Sequence[str] = (),
) -> Results:
    """Write the evaluation of a trained run on other data: the same document, the probes staying where they are."""
    trained = source.results()
    metrics, methods = described(evaluation.rows, trained.metrics, trained.methods)
    results = Results(
        task=trained.task,
        config={**trained.config, "command": list(command), "evaluated_run": str(source.folder)},
        data={"train": trained.data["train"], "test": describe_data(test)},
        backbone=trained.backbone,
        ridge=trained.ridge,
        rows=evaluation.rows,
        created=now(),
        seconds=round(seconds, 1),
        vestige=__version__,
        notes=tuple(dict.fromkeys((*trained.notes, *evaluation.notes))),
        metrics=metrics,
        methods=methods,
    )
    _write(run, results, evaluation)
    return results


def check_probe(run: Run) -> None:
    """Refuse a run that no probe is left of, such as one of directions or of correspondence.

    Raises:
        VestigeError: naming the task; where the run is unfinished.
    """
    task = run.results().task
    if task not in ("landmarks", "keypoints", *VECTOR_TASKS):
        raise VestigeError(
            f"{run.folder}: is a run of {task}, which leaves no probe to use on other pictures; "
            f"run its command again with other data, or see its report with: vestige report {run.folder}"
        )


def reader_of(run: Run, device: str, progress: Count | None = None) -> Reader:
    """A Reader that computes features as the run did, on any device.

    Raises:
        VestigeError: where the run does not say how, or says it in another way than any run does.
    """
    try:
        extraction = check_json(run.results().config.get("extraction"), ExtractOptions)
    except ValueError as error:
        raise damaged(run.results_path, f"config.extraction: {error}") from error
    return Reader(replace(extraction, device=device), progress=progress)


def evaluate_run(source: Run, test: Dataset, reader: Reader) -> Evaluation:
    """Measure every method of a trained run on other data.

    Raises:
        VestigeError: where the run is unfinished, its backbone's weights have changed, or the points do not fit.
    """
    check_probe(source)
    trained = source.results()
    if trained.data.get("train", {}).get("fingerprint") == test.fingerprint:
        raise VestigeError(f"{test.spec}: is what {source.folder} was trained on; evaluate on other pictures")
    if trained.task == "keypoints":
        probes = load_keypoint_probes(source.probe_folder)
        check_weights(tuple(probes.methods()), reader)
        return evaluate_keypoints(probes, test, reader)
    if trained.task == "landmarks":
        setup, methods = load_methods(source.probe_folder)
        check_weights(methods, reader)
        return evaluate_points(methods, setup, test, reader)
    saved = load_vectors(source.probe_folder)
    check_weights(saved.methods, reader)
    task = open_vector_task(saved)
    task.check(test)
    return evaluate_vectors(saved.methods, task, saved.seed, test, reader)


@dataclass(frozen=True)
class Predictor:
    """What reads new photographs: a run's ``ridge`` with all its stages.

    Attributes:
        method: of the run, or of one of its classes.
        stage: of the method, that predicts: its last.
        predict: pictures, with their boxes (None: the whole picture), and a reader to predictions.
        markup: the name of the points' markup; "" for what are no points.
    """

    method: PointMethod | VectorMethod
    stage: str
    predict: Callable[[Sequence[Example], Reader], Sequence[Prediction | VectorPrediction]]
    markup: str = ""


def load_predictor(source: Run, category: str | None, *, look_back: bool = True) -> Predictor:
    """What predicts on new photographs.

    Args:
        source: the run.
        category: the class, where it has several.
        look_back: whether points are looked for once more, closer, where the run does.

    Raises:
        VestigeError: where the run is unfinished, damaged, or has no such class.
    """
    check_probe(source)
    task = source.results().task
    if task == "keypoints":
        probes = load_keypoint_probes(source.probe_folder)
        own = probes.of_class(category)
        return _point_predictor(probes.setup.of_class(own.points), own.methods[-1], look_back=look_back)
    if category is not None:
        raise VestigeError(f"{spelled('category', category)}: {source.folder} has no classes")
    if task == "landmarks":
        setup, methods = load_methods(source.probe_folder)
        return _point_predictor(setup, methods[-1], look_back=look_back)
    saved = load_vectors(source.probe_folder, ["ridge"])
    method = saved.method("ridge")
    opened = open_vector_task(saved)
    stage = list(opened.stages(method.name, np.zeros((0, len(method.probe.intercept)), np.float32), method.refinement))
    return Predictor(method, stage[-1], partial(predict_vectors, opened, method))


def _point_predictor(setup: Setup, method: PointMethod, *, look_back: bool) -> Predictor:
    if not look_back:
        method = replace(method, model=replace(method.model, look_backs=()))
    return Predictor(method, method.stages[-1], partial(predict_images, setup, method), setup.markup.name)


def check_weights(methods: Sequence[PointMethod | VectorMethod], reader: Reader) -> None:
    """Refuse backbones whose weights are not those that the probes were trained on."""
    for method in methods:
        for probe in _probes(method):
            source = probe.source
            if source is not None and reader.backbone(source.backbone).weights_sha256 != source.weights_sha256:
                raise VestigeError(
                    f"{source.backbone}: its weights are not those that the probe was trained on "
                    f"(sha256 {source.weights_sha256[:12]}...); bring back the weights file or train again"
                )


def _probes(method: PointMethod | VectorMethod) -> list[LinearProbe]:
    if isinstance(method, VectorMethod):
        return [method.probe]
    return [method.model.base, *(probe for look in method.model.look_backs for probe in look.probes)]


def _write(run: Run, results: Results, evaluation: Evaluation) -> None:
    run.write_config(results.to_json()["config"])
    run.write_examples(evaluation.arrays)
    run.write_results(results)
