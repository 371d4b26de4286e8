"""Names of categories from files, and the scores that they stand for."""

from pathlib import Path

import pytest
import torch
from torch import nn

import vestige
from vestige.backbones import Backbone, Preprocessing, open_backbone, prepared
from vestige.backbones.categories import read_categories
from vestige.errors import VestigeError

INPUT = Preprocessing((8, 8), (127.5,) * 3, (127.5,) * 3)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("abbey\nalley\n", ("abbey", "alley")),
        ("\ufefftench, Tinca tinca\r\ngold fish\r\n\r\n", ("tench, Tinca tinca", "gold fish")),
        ("/a/abbey 0\n/a/arena/hockey 1", ("abbey", "arena/hockey")),
    ],
)
def test_names_are_the_lines_of_a_file(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes(text.encode())
    assert read_categories(file) == names
    assert open_backbone(f"efficientnet_lite0,categories={file}").categories == names
    assert open_backbone(f"rgb:8,categories={file}").categories == names


@pytest.mark.parametrize("content", [None, b"", b"a\n\nb\n", b"\xff\xfe", b"a\0b\n"])
def test_a_file_without_names_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "names.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(VestigeError, match=r"names\.txt"):
        open_backbone(f"efficientnet_lite0@random:0,categories={file}")


def test_the_option_needs_a_file() -> None:
    with pytest.raises(VestigeError, match="categories=FILE"):
        open_backbone("efficientnet_lite0@random:0,categories")


def test_scores_are_what_the_whole_network_puts_out() -> None:
    module, x = network().eval(), torch.randn(5, 3, 8, 8)
    backbone = vestige.Backbone.from_module(module, INPUT, categories=["a", "b", "c"])
    torch.testing.assert_close(backbone.scores(x), module(x))
    assert backbone.named_categories() == ("a", "b", "c")
    ready = prepared(backbone, keep=["0", ""])
    assert ready.categories == backbone.categories
    torch.testing.assert_close(ready.scores(x), module(x), rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_told() -> None:
    x = torch.randn(1, 3, 8, 8)
    with pytest.raises(VestigeError, match=r"puts out 3 scores.*categories are 2"):
        vestige.Backbone.from_module(network(), INPUT, categories=["a", "b"]).scores(x)
    for headless in (network()[:2], nn.Sequential(network(), nn.Unflatten(1, (3, 1, 1)), nn.Upsample((2, 2)))):
        with pytest.raises(VestigeError, match="no vector of scores"):
            Backbone("headless", headless, INPUT, {"conv": "0"}).scores(x)
    with pytest.raises(VestigeError, match=r"small,categories=FILE"):
        Backbone("small", network(), INPUT, {"conv": "0"}).named_categories()
    with pytest.raises(VestigeError, match=r"categories=\[\.\.\.\]"):
        vestige.Backbone.from_module(network(), INPUT).named_categories()
