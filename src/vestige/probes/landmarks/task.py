"""What a landmark probe may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige.bounds import FACE_MARGIN
from vestige.contract.task import Task
from vestige.datasets.given import PointTrainTest
from vestige.errors import VestigeError, choice
from vestige.probes.engine.options import NORMALISERS, PointOptions, box_margin_option, normaliser_option
from vestige.spelling import spelled


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


LANDMARKS = Task(
    name="landmarks",
    question="Where are a face's parts? Ridge from one layer to the landmarks, look-back, and the baselines beside it.",
    data=PointTrainTest,
    options=(LandmarkOptions,),
    checked_by="vestige.probes.landmarks.measure:check_landmarks",
    measured_by="vestige.probes.landmarks.measure:measure_landmarks",
    paged_by="vestige.probes.landmarks.page:landmark_parts",
    loaded_by="vestige.probes.landmarks.measure:load_landmarks",
    bench_by="vestige.probes.landmarks.measure:bench_landmarks",
    example=(
        "vestige probe landmarks synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 "
        "--layer block7 --layer block10 -o runs/faces"
    ),
)
