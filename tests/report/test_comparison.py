"""Comparisons: read back from their runs, ranked by paired differences, shown on one page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.intervals import Bootstrap, paired_difference
from vestige.methods import PROBES
from vestige.metrics import Metric
from vestige.pages import report_page, show, write_report
from vestige.probes.compare.names import default_name, methods_of, network_of, short
from vestige.probes.compare.page import detail, draw_cost, draw_depth, front, headline, panel_names, value_label
from vestige.probes.compare.run import Comparison, Entry, read_comparison
from vestige.report.blocks import Table
from vestige.report.style import LIGHT, themed
from vestige.results import Results
from vestige.run import Run

Make = Callable[..., Run]

ERROR = Metric("error", "the face box", lower_is_better=True)


def small(values: dict[tuple[str, str, str], list[float]], metric: Metric = ERROR, **folds: float) -> Comparison:
    """Entries by (backbone, layer, readout) with each example's error; folds: the score of layers on training folds."""
    entries = tuple(
        Entry(*key, 0.5, float(np.mean(own)), None, len(own), folds.get(key[1], float(np.mean(own))), 10.0, 400.0)
        for key, own in values.items()
    )
    n = len(next(iter(values.values())))
    bootstrap = Bootstrap.draw(range(n))
    names = np.array([*values])
    arrays = {
        **{name: names[:, k] for k, name in enumerate(("method", "layer", "readout"))},
        "resampled": np.stack([bootstrap.means(own) for own in values.values()]),
        "of_groups": np.full(len(values), n),
    }
    methods = methods_of(list(dict.fromkeys(names[:, 0].tolist())), PROBES)
    config = {"task": "landmarks", "metric": "m", "skipped": []}
    data: dict[str, Any] = {"test": {"n": n}}
    results = Results("compare", config, data, {}, {}, (), metrics={"m": metric}, methods=methods)
    return Comparison("small", results, entries, (), arrays)


def test_is_read_as_it_was_measured(comparison: Make) -> None:
    read = read_comparison(comparison())
    assert (read.task, read.metric, read.main.unit) == ("landmarks", "nme_inter_ocular", "the inter-ocular distance")
    assert read.backbones == ("efficientnet_lite0", "efficientnet_lite0@random:0", "timm:resnet18")
    assert read.readouts == ("flat", "gap")
    assert len(read.entries) == 2 * (18 + 18 + 10)
    assert [row.method for row in read.baselines] == ["mean", "rgb"]
    rows = {(row.method, row.layer, row.readout, row.metric): row.value for row in read.results.sweep}
    for one in read.entries:
        key = (one.backbone, one.layer, one.readout)
        assert (one.value, one.selection) == (rows[(*key, "nme_inter_ocular")], rows[(*key, "oof_nme_inter_ocular")])
        assert (one.depth, one.ms_per_image) == (rows[(*key, "depth")], rows[(*key, "ms_per_image")])


def test_damaged_files(comparison: Make) -> None:
    run = comparison()
    document = json.loads(run.results_path.read_text())
    lacking = [row for row in document["sweep"] if row["metric"] != "depth"]
    for change, words in (
        ({"schema": 9}, "schema 2"),
        ({"sweep": []}, "no layer"),
        ({"sweep": lacking}, "holds no depth of efficientnet_lite0 layer0 flat"),
        ({"metrics": {}}, "no layer"),
        ({"sweep": ["one"]}, r"\$\.sweep\[0\]"),
        ({"config": {**document["config"], "skipped": [{"backbone": 1}]}}, r"skipped\[0\]"),
        ({"notes": 3}, r"\$\.notes"),
    ):
        run.results_path.write_text(json.dumps({**document, **change}))
        with pytest.raises(VestigeError, match=words):
            read_comparison(run)
    run.results_path.write_text(json.dumps(document))
    with np.load(run.examples_path) as archive:
        arrays = dict(archive)
    for change in ({"errors": arrays["errors"][:, 1:]}, {"of_groups": arrays["of_groups"][1:]}, {"ids": np.arange(3)}):
        run.write_examples({**arrays, **change})
        with pytest.raises(VestigeError, match=rf"examples\.npz: array '{next(iter(change))}'"):
            read_comparison(run)
    run.write_examples({**arrays, "layer": np.full_like(arrays["layer"], "x")})
    with pytest.raises(VestigeError, match=r"examples\.npz.*efficientnet_lite0"):
        read_comparison(run)


def test_ranking_is_by_value_with_paired_differences() -> None:
    generator = np.random.default_rng(1)
    faces = generator.gamma(4, 0.02, 200)
    noise = generator.normal(0, 0.01, (3, 200))
    noise -= noise.mean(axis=1, keepdims=True)
    shifts = {"far": 0.02, "near": 0.001, "best": 0.0}
    errors = {name: faces + shift + own for (name, shift), own in zip(shifts.items(), noise, strict=True)}
    made = small({(name, "layer", "flat"): list(own) for name, own in errors.items()})
    ranked = made.rank(made.entries)
    assert [(one.place, one.entry.backbone, one.tied) for one in ranked] == [
        (1, "best", True),
        (2, "near", True),
        (3, "far", False),
    ]
    expected = paired_difference(errors["far"], errors["best"], Bootstrap.draw(range(200)))
    assert ranked[2].to_best is not None
    assert expected is not None
    assert (ranked[2].to_best.mean, *ranked[2].to_best.ci95) == pytest.approx((expected.mean, *expected.ci95))
    assert ranked[2].to_best.p == pytest.approx(expected.p)
    turned = small({(name, "layer", "flat"): list(own) for name, own in errors.items()}, Metric("score"))
    assert [one.entry.backbone for one in turned.rank(turned.entries)] == ["far", "near", "best"]


@pytest.mark.parametrize(("lower_is_better", "picked"), [(True, "honest"), (False, "tempting")])
def test_layers_are_picked_on_training_folds(lower_is_better: bool, picked: str) -> None:
    values = {("a", "tempting", "flat"): [0.1, 0.1], ("a", "honest", "flat"): [0.2, 0.2]}
    made = small(values, Metric("m", lower_is_better=lower_is_better), tempting=0.3, honest=0.2)
    assert [one.layer for one in made.picked()] == [picked]


def test_names() -> None:
    assert short("efficientnet_lite0") == "efficientnet_lite0"
    assert short("efficientnet_lite0@random:0") == "efficientnet_lite0, untrained"
    assert short("timm:resnet18@random:3") == "resnet18, untrained (3)"
    assert short("hf:facebook/dinov2-small") == "dinov2-small"
    assert short("caffe:caffenet@weights/places205.caffemodel") == "caffenet (places205)"
    assert network_of("caffe:caffenet@random:2") == "caffe:caffenet"
    assert [default_name(readout) for readout in ("auto", "auto:4096", "auto:2000", "gap", "grid:3")] == [
        "flat ≤ 25k",
        "flat ≤ 4096",
        "flat ≤ 2k",
        "gap",
        "grid:3",
    ]


def test_an_untrained_network_is_dashed_in_the_colour_of_its_twin() -> None:
    methods = methods_of(["a", "timm:b", "a@random:0", "timm:b@x.npz"], PROBES)
    assert list(methods) == ["mean", "rgb", "a", "timm:b", "a@random:0", "timm:b@x.npz"]
    looks = {name: (method.dash, method.trained) for name, method in methods.items()}
    assert looks["a"] == looks["timm:b"] == looks["timm:b@x.npz"] == ("solid", True)
    assert looks["a@random:0"] == ("dashed", False)
    assert methods["a@random:0"].colour == methods["a"].colour != methods["timm:b"].colour


def test_front_holds_what_nothing_cheaper_beats() -> None:
    values = {(name, "layer", "flat"): [v] for name, v in (("a", 0.3), ("b", 0.1), ("c", 0.2), ("d", 0.05))}
    made = small(values)
    assert front(made, made.entries, [1.0, 2.0, 3.0, 4.0]) == (0, 1, 3)
    assert front(made, made.entries, [1.0, 1.0, 1.0, 1.0]) == (3,)
    assert front(small(values, Metric("score")), made.entries, [1.0, 2.0, 3.0, 4.0]) == (0,)


def test_depth_charts_draw_every_entry_once(comparison: Make) -> None:
    made = read_comparison(comparison())
    for by in ("readout", "backbone"):
        with themed(LIGHT):
            axes = draw_depth(made, by, LIGHT).axes  # type: ignore[arg-type]
        names = panel_names(made, by)  # type: ignore[arg-type]
        assert len(axes) == len(names)
        drawn = [
            (name, x, y)
            for name, ax in zip(names, axes, strict=True)
            for line in ax.lines
            if line.get_markersize() == 4.5
            for x, y in zip(*line.get_data(), strict=True)
        ]
        assert sorted(drawn) == sorted((getattr(one, by), one.depth, one.value) for one in made.entries)
        assert len({ax.get_ylim() for ax in axes}) == 1


def test_scores_below_nought_are_within_the_axes() -> None:
    made = small({("a", "one", "flat"): [-0.4, -0.2], ("a", "two", "flat"): [0.1, 0.1]}, Metric("R²"))
    with themed(LIGHT):
        (ax,) = draw_depth(made, "readout", LIGHT).axes
        assert ax.get_ylim()[0] < -0.3
        assert draw_cost(made, LIGHT).axes[0].get_ylabel() == value_label(made) == "R²"


def test_cost_chart(comparison: Make) -> None:
    made = read_comparison(comparison())
    with themed(LIGHT):
        ms, size = draw_cost(made, LIGHT).axes
    assert ms.get_xscale() == "linear"
    assert size.get_xscale() == "log"
    best = made.picked()[0]
    assert any(best.layer in text.get_text() for text in ms.texts)


def test_page(comparison: Make, tmp_path: Path) -> None:
    run = comparison()
    made = read_comparison(run)
    write_report([run], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    best = made.picked()[0]
    assert headline(made) in html
    assert f"{best.layer} of efficientnet_lite0" in headline(made)
    assert "a vector has no grid" in html
    assert f"All {len(made.entries)} combinations" in html
    assert html.count("87.8\u202fkB") >= 20
    assert "vestige compare 300w:data/helen/trainset" in html
    assert "://" not in html
    write_report([run], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_two_comparisons_side_by_side(comparison: Make) -> None:
    runs = [comparison(name, n=n) for name, n in (("one", 20), ("two", 30))]
    page = report_page(runs)
    assert [opening.name for opening in page.openings] == ["one", "two"]
    tables = [block for section in page.sections for block in section.blocks if isinstance(block, Table)]
    assert [table.caption.partition(":")[0] for table in tables[:4]] == ["one", "one", "two", "two"]


def test_pooling_that_costs_nothing_is_not_said_to_cost() -> None:
    flat, gap = ("a", "layer", "flat"), ("a", "layer", "gap")
    assert "averaging over" in detail(small({flat: [0.1, 0.3], gap: [0.11, 0.31]}))
    noisy = detail(small({flat: [0.1, 0.3], gap: [0.3, 0.12]}))
    assert "averaging over" not in noisy
    assert "layer of a, read as gap" in noisy


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            Metric("error", "the face box", lower_is_better=True),
            "layer of a, read as flat: an error of 60.0\u202f% of the face box.",
        ),
        (Metric("PCK at 0.1", shown="percent"), "layer of b, read as flat: PCK at 0.1 75.0\u202f%."),
        (Metric("R²"), "layer of b, read as flat: R² 0.750."),
        (Metric("PSNR", "dB"), "layer of b, read as flat: PSNR 0.750 dB."),
    ],
)
def test_the_best_by_any_metric(metric: Metric, said: str) -> None:
    made = small({("a", "layer", "flat"): [0.5, 0.7], ("b", "layer", "flat"): [0.6, 0.9]}, metric)
    assert headline(made) == f"Best is {said}"


def test_figures(comparison: Make) -> None:
    run = comparison(networks=("timm:resnet18",))
    show(run)
    assert {path.name for path in run.figures_folder.iterdir()} == {
        "depth-by-readout.png",
        "depth-by-backbone.png",
        "cost.png",
    }
