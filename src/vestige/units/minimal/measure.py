"""Pictures that a network names right, made minimal: which objects are kept, and how often they would be by chance."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.contract.found import Found
from vestige.contract.plan import Part, Plan, Work
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset, Problem, describe_data
from vestige.documents import read_json
from vestige.errors import VestigeError, choice
from vestige.example import Example
from vestige.features.decode import read_batches
from vestige.features.reader import Reader
from vestige.images import Crop, Pixels
from vestige.intervals import Bootstrap, paired_difference
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.partial_work import Arrays
from vestige.results import Row
from vestige.spelling import spelled
from vestige.text import count, listed
from vestige.units.minimal.reduction import parts_of, reduced, without
from vestige.units.minimal.removal import shown
from vestige.units.minimal.task import MINIMAL, MinimalOptions
from vestige.units.naming import Namer, match_categories, short_names

SHOWN = 6
"""Pictures of each scene that are kept with their minimal ones."""

NAMED = 15
"""Scenes that a note names before it only counts."""

METRICS: Mapping[str, Metric] = {
    "right": Metric("pictures named right", shown="percent", paper=False),
    "probability": Metric("probability of the right name", shown="percent", paper=False),
    "area": Metric("area that is left", lower_is_better=True, shown="percent", paper=False),
    "segments": Metric("segments that are left", lower_is_better=True, shown="percent", paper=False),
    "there": Metric("pictures with the object", lower_is_better=None, shown="percent", paper=False),
    "kept": Metric("kept, of the pictures with the object", lower_is_better=None, shown="percent"),
    "kept_of_all": Metric("kept, of all pictures", lower_is_better=None, shown="percent"),
}

METHODS: Mapping[str, Method] = {
    "pictures": Method("The pictures as they are", "grey", "dotted"),
    "minimal": Method("Minimal pictures", "blue"),
    "random": Method("Removed at random", "ochre", "dashed", trained=False, paper=False),
}


@dataclass(frozen=True)
class _Named:
    """What the network made of the pictures: which could be read, and which of those it names right."""

    examples: tuple[Example, ...]
    right: NDArray[np.bool_]
    probability: NDArray[np.float64]


def measure_minimal(session: Session, data: Dataset, options: MinimalOptions) -> Found:
    """Make pictures minimal that the network names right.

    Raises:
        VestigeError: where the network does not know its categories, no scene of the data is one of them, no picture
            has objects that are to be taken away, or none is named right.
    """
    started = time.monotonic()
    namer = Namer(session.reader.backbone(options.backbone), session.reader.options)
    categories, notes = _scenes(data, namer.categories, options)
    data, left_out = _usable(data, categories, options)
    session.say(f"naming {count(len(data), 'picture')} of {count(len(categories), 'scene')}")
    data, named = _named(session, data, categories, namer, options)
    chosen = _chosen(named, options)
    if not chosen:
        raise VestigeError(
            f"{data.spec}: {options.backbone} names none of {count(len(data), 'picture')} right, so there is nothing "
            "to make minimal"
        )
    session.say(f"making {count(len(chosen), 'picture')} minimal, one segment after another")
    examples = [named.examples[k] for k in chosen]
    found = list(_reductions(session, examples, categories, namer, options))
    rows, sweep = _rows(named, examples, found, options)
    backbone = session.reader.backbone(options.backbone)
    return Found(
        task=MINIMAL,
        options=(options,),
        config={"metric": "kept", "categories": {scene: namer.categories[k] for scene, k in categories.items()}},
        data={"test": {**describe_data(data), "label": "Pictures"}},
        backbone={"spec": backbone.spec, "weights_sha256": backbone.weights_sha256},
        rows=rows,
        sweep=sweep,
        arrays=_arrays(examples, found, namer, options),
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=(*notes, *left_out, *_notes(found, options)),
    )


def scene_of(example: Example) -> str:
    """What the network is to name: the scene, or of a picture without one the class of its object."""
    return example.scene or example.category


def check_minimal(data: Dataset, options: MinimalOptions) -> None:
    """Refuse data without the scenes that are asked for, or without objects where those are taken away.

    Raises:
        VestigeError: naming the data set and what it lacks.
    """
    there = list(dict.fromkeys(scene_of(each) for each in data if scene_of(each)))
    if not there:
        raise VestigeError(
            f"{data.spec}: no picture has a scene; expected data whose pictures have one, as miniplaces:DIR or "
            "folder:DIR,scene=folder"
        )
    for scene in options.scenes:
        if scene not in there:
            raise VestigeError(f"{spelled('scenes', (scene,))}: {data.spec} has none such; {choice(scene, there)}")
    _usable(data, options.scenes or there, options)


def plan_minimal(reader: Reader, data: Dataset, options: MinimalOptions) -> Plan:
    """The pictures of scenes that the network has a category for.

    Raises:
        VestigeError: where its categories are not known, or not as many as it has scores, or no scene is one of them.
    """
    backbone = reader.backbone(options.backbone)
    categories, _ = _scenes(data, Namer(backbone, reader.options).categories, options)
    used, _ = _usable(data, categories, options)
    n = len(used)
    of_scenes = Counter(scene_of(each) for each in used)
    work = (Work("pictures made minimal", sum(min(each, options.pictures) for each in of_scenes.values())),)
    return Plan(MINIMAL.name, (Part("", data.spec, n, n),), (backbone.spec,), passes=0, work=work)


def _scenes(data: Dataset, names: Sequence[str], options: MinimalOptions) -> tuple[dict[str, int], list[str]]:
    """The category of each scene that is asked for, and what is to be told of the others."""
    scenes = Counter(scene_of(each) for each in data)
    asked = list(options.scenes or (scene for scene in scenes if scene))
    known = match_categories(asked, names, _given_names(options.scene_names))
    unknown = [scene for scene in asked if scene not in known]
    if not known:
        raise VestigeError(
            f"{options.backbone} knows no scene of {data.spec} by its name: {_some(unknown)}; its categories are "
            f"{_some(short_names(names))}; {spelled('scene_names', word='FILE')} says what it calls them"
        )
    notes = []
    if unknown:
        pictures = sum(scenes[scene] for scene in unknown)
        notes.append(
            f"Scenes that the network has no category for, with {count(pictures, 'picture')}: {_some(unknown)}."
        )
    return known, notes


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return listed([*names[:NAMED], f"{more:,} more"] if more > 0 else names)


def _given_names(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    return read_json(path, dict[str, str], what="the network's names of scenes")


def _usable(data: Dataset, scenes: Collection[str], options: MinimalOptions) -> tuple[Dataset, tuple[str, ...]]:
    """The pictures of scenes, with objects where those are taken away, and what is to be told of the others."""
    of_scenes = [each for each in data if scene_of(each) in scenes]
    usable = [each for each in of_scenes if each.objects or options.segments != "objects"]
    if not usable:
        raise VestigeError(
            f"{data.spec}: none of {count(len(of_scenes), 'picture')} has annotated objects; "
            f"{spelled('segments', 'regions')} takes edges and regions away instead"
        )
    bare = len(of_scenes) - len(usable)
    notes = (f"Pictures without annotated objects are left out: {bare:,}.",) if bare else ()
    return replace(data, examples=tuple(usable)), notes


def _named(
    session: Session, data: Dataset, categories: Mapping[str, int], namer: Namer, options: MinimalOptions
) -> tuple[Dataset, _Named]:
    """What the network calls every picture, those left out that cannot be read."""
    crops = [Crop(each) for each in data]
    extraction = session.reader.options
    size, interpolation = namer.preprocessing.size, namer.preprocessing.interpolation
    batches = [range(i, min(i + extraction.batch, len(crops))) for i in range(0, len(crops), extraction.batch)]
    known = np.array([categories[scene_of(each)] for each in data])
    told = np.zeros((len(crops), 2))
    problems: dict[int, str] = {}
    for batch in read_batches(crops, batches, size, interpolation, workers=extraction.workers):
        rows = np.arange(batch.rows.start, batch.rows.stop)
        pixels: NDArray[Any] = batch.pixels
        if options.stretch:
            pixels = shown(pixels.astype(np.float32), stretch=True)
        found = namer.log_probabilities(pixels)
        wanted = known[rows]
        told[rows, 0] = found.argmax(axis=1) == wanted
        told[rows, 1] = np.exp(found[np.arange(len(rows)), wanted])
        problems |= batch.problems
        session.counting("pictures")(batch.rows.stop, len(crops))
    rows = np.array([k for k in range(len(crops)) if k not in problems], np.intp)
    examples = tuple(data.examples[k] for k in rows)
    data = data.without(examples, (Problem(data.examples[k].id, why) for k, why in problems.items()))
    return data, _Named(examples, told[rows, 0] > 0, told[rows, 1])


def _chosen(named: _Named, options: MinimalOptions) -> list[int]:
    """The pictures that are made minimal: of each scene at most so many of those that are named right."""
    rng = np.random.default_rng(options.seed)
    scenes: dict[str, list[int]] = {}
    for k in np.flatnonzero(named.right).tolist():
        scenes.setdefault(scene_of(named.examples[k]), []).append(k)
    drawn = (rng.permutation(scenes[scene])[: options.pictures].tolist() for scene in sorted(scenes))
    return sorted(k for some in drawn for k in some)


def _reductions(
    session: Session,
    examples: Sequence[Example],
    categories: Mapping[str, int],
    namer: Namer,
    options: MinimalOptions,
) -> Iterator[Arrays]:
    """What became of each picture, kept as it is found."""
    backbone = session.reader.backbone(options.backbone)
    extraction = session.reader.options
    numerics = extraction.numerics(extraction.torch_device())
    about = (options.segments, options.fill, options.stretch, options.draws, options.seed)
    progress = session.counting("pictures made minimal")
    progress(0, len(examples))
    for done, example in enumerate(examples, 1):
        category = categories[scene_of(example)]
        objects = [(each.name, each.region.digest()) for each in example.objects]
        made_from = f"minimal 1 {backbone.fingerprint} {numerics} {category} {about} {Crop(example).key()} {objects!r}"
        yield session.kept.get(
            f"{made_from} {example.id}",
            lambda example=example, category=category: reduced(example, category, namer, options),  # type: ignore[misc]
        )
        progress(done, len(examples))


def _rows(
    named: _Named, examples: Sequence[Example], found: Sequence[Arrays], options: MinimalOptions
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    rows: list[Row] = []
    sweep: list[Row] = []
    scenes = [scene_of(each) for each in named.examples]
    reduced_scenes = np.array([scene_of(each) for each in examples])
    for scene in ("all", *sorted(set(reduced_scenes.tolist()))):
        of_all = np.array([scene in ("all", each) for each in scenes])
        of_found = [k for k, each in enumerate(reduced_scenes) if scene in ("all", each)]
        everyone = [each for each, used in zip(named.examples, of_all, strict=True) if used]
        rows.append(_row("pictures", "right", scene, named.right[of_all].astype(float), everyone, options))
        some, of_scene = [examples[k] for k in of_found], [found[k] for k in of_found]
        for method, step in (("pictures", 0), ("minimal", -1)):
            values = np.array([np.exp(each["log_probability"][step]) for each in of_scene])
            rows.append(_row(method, "probability", scene, values, some, options))
        area = np.array([1 - each["areas"][each["order"]].sum() for each in of_scene])
        share = np.array([1 - len(each["order"]) / len(each["areas"]) for each in of_scene])
        rows.append(_row("minimal", "area", scene, area, some, options))
        rows.append(_row("minimal", "segments", scene, share, some, options))
        if scene != "all":
            own, paired = _object_rows(scene, some, of_scene, options)
            rows += own
            sweep += paired
    return tuple(rows), tuple(sweep)


def _row(
    method: str, metric: str, subset: str, values: NDArray[np.float64], examples: Sequence[Example], options: Any
) -> Row:
    """The mean over pictures, those with NaN left out."""
    known = np.isfinite(values)
    ci95 = Bootstrap.of(examples, options.seed).interval_of_mean(values)
    return Row(method, metric, subset, float(values[known].mean()), ci95, int(known.sum()))


def _object_rows(
    scene: str, examples: Sequence[Example], found: Sequence[Arrays], options: MinimalOptions
) -> tuple[list[Row], list[Row]]:
    """How often objects are there, kept and kept by chance, those that most pictures have first."""
    counts = Counter(str(name) for each in found for name in each["objects"])
    bootstrap = Bootstrap.of(examples, options.seed)
    rows: list[Row] = []
    sweep: list[Row] = []
    for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if n < options.least:
            continue
        at = [np.flatnonzero(each["objects"] == name) for each in found]
        there = np.array([float(len(place) > 0) for place in at])
        subset = f"{scene}: {name}"
        rows.append(_row("pictures", "there", subset, there, examples, options))
        kept = {}
        for method, array in (("minimal", "kept"), ("random", "chance")):
            kept[method] = np.array(
                [float(each[array][place[0]]) if len(place) else np.nan for each, place in zip(found, at, strict=True)]
            )
            rows.append(_row(method, "kept", subset, kept[method], examples, options))
            rows.append(_row(method, "kept_of_all", subset, np.nan_to_num(kept[method]), examples, options))
        difference = paired_difference(kept["minimal"], kept["random"], bootstrap)
        if difference is not None:
            sweep.append(Row("minimal", "kept - random", subset, difference.mean, difference.ci95, n))
            sweep.append(Row("minimal", "p of kept - random", subset, difference.p, None, n))
    return rows, sweep


def _arrays(
    examples: Sequence[Example], found: Sequence[Arrays], namer: Namer, options: MinimalOptions
) -> dict[str, NDArray[Any]]:
    """What ``examples.npz`` holds: everything by picture, and some pictures with their minimal ones."""
    area = np.array([1 - each["areas"][each["order"]].sum() for each in found])
    ends = np.array([[each["log_probability"][0], each["log_probability"][-1]] for each in found])
    rows = _shown_rows([scene_of(each) for each in examples], area)
    pairs = [_pair(examples[k], found[k], namer, options) for k in rows]
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([each.id for each in examples]),
        "groups": np.array([each.group for each in examples]),
        "scenes": np.array([scene_of(each) for each in examples]),
        "area": area,
        "probability": np.exp(ends),
        "segments": np.array([[len(each["areas"]), len(each["areas"]) - len(each["order"])] for each in found]),
        "picture_rows": np.array(rows, np.int64),
        "pictures": np.stack([picture for picture, _ in pairs]),
        "minimal": np.stack([minimal for _, minimal in pairs]),
    }
    for k, each in enumerate(found):
        arrays[f"objects/{k}"] = each["objects"]
        arrays[f"kept/{k}"] = each["kept"]
        arrays[f"chance/{k}"] = each["chance"]
        arrays[f"order/{k}"] = each["order"]
        arrays[f"log_probability/{k}"] = each["log_probability"]
    return arrays


def _shown_rows(scenes: Sequence[str], area: NDArray[np.float64]) -> list[int]:
    """Some pictures of each scene, at even steps of the area that is left."""
    chosen: list[int] = []
    for scene in sorted(set(scenes)):
        own = np.array([k for k, each in enumerate(scenes) if each == scene])
        ordered = own[np.argsort(area[own], kind="stable")]
        steps = np.unique(np.linspace(0, len(ordered) - 1, min(SHOWN, len(ordered))).round().astype(int))
        chosen += ordered[steps].tolist()
    return chosen


def _pair(example: Example, found: Arrays, namer: Namer, options: MinimalOptions) -> tuple[Pixels, Pixels]:
    """The picture as the network sees it, and the minimal one."""
    parts = parts_of(example, namer, options)
    return parts.pixels, without(parts, found["order"].tolist(), options)


def _notes(found: Sequence[Arrays], options: MinimalOptions) -> Iterator[str]:
    lost = sum(int(each["lost"]) for each in found)
    if lost:
        pictures = sum(int(each["lost"]) > 0 for each in found)
        yield (
            f"Objects that no cell of the network's input is left for, hidden behind smaller ones or too small, in "
            f"{count(pictures, 'picture')}: {lost:,}; they are no segments."
        )
    empty = sum(len(each["order"]) == len(each["areas"]) for each in found)
    if empty:
        yield (
            f"Pictures whose name stays right when all segments are gone: {empty:,}; nothing of them is kept, for the "
            "network calls an even picture so."
        )
    if options.segments == "regions":
        yield (
            "Regions are scikit-image's quickshift (ratio 2, kernel 2), its densest pixels linked once more within a "
            "distance of 60, as VLFeat has it."
        )
