"""Where the time of a command goes, and what it takes beside a process that keeps a core busy.

    python benchmarks/main_job.py probe landmarks 300w:DIR/trainset --test 300w:DIR/testset
    python benchmarks/main_job.py --busy --repeat 3 probe landmarks DATA --layer block10 --untrained 0
    python benchmarks/main_job.py --against OTHER/src probe landmarks DATA

What follows the options is a command of ``vestige`` that makes a run. Repetitions alternate, medians are printed. The
first run of a command fills the cache: leave it out of the comparison by running it once before.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import vestige
from vestige.stopwatch import Spent, table

HERE = Path(vestige.__file__).parents[1]
BUSY = "while 1: pass"


@dataclass(frozen=True)
class Took:
    """Seconds and processor seconds of a command, and what of them every kind of work took."""

    seconds: float
    processor: float
    spent: tuple[Spent, ...]


def perform(words: list[str], source: Path, *, busy: bool) -> Took:
    """Run a command of the package in ``source``; ``busy``: beside a process that keeps a core busy."""
    with TemporaryDirectory() as folder, ExitStack() as beside:
        profiled = ["--profile"] if source == HERE else []
        if busy:
            process = subprocess.Popen([sys.executable, "-c", BUSY])
            beside.callback(process.wait)
            beside.callback(process.kill)
        command = [sys.executable, "-m", "vestige", *words, *profiled, "-o", f"{folder}/run"]
        before, started = _processor(), time.monotonic()
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(source)}, capture_output=True, text=True, check=False
        )
        seconds, processor = time.monotonic() - started, _processor() - before
        if done.returncode:
            sys.exit(done.stderr)
        return Took(seconds, processor, _spent(Path(folder) / "run" / "profile.csv") if profiled else ())


def _processor() -> float:
    """Of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spent(path: Path) -> tuple[Spent, ...]:
    with path.open(newline="") as file:
        return tuple(
            Spent(row["kind"], float(row["seconds"]), float(row["processor_seconds"]), int(row["n"]))
            for row in csv.DictReader(file)
        )


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Rows of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each kind")
    parser.add_argument("--busy", action="store_true", help="also beside a process that keeps a core busy")
    parser.add_argument("--against", type=Path, metavar="SRC", help="also the package in another folder")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="a command of vestige, without -o")
    asked = parser.parse_args()
    kinds = [
        (name, source, busy)
        for name, source in (("here", HERE), ("against", asked.against))
        if source is not None
        for busy in (False, True)[: 1 + asked.busy]
    ]
    runs: dict[tuple[str, bool], list[Took]] = {}
    for _ in range(asked.repeat):
        for name, source, busy in kinds:
            runs.setdefault((name, busy), []).append(perform(asked.words, source, busy=busy))
    first = runs["here", False]
    middle = sorted(first, key=lambda took: took.seconds)[len(first) // 2]
    start = middle.seconds - sum(spent.seconds for spent in middle.spent)
    print_table(table(middle.spent))
    print(f"Python's start and imports beside that: {start:.1f} s\n")
    alone = median(took.seconds for took in first)
    print_table(
        [
            ("", "seconds", "against the first", "processor seconds", "repetitions"),
            *(
                (
                    f"{name}, beside a busy process" if busy else name,
                    f"{median(took.seconds for took in several):.1f}",
                    f"{median(took.seconds for took in several) / alone:.2f}",
                    f"{median(took.processor for took in several):.1f}",
                    str(len(several)),
                )
                for (name, busy), several in runs.items()
            ),
        ]
    )


if __name__ == "__main__":
    main()
