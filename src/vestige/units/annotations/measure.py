"""Precision and groups of concepts by layer, agreement, and people's words beside labels by masks (Figs. 6 to 8)."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from vestige.contract.found import Found
from vestige.contract.plan import Plan
from vestige.contract.session import Session
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.intervals import Bootstrap, Floats, interval
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.text import count
from vestige.units.annotations.agreement import agreement
from vestige.units.annotations.answers import RELEASE_GROUPS
from vestige.units.annotations.files import ANSWERS, answers_json, cell_of
from vestige.units.annotations.pictures import example_pictures
from vestige.units.annotations.said import UnitSaid, groups_used, units_said
from vestige.units.annotations.source import Said
from vestige.units.annotations.task import ANNOTATIONS, AnnotationOptions
from vestige.units.words import singular

if TYPE_CHECKING:
    from vestige.units.dissect.run import DissectRun

METRICS: Mapping[str, Metric] = {
    "precision": Metric("precision of units for the concept that people name", shown="percent"),
    "units": Metric("units that people named", "units", lower_is_better=None),
    "units@*": Metric("units whose concept is of the group {}, shared out where people differ", "units", None),
    "majority@*": Metric("units that more than half of the people put in the group {}", "units", None),
    "alpha": Metric("Krippendorff's alpha of the groups", paper=False),
    "equal_words": Metric("share of equal words among pairs of people", shown="percent", paper=False),
    "failed": Metric("share of answers that failed the planted pictures", shown="percent", lower_is_better=True),
    "detectors": Metric("detectors by masks among the units that people named", "units", None, paper=False),
    "same_as_masks": Metric("share of answers that name the unit's label by masks", shown="percent", paper=False),
    "precision_iou": Metric("rank correlation of people's precision with the overlap of masks", paper=False),
}

METHODS: Mapping[str, Method] = {
    "people": Method("People", "orange"),
    "masks": Method("Masks (automatic)", "blue", marker="s"),
    "exchanged": Method("Labels by masks exchanged among units", "grey", "dotted", "|", trained=False, paper=False),
}

RELEASE_NOTE = (
    "The groups are those of the annotations that the authors released, which are others than the six of the paper and "
    "are not turned into them. A unit's majority is the group that more than half of its people chose; the paper's own "
    "counts of units, such as the 141 of pool5 of Places-CNN that detect objects, are not such majorities."
)


def plan_annotations(_reader: Reader, _data: Said, _options: AnnotationOptions) -> Plan:
    """No picture is read and no network opened."""
    return Plan(ANNOTATIONS.name, ())


def measure_annotations(_session: Session, data: Said, options: AnnotationOptions) -> Found:
    """What people say of units, as the task has it."""
    started = time.monotonic()
    units = units_said(data.answers, data.layers)
    if not units:
        raise VestigeError(f"{data.source}: every answer failed the planted pictures; there is nothing to measure")
    masks = None if data.dissection is None or not data.dissection.objects else data.dissection
    rows: list[Row] = []
    for layer in data.layers:
        here = [unit for unit in units if unit.layer == layer]
        rows += _rows(data, layer, here, options.seed)
        if masks is not None and here:
            rows += _rows_beside(masks, layer, here, options.seed)
    told = {"label": "Answers", "spec": data.source, "fingerprint": data.fingerprint, "n": len(data.answers)}
    told |= {"counted": "answers", "skipped": 0, "problems": []}
    run = data.dissection
    return Found(
        task=ANNOTATIONS,
        options=(options,),
        config={
            "metric": "precision",
            "dissection": "" if run is None else run.name,
            "groups": list(groups_used(data.answers)),
        },
        data={**({} if run is None else {"test": run.results.data["test"]}), "answers": told},
        backbone={**({} if run is None else run.results.backbone), "layer": ", ".join(data.layers)},
        rows=tuple(rows),
        arrays=_arrays(units, data.layers, masks) | _pictures(data, units),
        metrics=METRICS,
        methods=METHODS,
        extraction=None,
        seconds=time.monotonic() - started,
        notes=tuple(_notes(data, units)),
        texts={ANSWERS: answers_json(data.answers), "units.csv": _units_csv(units, masks)},
    )


def _rows(data: Said, layer: str, units: Sequence[UnitSaid], seed: int) -> Iterator[Row]:
    """What people say of a layer's units; intervals are over units."""
    answers = [answer for answer in data.answers if answer.layer == layer]
    tested = [answer.passed for answer in answers if answer.planted]
    if tested:
        yield Row("people", "failed", layer, 1 - sum(tested) / len(tested), None, len(tested))
    n = len(units)
    yield Row("people", "units", layer, float(n), None, n)
    if not n:
        return
    bootstrap = Bootstrap.draw(range(n), seed)
    precision = np.array([unit.precision for unit in units])
    yield Row("people", "precision", layer, float(precision.mean()), bootstrap.interval_of_mean(precision), n)
    for group in groups_used(data.answers):
        shares = np.array([unit.share(group) for unit in units])
        yield _counted(f"units@{group}", layer, shares, bootstrap)
        yield _counted(f"majority@{group}", layer, np.array([float(unit.group == group) for unit in units]), bootstrap)
    agreed = agreement({(unit.layer, unit.unit): unit.answers for unit in units}, seed)
    if agreed.alpha is not None:
        yield Row("people", "alpha", layer, agreed.alpha, agreed.alpha_ci95, agreed.units)
    if agreed.words is not None:
        yield Row("people", "equal_words", layer, agreed.words, agreed.words_ci95, agreed.units)


def _counted(metric: str, layer: str, each: Floats, bootstrap: Bootstrap) -> Row:
    """A number of units, of what each of them counts for."""
    n = len(each)
    ends = bootstrap.interval_of_mean(each)
    return Row("people", metric, layer, float(each.sum()), ends and (n * ends[0], n * ends[1]), n)


def _rows_beside(run: DissectRun, layer: str, units: Sequence[UnitSaid], seed: int) -> Iterator[Row]:
    """What masks say of the units that people named, and how far the two agree."""
    n, numbers = len(units), [unit.unit for unit in units]
    bootstrap = Bootstrap.draw(range(n), seed)
    if judged(run):
        yield Row("masks", "detectors", layer, float(run.of(layer, "detector")[numbers].sum()), None, n)
    same = same_words(units, [run.object_of(layer, unit) for unit in numbers])
    own = np.diagonal(same)
    yield Row("people", "same_as_masks", layer, float(own.mean()), bootstrap.interval_of_mean(own), n)
    if n > 1:
        others = (same.sum(axis=1) - own) / (n - 1)
        yield Row("exchanged", "same_as_masks", layer, float(others.mean()), bootstrap.interval_of_mean(others), n)
    precision = np.array([unit.precision for unit in units])
    found = _rank_correlation(precision, run.of(layer, "iou")[numbers].astype(np.float64), bootstrap)
    if found is not None:
        yield Row("people", "precision_iou", layer, *found, n)


def judged(run: DissectRun) -> bool:
    """Whether a dissection measured chance, and so tells detectors."""
    return str(run.results.config["metric"]) == "detectors"


def same_words(units: Sequence[UnitSaid], labels: Sequence[str]) -> Floats:
    """``(U, L)``: the share of each unit's answers whose words are each label, but for capitals and number."""
    names = [singular(label) for label in labels]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    shares = np.zeros((len(units), len(numbers)))
    for row, unit in zip(shares, units, strict=True):
        for answer in unit.answers:
            if (number := numbers.get(singular(answer.concept))) is not None:
                row[number] += 1 / len(unit.answers)
    found: Floats = shares[:, [numbers[name] for name in names]]
    return found


_DRAWS = 500  # of the intervals of rank correlations


def _rank_correlation(a: Floats, b: Floats, bootstrap: Bootstrap) -> tuple[float, tuple[float, float] | None] | None:
    """Spearman's correlation of two numbers of each unit ``(U,)``, with its interval; None where one is constant."""
    if len(a) < 3 or not (np.ptp(a) and np.ptp(b)):
        return None
    resampled = []
    for weights in bootstrap.weights[:_DRAWS]:
        rows = np.repeat(np.arange(len(a)), weights.astype(int))
        if np.ptp(a[rows]) and np.ptp(b[rows]):
            resampled.append(float(spearmanr(a[rows], b[rows]).statistic))
    return float(spearmanr(a, b).statistic), interval(np.array(resampled), len(a))


def _arrays(units: Sequence[UnitSaid], layers: Sequence[str], masks: DissectRun | None) -> dict[str, NDArray[Any]]:
    """Of each unit what people say, and what masks do."""
    found = {
        "layers": np.array(layers, dtype=np.str_),
        "unit_layers": np.array([layers.index(unit.layer) for unit in units], np.int64),
        "units": np.array([unit.unit for unit in units], np.int64),
    }
    if masks is not None:
        of = [(unit.layer, unit.unit) for unit in units]
        found |= {
            "objects": np.array([masks.object_of(*each) for each in of], dtype=np.str_),
            "iou": np.array([masks.of(layer, "iou")[unit] for layer, unit in of], np.float32),
        }
        if judged(masks):
            found["detector"] = np.array([masks.of(layer, "detector")[unit] for layer, unit in of], bool)
    return found


def _pictures(data: Said, units: Sequence[UnitSaid]) -> dict[str, NDArray[Any]]:
    if data.dissection is None or data.folder is None:
        return {}
    return example_pictures(data.dissection, data.folder, units, data.layers)


def _units_csv(units: Sequence[UnitSaid], masks: DissectRun | None) -> str:
    """A line a unit: what people say, then what masks do."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    people = ("layer", "unit", "concept", "group", "precision", "answers", "equal_words")
    writer.writerow([*people, *(() if masks is None else ("object_by_masks", "iou", "detector"))])
    for unit in units:
        words = "" if unit.equal_words is None else f"{unit.equal_words:.6g}"
        line = [
            unit.layer,
            unit.unit,
            cell_of(unit.concept),
            unit.group,
            f"{unit.precision:.6g}",
            len(unit.answers),
            words,
        ]
        if masks is not None:
            detector = str(bool(masks.of(unit.layer, "detector")[unit.unit])).lower() if judged(masks) else ""
            line += [masks.object_of(unit.layer, unit.unit), f"{masks.of(unit.layer, 'iou')[unit.unit]:.6g}", detector]
        writer.writerow(line)
    return stream.getvalue()


def _notes(data: Said, units: Sequence[UnitSaid]) -> Iterator[str]:
    failed = [answer for answer in data.answers if not answer.passed]
    if failed:
        yield (
            f"{len(failed):,} of {count(len(data.answers), 'answer')} left a planted picture unmarked: they are in "
            "no other number than the share that failed."
        )
    alone = sum(len(unit.answers) == 1 for unit in units)
    if alone:
        yield f"Of {alone:,} of {count(len(units), 'unit')} there is one answer alone, which says nothing of agreement."
    if set(groups_used(data.answers)) & set(RELEASE_GROUPS):
        yield RELEASE_NOTE
    yield (
        "Precision: the share of a unit's own top pictures that fit the concept; planted pictures are not counted. Of "
        "several answers on a unit the mean. Intervals: bootstrap over units."
    )
