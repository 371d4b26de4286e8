"""The second paper's experiments ask for its own layers and parameters."""

import numpy as np
import pytest

from vestige.backbones import open_backbone
from vestige.contract.session import Session
from vestige.contract.task import Task
from vestige.correspondence.align.task import AlignOptions
from vestige.correspondence.classify.page import read_classify_run
from vestige.correspondence.classify.task import ClassifyOptions
from vestige.correspondence.detect.task import DetectOptions
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.papers.learn_correspondence import experiments as reproduction
from vestige.papers.learn_correspondence.experiments import EXPERIMENTS, last_fine_layer, layers_of, see_little
from vestige.papers.reproduction import Network
from vestige.partial_work import PartialWork
from vestige.progress import print_nothing
from vestige.run import start_run

CAFFENET = "caffe:caffenet@random:0"
TRAIN, TEST = "synthetic:objects,category=car,n=10,seed=1,size=64", "synthetic:objects,category=car,n=4,seed=2,size=64"
PERFORM = {experiment.name: experiment.perform for experiment in EXPERIMENTS}


class AskedError(Exception):
    """What the measurement was asked for."""


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture
def asked(monkeypatch, reader):
    """``asked(experiment, network)``: the options that its measurement is called with."""

    def refuse(_task, _session, _data, options):
        raise AskedError(options)

    monkeypatch.setattr(Task, "measure", refuse)

    def call(experiment, network):
        with pytest.raises(AskedError) as found:
            PERFORM[experiment](Session(reader, print_nothing), (TRAIN, TEST), network)
        return found.value.args[0]

    return call


def test_the_papers_network_is_asked_as_in_the_paper(asked):
    network = Network(CAFFENET, seed=3)
    assert asked("align", network) == AlignOptions(
        CAFFENET, ("conv4",), neighbour_layer="fc7", neighbours=25, first=5, beside=(0.003,), sift_radius=20, seed=3
    )
    layers = ("conv1", "conv2", "conv3", "conv4", "conv5")
    table = asked("classify", network)
    assert table == ClassifyOptions(CAFFENET, layers, radii=(10, 20, 40, 80, 160), localise=0, seed=3)
    assert 1e-6 in table.cs
    cats = asked("classify-cats", network)
    assert cats.localise > 0
    assert cats.localise_c == 1e-6
    assert asked("detect", network) == DetectOptions(
        CAFFENET, ("conv5",), size=500, reach=1, closest=10, eta=0.1, sigma=22, neighbour_layer="pool5", seed=3
    )


def test_another_network_takes_its_last_fine_layer_and_the_papers_distance(asked):
    options = asked("detect", Network("efficientnet_lite0"))
    assert options.layers == ("block10",)
    assert options.negative_distance == 97.5
    assert options.neighbour_layer == ""
    assert asked("classify", Network("efficientnet_lite0")).layers == ()
    assert asked("detect", Network("efficientnet_lite0", ("block4",))).negative_distance is None  # 67 + 2 x 8 pixels


def test_fields_need_no_pictures_beside_the_database():
    (found,) = (experiment for experiment in EXPERIMENTS if experiment.name == "fields")
    assert [place.name for place in found.places] == ["database"]
    assert found.is_ready({"database": "folder:/data"})
    assert not found.lacks({"database": "folder:/data"})


def test_fields_and_strides_are_the_layers_own():
    lite, caffenet = open_backbone("efficientnet_lite0"), open_backbone(CAFFENET)
    assert see_little(caffenet, ["conv5"])  # 163 + 2 x 16 = 195, as the paper says
    assert not see_little(caffenet, ["conv5", "pool5"])
    assert not see_little(lite, ["block10"])
    assert last_fine_layer(caffenet) == ("conv5",)
    assert layers_of(caffenet, Network(CAFFENET, ("pool2",)), ("conv5",)) == ("pool2",)


def test_a_network_without_fine_layers_is_told(monkeypatch):
    backbone = open_backbone(CAFFENET)
    monkeypatch.setattr(reproduction, "LARGEST_STRIDE", 1)
    with pytest.raises(VestigeError, match="layers"):
        last_fine_layer(backbone)


def test_the_runs_sweep_holds_every_keypoint_at_the_papers_c(tmp_path, monkeypatch, reader):
    monkeypatch.setattr(reproduction, "CS", (1e-6, 1e-2))
    run = start_run(tmp_path / "classify")
    session = Session(reader, print_nothing, PartialWork(run.kept))
    PERFORM["classify"](session, (TRAIN, TEST), Network("efficientnet_lite0", ("block2",))).record(run)
    found = read_classify_run(run)
    at_paper_c = {
        row.subset.removeprefix("C=1e-06").strip(): row
        for row in found.results.sweep
        if (row.method, row.metric) == ("cell:block2", "accuracy") and row.subset.startswith("C=1e-06")
    }
    assert at_paper_c["car"].value == at_paper_c[""].value  # the only class is the mean of all
    assert at_paper_c["car"].ci95 is not None
    shown = np.unique(found.arrays["keypoint"])
    assert {found.keypoints[k] for k in shown} == set(at_paper_c) - {"", "car"}
    assert set(found.tried["cell:block2"]) == {1e-6, 1e-2}
