"""A landmark run read back from its folder: what the charts and tables are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.geometry import Box, Points
from vestige.metrics import Floats
from vestige.report.measured_run import MeasuredRun, groups_kept
from vestige.results import Results
from vestige.run import Arrays, Run

METRICS = {
    "nme_inter_ocular": "the inter-ocular distance",
    "nme_inter_pupil": "the inter-pupil distance",
    "nme_eye_corners": "the distance of the outer eye corners",
    "nme_box": "the size of the face box",
    "nme_longer_side": "the longer side of the box",
}
"""What an error is a share of, by metric."""


@dataclass(frozen=True)
class LandmarkExamples:
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
class LandmarkRun(MeasuredRun):
    """A run with its results and examples."""

    examples: LandmarkExamples
    parts: Mapping[str, tuple[int, ...]]

    @property
    def unit(self) -> str:
        """What the main metric's errors are a share of."""
        return METRICS.get(self.metric, self.metric)

    @property
    def axis(self) -> str:
        """The main metric, as an axis is labelled."""
        return f"error / {self.unit}" if self.metric in METRICS else self.metric

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


def read_landmark_run(run: Run) -> LandmarkRun:
    """Read a landmark run's folder.

    Raises:
        VestigeError: where a file is missing, damaged, or lacks what the report is drawn from.
    """
    results = run.results()
    examples = _examples(run.examples_path, run.examples())
    read = LandmarkRun(run.name, results, examples, _parts(run, results, examples.truth.shape[1]))
    if not read.methods:
        raise VestigeError(
            f"{run.results_path}: holds no row of {read.metric!r} over all examples; "
            "run the probe again with --overwrite"
        )
    return read


def _parts(run: Run, results: Results, n_points: int) -> dict[str, tuple[int, ...]]:
    markup = results.config.get("markup", {})
    parts = {str(name): tuple(indices) for name, indices in markup.get("parts", {}).items()}
    for name, indices in parts.items():
        if not all(isinstance(k, int) and 0 <= k < n_points for k in indices):
            raise VestigeError(f"{run.results_path}: part {name!r} of the markup has a point outside 0..{n_points - 1}")
    return parts


def _examples(path: Path, arrays: Arrays) -> LandmarkExamples:
    take = _Taker(path, arrays)
    n, k = take("truth", (None, None, 2)).shape[:2]
    m = len(take("picture_rows", (None,)))
    pictures = take("pictures", (m, None, None, 3))
    rows = take("picture_rows", (m,)).astype(np.intp)
    if m and not (0 <= rows.min() and rows.max() < n):
        raise VestigeError(f"{path}: picture_rows points outside the {n} examples; run the probe again")
    parts = [str(part) for part in take("parts", (None,))] if "part_boxes" in arrays else []
    boxes = take("part_boxes", (n, len(parts), 4)) if parts else np.empty((n, 0, 4))
    return LandmarkExamples(
        ids=take("ids", (n,)),
        truth=take("truth", (n, k, 2)).astype(np.float64),
        visible=take("visible", (n, k)).astype(np.bool_),
        crops=take("crops", (n, 4)).astype(np.float64),
        predictions={m: take(f"prediction/{m}", (n, k, 2)).astype(np.float64) for m in take.methods("prediction")},
        errors={m: take(f"error/{m}", (n,)).astype(np.float64) for m in take.methods("error")},
        picture_rows=rows,
        pictures=pictures.astype(np.uint8),
        part_boxes={part: boxes[:, p].astype(np.float64) for p, part in enumerate(parts)},
        groups=groups_kept(arrays, n),
    )


@dataclass(frozen=True)
class _Taker:
    """Takes arrays by name and checks their shape; None stands for any length."""

    path: Path
    arrays: Arrays

    def __call__(self, name: str, shape: Sequence[int | None]) -> NDArray[Any]:
        array = self.arrays.get(name)
        if array is None:
            raise VestigeError(f"{self.path}: has no array {name!r}; run the probe again with --overwrite")
        fits = array.ndim == len(shape) and all(
            want in (None, found) for want, found in zip(shape, array.shape, strict=True)
        )
        if not fits:
            expected = "(" + ", ".join("any" if want is None else str(want) for want in shape) + ")"
            raise VestigeError(
                f"{self.path}: array {name!r} has shape {array.shape}, expected {expected}; "
                "run the probe again with --overwrite"
            )
        return array

    def methods(self, prefix: str) -> list[str]:
        return [name.partition("/")[2] for name in self.arrays if name.startswith(f"{prefix}/")]
