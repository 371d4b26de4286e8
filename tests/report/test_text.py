"""Numbers and names as pages write them."""

import pytest

from vestige.probes.compare.names import short
from vestige.text import network_name, read_from


@pytest.mark.parametrize("words", [network_name, short])
def test_the_picture_itself_is_called_what_it_is(words):
    assert words("rgb:46") == "the picture’s own pixels (46 x 46 RGB)"
    assert words("efficientnet_lite0") == "efficientnet_lite0"


def test_a_network_is_called_the_same_whatever_file_names_its_categories():
    assert network_name(r"python:nets:scenes,categories=/a\,b/names.txt") == "python:nets:scenes"
    assert network_name("caffe:caffenet@w,categories=names.txt,mean=m.npy") == "caffe:caffenet@w,mean=m.npy"
    both = "python:nets:scenes,categories=a.txt, python:nets:objects,categories=b.txt"
    assert network_name(both) == "python:nets:scenes, python:nets:objects"


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ({"spec": "python:nets:scenes,categories=a.txt", "layer": "fire9"}, "fire9 of python:nets:scenes"),
        ({"spec": "efficientnet_lite0", "layer": "block10"}, "block10 of efficientnet_lite0"),
        ({"spec": "rgb:7", "layer": "rgb"}, "the picture’s own pixels (7 x 7 RGB)"),
        ({"spec": "timm:vit"}, "timm:vit"),
        ({}, "the network"),
    ],
)
def test_what_is_read_is_named_once(backbone, expected):
    assert read_from(backbone) == expected
