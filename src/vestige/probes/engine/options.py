"""What every probe may be asked to do, stated once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.options import UNSET, Switch, backbone_option, option, seed_option
from vestige.spec import EVEN_LAYERS

LAYER = "A layer's name or a glob; repeat for several. even:N: N layers, evenly spaced in depth; all: every one."
READOUT = "vector, flat, gap, grid:G, cls or tokens; repeat for several."

LONGER_SIDE = "longer-side"
"""The normaliser of keypoints: the longer side of the object's box (Yang & Ramanan's PCK)."""

NORMALISERS = ("inter-ocular", "inter-pupil", "eye-corners", "box", LONGER_SIDE)
"""What a landmark error is divided by: the distance of the eyes' centres (means of all eye points), of the pupils,
of the outer eye corners, the square root of the box's area, or the box's longer side."""


def normaliser_option(whose: str = "") -> str | None:
    """Of what errors are divided by."""
    text = f"{whose}{', '.join(NORMALISERS[:-1])} or {NORMALISERS[-1]}."
    return option(None, text, metavar="NAME", default_text="inter-ocular, else box")


def layers_option() -> tuple[str, ...]:
    """Of which layers are read."""
    return option((EVEN_LAYERS,), LAYER, names=("--layer",), metavar="NAME")


def vector_readouts_option() -> tuple[str, ...]:
    """Of how layers are read where the probe is of a vector."""
    return option(
        ("auto:4096",),
        f"auto:N, {READOUT}",
        names=("--readout",),
        metavar="R",
        default_text="auto:4096, flat but pooled to at most as many numbers as the paper has",
    )


def box_margin_option(default: float) -> float:
    """Of what a crop adds to a box."""
    return option(default, "Share of a box's side added on every side.", bounds=b.BOX_MARGIN)


def look_backs_option(paper: object = UNSET) -> int:
    """Of how many times to look back; ``paper`` is the paper's, where that is another."""
    return option(
        1,
        "How many times to look back.",
        bounds=b.LOOK_BACKS,
        switch=Switch("--look-back/--no-look-back", "Look again, closer, at every part.", off=0),
        paper=paper,
    )


@dataclass(frozen=True)
class ProbeOptions:
    """What any probe does.

    Attributes:
        backbone: its spec.
        layers: names, globs, ``even:N`` and ``all`` (see :meth:`vestige.backbones.Backbone.select`).
        readouts: of every layer; () for each layer's default.
        rgb_size: side of the RGB baseline's picture.
        untrained_seeds: how many random networks to compare with.
        alpha_shared: whether all targets of a fit share one alpha; else each has its own.
        seed: of folds, augmentation and bootstrap.
    """

    backbone: str = backbone_option()
    layers: tuple[str, ...] = layers_option()
    readouts: tuple[str, ...] = option(
        (),
        f"auto, auto:N, {READOUT}",
        names=("--readout",),
        metavar="R",
        default_text="auto, flat but pooled to at most 25,000 numbers",
    )
    rgb_size: int = option(46, bounds=b.RGB_SIZE)
    untrained_seeds: int = option(
        1,
        "How many networks with random weights to compare with.",
        bounds=b.UNTRAINED,
        names=("--untrained",),
        last=True,
    )
    alpha_shared: bool = option(
        False,
        "One alpha for all targets of a fit, or each target its own.",
        names=("--alpha-shared/--alpha-per-target",),
        last=True,
    )
    seed: int = seed_option("the folds and the bootstrap")

    @property
    def rgb(self) -> str:
        """The spec of the RGB baseline's network, which is the picture itself."""
        return f"rgb:{self.rgb_size}"

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class VectorOptions(ProbeOptions):
    """What the probe of a vector task does; what the task itself can be asked is in the task.

    Attributes:
        readouts: of every layer; by default as many numbers as the paper's representation has.
    """

    readouts: tuple[str, ...] = vector_readouts_option()


@dataclass(frozen=True)
class PointOptions(ProbeOptions):
    """What the probe of points in a crop does; the defaults are the paper's where it says.

    Attributes:
        mirror: train on mirrored copies, too.
        look_backs: how many times to look back; 0 for none.
        margin_quantile: of a part's out-of-fold error, by which its box is enlarged (1.0: the paper's maximum).
    """

    mirror: bool = option(True, "Train on mirrored copies, too.", paper=False)
    look_backs: int = look_backs_option()
    margin_quantile: float = option(
        0.99,
        "Quantile of a part's out-of-fold error by which its box is enlarged (1: the paper).",
        bounds=b.QUANTILE,
        paper=1.0,
    )
