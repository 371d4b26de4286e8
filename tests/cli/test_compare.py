"""Layers and comparisons through the real command line."""

import json

import pytest

from vestige.probes.compare.run import read_comparison
from vestige.run import Run

DATA = ["synthetic:faces,n=40,seed=1,size=96", "--test", "synthetic:faces,n=16,seed=2,size=96"]
WHAT = [
    "--backbone",
    "efficientnet_lite0",
    "--backbone",
    "efficientnet_lite0@random:0",
    "--layer",
    "block4",
    "--layer",
    "efficientnet_lite0=head",
    "--layer",
    "efficientnet_lite0@r=head",
]


DEFAULT_NAME = "flat ≤ 25k"


@pytest.fixture(scope="module")
def folder(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("compare") / "run"
    out, _ = vestige("compare", *DATA, *WHAT, "-o", output)
    assert len([line for line in out.splitlines() if line.split()[:1] == ["*"]]) == 4  # by backbone and readout
    return output


def test_every_combination_is_measured_once(folder):
    comparison = read_comparison(Run(folder))
    results = comparison.results
    assert set(results.config["layers"]["efficientnet_lite0"]) == {"block4", "head"}
    found = [(entry.backbone, entry.layer, entry.readout) for entry in comparison.entries]
    assert sorted(found) == sorted(
        (backbone, layer, readout)
        for backbone in ("efficientnet_lite0", "efficientnet_lite0@random:0")
        for layer in ("block4", "head")
        for readout in (DEFAULT_NAME, "gap")
    )
    assert results.measured == ("mean", "rgb", "efficientnet_lite0", "efficientnet_lite0@random:0")
    arrays = comparison.arrays
    names = zip(*(arrays[name].tolist() for name in ("method", "layer", "readout")), strict=True)
    errors = dict(zip(names, arrays["errors"], strict=True))
    for entry in comparison.entries:
        assert entry.ci95[0] <= entry.value <= entry.ci95[1]
        assert entry.value == pytest.approx(errors[entry.backbone, entry.layer, entry.readout].mean())
        assert entry.ms_per_image > 0
    sizes = {(entry.layer, entry.readout): entry.bytes_per_image for entry in comparison.entries}
    assert sizes["block4", DEFAULT_NAME] == 40 * 25 * 25 * 4
    assert sizes["head", "gap"] == 1280 * 4
    assert any("grid:25 of block4; grid:4 of head" in note for note in results.notes)
    depths = {entry.layer: entry.depth for entry in comparison.entries}
    assert (depths["block4"], depths["head"]) == (5 / 17, 1.0)


def test_a_networks_row_is_the_layer_that_folds_choose(folder):
    comparison = read_comparison(Run(folder))
    for backbone in comparison.backbones:
        best = min((e for e in comparison.entries if e.backbone == backbone), key=lambda entry: entry.selection)
        row = comparison.results.row(backbone, comparison.metric)
        assert (row.layer, row.readout, row.value, row.ci95) == (best.layer, best.readout, best.value, best.ci95)
    methods = comparison.results.methods
    trained, twin = methods["efficientnet_lite0"], methods["efficientnet_lite0@random:0"]
    assert (trained.trained, trained.dash, twin.trained, twin.dash) == (True, "solid", False, "dashed")
    assert trained.colour == twin.colour


def test_pooling_throws_the_where_away(folder):
    values = {(e.backbone, e.layer, e.readout): e.value for e in read_comparison(Run(folder)).entries}
    assert values["efficientnet_lite0", "block4", DEFAULT_NAME] < values["efficientnet_lite0", "block4", "gap"]


def test_its_folder_is_a_runs_and_its_page_can_be_made_again(vestige, folder):
    names = {path.name for path in folder.iterdir()}
    assert {"results.json", "examples.npz", "config.json", "figures", "report.html"} <= names
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "depth-by-readout.png",
        "depth-by-backbone.png",
        "cost.png",
    }
    page = (folder / "report.html").read_bytes()
    vestige("report", folder)
    assert (folder / "report.html").read_bytes() == page


def test_a_finished_comparison_is_refused_and_a_broken_one_goes_on(vestige, folder):
    _, said = vestige("compare", *DATA, *WHAT, "-o", folder, status=2)
    assert "--overwrite" in said
    before = Run(folder).results()
    parts = sorted((folder / "parts").iterdir())
    assert len(parts) == 8
    kept = {path: path.stat().st_mtime_ns for path in parts[1:]}
    parts[0].write_bytes(parts[0].read_bytes()[:40])  # as a full disk would have left it
    vestige("compare", *DATA, *WHAT, "-o", folder, "--overwrite", page=False)
    assert {path: path.stat().st_mtime_ns for path in parts[1:]} == kept
    after = Run(folder).results()
    assert after.rows == before.rows
    assert [row for row in after.sweep if row.metric != "ms_per_image"] == [
        row for row in before.sweep if row.metric != "ms_per_image"
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--task", "landmark"], "did you mean landmarks?"),
        (["--task", "directions"], "--task directions"),
        (["--task", "pixels", "--normaliser", "box"], "--normaliser box"),
    ],
)
def test_what_a_task_does_not_have_is_refused_before_anything_is_read(vestige, tmp_path, given, words):
    _, said = vestige("compare", *DATA, *WHAT, *given, "-o", tmp_path / "x", status=2)
    assert words in said


def test_a_readout_that_fits_nowhere_is_told(vestige, tmp_path):
    _, said = vestige("compare", *DATA, *WHAT, "--readout", "cls", "-o", tmp_path / "x", status=2)
    assert "cls" in said


def test_layers_print_the_papers_table(vestige):
    out, _ = vestige("layers", "caffe:caffenet@random:0", "--json")
    assert json.loads(out)["categories"] == []
    layers = {layer["name"]: layer for layer in json.loads(out)["layers"]}
    table = {
        "conv1": (11, 4),
        "conv2": (51, 8),
        "conv3": (99, 16),
        "conv4": (131, 16),
        "conv5": (163, 16),
        "pool5": (195, 32),
    }
    for name, (field, stride) in table.items():
        assert layers[name]["receptive_field"] == [field, field]
        assert layers[name]["stride"] == [stride, stride]
    assert layers["conv5"]["centre"] == [17.5, 17.5]
    assert layers["pool5"]["centre"] == [33.5, 33.5]
    assert (layers["fc7"]["kind"], layers["fc7"]["stride"], layers["fc7"]["receptive_field"]) == ("vector", None, None)
    assert set(layers["fc7"]) == {"name", "kind", "shape", "stride", "receptive_field", "centre", "whole_image"}
