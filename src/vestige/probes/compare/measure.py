"""Backbones x layers x readouts on one task, with shared crops: which layer of which network, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.backbones import Backbone
from vestige.backbones.prepare import prepared
from vestige.contract.bench import Bench, Tested
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError, choice
from vestige.extraction import ExtractOptions
from vestige.features.reader import DEFAULT, Read, Reader, largest_of
from vestige.features.readout import parse_readout
from vestige.features.spread import device_of
from vestige.partial_work import Arrays
from vestige.probes.compare.names import COSTS, default_name, methods_of
from vestige.probes.compare.task import COMPARE, CompareOptions, compared_task
from vestige.probes.engine.linear import Source
from vestige.results import Row
from vestige.scores import Score, interval_notes
from vestige.spec import EVEN_LAYERS
from vestige.spelling import spelled
from vestige.text import count

_TIMED_PICTURES = 16
_TIMED_PASSES = 5

_RESOLVED = ("mirror", "box_margin", "normaliser")


def measure_comparison(session: Session, data: tuple[Dataset, Dataset], options: CompareOptions) -> Found:
    """Fit and measure every combination on the same crops, folds and test examples.

    Every combination is kept as it is done; started again, those are read.

    Raises:
        VestigeError: where a backbone has none of the layers, or the data lack what the task reads.
    """
    started = time.monotonic()
    reader = session.reader
    probing = options.probing()
    asked = reads_by_network(reader, options)
    bench = compared_task(options.task).bench(session, data, *probing)
    session.say("baselines: mean and RGB")
    baselines = _baselines(bench, reader)
    notes = list(bench.notes)
    made_from = f"{bench.train.fingerprint} {bench.test.fingerprint} {probing!r} {reader.options!r}"
    entries = _measured(bench, session, made_from, {backbone: own.reads for backbone, own in asked.items()})
    for backbone, own in asked.items():
        notes += _default_notes(backbone, own.reads)
    chosen = _chosen(bench, entries)
    best = _best(bench, list(chosen.values()))
    return Found(
        task=COMPARE,
        options=(options,),
        config={
            **bench.config,
            **{name: value for each in probing for name, value in asdict(each).items() if name in _RESOLVED},
            "metric": bench.metric,
            "layers": {backbone: own.layers for backbone, own in asked.items()},
            "readouts": _readouts(options),
            "probe": {name: value for each in probing for name, value in asdict(each).items()},
            "skipped": [one for own in asked.values() for one in own.skipped],
        },
        data={"train": bench.train, "test": bench.test},
        backbone=best.source(reader).to_json(best.read.size),
        rows=(
            *(_row(name, bench.metric, tested.score) for name, tested in baselines.items()),
            *(entry.row(bench.metric) for entry in chosen.values()),
        ),
        arrays=_arrays(bench, baselines, entries),
        metrics={**bench.metrics, **COSTS},
        methods=methods_of(options.backbones, bench.methods),
        extraction=reader.options,
        seconds=time.monotonic() - started,
        sweep=tuple(row for entry in entries for row in entry.sweep(bench.metric)),
        notes=(*notes, *interval_notes(bench.test)),
        kept=session.kept,
    )


def _readouts(options: CompareOptions) -> tuple[str, ...]:
    """Those that are asked for, else those of the task and averaging over the picture."""
    own = next(each.readouts for each in options.probing() if hasattr(each, "readouts"))
    return options.readouts or (*(own or (DEFAULT,)), "gap")


@dataclass(frozen=True)
class _Asked:
    """A layer and readout, and what the comparison calls the readout: layers' defaults are one column of it."""

    name: str
    read: Read


@dataclass(frozen=True)
class NetworkReads:
    """What is read of a network.

    Attributes:
        layers: their names.
        readouts: those that fit some of them.
        reads: each thing once.
        skipped: what cannot be read, and why.
    """

    layers: tuple[str, ...]
    readouts: tuple[str, ...]
    reads: tuple[_Asked, ...]
    skipped: tuple[dict[str, str], ...]


def reads_by_network(reader: Reader, options: CompareOptions) -> dict[str, NetworkReads]:
    """What is read of each network, by its spec.

    Raises:
        VestigeError: where there is no such network, layer or readout, or a network has nothing that can be read.
    """
    layers = layers_by_network(options.layers, {spec: reader.backbone(spec) for spec in options.backbones})
    readouts = _readouts(options)
    for text in readouts:
        if not largest_of(text):
            parse_readout(text)
    return {backbone: _reads(reader, backbone, names, readouts) for backbone, names in layers.items()}


def _reads(reader: Reader, backbone: str, layers: tuple[str, ...], readouts: Sequence[str]) -> NetworkReads:
    """What can be read of a backbone, and what cannot."""
    reads: dict[tuple[str, str], _Asked] = {}
    skipped = []
    for readout in readouts:
        try:
            found = reader.reads(backbone, layers, [readout])
        except VestigeError as error:
            where = {"backbone": backbone, "layer": ", ".join(layers), "readout": readout}
            skipped.append({**where, "reason": str(error)})
            continue
        for read in found:
            reads.setdefault((read.layer.name, str(read.readout)), _Asked(default_name(readout), read))
    if not reads:
        raise VestigeError(f"{backbone}: {skipped[0]['reason']}")
    refused = [one["readout"] for one in skipped]
    fitting = tuple(readout for readout in readouts if readout not in refused)
    return NetworkReads(layers, fitting, tuple(reads.values()), tuple(skipped))


def _default_notes(backbone: str, asked: Sequence[_Asked]) -> Iterator[str]:
    """How a backbone's layers are read where each one's default was asked for."""
    layers: dict[str, dict[str, list[str]]] = {}
    for each in asked:
        if each.name != str(each.read.readout):
            layers.setdefault(each.name, {}).setdefault(str(each.read.readout), []).append(each.read.layer.name)
    for name, readouts in layers.items():
        listing = "; ".join(f"{readout} of {', '.join(names)}" for readout, names in readouts.items())
        yield f"{backbone}, {name}: {listing}."


@dataclass(frozen=True)
class _Entry:
    """One backbone, layer and readout, measured; ``ms`` of the forward pass, ``bytes`` of the stored feature."""

    backbone: str
    readout: str
    read: Read
    tested: Tested
    ms: float
    bytes: int

    def row(self, metric: str) -> Row:
        """The metric over all test examples."""
        row = _row(self.backbone, metric, self.tested.score)
        return replace(row, layer=self.read.layer.name, readout=self.readout, backbone=self.backbone)

    def sweep(self, metric: str) -> Iterator[Row]:
        """The metric, the same on training folds, and the costs."""
        tested = self.row(metric)
        yield tested
        values = {
            f"oof_{metric}": self.tested.out_of_fold,
            "depth": self.read.depth,
            "ms_per_image": self.ms,
            "bytes_per_image": float(self.bytes),
            "numbers_per_image": float(self.read.size),
        }
        for name, value in values.items():
            if value is not None:
                yield replace(tested, metric=name, value=value, ci95=None)

    def source(self, reader: Reader) -> Source:
        """What was read."""
        weights = reader.backbone(self.backbone).weights_sha256
        return Source(self.backbone, weights, self.read.layer.name, str(self.read.readout))


def _row(method: str, metric: str, score: Score) -> Row:
    return Row(method, metric, "all", score.value, score.ci95, score.n)


def _baselines(bench: Bench, reader: Reader) -> dict[str, Tested]:
    (pixels,) = reader.reads(bench.rgb, ["all"])
    ((_, rgb),) = bench.layers.tested([(bench.rgb, pixels)], normalise=False)
    return {"mean": bench.layers.tested_mean(), "rgb": rgb}


def _measured(bench: Bench, session: Session, made_from: str, asked: Mapping[str, Sequence[_Asked]]) -> list[_Entry]:
    """The entries: those kept are read, the others of a backbone extracted together, fitted, and kept as they end."""
    reader, kept = session.reader, session.kept
    keys = {
        (backbone, each): f"{made_from} {reader.backbone(backbone).fingerprint} {each.read.layer.name} "
        f"{each.read.readout}"
        for backbone, own in asked.items()
        for each in own
    }
    found = {about: arrays for about, key in keys.items() if (arrays := kept.find(key)) is not None}
    missing = [about for about in keys if about not in found]
    cost: dict[str, dict[str, float]] = {}

    def extracted() -> Iterator[tuple[str, Read]]:
        for backbone, own in asked.items():
            session.say(f"{backbone}: {count(len(own), 'layer')} and readouts")
            reads = [each.read for spec, each in missing if spec == backbone]
            for crops in bench.layers.crops if reads else ():
                reader.features(backbone, crops, reads)
            cost[backbone] = _milliseconds(reader, backbone, list(dict.fromkeys(read.layer.name for read in reads)))
            yield from ((backbone, read) for read in reads)

    for place, tested in bench.layers.tested(extracted()):
        backbone, each = missing[place]
        made = partial(_to_arrays, tested, cost[backbone][each.read.layer.name])
        found[backbone, each] = kept.get(keys[backbone, each], made)
    stored = 2 if reader.options.store_dtype == "float16" else 4
    in_order = {about: found[about] for about in keys}
    return [
        _Entry(backbone, each.name, each.read, _from_arrays(arrays), float(arrays["ms"]), each.read.size * stored)
        for (backbone, each), arrays in in_order.items()
    ]


def _to_arrays(tested: Tested, ms: float) -> Arrays:
    score = tested.score
    numbers = {"value": score.value, "n": score.n, "groups": score.groups, "out_of_fold": tested.out_of_fold, "ms": ms}
    return {
        **{name: np.array(value) for name, value in numbers.items() if value is not None},
        "resampled": score.resampled,
        "errors": tested.errors,
    }


def _from_arrays(found: Arrays) -> Tested:
    score = Score(float(found["value"]), found["resampled"], int(found["n"]), int(found["groups"]))
    return Tested(score, found["errors"], float(found["out_of_fold"]) if "out_of_fold" in found else None)


def _chosen(bench: Bench, entries: Sequence[_Entry]) -> dict[str, _Entry]:
    """The layer and readout of every backbone that training folds choose."""
    backbones = dict.fromkeys(entry.backbone for entry in entries)
    return {spec: _best(bench, [entry for entry in entries if entry.backbone == spec]) for spec in backbones}


def _best(bench: Bench, entries: Sequence[_Entry]) -> _Entry:
    """The entry that is best on training folds: the test examples have no say in it."""
    return max(entries, key=lambda entry: bench.sign * (entry.tested.out_of_fold or 0.0))


def _arrays(bench: Bench, baselines: Mapping[str, Tested], entries: Sequence[_Entry]) -> dict[str, NDArray[Any]]:
    """``ids`` and ``groups`` ``(N,)``; of E entries, the baselines first: what they are ``(E,)``, their ``errors``
    ``(E, N)``, and the metric ``resampled`` ``(E, B)`` over ``of_groups`` ``(E,)`` groups of test examples."""
    tested = [*baselines.values(), *(entry.tested for entry in entries)]
    none = [""] * len(baselines)
    return {
        "ids": np.array([example.id for example in bench.test]),
        "groups": np.array([example.group for example in bench.test]),
        "method": np.array([*baselines, *(entry.backbone for entry in entries)]),
        "layer": np.array([*none, *(entry.read.layer.name for entry in entries)]),
        "readout": np.array([*none, *(entry.readout for entry in entries)]),
        "errors": np.stack([each.errors for each in tested]),
        "resampled": np.stack([each.score.resampled for each in tested]),
        "of_groups": np.array([each.score.groups for each in tested]),
    }


def _milliseconds(reader: Reader, backbone: str, layers: Sequence[str]) -> dict[str, float]:
    """Milliseconds per picture of the forward pass up to each layer, on a machine that extracts."""
    if not layers:
        return {}
    opened, options, cluster = reader.backbone(backbone), reader.options, reader.cluster
    device = device_of(options, cluster)
    if cluster is None:
        return _timed(opened, options, device, layers)
    held = cluster.share(opened), options, device
    with cluster.actors(partial, _timed, *held, most=1, gpu=device.type == "cuda") as workers:
        found: dict[int, dict[str, float]] = dict(workers.run([(layers,)]))
    return found[0]


def _timed(
    backbone: Backbone, options: ExtractOptions, device: torch.device, layers: Sequence[str]
) -> dict[str, float]:
    """Layer -> milliseconds per picture up to it: the median of some passes over one batch."""
    ready = prepared(backbone, device, dtype=getattr(torch, options.precision), compile=options.compile, keep=layers)
    height, width = backbone.preprocessing.size
    x = backbone.preprocessing(np.zeros((_TIMED_PICTURES, height, width, 3), np.uint8), device)
    return {layer: _median_seconds(ready, x, layer) / _TIMED_PICTURES * 1000 for layer in layers}


def _median_seconds(ready: Backbone, x: Tensor, layer: str) -> float:
    seconds = []
    for _ in range(_TIMED_PASSES + 1):  # the first warms up
        started = time.perf_counter()
        ready.run(x, [layer])[layer].cpu()  # the copy waits for a device that works on its own
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def layers_by_network(patterns: Sequence[str], backbones: Mapping[str, Backbone]) -> dict[str, tuple[str, ...]]:
    """The layers of every network.

    ``NETWORK=PATTERN`` is for one network alone, named by its spec or by a beginning that no other has. A pattern by
    itself is for all that have such a layer; a network for which there is no pattern at all is read at six layers.

    Args:
        patterns: names, globs, ``even:N`` and ``all``, as :meth:`vestige.backbones.Backbone.select` takes them.
        backbones: by spec.

    Returns:
        spec -> names of layers.

    Raises:
        VestigeError: where a pattern matches in no network that it is for, or a network has none of the layers.
    """
    asked = [_split(pattern, list(backbones)) for pattern in patterns]
    return {spec: _layers(spec, asked, backbones) for spec in backbones}


def _split(text: str, specs: Sequence[str]) -> tuple[str | None, str]:
    """The network that a pattern is for, None for all, and the pattern. Specs may hold ``=``: the longest is taken."""
    parts = text.split("=")
    for end in range(len(parts) - 1, 0, -1):
        name, pattern = "=".join(parts[:end]), "=".join(parts[end:])
        found = [spec for spec in specs if spec == name] or [spec for spec in specs if spec.startswith(name)]
        if len(found) > 1 and name:
            raise VestigeError(
                f"{spelled('layers', text)}: {name} begins {' and '.join(found)}; write the network's whole spec"
            )
        if found and name and pattern:
            return found[0], pattern
    if len(parts) > 1:
        raise VestigeError(
            f"{spelled('layers', text)}: no network {parts[0]!r} for NETWORK=LAYER; {choice(parts[0], specs)}"
        )
    return None, text


def _layers(spec: str, asked: Sequence[tuple[str | None, str]], backbones: Mapping[str, Backbone]) -> tuple[str, ...]:
    own = [pattern for network, pattern in asked if network == spec]
    shared = [pattern for network, pattern in asked if network is None]
    if not own and not shared:
        return backbones[spec].select([EVEN_LAYERS])
    there = [pattern for pattern in shared if _has(backbones[spec], pattern)]
    for pattern in shared:
        if pattern not in there and not any(_has(other, pattern) for other in backbones.values()):
            backbones[spec].select([pattern])  # raises, with the nearest names
    if not own and not there:
        raise VestigeError(
            f"{spec} has no layer {', '.join(shared)}; name its own with {spelled('layers', (f'{spec}=LAYER',))}, "
            f"of which it has {', '.join(backbones[spec].paths)}"
        )
    return backbones[spec].select([*own, *there])


def _has(backbone: Backbone, pattern: str) -> bool:
    try:
        return bool(backbone.select([pattern]))
    except VestigeError:
        return False
