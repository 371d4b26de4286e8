"""The experiments of "Persistent Evidence of Local Image Properties in Generic ConvNets", as described there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.files import write_json
from vestige.geometry import square_about
from vestige.images import Pixels, crop_resize, save_image
from vestige.manifest import may_replace, update_manifest
from vestige.papers.persistent_evidence.exhibits import PORTRAIT
from vestige.papers.reproduction import Afterwards, DataPlace, Experiment, Network, Runs, Specs
from vestige.probes.directions.task import DirectionOptions, FaceOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.task import PixelOptions
from vestige.probes.portrait.read import read_portrait
from vestige.probes.segmentation.task import SegmentationOptions
from vestige.progress import Say
from vestige.run import Run
from vestige.spelling import spelled
from vestige.tasks import task_named
from vestige.trained_run import portrait_predictors, reader_of

PAPERS_LAYER = "fc6"
"""The first fully connected layer of the paper's network."""


FACE_SHARE = 0.6
"""Of LFW's pictures, about their middle: the face without what stands about it."""


@dataclass(frozen=True)
class Probed:
    """An experiment that trains and tests a probe.

    Attributes:
        task: its name.
        options: what it is made with, on a network.
    """

    task: str
    options: Callable[[Network], tuple[Any, ...]]

    def __call__(self, session: Session, specs: Specs, network: Network) -> Found:
        """Measure; ``specs`` are those of the training and the test data."""
        paths = session.reader.backbone(network.backbone).paths
        layers = network.layers or ((PAPERS_LAYER,) if PAPERS_LAYER in paths else ("all",))
        options = self.options(replace(network, layers=layers))
        return task_named(self.task).measure(session, open_train_test(*specs), *options)


def landmarks(network: Network) -> tuple[Any, ...]:
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
    return (options,)


def keypoints(network: Network) -> tuple[Any, ...]:
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
    return (options,)


def pixels(network: Network) -> tuple[Any, ...]:
    """Section 3.1, "RGB Reconstruction": 46 x 46 x 3 regressors on whole pictures."""
    return PixelOptions(), vector_options(network)


def segmentation(network: Network) -> tuple[Any, ...]:
    """Section 3.1, "Semantic Segmentation": 30 x 30 cells of 0 and 1, tenfold augmentation, the second map M."""
    return SegmentationOptions(30, 10, 0.6, network.seed, "binary"), vector_options(network)


def directions(network: Network) -> tuple[Any, ...]:
    """Section 4: each attribute's direction, and the colours regressed back along it, lambda from least to largest."""
    options = DirectionOptions(
        backbone=network.backbone,
        layers=network.layers,
        readouts=network.readouts or VectorOptions.readouts,
        quantile=0.0,
        seed=network.seed,
    )
    return options, FaceOptions(crop=FACE_SHARE)


def vector_options(network: Network) -> VectorOptions:
    """The same network, for a task whose target is a vector."""
    return VectorOptions(
        network.backbone,
        network.layers,
        network.readouts or VectorOptions.readouts,
        untrained_seeds=network.untrained_seeds,
        seed=network.seed,
    )


LARGEST_PHOTOGRAPH = 640
"""Pixels of a portrait's longer side, at most."""


@dataclass(frozen=True)
class Sitting:
    """What Fig. 1 is made of.

    Attributes:
        pixels: ``(H, W, 3)`` of the photograph: the square that the points' network sees, or the whole picture.
        runs: whose regressors read it, the points' first.
        category: the object's class, where keypoints are read.
    """

    pixels: Pixels
    runs: tuple[Run, ...]
    category: str | None


def sitting(example: Example, runs: Runs) -> Sitting:
    """Who reads a photograph: keypoints of its class or a face's landmarks, then colours and classes.

    It is cut to the square about its box that the points' network was trained on, so that all of them can read the
    whole of it: one descriptor.

    Args:
        example: the photograph.
        runs: finished, by experiment.

    Raises:
        VestigeError: where the photograph cannot be read, or no run reads it.
    """
    points, category, margin = _points_run(example, runs)
    named = [name for name in (points, "pixels", "segmentation") if name in runs]
    if not named:
        raise VestigeError(
            f"{example.id}: no run reads its class {example.category!r}; choose another "
            f"{spelled('data', word='portrait')}"
        )
    pixels = example.image.read()
    box = None if example.box is None or not points else square_about(example.box, margin)
    width, height = (pixels.shape[1], pixels.shape[0]) if box is None else (box[2:] - box[:2]).tolist()
    scale = min(1.0, LARGEST_PHOTOGRAPH / max(width, height))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return Sitting(crop_resize(pixels, box, size, "bicubic"), tuple(runs[name] for name in named), category)


def _points_run(example: Example, runs: Runs) -> tuple[str, str | None, float]:
    """The experiment whose points are read ("" for none), the class it is asked for, and the margin it saw."""
    faces = next((name for name in runs if name.startswith("landmarks-")), "")
    if "keypoints" in runs:
        config = runs["keypoints"].results().config
        classes = list(config["classes"])
        if example.category in classes:
            return "keypoints", example.category, config["box_margin"]
        if not faces and not example.category and len(classes) == 1:
            return "keypoints", classes[0], config["box_margin"]
    if faces and not example.category:
        return faces, None, runs[faces].results().config["box_margin"]
    return "", None, 0.0


def portrait(runs: Runs, specs: Mapping[str, Specs], given: str | None, folder: Path, device: str, say: Say) -> None:
    """Fig. 1: write ``portrait.png`` and ``portrait.json``, and the photograph as it was read.

    Args:
        runs: finished, by experiment.
        specs: of their data.
        given: of a data set whose first picture is taken; None for the first test picture of the first run.
        folder: to write into.
        device: that features are computed on.
        say: shows what is being done.

    Raises:
        VestigeError: where the photograph cannot be read, or no run reads it.
    """
    first = open_dataset(given)[0] if given else open_train_test(*specs[next(iter(runs))])[1][0]
    say(f"portrait of {first.id}")
    chosen = sitting(first, runs)
    path, drawn = folder / "photograph.png", folder / PORTRAIT.name
    numbers = drawn.with_suffix(".json")
    replace_ours = all(may_replace(each, folder.parent) for each in (path, drawn, numbers))
    save_image(chosen.pixels, path, overwrite=replace_ours)
    found = read_portrait(path, portrait_predictors(chosen.runs, chosen.category), lambda run: reader_of(run, device))
    save_image(found.picture(), drawn, overwrite=replace_ours)
    write_json(numbers, {"photograph": first.id, **found.to_json()}, overwrite=replace_ours)
    update_manifest(folder.parent, path, drawn, numbers)


PORTRAITS = (
    Afterwards(
        "figure 1",
        DataPlace(
            "portrait",
            "the photograph of Fig. 1: the first of a set, a face or an object of a class whose keypoints are read",
            "folder:/data/portrait",
            "your own; may be left out: the first test picture of the first experiment is taken",
        ),
        portrait,
    ),
)
"""What is made of the runs."""


def _faces(name: str, what: str, train_what: str) -> Experiment:
    source = "ibug.doc.ic.ac.uk/resources/300-W (68 points)"
    return Experiment(
        f"landmarks-{name}",
        DataPlace(name, train_what, f"300w:/data/{name}/trainset", source, own_split=name == "helen"),
        DataPlace(f"{name}-test", what, f"300w:/data/{name}/testset", source),
        Probed("landmarks", landmarks),
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    _faces(
        "helen", "the 330 test faces of Helen", "the 2,000 training faces of Helen (194 points: helen194:DIR alone)"
    ),
    _faces("lfpw", "the 224 test faces of LFPW", "the 811 training faces of LFPW"),
    _faces("ibug", "the 135 faces of IBUG", "training faces, such as those of 300-W (the paper does not say which)"),
    Experiment(
        "keypoints",
        DataPlace(
            "voc-keypoints",
            "PASCAL VOC 2011 with Bourdev and Malik's keypoints, 20 classes",
            "voc-keypoints:/data/VOC2011,annotations=/data/Annotations_Part",
            "host.robots.ox.ac.uk/pascal/VOC, and the Berkeley keypoint annotations",
            own_split=True,
        ),
        DataPlace(
            "voc-keypoints-test",
            "the same, validation part",
            "voc-keypoints:/data/VOC2011,annotations=/data/Annotations_Part,val",
            "as above; may be left out, for the set carries its own split",
        ),
        Probed("keypoints", keypoints),
    ),
    Experiment(
        "pixels",
        DataPlace(
            "imagenet",
            "the first 49,000 pictures of ImageNet's validation set",
            "folder:/data/imagenet/val-first-49000",
            "image-net.org (ILSVRC 2012 validation)",
        ),
        DataPlace(
            "imagenet-test", "the last 1,000 of them", "folder:/data/imagenet/val-last-1000", "image-net.org, as above"
        ),
        Probed("pixels", pixels),
    ),
    Experiment(
        "segmentation",
        DataPlace(
            "voc-segmentation",
            "PASCAL VOC 2012's segmentation task: train",
            "voc-segmentation:/data/VOC2012",
            "host.robots.ox.ac.uk/pascal/VOC",
            own_split=True,
        ),
        DataPlace(
            "voc-segmentation-test",
            "the same, val",
            "voc-segmentation:/data/VOC2012,val",
            "as above; may be left out, for the set carries its own split",
        ),
        Probed("segmentation", segmentation),
    ),
    Experiment(
        "directions",
        DataPlace(
            "lfw",
            "Labeled Faces in the Wild with attributes (gender, glasses, pose), to train on",
            "lfw:/data/lfw,fold=1-4/5",
            "vis-www.cs.umass.edu/lfw, and a table of attributes (docs/data.md says how it is read)",
        ),
        DataPlace(
            "lfw-test",
            "the faces of other people to test on",
            "lfw:/data/lfw,fold=5/5",
            "vis-www.cs.umass.edu/lfw, as lfw",
        ),
        Probed("directions", directions),
    ),
)
"""The paper's experiments, in its order."""
