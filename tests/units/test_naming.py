"""Which categories of a network scenes are, and what it calls pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vestige.backbones import Backbone, Preprocessing
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.text import plain_name
from vestige.units.naming import Namer, match_categories, short_names

CATEGORIES = (
    "bedroom",
    "bakery/shop",
    "temple/asia",
    "church/indoor",
    "tabby, tabby cat",
    "Living Room",
    "living-room",
)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("/b/bedroom", "bedroom"),
        ("b/bakery/shop", "bakery shop"),
        ("Bakery_shop", "bakery shop"),
        ("  art-gallery ", "art gallery"),
        ("museum/indoor", "museum indoor"),
        ("", ""),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_scenes_are_categories_by_their_own_or_their_plain_names() -> None:
    scenes = ["/b/bedroom", "Bakery shop", "tabby_cat", "living-room", "church", "temple/east_asia", "bedroom"]
    found = match_categories(scenes, CATEGORIES)
    assert found == {"/b/bedroom": 0, "Bakery shop": 1, "tabby_cat": 4, "living-room": 6, "bedroom": 0}
    assert match_categories(["living room"], CATEGORIES) == {}  # two categories are called so


def test_categories_that_list_synonyms_go_by_each_and_are_shown_by_the_first() -> None:
    names = ("tench, Tinca tinca", "crane", "crane", "maillot", "maillot, tank suit", "goldfish, Carassius auratus")
    assert match_categories(["tench", "Tinca_tinca", "tank suit", "maillot"], names) == {
        "tench": 0,
        "Tinca_tinca": 0,
        "tank suit": 4,
        "maillot": 3,
    }
    assert match_categories(["tench, Tinca tinca", "Carassius auratus, goldfish"], names) == {
        "tench, Tinca tinca": 0,
        "Carassius auratus, goldfish": 5,
    }
    assert match_categories(["crane"], names) == {}  # a bird and a machine
    assert short_names(names) == ("tench", "crane", "crane", "maillot", "maillot, tank suit", "goldfish")


def test_names_may_be_given() -> None:
    given = {"temple/east_asia": "temple/asia"}
    assert match_categories(["temple/east_asia", "bedroom"], CATEGORIES, given) == {"temple/east_asia": 2, "bedroom": 0}
    with pytest.raises(VestigeError, match="temple/asia"):
        match_categories(["temple/east_asia"], CATEGORIES, {"temple/east_asia": "temple/asi"})
    assert match_categories(["bedroom"], CATEGORIES, {"other": "nothing"}) == {"bedroom": 0}


class Means(nn.Module):
    """The mean of each channel, as it is or through a softmax."""

    def __init__(self, softmax: bool) -> None:
        super().__init__()
        self.softmax = softmax
        self.seen = nn.Identity()
        self.scale = nn.Parameter(torch.tensor(40.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.scale * self.seen(x).mean((2, 3))
        return found.softmax(1) if self.softmax else found


def namer(softmax: bool, names: tuple[str, ...] = ("r", "g", "b")) -> Namer:
    preprocessing = Preprocessing((8, 8), (127.5,) * 3, (127.5,) * 3)
    return Namer(Backbone.from_module(Means(softmax), preprocessing, categories=names), ExtractOptions())


def test_log_probabilities_are_those_of_the_softmax_whether_the_network_has_one_or_not() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    logits = 40 * (pictures.astype(np.float64).mean((1, 2)) / 127.5 - 1)
    expected = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    for softmax in (False, True):
        found = namer(softmax).log_probabilities(pictures)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(
        namer(False).log_probabilities(pictures.astype(np.float32)), namer(False).log_probabilities(pictures)
    )


def test_what_is_all_but_certain_is_still_ordered() -> None:
    pictures = np.full((3, 8, 8, 3), 100, np.float32)
    pictures[..., 0] = np.array([160, 165, 170])[:, None, None]  # 1 - p of e^-19 to e^-22
    found = namer(False).log_probabilities(pictures)[:, 0]
    assert found[0] < found[1] < found[2] < 0


def test_a_network_of_unknown_or_miscounted_categories_is_refused() -> None:
    for names in ((), ("r", "g")):
        with pytest.raises(VestigeError, match="categories"):
            namer(False, names)
