"""What a landmark probe may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige.bounds import FACE_MARGIN
from vestige.errors import VestigeError, choice
from vestige.options import option
from vestige.probes.engine.options import NORMALISERS, PointOptions, box_margin_option
from vestige.spelling import spelled


def normaliser_option() -> str | None:
    """Of what errors are divided by."""
    return option(
        None,
        "inter-ocular, inter-pupil, eye-corners, box or longer-side.",
        metavar="NAME",
        told="inter-ocular, else box",
    )


@dataclass(frozen=True)
class LandmarkOptions(PointOptions):
    """What a landmark probe does; the defaults are the paper's where it says.

    Attributes:
        box_margin: the share of a face box's longer side that the crop adds on every side.
        normaliser: what errors are divided by; None for ``inter-ocular`` where the markup has eyes, else ``box``.
    """

    box_margin: float = box_margin_option(FACE_MARGIN)
    normaliser: str | None = normaliser_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.normaliser not in (None, *NORMALISERS):
            raise VestigeError(f"{spelled('normaliser', self.normaliser)}: {choice(str(self.normaliser), NORMALISERS)}")
