"""The experiments of "Persistent Evidence of Local Image Properties in Generic ConvNets", as it tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_train_test
from vestige.features.reader import Reader
from vestige.probes.attributes import attributes_of
from vestige.probes.direction_probe import DirectionOptions, probe_directions
from vestige.probes.keypoints import KeypointOptions, probe_keypoints
from vestige.probes.landmarks import LandmarkOptions, Say, probe_landmarks
from vestige.probes.pixels import Pixelwise
from vestige.probes.record import Probe, record
from vestige.probes.segmentation import segmentation_of
from vestige.probes.vector_probe import VectorOptions, probe_vectors
from vestige.report.reproduction import Experiment, Network, Place
from vestige.run import Run

PAPERS_LAYER = "fc6"
"""The first fully connected layer of the paper's network."""


Measure = Callable[[Dataset, Dataset, Network, Reader, Say], Probe]


@dataclass(frozen=True)
class Probed:
    """An experiment that trains and tests a probe."""

    measure: Measure

    def __call__(
        self,
        run: Run,
        specs: tuple[str, str | None],
        network: Network,
        reader: Reader,
        say: Say,
        command: Sequence[str],
    ) -> None:
        """Measure and record; ``specs`` are those of the training and the test data."""
        layers = network.layers or ((PAPERS_LAYER,) if PAPERS_LAYER in reader.backbone(network.backbone).paths else ())
        network = replace(network, layers=layers or ("all",))
        record(run, self.measure(*open_train_test(*specs), network, reader, say), command)


def landmarks(train: Dataset, test: Dataset, network: Network, reader: Reader, say: Say) -> Probe:
    """Section 3.1, "Facial Landmarks": six parts, boxes enlarged by the largest training error, no mirrored copies."""
    options = LandmarkOptions(
        network.backbone,
        network.layers,
        network.readouts,
        mirror=False,
        margin_quantile=1.0,
        untrained_seeds=network.untrained_seeds,
        seed=network.seed,
    )
    return probe_landmarks(train, test, options, reader, say)


def keypoints(train: Dataset, test: Dataset, network: Network, reader: Reader, say: Say) -> Probe:
    """Section 3.1, "Object Keypoints": a set of regressors per class, PCK at 0.1, no look-back, no mirrored copies."""
    options = KeypointOptions(
        network.backbone,
        network.layers,
        network.readouts,
        mirror=False,
        look_backs=0,
        untrained_seeds=network.untrained_seeds,
        seed=network.seed,
    )
    return probe_keypoints(train, test, options, reader, say)


def pixels(train: Dataset, test: Dataset, network: Network, reader: Reader, say: Say) -> Probe:
    """Section 3.1, "RGB Reconstruction": 46 x 46 x 3 regressors on whole pictures."""
    return probe_vectors(Pixelwise(), train, test, vector_options(network), reader, say)


def segmentation(train: Dataset, test: Dataset, network: Network, reader: Reader, say: Say) -> Probe:
    """Section 3.1, "Semantic Segmentation": 30 x 30 cells, tenfold augmentation, the second map M."""
    task = segmentation_of(train, 30, 10, 0.6, network.seed)
    return probe_vectors(task, train, test, vector_options(network), reader, say)


def directions(train: Dataset, test: Dataset, network: Network, reader: Reader, say: Say) -> Probe:
    """Section 4: each attribute's direction, and the colours regressed back along it."""
    task, notes = attributes_of(train, test)
    options = DirectionOptions(
        backbone=network.backbone,
        layers=network.layers,
        readouts=network.readouts or VectorOptions.readouts,
        seed=network.seed,
    )
    return probe_directions(task, train, test, options, reader, say, notes)


def vector_options(network: Network) -> VectorOptions:
    """The same network, for a task whose target is a vector."""
    return VectorOptions(
        network.backbone,
        network.layers,
        network.readouts or VectorOptions.readouts,
        untrained_seeds=network.untrained_seeds,
        seed=network.seed,
    )


def _faces(name: str, what: str, train_what: str) -> Experiment[Probed]:
    source = "ibug.doc.ic.ac.uk/resources/300-W (68 points)"
    return Experiment(
        f"landmarks-{name}",
        Place(name, train_what, f"300w:/data/{name}/trainset", source, own_split=name == "helen"),
        Place(f"{name}-test", what, f"300w:/data/{name}/testset", source),
        Probed(landmarks),
    )


EXPERIMENTS: tuple[Experiment[Probed], ...] = (
    _faces(
        "helen", "the 330 test faces of Helen", "the 2,000 training faces of Helen (194 points: helen194:DIR alone)"
    ),
    _faces("lfpw", "the 224 test faces of LFPW", "the 811 training faces of LFPW"),
    _faces("ibug", "the 135 faces of IBUG", "training faces, such as those of 300-W (the paper does not say which)"),
    Experiment(
        "keypoints",
        Place(
            "voc-keypoints",
            "PASCAL VOC 2011 with Bourdev and Malik's keypoints, 20 classes",
            "voc-keypoints:/data/VOC2011,annotations=/data/Annotations_Part",
            "host.robots.ox.ac.uk/pascal/VOC, and the Berkeley keypoint annotations",
            own_split=True,
        ),
        Place(
            "voc-keypoints-test",
            "the same, validation part",
            "voc-keypoints:/data/VOC2011,annotations=/data/Annotations_Part,val",
            "as above; may be left out, for the set carries its own split",
        ),
        Probed(keypoints),
    ),
    Experiment(
        "pixels",
        Place(
            "imagenet",
            "the first 49,000 pictures of ImageNet's validation set",
            "folder:/data/imagenet/val-first-49000",
            "image-net.org (ILSVRC 2012 validation)",
        ),
        Place(
            "imagenet-test", "the last 1,000 of them", "folder:/data/imagenet/val-last-1000", "image-net.org, as above"
        ),
        Probed(pixels),
    ),
    Experiment(
        "segmentation",
        Place(
            "voc-segmentation",
            "PASCAL VOC 2012's segmentation task: train",
            "voc-segmentation:/data/VOC2012",
            "host.robots.ox.ac.uk/pascal/VOC",
            own_split=True,
        ),
        Place(
            "voc-segmentation-test",
            "the same, val",
            "voc-segmentation:/data/VOC2012,val",
            "as above; may be left out, for the set carries its own split",
        ),
        Probed(segmentation),
    ),
    Experiment(
        "directions",
        Place(
            "lfw",
            "Labeled Faces in the Wild with attributes (gender, glasses, pose), to train on",
            "lfw:/data/lfw,group=person,fold=1-4/5",
            "vis-www.cs.umass.edu/lfw, and a table of attributes (docs/data.md says how it is read)",
        ),
        Place("lfw-test", "the same, other people", "lfw:/data/lfw,group=person,fold=5/5", "as above"),
        Probed(directions),
    ),
)
"""The paper's experiments, in its order."""
