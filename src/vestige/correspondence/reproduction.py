"""The experiments of "Do Convnets Learn Correspondence?", as it tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vestige.correspondence.align import align_instances
from vestige.correspondence.fields import mean_fields
from vestige.correspondence.options import AlignOptions
from vestige.correspondence.patch_record import record_fields, record_patches
from vestige.correspondence.patches import replace_patches
from vestige.correspondence.record import kept_in, record_alignment
from vestige.correspondence.retrieval import DatabaseOptions, Library, open_library
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.report.reproduction import Experiment, Network, Place
from vestige.run import Run

BETA = 0.003
"""Of the deformation term (section 3)."""

PICTURES = 8
"""How many photographs are put together again, at most."""

Say = Callable[[str], None]
Specs = tuple[str, str | None]
Perform = Callable[[Run, Specs, Network, Reader, Say, Sequence[str]], None]


def align(run: Run, specs: Specs, network: Network, reader: Reader, say: Say, command: Sequence[str]) -> None:
    """Section 3: flow from each instance to 25 neighbours, the median of the five least deformed; beta as given."""
    options = AlignOptions(network.backbone, network.layers, betas=(BETA,), seed=network.seed)
    found = align_instances(*open_train_test(*specs), options, reader, say=say, kept=kept_in(run))
    record_alignment(run, found, command)


def patches(run: Run, specs: Specs, network: Network, reader: Reader, say: Say, command: Sequence[str]) -> None:
    """Section 2, Fig. 1: pictures put together from their patches' neighbours, k = 1 and 5."""
    library, other = _library(specs, network, reader, say), open_dataset(_second(specs))
    found = replace_patches(tuple(other)[:PICTURES], library, (1, 5), seed=network.seed, say=say)
    record_patches(run, found, command)


def fields(run: Run, specs: Specs, network: Network, reader: Reader, say: Say, command: Sequence[str]) -> None:
    """Section 2, Fig. 2: mean receptive fields of seeds' 10 and 100 nearest neighbours."""
    library, other = _library(specs, network, reader, say), open_dataset(_second(specs))
    found = mean_fields(library, tuple(other)[:PICTURES], (10, 100), seed=network.seed, say=say)
    record_fields(run, found, command)


def _library(specs: Specs, network: Network, reader: Reader, say: Say) -> Library:
    if not network.layers:
        raise VestigeError("--layer: name the grid layers to search, as in --layer conv3 --layer conv4 --layer conv5")
    options = DatabaseOptions(network.backbone, network.layers)
    return open_library([open_dataset(specs[0])], options, reader.options, say=say)


def _second(specs: Specs) -> str:
    assert specs[1] is not None  # these experiments have no split of their own
    return specs[1]


_PATCHES = Place(
    "database",
    "a million patches: the pictures of PASCAL VOC 2011",
    "folder:/data/VOC2011/JPEGImages",
    "host.robots.ox.ac.uk",
)
_PICTURES = Place("pictures", "photographs to put together again", "folder:/data/photographs", "your own")

EXPERIMENTS: tuple[Experiment[Perform], ...] = (
    Experiment("patches", _PATCHES, _PICTURES, patches),
    Experiment("fields", _PATCHES, _PICTURES, fields),
    Experiment(
        "align",
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
        align,
    ),
)
"""The paper's experiments, in its order."""
