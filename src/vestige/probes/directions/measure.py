"""Moving faces along directions of representation space and regressing back to RGB (section 4, Fig. 6)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Evaluation, Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.features.reader import Reader
from vestige.features.store import Features
from vestige.files import write_json
from vestige.intervals import Bootstrap, Floats
from vestige.methods import PROBES
from vestige.metrics import Metric
from vestige.probes.attributes.measure import Attributes, attributes_of
from vestige.probes.directions.directions import (
    Direction,
    Effects,
    attribute_directions,
    change_matrix,
    effect_rows,
    lambda_range,
    pictures_along,
    reencoded_readings,
)
from vestige.probes.directions.task import DIRECTIONS, DirectionOptions, FaceOptions
from vestige.probes.engine.codec import rows_of_scores
from vestige.probes.engine.evaluate_vectors import small_pictures
from vestige.probes.engine.fit import FOLDS, ChosenRows, Fit, Stored, describe_fits, fit_probe
from vestige.probes.engine.layer_bench import Swept
from vestige.probes.engine.layer_probe import decoded_bench
from vestige.probes.engine.linear import LinearProbe, save_probes
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_probe import Fitted, VectorBench, vector_bench
from vestige.probes.engine.views import fold_labels
from vestige.probes.pixels.measure import Pixelwise
from vestige.progress import Say
from vestige.results import Row
from vestige.scores import interval_notes
from vestige.spelling import spelled
from vestige.text import count

_FILE = "directions.json"


METRICS: Mapping[str, Metric] = {
    f"{name}{ending}": Metric(f"{name}{said}", "standard deviations", lower_is_better=None, paper=False)
    for name in ("change", "leak")
    for ending, said in (("", ""), ("_other_half", ", read by the other half"), ("_reencoded", ", encoded again"))
}
"""How much moving changes the reading of the attribute itself, and of others."""


@dataclass(frozen=True)
class SavedDirections:
    """What the folder of a run of directions holds.

    Attributes:
        made_of: the attributes, as their codec says them.
        attributes: their regressors.
        directions: D of them.
    """

    made_of: Mapping[str, Any]
    attributes: LinearProbe
    directions: tuple[Direction, ...]

    def save(self, folder: Path) -> None:
        """Write the attributes' regressors, and the directions as probes without intercept."""
        source = self.attributes.source
        units = np.stack([direction.unit for direction in self.directions]).astype(np.float32)
        along = LinearProbe(source, units, np.zeros(len(units)), self.attributes.normalise)
        saved = save_probes(folder, "directions", {"attributes": self.attributes, "directions": along})
        described = [{**asdict(d), "unit": None} for d in self.directions]
        document = {"made_of": dict(self.made_of), "directions": described, "probes": saved}
        write_json(folder / _FILE, document, overwrite=True)


def check_directions(data: tuple[Dataset, Dataset], options: DirectionOptions, seen: FaceOptions) -> None:
    """Refuse data without the attributes that are moved."""
    codec, _ = attributes_of(data[0], named_attributes(options), **asdict(seen))
    _check(codec, *data, options)


def measure_directions(
    session: Session, data: tuple[Dataset, Dataset], options: DirectionOptions, seen: FaceOptions
) -> Found:
    """:func:`probe_directions` on the attributes that are moved, as the task has it."""
    train, test = data
    codec, notes = attributes_of(train, named_attributes(options), **asdict(seen))
    return probe_directions(codec, train, test, options, session, notes)


def probe_directions(
    codec: Attributes,
    train: Dataset,
    test: Dataset,
    options: DirectionOptions = DirectionOptions(),
    session: Session | None = None,
    notes: Sequence[str] = (),
) -> Found:
    """Fit attributes and colours on one representation, move test faces along the attributes and look.

    Args:
        codec: of the attributes.
        train: examples of them.
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.
        notes: what a reader of the numbers must know, for the run to keep.

    Raises:
        VestigeError: where an option does not fit, the data lack attributes, or a regressor has no direction.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    reader, say = session.reader, session.say
    colours = Pixelwise(options.size)
    _check(codec, train, test, options)
    options = replace(options, moved=options.moved or codec.names)
    options = replace(options, layers=reader.backbone(options.backbone).select(options.layers))
    reads = reader.reads(options.backbone, options.layers, options.readouts)
    probing = VectorOptions(options.backbone, options.layers, rgb_size=options.size, seed=options.seed)
    bench = decoded_bench(partial(vector_bench, codec), train, test, probing, session)
    say(f"{options.backbone}: attributes from {count(len(reads), 'layer')}")
    ((best, sweep),) = bench.sweeps([Swept(options.backbone, reads, "ridge")])
    say(f"colours from {best.source.layer}")
    regressors = _fit_colours(bench, best, colours, options)
    say("directions")
    evaluation, directions = _measure(regressors, reader, say)
    return Found(
        task=DIRECTIONS,
        options=(options,),
        config={"made_of": codec.to_json(), "metric": "change_other_half"},
        data={"train": bench.train, "test": bench.test},
        backbone=best.source.to_json(best.read.size),
        rows=evaluation.rows,
        arrays=evaluation.arrays,
        metrics={**METRICS, **codec.metrics, **Pixelwise.metrics},
        methods=PROBES,
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(sweep),
        notes=(*notes, *_notes(options), *evaluation.notes),
        ridge=describe_fits([best.fit, regressors.colour_fit]),
        fitted=SavedDirections(codec.to_json(), best.fit.probe, directions),
    )


def named_attributes(options: DirectionOptions) -> tuple[str, ...]:
    """The attributes that are read; () for all."""
    return (*options.moved, *options.orthogonal_to) if options.moved else ()


def _check(codec: Attributes, train: Dataset, test: Dataset, options: DirectionOptions) -> None:
    for name in (*options.moved, *options.orthogonal_to):
        if name not in codec.names:
            raise VestigeError(f"attribute {name}: is not among those read; {choice(name, codec.names)}")
    codec.check(train)
    codec.check(test)


def _notes(options: DirectionOptions) -> tuple[str, ...]:
    """What the numbers mean."""
    about = (
        "change and leak are in standard deviations of the reading over the test faces, from one end of the range of "
        "lambda to the other. With the regressors that the directions come from they are linear in lambda by "
        "construction. Those of _other_half are read by regressors of other people than the directions come from."
    )
    again = (
        " Those of _reencoded are read from the reconstructions, after these went through the network again: pictures "
        "more blurred than any that it was trained on."
    )
    return (about + (again if options.reencoded else ""),)


@dataclass(frozen=True)
class _Regressors:
    """All that directions are made from and measured with."""

    bench: VectorBench
    best: Fitted
    train: Features
    test: Features
    colours: Pixelwise
    colour_fit: Fit
    options: DirectionOptions

    @property
    def codec(self) -> Attributes:
        """Of the attributes."""
        assert isinstance(self.bench.target, Attributes)
        return self.bench.target

    def directions(self, probe: LinearProbe, features: Stored, n: int) -> tuple[Direction, ...]:
        """The directions of a probe's coefficients, their ranges from the features that it was trained on."""
        options = self.options
        try:
            found = attribute_directions(probe.coef, self.codec.names, options.moved, options.orthogonal_to)
        except ValueError as error:
            raise VestigeError(f"{spelled('moved')} {error}; give more training data, or leave it out") from error
        along = project(found, probe, features, n)
        ranges = [lambda_range(along[:, k], options.quantile, options.stretch) for k in range(len(found))]
        return tuple(replace(d, low=low, high=high) for d, (low, high) in zip(found, ranges, strict=True))


def _fit_colours(bench: VectorBench, best: Fitted, colours: Pixelwise, options: DirectionOptions) -> _Regressors:
    backbone = options.backbone
    (train,) = bench.reader.features(backbone, bench.train_views.crops(), [best.read])
    (test,) = bench.reader.features(backbone, bench.test_views.crops(), [best.read])
    values = colours.encode(bench.train_views).values
    return _Regressors(
        bench, best, train, test, colours, fit_probe(train, best.source, values, None, bench.folds), options
    )


def project(directions: Sequence[Direction], probe: LinearProbe, features: Stored, n: int) -> Floats:
    """Projections of features ``(n, d)`` on directions, normalised first where the probe does: ``(n, D)``."""
    units = np.stack([direction.unit for direction in directions]).astype(np.float32)
    return LinearProbe(probe.source, units, np.zeros(len(units)), probe.normalise).predict(features, n)


@dataclass(frozen=True)
class _Moved:
    """The N test faces on D directions.

    Attributes:
        directions: D of them.
        along: ``(N, D)`` projections.
        readings: ``(N, t)`` of the attributes.
        bases: ``(N, c)`` reconstructions in c colour values.
        changes: ``(D, c)``: how a reconstruction changes by a step of 1 along a direction.
        faces: ``(K,)``: the test faces that are read again.
    """

    directions: tuple[Direction, ...]
    along: Floats
    readings: Floats
    bases: NDArray[np.float32]
    changes: NDArray[np.float32]
    faces: NDArray[np.intp]


def _measure(regressors: _Regressors, reader: Reader, say: Say) -> tuple[Evaluation, tuple[Direction, ...]]:
    """Rows and arrays, and the directions."""
    n, probe, rgb = len(regressors.bench.test_views), regressors.best.fit.probe, regressors.colour_fit.probe
    directions = regressors.directions(probe, regressors.train, len(regressors.bench.train_views))
    units = np.stack([direction.unit for direction in directions])
    moved = _Moved(
        directions,
        project(directions, probe, regressors.test, n),
        probe.predict(regressors.test, n),
        rgb.predict(regressors.test, n).astype(np.float32),
        (units @ rgb.coef.T.astype(np.float64)).astype(np.float32),
        np.unique(np.linspace(0, n - 1, min(regressors.options.reencoded, n)).round().astype(np.intp)),
    )
    say("directions of each half of the people, read by the other's regressors")
    other_half = _across_halves(regressors)
    say(f"{len(moved.faces)} moved faces through the network again")
    own = change_matrix(directions, probe.coef, _spread(moved.readings))
    effects = Effects(own, other_half, _read_again(regressors, moved, reader))
    notes = interval_notes(regressors.bench.test_views.examples)
    return Evaluation(tuple(_rows(regressors, moved, effects)), _arrays(regressors, moved, effects), notes), directions


def _across_halves(regressors: _Regressors) -> Floats:
    """Directions of each half of the training groups, read by the other half's regressors, ``(D, t)``: the mean."""
    bench = regressors.bench
    groups = np.array([example.group for example in bench.train_views.examples])
    halves = fold_labels(groups.tolist(), 2, regressors.options.seed + 1)[bench.train_views.rows]
    probes, found = [], []
    for half in (0, 1):
        rows = np.flatnonzero(halves == half)
        encoded, features = bench.encoded.of(rows), ChosenRows(regressors.train, rows)
        try:
            folds = fold_labels(groups[bench.train_views.rows[rows]].tolist(), FOLDS, regressors.options.seed)
        except ValueError as error:
            raise VestigeError(f"half of the training people: {error}; directions need at least 8 people") from error
        fit = fit_probe(features, regressors.best.source, encoded.values, encoded.known, folds)
        probes.append(fit.probe)
        found.append(regressors.directions(fit.probe, features, len(rows)))
    n = len(bench.test_views)
    spreads = [_spread(probe.predict(regressors.test, n)) for probe in probes]
    mean: Floats = np.mean([change_matrix(found[h], probes[1 - h].coef, spreads[1 - h]) for h in (0, 1)], axis=0)
    return mean


def _spread(readings: Floats) -> Floats:
    """The standard deviation ``(t,)`` of readings ``(N, t)``; NaN where they are all the same."""
    deviations = readings.std(axis=0)
    return np.where(deviations > 0, deviations, np.nan)


def _read_again(regressors: _Regressors, moved: _Moved, reader: Reader) -> Floats:
    """``reencoded`` of :class:`Effects`."""
    options = regressors.options
    shape = (len(moved.faces), len(moved.directions), options.steps, len(regressors.codec.names))
    if not len(moved.faces):
        return np.zeros(shape)
    bases, along = moved.bases[moved.faces], moved.along[moved.faces]
    pictures = list(pictures_along(moved.directions, bases, along, moved.changes, options.steps, options.size))
    again = reencoded_readings(pictures, regressors.best.fit.probe, reader).reshape(shape)
    standard: Floats = (again - moved.readings.mean(axis=0)) / _spread(moved.readings)
    return standard


def _rows(regressors: _Regressors, moved: _Moved, effects: Effects) -> list[Row]:
    bench, codec = regressors.bench, regressors.codec
    colour_truth = regressors.colours.truth(bench.test_views)
    again = Bootstrap.of([bench.test_views.examples[face] for face in moved.faces], regressors.options.seed)
    return [
        *effect_rows(moved.directions, codec.names, effects, len(moved.readings), again),
        *rows_of_scores("ridge", codec.scores(moved.readings.astype(np.float32), bench.truth, bench.bootstrap)),
        *rows_of_scores("ridge", regressors.colours.scores(moved.bases, colour_truth, bench.bootstrap, brief=True)),
    ]


def _arrays(regressors: _Regressors, moved: _Moved, effects: Effects) -> dict[str, NDArray[Any]]:
    """What ``examples.npz`` keeps: enough to draw every step of the faces that are shown."""
    views, options = regressors.bench.test_views, regressors.options
    shown = _shown(moved.along, options.faces)
    rows = np.unique(shown)
    return {
        "ids": np.array([example.id for example in views.examples]),
        "crops": views.boxes,
        "attributes": np.array(regressors.codec.names),
        "truth": regressors.bench.truth.astype(np.float32),
        "readings": moved.readings.astype(np.float32),
        "directions": np.array([direction.name for direction in moved.directions]),
        "direction_attributes": np.array([direction.attribute for direction in moved.directions]),
        "direction_methods": np.array([direction.method for direction in moved.directions]),
        "lambdas": np.stack([direction.steps(options.steps) for direction in moved.directions]),
        "projections": moved.along,
        "changes": moved.changes,
        "shown": shown,
        "reconstructions": moved.bases[rows],
        "effect/own": effects.own,
        "effect/other_half": effects.other_half,
        "effect/reencoded": effects.reencoded.astype(np.float32),
        "label_correlations": _correlations(regressors.codec.truth(regressors.bench.train_views)),
        **small_pictures(views.examples, views, rows),
    }


def _shown(along: Floats, n: int) -> NDArray[np.intp]:
    """``(D, n)``: for each direction, test faces at even steps of rank along it, but for a twentieth at either end."""
    order = np.argsort(along, axis=0, kind="stable")
    ranks = np.linspace(0.05, 0.95, n) if n > 1 else np.array([0.5])
    found: NDArray[np.intp] = order[(ranks * (len(along) - 1)).round().astype(np.intp)].T
    return found


def _correlations(values: Floats) -> Floats:
    """Correlations of attributes' values ``(N, t)`` over the examples that have both, ``(t, t)``; NaN where none."""
    t = values.shape[1]
    found = np.full((t, t), np.nan)
    for a in range(t):
        for c in range(t):
            both = values[np.isfinite(values[:, [a, c]]).all(axis=1)][:, [a, c]]
            if len(both) and (np.ptp(both, axis=0) > 0).all():
                found[a, c] = np.corrcoef(both[:, 0], both[:, 1])[0, 1]
    return found
