"""Comparisons: kept whole on disk, ranked by paired differences, shown on one page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.intervals import Bootstrap, paired_difference
from vestige.probes.compare.charts import draw_cost, draw_depth, front, panel_names, short
from vestige.probes.compare.comparison import Baseline, Comparison, Entry, rank, read_comparison, save_comparison
from vestige.probes.compare.measure import _Measured
from vestige.probes.compare.page import detail, headline, write_comparison, write_comparison_figures
from vestige.report.style import LIGHT, themed

Make = Callable[..., Comparison]


def entry(name: str, errors: list[float], **changes: object) -> Entry:
    values = np.array(errors)
    made = Entry(name, "layer", "flat", 0.5, float(np.nanmean(values)), None, values, 10.0, 400)
    return replace(made, **changes)  # type: ignore[arg-type]


def small(*entries: Entry, **changes: object) -> Comparison:
    ids = np.array([str(k) for k in range(len(entries[0].errors))])
    return Comparison("landmarks", "nme_box", "the face box", ids, entries, **changes)  # type: ignore[arg-type]


def test_comes_back_from_disk_as_it_was(comparison: Make, tmp_path: Path) -> None:
    made = comparison(notes=("mind",))
    save_comparison(made, tmp_path / "matrix")
    read = read_comparison(tmp_path / "matrix")
    for one, other in zip((*made.entries, *made.baselines), (*read.entries, *read.baselines), strict=True):
        assert {k: v for k, v in vars(one).items() if k != "errors"} == {
            k: v for k, v in vars(other).items() if k != "errors"
        }
        np.testing.assert_array_equal(one.errors, other.errors)
    np.testing.assert_array_equal(made.ids, read.ids)
    for name in ("task", "metric", "unit", "skipped", "lower_is_better", "created", "seconds", "vestige", "notes"):
        assert getattr(made, name) == getattr(read, name)
    assert read.config == {"command": ["vestige", "compare", "landmarks", "300w:data/helen/trainset", "-o", "matrix"]}


def test_without_baselines(tmp_path: Path) -> None:
    save_comparison(small(entry("a", [0.1, float("nan")])), tmp_path)
    read = read_comparison(tmp_path)
    assert read.baselines == ()
    assert np.isnan(read.entries[0].errors[1])


def test_refuses_what_does_not_fit_together() -> None:
    one = entry("a", [0.1, 0.2])
    with pytest.raises(ValueError, match="two entries"):
        small(one, one)
    with pytest.raises(ValueError, match="b layer flat has errors of shape"):
        small(one, entry("b", [0.1]))
    with pytest.raises(ValueError, match=r"rgb .* has errors of shape"):
        small(one, baselines=(Baseline("rgb", 0.1, None, np.zeros(3)),))
    with pytest.raises(ValueError, match="at least one entry"):
        Comparison("landmarks", "nme_box", "", np.array(["a"]), ())


def test_damaged_files(comparison: Make, tmp_path: Path) -> None:
    folder = tmp_path / "matrix"
    with pytest.raises(VestigeError, match="cannot be read as a comparison"):
        write_comparison(folder, tmp_path / "x.html")
    save_comparison(comparison(), folder)
    document = json.loads((folder / "comparison.json").read_text())
    for change, words in (
        ({"schema": 9}, "schema 1"),
        ({"entries": document["entries"][:-1]}, "is damaged"),
        ({"entries": [{**document["entries"][0], "surprise": 1}, *document["entries"][1:]]}, "surprise"),
        ({"entries": ["one"]}, r"\$\.entries\[0\]"),
        ({"skipped": [{"backbone": 1}]}, r"\$\.skipped\[0\]"),
        ({"notes": 3}, r"\$\.notes"),
        ({"config": json.loads("[" * 20 + "]" * 20)}, r"\$\.config"),
    ):
        (folder / "comparison.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(VestigeError, match=words):
            read_comparison(folder)
    (folder / "comparison.json").write_text(json.dumps(document))
    with np.load(folder / "comparison.npz") as archive:
        arrays = dict(archive)
    for change in ({"errors": arrays["errors"][:, 1:]}, {"ids": np.arange(3)}, {"groups": arrays["groups"][:1]}):
        np.savez(folder / "comparison.npz", **{**arrays, **change})
        with pytest.raises(VestigeError, match=rf"comparison\.npz: array '{next(iter(change))}'"):
            read_comparison(folder)
    (folder / "comparison.npz").write_bytes(b"PK no archive")
    with pytest.raises(VestigeError, match="cannot be read as the errors of a comparison"):
        read_comparison(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"backbone": 1}', "[" * 100_000])
def test_a_kept_measurement_that_is_not_what_was_written_is_measured_again(tmp_path: Path, text: str) -> None:
    measured, path = _Measured(tmp_path, "key", 2), tmp_path / "one.json"
    measured.save(path, entry("a", [0.1, float("nan")], ci95=(0.0, 1.0)))
    found = measured.load(path)
    assert found is not None
    np.testing.assert_array_equal(found.errors, [0.1, np.nan])
    assert found.ci95 == (0.0, 1.0)
    assert _Measured(tmp_path, "key", 3).load(path) is None
    path.write_text(text)
    assert measured.load(path) is None


def test_ranking_is_by_value_with_paired_differences() -> None:
    generator = np.random.default_rng(1)
    faces = generator.gamma(4, 0.02, 200)
    noise = generator.normal(0, 0.01, (3, 200))
    noise -= noise.mean(axis=1, keepdims=True)
    names = (("best", 0.0), ("near", 0.001), ("far", 0.02))
    best, near, far = (entry(name, list(faces + shift + own)) for (name, shift), own in zip(names, noise, strict=True))
    ranked = rank([far, near, best], range(200))
    assert [one.entry.backbone for one in ranked] == ["best", "near", "far"]
    assert [one.tied for one in ranked] == [True, True, False]
    expected = paired_difference(far.errors, best.errors, Bootstrap.draw(range(200)))
    assert ranked[2].to_best == expected
    assert [one.entry.backbone for one in rank([far, near, best], range(200), lower_is_better=False)] == [
        "far",
        "near",
        "best",
    ]


def test_layers_are_picked_on_training_folds() -> None:
    tempting = entry("a", [0.1, 0.1], layer="tempting", selection=0.3)
    honest = entry("a", [0.2, 0.2], layer="honest", selection=0.2)
    assert [one.layer for one in small(tempting, honest).picked()] == ["honest"]
    unknown = [replace(one, selection=None) for one in (tempting, honest)]
    assert [one.layer for one in small(*unknown).picked()] == ["tempting"]
    assert [one.layer for one in small(*unknown, lower_is_better=False).picked()] == ["honest"]


def test_names() -> None:
    assert short("efficientnet_lite0") == "efficientnet_lite0"
    assert short("efficientnet_lite0@random:0") == "efficientnet_lite0, untrained"
    assert short("timm:resnet18@random:3") == "resnet18, untrained (3)"
    assert short("hf:facebook/dinov2-small") == "dinov2-small"
    assert short("caffe:caffenet@weights/places205.caffemodel") == "caffenet (places205)"
    one = entry("caffe:caffenet@random:2", [0.1])
    assert (one.network, one.trained) == ("caffe:caffenet", False)
    assert entry("caffe:caffenet@x.npz", [0.1]).trained


def test_front_holds_what_nothing_cheaper_beats() -> None:
    entries = [entry(name, [value]) for name, value in (("a", 0.3), ("b", 0.1), ("c", 0.2), ("d", 0.05))]
    assert front(small(*entries), entries, [1.0, 2.0, 3.0, 4.0]) == (0, 1, 3)
    assert front(small(*entries), entries, [1.0, 1.0, 1.0, 1.0]) == (3,)


def test_depth_charts_draw_every_entry_once(comparison: Make) -> None:
    made = comparison()
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


def test_cost_chart(comparison: Make) -> None:
    made = comparison()
    with themed(LIGHT):
        ms, size = draw_cost(made, LIGHT).axes
    assert ms.get_xscale() == "linear"
    assert size.get_xscale() == "log"
    best = made.picked()[0]
    assert any(best.layer in text.get_text() for text in ms.texts)


def test_page(comparison: Make, tmp_path: Path) -> None:
    made = comparison()
    save_comparison(made, tmp_path)
    write_comparison(tmp_path, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    best = made.picked()[0]
    assert headline(made) in html
    assert f"{best.layer} of efficientnet_lite0, read as flat" in headline(made)
    assert "as gap, each at its own layer: averaging over the picture throws away" in detail(made)
    assert "With random weights it comes to" in detail(made)
    assert "a vector has no grid" in html
    assert f"All {len(made.entries)} combinations" in html
    assert html.count("87.8\u202fkB") >= 20
    assert "vestige compare landmarks" in html
    assert "://" not in html
    write_comparison(tmp_path, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_pooling_that_costs_nothing_is_not_said_to_cost() -> None:
    flat, gap = entry("a", [0.1, 0.3]), entry("a", [0.11, 0.31], readout="gap")
    noisy = replace(gap, errors=np.array([0.3, 0.12]), value=0.21)
    assert "averaging over" in detail(small(flat, gap))
    assert "averaging over" not in detail(small(flat, noisy))
    assert "Not told from the best over 2 test pictures: layer of a, read as gap." in detail(small(flat, noisy))


def test_scores_where_more_is_better() -> None:
    made = small(entry("a", [0.5, 0.7]), entry("b", [0.6, 0.9]), lower_is_better=False)
    made = replace(made, metric="pck@0.1", unit="")
    assert headline(made) == "Best is layer of b, read as flat: pck@0.1 0.750."


def test_figures(comparison: Make, tmp_path: Path) -> None:
    made = comparison()
    made = replace(made, entries=tuple(one for one in made.entries if one.backbone == "timm:resnet18"))
    save_comparison(made, tmp_path)
    write_comparison_figures(tmp_path, tmp_path / "figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "depth-by-readout.png",
        "depth-by-backbone.png",
        "cost.png",
    }
