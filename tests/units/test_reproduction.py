"""The third paper's experiments ask for its own layers and parameters, and its exhibits stand on them."""

import numpy as np
import pytest

from vestige.contract.session import Session
from vestige.contract.task import Task
from vestige.papers.object_detectors.exhibits import about, discovered, exhibits
from vestige.papers.object_detectors.experiments import ALL_LAYERS, DRAWN, EXPERIMENTS, UNIT_LAYERS, TwoNetworks
from vestige.progress import print_nothing
from vestige.published import Column
from vestige.spec import parse_named
from vestige.units.dissect.run import DissectRun
from vestige.units.labels import Label, Labels

CAFFENET = "caffe:caffenet@random:0"
PERFORM = {experiment.name: experiment.perform for experiment in EXPERIMENTS}
SPECS = ("synthetic:scenes,n=6,seed=1,size=64", "synthetic:objects-alone,n=4,seed=1,size=64")


class AskedError(Exception):
    """What the measurement was asked for."""


@pytest.fixture
def asked(monkeypatch):
    """``asked(experiment, network)``: data and options that its measurement is called with."""

    def refuse(_task, _session, data, options):
        raise AskedError(data, options)

    monkeypatch.setattr(Task, "measure", refuse)

    def call(experiment, network):
        with pytest.raises(AskedError) as found:
            PERFORM[experiment](Session(say=print_nothing), SPECS, network)
        return found.value.args

    return call


def test_the_papers_networks_are_asked_as_in_the_paper(asked):
    network = TwoNetworks(CAFFENET, objects="caffe:caffenet@random:1", seed=3, units=7, pictures=9)
    sets, prefer = asked("prefer", network)
    assert [name for name, _ in sets] == ["objects", "scenes"]
    assert (prefer.backbones, prefer.layers, prefer.top) == ((CAFFENET, network.objects), ALL_LAYERS, 100)
    pictures, fields = asked("fields-objects", network)
    assert (fields.backbone, fields.layers, fields.units) == (network.objects, UNIT_LAYERS, 7)
    assert (fields.occluder, fields.stride) == (11, 3)
    assert len(pictures) == 8  # as many of scenes as of objects
    assert len({each.id for each in pictures}) == 8
    assert asked("dissect-scenes", network)[1].layers == UNIT_LAYERS
    assert asked("simplified", network)[1].segments == "regions"
    _, minimal = asked("minimal", network)
    assert (minimal.segments, minimal.fill, minimal.pictures, minimal.seed) == ("objects", "gradient", 9, 3)


def test_layers_are_those_asked_for_or_all_where_the_network_has_none_of_the_papers(asked):
    assert asked("dissect-scenes", TwoNetworks("scene_cnn", ("conv5",)))[1].layers == ("conv5",)
    assert asked("dissect-scenes", TwoNetworks("efficientnet_lite0"))[1].layers == ("all",)


def test_every_exhibit_is_made_of_experiments_and_drawn_data_fill_all_places_but_those_of_people():
    made = exhibits(TwoNetworks("scene_cnn"))
    assert [each.name for each in made] == ["table 1", "table 2", *(f"figure {k}" for k in range(1, 12))]
    assert {name for each in made for name in each.experiments} == set(PERFORM)
    places = {place.name for experiment in EXPERIMENTS for place in experiment.places if not place.file}
    assert {parse_named(each)[0] for each in DRAWN} == places
    before = []
    for experiment in EXPERIMENTS:
        assert set(experiment.after) <= set(before)
        before.append(experiment.name)


def test_an_object_class_is_discovered_by_the_unit_of_its_largest_average_precision():
    arrays = {
        "layers": np.array(["conv4", "pool5"]),
        "objects": np.array(["bed", "lamp", "sea"]),
        "pool5/labels": np.array([0, 1, 0, 2]),
        "pool5/iou": np.array([0.2, 0.05, 0.1, 0.01]),
        "pool5/average_precision": np.array([0.3, 0.5, 0.4, 0.9]),
    }
    assert discovered(DissectRun("run", None, arrays)) == {"bed": 0.4, "lamp": 0.5}


def test_units_of_a_concept_are_counted_by_each_who_names_them():
    def by_people(unit, *said):
        return [Label("pool5", unit, words, 0.9, "people", group) for words, group in said]

    people = [
        *by_people(0, ("Table lamps", "object"), ("lamp", "object"), ("white", "color")),
        *by_people(1, ("lamp", "object"), ("white", "color")),
        *by_people(2, ("clamps", "object")),
    ]
    masks = [Label("pool5", unit, "lamp", iou, "masks") for unit, iou in enumerate((0.1, 0.01))]
    for labels, lamps, none, n in ((people, 1, 1, 3), (masks, 1, 1, 2)):
        units = {"conv4": (), "pool5": tuple(dict.fromkeys(each.unit for each in labels))}
        read = Labels("run", labels[0].source, units, tuple(labels), {}, None)
        rows = [about(read, Column(name, name)) for name in ("lamp", "")]
        assert [(row.value, row.n) for row in rows] == [(lamps, n), (none, n)]
