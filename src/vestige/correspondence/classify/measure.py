"""Keypoint classification (section 4, Table 3, Fig. 5): can a linear classifier name the keypoint that it is shown?

Within each class, one-vs-all linear SVMs are trained on the features at the training pictures' keypoints: a layer's at
the cell that is centred nearest, and SIFT's of several radii.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.backbones import ReceptiveField
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.correspondence.classify.localise import Peaks, localise
from vestige.correspondence.classify.one_vs_all import Classifier, cross_validate, fit_path
from vestige.correspondence.classify.task import CLASSIFY, PAPER_C, ClassifyOptions
from vestige.correspondence.instances import describe_points
from vestige.correspondence.marks import (
    Columns,
    Marks,
    layer_columns,
    marked_classes,
    marks_of,
    seen,
    sift_columns,
    without_unreadable,
)
from vestige.datasets.dataset import Dataset, part_of
from vestige.errors import VestigeError
from vestige.features.cell_places import PICTURES, fields_at_every_size, response_centred, shift_note
from vestige.features.reader import Reader
from vestige.intervals import Bootstrap, Difference, Floats, difference_of, interval, mean_known
from vestige.methods import ACCENTS, Method
from vestige.metrics import Metric
from vestige.progress import Progress
from vestige.results import Row
from vestige.scores import interval_notes
from vestige.spelling import spelled

ACCURACY = "accuracy"
"""The metric that reports are about."""

METRICS: Mapping[str, Metric] = {
    ACCURACY: Metric("accuracy", shown="percent"),
    "peaks_inside": Metric("peaks inside the field", shown="percent", paper=False),
    "peak_distance": Metric("mean distance of peaks", "pixels", lower_is_better=True, paper=False),
}

FOLDS = 5

_FINAL = 3
"""Classifiers on all training keypoints: at the paper's C, at the chosen one, and at that of localised responses."""

LARGEST_STRIDE = 16
"""Of the layers that are taken where none is named (the paper's conv5 has it)."""

MAJORITY = "majority"


def classifier_methods(trained: Sequence[str]) -> Callable[[str], Method]:
    """What the methods of a classification are: later layers and larger radii take later colours.

    Args:
        trained: the names of those with classifiers, in order.
    """

    def known(name: str) -> Method:
        kind, _, what = name.partition(":")
        own = [each for each in trained if each.startswith(f"{kind}:")]
        colour = ACCENTS[own.index(name) % len(ACCENTS)] if name in own else "grey"
        if kind == "cell":
            return Method(what, colour)
        return Method(f"SIFT, radius {what} px" if kind == "sift" else "Most frequent keypoint", colour, trained=False)

    return known


@dataclass(frozen=True)
class Classified:
    """The test keypoints as the classifiers on one feature name them.

    Attributes:
        method: ``cell:LAYER`` or ``sift:RADIUS``.
        tried: by C: accuracy by cross-validation on training pictures; empty where a single C was given.
        c: the chosen one.
        classifiers: by class, at the C of the responses that are localised.
        predicted: ``(n,)``: the type of each test mark.
        at_paper_c: the same at the paper's C.
    """

    method: str
    tried: Mapping[float, float]
    c: float
    classifiers: Mapping[str, Classifier]
    predicted: NDArray[np.intp]
    at_paper_c: NDArray[np.intp]

    @property
    def score(self) -> float:
        """Accuracy by cross-validation at the chosen C; 0 where nothing was tried."""
        return self.tried.get(self.c, 0.0)


def check_classification(data: tuple[Dataset, Dataset], _options: ClassifyOptions) -> None:
    """Refuse data without keypoints, of two markups or of no class in common."""
    train, test = data
    classes = [set(marked_classes(each)) for each in data]
    if train.markup != test.markup:
        raise VestigeError(f"{test.spec}: its keypoints are not those of {train.spec}; classify data of one markup")
    if not classes[0] & classes[1]:
        raise VestigeError(
            f"{test.spec}: its examples are of {', '.join(sorted(classes[1]))}; expected some of "
            f"{', '.join(sorted(classes[0]))}, the classes of {train.spec}"
        )


def measure_classification(session: Session, data: tuple[Dataset, Dataset], options: ClassifyOptions) -> Found:
    """:func:`classify_keypoints`, as the task has it."""
    return classify_keypoints(*data, options, session)


def classify_keypoints(
    train: Dataset, test: Dataset, options: ClassifyOptions = ClassifyOptions(), session: Session | None = None
) -> Found:
    """Train classifiers of keypoints on every feature, and measure them.

    Args:
        train: examples with keypoints, and categories where there are several.
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no keypoints, no test example is of a class that the training data have, or a
            layer's cells have no receptive fields.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader = session.reader
    fields = asked_fields(options, reader)
    session.say("reading pictures")
    train, test = without_unreadable(train), without_unreadable(test)
    check_classification((train, test), options)
    train_marks, test_marks, notes = _marks(train, test)
    work = _Work(train_marks, test_marks, options, session)
    placed = work.placed(fields)
    classified = [work.classify(method, columns) for method, columns in work.features(placed)]
    best = _best(classified)
    peaks = work.localise(placed, classified, best)
    scored = _scored(classified, best, train_marks, test_marks, test, options)
    cs = {each.method: each.c for each in classified}
    return Found(
        task=CLASSIFY,
        options=(options,),
        config={
            "metric": ACCURACY,
            "best": [each.method for each in best],
            "c": cs,
            "cell_centres": {name: list(field.centre) for name, field in placed.items() if field.centre is not None},
            **describe_points(test_marks.classes, test_marks.names),
        },
        data={"train": train, "test": test},
        backbone={
            "spec": options.backbone,
            "weights_sha256": reader.backbone(options.backbone).weights_sha256,
            "layer": ", ".join(placed),
            "readout": "cells",
        },
        rows=scored.rows,
        arrays={**_arrays(classified, test_marks, test), **peaks.arrays()},
        metrics=METRICS,
        methods=classifier_methods(list(cs)),
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=(*scored.sweep, *peaks.rows(test, options.seed)),
        notes=(*scored.notes, *notes, *_edges(best, options), *_shifts(fields, placed)),
    )


def asked_fields(options: ClassifyOptions, reader: Reader) -> dict[str, ReceptiveField]:
    """The layers that are asked for, or the last of every stride up to 16, with where their cells are centred."""
    backbone = reader.backbone(options.backbone)
    layers = backbone.layers(backbone.select(options.layers or ["all"]))
    fields = fields_at_every_size(backbone, [layer.name for layer in layers if layer.kind == "grid"])
    regular = {name: field for name, field in fields.items() if field.stride is not None}
    if options.layers:
        for layer in layers:
            if layer.name not in regular:
                raise VestigeError(
                    f"layer {layer.name!r} of {options.backbone} has no cells with receptive fields of their own; "
                    f"vestige layers {options.backbone} lists them"
                )
        return regular
    fine = {name: field for name, field in regular.items() if max(field.stride or (0,)) <= LARGEST_STRIDE}
    last = {field.stride: name for name, field in fine.items()}
    if not last:
        raise VestigeError(
            f"{options.backbone} has no layer with a stride of at most {LARGEST_STRIDE}: name some with "
            f"{spelled('layers')}; vestige layers {options.backbone} lists them"
        )
    return {name: regular[name] for name in regular if name in last.values()}


def _marks(train: Dataset, test: Dataset) -> tuple[Marks, Marks, tuple[str, ...]]:
    """The marks of training and test data, of the latter those of classes that the former have, and notes."""
    first, second = marks_of(train), marks_of(test)
    known = np.isin(second.classes, first.classes)
    notes = [
        f"Class {name!r} is left out: the training data have no example of it."
        for name in np.unique(second.classes[~known]).tolist()
    ]
    second = second.subset(known)
    seen = {(name, k) for name, k in zip(first.classes.tolist(), first.keypoint.tolist(), strict=True)}
    never = [pair not in seen for pair in zip(second.classes.tolist(), second.keypoint.tolist(), strict=True)]
    if any(never):
        notes.append(
            f"{sum(never)} test keypoints are of types that training pictures never show: they count as missed."
        )
    return first, second, tuple(notes)


def svms_of_class(options: ClassifyOptions) -> int:
    """How many times the classifiers of a class are trained on one feature, at most."""
    return _FINAL + (FOLDS * len(options.cs) if len(options.cs) > 1 else 0)


@dataclass
class _Counted:
    """Tells how many classifiers of a feature are trained."""

    progress: Progress
    total: int
    _done: int = 0

    def __post_init__(self) -> None:
        self.progress(0, self.total)

    def add(self, n: int) -> None:
        """So many more."""
        self._done += n
        self.progress(self._done, self.total)

    def end(self) -> None:
        """No more; test pictures may lack classes."""
        self.progress(self.total, self.total)


@dataclass(frozen=True)
class _Work:
    """The long part of a classification."""

    train: Marks
    test: Marks
    options: ClassifyOptions
    session: Session

    @property
    def short_side(self) -> int | None:
        """Of the pictures; None for their own."""
        return self.options.short_side or None

    def placed(self, fields: Mapping[str, ReceptiveField]) -> Mapping[str, ReceptiveField]:
        """The layers with their cells where the options say that they stand."""
        if self.options.centres == "field":
            return fields
        self.session.say(f"where cells of {', '.join(fields)} respond")
        reader = self.session.reader
        backbone, pictures = reader.backbone(self.options.backbone), self.train.pictures
        drawn = np.random.default_rng(self.options.seed).permutation(len(pictures))[:PICTURES]
        shown = [seen(pictures[row], self.short_side, backbone.preprocessing.interpolation)[0] for row in drawn]
        return response_centred(backbone, fields, shown, reader.options.torch_device(), self.options.seed)

    def features(self, fields: Mapping[str, ReceptiveField]) -> list[tuple[str, tuple[Columns, Columns]]]:
        """Every feature at the training and at the test marks."""
        found: list[tuple[str, tuple[Columns, Columns]]] = []
        for layer, field in fields.items():
            self.session.say(f"cells of {layer}")
            first, second = (
                layer_columns(self.session, self.options.backbone, layer, field, marks, self.short_side)
                for marks in (self.train, self.test)
            )
            found.append((f"cell:{layer}", (first, second)))
        if self.options.radii:
            self.session.say(f"SIFT of radius {', '.join(f'{radius:g}' for radius in self.options.radii)}")
            first_sift, second_sift = (self._sift(marks) for marks in (self.train, self.test))
            found += [(f"sift:{r:g}", (first_sift[r], second_sift[r])) for r in self.options.radii]
        return found

    def _sift(self, marks: Marks) -> Mapping[float, Columns]:
        interpolation = self.session.reader.backbone(self.options.backbone).preprocessing.interpolation
        return sift_columns(marks, self.options.radii, self.short_side, interpolation, self.session)

    def classify(self, method: str, columns: tuple[Columns, Columns]) -> Classified:
        """Choose C, train on all training marks, and name the test marks."""
        self.session.say(f"{method}: classifiers")
        train, test = self.train, self.test
        cs = self.options.cs
        svms = _Counted(self.session.counting("SVMs"), len(np.unique(train.classes)) * svms_of_class(self.options))
        tried = dict(zip(cs, self._validated(columns[0], svms).tolist(), strict=True)) if len(cs) > 1 else {}
        c = max(tried, key=lambda each: tried[each]) if tried else cs[0]
        classifiers: dict[str, Classifier] = {}
        predicted, at_paper_c = np.zeros((2, len(test)), dtype=np.intp)
        for name in np.unique(test.classes).tolist():
            own, asked = train.classes == name, test.classes == name
            cs = (PAPER_C, c, self.options.localise_c or c)
            at_paper, chosen, classifiers[name] = fit_path(
                columns[0][own], train.keypoint[own], cs, self.session.workers
            )
            svms.add(_FINAL)
            predicted[asked], at_paper_c[asked] = (each.predict(columns[1][asked]) for each in (chosen, at_paper))
        svms.end()
        return Classified(method, tried, c, classifiers, predicted, at_paper_c)

    def _validated(self, columns: Columns, svms: _Counted) -> Floats:
        """Accuracy by five-fold cross-validation for every C, the mean of the classes."""
        train = self.train
        folds = np.array([part_of(group, FOLDS) for group in train.groups.tolist()], dtype=np.intp)
        shares = []
        for name in np.unique(train.classes):
            own, cs = train.classes == name, self.options.cs
            shares.append(cross_validate(columns[own], train.keypoint[own], folds[own], cs, self.session.workers))
            svms.add(FOLDS * len(cs))
        means: Floats = np.nan_to_num(mean_known(np.stack(shares, axis=-1)))
        return means

    def localise(
        self, fields: Mapping[str, ReceptiveField], classified: Sequence[Classified], best: Sequence[Classified]
    ) -> Peaks:
        """Where the responses of every layer's classifiers, and of the best SIFT's, are highest about test marks."""
        chosen = [each for each in classified if each.method.startswith("cell:") or each in best]
        classifiers = {each.method: each.classifiers for each in chosen}
        if self.options.localise:
            self.session.say(f"responses at every pixel about the keypoints of {self.options.localise} test pictures")
        return localise(self.test, classifiers, fields, self.options, self.session)


def _best(classified: Sequence[Classified]) -> list[Classified]:
    """The best of the network's and of SIFT's by cross-validation; of equal ones the first."""
    kinds = [[each for each in classified if each.method.startswith(kind)] for kind in ("cell:", "sift:")]
    return [max(kind, key=lambda each: each.score) for kind in kinds if kind]


@dataclass(frozen=True)
class _Scored:
    rows: tuple[Row, ...]
    sweep: tuple[Row, ...]
    notes: tuple[str, ...]


def _scored(
    classified: Sequence[Classified],
    best: Sequence[Classified],
    train: Marks,
    test: Marks,
    data: Dataset,
    options: ClassifyOptions,
) -> _Scored:
    """Rows of every method, of every C that was tried, and the paired difference of the best two."""
    bootstrap, n = Bootstrap.of(data, options.seed), len(data)
    rows = list(accuracy_rows(MAJORITY, _majority(train, test) == test.keypoint, test, bootstrap))
    sweep: list[Row] = []
    for each in classified:
        rows += accuracy_rows(each.method, each.predicted == test.keypoint, test, bootstrap)
        sweep += [
            Row(each.method, f"cv_{ACCURACY}", f"C={c:g}", value, None, len(train)) for c, value in each.tried.items()
        ]
        (paper, *_) = accuracy_rows(each.method, each.at_paper_c == test.keypoint, test, bootstrap)
        sweep.append(replace(paper, subset=f"C={PAPER_C:g}"))
    notes = [*interval_notes(data)]
    found = None
    if len(best) == 2:
        a, b = best
        found = accuracy_difference(a.predicted == test.keypoint, b.predicted == test.keypoint, test, bootstrap)
    if found is not None:
        sweep.append(Row(a.method, f"{ACCURACY} - {b.method}", "all", found.mean, found.ci95, n))
        sweep.append(Row(a.method, f"p of {ACCURACY} - {b.method}", "all", found.p, None, n))
        low, high = found.ci95
        p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
        notes.append(
            f"Accuracy of {a.method} less that of {b.method}, each the best of its kind by cross-validation: "
            f"{100 * found.mean:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f}, {p}; paired "
            "bootstrap over test examples)."
        )
    return _Scored(tuple(rows), tuple(sweep), tuple(notes))


def _majority(train: Marks, test: Marks) -> NDArray[np.intp]:
    """The type that the training pictures show most often, of each test mark's class."""
    most = {name: np.bincount(train.keypoint[train.classes == name]).argmax() for name in np.unique(train.classes)}
    return np.array([most[name] for name in test.classes], dtype=np.intp)


def _arrays(classified: Sequence[Classified], test: Marks, data: Dataset) -> dict[str, NDArray[Any]]:
    """Every test mark, and what each method says that it is."""
    return {
        "ids": np.array([example.id for example in data]),
        "groups": np.array([example.group for example in data]),
        "example": test.example.astype(np.int32),
        "classes": test.classes,
        "keypoint": test.keypoint.astype(np.int16),
        "places": test.places,
        **{f"prediction/{each.method}": each.predicted.astype(np.int16) for each in classified},
    }


def _shifts(fields: Mapping[str, ReceptiveField], placed: Mapping[str, ReceptiveField]) -> list[str]:
    """How far cells stand from the centres of their receptive fields."""
    notes = []
    for name, field in placed.items():
        stated = fields[name].centre
        if stated is not None and field.centre is not None and field.centre != stated:
            notes.append(shift_note(name, stated, field.centre))
    return notes


def _edges(classified: Sequence[Classified], options: ClassifyOptions) -> list[str]:
    """Cs at the end of what was tried."""
    ends = {min(options.cs): "least", max(options.cs): "largest"}
    if len(ends) < 2:
        return []
    return [
        f"{each.method} took C = {each.c:g}, the {ends[each.c]} that was tried: a better one may lie beyond."
        for each in classified
        if each.c in ends
    ]


@dataclass(frozen=True)
class _Shares:
    """The accuracies of some subsets: ``values (S,)``, bootstrapped ``resampled (B, S)``, over ``known (N, S)``."""

    values: Floats
    resampled: Floats
    known: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Over subsets."""
        return float(mean_known(self.values))


def accuracy_rows(method: str, right: NDArray[np.bool_], marks: Marks, bootstrap: Bootstrap) -> tuple[Row, ...]:
    """The accuracy over all classes (the mean of theirs) and of each; of a single class of every keypoint, too.

    Args:
        method: its name.
        right: ``(n,)``: whether each mark was named rightly.
        marks: of the test examples.
        bootstrap: over the examples, as many as the data set has.
    """
    names = sorted(set(marks.classes.tolist()))
    shares = _shares(right, marks, {name: marks.classes == name for name in names}, bootstrap)
    rows = [_row(method, "all", shares.mean, mean_known(shares.resampled), shares.known.any(axis=1), bootstrap)]
    rows += _each(method, names, shares, bootstrap)
    if len(names) == 1:
        types = np.unique(marks.keypoint).tolist()
        by_type = _shares(right, marks, {str(k): marks.keypoint == k for k in types}, bootstrap)
        own = [
            marks.names[k] if marks.names[k] not in ("all", names[0]) else f"{names[0]}/{marks.names[k]}" for k in types
        ]
        rows += _each(method, own, by_type, bootstrap)
    return tuple(rows)


def accuracy_difference(
    a: NDArray[np.bool_], b: NDArray[np.bool_], marks: Marks, bootstrap: Bootstrap
) -> Difference | None:
    """The paired difference ``a - b`` of two methods' accuracies, the mean of the classes: on the same resamples.

    Returns:
        None where there are fewer than two groups of examples.
    """
    subsets = {name: marks.classes == name for name in np.unique(marks.classes).tolist()}
    first, second = (_shares(right, marks, subsets, bootstrap) for right in (a, b))
    resampled = mean_known(first.resampled) - mean_known(second.resampled)
    return difference_of(first.mean - second.mean, resampled, bootstrap.count(first.known.any(axis=1)))


def _shares(
    right: NDArray[np.bool_], marks: Marks, subsets: Mapping[str, NDArray[np.bool_]], bootstrap: Bootstrap
) -> _Shares:
    n = bootstrap.weights.shape[1]
    hits, counts = (
        np.stack([np.bincount(marks.example[own], values[own], n) for own in subsets.values()], axis=1)
        for values in (right.astype(np.float64), np.ones(len(marks)))
    )
    values = hits.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    return _Shares(values, bootstrap.ratios(hits, counts), counts > 0)


def _each(method: str, names: list[str], shares: _Shares, bootstrap: Bootstrap) -> Iterator[Row]:
    for i, name in enumerate(names):
        yield _row(method, name, float(shares.values[i]), shares.resampled[:, i], shares.known[:, i], bootstrap)


def _row(method: str, subset: str, value: float, resampled: Floats, known: ArrayLike, bootstrap: Bootstrap) -> Row:
    return Row(method, ACCURACY, subset, value, interval(resampled, bootstrap.count(known)), int(np.sum(known)))
