"""The experiments of "Object Detectors Emerge in Deep Scene CNNs", as described there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_dataset
from vestige.papers.reproduction import DataPlace, Experiment, Network, Runs, Specs
from vestige.tasks import task_named
from vestige.units.annotations.source import answers_of_file
from vestige.units.annotations.task import AnnotationOptions
from vestige.units.detect.task import UnitDetectOptions
from vestige.units.dissect.run import read_dissection
from vestige.units.dissect.task import DissectOptions
from vestige.units.emerge.task import EmergeOptions
from vestige.units.labels import read_labels
from vestige.units.minimal.task import MinimalOptions
from vestige.units.prefer.measure import pooled
from vestige.units.prefer.task import PreferOptions
from vestige.units.receptive_fields.task import FieldsOptions

Role = Literal["scenes", "objects"]
"""What a network was trained to name: Places-CNN and ImageNet-CNN in the paper."""

ALL_LAYERS = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7")
"""The paper's, of Table 1."""

UNIT_LAYERS = ("pool1", "pool2", "conv4", "pool5")
"""Those whose units it looks at."""

SIMPLIFIED = 3
"""Pictures of each scene that are made minimal by edges and regions (Fig. 2 has four in all)."""

PHOTOGRAPHS = 4
"""Pictures in which labelled units detect objects (Fig. 10 has one)."""

DRAWN = (
    "scenes=synthetic:scenes,n=300,seed=11",
    "objects=synthetic:objects-alone,n=300,seed=11",
    "annotated=synthetic:scenes,n=300,seed=1",
)
"""The drawn world in every place that it can fill."""


@dataclass(frozen=True)
class TwoNetworks(Network):
    """A network trained on scenes and one trained on objects, side by side.

    Attributes:
        objects: spec of the second; :attr:`backbone` is the first.
        units: of each layer whose receptive fields are found.
        pictures: of each scene that are made minimal.
    """

    objects: str = "object_cnn"
    units: int = FieldsOptions.units
    pictures: int = MinimalOptions.pictures

    def of(self, role: Role) -> str:
        """The spec of one."""
        return self.backbone if role == "scenes" else self.objects


def prefer(session: Session, specs: Specs, network: Network) -> Found:
    """Section 2, Fig. 1: the top 100 pictures by each layer's mean activation, networks side by side."""
    both = _both(network)
    backbones = tuple(dict.fromkeys((both.backbone, both.objects)))
    scenes, objects = _scenes_and_objects(specs)
    layers = _layers(session, both, backbones, ALL_LAYERS)
    options = PreferOptions(backbones, layers, seed=both.seed)
    return task_named("prefer").measure(session, (("objects", objects), ("scenes", scenes)), options)


def simplify(session: Session, specs: Specs, network: Network) -> Found:
    """Section 3.1, the first approach, Fig. 2: edges and regions are removed."""
    options = MinimalOptions(network.backbone, "regions", pictures=SIMPLIFIED, seed=network.seed)
    return task_named("minimal").measure(session, open_dataset(specs[0]), options)


def minimal(session: Session, specs: Specs, network: Network) -> Found:
    """Section 3.1, the second approach: annotated objects are removed."""
    options = MinimalOptions(network.backbone, pictures=_both(network).pictures, seed=network.seed)
    return task_named("minimal").measure(session, open_dataset(specs[0]), options)


def fields(role: Role, session: Session, specs: Specs, network: Network) -> Found:
    """Section 3.2, Figs. 3 and 4, Table 2: pictures as many of scenes as of objects, occluders of 11, a stride of 3."""
    both = _both(network)
    scenes, objects = _scenes_and_objects(specs)
    layers = _layers(session, both, (both.of(role),), UNIT_LAYERS)
    options = FieldsOptions(both.of(role), layers, units=both.units, seed=both.seed)
    return task_named("receptive-fields").measure(session, _mixed(scenes, objects, both.seed), options)


def dissect(role: Role, session: Session, specs: Specs, network: Network) -> Found:
    """Sections 3.3 and 4, Figs. 5 and 11: units' strongest pictures, segmented, and labels by annotated objects."""
    both = _both(network)
    layers = _layers(session, both, (both.of(role),), UNIT_LAYERS)
    options = DissectOptions(both.of(role), layers, chance=("shuffled",), seed=both.seed)
    return task_named("dissect").measure(session, open_dataset(specs[0]), options)


def detect(session: Session, specs: Specs, network: Network, runs: Runs) -> Found:
    """Section 4.2, Fig. 10: scene and objects of pictures in one pass."""
    run = read_dissection(runs["dissect-scenes"])
    pictures = open_dataset(specs[0]).examples[:PHOTOGRAPHS]
    return task_named("unit-detections").measure(session, (run, pictures), UnitDetectOptions(backbone=network.backbone))


def people(session: Session, specs: Specs, network: Network) -> Found:
    """Section 3.3, Figs. 6 to 8: what people say of units."""
    return task_named("annotations").measure(session, answers_of_file(Path(specs[0])), AnnotationOptions(network.seed))


def emerge(named: str, session: Session, specs: Specs, network: Network, runs: Runs) -> Found:
    """Section 4.1, Fig. 9: units per object, frequency and informativeness, by the labels of another run."""
    data = read_labels(runs[named]), open_dataset(specs[0])
    return task_named("emerge").measure(session, data, EmergeOptions(seed=network.seed))


def _both(network: Network) -> TwoNetworks:
    assert isinstance(network, TwoNetworks)  # all of this paper are about two
    return network


def _layers(session: Session, network: Network, specs: Sequence[str], papers: Sequence[str]) -> tuple[str, ...]:
    """The layers asked for, or those of the paper that any of the networks has, or all."""
    known = [set(session.reader.backbone(spec).paths) for spec in specs]
    return network.layers or tuple(name for name in papers if any(name in paths for paths in known)) or ("all",)


def _scenes_and_objects(specs: Specs) -> tuple[Dataset, Dataset]:
    assert specs[1] is not None  # pictures of objects are no split of those of scenes
    return open_dataset(specs[0]), open_dataset(specs[1])


def _mixed(scenes: Dataset, objects: Dataset, seed: int) -> Dataset:
    """As many pictures of scenes as of objects, of one resolution."""
    pool, _, _ = pooled((("scenes", scenes), ("objects", objects)), seed)
    return Dataset(f"{scenes.spec} and {objects.spec}", tuple(pool.examples))


SCENES = DataPlace(
    "scenes",
    "pictures of scenes: 108,000 of SUN",
    "folder:/data/SUN397,scene=folder",
    "vision.princeton.edu/projects/2010/SUN",
)
OBJECTS = DataPlace(
    "objects",
    "pictures of single objects: the 100,000 of ImageNet's test set",
    "folder:/data/imagenet/test",
    "image-net.org (ILSVRC 2012)",
)
ANNOTATED = DataPlace(
    "annotated",
    "scenes whose objects are annotated: the 8,220 of SUN; ADE20K and MiniPlaces are of the kind",
    "ade20k:/data/ADE20K",
    "groups.csail.mit.edu/vision/datasets/ADE20K",
)
ANNOTATIONS = DataPlace(
    "annotations",
    "what people say of the scene network's units, as .csv, .json, or the authors' unitAnnotation_*.mat",
    "unitAnnotation_places205-alexnet.mat",
    "`vestige units annotate`, or the authors' release",
    file="answers",
)
ANNOTATIONS_OBJECTS = DataPlace(
    "annotations-objects",
    "what people say of the object network's units, likewise",
    "unitAnnotation_imagenet-alexnet.mat",
    "`vestige units annotate`, or the authors' release",
    file="answers",
)

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("prefer", SCENES, OBJECTS, prefer),
    Experiment("simplified", ANNOTATED, None, simplify),
    Experiment("minimal", ANNOTATED, None, minimal),
    Experiment("fields-scenes", SCENES, OBJECTS, partial(fields, "scenes")),
    Experiment("fields-objects", SCENES, OBJECTS, partial(fields, "objects")),
    Experiment("dissect-scenes", ANNOTATED, None, partial(dissect, "scenes")),
    Experiment("dissect-objects", ANNOTATED, None, partial(dissect, "objects")),
    Experiment("people-scenes", ANNOTATIONS, None, people),
    Experiment("people-objects", ANNOTATIONS_OBJECTS, None, people),
    Experiment("emerge", ANNOTATED, None, partial(emerge, "dissect-scenes"), after=("dissect-scenes",)),
    Experiment("emerge-people", ANNOTATED, None, partial(emerge, "people-scenes"), after=("people-scenes",)),
    Experiment("detect", SCENES, None, detect, after=("dissect-scenes",)),
)
"""The paper's experiments, in its order; those that go on with others' runs after these."""
