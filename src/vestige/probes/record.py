"""What a probe leaves in its run folder, and how it is taken up again."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.extract import ExtractOptions
from vestige.features.reader import Progress, Reader
from vestige.probes.evaluate import Evaluation, evaluate_points
from vestige.probes.evaluate_keypoints import evaluate_keypoints
from vestige.probes.fit import Fit
from vestige.probes.keypoint_probes import load_keypoint_probes, save_keypoint_probes
from vestige.probes.keypoint_scores import metric_of
from vestige.probes.keypoints import KeypointProbe
from vestige.probes.landmarks import LandmarkProbe
from vestige.probes.linear import LinearProbe
from vestige.probes.methods import Method, Setup, load_methods, save_methods
from vestige.report import write_figures, write_report
from vestige.results import Results
from vestige.run import Run, start_run
from vestige.version import __version__


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What results.json says of a data set."""
    return {
        "spec": dataset.spec,
        "fingerprint": dataset.fingerprint,
        "n": len(dataset),
        "skipped": len(dataset.skipped),
        "problems": [str(problem) for problem in dataset.skipped[:100]],
    }


AnyProbe = LandmarkProbe | KeypointProbe


def save_run(probe: AnyProbe, folder: str | Path, *, overwrite: bool = False) -> Run:
    """A run folder of a probe, with its figures and its report.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off.
    """
    run = start_run(Path(folder), overwrite=overwrite)
    record(run, probe)
    show(run)
    return run


def show(run: Run) -> None:
    """Figures and report of a run that has its results."""
    write_figures(run)
    write_report([run], run.report_path)


def record(run: Run, probe: AnyProbe, command: Sequence[str] = ()) -> Results:
    """Write a probe into its started run: config, probes, examples, and last of all the results.

    Args:
        run: a started run.
        probe: what was trained and measured.
        command: the words of the command line that asked for it, where one did.
    """
    results = Results(
        task=probe.setup.task,
        config={
            **asdict(probe.options),
            "command": list(command),
            "extraction": asdict(probe.extraction),
            **_config(probe),
        },
        data={"train": describe_data(probe.train), "test": describe_data(probe.test)},
        backbone={
            "spec": probe.options.backbone,
            "weights_sha256": probe.weights_sha256,
            "layer": probe.chosen.layer.name,
            "readout": str(probe.chosen.readout),
            "dim": probe.chosen.size,
        },
        ridge=_describe_ridge(probe.fits if isinstance(probe, KeypointProbe) else (probe.fit,)),
        rows=probe.evaluation.rows,
        sweep=probe.sweep,
        created=now(),
        seconds=round(probe.seconds, 1),
        vestige=__version__,
        notes=(*probe.notes, *probe.evaluation.notes),
    )
    if isinstance(probe, KeypointProbe):
        save_keypoint_probes(run.probe_folder, probe.probes)
    else:
        save_methods(run.probe_folder, probe.setup, probe.methods)
    _write(run, results, probe.evaluation)
    return results


def _config(probe: AnyProbe) -> dict[str, Any]:
    """What a probe's set-up adds to its options; ``metric`` is the one that reports are about."""
    setup = probe.setup
    config = {"markup": setup.markup.to_json(), "normaliser": setup.normaliser}
    if isinstance(probe, KeypointProbe):
        classes = {own.points.name: list(own.points.columns) for own in probe.probes.classes}
        return {**config, "metric": metric_of(probe.options.alphas[0]), "classes": classes}
    return {**config, "metric": f"nme_{setup.normaliser.replace('-', '_')}"}


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
    )
    _write(run, results, evaluation)
    return results


def reader_of(run: Run, device: str, progress: Progress | None = None) -> Reader:
    """A Reader that computes features as the run did, on any device."""
    extraction = run.results().config["extraction"]
    return Reader(ExtractOptions(**{**extraction, "device": device}), progress=progress)


def evaluate_run(source: Run, test: Dataset, reader: Reader) -> Evaluation:
    """Measure every method of a trained run on other data.

    Raises:
        VestigeError: where the run is unfinished, its backbone's weights have changed, or the points do not fit.
    """
    trained = source.results()
    if trained.data["train"]["fingerprint"] == test.fingerprint:
        raise VestigeError(f"{test.spec}: is what {source.folder} was trained on; evaluate on other pictures")
    if trained.task == "keypoints":
        probes = load_keypoint_probes(source.probe_folder)
        check_weights(tuple(probes.methods()), reader)
        return evaluate_keypoints(probes, test, reader)
    setup, methods = load_methods(source.probe_folder)
    check_weights(methods, reader)
    return evaluate_points(methods, setup, test, reader)


def load_predictor(source: Run, category: str | None) -> tuple[Setup, tuple[Method, ...]]:
    """What predicts on new photographs: the methods of a run, or of one of its classes.

    Raises:
        VestigeError: where the run is damaged, or has no such class.
    """
    if source.results().task != "keypoints":
        if category is not None:
            raise VestigeError(f"--class {category}: {source.folder} has no classes")
        return load_methods(source.probe_folder)
    probes = load_keypoint_probes(source.probe_folder)
    own = probes.of_class(category)
    return probes.setup.of_class(own.points), own.methods


def check_weights(methods: tuple[Method, ...], reader: Reader) -> None:
    """Refuse backbones whose weights are not those that the probes were trained on."""
    for method in methods:
        for probe in _probes(method):
            source = probe.source
            if source is not None and reader.backbone(source.backbone).weights_sha256 != source.weights_sha256:
                raise VestigeError(
                    f"{source.backbone}: its weights are not those that the probe was trained on "
                    f"(sha256 {source.weights_sha256[:12]}...); bring back the weights file or train again"
                )


def _probes(method: Method) -> list[LinearProbe]:
    return [method.model.base, *(probe for look in method.model.look_backs for probe in look.probes)]


def _write(run: Run, results: Results, evaluation: Evaluation) -> None:
    run.write_config(results.to_json()["config"])
    run.write_examples(evaluation.arrays)
    run.write_results(results)


def now() -> str:
    """Local time in ISO format."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
