"""What is not as in the papers: options whose default is another, and metrics and methods that they do not have.

An option says so in its field (``paper`` of :func:`vestige.options.option`), a metric or a method in the tables below.
What a run has of them stands in its notes, and so in results.json, on its page and below its table on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from vestige.results import Row

OWN_METRICS: Mapping[str, tuple[str, ...]] = {
    "landmarks": ("auc", "failure"),
    "keypoints": ("pck_image",),
    "pixels": ("psnr", "ssim"),
    "segmentation": ("miou", "pixel_accuracy"),
    "attributes": ("auc", "r2", "skill"),
    "directions": ("change", "leak", "auc", "r2", "skill", "mae"),
    "align": ("pck_image",),
    "classify": ("peaks_inside", "peak_distance"),
    "detect": ("pck_image",),
    "patches": ("mae", "psnr", "similarity"),
    "fields": ("middle", "around", "similarity"),
}
"""By task: the metrics that its paper does not report, without what follows an ``@``."""

OWN_METHODS = ("untrained", "ridge-unaugmented")
"""The controls that no paper has."""


def departures(task: str, options: Any, rows: Iterable[Row]) -> tuple[str, ...]:
    """What of a run is not its paper's, as notes.

    Args:
        task: its name.
        options: the dataclass that it was made with.
        rows: that it measured.
    """
    rows = list(rows)
    changed = [
        f"{each.name} = {getattr(options, each.name)} (there {each.metadata['paper']})"
        for each in fields(options)
        if "paper" in each.metadata and getattr(options, each.name) != each.metadata["paper"]
    ]
    metrics = dict.fromkeys(row.metric for row in rows if _family(row.metric) in OWN_METRICS.get(task, ()))
    methods = dict.fromkeys(row.method for row in rows if row.method in OWN_METHODS)
    said = {
        "Options that are not the paper's": changed,
        "Metrics that the paper does not report": list(metrics),
        "Methods that the paper does not have": list(methods),
    }
    return tuple(f"{what}: {', '.join(names)}." for what, names in said.items() if names)


def _family(metric: str) -> str:
    """``auc@0.08`` -> ``auc``, ``miou_difference`` -> ``miou``, ``change_other_half`` -> ``change``."""
    name = metric.partition("@")[0]
    for ending in ("_difference", "_other_half", "_reencoded"):
        name = name.removesuffix(ending)
    return name
