"""What a network calls pictures, and which of its categories a data set's scenes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.backbones import Backbone, prepared
from vestige.backbones.backbone import WHOLE
from vestige.errors import VestigeError, choice, near_names
from vestige.extraction import ExtractOptions
from vestige.features.extract import exact_arithmetic
from vestige.spelling import spelled
from vestige.text import plain_name


class Namer:
    """A network that names pictures, on its device and in its precision.

    Args:
        backbone: whose categories are known.
        options: of extraction.

    Raises:
        VestigeError: where its categories are not known, or it puts out no score for each.
    """

    def __init__(self, backbone: Backbone, options: ExtractOptions) -> None:
        self.categories = backbone.named_categories()
        self.preprocessing = backbone.preprocessing
        self._device = options.torch_device()
        dtype = getattr(torch, options.precision)
        self._backbone = prepared(backbone, self._device, dtype=dtype, compile=options.compile, keep=(WHOLE,))
        self._backbone.scores(self._backbone.blank())  # refuses what cannot be read

    def log_probabilities(self, pictures: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float64]:
        """What it takes pictures for: ``(n, h, w, 3)`` of 0 to 255 at its input's size ``-> (n, categories)``.

        They are finite where probabilities of 32 bits would all be 1. Of a network that ends in a softmax they are the
        logarithms of what it puts out, of any other those of the softmax of it.
        """
        with torch.inference_mode(), exact_arithmetic():
            pixels = torch.as_tensor(np.ascontiguousarray(pictures))
            scores = self._backbone.scores(self.preprocessing(pixels, self._device)).double()
            found = scores.clamp_min(1e-300).log() if _are_shares(scores) else scores.log_softmax(dim=1)
        return found.cpu().numpy()


def _are_shares(scores: torch.Tensor) -> bool:
    return bool((scores >= 0).all() and ((scores.sum(dim=1) - 1).abs() < 1e-3).all())


def match_categories(
    scenes: Iterable[str], categories: Sequence[str], given: Mapping[str, str] | None = None
) -> dict[str, int]:
    """The category that each scene is, by its index; scenes that are none have no entry.

    A scene is the category of its own name, else the only one whose plain name is its own: without a first folder of
    one letter, small, with spaces for whatever is no letter and no digit (``/b/bakery/shop`` is ``Bakery shop``). Of
    several names with commas between them (``tench, Tinca tinca``), the category's or the scene's, each counts.

    Args:
        scenes: of pictures.
        categories: of a network.
        given: the category of a scene that goes by another name there.

    Raises:
        VestigeError: where ``given`` names a category that the network does not know.
    """
    exact: dict[str, set[int]] = {}
    plain: dict[str, set[int]] = {}
    for k, name in enumerate(categories):
        exact.setdefault(name, set()).add(k)
        for one in (name, *name.split(",")):
            plain.setdefault(plain_name(one), set()).add(k)
    found = {}
    for scene in dict.fromkeys(scenes):
        name = (given or {}).get(scene, scene)
        by_any = {k for one in name.split(",") for k in plain.get(plain_name(one), ())}
        alike = exact.get(name) or plain.get(plain_name(name)) or by_any
        if len(alike) == 1:
            found[scene] = next(iter(alike))
        elif given and scene in given:
            why = "which several of the network's categories are called" if alike else "which the network does not know"
            raise VestigeError(
                f"{spelled('scene_names', word='FILE')}: {scene!r} is given as {name!r}, {why}; "
                f"{choice(name, near_names(name, categories, 8, 0.4) or categories[:8])}"
            )
    return found


def short_names(categories: Sequence[str]) -> tuple[str, ...]:
    """Categories as they are shown: of several names the first, but where others have that too."""
    first = [name.split(",")[0].strip() for name in categories]
    shared = Counter(first)
    return tuple(one if shared[one] == 1 else name for one, name in zip(first, categories, strict=True))
