"""What patches and fields share: a network, the databases of its layers, and the pictures that are asked about."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Backbone, ReceptiveField
from vestige.bounds import COUNT
from vestige.contract.session import Session
from vestige.correspondence import marks
from vestige.correspondence.search.database import (
    Database,
    DenseReader,
    LayerView,
    Pool,
    build,
    pool,
    seen,
    views,
)
from vestige.correspondence.search.nearest_rows import NearestRows
from vestige.correspondence.search.task import DatabaseOptions
from vestige.datasets.dataset import Dataset
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions, default_workers
from vestige.features.cell_places import PICTURES, response_centred, shift_note
from vestige.features.dense import DenseFeatures
from vestige.images import Pixels
from vestige.progress import Progress
from vestige.spelling import spelled
from vestige.text import count

T = TypeVar("T")


@dataclass(frozen=True)
class Library:
    """The databases of several layers over one pool of pictures.

    Attributes:
        options: what was asked for.
        backbone: the network.
        reader: shows it pictures.
        pool: the pictures.
        databases: one for each layer, in the order of depth.
        seconds: it took to open, or to compute what was not stored yet.
    """

    options: DatabaseOptions
    backbone: Backbone
    reader: DenseReader
    pool: Pool
    databases: tuple[Database, ...]
    seconds: float

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers' names."""
        return tuple(database.view.layer for database in self.databases)

    def own(self, examples: Sequence[Example]) -> NDArray[np.int64]:
        """The place of each picture's content in the pool ``(P,)``; -1 where it is not there."""
        return np.array([self.pool.place.get(example.image.digest(), -1) for example in examples], dtype=np.int64)

    def ask(
        self,
        database: Database,
        cells: DenseFeatures,
        rows: NDArray[np.intp],
        own: NDArray[np.int64],
        k: int,
        progress: Progress | None = None,
    ) -> NearestRows:
        """The nearest patches of some cells, those of the cells' own pictures passed over.

        Args:
            database: of a layer.
            cells: of pictures, by the same layer.
            rows: ``(m,)`` of the cells.
            own: ``(P,)`` as :meth:`own` gives it.
            k: how many.
            progress: counts patches.
        """
        whose = own[cells.columns[rows, 0]]
        return database.nearest(cells.features.read(rows), whose, k, self.reader.options, progress)

    def cells(self, examples: Sequence[Example], layer: str) -> DenseFeatures:
        """A layer's cells of pictures that are asked about.

        Raises:
            VestigeError: where one cannot be read.
        """
        cells = self.reader.cells(self.backbone, examples, layer)
        for picture, problem in sorted(cells.problems.items()):
            raise VestigeError(f"{examples[picture].id}: {problem}")
        return cells

    def each(self, pictures: Iterable[int], work: Callable[[int, Pixels], T], progress: Progress | None) -> Iterator[T]:
        """Do something with pictures of the pool, as the network sees them; in order, in threads.

        Args:
            pictures: their places.
            work: called with a picture's place and its pixels.
            progress: counts pictures.
        """
        sizes = max((database.sizes for database in self.databases), key=len)
        wanted = list(pictures)

        def one(picture: int) -> T:
            return work(picture, seen(self.pool.examples[picture], sizes[picture], self.backbone))

        ahead = default_workers() + 1
        with ThreadPoolExecutor(default_workers()) as threads:
            waiting = deque(threads.submit(one, picture) for picture in wanted[:ahead])
            for done in range(len(wanted)):
                result = waiting.popleft().result()
                if done + ahead < len(wanted):
                    waiting.append(threads.submit(one, wanted[done + ahead]))
                yield result
                if progress is not None:
                    progress(done + 1, len(wanted))


def open_library(
    datasets: Sequence[Dataset],
    options: DatabaseOptions,
    session: Session | None = None,
) -> Library:
    """Compute, or find in the cache, the databases of every layer.

    Args:
        datasets: where the pictures come from, those of the first taken first.
        options: which layers, and how much.
        session: says how features are computed, but that they are stored as float16 in any case; None for the default
            cache and device, and lines on standard error.

    Raises:
        VestigeError: where there is no such layer, no data, or a layer is no grid.
    """
    started = time.monotonic()
    session = session or Session.on_stderr()
    backbone, given = session.reader.backbone(options.backbone), session.reader.options
    wanted = views(backbone, options.layers)
    extraction = ExtractOptions(given.device, given.precision, "float16")
    reader = DenseReader(options.short_side, extraction, session.reader.cache, session.cluster)
    pictures = pool(datasets)
    if options.centres == "response":
        wanted = _placed(backbone, wanted, pictures, reader)
    databases = []
    for view in wanted:
        session.say(f"patches of {view.layer}")
        found = build(backbone, view, pictures, reader, options.patches, session.counting("patches"))
        of = f"{count(found.pictures, 'picture')}, {found.bytes / 1e6:,.0f} MB"
        session.say(f"{view.layer}: {count(found.patches, 'patch', 'patches')} of {of}")
        databases.append(found)
    return Library(options, backbone, reader, pictures, tuple(databases), time.monotonic() - started)


def _placed(
    backbone: Backbone, unplaced: Sequence[LayerView], pictures: Pool, reader: DenseReader
) -> tuple[LayerView, ...]:
    """The views with patches about where cells respond, by the first pictures that can be read."""
    shown: list[Pixels] = []
    for example in pictures.examples:
        try:
            pixels, _ = marks.seen(example, reader.short_side, backbone.preprocessing.interpolation)
        except VestigeError:
            continue
        shown.append(pixels)
        if len(shown) == PICTURES:
            break
    fields = {view.layer: ReceptiveField(view.stride, view.field, view.centre, False) for view in unplaced}
    device = (reader.options or ExtractOptions()).torch_device()
    found = response_centred(backbone, fields, shown, device, seed=0)
    return tuple(replace(view, response=found[view.layer].centre) for view in unplaced)


def open_databases(given: Iterable[str | Dataset], *, strict: bool = False) -> list[Dataset]:
    """Data sets by their specs, or taken as they are, each once.

    Raises:
        VestigeError: where one cannot be opened.
    """
    distinct = dict.fromkeys(given)
    return [open_dataset(each, strict=strict) if isinstance(each, str) else each for each in distinct]


def describe_database(library: Library) -> dict[str, Any]:
    """What results.json says of the pictures that were searched."""
    datasets = library.pool.datasets
    fingerprints = "\n".join(dataset.fingerprint for dataset in datasets)
    skipped = [str(problem) for dataset in datasets for problem in dataset.skipped]
    broken = {i: text for database in library.databases for i, text in database.problems.items()}
    skipped += [text for _, text in sorted(broken.items())]
    searched = max(len(database.sizes) for database in library.databases)
    return {
        "label": "Database",
        "spec": " + ".join(dataset.spec for dataset in datasets),
        "fingerprint": f"sha256:{hashlib.sha256(fingerprints.encode()).hexdigest()}",
        "n": searched - len(broken),
        "skipped": len(skipped),
        "problems": skipped[:100],
        "copies": library.pool.copies,
    }


def describe_layers(library: Library) -> dict[str, Any]:
    """By layer: where it looks, and what its database holds."""
    return {
        database.view.layer: {
            **asdict(database.view),
            "patches": database.patches,
            "pictures": database.pictures,
            "bytes": database.bytes,
        }
        for database in library.databases
    }


def shortage_note(library: Library) -> tuple[str, ...]:
    """A sentence on the layers whose data ended before there were as many patches as asked for."""
    wanted = library.options.patches
    short = [f"{d.view.layer} {d.patches:,}" for d in library.databases if d.patches < wanted]
    if not short:
        return ()
    return (
        f"The data ended before {wanted:,} patches of every layer: {', '.join(short)}. "
        f"More data sets ({spelled('databases')}) give more.",
    )


def place_notes(library: Library) -> tuple[str, ...]:
    """A sentence on each layer whose cells stand where they respond."""
    views = [database.view for database in library.databases]
    return tuple(shift_note(view.layer, view.centre, view.response) for view in views if view.response)


def checked_ks(ks: Sequence[int]) -> tuple[int, ...]:
    """Numbers of neighbours, each once, from few to many.

    Raises:
        VestigeError: where one is below 1, or there is none.
    """
    if not ks:
        raise VestigeError(f"k is missing: expected {COUNT}")
    for k in ks:
        COUNT.check("k", k)
    return tuple(sorted(set(ks)))
