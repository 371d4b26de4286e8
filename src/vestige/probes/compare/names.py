"""What a comparison calls networks, readouts and costs, and how it draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

from vestige.features.reader import DEFAULT, largest_of
from vestige.methods import ACCENTS, Dash, Method
from vestige.metrics import Metric
from vestige.spec import parse_backbone_spec
from vestige.text import is_pixels, network_name

COSTS: Mapping[str, Metric] = {
    "depth": Metric("relative depth", lower_is_better=None),
    "ms_per_image": Metric("forward pass up to the layer", "milliseconds an image", lower_is_better=True),
    "bytes_per_image": Metric("stored features", "bytes an image", lower_is_better=True),
    "numbers_per_image": Metric("features", "numbers an image", lower_is_better=True),
}
"""What the sweep says of a layer and readout beside the task's own metric."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def default_name(readout: str) -> str:
    """A readout's name; each layer's default is called by what it is at most, such as ``flat ≤ 25k``."""
    if readout.partition(":")[0] != DEFAULT:
        return readout
    largest = largest_of(readout)
    return f"flat ≤ {largest // 1000}k" if largest % 1000 == 0 else f"flat ≤ {largest}"


def short(backbone: str) -> str:
    """A backbone's name as a label: without its kind, its weights in a word; pixels are called that."""
    if is_pixels(backbone):
        return network_name(backbone)
    spec = parse_backbone_spec(backbone)
    name = spec.name.rpartition("/")[2]
    if spec.seed is not None:
        return f"{name}, untrained" + (f" ({spec.seed})" if spec.seed else "")
    return f"{name} ({PurePath(spec.weights).stem})" if spec.weights else name


def network_of(backbone: str) -> str:
    """The backbone without its weights: what it shares with its untrained twin."""
    return backbone.partition("@")[0]


def methods_of(backbones: Sequence[str], baselines: Mapping[str, Method]) -> dict[str, Method]:
    """What backbones are as methods: an untrained one is dashed, in its trained twin's colour.

    Args:
        backbones: their specs.
        baselines: by name, ``mean`` and ``rgb``.
    """
    networks = list(dict.fromkeys(map(network_of, backbones)))
    found = {name: baselines[name] for name in ("mean", "rgb")}
    for backbone in backbones:
        k = networks.index(network_of(backbone))
        trained = parse_backbone_spec(backbone).seed is None
        dash: Dash = "solid" if trained else "dashed"
        colour, marker = ACCENTS[k % len(ACCENTS)], MARKERS[k % len(MARKERS)]
        found[backbone] = Method(short(backbone), colour, dash, marker, trained=trained)
    return found
