"""A million patches: how fast their database is built, how large it is, and how long an exact query takes.

    python benchmarks/neighbours.py --database folder:photos --layer block4 --layer block10 --image cat.jpg

prints, for each layer: patches and pictures, the rate at which dense stores were filled (as they recorded it when they
were made, in this run or before), bytes on disk, and the time of an exact search for the five nearest neighbours of
every patch of the image: the first time, and the best of three. Beside it: the time of the reading and the product of
matrices alone, which no exact search can do without, and the same search by faiss, where it is installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from vestige.correspondence.search.database import Database
from vestige.correspondence.search.retrieval import DatabaseOptions, Library, open_library, open_pictures
from vestige.datasets.opening import open_dataset

T = TypeVar("T")
K = 5


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def built(database: Database) -> str:
    """At what rate the stores of a database were filled."""
    seconds = sum(part.features.provenance["seconds"] for part in database.parts)
    return f"{len(database) / seconds:,.0f} patches/s, {database.pictures / seconds:.1f} pictures/s, {seconds:.0f} s"


def product(database: Database, queries: np.ndarray) -> None:
    """Read everything and multiply it with the queries, and no more."""
    step = 1 << 16
    for start in range(0, len(database), step):
        queries @ database.read(start, min(start + step, len(database))).T


def differing(database: Database, queries: np.ndarray, similarity: np.ndarray) -> str:
    """How far the similarities are from those of faiss, which is exact in float32."""
    try:
        import faiss
    except ImportError:
        return "faiss is not installed"
    index = faiss.IndexFlatIP(queries.shape[1])
    for start in range(0, len(database), 1 << 16):
        stop = min(start + (1 << 16), len(database))
        rows = database.read(start, stop)
        rows[~database.usable[start:stop]] = 0
        faiss.normalize_L2(rows)
        index.add(rows)
    unit = queries.copy()
    faiss.normalize_L2(unit)
    seconds, (found, _) = timed(lambda: index.search(unit, K))
    apart = np.abs(found - similarity).max()
    return f"faiss IndexFlatIP, float32 rows in memory: {seconds:.2f} s; its cosines differ by at most {apart:.0e}"


def measure(library: Library, database: Database, image: Path) -> None:
    """Print the figures of a layer."""
    cells = library.cells(open_pictures([image]), database.view.layer)
    queries = cells.features.read()
    nobody = np.array([-1])  # nothing is passed over, so that faiss finds the same
    print(f"{database.view.layer}: {database.patches:,} patches of {database.pictures:,} pictures")
    print(f"  built at {built(database)}")
    print(f"  {database.bytes / 1e6:,.0f} MB on disk, {queries.shape[1]} numbers a patch")
    times = [timed(lambda: library.ask(database, cells, np.arange(len(queries)), nobody, K)) for _ in range(4)]
    first, best = times[0][0], min(seconds for seconds, _ in times[1:])
    print(f"  {len(queries)} patches asked about: {first:.2f} s the first time, {best:.2f} s then")
    least = min(timed(lambda: product(database, queries))[0] for _ in range(3))
    print(f"  reading and the product alone: {least:.2f} s")
    print(f"  {differing(database, queries, times[0][1].similarity)}")


def main() -> None:
    """Read the options, build, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", required=True)
    parser.add_argument("--layer", action="append", required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--patches", type=int, default=1_000_000)
    parser.add_argument("--short-side", type=int)
    given = parser.parse_args()
    options = DatabaseOptions(given.backbone, tuple(given.layer), given.short_side, given.patches)
    seconds, library = timed(lambda: open_library([open_dataset(spec) for spec in given.database], options))
    print(f"opened in {seconds:.0f} s")
    for database in library.databases:
        measure(library, database, given.image)


if __name__ == "__main__":
    main()
