"""What a feature's neighbours have in common: the mean of their receptive fields (section 2 and Fig. 2 of the paper).

A seed is a point of a picture. In every layer the cell whose receptive field is centred nearest to it is taken, the k
cells of other pictures whose features have the largest cosine similarity to its feature are found, and their whole
receptive fields are averaged. Where the mean is sharp the neighbours agree. How far they do is measured by the standard
deviation of colour values in [0, 1] over the k fields, within the patch in the middle and in the rest of the field,
against k cells drawn at random.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vestige import bounds as b
from vestige.contract.session import Session
from vestige.correspondence.search.database import Database, LayerView, seen
from vestige.correspondence.search.patches import cut
from vestige.correspondence.search.retrieval import Library, checked_ks
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.dense import DenseFeatures
from vestige.images import Pixels
from vestige.intervals import Bootstrap, Floats
from vestige.progress import Progress
from vestige.results import Row
from vestige.spelling import spelled

METHODS = ("neighbours", "random")


@dataclass(frozen=True)
class Seed:
    """A point of a picture.

    Attributes:
        picture: which of the run's pictures.
        x, y: in pixels of the picture as the network sees it.
    """

    picture: int
    x: float
    y: float


@dataclass(frozen=True)
class MeanField:
    """The receptive fields of k cells, averaged.

    Attributes:
        mean: ``(h, w, 3)`` in [0, 1]; NaN where no field lies inside its picture.
        middle: the standard deviation of colour values over the k fields, mean over the pixels and channels of the
            patch in the middle; NaN where k is 1, and where no two fields have it inside their pictures.
        around: the same of the rest of the field.
    """

    mean: NDArray[np.float32]
    middle: float
    around: float


@dataclass(frozen=True)
class SeedFields:
    """One seed in one layer.

    Attributes:
        cell: ``(2,)``: (y, x) of the seed's cell.
        field: its own receptive field ``(h, w, 3)``; grey outside the picture.
        columns: ``(K, 3)``: its neighbours, nearest first: picture of the pool, y and x of the cell.
        similarity: ``(K,)``: their cosines.
        means: by method (``neighbours``, ``random``) and k.
    """

    cell: NDArray[np.int32]
    field: Pixels
    columns: NDArray[np.int32]
    similarity: Floats
    means: Mapping[tuple[str, int], MeanField]


@dataclass(frozen=True)
class FieldRun:
    """Seeds, and the mean fields of their neighbours.

    Attributes:
        library: that was searched.
        examples: the pictures that the seeds are in.
        seeds: the S seeds.
        ks: how many neighbours.
        seed: of all draws.
        fields: by layer: one for each seed.
        seconds: it took, the databases not counted.
    """

    library: Library
    examples: tuple[Example, ...]
    seeds: tuple[Seed, ...]
    ks: tuple[int, ...]
    seed: int
    fields: Mapping[str, tuple[SeedFields, ...]]
    seconds: float

    def measures(self) -> dict[tuple[str, str], Floats]:
        """(method, metric) -> ``(S,)``, as (neighbours:block4, middle@50), (random:block4, around@50)."""
        found: dict[tuple[str, str], Floats] = {}
        for layer, fields in self.fields.items():
            for method in METHODS:
                for metric in ("middle", "around"):
                    for k in self.ks:
                        values = [getattr(each.means[method, k], metric) for each in fields]
                        found[f"{method}:{layer}", f"{metric}@{k}"] = np.array(values)
            for k in self.ks:
                found[f"neighbours:{layer}", f"similarity@{k}"] = np.array([f.similarity[:k].mean() for f in fields])
        return found

    @property
    def groups(self) -> tuple[str, ...]:
        """``(S,)``: the group of the picture that each seed is in."""
        return tuple(self.examples[seed.picture].group for seed in self.seeds)

    def rows(self) -> tuple[Row, ...]:
        """Means over seeds, with 95 % intervals where they are in several pictures; seeds without a number left out."""
        bootstrap = Bootstrap.draw(self.groups, self.seed)
        rows = []
        for (method, metric), values in self.measures().items():
            known = int(np.isfinite(values).sum())
            if known:
                ci95 = bootstrap.interval_of_mean(values)
                layer = method.partition(":")[2]
                rows.append(Row(method, metric, "all", float(np.nanmean(values)), ci95, known, layer=layer))
        return tuple(rows)


def mean_fields(
    library: Library,
    examples: Sequence[Example] = (),
    ks: Sequence[int] = (10, 100),
    *,
    seeds: int = 6,
    at: Sequence[tuple[float, float]] = (),
    seed: int = 0,
    session: Session | None = None,
) -> FieldRun:
    """Average the receptive fields of seeds' neighbours.

    Args:
        library: to search.
        examples: pictures to have the seeds in; from the database where there is none.
        ks: how many neighbours.
        seeds: how many to draw, where ``at`` is empty.
        at: points (x, y) in pixels of the one picture given.
        seed: of all draws.
        session: None for lines on standard error.

    Raises:
        VestigeError: where a layer's field has no bounds, a point lies outside its picture, or the database has too
            few patches.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    check_points(examples, at)
    b.COUNT.check("seeds", seeds)
    b.SEED.check("seed", seed)
    ks, draw = checked_ks(ks), np.random.default_rng(seed)
    for database in library.databases:
        database.view.bounded()
    examples, whose = _pictures(library, examples, seeds, at, draw)
    own = library.own(examples)
    asked = [library.cells(examples, layer) for layer in library.layers]
    sizes = asked[0].sizes
    points = _given(examples[0], sizes[0], at) if at else _drawn_points(library, whose, sizes, draw)
    pixels = [seen(example, size, library.backbone) for example, size in zip(examples, sizes, strict=True)]
    chosen, searches = [], []
    for database, cells in zip(library.databases, asked, strict=True):
        session.say(f"neighbours in {database.view.layer}")
        rows = _rows(cells, database.view, points)
        found = library.ask(database, cells, rows, own, ks[-1], session.counting("searched patches"))
        chance = np.stack([_drawn(database, own[point.picture], ks[-1], draw) for point in points])
        chosen.append(cells.columns[rows])
        searches.append((found, chance))
    session.say("their receptive fields")
    sums = _sums(
        library, [(found.rows, chance) for found, chance in searches], ks, session.counting("neighbours' pictures")
    )
    fields = {}
    for index, database in enumerate(library.databases):
        found = searches[index][0]
        fields[database.view.layer] = tuple(
            SeedFields(
                chosen[index][s, 1:],
                _own_field(pixels[point.picture], database.view, chosen[index][s, 1:]),
                database.columns[found.rows[s]],
                found.similarity[s],
                {(m, k): sums[index][s][m, k].mean_field(database.view) for m in METHODS for k in ks},
            )
            for s, point in enumerate(points)
        )
    return FieldRun(library, examples, points, ks, seed, fields, time.monotonic() - started)


def check_points(examples: Sequence[Example], at: Sequence[tuple[float, float]]) -> None:
    """Refuse points without the one picture that they are in.

    Raises:
        VestigeError: where points are given, and another number of pictures.
    """
    if at and len(examples) != 1:
        raise VestigeError(
            f"{spelled('at')}: points are of one picture; name it with {spelled('images')} (got {len(examples)})"
        )


def _pictures(
    library: Library,
    examples: Sequence[Example],
    count: int,
    at: Sequence[tuple[float, float]],
    draw: np.random.Generator,
) -> tuple[tuple[Example, ...], list[int]]:
    """The pictures of the seeds, each once, and which of them each seed is in; no seeds where points are given."""
    if at:
        return tuple(examples), []
    candidates = tuple(examples) or _known_pictures(library)
    every = np.tile(draw.permutation(len(candidates)), -(-count // len(candidates)))[:count].tolist()
    taken = list(dict.fromkeys(every))
    return tuple(candidates[i] for i in taken), [taken.index(i) for i in every]


def _known_pictures(library: Library) -> tuple[Example, ...]:
    """The pictures that every layer's database has."""
    shortest = min(library.databases, key=lambda database: len(database.sizes))
    return tuple(library.pool.examples[i] for i in range(len(shortest.sizes)) if i not in shortest.problems)


def _given(example: Example, size: NDArray[np.int32], at: Sequence[tuple[float, float]]) -> tuple[Seed, ...]:
    """Points in a picture's own pixels as seeds in those of the picture as it is seen, ``size`` (height, width)."""
    height, width = example.image.read().shape[:2]
    for x, y in at:
        if not (0 <= x < width and 0 <= y < height):
            raise VestigeError(f"point {x:g},{y:g} lies outside {example.id} of {width} x {height} pixels")
    high, wide = size.tolist()
    return tuple(Seed(0, x * wide / width, y * high / height) for x, y in at)


def _drawn_points(
    library: Library, whose: Sequence[int], sizes: NDArray[np.int32], draw: np.random.Generator
) -> tuple[Seed, ...]:
    """Points drawn from where the smallest field lies inside the picture, or the picture's centre."""
    field = np.array(min(database.view.bounded() for database in library.databases))
    seeds = []
    for picture in whose:
        low = np.minimum(field, sizes[picture]) / 2
        y, x = low + draw.random(2) * (sizes[picture] - 2 * low)
        seeds.append(Seed(picture, float(x), float(y)))
    return tuple(seeds)


def _rows(cells: DenseFeatures, view: LayerView, points: Sequence[Seed]) -> NDArray[np.intp]:
    """The rows of the cells that stand nearest to points."""
    rows = []
    for point in points:
        grid = cells.grids[point.picture]
        offset = (np.array([point.y, point.x]) - view.place) / view.stride
        cell = np.clip(np.rint(offset), 0, grid - 1).astype(np.int64)
        first = np.searchsorted(cells.columns[:, 0], point.picture)
        rows.append(first + cell[0] * grid[1] + cell[1])
    return np.array(rows, dtype=np.intp)


def _drawn(database: Database, own: int, k: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Rows ``(k,)`` drawn from all that a seed could have had for neighbours."""
    allowed = database.usable.copy()
    allowed[slice(*database.rows_of(own))] = False
    return draw.choice(np.flatnonzero(allowed), k, replace=False)


def _own_field(picture: Pixels, view: LayerView, cell: NDArray[np.int32]) -> Pixels:
    """A cell's receptive field ``(h, w, 3)``; what lies outside the picture is grey."""
    pixels, inside = _field(picture, view, cell)
    return np.where(inside[..., None], pixels, np.uint8(128))


def _field(picture: Pixels, view: LayerView, cell: NDArray[np.int32]) -> tuple[Pixels, NDArray[np.bool_]]:
    """A cell's receptive field ``(h, w, 3)``, and where it lies inside the picture ``(h, w)``."""
    corner, size = view.field_corners(cell[None]), view.bounded()
    y, x = (corner[0, axis] + np.arange(size[axis]) for axis in (0, 1))
    inside = ((0 <= y) & (y < picture.shape[0]))[:, None] & ((0 <= x) & (x < picture.shape[1]))
    return cut(picture, corner, size)[0], inside


class _Sums:
    """Fields are added one by one; then their mean and standard deviation are known."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.count = np.zeros(size, dtype=np.uint32)
        self.total = np.zeros((*size, 3), dtype=np.uint32)
        self.squares = np.zeros((*size, 3), dtype=np.uint64)

    def add(self, pixels: Pixels, inside: NDArray[np.bool_]) -> None:
        """Add a field ``(h, w, 3)`` where it is inside its picture ``(h, w)``."""
        wide = np.where(inside[..., None], pixels, 0).astype(np.uint32)
        self.count += inside
        self.total += wide
        self.squares += wide * wide

    def merge(self, other: _Sums) -> None:
        """Add what another has been given."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares

    def mean_field(self, view: LayerView) -> MeanField:
        """Mean, and deviation in the patch in the middle and around it."""
        count = self.count[..., None].astype(np.float64)
        mean = np.divide(self.total, count, out=np.full(self.total.shape, np.nan), where=count > 0)
        squares = np.divide(self.squares, count, out=np.full(self.total.shape, np.nan), where=count > 1)
        deviation = np.sqrt(np.maximum(squares - mean**2, 0) * count / np.maximum(count - 1, 1)).mean(axis=-1)
        middle = np.zeros(self.count.shape, dtype=np.bool_)
        cell = np.zeros((1, 2), dtype=np.int32)
        top, left = (view.corners(cell) - view.field_corners(cell))[0]
        middle[max(top, 0) : top + view.stride[0], max(left, 0) : left + view.stride[1]] = True
        deviation /= 255
        return MeanField((mean / 255).astype(np.float32), _mean(deviation[middle]), _mean(deviation[~middle]))


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _sums(
    library: Library,
    wanted: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    ks: Sequence[int],
    progress: Progress,
) -> list[list[dict[tuple[str, int], _Sums]]]:
    """By layer and seed: the sums of the first k fields, by method and k; each picture is read once.

    Args:
        library: with the pictures.
        wanted: by layer: rows ``(S, K)`` of the neighbours and of the random cells.
        ks: from few to many.
        progress: counts pictures.
    """
    views = [database.view for database in library.databases]
    sums = [
        [{(m, k): _Sums(view.bounded()) for m in METHODS for k in ks} for _ in rows[0]]
        for view, rows in zip(views, wanted, strict=True)
    ]
    jobs: dict[int, list[tuple[int, int, str, int, NDArray[np.int32]]]] = {}
    for index, (database, both) in enumerate(zip(library.databases, wanted, strict=True)):
        for method, rows in zip(METHODS, both, strict=True):
            for (s, rank), row in np.ndenumerate(rows):
                picture, *cell = database.columns[row]
                step = next(k for k in ks if rank < k)  # each field is added once, to the least k that has it
                jobs.setdefault(int(picture), []).append((index, s, method, step, np.array(cell, dtype=np.int32)))

    def work(picture: int, pixels: Pixels) -> list[tuple[_Sums, Pixels, NDArray[np.bool_]]]:
        return [(sums[i][s][method, k], *_field(pixels, views[i], cell)) for i, s, method, k, cell in jobs[picture]]

    for found in library.each(sorted(jobs), work, progress):
        for into, pixels, inside in found:
            into.add(pixels, inside)
    for by_seed in sums:
        for each in by_seed:
            for method in METHODS:
                for less, more in pairwise(ks):
                    each[method, more].merge(each[method, less])
    return sums
