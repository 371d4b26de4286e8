"""A landmark run read back from its folder: what the charts and tables are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays
from vestige.documents import Count
from vestige.errors import VestigeError
from vestige.geometry import Box, Points
from vestige.intervals import Floats
from vestige.report.measured_run import MeasuredRun, check_whole, groups_kept
from vestige.results import Results
from vestige.run import Run


@dataclass(frozen=True)
class PointExamples:
    """``examples.npz`` of a landmark run: N test examples, K points, M pictures of S x S, P parts.

    Attributes:
        ids: ``(N,)``.
        truth: ``(N, K, 2)`` pixels of the picture.
        visible: ``(N, K)``.
        crops: ``(N, 4)`` pixels: the square that the network saw.
        predictions: by method, ``(N, K, 2)`` pixels.
        errors: by method, ``(N,)`` normalised.
        picture_rows: ``(M,)`` rows of the examples whose picture was kept.
        pictures: ``(M, S, S, 3)``: their crops.
        part_boxes: by part, ``(N, 4)`` pixels: where look-back looked; empty without look-back.
        groups: ``(N,)``.
    """

    ids: NDArray[np.str_]
    truth: Points
    visible: NDArray[np.bool_]
    crops: Box
    predictions: Mapping[str, Points]
    errors: Mapping[str, Floats]
    picture_rows: NDArray[np.intp]
    pictures: NDArray[np.uint8]
    part_boxes: Mapping[str, Box]
    groups: Sequence[str]


@dataclass(frozen=True)
class PointRun(MeasuredRun):
    """A run with its results and examples."""

    examples: PointExamples
    parts: Mapping[str, tuple[int, ...]]

    @property
    def unit(self) -> str:
        """What the main metric's errors are a share of."""
        known = self.results.metric
        return known.unit if known and known.unit else self.metric

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        known = self.results.metric
        return f"{known.label} / {known.unit}" if known and known.unit and known.lower_is_better else self.metric

    @property
    def n_points(self) -> int:
        """How many landmarks a face has."""
        return int(self.examples.truth.shape[1])

    @property
    def errors(self) -> Mapping[str, Floats]:
        """By method, and by ``METHOD@SEED``, ``(N,)``: each test example's error."""
        return self.examples.errors

    @property
    def groups(self) -> Sequence[str]:
        """``(N,)``: the group of each test example."""
        return self.examples.groups


class _Markup(TypedDict, total=False):
    parts: dict[str, list[Count]]


class _Config(TypedDict):
    markup: NotRequired[_Markup]


_ARRAYS = {
    "ids": "text N",
    "groups?": "text N",
    "truth": "number N K 2",
    "visible": "number N K",
    "crops": "number N 4",
    "prediction/*": "number N K 2",
    "error/*": "number N",
    "picture_rows": "row:N M",
    "pictures": "number M _ _ 3",
}
_PARTS = {"parts": "text P", "part_boxes": "number N P 4"}


def read_point_run(run: Run) -> PointRun:
    """Read a landmark run's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    results, arrays = run.results(), run.examples()
    check_whole(run, results, arrays, _Config, _ARRAYS | (_PARTS if "part_boxes" in arrays else {}))
    return PointRun(run.name, results, _examples(arrays), _parts(run, results, arrays["truth"].shape[1]))


def _parts(run: Run, results: Results, n_points: int) -> dict[str, tuple[int, ...]]:
    parts = {name: tuple(indices) for name, indices in results.config.get("markup", {}).get("parts", {}).items()}
    for name, indices in parts.items():
        if any(k >= n_points for k in indices):
            raise VestigeError(f"{run.results_path}: part {name!r} of the markup has a point outside 0..{n_points - 1}")
    return parts


def _examples(arrays: Arrays) -> PointExamples:
    def floats(prefix: str) -> dict[str, Floats]:
        names = [name for name in arrays if name.startswith(prefix)]
        return {name.removeprefix(prefix): arrays[name].astype(np.float64) for name in names}

    parts = arrays["parts"].tolist() if "part_boxes" in arrays else []
    return PointExamples(
        ids=arrays["ids"],
        truth=arrays["truth"].astype(np.float64),
        visible=arrays["visible"].astype(np.bool_),
        crops=arrays["crops"].astype(np.float64),
        predictions=floats("prediction/"),
        errors=floats("error/"),
        picture_rows=arrays["picture_rows"].astype(np.intp),
        pictures=arrays["pictures"].astype(np.uint8),
        part_boxes={part: arrays["part_boxes"][:, p].astype(np.float64) for p, part in enumerate(parts)},
        groups=groups_kept(arrays, len(arrays["ids"])),
    )
