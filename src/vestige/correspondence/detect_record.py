"""What a keypoint detection leaves in its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vestige.correspondence.detect import Detection
from vestige.datasets.dataset import describe_data
from vestige.report import show
from vestige.results import Results, now
from vestige.run import Run, start_run
from vestige.scores import metric_of
from vestige.version import __version__


def save_detection(found: Detection, folder: str | Path, *, overwrite: bool = False) -> Run:
    """A run folder of a detection, with its figures and its report.

    Raises:
        VestigeError: where the folder holds a finished run and ``overwrite`` is off.
    """
    run = start_run(Path(folder), overwrite=overwrite)
    record_detection(run, found)
    show(run)
    return run


def record_detection(run: Run, found: Detection, command: Sequence[str] = ()) -> Results:
    """Write a detection into its started run: config, examples, and last of all the results.

    Args:
        run: a started run.
        found: what was measured.
        command: the words of the command line that asked for it, where one did.
    """
    options = found.options
    results = Results(
        task="detect",
        config={
            **asdict(options),
            "command": list(command),
            "extraction": asdict(found.extraction),
            "metric": metric_of(options.alphas[0]),
            "chosen": found.chosen,
            "kinds": {name: dict(kind) for name, kind in found.kinds.items()},
            "neighbours_by": {"layer": found.read.layer.name, "readout": str(found.read.readout)},
            "classes": sorted(set(found.arrays["classes"].tolist())),
            "keypoints": list(found.test.markup.points) if found.test.markup else [],
        },
        data={"train": describe_data(found.train), "test": describe_data(found.test)},
        backbone={
            "spec": options.backbone,
            "weights_sha256": found.weights_sha256,
            "layer": found.chosen,
            "readout": f"cells, {2 * options.reach + 1} x {2 * options.reach + 1}",
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
    return results
