"""What the measurements of correspondence leave in their run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vestige.correspondence.align.measure import Alignment
from vestige.correspondence.classify.accuracy import METRIC
from vestige.correspondence.classify.measure import Classification
from vestige.correspondence.detect.measure import Detection
from vestige.datasets.dataset import describe_data
from vestige.departures import departures
from vestige.kept import Kept
from vestige.results import Results, now
from vestige.run import Run
from vestige.scores import metric_of
from vestige.version import __version__


def kept_in(run: Run) -> Kept:
    """Where a run keeps what is done until it is finished."""
    return Kept(run.kept)


def record_alignment(run: Run, found: Alignment, command: Sequence[str] = ()) -> Results:
    """Write an alignment into its started run: config, examples, and last of all the results.

    Args:
        run: a started run.
        found: what was measured.
        command: the words of the command line that asked for it, where one did.
    """
    config = {
        "metric": metric_of(found.options.alphas[0]),
        "chosen": found.chosen,
        "beta": dict(found.betas),
        "neighbours_by": {"layer": found.read.layer.name, "readout": str(found.read.readout)},
    }
    layers = [method.removeprefix("flow:") for method in found.betas if not method.startswith("flow:sift")]
    return _record(run, "align", found, config, (", ".join(layers), "cells"), command)


def record_classification(run: Run, found: Classification, command: Sequence[str] = ()) -> Results:
    """Write a classification into its started run, as :func:`record_alignment` does.

    Args:
        run: a started run.
        found: what was measured.
        command: the words of the command line that asked for it, where one did.
    """
    config = {
        "metric": METRIC,
        "best": list(found.best),
        "c": dict(found.cs),
        "cell_centres": {layer: list(centre) for layer, centre in found.centres.items()},
    }
    layers = [method.removeprefix("cell:") for method in found.cs if method.startswith("cell:")]
    return _record(run, "classify", found, config, (", ".join(layers), "cells"), command)


def record_detection(run: Run, found: Detection, command: Sequence[str] = ()) -> Results:
    """Write a detection into its started run, as :func:`record_alignment` does.

    Args:
        run: a started run.
        found: what was measured.
        command: the words of the command line that asked for it, where one did.
    """
    config = {
        "metric": metric_of(found.options.alphas[0]),
        "chosen": found.chosen,
        "kinds": {name: dict(kind) for name, kind in found.kinds.items()},
        "neighbours_by": {"layer": found.read.layer.name, "readout": str(found.read.readout)},
    }
    side = 2 * found.options.reach + 1
    return _record(run, "detect", found, config, (found.chosen, f"cells, {side} x {side}"), command)


def _record(
    run: Run,
    task: str,
    found: Alignment | Classification | Detection,
    config: Mapping[str, Any],
    read: tuple[str, str],
    command: Sequence[str],
) -> Results:
    """Write what all have in common, and ``config``; ``read`` is the layer and readout."""
    layer, readout = read
    results = Results(
        task=task,
        config={
            **asdict(found.options),
            "command": list(command),
            "extraction": asdict(found.extraction),
            **config,
            "classes": sorted(set(found.arrays["classes"].tolist())),
            "keypoints": list(found.test.markup.points) if found.test.markup else [],
        },
        data={"train": describe_data(found.train), "test": describe_data(found.test)},
        backbone={
            "spec": found.options.backbone,
            "weights_sha256": found.weights_sha256,
            "layer": layer,
            "readout": readout,
        },
        ridge={},
        rows=found.rows,
        sweep=found.sweep,
        created=now(),
        seconds=round(found.seconds, 1),
        vestige=__version__,
        notes=(*found.notes, *departures(task, found.options, (*found.rows, *found.sweep))),
    )
    run.write_config(results.to_json()["config"])
    run.write_examples(found.arrays)
    run.write_results(results)
    return results
