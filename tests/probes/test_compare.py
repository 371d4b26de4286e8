"""A comparison measures what the probes do, of every task that layers can be compared on, and keeps what is done."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vestige.backbones import open_backbone
from vestige.contract.session import Session
from vestige.datasets.opening import open_train_test
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.partial_work import PartialWork
from vestige.probes.compare.measure import layers_by_network, measure_comparison
from vestige.probes.compare.task import CompareOptions
from vestige.progress import print_nothing
from vestige.tasks import task_named

FACES = ("synthetic:faces,n=24,seed=1,size=48", "synthetic:faces,n=9,seed=2,size=64")
OBJECTS = tuple(f"synthetic:objects,n={n},seed={seed},size=48,category=car" for n, seed in ((14, 1), (7, 2)))
DATA = {
    "landmarks": FACES,
    "keypoints": OBJECTS,
    "pixels": FACES,
    "segmentation": OBJECTS,
    "attributes": FACES,
}
NETWORKS = ("rgb:5", "rgb:4")
SETTINGS = {
    "landmarks": (),
    "keypoints": ("alpha=0.2", "alpha=0.1"),
    "pixels": ("size=7",),
    "segmentation": ("grid=5", "augment=2"),
    "attributes": ("attribute=yaw", "attribute=smile"),
}


def session(kept=None, counted=None):
    def count(what, done, total):  # noqa: ARG001
        if counted is not None:
            counted[what] += 1

    return Session(Reader(progress=count), print_nothing, PartialWork(kept))


def options(task, **changes):
    return CompareOptions(task, NETWORKS, ("all",), ("flat", "gap"), settings=SETTINGS[task], **changes)


@pytest.mark.parametrize("task", DATA)
def test_its_numbers_are_the_tasks_own(task):
    data, made = open_train_test(*DATA[task]), options(task)
    found = measure_comparison(session(), data, made)
    metric = found.config["metric"]
    told = {(row.method, row.readout, row.metric): row for row in found.sweep}
    for network in NETWORKS:
        given = {"backbone": network, "layers": ("all",), "readouts": ("flat", "gap"), "untrained_seeds": 0}
        probing = [replace(each, **given) if hasattr(each, "backbone") else each for each in made.probing()]
        probing = [replace(each, look_backs=0) if hasattr(each, "look_backs") else each for each in probing]
        probed = task_named(task).measure(session(), data, *probing)
        swept = {
            (row.readout, row.metric): row
            for row in probed.sweep
            if row.subset == "all" and row.layer and row.method == "ridge"
        }
        for readout in ("flat", "gap"):
            one, other = told[network, readout, metric], swept[readout, metric]
            assert (one.value, one.ci95, one.n) == (other.value, other.ci95, other.n)
            assert told[network, readout, f"oof_{metric}"].value == swept[readout, f"oof_{metric}"].value
        for method in ("mean", "rgb"):
            ours, theirs = (
                next(r for r in rows if (r.method, r.metric, r.subset) == (method, metric, "all"))
                for rows in (found.rows, probed.rows)
            )
            assert (ours.value, ours.n) == pytest.approx((theirs.value, theirs.n), rel=1e-5)
        chosen = next(row for row in found.rows if row.method == network)
        assert chosen.readout == probed.backbone["readout"]
    _check_arrays(task, found)


def _check_arrays(task, found):
    arrays, metric = found.arrays, found.config["metric"]
    assert found.results().metrics[metric].lower_is_better is (task in ("landmarks", "pixels"))
    names = zip(*(arrays[name].tolist() for name in ("method", "layer", "readout")), strict=True)
    rows = {(r.method, r.layer or "", r.readout or ""): r for r in (*found.rows, *found.sweep) if r.metric == metric}
    assert len(arrays["method"]) == 2 + 2 * 2
    for at, key in enumerate(names):
        errors, resampled = arrays["errors"][at], arrays["resampled"][at]
        assert errors.shape == arrays["ids"].shape
        if task in ("landmarks", "pixels"):  # whose metric is the mean error
            assert np.nanmean(errors) == pytest.approx(rows[key].value)
        if rows[key].ci95 is not None:
            assert np.nanmin(resampled) <= rows[key].ci95[0] <= rows[key].ci95[1] <= np.nanmax(resampled)


def test_what_was_done_is_not_done_again(tmp_path):
    data, counted = open_train_test(*FACES), Counter()
    first = measure_comparison(session(tmp_path / "kept", counted), data, options("landmarks"))
    assert counted["fits"] == 1 + 4  # the picture itself, then what is compared
    parts = sorted((tmp_path / "kept").iterdir())
    assert len(parts) == 4
    damaged = bytearray(parts[-1].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    parts[0].write_bytes(parts[0].read_bytes()[:-9])
    parts[-1].write_bytes(damaged)
    counted.clear()
    more = replace(options("landmarks"), backbones=(*NETWORKS, "rgb:3"))
    second = measure_comparison(session(tmp_path / "kept", counted), data, more)
    assert counted["fits"] == 1 + 2 + 2
    values = [[row for row in each.sweep if row.metric != "ms_per_image"] for each in (first, second)]
    assert values[1][: len(values[0])] == values[0]
    counted.clear()
    measure_comparison(session(tmp_path / "kept", counted), data, replace(options("landmarks"), mirror=False))
    assert counted["fits"] == 1 + 4  # another question


def test_options_go_to_the_task_that_has_them():
    (landmarks,) = CompareOptions(mirror=False, box_margin=0.1, normaliser="box", seed=3).probing()
    assert (landmarks.mirror, landmarks.box_margin, landmarks.normaliser, landmarks.seed) == (False, 0.1, "box", 3)
    assert CompareOptions().probing()[0] == type(landmarks)()
    segmentation, probing = CompareOptions("segmentation", seed=4).probing()
    assert (segmentation.seed, probing.seed) == (4, 4)
    for wrong in ({"normaliser": "box"}, {"mirror": True}):
        with pytest.raises(VestigeError, match="segmentation"):
            CompareOptions("segmentation", **wrong)
    keypoints = CompareOptions("keypoints", settings=("alpha=0.2", "alpha=0.1", "alpha-shared=true")).probing()[0]
    assert (keypoints.alphas, keypoints.alpha_shared) == ((0.2, 0.1), True)
    for wrong in ("gird=3", "grid=three", "grid", "layer=all", "grid=0"):
        with pytest.raises(VestigeError, match=wrong.replace("=0", "")):
            CompareOptions("segmentation", settings=(wrong,))
    with pytest.raises(VestigeError, match="pixels"):
        CompareOptions("pixel")
    with pytest.raises(VestigeError, match="inter-pupil"):
        CompareOptions(normaliser="pupil")


LITE, TWIN, CAFFE = "efficientnet_lite0", "efficientnet_lite0@random:0", "caffe:caffenet@random:0"


@pytest.fixture(scope="module")
def networks():
    return {spec: open_backbone(spec) for spec in (LITE, TWIN, CAFFE)}


def found(networks, *patterns):
    return layers_by_network(patterns, networks)


def test_each_network_may_have_layers_of_its_own(networks):
    layers = found(networks, f"{LITE}=block4", f"{TWIN}=block7", "caffe:=conv[34]", "caffe=fc6")
    assert layers == {LITE: ("block4",), TWIN: ("block7",), CAFFE: ("conv3", "conv4", "fc6")}


def test_a_pattern_counts_where_it_matches(networks):
    layers = found(networks, "block4", "conv5", f"{TWIN}=head")
    assert layers == {LITE: ("block4",), TWIN: ("block4", "head"), CAFFE: ("conv5",)}


def test_networks_for_which_nothing_is_said_are_read_at_six_layers(networks):
    layers = found(networks, "caffe=fc6")
    assert layers[CAFFE] == ("fc6",)
    assert layers[LITE] == layers[TWIN] == networks[LITE].select(["even:6"])
    assert found(networks, "all")[CAFFE] == tuple(networks[CAFFE].paths)


def test_specs_may_hold_the_sign(networks):
    spec = "python:nets:make@a=b.pth,size=96"
    layers = found({spec: networks[LITE], "x": networks[LITE]}, f"{spec}=block4", "python=block7")
    assert layers[spec] == ("block4", "block7")


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        (("blok4",), "block4"),  # in none: the nearest name
        (("caffe=block4",), "no layer 'block4'"),  # not in the network that it is for
        (("efficient=block4",), "whole spec"),  # begins two
        (("resnet=block4",), "NETWORK=LAYER"),
        (("=block4",), "layers='=block4'"),
        (("caffe=",), "NETWORK=LAYER"),
        (("block4",), "layers=('caffe:caffenet@random:0=LAYER',)"),  # nothing left for one network
    ],
)
def test_what_matches_nowhere_is_refused(networks, patterns, told):
    with pytest.raises(VestigeError) as error:
        found(networks, *patterns)
    assert told in str(error.value)
