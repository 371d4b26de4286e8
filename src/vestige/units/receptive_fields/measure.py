"""Units' receptive fields as a network has learned them (section 3.2, Figs. 3 and 4, Table 2 of the paper)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.backbones import ReceptiveField
from vestige.contract.found import Found
from vestige.contract.plan import Plan, plan_by_options
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset, Problem, describe_data
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.images import Crop
from vestige.intervals import Bootstrap
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.partial_work import Arrays
from vestige.results import Row
from vestige.text import count, listed
from vestige.units.activations import ActivationReader
from vestige.units.incremental import Cells, Incremental, Occluders
from vestige.units.places import Standing
from vestige.units.receptive_fields.field import FRACTIONS, Floats, mean_field, reach_of, recentred, sizes
from vestige.units.receptive_fields.occluding import changes, noise, preprocessed
from vestige.units.receptive_fields.task import RECEPTIVE_FIELDS, FieldsOptions
from vestige.units.top import TopPictures, top_pictures

SHOWN = 3
"""Units of each layer that are kept with their pictures."""

PICTURES = 4
"""Pictures of each of those."""

METRICS: Mapping[str, Metric] = {
    "size": Metric("size of receptive fields", "pixels", lower_is_better=None),
    "spread": Metric("standard deviation of sizes over units", "pixels", lower_is_better=None),
    "size@*": Metric("size at {} of the peak", "pixels", lower_is_better=None),
}

METHODS: Mapping[str, Method] = {
    "theoretical": Method("Theoretical", "grey", "dotted", trained=False),
    "actual": Method("Actual", "blue"),
}


@dataclass(frozen=True)
class _Layer:
    """A layer's U units and where they look.

    Attributes:
        name: of the layer.
        units: ``(U,)`` their numbers.
        top: their K pictures.
        field: the theoretical one.
        standing: how its maps lie on the network's input.
    """

    name: str
    units: NDArray[np.int64]
    top: TopPictures
    field: ReceptiveField
    standing: Standing

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """``(U, K, 2)``: (y, x) of the largest activation."""
        return np.stack(np.divmod(self.top.places.astype(np.int64), self.standing.grid[1]), axis=-1)

    @cached_property
    def centres(self) -> Floats:
        """``(U, K, 2)``: (y, x) of that place, in pixels of the network's input."""
        return np.array(self.standing.centre) + np.array(self.standing.stride) * self.cells


def plan_fields(reader: Reader, data: Dataset, options: FieldsOptions) -> Plan:
    """The plan; occluders that do not fit and layers without places are refused here, before any picture is read."""
    backbone = reader.backbone(options.backbone)
    _occluders(backbone.preprocessing.size, options)
    layers = tuple(ActivationReader(backbone, options.layers, reader.options).layers)
    return plan_by_options(RECEPTIVE_FIELDS.name, reader, data, (replace(options, layers=layers),))


def measure_fields(session: Session, data: Dataset, options: FieldsOptions) -> Found:
    """Find where units look by occluding the pictures that they are most active in.

    Raises:
        VestigeError: where an occluder is larger than the picture, a layer's units have no places (a vector), or no
            picture can be read.
    """
    started = time.monotonic()
    backbone = session.reader.backbone(options.backbone)
    occluders = _occluders(backbone.preprocessing.size, options)
    reader = ActivationReader(backbone, options.layers, session.reader.options)
    data, layers = _top(session, data, reader, options)
    session.say(
        f"occluding pictures at {len(occluders):,} places of a grid of {occluders.shape[1]} x {occluders.shape[0]}"
    )
    occluded = _Occluded(session, data, reader, occluders, options, layers)
    found = occluded.run()
    rows, sweep, arrays = _results(layers, found, occluders, options)
    return Found(
        task=RECEPTIVE_FIELDS,
        options=(replace(options, layers=tuple(reader.layers)),),
        config={
            "metric": "size",
            "occluders": list(occluders.shape),
            "occlusions": {"run": occluded.ran, "grid": len(occluders) * occluded.asked},
        },
        data={"test": {**describe_data(data), "label": "Pictures"}},
        backbone={"spec": backbone.spec, "weights_sha256": backbone.weights_sha256, "layer": ", ".join(reader.layers)},
        rows=rows,
        sweep=sweep,
        arrays={**arrays, **_shown(data, layers, found, reader)},
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=(*reader.notes(), *_notes(layers, rows, occluded.network, options)),
    )


def _occluders(size: tuple[int, int], options: FieldsOptions) -> Occluders:
    return Occluders(size, options.occluder, options.stride)


def _top(
    session: Session, data: Dataset, reader: ActivationReader, options: FieldsOptions
) -> tuple[Dataset, tuple[_Layer, ...]]:
    """The top pictures of the units drawn, and the data without those pictures that cannot be read."""
    session.say(f"the pictures that units of {listed(list(reader.layers))} are most active in")
    crops = [Crop(each) for each in data]
    problems: dict[int, str] = {}

    def make() -> dict[str, NDArray[Any]]:
        found = top_pictures(
            reader, crops, options.pictures, progress=session.counting("pictures"), told=problems.update
        )
        arrays: dict[str, NDArray[Any]] = {
            f"{what}/{name}": getattr(each, what) for name, each in found.items() for what in _TOP
        }
        return {**arrays, "bad": np.array([*problems], np.int64), "why": np.array([*problems.values()], np.str_)}

    numerics = reader.options.numerics(reader.device)
    made_from = f"receptive fields, top 1 {reader.backbone.fingerprint} {numerics} {data.fingerprint}"
    kept = session.kept.get(f"{made_from} {list(reader.layers)} {options.pictures}", make)
    bad = [Problem(data[row].id, str(why)) for row, why in zip(kept["bad"].tolist(), kept["why"], strict=True)]
    if len(bad) == len(data):
        raise VestigeError(f"{data.spec}: none of {count(len(data), 'picture')} can be read: {bad[0]}")
    return data.without(data.examples, bad), tuple(
        _layer(reader, name, TopPictures(*(kept[f"{what}/{name}"] for what in _TOP)), rank, options)
        for rank, name in enumerate(reader.layers)
    )


_TOP = ("rows", "values", "places")


def _layer(reader: ActivationReader, name: str, top: TopPictures, rank: int, options: FieldsOptions) -> _Layer:
    channels, *grid = reader.shapes[name]
    draw = np.random.default_rng([options.seed, rank])
    units = np.sort(draw.permutation(channels)[: options.units])
    drawn = TopPictures(top.rows[units], top.values[units], top.places[units])
    field = reader.fields[name]
    standing = Standing.of(reader.backbone.preprocessing.size, (grid[0], grid[1]), field, "field")
    return _Layer(name, units, drawn, field, standing)


class _Occluded:
    """The pictures that are occluded, each once for all the units that have it.

    Attributes:
        network: that is run.
        ran: how many occluded pictures were.
        asked: how many pictures were occluded.
    """

    def __init__(
        self,
        session: Session,
        data: Dataset,
        reader: ActivationReader,
        occluders: Occluders,
        options: FieldsOptions,
        layers: Sequence[_Layer],
    ) -> None:
        self.session, self.data, self.reader, self.options, self.layers = session, data, reader, options, layers
        self.occluders = occluders
        self.network = Incremental(reader.network, tuple(reader.layers), occluders, batch=reader.options.batch)
        self.ran = self.asked = 0
        self._patches: torch.Tensor | None = None
        self._checked = False

    def run(self) -> dict[str, NDArray[np.float32]]:
        """By layer ``(U, K, ny, nx)``: what each occluder does to a unit in each of its pictures."""
        found = {
            layer.name: np.zeros((*layer.top.rows.shape, *self.occluders.shape), np.float32) for layer in self.layers
        }
        pictures = sorted({row for layer in self.layers for row in layer.top.rows.ravel().tolist()})
        progress = self.session.counting("pictures occluded")
        progress(0, len(pictures))
        for done, row in enumerate(pictures, 1):
            where = {layer.name: np.nonzero(layer.top.rows == row) for layer in self.layers}
            cells = {
                layer.name: Cells(layer.units[u], *layer.cells[u, k].T.copy())
                for layer in self.layers
                for u, k in (where[layer.name],)
                if len(u)
            }
            arrays = self._picture(row, cells)
            for name in cells:
                found[name][where[name]] = arrays[f"change/{name}"]
            self.ran += int(arrays["run"])
            self.asked += 1
            progress(done, len(pictures))
        return found

    def _picture(self, row: int, cells: Mapping[str, Cells]) -> Arrays:
        options, crop = self.options, Crop(self.data[row])
        numerics = self.reader.options.numerics(self.reader.device)
        about = (options.occluder, options.stride, options.fresh and row, options.fresh, options.seed)
        asked = [(name, each.units.tolist(), each.y.tolist(), each.x.tolist()) for name, each in cells.items()]
        made_from = f"receptive fields 1 {self.reader.backbone.fingerprint} {numerics} {about} {asked} {crop.key()}"
        return self.session.kept.get(made_from, lambda: self._changes(row, crop, cells))

    def _changes(self, row: int, crop: Crop, cells: Mapping[str, Cells]) -> dict[str, NDArray[Any]]:
        expected = self.reader.backbone.preprocessing
        picture = crop.pixels(expected.size, expected.interpolation)
        device, patches = self.reader.device, self._noise(row)
        if not self._checked:
            x = self.reader.backbone.preprocessing(picture[None], device)
            self.network, self._checked = self.network.checked(x, patches.to(device), cells), True
        found, run = changes(self.network, self.reader.fields, picture, patches, cells, device)
        return {**{f"change/{name}": each for name, each in found.items()}, "run": np.array(run)}

    def _noise(self, row: int) -> torch.Tensor:
        """What the occluders of a picture hold; the same for all where it is not fresh."""
        if self._patches is None or self.options.fresh:
            seed = (self.options.seed, row) if self.options.fresh else (self.options.seed,)
            drawn = noise(self.occluders, seed, fresh=self.options.fresh)
            self._patches = preprocessed(drawn, self.occluders, self.reader.backbone.preprocessing)
        return self._patches


def _results(
    layers: Sequence[_Layer],
    found: Mapping[str, NDArray[np.float32]],
    occluders: Occluders,
    options: FieldsOptions,
) -> tuple[tuple[Row, ...], tuple[Row, ...], dict[str, NDArray[Any]]]:
    """Rows and sweep, and what ``examples.npz`` holds of all units."""
    rows: list[Row] = []
    sweep: list[Row] = []
    arrays: dict[str, NDArray[Any]] = {"fractions": np.array(FRACTIONS)}
    for layer in layers:
        measured, pictured = zip(*_fields(layer, found[layer.name], occluders, options), strict=True)
        size, curve = np.array([each[0] for each in measured]), np.array([each[1:] for each in measured])
        rows += _rows(layer, size, options)
        sweep += [
            _row(f"size@{fraction:g}", layer.name, curve[:, k], options)
            for k, fraction in enumerate(FRACTIONS)
            if np.isfinite(curve[:, k]).any()
        ]
        arrays |= {
            f"units/{layer.name}": layer.units,
            f"size/{layer.name}": size,
            f"curve/{layer.name}": curve,
            f"field/{layer.name}": np.stack(pictured),
            f"top/{layer.name}": layer.top.rows,
            f"values/{layer.name}": layer.top.values,
            f"centres/{layer.name}": layer.centres,
        }
    return tuple(rows), tuple(sweep), arrays


def _fields(
    layer: _Layer, change: NDArray[np.float32], occluders: Occluders, options: FieldsOptions
) -> Iterator[tuple[Floats, NDArray[np.float16]]]:
    """Of each unit its sizes, at the fraction asked for and at all others, and its field as a share of its peak."""
    reach = reach_of(layer.field, occluders)
    for unit, values in enumerate(layer.top.values):
        weights = np.maximum(values, 0).tolist() if options.weighted else [1.0] * len(values)
        centres = [(float(y), float(x)) for y, x in layer.centres[unit]]
        maps = (recentred(each, occluders, c, reach) for each, c in zip(change[unit], centres, strict=True))
        field = mean_field(maps, weights)
        peak = np.nanmax(field, initial=0.0)
        step = slice(reach % options.stride, None, options.stride)  # so that the middle is there
        yield sizes(field, (options.fraction, *FRACTIONS)), (field[step, step] / (peak or 1.0)).astype(np.float16)


def _rows(layer: _Layer, size: Floats, options: FieldsOptions) -> Iterator[Row]:
    if (extent := layer.field.receptive_field) is not None:
        yield Row("theoretical", "size", layer.name, float(np.sqrt(np.prod(extent))), None, len(size), layer=layer.name)
    known = size[np.isfinite(size)]
    if len(known):
        yield _row("size", layer.name, size, options)
    if len(known) > 1:
        yield Row("actual", "spread", layer.name, float(known.std(ddof=1)), None, len(known), layer=layer.name)


def _row(metric: str, layer: str, values: Floats, options: FieldsOptions) -> Row:
    """The mean over units, with its interval."""
    known = np.isfinite(values)
    ci95 = Bootstrap.draw(range(len(values)), options.seed).interval_of_mean(values)
    return Row("actual", metric, layer, float(values[known].mean()), ci95, int(known.sum()), layer=layer)


def _shown(
    data: Dataset, layers: Sequence[_Layer], found: Mapping[str, NDArray[np.float32]], reader: ActivationReader
) -> dict[str, NDArray[Any]]:
    """Some units' pictures, and what occluders do there: ``shown/LAYER`` ``(S, k)`` counts ``pictures``."""
    expected = reader.backbone.preprocessing
    arrays: dict[str, NDArray[Any]] = {}
    rows: dict[int, int] = {}
    for layer in layers:
        lively = np.flatnonzero(found[layer.name].any(axis=(1, 2, 3)))[:SHOWN]
        top = layer.top.rows[lively][:, :PICTURES]
        arrays[f"lively/{layer.name}"] = lively
        arrays[f"shown/{layer.name}"] = np.array(
            [[rows.setdefault(row, len(rows)) for row in each] for each in top.tolist()], np.int64
        ).reshape(top.shape)
        arrays[f"change/{layer.name}"] = found[layer.name][lively][:, :PICTURES].astype(np.float32)
    pictures = [Crop(data[row]).pixels(expected.size, expected.interpolation) for row in rows]
    shape = (len(pictures), *expected.size, 3)
    return {**arrays, "pictures": np.array(pictures, np.uint8).reshape(shape), "ids": np.array([e.id for e in data])}


def _notes(
    layers: Sequence[_Layer], rows: Sequence[Row], network: Incremental, options: FieldsOptions
) -> Iterator[str]:
    measured = {row.subset: row.n for row in rows if (row.method, row.metric) == ("actual", "size")}
    silent = {layer.name: len(layer.units) - measured.get(layer.name, 0) for layer in layers}
    if any(silent.values()):
        which = listed([f"{n} of {name}" for name, n in silent.items() if n])
        yield f"Units that no occluder changes (they answer to nothing in their top pictures) are left out: {which}."
    uneven = [layer.name for layer in layers if not layer.standing.exact]
    if uneven:
        yield (
            "Cells on no even grid of the picture (pooled to a fixed number, resampled, in shifted windows) are taken "
            f"to share it out evenly, and have no theoretical field: {listed(uneven)}."
        )
    everywhere = [each.name for each in layers if each.standing.exact and each.field.receptive_field is None]
    if everywhere:
        yield (
            "Units that read the whole picture, however large it is (attention, squeeze-and-excite), have no "
            f"theoretical field: {listed(everywhere)}."
        )
    if network.graph is None:
        yield (
            f"The network cannot be run operation by operation ({network.untraced}), so every occluded picture was run "
            "whole."
        )
    elif network.graph.unknown:
        yield (
            f"Behind {network.graph.unknown}, whose output depends on all of its input or is not known to be local, "
            "occluded pictures were run whole."
        )
    how = "weighted by its largest activation in each" if options.weighted else "all alike"
    pictures = count(layers[0].top.rows.shape[1], "picture")
    yield f"A unit's field is the mean of its maps of {pictures}, {how}."
