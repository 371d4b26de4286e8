"""Keypoint prediction by sliding-window detectors (section 5, Fig. 6, Table 4): which cells look like a keypoint?

Boxes are resized to a square. For every class and keypoint a linear SVM tells the cells nearest to the keypoint from
those that do not see it. Beside the plain detectors: the same with a Gaussian prior about where the nearest neighbour
has the keypoint, with the paper's eta and sigma and with those that training folds choose; and the same of dense SIFT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.correspondence.detect.candidates import GridSource
from vestige.correspondence.detect.classes import ClassData, ClassFound, Placed, detect_class, read_class_found
from vestige.correspondence.detect.features import Feature, features_of
from vestige.correspondence.detect.hard_negatives import Detector
from vestige.correspondence.detect.task import CHOSEN, DETECT, PRIOR, SIFT, DetectOptions
from vestige.correspondence.instances import Instances, describe_points
from vestige.correspondence.matched import MatchedInstances, check_instances, match_instances
from vestige.correspondence.transfers import MEAN, NEAREST, TRANSFERS, copied, mean_points, measure_transfers, truth_of
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.reader import Read, Reader
from vestige.geometry import Points, from_unit
from vestige.intervals import mean_known
from vestige.methods import ACCENTS, Dash, Method
from vestige.metrics import Metric
from vestige.partial_work import Arrays
from vestige.report.choosing import even_steps
from vestige.results import Row
from vestige.scores import PCK_METRICS, class_pck, metric_of
from vestige.spelling import spelled

NEIGHBOURS = 25
"""How many are looked through for one that shows the keypoint."""

SHOWN = 8
"""Test instances whose pictures are kept, at even steps of the error."""

SIDE = 256
"""Pixels of a kept picture's side."""

Setting = tuple[float, float]
"""(eta, sigma)."""

METRICS: Mapping[str, Metric] = PCK_METRICS

_OTHERS = ACCENTS[2:]  # the first two are the chosen layer's and SIFT's
_PRIORS: Mapping[str, tuple[str, Dash]] = {
    CHOSEN: (" + prior, tuned", "dashdot"),
    PRIOR: (" + prior", "solid"),
    "": ("", "dashed"),
}


def detector_methods(features: Collection[str], chosen: str) -> Callable[[str], Method]:
    """What the methods of a detection are: a colour for each feature, a dash for each kind of prior.

    Args:
        features: their names.
        chosen: the layer that is best on training folds.
    """
    others = [name for name in features if name not in (SIFT, chosen)]

    def known(name: str) -> Method:
        if name in TRANSFERS:
            return TRANSFERS[name]
        end = next(end for end in _PRIORS if name.endswith(end))
        said, dash = _PRIORS[end]
        feature = name.removesuffix(end).removeprefix("detect:")
        if feature == SIFT:
            return Method(f"SIFT{said}", "orange", dash, trained=False)
        colour = "blue" if feature == chosen else _OTHERS[others.index(feature) % len(_OTHERS)]
        return Method(f"{feature}{said}", colour, dash)

    return known


@dataclass(frozen=True)
class FeatureFound:
    """What the detectors that see one feature found.

    Attributes:
        feature: a layer, or dense SIFT.
        c: of its SVMs.
        train: on training instances, each by detectors of other folds.
        test: on test instances.
        tried: PCK on training folds at the first alpha, by (eta, sigma).
        detectors: of all classes.
    """

    feature: Feature
    c: float
    train: Placed
    test: Placed
    tried: Mapping[Setting, float]
    detectors: tuple[Detector | None, ...]

    @property
    def setting(self) -> Setting:
        """The best (eta, sigma) on training folds; of equal ones the first."""
        return max(self.tried, key=lambda setting: self.tried[setting])


def check_detection(data: tuple[Dataset, Dataset], options: DetectOptions) -> None:
    """Refuse data without instances of common classes, or too few for the folds."""
    check_instances(*data, options.folds)


def measure_detection(session: Session, data: tuple[Dataset, Dataset], options: DetectOptions) -> Found:
    """:func:`detect_keypoints`, as the task has it."""
    return detect_keypoints(*data, options, session)


def detect_keypoints(train: Dataset, test: Dataset, options: DetectOptions, session: Session | None = None) -> Found:
    """Train keypoint detectors and measure where they find the keypoints of test instances.

    Args:
        train: examples with keypoints and boxes, and categories where there are several.
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no keypoints or boxes, no test example is of a class that the training data
            have, a layer is no grid, or the network takes no square of the size.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    read = prior_read(options, reader)
    say(f"neighbours by {read.layer.name} ({read.readout}) of {options.backbone}")
    matched = match_instances(train, test, read, options.backbone, reader, folds=options.folds, k=NEIGHBOURS)
    say(f"squares of {options.size} pixels")
    classes = class_data(matched)
    found = [_found(feature, matched, classes, options, session) for feature in features_of(matched, options, reader)]
    for each in found:
        if not any(each.detectors):
            raise VestigeError(
                f"{each.feature.name}: no keypoint that test examples show has both positive and negative training "
                f"examples; give more training data or a smaller {spelled('negative_distance')}"
            )
    best = max((each for each in found if each.feature.name != SIFT), key=lambda each: _given(each, options))
    chosen = best.feature.name
    methods = {
        MEAN: mean_points(matched.train, matched.test),
        NEAREST: copied(matched.train, matched.neighbours, 1),
        **{name: points for each in found for name, points in _methods(each, options).items()},
    }
    measured = measure_transfers(methods, matched.test, options.alphas, options.seed, _pairs(found, best))
    side = 2 * options.reach + 1
    return Found(
        task=DETECT,
        options=(options,),
        config={
            "metric": metric_of(options.alphas[0]),
            "chosen": chosen,
            "kinds": {each.feature.name: _described(each) for each in found},
            "neighbours_by": {"layer": read.layer.name, "readout": str(read.readout)},
            **describe_points(matched.test.classes, matched.test.names),
        },
        data={"train": matched.train_data, "test": matched.test_data},
        backbone={
            "spec": options.backbone,
            "weights_sha256": reader.backbone(options.backbone).weights_sha256,
            "layer": chosen,
            "readout": f"cells, {side} x {side}",
        },
        rows=measured.rows,
        arrays={
            **measured.arrays,
            **_pictures(matched.test, measured.arrays[f"error/detect:{chosen}{PRIOR}"]),
        },
        metrics=METRICS,
        methods=detector_methods([each.feature.name for each in found], chosen),
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=(*_tried(found, options, len(matched.train)), *measured.differences),
        notes=(*measured.notes, *matched.notes, *_shortages(found, methods[NEAREST], matched.test)),
    )


def prior_read(options: DetectOptions, reader: Reader) -> Read:
    """The layer and readout that find the neighbour which gives the prior.

    Raises:
        VestigeError: where the name means several layers, or the backbone has no grid.
    """
    backbone = reader.backbone(options.backbone)
    grids = [layer.name for layer in backbone.layers() if layer.kind == "grid"]
    name = options.neighbour_layer or (grids[-1] if grids else "")
    if not name:
        raise VestigeError(f"{options.backbone} has no grid layer; name a {spelled('neighbour_layer')}")
    reads = reader.reads(options.backbone, [name], [options.neighbour_readout or "auto"])
    if len(reads) > 1:
        raise VestigeError(f"{spelled('neighbour_layer', name)}: is {len(reads)} layers; name one")
    return reads[0]


def class_data(matched: MatchedInstances) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp], ClassData]]:
    """By class: the rows of its training and of its test instances, and the instances."""
    train_prior = copied(matched.train, matched.train_neighbours, 1)
    test_prior = copied(matched.train, matched.neighbours, 1)
    found = {}
    for name in np.unique(matched.train.classes).tolist():  # C, eta and sigma are chosen on all of them
        own, asked = np.flatnonzero(matched.train.classes == name), np.flatnonzero(matched.test.classes == name)
        shown = matched.train.visible[own].any(axis=0)
        data = ClassData(
            matched.train.subset(own),
            matched.test.subset(asked),
            np.flatnonzero(shown),
            matched.folds[own],
            train_prior[own],
            test_prior[asked],
        )
        found[name] = own, asked, data
    return found


def _found(
    feature: Feature,
    matched: MatchedInstances,
    classes: Mapping[str, tuple[NDArray[np.intp], NDArray[np.intp], ClassData]],
    options: DetectOptions,
    session: Session,
) -> FeatureFound:
    """One feature on all classes, at the C that is best on training folds."""
    by_c: dict[float, list[ClassFound]] = {c: [] for c in options.cs}
    for name, (own, asked, data) in classes.items():
        of_class = _class_found(feature, name, (own, asked), data, options, session)
        for c, each in zip(options.cs, of_class, strict=True):
            by_c[c].append(each)
    candidates = [
        FeatureFound(
            feature,
            c,
            _together([each.train for each in found], [own for own, _, _ in classes.values()], matched.train),
            _together([each.test for each in found], [asked for _, asked, _ in classes.values()], matched.test),
            {},
            tuple(detector for each in found for detector in each.detectors),
        )
        for c, found in by_c.items()
    ]
    tried = [replace(each, tried=_folds_pck(each.train, matched.train, classes, options)) for each in candidates]
    return max(tried, key=lambda each: each.tried[options.settings[0]])


def _class_found(
    feature: Feature,
    name: str,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    data: ClassData,
    options: DetectOptions,
    session: Session,
) -> Iterator[ClassFound]:
    """One feature on one class, at every C; what is kept is not computed again."""

    @cache
    def grids() -> tuple[GridSource, GridSource]:  # read only for what is not kept, and once for all C
        return feature.train(rows[0]), feature.test(rows[1])

    for c in options.cs:
        session.say(f"{feature.name}: {len(data.keypoints)} keypoints of {name}, C = {c:g}")

        def detected(c: float = c) -> Arrays:
            return detect_class(feature, data, grids(), c, options, session.counting("SVMs")).arrays()

        yield read_class_found(session.kept.get(repr((feature.key, data.key, c, options)), detected))


def _together(parts: Iterable[Placed], rows: Iterable[NDArray[np.intp]], instances: Instances) -> Placed:
    """The places of all classes' instances."""
    placed: dict[Setting, Points] = {}
    for part, own in zip(parts, rows, strict=True):
        for setting, points in part.items():
            placed.setdefault(setting, np.full(instances.unit.shape, np.nan))[own] = points
    return placed


def _folds_pck(
    placed: Placed, train: Instances, classes: Iterable[str], options: DetectOptions
) -> dict[Setting, float]:
    """PCK over keypoint types on training instances, the mean of the classes, by setting."""
    truth = truth_of(train)
    tried = {}
    for setting, unit in placed.items():
        distances = truth.distances(from_unit(unit, train.boxes))
        own = [truth.classes == name for name in classes]
        rates = [class_pck(distances[rows], truth.visible[rows], options.alphas[0]) for rows in own]
        tried[setting] = float(mean_known(np.array(rates)))
    return tried


def _methods(found: FeatureFound, options: DetectOptions) -> dict[str, Points]:
    plain, given = options.settings[0], (options.eta, options.sigma)
    name = f"detect:{found.feature.name}"
    return {
        name: found.test[plain],
        f"{name}{PRIOR}": found.test[given],
        f"{name}{CHOSEN}": found.test[found.setting],
    }


def _given(found: FeatureFound, options: DetectOptions) -> float:
    """PCK on training folds with the given prior: by which the best layer is chosen."""
    return found.tried[options.eta, options.sigma]


def _pairs(found: Iterable[FeatureFound], best: FeatureFound) -> list[tuple[str, str]]:
    """What is compared: the prior with none, the best layer with SIFT and with the neighbour that gives the prior."""
    names = [f"detect:{each.feature.name}" for each in found]
    pairs = [(f"{name}{PRIOR}", name) for name in names]
    own, sift = f"detect:{best.feature.name}", f"detect:{SIFT}"
    if sift in names:
        pairs = [(own, sift), (f"{own}{PRIOR}", f"{sift}{PRIOR}"), *pairs]
    return [*pairs, (f"{own}{PRIOR}", NEAREST)]


def _tried(found: Iterable[FeatureFound], options: DetectOptions, n: int) -> list[Row]:
    """Rows of every eta and sigma on training folds."""
    metric = f"train_{metric_of(options.alphas[0])}"
    rows = []
    for each in found:
        layer = None if each.feature.name == SIFT else each.feature.name
        for eta, sigma in options.settings:
            subset = f"eta={eta:g} sigma={sigma:g}" if eta else "eta=0"
            rows.append(
                Row(f"detect:{each.feature.name}", metric, subset, each.tried[eta, sigma], None, n, layer=layer)
            )
    return list(dict.fromkeys(rows))


def _described(found: FeatureFound) -> dict[str, Any]:
    """What results.json says of a feature."""
    eta, sigma = found.setting
    there = [each for each in found.detectors if each is not None]
    return {
        "c": found.c,
        "eta": eta,
        "sigma": sigma,
        "cells": list(found.feature.cells.shape),
        "detectors": len(there),
        "stable": sum(not each.left for each in there),
        "positives": sum(each.positives for each in there),
        "negatives": sum(each.negatives for each in there),
        "left": sum(each.left for each in there),
    }


def _shortages(found: Iterable[FeatureFound], nearest: Points, test: Instances) -> list[str]:
    """What training examples and neighbours could not give."""
    notes = []
    for each in found:
        lost = int((test.visible & ~np.isfinite(each.test[next(iter(each.test))]).all(axis=-1)).sum())
        if lost:
            notes.append(
                f"{lost} visible keypoints have no detector by {each.feature.name}, for lack of training examples: "
                "they count as missed."
            )
    flat = int((test.visible & ~np.isfinite(nearest).all(axis=-1)).sum())
    if flat:
        notes.append(f"{flat} visible keypoints are shown by no neighbour: they have no prior.")
    return notes


def _pictures(test: Instances, error: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Some test instances as a report shows them."""
    rows = even_steps(error, SHOWN)
    return {"picture_rows": rows, "pictures": np.stack([test.pixels(int(row), (SIDE, SIDE)) for row in rows])}
