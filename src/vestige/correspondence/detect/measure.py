"""Keypoint prediction by sliding-window detectors (section 5, Fig. 6, Table 4): which cells look like a keypoint?

Boxes are resized to a square. For every class and keypoint a linear SVM tells the cells nearest to the keypoint from
those that do not see it. Beside the plain detectors: the same with a Gaussian prior about where the nearest neighbour
has the keypoint, with the paper's eta and sigma and with those that training folds choose; and the same of dense SIFT.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.correspondence.detect.candidates import GridSource
from vestige.correspondence.detect.classes import ClassData, ClassFound, Placed, detect_class, read_class_found
from vestige.correspondence.detect.hard_negatives import Detector
from vestige.correspondence.detect.kinds import Kind, kinds_of
from vestige.correspondence.detect.options import SIFT, DetectOptions
from vestige.correspondence.gallery import even_steps
from vestige.correspondence.instances import Instances
from vestige.correspondence.sides import Sides, lay_sides
from vestige.correspondence.transfers import MEAN, NEAREST, copied, mean_points, measured, truth_of
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.reader import Read, Reader, listened
from vestige.geometry import Points, from_unit
from vestige.intervals import mean_known
from vestige.kept import KEEP_NOTHING, Arrays, Kept
from vestige.results import Row
from vestige.scores import class_pck, metric_of
from vestige.spelling import spelled

NEIGHBOURS = 25
"""How many are looked through for one that shows the keypoint."""

SHOWN = 8
"""Test instances whose pictures are kept, at even steps of the error."""

SIDE = 256
"""Pixels of a kept picture's side."""

PRIOR, CHOSEN = "+prior", "+prior-cv"
"""What is added to a method's name: the prior with the given eta and sigma, and with those of training folds."""

Say = Callable[[str], None]
Setting = tuple[float, float]


@dataclass(frozen=True)
class KindFound:
    """What one kind of feature found.

    Attributes:
        kind: of feature.
        c: of its SVMs.
        train: on training instances, each by detectors of other folds.
        test: on test instances.
        tried: PCK on training folds at the first alpha, by (eta, sigma).
        detectors: of all classes.
    """

    kind: Kind
    c: float
    train: Placed
    test: Placed
    tried: Mapping[Setting, float]
    detectors: tuple[Detector | None, ...]

    @property
    def setting(self) -> Setting:
        """The best (eta, sigma) on training folds; of equal ones the first."""
        return max(self.tried, key=lambda setting: self.tried[setting])


@dataclass(frozen=True)
class Detection:
    """What a detection found.

    Attributes:
        rows: of every method on the test instances.
        sweep: what was tried on training folds, and the paired differences of methods.
        arrays: of ``examples.npz``.
        kinds: by name: C, eta and sigma, and how the mining ended.
        chosen: the layer that is best on training folds.
        read: what neighbours were found by.
        weights_sha256: of the backbone.
        options: that it was made with.
        extraction: how its features were computed.
        seconds: that it took.
        train, test: the examples that took part.
        notes: what a reader of the numbers must know.
    """

    rows: tuple[Row, ...]
    sweep: tuple[Row, ...]
    arrays: Mapping[str, NDArray[Any]]
    kinds: Mapping[str, Mapping[str, Any]]
    chosen: str
    read: Read
    weights_sha256: str
    options: DetectOptions
    extraction: ExtractOptions
    seconds: float
    train: Dataset
    test: Dataset
    notes: tuple[str, ...]


def detect_keypoints(
    train: Dataset,
    test: Dataset,
    options: DetectOptions,
    reader: Reader | None = None,
    *,
    say: Say | None = None,
    progress: Callable[[int, int], None] | None = None,
    kept: Kept = KEEP_NOTHING,
) -> Detection:
    """Train keypoint detectors and measure where they find the keypoints of test instances.

    Args:
        train: examples with keypoints and boxes, and categories where there are several.
        test: likewise; nothing is chosen on it.
        options: see there.
        reader: of features; None for the default cache and device.
        say: told of every step; None: lines on standard error.
        progress: told (fits done, fits at most) of every training.
        kept: where to keep what is done, for a run that may be killed.

    Raises:
        VestigeError: where the data have no keypoints or boxes, no test example is of a class that the training data
            have, a layer is no grid, or the network takes no square of the size.
    """
    started = time.monotonic()
    reader, say = listened(reader, say)
    if not options.layers:
        raise VestigeError("expected at least one layer; `vestige layers BACKBONE` lists them")
    read = prior_read(options, reader)
    say(f"neighbours by {read.layer.name} ({read.readout}) of {options.backbone}")
    sides = lay_sides(train, test, read, options.backbone, reader, folds=options.folds, k=NEIGHBOURS)
    say(f"squares of {options.size} pixels")
    classes = class_data(sides)
    kinds = kinds_of(sides, options, reader)
    found = [_kind_found(kind, sides, classes, options, say, progress, kept) for kind in kinds]
    for each in found:
        if not any(each.detectors):
            raise VestigeError(
                f"{each.kind.name}: no keypoint that test examples show has both positive and negative training "
                f"examples; give more training data or a smaller {spelled('negative_distance')}"
            )
    best = max((each for each in found if each.kind.name != SIFT), key=lambda each: _given(each, options))
    methods = {
        MEAN: mean_points(sides.train, sides.test),
        NEAREST: copied(sides.train, sides.neighbours, 1),
        **{name: points for each in found for name, points in _methods(each, options).items()},
    }
    shown = f"detect:{best.kind.name}{PRIOR}"
    results = measured(methods, sides.test, options.alphas, options.seed, _pairs(found, best))
    return Detection(
        results.rows,
        (*_tried(found, options, len(sides.train)), *results.differences),
        {**results.arrays, **_pictures(sides.test, results.arrays[f"error/{shown}"])},
        {each.kind.name: _described(each) for each in found},
        best.kind.name,
        read,
        reader.backbone(options.backbone).weights_sha256,
        options,
        reader.options,
        time.monotonic() - started,
        sides.train_data,
        sides.test_data,
        (*results.notes, *sides.notes, *_shortages(found, methods[NEAREST], sides.test)),
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


def class_data(sides: Sides) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp], ClassData]]:
    """By class: the rows of its training and of its test instances, and the instances."""
    train_prior = copied(sides.train, sides.train_neighbours, 1)
    test_prior = copied(sides.train, sides.neighbours, 1)
    found = {}
    for name in np.unique(sides.train.classes).tolist():  # C, eta and sigma are chosen on all of them
        own, asked = np.flatnonzero(sides.train.classes == name), np.flatnonzero(sides.test.classes == name)
        shown = sides.train.visible[own].any(axis=0)
        data = ClassData(
            sides.train.subset(own),
            sides.test.subset(asked),
            np.flatnonzero(shown),
            sides.folds[own],
            train_prior[own],
            test_prior[asked],
        )
        found[name] = own, asked, data
    return found


def _kind_found(
    kind: Kind,
    sides: Sides,
    classes: Mapping[str, tuple[NDArray[np.intp], NDArray[np.intp], ClassData]],
    options: DetectOptions,
    say: Say,
    progress: Callable[[int, int], None] | None,
    kept: Kept,
) -> KindFound:
    """One kind of feature on all classes, at the C that is best on training folds."""
    by_c: dict[float, list[ClassFound]] = {c: [] for c in options.cs}
    for name, (own, asked, data) in classes.items():
        of_class = _class_found(kind, name, (own, asked), data, options, say, progress, kept)
        for c, each in zip(options.cs, of_class, strict=True):
            by_c[c].append(each)
    candidates = [
        KindFound(
            kind,
            c,
            _together([each.train for each in found], [own for own, _, _ in classes.values()], sides.train),
            _together([each.test for each in found], [asked for _, asked, _ in classes.values()], sides.test),
            {},
            tuple(detector for each in found for detector in each.detectors),
        )
        for c, found in by_c.items()
    ]
    tried = [replace(each, tried=_folds_pck(each.train, sides.train, classes, options)) for each in candidates]
    return max(tried, key=lambda each: each.tried[options.settings[0]])


def _class_found(
    kind: Kind,
    name: str,
    rows: tuple[NDArray[np.intp], NDArray[np.intp]],
    data: ClassData,
    options: DetectOptions,
    say: Say,
    progress: Callable[[int, int], None] | None,
    kept: Kept,
) -> Iterator[ClassFound]:
    """One kind of feature on one class, at every C; what is kept is not computed again."""

    @cache
    def grids() -> tuple[GridSource, GridSource]:  # read only for what is not kept, and once for all C
        return kind.train(rows[0]), kind.test(rows[1])

    for c in options.cs:
        say(f"{kind.name}: {len(data.keypoints)} keypoints of {name}, C = {c:g}")

        def detected(c: float = c) -> Arrays:
            return detect_class(kind, data, grids(), c, options, progress).arrays()

        yield read_class_found(kept.get(repr((kind.key, data.key, c, options)), detected))


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


def _methods(found: KindFound, options: DetectOptions) -> dict[str, Points]:
    plain, given = options.settings[0], (options.eta, options.sigma)
    name = f"detect:{found.kind.name}"
    return {
        name: found.test[plain],
        f"{name}{PRIOR}": found.test[given],
        f"{name}{CHOSEN}": found.test[found.setting],
    }


def _given(found: KindFound, options: DetectOptions) -> float:
    """PCK on training folds with the given prior: by which the best layer is chosen."""
    return found.tried[options.eta, options.sigma]


def _pairs(found: Iterable[KindFound], best: KindFound) -> list[tuple[str, str]]:
    """What is compared: the prior with none, the best layer with SIFT and with the neighbour that gives the prior."""
    names = [f"detect:{each.kind.name}" for each in found]
    pairs = [(f"{name}{PRIOR}", name) for name in names]
    own, sift = f"detect:{best.kind.name}", f"detect:{SIFT}"
    if sift in names:
        pairs = [(own, sift), (f"{own}{PRIOR}", f"{sift}{PRIOR}"), *pairs]
    return [*pairs, (f"{own}{PRIOR}", NEAREST)]


def _tried(found: Iterable[KindFound], options: DetectOptions, n: int) -> list[Row]:
    """Rows of every eta and sigma on training folds."""
    metric = f"train_{metric_of(options.alphas[0])}"
    rows = []
    for each in found:
        layer = None if each.kind.name == SIFT else each.kind.name
        for eta, sigma in options.settings:
            subset = f"eta={eta:g} sigma={sigma:g}" if eta else "eta=0"
            rows.append(Row(f"detect:{each.kind.name}", metric, subset, each.tried[eta, sigma], None, n, layer=layer))
    return list(dict.fromkeys(rows))


def _described(found: KindFound) -> dict[str, Any]:
    """What results.json says of a kind of feature."""
    eta, sigma = found.setting
    there = [each for each in found.detectors if each is not None]
    return {
        "c": found.c,
        "eta": eta,
        "sigma": sigma,
        "cells": list(found.kind.cells.shape),
        "detectors": len(there),
        "settled": sum(not each.left for each in there),
        "positives": sum(each.positives for each in there),
        "negatives": sum(each.negatives for each in there),
        "left": sum(each.left for each in there),
    }


def _shortages(found: Iterable[KindFound], nearest: Points, test: Instances) -> list[str]:
    """What could not be had."""
    notes = []
    for each in found:
        lost = int((test.visible & ~np.isfinite(each.test[next(iter(each.test))]).all(axis=-1)).sum())
        if lost:
            notes.append(
                f"{lost} visible keypoints have no detector by {each.kind.name}, for want of training examples: they "
                "count as missed."
            )
    flat = int((test.visible & ~np.isfinite(nearest).all(axis=-1)).sum())
    if flat:
        notes.append(f"{flat} visible keypoints are shown by no neighbour: they have no prior.")
    return notes


def _pictures(test: Instances, error: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Some test instances as a report shows them."""
    rows = even_steps(error, SHOWN)
    return {"picture_rows": rows, "pictures": np.stack([test.pixels(int(row), (SIDE, SIDE)) for row in rows])}
