"""Backbones x layers x readouts on one task, with shared crops: which layer of which network, and what it costs."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vestige.backbones import Backbone
from vestige.backbones.prepare import prepared
from vestige.datasets.dataset import Dataset, describe_data
from vestige.documents import document_type, entries_of, read_json
from vestige.errors import VestigeError
from vestige.features.reader import DEFAULT, Read, Reader, listened
from vestige.files import disk_errors, write_json
from vestige.probes.compare.comparison import Baseline, Comparison, Entry, Skipped
from vestige.probes.compare.network_layers import layers_by_network
from vestige.probes.engine.point_bench import Bench, lay_bench, readable
from vestige.probes.landmarks.measure import settle
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.progress import Say
from vestige.results import now
from vestige.scores import interval_notes
from vestige.spec import EVEN_LAYERS
from vestige.text import count
from vestige.version import __version__

DEFAULT_NAME = "flat ≤ 25k"
"""What a comparison calls every layer's default readout: flat, pooled to at most 25,000 numbers."""

_MEASURED = "measured"
_TIMED_PICTURES = 16
_TIMED_PASSES = 5


@dataclass(frozen=True)
class CompareOptions:
    """What is compared.

    Attributes:
        backbones: their specs; ``NAME@random:SEED`` is a network's untrained twin.
        layers: as :func:`vestige.probes.compare.network_layers.layers_by_network` takes them.
        readouts: of every layer; ``auto`` is a layer's default.
        probe: how the probe is trained (its backbone, layers and readouts are not used).
    """

    backbones: tuple[str, ...]
    layers: tuple[str, ...] = (EVEN_LAYERS,)
    readouts: tuple[str, ...] = ("auto", "gap")
    probe: LandmarkOptions = field(default_factory=LandmarkOptions)


def compare_landmarks(
    train: Dataset,
    test: Dataset,
    options: CompareOptions,
    reader: Reader,
    folder: Path,
    say: Say | None = None,
) -> Comparison:
    """Fit and measure every combination on the same crops, folds and test examples.

    Every combination is written into ``folder/measured`` as it is done; started again, those are read.

    Raises:
        VestigeError: where a backbone has none of the layers, or the data have no points.
    """
    started = time.monotonic()
    reader, say = listened(reader, say)
    layers = layers_by_network(options.layers, {spec: reader.backbone(spec) for spec in options.backbones})
    say("reading pictures")
    rgb = f"rgb:{options.probe.rgb_size}"
    train, test = readable(train, rgb, reader), readable(test, rgb, reader)
    setup, notes, _ = settle(train, options.probe)
    bench = lay_bench(train, test, setup, reader, mirror=options.probe.mirror, shared=options.probe.alpha_shared)
    bench_key = f"{train.fingerprint} {test.fingerprint} {options.probe!r} {reader.options!r}"
    asked = {backbone: _reads(reader, backbone, names, options.readouts) for backbone, names in layers.items()}
    measured = _Measured(folder / _MEASURED, bench_key, len(test))
    say("baselines: mean and RGB")
    baselines = _baselines(bench, rgb, reader)
    entries: list[Entry] = []
    skipped: list[Skipped] = []
    for backbone, (reads, refused) in asked.items():
        skipped += refused
        say(f"{backbone}: {count(len(reads), 'layer')} and readouts")
        entries += _measure_backbone(bench, backbone, reads, measured)
        notes += filter(None, [_default_note(backbone, reads)])
    metric = bench.test_truth.metric
    return Comparison(
        task="landmarks",
        metric=metric,
        unit=_UNITS[setup.normaliser],
        ids=np.array([example.id for example in test]),
        groups=np.array([example.group for example in test]),
        entries=tuple(entries),
        baselines=baselines,
        skipped=tuple(skipped),
        data={"train": describe_data(train), "test": describe_data(test)},
        config={**asdict(options), "layers": layers, "extraction": asdict(reader.options)},
        created=now(),
        seconds=round(time.monotonic() - started, 1),
        vestige=__version__,
        notes=(*notes, *interval_notes(test)),
    )


_UNITS = {
    "inter-ocular": "the inter-ocular distance",
    "inter-pupil": "the inter-pupil distance",
    "eye-corners": "the distance of the outer eye corners",
    "box": "the box's size",
    "longer-side": "the box's longer side",
}


def keep_measured(folder: Path, other: Path) -> None:
    """Copy the finished entries of a comparison's folder to another, where it has some."""
    with disk_errors(other):
        if (folder / _MEASURED).is_dir():
            shutil.copytree(folder / _MEASURED, other / _MEASURED, dirs_exist_ok=True)


_Kept = document_type(Entry, errors=tuple[float | None, ...])


@dataclass(frozen=True)
class _Measured:
    """Finished entries on disk, known by all that they depend on, each with the errors of ``n`` test examples."""

    folder: Path
    bench: str
    n: int

    def path(self, fingerprint: str, read: Read) -> Path:
        text = f"{self.bench} {fingerprint} {read.layer.name} {read.readout}"
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def load(self, path: Path) -> Entry | None:
        """The entry, or None where it is not there or not what was written."""
        try:
            kept = entries_of(read_json(path, _Kept, what="a measured layer"))
        except VestigeError:
            return None
        errors = np.array([np.nan if error is None else error for error in kept["errors"]], dtype=np.float64)
        return Entry(**kept | {"errors": errors}) if len(errors) == self.n else None

    def save(self, path: Path, entry: Entry) -> None:
        errors = [float(e) if np.isfinite(e) else None for e in entry.errors]
        write_json(path, {**asdict(entry), "errors": errors}, overwrite=True)


def _baselines(bench: Bench, rgb: str, reader: Reader) -> tuple[Baseline, ...]:
    (fitted,) = bench.fit(rgb, reader.reads(rgb, ["all"]), normalise=False)
    (rgb_errors,) = bench.test_errors([fitted])
    mean_errors = bench.errors_of(bench.mean().predict(None, len(bench.test_views)))
    return tuple(
        Baseline(name, float(np.nanmean(errors)), bench.bootstrap.interval_of_mean(errors), errors)
        for name, errors in (("mean", mean_errors), ("rgb", rgb_errors))
    )


@dataclass(frozen=True)
class _Asked:
    """A layer and readout, and what the comparison calls the readout: layers' defaults are one column of it."""

    name: str
    read: Read


def _reads(
    reader: Reader, backbone: str, layers: Sequence[str], readouts: Sequence[str]
) -> tuple[list[_Asked], list[Skipped]]:
    """What can be read of a backbone, each thing once, and what cannot."""
    reads: dict[tuple[str, str], _Asked] = {}
    skipped = []
    for readout in readouts:
        try:
            found = reader.reads(backbone, layers, [readout])
        except VestigeError as error:
            skipped.append(Skipped(backbone, ", ".join(layers), readout, str(error)))
            continue
        name = DEFAULT_NAME if readout == DEFAULT else readout
        for read in found:
            reads.setdefault((read.layer.name, str(read.readout)), _Asked(name, read))
    if not reads:
        raise VestigeError(f"{backbone}: {skipped[0].reason}")
    return list(reads.values()), skipped


def _default_note(backbone: str, asked: Sequence[_Asked]) -> str:
    """How a backbone's layers are read where each one's default was asked for."""
    layers: dict[str, list[str]] = {}
    for each in asked:
        if each.name == DEFAULT_NAME:
            layers.setdefault(str(each.read.readout), []).append(each.read.layer.name)
    told = "; ".join(f"{readout} of {', '.join(names)}" for readout, names in layers.items())
    return f"{backbone}, {DEFAULT_NAME}: {told}." if told else ""


def _measure_backbone(bench: Bench, backbone: str, asked: Sequence[_Asked], measured: _Measured) -> Iterator[Entry]:
    """The entries of a backbone: those on disk are read, the others extracted together and fitted one by one."""
    fingerprint = bench.reader.backbone(backbone).fingerprint
    paths = [measured.path(fingerprint, each.read) for each in asked]
    known = [measured.load(path) for path in paths]
    missing = [each.read for each, entry in zip(asked, known, strict=True) if entry is None]
    if missing:
        for views in (bench.targets.views, bench.test_views):
            bench.reader.features(backbone, views.crops(), missing)
    cost = _milliseconds(bench, backbone, list(dict.fromkeys(read.layer.name for read in missing)))
    for each, path, entry in zip(asked, paths, known, strict=True):
        if entry is not None:
            yield replace(entry, readout=each.name)
            continue
        read = each.read
        (candidate,) = bench.fit(backbone, [read])
        (errors,) = bench.test_errors([candidate])
        made = Entry(
            backbone,
            read.layer.name,
            each.name,
            read.depth,
            float(np.nanmean(errors)),
            bench.bootstrap.interval_of_mean(errors),
            errors,
            cost[read.layer.name],
            read.size * (2 if bench.reader.options.store_dtype == "float16" else 4),
            candidate.oof_error,
        )
        measured.save(path, made)
        yield made


def _milliseconds(bench: Bench, backbone: str, layers: Sequence[str]) -> dict[str, float]:
    """Milliseconds per picture of the forward pass up to each layer: the median of some passes over one batch."""
    if not layers:
        return {}
    opened, options = bench.reader.backbone(backbone), bench.reader.options
    device = options.torch_device()
    ready = prepared(opened, device, dtype=getattr(torch, options.precision), compile=options.compile, keep=layers)
    height, width = opened.preprocessing.size
    x = opened.preprocessing(np.zeros((_TIMED_PICTURES, height, width, 3), np.uint8), device)
    return {layer: _median_seconds(ready, x, layer) / _TIMED_PICTURES * 1000 for layer in layers}


def _median_seconds(ready: Backbone, x: Tensor, layer: str) -> float:
    seconds = []
    for _ in range(_TIMED_PASSES + 1):  # the first warms up
        started = time.perf_counter()
        ready.run(x, [layer])[layer].cpu()  # the copy waits for a device that works on its own
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))
