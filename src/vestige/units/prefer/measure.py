"""The pictures with the largest mean activation of each layer, and how many are of each set (section 2, Fig. 1)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Backbone
from vestige.contract.found import Found
from vestige.contract.plan import Layer, Part, Plan
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset, Problem, describe_data
from vestige.errors import VestigeError
from vestige.example import Example, Picture
from vestige.features.dense import seen_size
from vestige.features.reader import Read, Reader
from vestige.images import Crop, Pixels, crop_resize, picture_size
from vestige.intervals import Bootstrap, Floats, interval
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.spelling import spelled
from vestige.text import count
from vestige.units.prefer.task import PREFER, PreferOptions

SHOWN = 3
"""Pictures of each layer that are kept, as many as the paper shows."""

THUMBNAIL = 112
"""Pixels of their shorter side, at most."""

METRICS: Mapping[str, Metric] = {
    "share": Metric("share of the pictures with the largest mean activation", lower_is_better=None, shown="percent"),
}


@dataclass(frozen=True)
class Reduced:
    """A picture whose shorter side has so many pixels at most.

    Attributes:
        picture: of any size.
        short_side: in pixels.
    """

    picture: Picture
    short_side: int

    def read(self) -> Pixels:
        """``(H, W, 3)`` RGB."""
        pixels: Pixels = self.picture.read()
        height, width = pixels.shape[:2]
        if min(height, width) <= self.short_side:
            return pixels
        return crop_resize(pixels, None, seen_size((height, width), self.short_side), "bicubic")

    def digest(self) -> str:
        """That of the picture, and to what it is reduced."""
        return f"{self.picture.digest()} at most {self.short_side} px"


@dataclass(frozen=True)
class Pool:
    """The pictures of all sets, as many of each.

    Attributes:
        names: of the sets.
        examples: ``(N,)``, reduced to one resolution.
        sets: ``(N,)``: of which set each is, by its place in ``names``.
    """

    names: tuple[str, ...]
    examples: tuple[Example, ...]
    sets: NDArray[np.intp]


def measure_preferences(session: Session, data: Sequence[tuple[str, Dataset]], options: PreferOptions) -> Found:
    """Rank pictures by the mean activation of each layer.

    The activation of a layer is the mean over its units, and over their places where they have some: of pictures of one
    size the order is that of the sum, which the paper takes.

    Raises:
        VestigeError: where a network has none of the layers, or there are too few pictures.
    """
    started = time.monotonic()
    chosen = layers_by_network([session.reader.backbone(spec) for spec in options.backbones], options.layers)
    pool, used, notes = pooled(data, options.seed)
    crops = [Crop(each) for each in pool.examples]
    means: dict[tuple[str, str], Floats] = {}
    problems: dict[int, str] = {}
    for spec, layers in chosen.items():
        session.say(f"reading {count(len(layers), 'layer')} of {spec}")
        found = activations(session, spec, layers, crops)
        problems |= found[1]
        means |= {(spec, layer): values for layer, values in found[0].items()}
    readable = np.array([k not in problems for k in range(len(crops))])
    _check_top(options, int(readable.sum()))
    bad = [Problem(pool.examples[k].id, why) for k, why in sorted(problems.items())]
    ranked = {key: np.where(readable, values, -np.inf) for key, values in means.items()}
    bootstrap = Bootstrap.draw([(int(s), e.group) for s, e in zip(pool.sets, pool.examples, strict=True)], options.seed)
    rows = [row for key, values in ranked.items() for row in _rows(*key, values, pool, bootstrap, options.top)]
    return Found(
        task=PREFER,
        options=(options,),
        config={
            "metric": "share",
            "sets": list(pool.names),
            "layers_by_network": {k: list(v) for k, v in chosen.items()},
        },
        data={name: _described(name, used[name], pool, bad) for name in pool.names},
        backbone={"spec": ", ".join(options.backbones)},
        rows=tuple(rows),
        arrays=_arrays(ranked, pool, options.top),
        metrics=METRICS,
        methods=_method,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=notes,
    )


def check_preferences(data: Sequence[tuple[str, Dataset]], options: PreferOptions) -> None:
    """Refuse sets that are empty, or too small for the top pictures to be chosen among more.

    Raises:
        VestigeError: naming the set, or the option.
    """
    for _, each in data:
        if not len(each):
            raise VestigeError(f"{each.spec}: has no pictures")
    for (first, a), (second, b) in combinations(data, 2):
        if a.fingerprint == b.fingerprint:
            raise VestigeError(
                f"{spelled('data')}: {first} and {second} are the same pictures, {a.spec}; name two sets"
            )
    _check_top(options, len(data) * min(len(each) for _, each in data))


def _check_top(options: PreferOptions, pictures: int) -> None:
    if options.top >= pictures:
        raise VestigeError(
            f"{spelled('top', options.top)}: of sets of one size there are {count(pictures, 'picture')} in all; "
            "expected fewer than that"
        )


def plan_preferences(reader: Reader, data: Sequence[tuple[str, Dataset]], options: PreferOptions) -> Plan:
    """As many pictures of each set, and every layer of every network.

    Raises:
        VestigeError: where a network has none of the layers.
    """
    chosen = layers_by_network([reader.backbone(spec) for spec in options.backbones], options.layers)
    least = min(len(each) for _, each in data)
    reads = {read.layer.name: read for spec, layers in chosen.items() for read in _reads(reader, spec, layers)}
    return Plan(
        PREFER.name,
        tuple(Part(name, each.spec, least, least) for name, each in data),
        tuple(chosen),
        tuple(Layer(name, str(read.readout), read.size) for name, read in reads.items()),
        dtype=reader.options.store_dtype,
        keep=reader.keep,
    )


def _method(name: str) -> Method:
    """A layer of a network, whose name says both."""
    return Method(name, trained="@random" not in name)


def _described(name: str, data: Dataset, pool: Pool, bad: Sequence[Problem]) -> dict[str, Any]:
    own = {each.id for each, s in zip(pool.examples, pool.sets, strict=True) if pool.names[s] == name}
    problems = [each for each in bad if each.file in own]
    return {**describe_data(data.without(data.examples, problems)), "label": name.capitalize()}


def layers_by_network(backbones: Sequence[Backbone], patterns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The layers of each network, by its spec; a pattern need only mean layers of one of them.

    Raises:
        VestigeError: where a pattern means no layer of any, or a network has none.
    """
    chosen = {}
    missed: dict[str, list[VestigeError]] = {}
    for backbone in backbones:
        found = []
        for pattern in patterns:
            try:
                backbone.select([pattern])
                found.append(pattern)
            except VestigeError as error:
                missed.setdefault(pattern, []).append(error)
        if not found:
            raise missed[patterns[0]][-1]
        chosen[backbone.spec] = backbone.select(found)
    for errors in missed.values():
        if len(errors) == len(backbones):
            raise errors[0]
    return chosen


def pooled(data: Sequence[tuple[str, Dataset]], seed: int) -> tuple[Pool, dict[str, Dataset], tuple[str, ...]]:
    """Sets made equal in size, by a seeded draw, and in resolution: all of the set whose pictures are smallest.

    Returns:
        The pictures, the sets as they took part, and what is to be told of it.
    """
    least = min(len(each) for _, each in data)
    used: dict[str, Dataset] = {}
    for place, (name, each) in enumerate(data):
        rows = np.sort(np.random.default_rng([seed, place]).permutation(len(each))[:least])
        used[name] = replace(each, examples=tuple(each.examples[k] for k in rows))
    sides = {name: np.array([short_side(example) for example in each]) for name, each in used.items()}
    medians = {name: float(np.median(known)) for name, each in sides.items() if len(known := each[each > 0])}
    least_side = int(min(medians.values(), default=1))
    examples = tuple(
        replace(example, image=Reduced(example.image, least_side)) for each in used.values() for example in each
    )
    sets = np.repeat(np.arange(len(data)), least)
    drawn = [f"{name} {least:,} of {len(each):,}" for name, each in data if len(each) > least]
    reduced = [
        f"{name} {int((each > least_side).sum()):,}" for name, each in sides.items() if (each > least_side).any()
    ]
    smaller = [f"{name} {n:,}" for name, each in sides.items() if (n := int(((each > 0) & (each < least_side)).sum()))]
    notes = []
    if drawn:
        notes.append(f"Pictures drawn so that the sets are equal in size: {', '.join(drawn)}.")
    if reduced:
        notes.append(
            f"Pictures reduced to a shorter side of {least_side} pixels, the median of the set with the smallest: "
            f"{', '.join(reduced)}."
        )
    if smaller:
        notes.append(f"Pictures with a shorter side below {least_side} pixels, left as they are: {', '.join(smaller)}.")
    return Pool(tuple(used), examples, sets), used, tuple(notes)


def short_side(example: Example) -> int:
    """Pixels of a picture's shorter side; 0 where it cannot be read, which reading it will tell."""
    try:
        return min(picture_size(example.image))
    except VestigeError:
        return 0


def activations(
    session: Session, spec: str, layers: Sequence[str], crops: Sequence[Crop]
) -> tuple[dict[str, Floats], dict[int, str]]:
    """The mean activation of each layer for every picture ``(N,)``, and the problems of those that cannot be read."""
    reads = _reads(session.reader, spec, layers)
    means: dict[str, Floats] = {}
    problems: dict[int, str] = {}
    for read, features in zip(reads, session.reader.features(spec, crops, reads), strict=True):
        means[read.layer.name] = features.read().mean(axis=1, dtype=np.float64)
        problems |= features.problems
    return means, problems


def _reads(reader: Reader, spec: str, layers: Sequence[str]) -> list[Read]:
    """Each layer as one number a unit."""
    described = reader.backbone(spec).layers(layers)
    return [
        reader.reads(spec, (layer.name,), ("vector" if layer.kind == "vector" else "gap",))[0] for layer in described
    ]


def top_share(values: Floats, sets: NDArray[np.intp], n_sets: int, top: int, weights: Floats) -> Floats:
    """The share of each set among the top pictures, where pictures count several times or not at all: ``(B, n_sets)``.

    The picture with which the top is full counts for what is missing of it.

    Args:
        values: ``(N,)`` mean activations; of equal ones the first is higher.
        sets: ``(N,)``: of which set each picture is.
        n_sets: how many there are.
        top: how many pictures are meant.
        weights: ``(B, N)``: how often each picture counts.
    """
    order = np.argsort(-values, kind="stable")
    counts = np.where(np.isfinite(values[order]), weights[:, order], 0.0)
    before = np.cumsum(counts, axis=1) - counts
    taken = np.clip(top - before, 0, counts)
    shares = np.stack([taken[:, sets[order] == s].sum(axis=1) for s in range(n_sets)], axis=1)
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def _rows(spec: str, layer: str, values: Floats, pool: Pool, bootstrap: Bootstrap, top: int) -> list[Row]:
    """The share of each set, with its bootstrap interval over all pictures."""
    n_sets = len(pool.names)
    once = top_share(values, pool.sets, n_sets, top, np.ones((1, len(values))))[0]
    resampled = top_share(values, pool.sets, n_sets, top, bootstrap.weights.astype(np.float64))
    groups = bootstrap.count(np.isfinite(values))
    return [
        Row(
            f"{spec}: {layer}",
            "share",
            name,
            float(once[s]),
            interval(resampled[:, s], groups),
            top,
            layer=layer,
            backbone=spec,
        )
        for s, name in enumerate(pool.names)
    ]


def _arrays(ranked: Mapping[tuple[str, str], Floats], pool: Pool, top: int) -> dict[str, NDArray[Any]]:
    """The mean activations, the top pictures of every layer and some of those themselves."""
    arrays: dict[str, NDArray[Any]] = {
        "ids": np.array([each.id for each in pool.examples]),
        "sets": pool.sets,
        "activations": np.stack(list(ranked.values())).astype(np.float32),
        "top": np.stack([np.argsort(-values, kind="stable")[:top] for values in ranked.values()]),
    }
    shown = sorted(set(arrays["top"][:, :SHOWN].ravel().tolist()))
    for row in shown:
        pixels = pool.examples[row].image.read()
        size = seen_size((pixels.shape[0], pixels.shape[1]), min(THUMBNAIL, *pixels.shape[:2]))
        arrays[f"picture/{row}"] = crop_resize(pixels, None, size, "bicubic")
    return arrays
