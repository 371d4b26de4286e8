"""The experiments of "Do Convnets Learn Correspondence?", as described there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vestige.backbones import Backbone
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.correspondence.align.task import PAPER_BETA, AlignOptions
from vestige.correspondence.classify.measure import LARGEST_STRIDE
from vestige.correspondence.classify.task import CS, PAPER_C, ClassifyOptions
from vestige.correspondence.detect.task import DetectOptions
from vestige.correspondence.search.task import DatabaseOptions, FieldOptions, PatchOptions
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.features.kept_fields import receptive_fields
from vestige.papers.reproduction import DataPlace, Experiment, Network, Specs
from vestige.spelling import spelled
from vestige.stopwatch import together
from vestige.tasks import task_named

PICTURES = 8
"""How many photographs are put together again, at most."""

LOCALISED = 40
"""Test pictures about whose keypoints responses are computed at every pixel (Fig. 4; the paper does not say)."""

REACH = 97.5
"""Half the receptive field of the paper's detectors, in pixels of the square (section 5): negatives lie beyond."""


def align(session: Session, specs: Specs, network: Network) -> Found:
    """Section 3: flow from each instance to 25 neighbours by fc7, the median of the five least deformed.

    Features are divided by their length here, so each kind takes its beta by training folds; the paper's own stands
    beside it.
    """
    backbone = session.reader.backbone(network.backbone)
    options = AlignOptions(
        network.backbone,
        layers_of(backbone, network, ("conv4",)),
        neighbour_layer=_known(backbone, "fc7"),
        beside=(PAPER_BETA,),
        seed=network.seed,
    )
    return task_named("align").measure(session, open_train_test(*specs), options)


def patches(session: Session, specs: Specs, network: Network) -> Found:
    """Section 2, Fig. 1: pictures put together from their patches' neighbours, k = 1 and 5."""
    database = _database(session, network)
    data = tuple(open_dataset(_second(specs)))[:PICTURES], [open_dataset(specs[0])]
    return task_named("patches").measure(session, data, PatchOptions((1, 5), network.seed), database)


def fields(session: Session, specs: Specs, network: Network) -> Found:
    """Section 2, Fig. 2: mean receptive fields of the 10 and 100 nearest neighbours of seeds out of the database."""
    options = FieldOptions(ks=(10, 100), seed=network.seed)
    return task_named("fields").measure(session, ((), [open_dataset(specs[0])]), options, _database(session, network))


def classify(session: Session, specs: Specs, network: Network) -> Found:
    """Section 4, Table 3: keypoints named at C = 1e-6, and at the C that is best by five-fold cross-validation."""
    return _classify(session, specs, network, localised=0)


def classify_cats(session: Session, specs: Specs, network: Network) -> Found:
    """Section 4, Figs. 4 and 5: where responses are highest at C = 1e-6, and accuracy against C, on one class."""
    return _classify(session, specs, network, localised=LOCALISED)


def _classify(session: Session, specs: Specs, network: Network, *, localised: int) -> Found:
    layers = layers_of(
        session.reader.backbone(network.backbone), network, ("conv1", "conv2", "conv3", "conv4", "conv5")
    )
    at = PAPER_C if localised else None
    options = ClassifyOptions(network.backbone, layers, cs=CS, localise=localised, localise_c=at, seed=network.seed)
    task = task_named("classify")
    found = task.measure(session, open_train_test(*specs), options)
    session.say(f"all features at C = {PAPER_C:g}")
    single = replace(options, cs=(PAPER_C,), localise=0)
    return with_paper_c(found, task.measure(session, (found.data["train"], found.data["test"]), single))


def with_paper_c(found: Found, at_paper_c: Found) -> Found:
    """A classification with the rows by class and keypoint at the paper's C in its sweep, ``C=1e-06 CLASS``."""
    rows = tuple(
        replace(row, subset=f"C={PAPER_C:g} {row.subset}")
        for row in at_paper_c.rows
        if row.method in found.config["c"] and row.subset != "all"
    )
    seconds, times = found.seconds + at_paper_c.seconds, together(found.times, at_paper_c.times)
    return replace(found, sweep=(*found.sweep, *rows), seconds=seconds, times=times)


def detect(session: Session, specs: Specs, network: Network) -> Found:
    """Section 5: 3 x 3 cells on boxes of 500 x 500, eta 0.1, sigma 22, the prior's neighbour by pool5."""
    backbone = session.reader.backbone(network.backbone)
    layers = layers_of(backbone, network, ("conv5",)) or last_fine_layer(backbone)
    options = DetectOptions(
        network.backbone,
        layers,
        negative_distance=None if see_little(backbone, layers) else REACH,
        neighbour_layer=_known(backbone, "pool5"),
        seed=network.seed,
    )
    found = task_named("detect").measure(session, open_train_test(*specs), options)
    if options.negative_distance is None:
        return found
    note = (
        f"Cells are negative from {REACH:g} pixels of the square on, half the field of the paper’s detectors: this "
        "network’s fields are larger than those and hold too much of an object."
    )
    return replace(found, notes=(*found.notes, note))


def layers_of(backbone: Backbone, network: Network, papers: Sequence[str]) -> tuple[str, ...]:
    """The layers asked for, or those of the paper that the backbone has; () where it has none of them."""
    return network.layers or tuple(name for name in papers if name in backbone.paths)


def last_fine_layer(backbone: Backbone) -> tuple[str]:
    """The last grid layer with a stride of at most 16, as the paper's conv5 is.

    Raises:
        VestigeError: where the backbone has none.
    """
    grids = [layer.name for layer in backbone.layers() if layer.kind == "grid"]
    found = receptive_fields(backbone, grids)
    fine = [name for name in grids if (stride := found[name].stride) and max(stride) <= LARGEST_STRIDE]
    if not fine:
        raise VestigeError(
            f"{backbone.spec} has no grid layer with a stride of at most {LARGEST_STRIDE}: name one with "
            f"{spelled('layers')}"
        )
    return (fine[-1],)


def see_little(backbone: Backbone, layers: Sequence[str]) -> bool:
    """Whether 3 x 3 cells of every layer see no more of the square than the paper's 195 pixels."""
    found = receptive_fields(backbone, backbone.select(layers))
    return all(
        field.receptive_field is not None
        and field.stride is not None
        and max(f + 2 * s for f, s in zip(field.receptive_field, field.stride, strict=True)) <= 2 * REACH
        for field in found.values()
    )


def _known(backbone: Backbone, layer: str) -> str:
    """The paper's layer; "" (the default) where the backbone has none of that name."""
    return layer if layer in backbone.paths else ""


def _database(session: Session, network: Network) -> DatabaseOptions:
    layers = layers_of(session.reader.backbone(network.backbone), network, ("conv3", "conv4", "conv5"))
    if not layers:
        raise VestigeError(f"name the grid layers to search, as in {spelled('layers', ('conv3', 'conv4', 'conv5'))}")
    return DatabaseOptions(network.backbone, layers)


def _second(specs: Specs) -> str:
    assert specs[1] is not None  # these experiments have no split of their own
    return specs[1]


_PATCHES = DataPlace(
    "database",
    "a million patches: the pictures of PASCAL VOC 2011",
    "folder:/data/VOC2011/JPEGImages",
    "host.robots.ox.ac.uk/pascal/VOC",
)
_PICTURES = DataPlace("pictures", "photographs to put together again", "folder:/data/photographs", "your own")

_ANNOTATED = "voc-keypoints:/data/VOC2011,annotations=/data/Annotations_Part"
_OWN = "as above; may be left out, for the set carries its own split"
_KEYPOINTS = DataPlace(
    "voc-keypoints",
    "PASCAL VOC 2011 with Bourdev and Malik's keypoints, 20 classes",
    _ANNOTATED,
    "host.robots.ox.ac.uk/pascal/VOC, and the Berkeley keypoint annotations",
    own_split=True,
)
_KEYPOINTS_TEST = DataPlace("voc-keypoints-test", "the same, validation part", f"{_ANNOTATED},val", _OWN)
_CATS = DataPlace(
    "voc-cats",
    "the same, cats alone: the class that the paper draws in Figs. 4 and 5",
    f"{_ANNOTATED}/cat",
    "as voc-keypoints: the annotations' folder cat",
    own_split=True,
)
_CATS_TEST = DataPlace("voc-cats-test", "the same cats, validation part", f"{_ANNOTATED}/cat,val", _OWN)

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment("patches", _PATCHES, _PICTURES, patches),
    Experiment("fields", _PATCHES, None, fields),
    Experiment("align", _KEYPOINTS, _KEYPOINTS_TEST, align),
    Experiment("classify", _KEYPOINTS, _KEYPOINTS_TEST, classify),
    Experiment("classify-cats", _CATS, _CATS_TEST, classify_cats),
    Experiment("detect", _KEYPOINTS, _KEYPOINTS_TEST, detect),
)
"""The paper's experiments, in its order."""
