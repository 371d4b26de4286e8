"""Pictures put together again from their patches' neighbours (section 2 and Fig. 1 of the paper).

Each cell of a layer's grid stands for a patch of the picture: as large as the layer's stride, about the centre of the
cell's receptive field. The patch is replaced by the mean of the k patches, out of other pictures, whose features have
the largest cosine similarity. What the fields alone would allow is shown by a control: patches drawn uniformly from
the cell's receptive field in the picture itself.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vestige.bounds import SEED
from vestige.contract.session import Session
from vestige.correspondence.search.database import Database, LayerView, seen
from vestige.correspondence.search.nearest_rows import NearestRows
from vestige.correspondence.search.retrieval import Library, checked_ks
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats
from vestige.progress import Progress
from vestige.results import Row
from vestige.spelling import spelled

Region = tuple[int, int, int, int]
"""``(x0, y0, x1, y1)`` in whole pixels."""

Patches = NDArray[np.uint8]
"""``(..., height, width, 3)``."""

METHODS: tuple[Literal["neighbours"], Literal["uniform"]] = ("neighbours", "uniform")

QUANTISATION = 1 / 12 / 255**2
"""Mean squared error of rounding to a byte: the least that PSNR is reckoned with, so it is at most 58.9 dB."""


@dataclass(frozen=True)
class Replaced:
    """One picture put together again by one layer.

    Attributes:
        columns: ``(h, w, K, 3)``: each cell's neighbours, nearest first: picture of the pool, y and x of its cell.
        similarity: ``(h, w, K)``: their cosines.
        neighbours: by k: the picture of means of k neighbours' patches, ``(H, W, 3)``.
        uniform: by k: the same of k patches drawn uniformly from the receptive field.
    """

    columns: NDArray[np.int32]
    similarity: Floats
    neighbours: Mapping[int, Pixels]
    uniform: Mapping[int, Pixels]


@dataclass(frozen=True)
class PatchRun:
    """Pictures, and what became of them.

    Attributes:
        library: that was searched.
        examples: the P pictures.
        ks: how many neighbours.
        seed: of the control's draw and of the bootstrap.
        regions: of each picture, the part that every layer has patches for.
        originals: that part of each picture, ``(H, W, 3)``.
        replaced: by layer, the same part of each picture.
        seconds: it took, the databases not counted.
    """

    library: Library
    examples: tuple[Example, ...]
    ks: tuple[int, ...]
    seed: int
    regions: tuple[Region, ...]
    originals: tuple[Pixels, ...]
    replaced: Mapping[str, tuple[Replaced, ...]]
    seconds: float

    def measures(self) -> dict[tuple[str, str], Floats]:
        """(method, metric) -> ``(P,)``, as (neighbours:block4, mae@5), (uniform:block4, mae@5).

        ``mae@k`` is of colour values in [0, 1], ``psnr@k`` in dB, ``similarity@k`` the mean cosine of k neighbours.
        """
        found: dict[tuple[str, str], Floats] = {}
        for layer, pictures in self.replaced.items():
            for method in METHODS:
                for metric, measure in (("mae", mae), ("psnr", psnr)):
                    for k in self.ks:
                        pairs = zip(self.originals, (getattr(each, method)[k] for each in pictures), strict=True)
                        found[f"{method}:{layer}", f"{metric}@{k}"] = np.array([measure(*pair) for pair in pairs])
            for k in self.ks:
                cosines = np.array([each.similarity[..., :k].mean() for each in pictures])
                found[f"neighbours:{layer}", f"similarity@{k}"] = cosines
        return found

    def rows(self) -> tuple[Row, ...]:
        """Means over pictures, with 95 % intervals over pictures where there are several."""
        count = len(self.examples)
        bootstrap = Bootstrap.of(self.examples, self.seed)
        return tuple(
            Row(
                method,
                metric,
                "all",
                float(values.mean()),
                bootstrap.interval_of_mean(values),
                count,
                layer=method.partition(":")[2],
            )
            for (method, metric), values in self.measures().items()
        )


def replace_patches(
    examples: Sequence[Example],
    library: Library,
    ks: Sequence[int] = (1, 5),
    *,
    seed: int = 0,
    session: Session | None = None,
) -> PatchRun:
    """Put pictures together again from the patches of others.

    Args:
        examples: the pictures; the patches of one that is in the database, too, are no neighbours of its own.
        library: to search.
        ks: of how many neighbours to take the mean.
        seed: of the control's draw.
        session: None for lines on standard error.

    Raises:
        VestigeError: where a picture cannot be read or is too small, or the database has too few patches.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    SEED.check("seed", seed)
    ks, own = checked_ks(ks), library.own(examples)
    cells = [library.cells(examples, layer) for layer in library.layers]
    found = []
    for database, asked in zip(library.databases, cells, strict=True):
        session.say(f"neighbours in {database.view.layer}")
        found.append(
            library.ask(
                database, asked, np.arange(len(asked.features)), own, ks[-1], session.counting("searched patches")
            )
        )
    session.say("the neighbours' patches")
    sheets = _sheets(library, found, session.counting("neighbours' pictures"))
    seen_as = [seen(each, size, library.backbone) for each, size in zip(examples, cells[0].sizes, strict=True)]
    grids = [asked.grids for asked in cells]
    regions = [
        _region(example, picture, [d.view for d in library.databases], [grid[p].tolist() for grid in grids])
        for p, (example, picture) in enumerate(zip(examples, seen_as, strict=True))
    ]
    replaced = {
        database.view.layer: tuple(
            _replaced(
                _Frame(database.view, seen_as[p], regions[p], *grids[index][p].tolist()),
                database,
                found[index],
                np.flatnonzero(asked.columns[:, 0] == p),
                sheets[index],
                ks,
                generator(example, seed),
            )
            for p, example in enumerate(examples)
        )
        for index, (database, asked) in enumerate(zip(library.databases, cells, strict=True))
    }
    originals = tuple(picture[y0:y1, x0:x1] for picture, (x0, y0, x1, y1) in zip(seen_as, regions, strict=True))
    seconds = time.monotonic() - started
    return PatchRun(library, tuple(examples), ks, seed, tuple(regions), originals, replaced, seconds)


def generator(example: Example, seed: int) -> np.random.Generator:
    """Draws that a picture's content and a seed determine, whatever else is asked for."""
    content = hashlib.sha256(example.image.digest().encode()).digest()
    return np.random.default_rng([seed, *content])


def mae(picture: Pixels, other: Pixels) -> float:
    """The mean absolute difference of colour values in [0, 1] of two pictures of one size."""
    return float(np.abs(picture.astype(np.float64) - other).mean() / 255)


def psnr(picture: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio in dB; at most that of rounding (:data:`QUANTISATION`)."""
    squared = float(np.square(picture.astype(np.float64) - other).mean() / 255**2)
    return float(-10 * np.log10(max(squared, QUANTISATION)))


def cut(picture: Pixels, corners: NDArray[np.int64], size: tuple[int, int]) -> Patches:
    """Patches ``(n, height, width, 3)`` of a picture; outside it the edge is replicated.

    Args:
        picture: ``(H, W, 3)``.
        corners: ``(n, 2)``: the upper left pixels, (y, x).
        size: height and width of a patch.
    """
    y = np.clip(corners[:, 0, None] + np.arange(size[0]), 0, picture.shape[0] - 1)
    x = np.clip(corners[:, 1, None] + np.arange(size[1]), 0, picture.shape[1] - 1)
    patches: Patches = picture[y[:, :, None], x[:, None, :]]
    return patches


@dataclass(frozen=True)
class _Sheet:
    """The patches that a layer's queries found: each once, and which each query has."""

    patches: Patches
    index: NDArray[np.intp]


def _sheets(library: Library, found: Sequence[NearestRows], progress: Progress) -> list[_Sheet]:
    """Cut the patches of all layers' neighbours out of their pictures, each picture read once."""
    unique = [np.unique(each.rows) for each in found]
    columns = [database.columns[rows] for database, rows in zip(library.databases, unique, strict=True)]

    def work(picture: int, pixels: Pixels) -> list[Patches]:
        cut_out = []
        for database, where in zip(library.databases, columns, strict=True):
            first, last = np.searchsorted(where[:, 0], [picture, picture + 1])
            cut_out.append(cut(pixels, database.view.corners(where[first:last, 1:]), database.view.stride))
        return cut_out

    pictures = np.unique(np.concatenate([where[:, 0] for where in columns])).tolist()
    pieces = list(library.each(pictures, work, progress))
    return [
        _Sheet(np.concatenate([piece[i] for piece in pieces]), np.searchsorted(rows, each.rows))
        for i, (rows, each) in enumerate(zip(unique, found, strict=True))
    ]


def _region(example: Example, picture: Pixels, views: Sequence[LayerView], grids: Sequence[Sequence[int]]) -> Region:
    """The part of a picture that the patches of every layer cover."""
    low, high = np.zeros(2, dtype=np.int64), np.array(picture.shape[:2])
    for view, grid in zip(views, grids, strict=True):
        first, last = view.corners(np.array([[0, 0], [grid[0] - 1, grid[1] - 1]], dtype=np.int32))
        low, high = np.maximum(low, first), np.minimum(high, last + view.stride)
    if (high <= low).any():
        size = f"{picture.shape[1]} x {picture.shape[0]}"
        raise VestigeError(
            f"{example.id}: {size} pixels are too few for a patch of every layer; give a {spelled('short_side')}"
        )
    return int(low[1]), int(low[0]), int(high[1]), int(high[0])


@dataclass(frozen=True)
class _Frame:
    """Puts patches where a picture's cells look; the grid has ``height`` x ``width`` cells."""

    view: LayerView
    picture: Pixels
    region: Region
    height: int
    width: int

    @property
    def cells(self) -> NDArray[np.int32]:
        """``(h w, 2)``: each (y, x)."""
        y, x = np.indices((self.height, self.width), dtype=np.int32)
        return np.stack([y.ravel(), x.ravel()], axis=1)

    def put(self, patches: Patches) -> Pixels:
        """The region filled with the means of patches ``(h w, k, stride, stride, 3)``."""
        high, wide = self.view.stride
        means = np.rint(patches.mean(axis=1)).astype(np.uint8).reshape(self.height, self.width, high, wide, 3)
        canvas = means.transpose(0, 2, 1, 3, 4).reshape(self.height * high, self.width * wide, 3)
        top, left = self.view.corners(np.zeros((1, 2), dtype=np.int32))[0]
        x0, y0, x1, y1 = self.region
        part: Pixels = canvas[y0 - top : y1 - top, x0 - left : x1 - left]
        return part

    def uniform(self, k: int, draw: np.random.Generator) -> Patches:
        """``(h w, k, stride, stride, 3)``: patches of the picture itself, anywhere in each cell's receptive field.

        They lie inside the picture, and inside the field where that is larger than a patch.
        """
        stride, shape = np.array(self.view.stride), np.array(self.picture.shape[:2])
        low = high = self.view.corners(self.cells)
        if self.view.field is None:
            low, high = np.zeros_like(low), np.zeros_like(high) + shape
        else:
            field = self.view.field_corners(self.cells)
            low, high = np.minimum(low, field), np.maximum(high, field + self.view.field - stride)
        last = np.maximum(shape - stride, 0)
        low, high = np.clip(low, 0, last), np.clip(high, 0, last)
        drawn = draw.integers(low[:, None], high[:, None], size=(len(low), k, 2), endpoint=True)
        return cut(self.picture, drawn.reshape(-1, 2), self.view.stride).reshape(len(low), k, *stride, 3)


def _replaced(
    frame: _Frame,
    database: Database,
    found: NearestRows,
    rows: NDArray[np.intp],
    sheet: _Sheet,
    ks: Sequence[int],
    draw: np.random.Generator,
) -> Replaced:
    """One picture by one layer; ``rows`` are its cells among all that were asked about."""
    grid = (frame.height, frame.width)
    control = frame.uniform(ks[-1], draw)
    return Replaced(
        database.columns[found.rows[rows]].reshape(*grid, -1, 3),
        found.similarity[rows].reshape(*grid, -1),
        {k: frame.put(sheet.patches[sheet.index[rows, :k]]) for k in ks},
        {k: frame.put(control[:, :k]) for k in ks},
    )
