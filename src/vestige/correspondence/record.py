"""What the measurements of correspondence leave in their run folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vestige.correspondence.align.measure import SIFT, Alignment
from vestige.correspondence.classify.accuracy import METRIC
from vestige.correspondence.classify.measure import Classification
from vestige.correspondence.detect.measure import CHOSEN, PRIOR, Detection
from vestige.datasets.dataset import describe_data
from vestige.departures import departures
from vestige.kept import Kept
from vestige.methods import ACCENTS, Dash, Method
from vestige.metrics import Metric
from vestige.results import Results, described, now
from vestige.run import Run
from vestige.scores import PCK_METRICS, metric_of
from vestige.version import __version__

METRICS: Mapping[str, Metric] = {
    **PCK_METRICS,
    METRIC: Metric("accuracy", shown="percent"),
    "peaks_inside": Metric("peaks inside the field", shown="percent", paper=False),
    "peak_distance": Metric("mean distance of peaks", "pixels", lower_is_better=True, paper=False),
}
"""What is measured of flows, classifiers and detectors."""

_PLAIN = {
    "mean": Method("Mean place", "grey", "dotted", trained=False),
    "nearest-neighbour": Method("Nearest neighbour", "ochre", "dashed"),
    "unaligned": Method("Median, unaligned", "slate", "dashdot"),
}
_OTHERS = ACCENTS[2:]  # the first two are the chosen layer's and SIFT's
_PRIORS: Mapping[str, tuple[str, Dash]] = {
    CHOSEN: (" + prior, tuned", "dashdot"),
    PRIOR: (" + prior", "solid"),
    "": ("", "dashed"),
}


def flow_methods(found: Alignment) -> Callable[[str], Method]:
    """What the methods of an alignment are."""
    flows = [name for name in found.betas if name not in (found.chosen, SIFT)]

    def known(name: str) -> Method:
        if name in _PLAIN:
            return _PLAIN[name]
        if name == SIFT:
            return Method("SIFT flow", "orange", trained=False)
        colour = "blue" if name == found.chosen else _OTHERS[flows.index(name) % len(_OTHERS)]
        at = name.removeprefix(f"{SIFT}-")
        if at != name:
            return Method(f"SIFT flow at {at}", colour, trained=False)
        return Method(f"{name.removeprefix('flow:')} flow", colour)

    return known


def naming_methods(found: Classification) -> Callable[[str], Method]:
    """What the methods of a classification are: later layers and larger radii take later colours."""

    def known(name: str) -> Method:
        kind, _, what = name.partition(":")
        own = [each for each in found.cs if each.startswith(f"{kind}:")]
        colour = ACCENTS[own.index(name) % len(ACCENTS)] if name in own else "grey"
        if kind == "cell":
            return Method(what, colour)
        return Method(f"SIFT, radius {what} px" if kind == "sift" else "Most frequent keypoint", colour, trained=False)

    return known


def detector_methods(found: Detection) -> Callable[[str], Method]:
    """What the methods of a detection are: a colour for each kind of feature, a dash for each kind of prior."""
    others = [name for name in found.kinds if name not in ("sift", found.chosen)]

    def known(name: str) -> Method:
        if name in _PLAIN:
            return _PLAIN[name]
        end = next(end for end in _PRIORS if name.endswith(end))
        said, dash = _PRIORS[end]
        kind = name.removesuffix(end).removeprefix("detect:")
        if kind == "sift":
            return Method(f"SIFT{said}", "orange", dash, trained=False)
        return Method(
            f"{kind}{said}", "blue" if kind == found.chosen else _OTHERS[others.index(kind) % len(_OTHERS)], dash
        )

    return known


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
    return _record(run, "align", found, config, (", ".join(layers), "cells"), flow_methods(found), command)


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
    return _record(run, "classify", found, config, (", ".join(layers), "cells"), naming_methods(found), command)


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
    return _record(
        run, "detect", found, config, (found.chosen, f"cells, {side} x {side}"), detector_methods(found), command
    )


def _record(
    run: Run,
    task: str,
    found: Alignment | Classification | Detection,
    config: Mapping[str, Any],
    read: tuple[str, str],
    known: Callable[[str], Method],
    command: Sequence[str],
) -> Results:
    """Write what all have in common, and ``config``; ``read`` is the layer and readout."""
    layer, readout = read
    measured = (*found.rows, *found.sweep)
    metrics, methods = described(measured, METRICS, known)
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
        notes=(*found.notes, *departures([found.options], measured, metrics, methods)),
        metrics=metrics,
        methods=methods,
    )
    run.write_config(results.to_json()["config"])
    run.write_examples(found.arrays)
    run.write_results(results)
    return results
