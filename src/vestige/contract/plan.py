"""What a measurement will do, said before it starts: pictures, networks, layers, disk and fits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from vestige.backbones import Backbone
from vestige.contract.task import Task, named
from vestige.datasets.dataset import Dataset
from vestige.features.cache import list_stores
from vestige.features.layout import source_of
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
    """A layer with the readout that makes one vector of it.

    Attributes:
        name: of the layer.
        readout: of it.
        numbers: in a vector.
        network: that it is read of; "" for every one of the plan's.
        rows: vectors that are kept; None for one of every view.
        dtype: of the numbers on disk; "" for the plan's.
    """

    name: str
    readout: str
    numbers: int
    network: str = ""
    rows: int | None = None
    dtype: str = ""


@dataclass(frozen=True)
class Work:
    """What takes long beside reading pictures and fitting layers.

    Attributes:
        what: it is counted as, as progress tells it: ``pairs``, ``SVMs``.
        n: how many there are, at most.
        cost: of each, beside others that are counted as the same.
        early: whether a count may end long before its most, so that its speed is known only at its end.
    """

    what: str
    n: int
    cost: float = 1.0
    early: bool = False


@dataclass(frozen=True)
class Plan:
    """What a measurement will do.

    Attributes:
        task: its name.
        data: that take part.
        networks: specs of all that are read, those with random weights, too.
        layers: of the networks.
        passes: times that all pictures go through each network.
        looks: pictures that go once more through the network at the layer chosen.
        looked_at: what these are.
        classes: sets of regressors: of each, every layer is fitted; 0 where nothing is.
        baseline: numbers of the pictures themselves, as the baseline reads them; 0 for none.
        further_fits: at the layer chosen.
        work: what else takes long.
        uncounted: what takes long, too, and is left out of forecasts; "" for nothing.
        dtype: of the features on disk.
        keep: whether features are stored.
        sized: whether it is known how much of the layers is kept.
        rough: whether that is known but roughly.
        stored: bytes of the features that are likely to be there already.
    """

    task: str
    data: tuple[Part, ...]
    networks: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    passes: int = 1
    looks: int = 0
    looked_at: str = "views of parts"
    classes: int = 0
    baseline: int = 0
    further_fits: int = 0
    work: tuple[Work, ...] = ()
    uncounted: str = ""
    dtype: str = "float32"
    keep: bool = True
    sized: bool = True
    rough: bool = False
    stored: int = 0

    @property
    def pictures(self) -> int:
        """What goes through each network: views of all the data."""
        return sum(part.views for part in self.data)

    @property
    def fitted(self) -> int:
        """The rows of each fit: views of the data that are trained on, of one class."""
        views = next((part.views for part in self.data if part.role != "test"), 0)
        return views // max(self.classes, 1)

    def read(self) -> tuple[Layer, ...]:
        """Every layer of every network."""
        return tuple(
            replace(layer, network=network)
            for network in self.networks
            for layer in self.layers
            if layer.network in ("", network)
        )

    @property
    def fits(self) -> int:
        """How many ridge regressions are fitted."""
        return self.classes * (len(self.read()) + (self.baseline > 0)) + self.further_fits

    @property
    def bytes(self) -> int | None:
        """Of the features, at most; None where that is not known before they are computed."""
        if not self.sized:
            return None
        if not self.keep:
            return 0
        own = np.dtype(self.dtype).itemsize
        kept = sum(
            (self.pictures if layer.rows is None else layer.rows)
            * layer.numbers
            * np.dtype(layer.dtype or self.dtype).itemsize
            for layer in self.read()
        )
        # of all pictures the baseline is read, to see which of them can be, and then of all views
        pixels = self.baseline * (self.pictures + sum(part.n for part in self.data))
        return kept + own * (pixels + self.looks * max((layer.numbers for layer in self.layers), default=0))

    def lines(self) -> Iterator[str]:
        """The plan as text."""
        yield f"plan: {self.task}"
        for part in self.data:
            seen = f", seen in {count(part.views, 'view')}" if part.views != part.n else ""
            yield f"  {part.role or 'data'}: {count(part.n, 'picture')} of {part.spec}{seen}"
        if self.networks:
            yield f"  {count(len(self.networks), 'network')}: {', '.join(self.networks)}"
        for network in dict.fromkeys(layer.network for layer in self.layers):
            yield self._layers_line(network)
        if self.looks:
            yield f"  {count(self.looks, 'more picture')} through the network: {self.looked_at}"
        if self.bytes is not None and self.layers:
            there = f", about {_size(self.stored)} of them there already" if self.stored else ""
            kinds = ", ".join(dict.fromkeys(layer.dtype or self.dtype for layer in self.layers))
            yield f"  disk: {'about' if self.rough else 'at most'} {_size(self.bytes)} of features ({kinds}){there}"
        if self.fits:
            yield f"  fits: {self.fits:,}"
        for what, n in self.counted().items():
            yield f"  {what}: at most {n:,}"

    def _layers_line(self, network: str) -> str:
        own = [layer for layer in self.layers if layer.network == network]
        shown = [f"{layer.name} {layer.readout} ({layer.numbers:,})" for layer in own[:_LISTED]]
        more = [f"and {len(own) - _LISTED} more"] if len(own) > _LISTED else []
        layers = count(len({layer.name for layer in own}), "layer")
        of = f" of {network}" if network else ""
        return f"  {layers}{of}, {count(len(own), 'readout')} (numbers of each): {', '.join((*shown, *more))}"

    def counted(self) -> dict[str, int]:
        """How much there is of each kind of other work."""
        found: dict[str, int] = {}
        for each in self.work:
            found[each.what] = found.get(each.what, 0) + each.n
        return found

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {**asdict(self), "pictures": self.pictures, "bytes": self.bytes, "fits": self.fits}


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
    plan = plan_of_data(name, reader, data, copies=_copies(asked, data))
    if "backbone" not in asked:
        return plan
    spec = asked["backbone"]
    networks = (
        *(parse_backbone_spec(spec).with_random_weights(seed).text for seed in range(asked.get("untrained_seeds", 0))),
        spec,
    )
    if "readouts" not in asked:
        cells = _cells(reader.backbone(spec), asked.get("layers", ()))
        return replace(plan, networks=networks, layers=cells, sized=False)
    reads = reader.reads(spec, asked["layers"], asked["readouts"])
    seen, fits = _parts_seen(plan, data)
    look_backs = asked.get("look_backs", 0)
    return with_stored(
        replace(
            plan,
            networks=networks,
            layers=tuple(layer_of(read) for read in reads),
            looks=look_backs * seen,
            classes=1,
            baseline=3 * asked.get("rgb_size", 0) ** 2,
            further_fits=look_backs * fits + (asked.get("augment", 1) > 1),
        ),
        reader,
        data,
    )


def plan_of_data(name: str, reader: Reader, data: Any, *, copies: int = 1) -> Plan:
    """A plan that says which data take part, and no more.

    Args:
        name: of the task.
        reader: of features.
        data: what the task's data open to.
        copies: views of each training picture.
    """
    sets = list(_sets(data))
    paired = len(sets) == len(_ROLES) == len(data) and isinstance(data[0], Dataset)
    roles = _ROLES if paired else ("",) * len(sets)
    parts = tuple(
        Part(role, each.spec, len(each), len(each) * (copies if role != "test" else 1))
        for role, each in zip(roles, sets, strict=True)
    )
    return Plan(name, parts, dtype=reader.options.store_dtype, keep=reader.keep)


def layer_of(read: Read, network: str = "") -> Layer:
    """What is read of a layer, one vector of every view."""
    return Layer(read.layer.name, str(read.readout), read.size, network)


def with_stored(plan: Plan, reader: Reader, data: Any) -> Plan:
    """The plan, that says how much of its features is there already."""
    return replace(plan, stored=_stored(plan, list(_sets(data)), reader)) if reader.keep else plan


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


def _copies(asked: dict[str, Any], data: Any) -> int:
    """How many views there are of each training picture."""
    points = "look_backs" in asked
    markup = next((each.markup for each in _sets(data)), None)
    mirrored = asked.get("mirror", False) and not (points and (markup is None or markup.mirror is None))
    return int(asked.get("augment", 2 if mirrored else 1))


def _parts_seen(plan: Plan, data: Any) -> tuple[int, int]:
    """Views of parts that one look-back takes, those of each class's visible points in every view; and how many parts
    are fitted, those of the classes that are trained on."""
    total, fits = 0, 0
    for each, part in zip(_sets(data), plan.data, strict=True):
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
        total += sum(parts.get(example.category or "", 0) for example in each) * part.views // len(each)
        fits += sum(parts.values()) if part.role != "test" else 0
    return total, fits


def _stored(plan: Plan, sets: Sequence[Dataset], reader: Reader) -> int:
    """Bytes of features of the same networks, layers, data and numerics; whether of the same crops is not looked at."""
    numerics = reader.options.numerics(reader.options.torch_device())
    sources = {(source_of(each), part.views) for each, part in zip(sets, plan.data, strict=True)}
    wanted = {(layer.network, layer.name, layer.readout, *about) for layer in plan.read() for about in sources}
    found: dict[tuple[str, str, str, str, int], int] = {}
    for info in list_stores(reader.cache):
        what = (info.backbone, info.layer, info.readout, info.source, info.n)
        about = info.about if what in wanted else None
        if about is not None and (about.numerics, about.dtype) == (numerics, plan.dtype):
            found[what] = max(found.get(what, 0), info.rows * about.row_bytes)
    return sum(found.values())


def _size(n_bytes: int) -> str:
    return size(n_bytes).replace(NARROW, " ")
