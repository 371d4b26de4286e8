"""Run folders with drawn faces and plausible errors, for the tests of reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.distances import eye_distance, mean_over_visible, point_errors
from vestige.intervals import Bootstrap
from vestige.markup import shipped_markup
from vestige.pages import write_figures, write_report
from vestige.probes.compare.names import COSTS, methods_of
from vestige.probes.engine.points import METHODS as KNOWN
from vestige.probes.engine.points import METRICS
from vestige.results import Results, Row, described
from vestige.run import Run, start_run

METHODS = {"mean": 0.25, "rgb": 0.147, "untrained": 0.131, "ridge": 0.078, "look-back": 0.056}
"""The methods with their mean errors, as they were found on real faces."""

LAYERS = ("stem", *(f"block{k}" for k in range(16)), "head")


def arc(x0: float, x1: float, y0: float, rise: float, n: int) -> NDArray[np.float64]:
    """``n`` points along a flat arc."""
    t = np.linspace(-1, 1, n)
    return np.stack([np.interp(t, [-1, 1], [x0, x1]), y0 - rise * (1 - t**2)], axis=1)


def ring(x: float, y: float, rx: float, ry: float, n: int) -> NDArray[np.float64]:
    """``n`` points around an ellipse, from its left end clockwise."""
    t = np.pi + np.arange(n) * 2 * np.pi / n
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], axis=1)


def mean_face() -> NDArray[np.float64]:
    """A face of 68 points ``(68, 2)`` in unit coordinates of a crop."""
    t = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.29 * np.cos(t), 0.45 + 0.36 * np.sin(t)], axis=1)
    bridge = np.stack([np.full(4, 0.5), np.linspace(0.42, 0.55, 4)], axis=1)
    return np.concatenate(
        [
            jaw,
            arc(0.27, 0.43, 0.37, 0.03, 5),
            arc(0.57, 0.73, 0.37, 0.03, 5),
            bridge,
            arc(0.44, 0.56, 0.585, -0.015, 5),
            ring(0.36, 0.43, 0.04, 0.018, 6),
            ring(0.64, 0.43, 0.04, 0.018, 6),
            ring(0.5, 0.68, 0.1, 0.045, 12),
            ring(0.5, 0.68, 0.07, 0.015, 8),
        ]
    )


def draw_face(points: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """A plain face ``(size, size, 3)`` under points ``(68, 2)`` in unit coordinates."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    canvas = np.stack([150 + 60 * y, 170 + 30 * x, 190 - 40 * y], axis=-1)

    def blob(part: NDArray[np.float64], colour: tuple[int, int, int], grow: float) -> None:
        centre, half = part.mean(axis=0), (np.ptp(part, axis=0) / 2 + 1e-3) * grow
        inside = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2 < 1
        canvas[inside] = colour

    blob(points, (214, 170, 140), 1.15)
    for part in (points[36:42], points[42:48]):
        blob(part, (250, 250, 250), 1.0)
        blob(part, (70, 50, 40), 0.5)
    for part in (points[17:22], points[22:27]):
        blob(part, (90, 60, 40), 1.0)
    blob(points[31:36], (190, 140, 115), 1.2)
    blob(points[48:60], (180, 80, 85), 1.0)
    return canvas.clip(0, 255).astype(np.uint8)


def make_examples(n: int, methods: dict[str, float], n_pictures: int, seed: int) -> dict[str, NDArray[Any]]:
    """``examples.npz`` of a landmark run with ``n`` faces: every method errs by about what is given."""
    generator = np.random.default_rng(seed)
    markup = shipped_markup("face68")
    assert markup.eyes is not None
    crops = np.zeros((n, 4))
    crops[:, :2] = generator.uniform(5, 40, (n, 2))
    crops[:, 2:] = crops[:, :2] + generator.uniform(220, 260, (n, 1))
    side = (crops[:, 2] - crops[:, 0])[:, None, None]
    shift, turn = generator.normal(0, 0.02, (n, 1, 2)), generator.normal(0, 0.12, n)
    unit = mean_face()[None] + generator.normal(0, 0.006, (n, 68, 2)) + shift
    rotation = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], axis=-1).reshape(n, 2, 2)
    unit = (unit - 0.5) @ rotation + 0.5
    truth = unit * side + crops[:, None, :2]
    visible = generator.random((n, 68)) > 0.01
    normaliser = eye_distance(truth, markup.eyes)
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([f"testset/face_{k:04d}" for k in range(n)]),
        "truth": truth,
        "visible": visible,
        "boxes": np.concatenate([truth.min(axis=1), truth.max(axis=1)], axis=1),
        "crops": crops,
        "normaliser": normaliser,
    }
    difficulty = generator.gamma(4.0, 0.25, (n, 1, 1))
    for method, error in methods.items():
        noise = generator.normal(0, 0.5, (n, 68, 2)) + generator.normal(0, 0.6, (n, 1, 2))
        predicted = truth + noise * difficulty * error * normaliser[:, None, None]
        arrays[f"prediction/{method}"] = predicted
        arrays[f"error/{method}"] = mean_over_visible(point_errors(predicted, truth), visible) / normaliser
    rows = np.sort(generator.choice(n, min(n_pictures, n), replace=False))
    arrays["picture_rows"] = rows
    arrays["pictures"] = np.stack([draw_face(unit[row], 112) for row in rows]) if len(rows) else np.zeros((0, 8, 8, 3))
    if "look-back" in methods:
        parts = {name: list(indices) for name, indices in markup.parts.items()}
        arrays["parts"] = np.array(list(parts))
        arrays["part_boxes"] = np.stack([square(arrays["prediction/ridge"][:, i]) for i in parts.values()], axis=1)
    return arrays


def square(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The square about points ``(N, K, 2)``, a little enlarged: ``(N, 4)``."""
    low, high = points.min(axis=1), points.max(axis=1)
    half = (high - low).max(axis=1, keepdims=True) * 0.65
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half], axis=1)


def make_rows(arrays: dict[str, NDArray[Any]], methods: dict[str, float], metric: str) -> tuple[Row, ...]:
    """The rows that belong to the arrays."""
    n = len(arrays["ids"])
    bootstrap = Bootstrap.draw(range(n), resamples=200)
    rows = []
    for method in methods:
        errors = arrays[f"error/{method}"]
        rows.append(Row(method, metric, "all", float(errors.mean()), bootstrap.interval_of_mean(errors), n))
        for limit in (0.08, 0.10):
            rows.append(
                Row(method, f"auc@{limit:.2f}", "all", float(np.mean(np.clip(1 - errors / limit, 0, 1))), None, n)
            )
            rows.append(Row(method, f"failure@{limit:.2f}", "all", float(np.mean(errors > limit)), None, n))
        points = point_errors(arrays[f"prediction/{method}"], arrays["truth"]) / arrays["normaliser"][:, None]
        for part, indices in shipped_markup("face68").parts.items():
            values = points[:, list(indices)].mean(axis=1) * (1.3 if "jaw" in part else 0.9)
            rows.append(Row(method, metric, part, float(values.mean()), bootstrap.interval_of_mean(values), n))
    return tuple(rows)


def make_sweep(metric: str, ridge: float, n: int) -> tuple[Row, ...]:
    """Errors along the network's depth, best at block 10."""
    rows = []
    for depth, layer in enumerate(LAYERS):
        bend = ((depth - 11) / 11) ** 2
        value = ridge * (1 + 0.8 * bend + (2.1 if layer == "head" else 0))
        for name, shift in ((metric, 0.0), (f"oof_{metric}", 0.004)):
            rows.append(Row("ridge", name, "all", value + shift, (value * 0.97, value * 1.03), n, layer, "flat"))
            for seed in range(3):
                untrained = 0.131 * (1 + 0.3 * (depth / 17) ** 2) + 0.004 * seed + shift
                rows.append(Row("untrained", name, "all", untrained, None, n, layer, "flat", seed=seed))
    return tuple(rows)


def make_landmark_run(
    folder: Path,
    *,
    n: int = 40,
    methods: dict[str, float] | None = None,
    n_pictures: int = 4,
    metric: str = "nme_inter_ocular",
    test: str = "300w:data/helen/testset",
    swept: bool = True,
    seed: int = 0,
    **changes: Any,
) -> Run:
    """A finished landmark run in a folder; ``changes`` are fields of its results."""
    methods = METHODS if methods is None else methods
    run = start_run(folder)
    arrays = make_examples(n, methods, n_pictures, seed)
    markup = shipped_markup("face68")
    parts = {name: list(indices) for name, indices in markup.parts.items()}
    fields: dict[str, Any] = {
        "task": "landmarks",
        "config": {
            "metric": metric,
            "markup": {"name": "face68", "points": list(markup.points), "parts": parts},
            "layers": ["all"],
            "seed": 0,
        },
        "data": {
            "train": {"spec": "300w:data/helen/trainset", "fingerprint": "sha256:" + "ab" * 32, "n": 870, "skipped": 0},
            "test": {"spec": test, "fingerprint": "sha256:" + "cd" * 32, "n": n, "skipped": 0},
        },
        "backbone": {
            "spec": "efficientnet_lite0",
            "weights_sha256": "ef" * 32,
            "layer": "block10",
            "readout": "flat",
            "dim": 21952,
        },
        "ridge": {"alphas": list(np.geomspace(0.001, 0.01, 10)), "at_boundary": 0.0, "form": "dual"},
        "rows": make_rows(arrays, methods, metric),
        "sweep": make_sweep(metric, methods.get("ridge", 0.078), n) if swept else (),
        "created": "2026-01-02T03:04:05",
        "seconds": 754.2,
        "vestige": "0.1.0",
    }
    metrics, methods_ = described((*fields["rows"], *fields["sweep"]), METRICS, KNOWN)
    results = Results(**{**fields, "metrics": metrics, "methods": methods_, **changes})
    run.write_config(results.config)
    run.write_examples(arrays)
    run.write_results(results)
    return run


NETWORKS = {
    "efficientnet_lite0": (0.078, 18, 13.0, 1.6),
    "efficientnet_lite0@random:0": (0.126, 18, 13.0, 0.2),
    "timm:resnet18": (0.085, 10, 24.0, 1.2),
}
"""Backbones with their least error, their layers, their milliseconds and how much their errors bend with depth."""


def make_comparison(folder: Path, *, n: int = 60, networks: tuple[str, ...] = tuple(NETWORKS), **changes: Any) -> Run:
    """Two networks with an untrained twin, read in two ways, on ``n`` faces: pooling loses the *where*."""
    generator = np.random.default_rng(0)
    difficulty = generator.gamma(4.0, 0.25, n)
    bootstrap, metric = Bootstrap.draw(range(n), resamples=200), "nme_inter_ocular"
    errors = {(name, "", ""): level * difficulty for name, level in (("mean", 0.249), ("rgb", 0.147))}
    told: dict[tuple[str, str, str], dict[str, float]] = {key: {} for key in errors}
    for spec in networks:
        best, n_layers, ms, bend = NETWORKS[spec]
        for k in range(n_layers):
            depth = k / (n_layers - 1)
            for readout, factor in (("flat", 1.0), ("gap", 2.6 - 0.5 * depth)):
                level = best * (1 + bend * (depth - 0.6) ** 2) * factor
                key = (spec, f"layer{k}", readout)
                errors[key] = level * difficulty * generator.lognormal(0, 0.15, n)
                told[key] = {
                    f"oof_{metric}": level,
                    "depth": depth,
                    "ms_per_image": ms * (0.2 + 0.8 * depth),
                    "bytes_per_image": 4.0 * (21952 if readout == "flat" else 64 * (k + 1)),
                }
    rows, sweep = [], []
    for (name, layer, readout), own in errors.items():
        row = Row(name, metric, "all", float(own.mean()), bootstrap.interval_of_mean(own), n)
        if not layer:
            rows.append(row)
            continue
        row = replace(row, layer=layer, readout=readout, backbone=name)
        others = told[name, layer, readout].items()
        sweep += [row, *(replace(row, metric=other, value=value, ci95=None) for other, value in others)]
    run = start_run(folder)
    names = np.array([*errors])
    run.write_examples(
        {
            "ids": np.array([f"face_{k}" for k in range(n)]),
            "groups": np.array([f"face_{k}" for k in range(n)]),
            "method": names[:, 0],
            "layer": names[:, 1],
            "readout": names[:, 2],
            "errors": np.stack([*errors.values()]),
            "resampled": np.stack([bootstrap.means(own) for own in errors.values()]),
            "of_groups": np.full(len(errors), n),
        }
    )
    methods = methods_of(networks, KNOWN)
    metrics, described_methods = described((*rows, *sweep), {**METRICS, **COSTS}, methods)
    skipped = {"backbone": "timm:resnet18", "layer": "fc", "readout": "flat", "reason": "a vector has no grid"}
    command = ["vestige", "compare", "300w:data/helen/trainset", "-o", "matrix"]
    fields: dict[str, Any] = {
        "task": "compare",
        "config": {"task": "landmarks", "metric": metric, "skipped": [skipped], "command": command},
        "data": {
            "train": {"spec": "300w:data/helen/trainset", "fingerprint": "sha256:1", "n": 870, "skipped": 0},
            "test": {"spec": "300w:data/helen/testset", "fingerprint": "sha256:2", "n": n, "skipped": 0},
        },
        "backbone": {"spec": "efficientnet_lite0", "layer": "layer10", "readout": "flat", "dim": 21952},
        "ridge": {},
        "rows": tuple(rows),
        "sweep": tuple(sweep),
        "created": "2026-01-02T03:04:05",
        "seconds": 812.0,
        "vestige": "0.1.0",
        "metrics": metrics,
        "methods": described_methods,
    }
    run.write_results(Results(**{**fields, **changes}))
    return run


@pytest.fixture(scope="session")
def reported_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with its report and its figures, to be read only."""
    run = make_landmark_run(tmp_path_factory.mktemp("reported") / "faces")
    write_report([run], run.report_path)
    write_figures(run)
    return run


@pytest.fixture
def landmark_run(tmp_path: Path) -> Callable[..., Run]:
    """Makes landmark runs in folders of the test's own, by name."""

    def make(name: str = "faces", **options: Any) -> Run:
        return make_landmark_run(tmp_path / name, **options)

    return make


@pytest.fixture
def comparison(tmp_path: Path) -> Callable[..., Run]:
    """Makes comparisons in folders of the test's own, by name."""

    def make(name: str = "matrix", **options: Any) -> Run:
        return make_comparison(tmp_path / name, **options)

    return make
