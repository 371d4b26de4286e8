"""What an alignment leaves in its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vestige.correspondence.align import Alignment
from vestige.correspondence.kept import Kept
from vestige.datasets.dataset import describe_data
from vestige.report import show
from vestige.results import Results, now
from vestige.run import Run, start_run
from vestige.scores import metric_of
from vestige.version import __version__


def save_alignment(found: Alignment, folder: str | Path, *, overwrite: bool = False) -> Run:
    """A run folder of an alignment, with its figures and its report.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off.
    """
    run = start_run(Path(folder), overwrite=overwrite)
    record_alignment(run, found)
    show(run)
    return run


def kept_in(run: Run) -> Kept:
    """Where a run keeps what is done until it is finished."""
    return Kept(run.folder / "partial")


def record_alignment(run: Run, found: Alignment, command: Sequence[str] = ()) -> Results:
    """Write an alignment into its started run: config, examples, and last of all the results.

    Args:
        run: a started run.
        found: what was measured.
        command: the words of the command line that asked for it, where one did.
    """
    options = found.options
    layers = [method.removeprefix("flow:") for method in found.betas if not method.startswith("flow:sift")]
    results = Results(
        task="align",
        config={
            **asdict(options),
            "command": list(command),
            "extraction": asdict(found.extraction),
            "metric": metric_of(options.alphas[0]),
            "chosen": found.chosen,
            "beta": dict(found.betas),
            "neighbours_by": {"layer": found.read.layer.name, "readout": str(found.read.readout)},
            "classes": sorted(set(found.arrays["classes"].tolist())),
            "keypoints": list(found.test.markup.points) if found.test.markup else [],
        },
        data={"train": describe_data(found.train), "test": describe_data(found.test)},
        backbone={
            "spec": options.backbone,
            "weights_sha256": found.weights_sha256,
            "layer": ", ".join(layers),
        },
        ridge={},
        rows=found.rows,
        sweep=found.sweep,
        created=now(),
        seconds=round(found.seconds, 1),
        vestige=__version__,
        notes=found.notes,
    )
    run.write_config(results.to_json()["config"])
    run.write_examples(found.arrays)
    run.write_results(results)
    kept_in(run).clear()
    return results
