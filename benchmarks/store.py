"""What checking stored features against their digests costs, against reading them.

    python benchmarks/store.py [--rows 8192] [--numbers 15680] [--repeats 5]

writes a store of random numbers to a temporary folder and prints CPU seconds (the least of all repetitions; the file
is in the system's cache by then) and gigabytes a second of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vestige.features.layout import CHUNK_ROWS, Description, is_whole
from vestige.features.store import Features
from vestige.features.writer import StoreWriter


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 8192), ("numbers", 15680), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    about = Description(
        "features", "none", "", "", "", "none", "flat", {}, "", asked.rows, asked.numbers, "float32", CHUNK_ROWS
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / about.key
        _fill(store, about)
        features = Features(store, checked=True)
        measured = {
            "checking": lambda: is_whole(store, about),
            "reading": lambda: [len(rows) for rows in features.chunks(CHUNK_ROWS)],
        }
        for name, work in measured.items():
            seconds = min(_seconds(work) for _ in range(asked.repeats))
            print(f"{name:9}{seconds:8.3f} s{about.bytes / seconds / 1e9:8.2f} GB/s")
        features.close()


def _fill(store: Path, about: Description) -> None:
    rows = np.random.default_rng(0).normal(size=(CHUNK_ROWS, about.d)).astype(np.float32)
    writer = StoreWriter(store, about)
    for chunk in list(writer.missing):
        writer.start(chunk)
        writer.append(rows[: len(about.rows(chunk))])
        writer.finish_chunk()
    writer.finish({"created": "now"})


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
