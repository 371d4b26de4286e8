"""Units per object beside how frequent, and how informative, objects are (section 4.1, Fig. 9)."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Found
from vestige.contract.plan import Plan, Work, plan_of_data
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.features.reader import Reader
from vestige.intervals import RESAMPLES, Bootstrap, Floats, interval
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.spelling import spelled
from vestige.text import count, listed
from vestige.units.annotations.answers import GROUPS, RELEASE_GROUPS
from vestige.units.dissected import network_of
from vestige.units.emerge.correlations import centred, correlations, resampled_units
from vestige.units.emerge.meanings import Meant, meanings, plain, words_csv
from vestige.units.emerge.naming import NamedUnit, named_units, units_csv
from vestige.units.emerge.scenes import area_under_roc, zipf_exponent
from vestige.units.emerge.showing import shown_units
from vestige.units.emerge.task import EMERGE, EmergeOptions
from vestige.units.emerge.world import LEAST_OBJECTS, Informative, World
from vestige.units.labels import Labels

METRICS: Mapping[str, Metric] = {
    "pearson": Metric("correlation over all objects", lower_is_better=None),
    "pearson@*": Metric("correlation over the {} most frequent objects", lower_is_better=None),
    "spearman": Metric("rank correlation over all objects", lower_is_better=None, paper=False),
    "spearman@*": Metric("rank correlation over the {} most frequent objects", lower_is_better=None, paper=False),
    "units": Metric("units that count for an object", "units", lower_is_better=None),
    "objects": Metric("distinct objects of units", "objects", lower_is_better=None),
    "zipf": Metric("exponent of Zipf's law", lower_is_better=None, paper=False),
    "deciding_scenes": Metric(
        "scenes whose most informative object decides them", lower_is_better=False, shown="percent", paper=False
    ),
    "deciding_objects": Metric("objects that decide scenes", lower_is_better=None, shown="percent", paper=False),
    "deciding_units": Metric("units of objects that decide scenes", lower_is_better=None, shown="percent", paper=False),
    "deciding_roc": Metric("objects that decide scenes told from others, ROC area", paper=False),
}
"""What is measured; the last four where it is known which objects decide scenes."""

METHODS: Mapping[str, Method] = {
    "frequency": Method("Frequency", "ochre", "dashed", "s"),
    "informativeness": Method("Times most informative", "blue"),
    "gain": Method("Gain in average precision", "purple", "dashed", "D", paper=False),
    "frequency_given": Method("Frequency, times most informative held fixed", "ochre", "dotted", "s", paper=False),
    "informativeness_given": Method("Times most informative, frequency held fixed", "blue", "dotted", paper=False),
    "frequency_given_gain": Method("Frequency, gain held fixed", "ochre", "dashdot", "s", paper=False),
    "gain_given": Method("Gain in average precision, frequency held fixed", "purple", "dotted", "D", paper=False),
    "between": Method("Frequency with times most informative", "grey", "dashdot", "^", trained=False, paper=False),
    "between_gain": Method("Frequency with gain", "grey", "dotted", "v", trained=False, paper=False),
    "units": Method("Units", "green"),
    "data": Method("Data", "grey", trained=False),
}
"""What units per object are correlated with; the units, and the data, by themselves."""

OBJECT_GROUPS = ("object", "object (release)")
"""Groups of people's concepts that count where none is named."""

Arrays = dict[str, NDArray[Any]]


def check_emerge(data: tuple[Labels, Dataset], options: EmergeOptions) -> None:
    """Refuse layers and groups that there are not, data without scenes or objects, and words that mean nothing.

    Raises:
        VestigeError: naming the option or the data set.
    """
    labels, pictures = data
    _layers(labels, options)
    _groups(labels, options)
    World.of(pictures, options)


def plan_emerge(reader: Reader, data: tuple[Labels, Dataset], options: EmergeOptions) -> Plan:
    """Resamples; no picture but some that are shown goes through the network.

    Raises:
        VestigeError: where another network than the run's is given.
    """
    labels, pictures = data
    if labels.dissection is not None and options.backbone:
        network_of(labels.dissection, options.backbone, reader)
    plan = plan_of_data(EMERGE.name, reader, pictures)
    return replace(plan, passes=0, work=(Work("resamples", RESAMPLES),), uncounted="pictures of units")


def measure_emerge(session: Session, data: tuple[Labels, Dataset], options: EmergeOptions) -> Found:
    """Which objects emerge, as the task has it."""
    started = time.monotonic()
    labels, pictures = data
    layers, world = _layers(labels, options), World.of(pictures, options)
    found = meanings(
        (each.object for layer in layers for each in labels.of_layer(layer)),
        (*world.objects, *world.rare),
        world.given,
    )
    least = options.least_iou if labels.source == "masks" else options.least_precision
    groups = _groups(labels, options)
    units = {layer: named_units(labels, layer, found, world.objects, groups, least) for layer in layers}
    session.say(f"how well {count(len(world.objects), 'object')} tell {count(len(world.scenes), 'scene')}")
    informative = Informative.of(world, options, session)
    rows, sweep = [], []
    for layer, named in units.items():
        own, resampled = _rows(layer, named, world, informative, options)
        rows += own
        sweep += resampled
    rows += _data_rows(world, informative)
    shown, missing = shown_units(session, labels, pictures, units, options)
    said = _said_of(labels, units)
    return Found(
        task=EMERGE,
        options=(replace(options, layers=layers),),
        config={"metric": "pearson", "labels": labels.name, "source": labels.source, "counted_groups": list(groups)},
        data={"test": pictures},
        backbone={**labels.backbone, "layer": ", ".join(layers)},
        rows=tuple(rows),
        sweep=tuple(sweep),
        arrays={**_arrays(world, informative, units, found, said), **shown},
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=(*_notes(labels, world, units, found, said), *missing),
        texts={
            "words.csv": words_csv(found, said),
            "units.csv": units_csv(each for named in units.values() for each in named),
            "objects.csv": _objects_csv(world, informative, units),
            "scenes.csv": _scenes_csv(world, informative),
        },
    )


def _layers(labels: Labels, options: EmergeOptions) -> tuple[str, ...]:
    """The layers asked for, in the run's order.

    Raises:
        VestigeError: where the run has none of a name.
    """
    for name in options.layers:
        if name not in labels.units:
            told = f"{spelled('layers', name)}: the run {labels.name} has no such layer"
            raise VestigeError(f"{told}; {choice(name, labels.units)}")
    return tuple(name for name in labels.units if name in options.layers) or tuple(labels.units)[-1:]


def _groups(labels: Labels, options: EmergeOptions) -> tuple[str, ...]:
    """The groups that count; () where masks gave the labels.

    Raises:
        VestigeError: where there is none of a name, or there are no groups.
    """
    if labels.source == "masks":
        if options.groups:
            raise VestigeError(
                f"{spelled('groups', options.groups[0])}: the run {labels.name} has labels from masks, which are in no "
                "groups; leave it out"
            )
        return ()
    for name in options.groups:
        if name not in (*GROUPS, *RELEASE_GROUPS):
            raise VestigeError(f"{spelled('groups', name)}: {choice(name, (*GROUPS, *RELEASE_GROUPS))}")
    return options.groups or OBJECT_GROUPS


def _said_of(labels: Labels, units: Mapping[str, Sequence[NamedUnit]]) -> Counter[str]:
    """Of how many units each word is said, by its plain form: of those that count for an object, or would if there were
    one."""
    asked = {(each.layer, each.unit) for named in units.values() for each in named if each.why != "group"}
    return Counter(
        word
        for unit, word in {((each.layer, each.unit), plain(each.object)) for each in labels.labels}
        if unit in asked
    )


def _members(named: Sequence[NamedUnit], world: World) -> Floats:
    """``(C, O)``: 1 where a unit counts for an object."""
    place = {name: k for k, name in enumerate(world.objects)}
    found = np.zeros((len(named), len(world.objects)))
    for row, each in enumerate(named):
        if not each.why:
            found[row, place[each.object]] = 1
    return found


@dataclass(frozen=True)
class _Drawn:
    """What is correlated, ``(O,)`` or over resamples ``(B, O)``, and how many units or groups of pictures are drawn."""

    units: Floats
    frequency: Floats
    times_best: Floats
    gain: Floats
    groups: int

    def correlations(self, first: int, *, ranked: bool) -> dict[str, Floats]:
        """Over the first objects."""
        over = (each[..., :first] for each in (self.units, self.frequency, self.times_best, self.gain))
        return correlations(*over, ranked=ranked)


def _rows(
    layer: str, named: Sequence[NamedUnit], world: World, informative: Informative, options: EmergeOptions
) -> tuple[list[Row], list[Row]]:
    """A layer's numbers, with intervals over units and pictures together; for the sweep, over either alone."""
    counts = _members(named, world).sum(axis=0)
    often = resampled_units(counts, max(1, len(named)), RESAMPLES, options.seed + 1)
    here = _Drawn(counts, world.annotated.frequency, informative.best.sum(axis=0), informative.gain, 0)
    pictures = _Drawn(
        np.broadcast_to(counts, often.shape),
        informative.frequencies,
        informative.times_best,
        informative.gains,
        informative.groups,
    )
    frequency, times_best, gain = (
        np.broadcast_to(each, often.shape) for each in (here.frequency, here.times_best, here.gain)
    )
    ways = {
        "": replace(pictures, units=often, groups=min(len(named), informative.groups)),
        ": over units": _Drawn(often, frequency, times_best, gain, len(named)),
        ": over pictures": pictures,
    }
    rows: list[Row] = []
    sweep: list[Row] = []
    for metric, ranked, first in _scopes(world, options):
        values = here.correlations(first, ranked=ranked)
        for way, drawn in ways.items():
            spread = drawn.correlations(first, ranked=ranked)
            (sweep if way else rows).extend(
                Row(
                    method,
                    metric,
                    f"{layer}{way}",
                    float(value),
                    interval(centred(spread[method], float(value)), drawn.groups),
                    first,
                )
                for method, value in values.items()
                if np.isfinite(value)
            )
    n = int(counts.sum())
    rows.append(Row("units", "units", layer, float(n), interval(often.sum(axis=1), len(named)), len(named)))
    rows.append(Row("units", "objects", layer, float((counts > 0).sum()), None, len(named)))
    if (decides := world.decides) is not None and n:
        of_units = np.repeat(decides, counts.astype(np.intp))
        ci95 = Bootstrap.draw(range(n), options.seed + 1).interval_of_mean(of_units)
        rows.append(Row("units", "deciding_units", layer, float(of_units.mean()), ci95, n))
        if not decides.all() and decides.any():
            rows.append(Row("units", "deciding_roc", layer, float(area_under_roc(counts, decides)), None, len(decides)))
    return rows, sweep


def _scopes(world: World, options: EmergeOptions) -> Iterator[tuple[str, bool, int]]:
    """The correlations' metrics: whether of ranks, and over how many objects, the most frequent first."""
    for name, ranked in (("pearson", False), ("spearman", True)):
        if LEAST_OBJECTS <= options.top < len(world.objects):
            yield f"{name}@{options.top}", ranked, options.top
        yield name, ranked, len(world.objects)


def _data_rows(world: World, informative: Informative) -> Iterator[Row]:
    """What is measured of the data alone."""
    n, frequency = len(world.examples), world.annotated.frequency
    spread = interval(zipf_exponent(informative.frequencies), informative.groups)
    yield Row("data", "zipf", "all", float(zipf_exponent(frequency)), spread, n)
    if world.deciding is None or (decides := world.decides) is None:
        return
    right = (informative.best * world.deciding).sum(axis=1)
    spread = interval(informative.right, informative.groups)
    yield Row("data", "deciding_scenes", "all", float(right.mean()), spread, n)
    yield Row("data", "deciding_objects", "all", float(decides.mean()), None, len(decides))
    if decides.all() or not decides.any():
        return
    for method, value, resampled in (
        ("frequency", frequency, informative.frequencies),
        ("informativeness", informative.best.sum(axis=0), informative.times_best),
        ("gain", informative.gain, informative.gains),
    ):
        area = float(area_under_roc(value, decides))
        spread = interval(area_under_roc(resampled, decides), informative.groups)
        yield Row(method, "deciding_roc", "all", area, spread, len(decides))


def _arrays(
    world: World,
    informative: Informative,
    units: Mapping[str, Sequence[NamedUnit]],
    found: Mapping[str, Meant],
    said: Mapping[str, int],
) -> Arrays:
    arrays: Arrays = {
        "objects": np.array(world.objects),
        "instances": world.annotated.frequency.astype(np.int64),
        "object_pictures": (world.annotated.instances > 0).sum(axis=0),
        "scenes": np.array(world.scenes),
        "scene_pictures": np.bincount(world.annotated.scenes + 1, minlength=len(world.scenes) + 1)[1:],
        "precision": informative.precision.astype(np.float32),
        "chance": informative.chance.astype(np.float32),
        "best": informative.best.astype(np.float32),
        "layers": np.array(list(units)),
        "words": np.array(list(found), dtype=np.str_),
        "meant": np.array([each.object for each in found.values()], dtype=np.str_),
        "meant_by": np.array([each.by for each in found.values()], dtype=np.str_),
        "near": np.array(["; ".join(each.near) for each in found.values()], dtype=np.str_),
        "said": np.array([said[word] for word in found], np.int64),
    }
    if world.deciding is not None:
        arrays["deciding"] = world.deciding
    for layer, named in units.items():
        arrays[f"{layer}/units"] = _members(named, world).sum(axis=0).astype(np.int64)
    return arrays


def _objects_csv(world: World, informative: Informative, units: Mapping[str, Sequence[NamedUnit]]) -> str:
    """A line an object, the most frequent first."""
    first = informative.best
    columns: dict[str, Sequence[Any]] = {
        "object": world.objects,
        "instances": world.annotated.frequency.astype(int).tolist(),
        "pictures": (world.annotated.instances > 0).sum(axis=0).tolist(),
        **{
            f"units of {layer}": _members(each, world).sum(axis=0).astype(int).tolist() for layer, each in units.items()
        },
        "times_most_informative": [f"{value:g}" for value in first.sum(axis=0)],
        "gain": [f"{value:.5f}" for value in informative.gain],
        "of_scenes": ["; ".join(world.scenes[s] for s in np.flatnonzero(first[:, k])) for k in range(first.shape[1])],
    }
    if world.deciding is not None:
        columns["decides"] = [
            "; ".join(world.scenes[s] for s in np.flatnonzero(world.deciding[:, k])) for k in range(first.shape[1])
        ]
    return _csv(columns)


def _scenes_csv(world: World, informative: Informative) -> str:
    """A line a scene: its most informative objects."""
    columns: dict[str, list[Any]] = {name: [] for name in ("scene", "pictures", "chance")}
    for place in ("first", "second", "third"):
        columns |= {f"{place}_object": [], f"{place}_average_precision": []}
    if world.deciding is not None:
        columns["decided_by"] = []
    for s, scene in enumerate(world.scenes):
        columns["scene"].append(scene)
        columns["pictures"].append(int((world.annotated.scenes == s).sum()))
        columns["chance"].append(f"{informative.chance[s]:.4f}")
        order = np.argsort(-informative.precision[s], kind="stable")
        for place, k in zip(("first", "second", "third"), order.tolist(), strict=False):
            columns[f"{place}_object"].append(world.objects[k])
            columns[f"{place}_average_precision"].append(f"{informative.precision[s, k]:.4f}")
        if world.deciding is not None:
            columns["decided_by"].append("; ".join(world.objects[k] for k in np.flatnonzero(world.deciding[s])))
    return _csv(columns)


def _csv(columns: Mapping[str, Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue()


def _notes(
    labels: Labels,
    world: World,
    units: Mapping[str, Sequence[NamedUnit]],
    found: Mapping[str, Meant],
    said: Counter[str],
) -> Iterator[str]:
    n = len(world.examples)
    yield f"{count(n, 'picture')} with a scene and objects."
    if world.renamed:
        merged = [f"{name} as {thing}" for name, thing in sorted(world.renamed.items())]
        yield f"Names of the data that are counted as others, as the file of words says: {_some(merged)}."
    if world.rare:
        yield f"Objects in too few pictures are left out: {_some(world.rare)}."
    if world.few:
        yield f"Scenes in fewer pictures than folds count as others, and are not asked about: {_some(world.few)}."
    left = [word for word, _ in said.most_common() if not found[word].object]
    if left:
        yield (
            f"{count(len(left), 'word')} for which no object of the data is known, so that their units count for none: "
            f"{_some(left)}. words.csv lists all; write the objects there, and give it with "
            f"{spelled('words', word='FILE')}."
        )
    for layer, named in units.items():
        why = Counter(each.why for each in named)
        if others := Counter(each.group for each in named if each.why == "group"):
            groups = [f"{group or 'no majority'} {n}" for group, n in others.most_common()]
            yield (
                f"Units of {layer} that are not counted, for most people put them into other groups, or no group has a "
                f"majority: {listed(groups)}; {spelled('groups', word='NAME')} counts others."
            )
        if why["rare"]:
            yield f"{count(why['rare'], 'unit')} of {layer} of objects in too few pictures."
        if not why[""]:
            yield f"No unit of {layer} counts for an object: there is nothing to correlate."
    if labels.source == "masks":
        yield (
            "Labels are objects whose masks units overlap. They can only be objects of the dissected data, and an "
            "object that is in few of its pictures, or small, is harder to overlap: that alone ties units to frequency."
        )
    yield (
        f"Intervals: bootstrap over units and pictures together, {RESAMPLES:,} resamples, and their spread about "
        "the value; over either alone in the sweep. They hold what would come out for as many units and pictures of "
        "the same kind. Labels, folds, and which objects are the most frequent are not drawn anew."
    )


def _some(names: Sequence[str], shown: int = 10) -> str:
    more = [f"{len(names) - shown:,} more"] if len(names) > shown else []
    return listed([*names[:shown], *more])
