import pytest

from vestige.errors import VestigeError
from vestige.spec import parse_backbone_spec, parse_data_spec


def test_a_data_spec_has_a_kind_a_path_options_and_flags():
    spec = parse_data_spec("cub:/data/cub,train,fold=4/5")
    assert (spec.kind, spec.path, dict(spec.options)) == ("cub", "/data/cub", {"train": "", "fold": "4/5"})


@pytest.mark.parametrize("text", ["faces", ":x", "300w:", "", "300w:,n=3"])
def test_what_is_no_data_spec_is_told_what_one_looks_like(text):
    with pytest.raises(VestigeError, match="expected kind:PATH"):
        parse_data_spec(text)


@pytest.mark.parametrize(("text", "message"), [("a:b,n=1,n=2", "given twice"), ("a:b,,n=2", "empty option")])
def test_bad_options_are_refused(text, message):
    with pytest.raises(VestigeError, match=message):
        parse_data_spec(text)


def test_numbers_are_checked():
    with pytest.raises(VestigeError, match=r"n='many'.*whole number"):
        parse_data_spec("synthetic:faces,n=many").integer("n", 8)
    assert parse_data_spec("synthetic:faces,n=12").integer("n", 8) == 12


@pytest.mark.parametrize(
    ("text", "kind", "name", "weights", "seed"),
    [
        ("efficientnet_lite0", "", "efficientnet_lite0", None, None),
        ("efficientnet_lite0@random:7", "", "efficientnet_lite0", None, 7),
        ("caffe:caffenet@a/b.caffemodel", "caffe", "caffenet", "a/b.caffemodel", None),
        ("hf:facebook/dinov2-small", "hf", "facebook/dinov2-small", None, None),
        ("python:pkg.module:factory", "python", "pkg.module:factory", None, None),
    ],
)
def test_backbone_specs(text, kind, name, weights, seed):
    spec = parse_backbone_spec(text)
    assert (spec.kind, spec.name, spec.weights, spec.seed) == (kind, name, weights, seed)


def test_the_untrained_twin_keeps_the_options():
    twin = parse_backbone_spec("caffe:caffenet@w.caffemodel,mean=m.npy").with_random_weights(3)
    assert twin.text == "caffe:caffenet@random:3,mean=m.npy"
    assert (twin.weights, twin.seed, dict(twin.options)) == (None, 3, {"mean": "m.npy"})


@pytest.mark.parametrize("text", ["", "@w", "timm:", ":x", "a@", "a@random:", "a@random:x"])
def test_what_is_no_backbone_spec_is_refused(text):
    with pytest.raises(VestigeError):
        parse_backbone_spec(text)
