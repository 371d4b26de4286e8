"""Pictures at their own sizes to a dense store: one row per cell of a layer's grid, with where it lies."""

from __future__ import annotations

import copy
import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vestige.backbones import Backbone, PreparedBackbone, prepared
from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.cache import cache_root
from vestige.features.extract import exact_arithmetic, keys_of, not_finite
from vestige.features.layout import CHUNK_ROWS, Description, pictures_sha256, source_of
from vestige.features.spread import bare_example, check_reached, device_of, fill_elsewhere, on_workers
from vestige.features.store import Features, scaled
from vestige.features.writer import Claims, StoreWriter, chunk_writers, made
from vestige.images import Crop, Pixels, crop_resize, picture_size
from vestige.progress import Progress, count_nothing

Size = tuple[int, int]
"""Height and width."""

Wanted = Callable[[int, Size, Size], NDArray[np.intp]]
"""Which cells of a picture to keep: its number, its size as the network sees it and its grid to ``(m, 2)``, each (y, x)
(in any order, the same cell any number of times)."""


@dataclass(frozen=True)
class DenseFeatures:
    """The cells of many pictures.

    Attributes:
        features: ``(n, C)``: a row per cell, those of one picture side by side, in the order (y, x).
        columns: ``(n, 3)`` int: example, y and x of each row: which picture, and which unit of its grid.
        sizes: ``(P, 2)``: height and width of each picture as the network saw it.
        grids: ``(P, 2)``: height and width of its grid; 0 where the picture could not be read.
        problems: picture -> what is wrong with it.
    """

    features: Features
    columns: NDArray[np.int32]
    sizes: NDArray[np.int32]
    grids: NDArray[np.int32]
    problems: dict[int, str]


@dataclass(frozen=True)
class _Plan:
    """What is known before anything is computed: the sizes, the grids and the cells that are kept."""

    sizes: NDArray[np.int32]
    grids: NDArray[np.int32]
    cells: NDArray[np.int64]
    problems: dict[int, str]

    @property
    def starts(self) -> NDArray[np.int64]:
        """``(P + 1,)``: where each picture's cells begin among all cells."""
        return np.concatenate([[0], np.cumsum(self.grids.astype(np.int64).prod(axis=1))])

    def chosen(self, wanted: Wanted | None) -> NDArray[np.int64]:
        """The cells to keep among all cells, rising."""
        starts = self.starts
        if wanted is None:
            return np.arange(starts[-1])
        cells = [np.empty(0, dtype=np.int64)]
        for i, (size, grid) in enumerate(zip(self.sizes.tolist(), self.grids.tolist(), strict=True)):
            if grid[0]:
                y, x = np.asarray(wanted(i, tuple(size), tuple(grid))).reshape(-1, 2).T
                if not (((0 <= y) & (y < grid[0]) & (0 <= x) & (x < grid[1])).all()):
                    raise ValueError(f"picture {i}: a cell outside its grid of {grid[0]} x {grid[1]}")
                cells.append(np.unique(starts[i] + y * grid[1] + x))
        return np.concatenate(cells)

    def columns(self) -> NDArray[np.int32]:
        """``(n, 3)``: example, y and x of the cells that are kept."""
        starts = self.starts
        example = np.searchsorted(starts, self.cells, side="right") - 1
        within = self.cells - starts[example]
        width = self.grids[example, 1]
        return np.stack([example, within // width, within % width], axis=1).astype(np.int32)


def extract_dense(
    backbone: Backbone,
    examples: Sequence[Example],
    layer: str,
    *,
    short_side: int | None = None,
    wanted: Wanted | None = None,
    cache: Path | None = None,
    options: ExtractOptions | None = None,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> DenseFeatures:
    """The cells of a grid layer for whole pictures, each at its own size, from the cache where they are there.

    Pictures go through the network one by one (they differ in size) and none is compiled for; else as
    :func:`vestige.features.extract.extract`.

    Args:
        backbone: a network that takes any size of picture up to the layer.
        examples: their pictures; boxes play no part.
        layer: a grid layer.
        short_side: resize every picture so that its shorter side has so many pixels; None leaves it at its own size.
        wanted: which cells to keep; None for all.
        cache: the directory of the stores; None for the default.
        options: how; on disk the numbers are float16 where None.
        progress: called with (rows done, rows in all).
        cluster: whose machines compute them, each some of the chunks; None for this machine.

    Raises:
        VestigeError: where the layer is no grid, the network cannot take a size, or the disk is full.
    """
    options = replace(options or ExtractOptions(store_dtype="float16"), batch=1, compile=False)
    (described,) = backbone.layers([layer])
    if described.kind != "grid":
        raise VestigeError(f"{backbone.spec}: layer {layer!r} puts out {described.kind}, no grid; it has no cells")
    device = device_of(options, cluster)
    plan = _planned(backbone, examples, layer, short_side, wanted)
    kept = "cells" if wanted is None else "some cells"
    description = Description(
        kind="dense",
        backbone=backbone.spec,
        fingerprint=backbone.fingerprint,
        weights_sha256=backbone.weights_sha256,
        preprocessing=backbone.preprocessing.fingerprint(),
        layer=layer,
        readout=kept if short_side is None else f"{kept} at {short_side} px",
        numerics=options.numerics(device) | {"cells": hashlib.sha256(plan.columns().tobytes()).hexdigest()},
        pictures=pictures_sha256(keys_of([Crop(example) for example in examples])),
        n=len(plan.cells),
        d=described.shape[0],
        dtype=options.store_dtype,
        chunk_rows=min(CHUNK_ROWS, len(plan.cells)),
        source=source_of(examples),
    )
    root = cache_root() if cache is None else Path(cache)
    with ExitStack() as locks:
        claims = Claims([description], root, locks)
        for writer in claims.writers.values():
            share = _Share(0, 0, plan.columns(), examples, plan.sizes, plan.grids)
            if cluster is not None:
                _fill_elsewhere(cluster, writer, backbone, layer, share, options, device, progress)
                continue
            ready = prepared(backbone, device, dtype=getattr(torch, options.precision), keep=(layer,))
            started = time.monotonic()
            pictures = _fill(writer, ready, layer, share, options, device, progress)
            seconds = time.monotonic() - started
            writer.finish(made(seconds, pictures / seconds))
        claims.share()
        features = Features(root / description.key, checked=True)
    columns = plan.columns()
    bad = {int(columns[row, 0]): message for row, message in features.problems.items()}
    return DenseFeatures(features, columns, plan.sizes, plan.grids, plan.problems | bad)


@dataclass(frozen=True)
class _Share:
    """What some rows are computed from: consecutive pictures, each whole.

    Attributes:
        row: the first row.
        picture: the first picture.
        columns: of the rows, as :meth:`_Plan.columns`.
        examples: the pictures.
        sizes: of them, as in the plan.
        grids: of them, as in the plan.
    """

    row: int
    picture: int
    columns: NDArray[np.int32]
    examples: Sequence[Example]
    sizes: NDArray[np.int32]
    grids: NDArray[np.int32]

    def of(self, rows: range) -> _Share:
        """What rows are computed from, of pictures with no more than their pixels."""
        columns = self.columns[rows.start - self.row : rows.stop - self.row]
        first, last = int(columns[0, 0]), int(columns[-1, 0])
        here = slice(first - self.picture, last + 1 - self.picture)
        examples = [bare_example(example) for example in self.examples[here]]
        return _Share(rows.start, first, columns, examples, self.sizes[here], self.grids[here])


def _planned(
    backbone: Backbone,
    examples: Sequence[Example],
    layer: str,
    short_side: int | None,
    wanted: Wanted | None,
) -> _Plan:
    """Sizes from the pictures' headers, grids from a pass of the network that computes shapes alone."""
    if short_side is not None and short_side < 1:
        raise VestigeError(f"short_side {short_side}: expected at least 1 pixel")
    sizes = np.zeros((len(examples), 2), dtype=np.int32)
    grids = np.zeros_like(sizes)
    problems: dict[int, str] = {}
    shapes = _shapes_of(backbone)
    for i, example in enumerate(examples):
        try:
            width, height = picture_size(example.image)
            size = seen_size((height, width), short_side)
            grids[i] = shapes.grid(layer, size, example)
        except VestigeError as error:
            problems[i] = str(error)
        else:
            sizes[i] = size
    cells = _Plan(sizes, grids, np.arange(0), problems).chosen(wanted)
    if not len(cells):
        raise VestigeError(
            f"no cells: none of {len(examples)} pictures can be read; {next(iter(problems.values()), '')}"
        )
    return _Plan(sizes, grids, cells, problems)


def seen_size(size: Size, short_side: int | None) -> Size:
    """A picture's size with its shorter side so many pixels long; as it is where None."""
    if short_side is None:
        return size
    scale = short_side / min(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


class _Shapes:
    """The grids of a backbone's layers for pictures of any size, from passes that compute shapes alone.

    A pass takes tens of milliseconds, and pictures come in hundreds of sizes. But a grid's height depends on nothing
    but the picture's height, and its width on the width: a pass gives those of all pictures with one of its sides.
    (`_Grids` checks it against what is computed in the end.)
    """

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = copy.copy(backbone)
        self._backbone.module = copy.deepcopy(backbone.module).to("meta")
        self._lengths: tuple[dict[tuple[str, int], int], ...] = ({}, {})  # by layer and side, along y and along x

    def grid(self, layer: str, size: Size, example: Example) -> Size:
        """The grid of a layer for a size of picture; ``example`` is the one to name where the network refuses it."""
        if any((layer, side) not in known for side, known in zip(size, self._lengths, strict=True)):
            for side, known, length in zip(size, self._lengths, self._computed(layer, size, example), strict=True):
                known[layer, side] = length
        high, wide = self._lengths
        return high[layer, size[0]], wide[layer, size[1]]

    @torch.inference_mode()
    def _computed(self, layer: str, size: Size, example: Example) -> Size:
        try:
            output = self._backbone.run(torch.empty(1, 3, *size, device="meta"), (layer,))[layer]
        except RuntimeError as error:  # what torch raises where shapes do not fit
            raise VestigeError(
                f"{example.id}: {self._backbone.spec} cannot read layer {layer!r} of a picture of {size[1]} x "
                f"{size[0]} pixels ({str(error).splitlines()[0]}); ask for an earlier layer, or a larger short side"
            ) from error
        return (output.shape[2], output.shape[3]) if output.ndim == 4 else (1, 1)


_SHAPES: WeakKeyDictionary[Backbone, _Shapes] = WeakKeyDictionary()


def _shapes_of(backbone: Backbone) -> _Shapes:
    """What is known of a backbone that is open: the shards of a database are planned one after the other."""
    if backbone not in _SHAPES:
        _SHAPES[backbone] = _Shapes(backbone)
    return _SHAPES[backbone]


def _fill(
    writer: StoreWriter,
    backbone: PreparedBackbone,
    layer: str,
    share: _Share,
    options: ExtractOptions,
    device: torch.device,
    progress: Progress | None,
) -> int:
    """Fill what is missing of a dense store, chunk by chunk; of how many pictures that was."""
    about = writer.description
    chunks = [(chunk, about.rows(chunk)[writer.begun.get(chunk, 0) :]) for chunk in writer.missing]
    wanted = [i for i, _ in groupby(i for _, rows in chunks for i, _ in _by_picture(share, rows))]
    done = about.n - sum(len(rows) for _, rows in chunks)
    progress = progress or count_nothing
    progress(done, about.n)
    try:
        with closing(_pictures(share, wanted, backbone, options.workers)) as pictures:
            grids = _Grids(pictures, share, backbone, layer, about.d, device)
            for chunk, rows in chunks:
                writer.start(chunk)
                for i, part in _by_picture(share, rows):
                    places = share.columns[part.start - share.row : part.stop - share.row, 1:]
                    values, problem = grids.cells(i, places)
                    stored = scaled(values, about.dtype)
                    writer.append(stored.rows, stored.exponents, dict.fromkeys(part, problem) if problem else None)
                writer.finish_chunk()
                done += len(rows)
                progress(done, about.n)
    finally:
        writer.abandon()
    return len(wanted)


def _fill_elsewhere(
    cluster: Cluster,
    writer: StoreWriter,
    backbone: Backbone,
    layer: str,
    share: _Share,
    options: ExtractOptions,
    device: torch.device,
    progress: Progress | None,
) -> None:
    """Fill a dense store by the machines of a cluster, and call it complete."""
    gpu, about = device.type == "cuda", writer.description
    held = (cluster.share(backbone), layer, about, on_workers(options, cluster, gpu=gpu), device)
    fill_elsewhere(
        cluster,
        _ChunkFiller,
        (*held, writer.store.parent.absolute()),
        {about.key: writer},
        lambda chunk: (share.of(about.rows(chunk)),),
        progress,
        gpu=gpu,
    )


class _ChunkFiller:
    """What a worker of a cluster holds: the network, and which store is to be filled."""

    def __init__(
        self,
        backbone: Backbone,
        layer: str,
        description: Description,
        options: ExtractOptions,
        device: torch.device,
        root: Path,
    ) -> None:
        self.backbone = prepared(backbone, device, dtype=getattr(torch, options.precision), keep=(layer,))
        self.layer = layer
        self.description = description
        self.options = options
        self.device = device
        self.root = root

    def __call__(self, chunk: int, share: _Share) -> None:
        """Fill a chunk, unless it is there."""
        check_reached(share.examples)
        with chunk_writers([self.description], chunk, self.root) as writers:
            for writer in writers.values():
                _fill(writer, self.backbone, self.layer, share, self.options, self.device, None)


def _by_picture(share: _Share, rows: range) -> Iterator[tuple[int, range]]:
    """Consecutive rows of one picture each."""
    example = share.columns[rows.start - share.row : rows.stop - share.row, 0]
    cuts = [0, *(np.flatnonzero(np.diff(example)) + 1).tolist(), len(rows)]
    for start, stop in pairwise(cuts):
        yield int(example[start]), rows[start:stop]


def _pictures(
    share: _Share, wanted: Sequence[int], backbone: Backbone, workers: int
) -> Generator[tuple[int, Pixels | str]]:
    """Pictures in order, resized, or what is wrong with them; decoded by threads a few ahead of their use."""
    interpolation = backbone.preprocessing.interpolation

    def read(i: int) -> Pixels | str:
        height, width = share.sizes[i - share.picture].tolist()
        try:
            return crop_resize(share.examples[i - share.picture].image.read(), None, (height, width), interpolation)
        except VestigeError as error:
            return str(error)

    waiting: deque[tuple[int, Future[Pixels | str]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vestige-decode")
    try:
        for i in wanted:
            waiting.append((i, pool.submit(read, i)))
            if len(waiting) > workers + 1:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Grids:
    """A layer's grids of pictures that are asked for in order; the last is kept, as it may reach into a next chunk."""

    def __init__(
        self,
        pictures: Iterator[tuple[int, Pixels | str]],
        share: _Share,
        backbone: PreparedBackbone,
        layer: str,
        channels: int,
        device: torch.device,
    ) -> None:
        self._pictures = pictures
        self._share = share
        self._backbone = backbone
        self._layer = layer
        self._channels = channels
        self._device = device
        self._last: tuple[int, Tensor | str] = (-1, "")

    def cells(self, i: int, places: NDArray[np.int32]) -> tuple[NDArray[np.float32], str]:
        """The cells ``(m, C)`` at places ``(m, 2)``, each (y, x), of picture i; zeros and why where there are none."""
        if self._last[0] != i:
            which, pixels = next(self._pictures)
            assert which == i, "pictures out of order"
            planned = tuple(self._share.grids[i - self._share.picture].tolist())
            self._last = i, pixels if isinstance(pixels, str) else self._grid(pixels, planned)
        grid = self._last[1]
        if isinstance(grid, str):
            return np.zeros((len(places), self._channels), dtype=np.float32), grid
        y, x = torch.from_numpy(places.astype(np.int64)).T
        return grid[:, y, x].T.contiguous().numpy(), ""

    def _grid(self, pixels: Pixels, planned: Size) -> Tensor | str:
        """``(C, h, w)``, or what is wrong with it."""
        batch = np.stack([pixels])  # a copy: torch warns of arrays that cannot be written
        with torch.inference_mode(), exact_arithmetic():
            output = self._backbone.run(self._backbone.preprocessing(batch, self._device), (self._layer,))
        grid = output[self._layer][0].cpu()
        if grid.ndim == 1:  # a grid of one cell comes as a vector
            grid = grid[:, None, None]
        if tuple(grid.shape[1:]) != planned:
            return (
                f"layer {self._layer!r} puts out a grid of {grid.shape[1]} x {grid.shape[2]} where pictures as high "
                f"and as wide have {planned[0]} x {planned[1]}: a network whose grids depend on more cannot be read so"
            )
        return grid if bool(torch.isfinite(grid).all()) else not_finite(self._layer)
