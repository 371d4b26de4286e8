"""Crops to stored features: several layers in one pass, what is stored already read instead of computed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vestige.backbones import Backbone, Layer, PreparedBackbone, prepared
from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features.cache import cache_root
from vestige.features.decode import PixelBatch, read_batches
from vestige.features.layout import CHUNK_ROWS, Description, pictures_sha256, source_of
from vestige.features.readout import Readout
from vestige.features.spread import bare_example, check_reached, device_of, fill_elsewhere, on_workers
from vestige.features.store import Features, HeldFeatures, HeldWriter, scaled
from vestige.features.writer import Claims, StoreWriter, chunk_writers, made
from vestige.images import Crop
from vestige.progress import Progress, count_nothing
from vestige.spec import StoreDtype
from vestige.stopwatch import timing


@dataclass(frozen=True)
class _Read:
    """One of the things asked for: a layer, its readout, and the description of the store that they go to."""

    layer: Layer
    readout: Readout
    description: Description


def extract(
    backbone: Backbone,
    crops: Sequence[Crop],
    reads: Sequence[tuple[str, Readout]],
    *,
    cache: Path | None = None,
    options: ExtractOptions | None = None,
    progress: Progress | None = None,
    keep: bool = True,
    cluster: Cluster | None = None,
) -> list[Features]:
    """The features of crops, from the cache where they are there, the others computed in one pass and stored.

    A picture that cannot be read leaves a row of zeros, ``valid`` False and its problem. May be killed at any moment:
    the next call goes on at the last finished batch, and ends with the same bytes. What is damaged is computed again.
    Where another process is filling one of the stores, this one waits and then reads.

    Args:
        backbone: the network.
        crops: what it is shown, one row each. Crops of one picture side by side are decoded once.
        reads: (layer, readout), of any number of layers.
        cache: the directory of the stores; None for :func:`vestige.features.cache.cache_root`.
        options: how; None for the defaults.
        progress: called with counts of rows, before the first batch and after every one; those of an earlier,
            killed run count as done from the start: throughput is what is added since the first call.
        keep: store the features; where False they are computed anew and held in memory, to the same bytes, and the
            cache is not touched.
        cluster: whose machines compute what is stored, each some of the chunks; None for this machine.

    Returns:
        One Features for every read, in their order.

    Raises:
        VestigeError: where a layer or readout does not fit, the disk is full, or a network's numbers do not fit the
            store.
    """
    if not crops or not reads:
        raise VestigeError(f"nothing to extract: {len(crops)} crops, {len(reads)} layers")
    options = options or ExtractOptions()
    root = cache_root() if cache is None else Path(cache)
    device = device_of(options, cluster if keep else None)
    with timing("read"):
        wanted = _describe(backbone, crops, reads, options.numerics(device), options.store_dtype)
    if not keep:
        held = {read.description.key: HeldWriter(read.description) for read in wanted}
        _Pass(_ready(backbone, wanted, options, device), crops, options, device, wanted, held, progress).run()
        return [HeldFeatures(held[read.description.key]) for read in wanted]
    with ExitStack() as locks:
        with timing("read"):
            claims = Claims((read.description for read in wanted), root, locks)
        if claims.writers and cluster is not None:
            _run_elsewhere(cluster, backbone, crops, options, device, wanted, claims.writers, root, progress)
        elif claims.writers:
            ready = _ready(backbone, wanted, options, device)
            _Pass(ready, crops, options, device, wanted, claims.writers, progress).run()
        claims.share()
        return [Features(root / read.description.key, checked=True) for read in wanted]


def _describe(
    backbone: Backbone,
    crops: Sequence[Crop],
    reads: Sequence[tuple[str, Readout]],
    numerics: dict[str, Any],
    dtype: StoreDtype,
) -> list[_Read]:
    """What is asked for, each with its store."""
    names = tuple(dict.fromkeys(name for name, _ in reads))
    layers = {layer.name: layer for layer in backbone.layers(names)}
    pictures = pictures_sha256(keys_of(crops))
    source = source_of(crop.example for crop in crops)
    described = []
    for name, readout in reads:
        description = Description(
            kind="features",
            backbone=backbone.spec,
            fingerprint=backbone.fingerprint,
            weights_sha256=backbone.weights_sha256,
            preprocessing=backbone.preprocessing.fingerprint(),
            layer=name,
            readout=str(readout),
            numerics=numerics,
            pictures=pictures,
            n=len(crops),
            d=readout.size(layers[name]),
            dtype=dtype,
            chunk_rows=min(CHUNK_ROWS, len(crops)),
            source=source,
        )
        described.append(_Read(layers[name], readout, description))
    return described


def keys_of(crops: Sequence[Crop]) -> Iterator[str]:
    """The crops' keys; a picture whose file is not there has a key too, as it gets a row too."""
    for crop in crops:
        try:
            yield crop.key()
        except VestigeError as error:
            yield f"unreadable {crop.example.id} {error}"


@timing("open")
def _ready(
    backbone: Backbone, wanted: Sequence[_Read], options: ExtractOptions, device: torch.device
) -> PreparedBackbone:
    """The network, ready to be read; every layer asked for is kept, stored already or not: what is folded must not
    depend on what is missing."""
    return prepared(
        backbone,
        device,
        dtype=getattr(torch, options.precision),
        compile=options.compile,
        keep=tuple(dict.fromkeys(read.layer.name for read in wanted)),
    )


def _run_elsewhere(
    cluster: Cluster,
    backbone: Backbone,
    crops: Sequence[Crop],
    options: ExtractOptions,
    device: torch.device,
    wanted: Sequence[_Read],
    writers: Mapping[str, StoreWriter],
    root: Path,
    progress: Progress | None,
) -> None:
    """Fill the stores by the machines of a cluster, and call them complete."""
    gpu = device.type == "cuda"
    options = on_workers(options, cluster, gpu=gpu)
    about = next(iter(writers.values())).description
    held = (cluster.share(backbone), options, device, wanted, tuple(writers), root.absolute())
    fill_elsewhere(
        cluster,
        _ChunkFiller,
        held,
        writers,
        lambda chunk: ({row: _bare(crops[row]) for row in about.rows(chunk)},),
        progress,
        gpu=gpu,
    )


def _bare(crop: Crop) -> Crop:
    return replace(crop, example=bare_example(crop.example))


class _ChunkFiller:
    """What a worker of a cluster holds: the network, and which stores are to be filled."""

    def __init__(
        self,
        backbone: Backbone,
        options: ExtractOptions,
        device: torch.device,
        wanted: Sequence[_Read],
        keys: Sequence[str],
        root: Path,
    ) -> None:
        self.backbone = _ready(backbone, wanted, options, device)
        self.options = options
        self.device = device
        self.wanted = [read for read in wanted if read.description.key in keys]
        self.root = root

    def __call__(self, chunk: int, crops: Mapping[int, Crop]) -> None:
        """Fill a chunk in every store that lacks it; ``crops`` are those of its rows."""
        check_reached(crop.example for crop in crops.values())
        with chunk_writers((read.description for read in self.wanted), chunk, self.root) as writers:
            if writers:
                _Pass(self.backbone, crops, self.options, self.device, self.wanted, writers, None).fill()


class _Pass:
    """One pass over the pictures that fills what is missing in several stores."""

    def __init__(
        self,
        backbone: PreparedBackbone,
        crops: Sequence[Crop] | Mapping[int, Crop],
        options: ExtractOptions,
        device: torch.device,
        wanted: Sequence[_Read],
        writers: Mapping[str, StoreWriter | HeldWriter],
        progress: Progress | None,
    ) -> None:
        self.backbone = backbone
        self.crops = crops
        self.options = options
        self.device = device
        self.reads = {read.description.key: read for read in wanted if read.description.key in writers}
        self.writers = writers
        self.progress = progress or count_nothing

    def run(self) -> None:
        """Fill the stores and call them complete."""
        started = time.monotonic()
        count = self.fill()
        seconds = time.monotonic() - started
        for writer in self.writers.values():
            writer.finish(made(seconds, count / seconds if count else 0.0))

    def fill(self) -> int:
        """Fill the stores; how many rows were computed."""
        about = next(iter(self.writers.values())).description
        missing = sorted({chunk for writer in self.writers.values() for chunk in writer.missing})
        batches = [
            batch
            for chunk in missing
            for batch in _split(about.rows(chunk), self.options.batch)
            if any(_lacks(writer, batch) for writer in self.writers.values())
        ]
        done = before = about.n - sum(map(len, batches))
        self.progress(done, about.n)
        try:
            with closing(self._pixels(batches)) as decoded:
                for batch in decoded:
                    chunk = batch.rows.start // about.chunk_rows
                    self._take(batch, chunk, about.rows(chunk))
                    done += len(batch.rows)
                    self.progress(done, about.n)
        finally:
            for writer in self.writers.values():
                writer.abandon()
        return done - before

    def _pixels(self, batches: Sequence[range]) -> Generator[PixelBatch]:
        preprocessing = self.backbone.preprocessing
        return read_batches(
            self.crops, batches, preprocessing.size, preprocessing.interpolation, workers=self.options.workers
        )

    @timing("store")
    def _take(self, batch: PixelBatch, chunk: int, rows: range) -> None:
        """Write a batch to every store that lacks it."""
        lacking = [key for key, writer in self.writers.items() if _lacks(writer, batch.rows)]
        with timing("forward"):
            outputs = self._outputs(batch, tuple(dict.fromkeys(self.reads[key].layer.name for key in lacking)))
        for key in lacking:
            read, writer = self.reads[key], self.writers[key]
            if batch.rows.start == rows.start + writer.begun.get(chunk, 0):
                writer.start(chunk)
            vectors = read.readout.apply(outputs[read.layer.name], read.layer).cpu()  # once: a GPU is waited for
            vectors, problems = _without_bad(vectors, batch, read.layer)
            stored = scaled(vectors.numpy(), read.description.dtype)
            writer.append(stored.rows, stored.exponents, problems)
            if batch.rows.stop == rows.stop:
                writer.finish_chunk()

    def _outputs(self, batch: PixelBatch, names: Sequence[str]) -> dict[str, Tensor]:
        """The layers' outputs for a batch."""
        pixels = batch.pixels
        if self.options.compile and len(pixels) < self.options.batch:  # code for another size would give other bytes
            pixels = np.resize(pixels, (self.options.batch, *pixels.shape[1:]))
        try:
            with torch.inference_mode(), exact_arithmetic():
                outputs = self.backbone.run(self.backbone.preprocessing(pixels, self.device), names)
        except torch.OutOfMemoryError as error:
            raise VestigeError(f"{self.device} has no memory for a batch of {len(pixels)}: ask for less") from error
        return {name: output[: len(batch.rows)] for name, output in outputs.items()}


def exact_arithmetic() -> AbstractContextManager[None]:
    """On CUDA: the same bytes every time, and float32 that is float32 (TF32 keeps ten bits of it)."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def not_finite(layer: str) -> str:
    """The problem of a picture for which a layer puts out infinities or NaN."""
    return f"layer {layer} puts out numbers that are not finite"


def _lacks(writer: StoreWriter | HeldWriter, batch: range) -> bool:
    """Whether the rows of a batch are not there yet."""
    chunk, row = divmod(batch.start, writer.description.chunk_rows)
    return chunk in writer.missing and row >= writer.begun.get(chunk, 0)


def _split(rows: range, size: int) -> list[range]:
    """Rows of a chunk in batches, which depend on nothing but the rows: a resumed run computes the same bytes."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _without_bad(vectors: Tensor, batch: PixelBatch, layer: Layer) -> tuple[Tensor, dict[int, str]]:
    """Vectors ``(m, d)`` with zeros where the picture could not be read or the numbers are not finite.

    Returns:
        The vectors, and row -> message of every such row.
    """
    finite = torch.isfinite(vectors).all(dim=1).tolist()
    strange = (row for row, good in zip(batch.rows, finite, strict=True) if not good)
    problems = dict.fromkeys(strange, not_finite(layer.name)) | batch.problems
    if problems:
        vectors = vectors.clone()  # other readouts of the layer may share its memory
        vectors[[row - batch.rows.start for row in problems]] = 0.0
    return vectors, problems
