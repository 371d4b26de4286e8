"""Layers of several networks, whose names differ."""

import pytest

from vestige.backbones import open_backbone
from vestige.errors import VestigeError
from vestige.probes.compare.measure import layers_by_network

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
