"""Layers and comparisons through the real command line."""

import json

import pytest

from vestige.probes.compare.comparison import read_comparison
from vestige.probes.compare.measure import DEFAULT_NAME

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


@pytest.fixture(scope="module")
def folder(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("compare") / "run"
    out, _ = vestige("compare", *DATA, *WHAT, "-o", output)
    assert len([line for line in out.splitlines() if line.split()[:1] == ["*"]]) == 4  # by backbone and readout
    return output


def test_every_combination_is_measured_once(folder):
    comparison = read_comparison(folder)
    assert set(comparison.config["layers"]["efficientnet_lite0"]) == {"block4", "head"}
    found = {(entry.backbone, entry.layer, entry.readout) for entry in comparison.entries}
    assert found == {
        (backbone, layer, readout)
        for backbone in ("efficientnet_lite0", "efficientnet_lite0@random:0")
        for layer in ("block4", "head")
        for readout in (DEFAULT_NAME, "gap")
    }
    assert {baseline.method for baseline in comparison.baselines} == {"mean", "rgb"}
    for entry in comparison.entries:
        assert entry.ci95[0] <= entry.value <= entry.ci95[1]
        assert entry.value == pytest.approx(entry.errors.mean())
        assert entry.ms_per_image > 0
    sizes = {(entry.layer, entry.readout): entry.bytes_per_image for entry in comparison.entries}
    assert sizes["block4", DEFAULT_NAME] == 40 * 25 * 25 * 4
    assert sizes["head", "gap"] == 1280 * 4
    assert any("grid:25 of block4; grid:4 of head" in note for note in comparison.notes)
    depths = {entry.layer: entry.depth for entry in comparison.entries}
    assert (depths["block4"], depths["head"]) == (5 / 17, 1.0)


def test_pooling_throws_the_where_away(folder):
    values = {(e.backbone, e.layer, e.readout): e.value for e in read_comparison(folder).entries}
    assert values["efficientnet_lite0", "block4", DEFAULT_NAME] < values["efficientnet_lite0", "block4", "gap"]


def test_there_is_a_report_with_figures(folder):
    assert "<html" in (folder / "report.html").read_text()
    assert list((folder / "figures").glob("*.png"))


def test_a_finished_comparison_is_refused_and_a_broken_one_goes_on(vestige, folder):
    _, said = vestige("compare", *DATA, *WHAT, "-o", folder, status=2)
    assert "--overwrite" in said
    before = read_comparison(folder)
    measured = sorted((folder / "measured").iterdir())
    assert len(measured) == 8
    kept = {path: path.stat().st_mtime_ns for path in measured[1:]}
    measured[0].write_text(measured[0].read_text()[:40])  # as a full disk would have left it
    vestige("compare", *DATA, *WHAT, "-o", folder, "--overwrite")
    assert {path: path.stat().st_mtime_ns for path in measured[1:]} == kept
    after = read_comparison(folder)
    assert [entry.value for entry in after.entries] == [entry.value for entry in before.entries]


def test_a_readout_that_fits_nowhere_is_told(vestige, tmp_path):
    _, said = vestige("compare", *DATA, *WHAT, "--readout", "cls", "-o", tmp_path / "x", status=2)
    assert "cls" in said


def test_layers_print_the_papers_table(vestige):
    out, _ = vestige("layers", "caffe:caffenet@random:0", "--json")
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
