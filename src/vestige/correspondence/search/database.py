"""A database of patches: a layer's cells of many pictures, each with the patch in the middle of where it looks.

Pictures come from data sets in the order given, those of one data set in the order of a hash of their content: as good
as a random order, and the same whatever else is in the data set. They are read in groups of :data:`SHARD`, one dense
store each, until there are enough cells; so a larger database begins with the stores of a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Backbone
from vestige.backbones.receptive import ReceptiveField
from vestige.cluster.cluster import Cluster
from vestige.correspondence.search.nearest_rows import NearestRows, Vectors, nearest_rows
from vestige.correspondence.search.task import MILLION
from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.cell_places import fields_at_every_size
from vestige.features.dense import DenseFeatures, extract_dense
from vestige.images import Pixels, crop_resize
from vestige.progress import Progress
from vestige.spelling import spelled

SHARD = 64
"""Pictures in one dense store."""


@dataclass(frozen=True)
class LayerView:
    """How a layer's units look at a picture, in pixels ``(y, x)`` of the picture as the network sees it.

    Attributes:
        layer: its name.
        stride: from one unit's centre to the next, and the sides of a patch.
        centre: of unit (0, 0)'s receptive field.
        field: height and width of the receptive field; None where every unit reads the whole picture.
        response: where unit (0, 0) responds, if that is where patches lie, and not about the field's centre.
    """

    layer: str
    stride: tuple[int, int]
    centre: tuple[float, float]
    field: tuple[int, int] | None
    response: tuple[float, float] | None = None

    @property
    def place(self) -> tuple[float, float]:
        """Where unit (0, 0) is taken to stand."""
        return self.response or self.centre

    def corners(self, cells: NDArray[np.int32]) -> NDArray[np.int64]:
        """The upper left pixels ``(n, 2)`` of cells' patches: stride-sized, about their places.

        Where the patch would begin between two pixels it begins at the later one, in every picture alike.
        """
        return self._corners(cells, self.place, self.stride)

    def field_corners(self, cells: NDArray[np.int32]) -> NDArray[np.int64]:
        """The upper left pixels ``(n, 2)`` of cells' receptive fields, which may lie outside the picture.

        Raises:
            VestigeError: where a field has no bounds.
        """
        return self._corners(cells, self.centre, self.bounded())

    def bounded(self) -> tuple[int, int]:
        """Height and width of the receptive field.

        Raises:
            VestigeError: where it has no bounds.
        """
        if self.field is None:
            raise VestigeError(f"layer {self.layer!r}: every unit reads the whole picture; there is no field to show")
        return self.field

    def _corners(
        self, cells: NDArray[np.int32], first: tuple[float, float], size: tuple[int, int]
    ) -> NDArray[np.int64]:
        centres = np.array(first) + np.array(self.stride) * cells
        return np.floor(centres - np.array(size) / 2 + 0.5).astype(np.int64)


def views(backbone: Backbone, patterns: Sequence[str]) -> tuple[LayerView, ...]:
    """The views of the grid layers that patterns mean.

    Raises:
        VestigeError: where a pattern matches no layer, or a layer is no grid with a stride or has cells that move with
            the size of the picture.
    """
    if not patterns:
        raise VestigeError("expected at least one layer; `vestige layers BACKBONE` lists them")
    names = backbone.select(patterns)
    for layer in backbone.layers(names):
        if layer.kind != "grid":
            raise VestigeError(f"{backbone.spec}: layer {layer.name!r} puts out {layer.kind}, no grid; it has no cells")
    return tuple(_view(backbone, name, field) for name, field in fields_at_every_size(backbone, names).items())


def _view(backbone: Backbone, name: str, field: ReceptiveField) -> LayerView:
    if field.stride is None or field.centre is None:
        raise VestigeError(f"{backbone.spec}: layer {name!r} has no stride: its units look at no place of their own")
    return LayerView(name, field.stride, field.centre, field.receptive_field)


@dataclass(frozen=True)
class DenseReader:
    """How pictures are shown to the network.

    Attributes:
        short_side: pixels of their shorter side; None leaves them at their own size.
        options: of extraction.
        cache: where dense stores live; None for the default.
        cluster: whose machines compute them; None for this one.
    """

    short_side: int | None = None
    options: ExtractOptions | None = None
    cache: Path | None = None
    cluster: Cluster | None = None

    def cells(
        self,
        backbone: Backbone,
        examples: Sequence[Example],
        layer: str,
        progress: Progress | None = None,
    ) -> DenseFeatures:
        """A layer's cells of pictures."""
        return extract_dense(
            backbone,
            examples,
            layer,
            short_side=self.short_side,
            options=self.options,
            cache=self.cache,
            progress=progress,
            cluster=self.cluster,
        )


def seen(example: Example, size: Sequence[int], backbone: Backbone) -> Pixels:
    """A picture as the network sees it: ``(height, width, 3)`` of ``size`` (height, width)."""
    return crop_resize(example.image.read(), None, (int(size[0]), int(size[1])), backbone.preprocessing.interpolation)


@dataclass(frozen=True)
class Pool:
    """The pictures that a database may take, in the order in which it takes them, each once.

    Attributes:
        datasets: where they come from.
        examples: the pictures.
        source: ``(P,)``: the data set of each.
        copies: how many were passed over because the same file came before.
    """

    datasets: tuple[Dataset, ...]
    examples: tuple[Example, ...]
    source: NDArray[np.int64]
    copies: int

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of a picture's content among the examples."""
        return {example.image.digest(): i for i, example in enumerate(self.examples)}


def check_databases(datasets: Sequence[Dataset]) -> None:
    """Refuse a database without data.

    Raises:
        VestigeError: where there is no data set, or no picture in any.
    """
    if not any(map(len, datasets)):
        raise VestigeError(f"expected data with pictures for the database, as in {spelled('databases', 'folder:DIR')}")


def pool(datasets: Sequence[Dataset]) -> Pool:
    """The pictures of data sets; a picture that several hold, or one holds twice, is taken once.

    Raises:
        VestigeError: where there is no data set, or a file is gone.
    """
    check_databases(datasets)
    taken: dict[str, tuple[Example, int]] = {}
    total = 0
    for source, dataset in enumerate(datasets):
        for example in sorted(dataset, key=_content):
            total += 1
            taken.setdefault(example.image.digest(), (example, source))
    examples = tuple(example for example, _ in taken.values())
    return Pool(tuple(datasets), examples, np.array([source for _, source in taken.values()]), total - len(examples))


def _content(example: Example) -> str:
    return hashlib.sha256(example.image.digest().encode()).hexdigest()


@dataclass(frozen=True)
class Database:
    """A layer's cells of the first pictures of a pool.

    Attributes:
        view: of the layer.
        parts: the dense stores, :data:`SHARD` pictures each.
        columns: ``(n, 3)``: picture (its place in the pool), y and x of each cell.
        sizes: ``(P, 2)``: height and width of each picture as the network saw it.
        usable: ``(n,)``: False for cells of pictures that could not be read.
        problems: picture -> what is wrong with it.
    """

    view: LayerView
    parts: tuple[DenseFeatures, ...]
    columns: NDArray[np.int32]
    sizes: NDArray[np.int32]
    usable: NDArray[np.bool_]
    problems: dict[int, str]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def patches(self) -> int:
        """How many there are to choose from."""
        return int(self.usable.sum())

    @property
    def pictures(self) -> int:
        """From how many pictures they are."""
        return len(self.sizes) - len(self.problems)

    @property
    def bytes(self) -> int:
        """On disk."""
        return sum(part.features.description.bytes for part in self.parts)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([len(part.features) for part in self.parts])])

    def read(self, start: int, stop: int) -> Vectors:
        """The rows ``(stop - start, C)``, from as many stores as it takes."""
        pieces = []
        for part, first in zip(self.parts, self._starts, strict=False):
            low, high = max(start - first, 0), min(stop - first, len(part.features))
            if low < high:
                pieces.append(part.features[low:high])
        return np.concatenate(pieces)

    def rows_of(self, picture: int) -> tuple[int, int]:
        """The rows of a picture: the first, and one past the last; none for a negative number."""
        low, high = np.searchsorted(self.columns[:, 0], [picture, picture + 1])
        return int(low), int(high)

    def nearest(
        self,
        queries: Vectors,
        own: NDArray[np.int64],
        k: int,
        options: ExtractOptions | None = None,
        progress: Progress | None = None,
    ) -> NearestRows:
        """The k patches whose features have the largest cosine similarity to each query's; exact.

        Args:
            queries: ``(m, C)``.
            own: ``(m,)``: the picture of the pool that each query is from, whose cells it may not have; -1 for none.
            k: how many.
            options: its device computes the products.
            progress: counts rows.

        Raises:
            VestigeError: where too few patches are left.
        """
        spans = {int(picture): self.rows_of(int(picture)) for picture in np.unique(own)}
        return nearest_rows(
            queries,
            self.read,
            len(self),
            k,
            excluded=np.array([spans[int(picture)] for picture in own], dtype=np.int64).reshape(-1, 2),
            usable=self.usable,
            device=(options or ExtractOptions()).torch_device(),
            progress=progress,
        )


def build(
    backbone: Backbone,
    view: LayerView,
    pictures: Pool,
    reader: DenseReader,
    patches: int = MILLION,
    progress: Progress | None = None,
) -> Database:
    """The cells of as many pictures as it takes for so many patches, or of all where they are too few.

    The last group of pictures is taken whole, so there may be more.

    Args:
        backbone: the network.
        view: of a layer.
        pictures: to take from, in order.
        reader: shows them to the network.
        patches: how many are wanted.
        progress: counts patches, of as many as are wanted.

    Raises:
        VestigeError: as :func:`vestige.features.dense.extract_dense`.
    """
    if patches < 1:
        raise VestigeError(f"{patches} patches: expected at least 1")
    parts: list[DenseFeatures] = []
    done = 0
    for shard in _shards(pictures.examples):
        parts.append(reader.cells(backbone, shard, view.layer, _beyond(progress, done, patches)))
        done += len(parts[-1].features)
        if progress is not None:
            progress(min(done, patches), patches)
        if done >= patches:
            break
    if progress is not None and done < patches:
        progress(done, done)
    return Database(
        view,
        tuple(parts),
        np.concatenate([part.columns + np.array([i * SHARD, 0, 0], np.int32) for i, part in enumerate(parts)]),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.features.valid for part in parts]),
        {i * SHARD + picture: text for i, part in enumerate(parts) for picture, text in part.problems.items()},
    )


def _shards(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    for start in range(0, len(examples), SHARD):
        yield examples[start : start + SHARD]


def _beyond(progress: Progress | None, before: int, wanted: int) -> Progress | None:
    """Progress in what comes after so many."""
    if progress is None:
        return None
    return lambda done, _total: progress(min(before + done, wanted), wanted)
