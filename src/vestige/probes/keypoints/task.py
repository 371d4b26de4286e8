"""What a keypoint probe may be asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from vestige.bounds import OBJECT_MARGIN
from vestige.contract.task import Task
from vestige.datasets.given import PointTrainTest
from vestige.options import pck_alphas_option
from vestige.probes.engine.options import PointOptions, box_margin_option, look_backs_option


@dataclass(frozen=True)
class KeypointOptions(PointOptions):
    """What a keypoint probe does; the defaults are the paper's where it says.

    Attributes:
        box_margin: the share of a box's longer side that the crop adds on every side.
        alphas: of PCK, in longer sides of the box; layers are chosen by the first.
    """

    look_backs: int = look_backs_option(paper=0)
    box_margin: float = box_margin_option(OBJECT_MARGIN)
    alphas: tuple[float, ...] = pck_alphas_option((0.1,), "layers are chosen")


KEYPOINTS = Task(
    name="keypoints",
    question="Where are an object's parts? One set of regressors per class, "
    "measured by the share of keypoints found (PCK).",
    data=PointTrainTest,
    options=(KeypointOptions,),
    checked_by="vestige.probes.keypoints.measure:check_keypoints",
    measured_by="vestige.probes.keypoints.measure:measure_keypoints",
    paged_by="vestige.probes.keypoints.page:keypoint_parts",
    planned_by="vestige.probes.keypoints.classes:plan_keypoints",
    loaded_by="vestige.probes.keypoints.trained:load_trained_keypoints",
    bench_by="vestige.probes.keypoints.measure:bench_keypoints",
    example=(
        "vestige probe keypoints synthetic:objects,n=400,seed=1 --test synthetic:objects,n=150,seed=2 "
        "--layer block7 --layer block10 -o runs/objects"
    ),
)
