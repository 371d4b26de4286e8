"""What a measurement will do, said before it starts: pictures, networks, layers, disk and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from vestige.backbones import Backbone
from vestige.contract.task import Task, named
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.features.cache import list_stores
from vestige.features.layout import Description, source_of
from vestige.features.reader import Read, Reader
from vestige.spec import parse_backbone_spec
from vestige.text import NARROW, count, size

_LISTED = 8  # layers that are named before they are only counted

_ROLES = ("train", "test")


@dataclass(frozen=True)
class Part:
    """Data that take part.

    Attributes:
        role: ``train``, ``test``; "" where the data have none.
        spec: of the data set.
        n: its pictures.
        views: what a network is shown of them: several of a picture where there are mirrored or other copies.
    """

    role: str
    spec: str
    n: int
    views: int


@dataclass(frozen=True)
class Layer:
    """A layer with the readout that makes one vector of it, and how many numbers that has."""

    name: str
    readout: str
    numbers: int


@dataclass(frozen=True)
class Plan:
    """What a measurement will do.

    Attributes:
        task: its name.
        data: that take part.
        networks: specs of all that are read, those with random weights, too.
        layers: of each network; () where the task chooses them when it measures.
        looks: pictures that are looked at once more, closer, by the network at the layer chosen.
        fits: at those layers; of looks at parts, there are more.
        dtype: of the features on disk.
        bytes: of the features, at most; None where it is not known before they are computed.
        stored: how many of them are likely to be there already.
    """

    task: str
    data: tuple[Part, ...]
    networks: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    looks: int = 0
    fits: int = 0
    dtype: str = "float32"
    bytes: int | None = None
    stored: int = 0

    @property
    def pictures(self) -> int:
        """What goes through each network: views of all the data."""
        return sum(part.views for part in self.data)

    @property
    def fitted(self) -> int:
        """The rows of each fit: views of the data that are trained on."""
        return next((part.views for part in self.data if part.role != "test"), 0)

    def lines(self) -> Iterator[str]:
        """The plan as text."""
        yield f"plan: {self.task}"
        for part in self.data:
            seen = f", seen in {count(part.views, 'view')}" if part.views != part.n else ""
            yield f"  {part.role or 'data'}: {count(part.n, 'picture')} of {part.spec}{seen}"
        if self.networks:
            yield f"  {count(len(self.networks), 'network')}: {', '.join(self.networks)}"
        if self.layers:
            layers, n = len({layer.name for layer in self.layers}), len(self.layers)
            shown = [f"{layer.name} {layer.readout} ({layer.numbers:,})" for layer in self.layers[:_LISTED]]
            more = [f"and {n - _LISTED} more"] if n > _LISTED else []
            yield (
                f"  {count(layers, 'layer')}, {count(n, 'readout')} (numbers per picture): {', '.join((*shown, *more))}"
            )
        if self.looks:
            yield f"  look-back: {count(self.looks, 'view')} of parts, at the layer chosen"
        if self.bytes is not None:
            there = f", about {_size(self.stored)} of them there already" if self.stored else ""
            yield f"  disk: at most {_size(self.bytes)} of features ({self.dtype}){there}"
        if self.fits:
            yield f"  fits: {self.fits:,}"

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON."""
        return asdict(self)


def plan_of(task: Task, reader: Reader, data: Any, options: Sequence[Any]) -> Plan:
    """What a task will do: as its own function says, else as its options say by the names that tasks share.

    Args:
        task: that is planned.
        reader: of features; networks are opened, and shown a blank picture, but none of the data.
        data: what the task's data open to.
        options: one of each of the task's.

    Raises:
        VestigeError: where the data lack what is measured, or there is no such network, layer or readout.
    """
    task.check(data, *options)
    if task.planned_by:
        plan: Plan = named(task.planned_by)(reader, data, *options)
        return plan
    return plan_by_options(task.name, reader, data, options)


def plan_by_options(name: str, reader: Reader, data: Any, options: Sequence[Any]) -> Plan:
    """The plan of a task as its options say; arguments and errors as of :func:`plan_of`."""
    asked = {each.name: getattr(one, each.name) for one in options for each in fields(one)}
    sets = list(_sets(data))
    paired = len(sets) == len(_ROLES) == len(data) and isinstance(data[0], Dataset)
    roles = _ROLES if paired else ("",) * len(sets)
    copies = _copies(asked, sets[0].markup if sets else None)
    parts = tuple(
        Part(role, each.spec, len(each), len(each) * (copies if role != "test" else 1))
        for role, each in zip(roles, sets, strict=True)
    )
    if "backbone" not in asked:
        return Plan(name, parts)
    spec = asked["backbone"]
    networks = (
        *(parse_backbone_spec(spec).with_random_weights(seed).text for seed in range(asked.get("untrained_seeds", 0))),
        spec,
    )
    if "readouts" not in asked:
        return Plan(name, parts, networks, _cells(reader.backbone(spec), asked.get("layers", ())))
    reads = reader.reads(spec, asked["layers"], asked["readouts"])
    return _of_reads(Plan(name, parts, networks), reads, sets, asked, reader)


def _of_reads(
    plan: Plan, reads: Sequence[Read], sets: Sequence[Dataset], asked: dict[str, Any], reader: Reader
) -> Plan:
    """The plan with what is read of layers."""
    layers = tuple(Layer(read.layer.name, str(read.readout), read.size) for read in reads)
    looks = asked.get("look_backs", 0) * _parts_seen(sets, [part.views for part in plan.data])
    rgb = 3 * asked.get("rgb_size", 0) ** 2
    pictures = sum(len(each) for each in sets)  # all of them are read as RGB, whether they can be
    numbers = plan.pictures * len(plan.networks) * sum(layer.numbers for layer in layers)
    numbers += (plan.pictures + pictures) * rgb + looks * max(layer.numbers for layer in layers)
    dtype = reader.options.store_dtype
    baseline = 1 if rgb else 0
    return Plan(
        plan.task,
        plan.data,
        plan.networks,
        layers,
        looks,
        len(plan.networks) * len(layers) + baseline,
        dtype,
        numbers * np.dtype(dtype).itemsize if reader.keep else 0,
        _stored(plan, layers, sets, reader) if reader.keep else 0,
    )


def _cells(backbone: Backbone, layers: Sequence[str]) -> tuple[Layer, ...]:
    """Layers that are read cell by cell, with their numbers at the network's own size; () where none are named."""
    described = backbone.layers(backbone.select(layers)) if layers else ()
    return tuple(Layer(layer.name, "cells", math.prod(layer.shape)) for layer in described)


def _sets(data: Any) -> Iterator[Dataset]:
    """The data sets in what was opened."""
    if isinstance(data, Dataset):
        yield data
    elif isinstance(data, list | tuple):
        for each in data:
            yield from _sets(each)


def _copies(asked: dict[str, Any], markup: Any) -> int:
    """How many views there are of each training picture."""
    points = "look_backs" in asked
    mirrored = asked.get("mirror", False) and not (points and (markup is None or markup.mirror is None))
    return int(asked.get("augment", 2 if mirrored else 1))


def _parts_seen(sets: Sequence[Dataset], views: Sequence[int]) -> int:
    """Views of parts that one look-back takes: those of each class's visible points, of every view."""
    total = 0
    for each, seen in zip(sets, views, strict=True):
        if each.markup is None or not len(each):
            continue
        visible: dict[str, Any] = {}
        for example in each:
            if example.visible is not None:
                category = example.category or ""
                visible[category] = visible.get(category, False) | example.visible
        parts = {
            category: sum(bool(seen_points[list(points)].any()) for points in each.markup.parts.values())
            for category, seen_points in visible.items()
        }
        total += sum(parts.get(example.category or "", 0) for example in each) * seen // len(each)
    return total


def _stored(plan: Plan, layers: Sequence[Layer], sets: Sequence[Dataset], reader: Reader) -> int:
    """Bytes of features of the same networks, layers, data and numerics; whether of the same crops is not looked at."""
    numerics = reader.options.numerics(reader.options.torch_device())
    sources = {(source_of(each), part.views) for each, part in zip(sets, plan.data, strict=True)}
    wanted = {
        (spec, layer.name, layer.readout, *about) for spec in plan.networks for layer in layers for about in sources
    }
    found: dict[tuple[str, str, str, str, int], int] = {}
    for info in list_stores(reader.cache):
        what = (info.backbone, info.layer, info.readout, info.source, info.n)
        about = _described(info.path) if what in wanted else None
        if about is not None and (about.numerics, about.dtype) == (numerics, reader.options.store_dtype):
            found[what] = max(found.get(what, 0), info.rows * about.row_bytes)
    return sum(found.values())


def _size(n_bytes: int) -> str:
    return size(n_bytes).replace(NARROW, " ")


def _described(store: Path) -> Description | None:
    try:
        return Description.read(store)
    except VestigeError:
        return None
