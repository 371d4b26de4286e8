"""What the command line says while it works: all of it on standard error, results on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from vestige.results import Results

console = Console(stderr=True)

_LISTED = 10  # problems that are printed before they are only counted


@dataclass
class Listener:
    """Shows what is being done: a line per step, a bar with throughput and time left per extraction."""

    progress: Progress
    _task: TaskID | None = None
    _what: str = ""
    _shown: dict[str, int] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """A step begins."""
        self._what = text
        self._task = None
        self.progress.console.print(f"[cyan]·[/] {text}", highlight=False)

    def pictures(self, _spec: str, done: int, total: int) -> None:
        """Pictures have gone through a network."""
        self._count("pictures", done, total)

    def pairs(self, done: int, total: int) -> None:
        """Pairs of pictures have been aligned."""
        self._count("pairs", done, total)

    def parts(self, done: int, total: int) -> None:
        """Parts of a step are done."""
        self._count("", done, total)

    def _count(self, unit: str, done: int, total: int) -> None:
        if self._task is None:
            self._task = self.progress.add_task(self._what or unit, total=total, completed=done, rate="")
        task = self.progress.tasks[self.progress.task_ids.index(self._task)]
        speed = task.speed or 0.0
        self.progress.update(self._task, completed=done, total=total, rate=f"{speed:5.1f} {unit}/s")
        if done >= total:
            self.progress.remove_task(self._task)
            self._task = None


def command_line() -> list[str]:
    """The words of the command that is running."""
    return ["vestige", *sys.argv[1:]]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on standard error while the block runs."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Listener(progress)


def print_results(results: Results, metric: str) -> None:
    """The table of methods on standard output: the main metric with its interval, then the other metrics over all."""
    metrics = dict.fromkeys(row.metric for row in results.rows if row.subset == "all")
    others = [name for name in metrics if name != metric and not name.endswith("_difference")]  # the report has those
    read = "{layer} ({readout}) of {spec}".format_map(results.backbone)
    title = f"{results.task}: {metric}, test n = {results.data['test']['n']}\n{read}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("method", "value", "95 % CI", *others):
        heading = name.replace("@", "\n@")  # narrow enough for 80 columns
        table.add_column(heading, justify="left" if name == "method" else "right", no_wrap=True, vertical="bottom")
    overall = {(row.method, row.metric): row for row in results.rows if row.subset == "all"}
    for method in results.methods():
        main = overall.get((method, metric))
        if main is not None:
            interval = "" if main.ci95 is None else f"{main.ci95[0]:.4f}-{main.ci95[1]:.4f}"
            cells = [f"{overall[method, other].value:.3f}" if (method, other) in overall else "" for other in others]
            table.add_row(method, f"{main.value:.4f}", interval, *cells)
    print_table(table, results)


def print_table(table: Table, results: Results) -> None:
    """A table of results on standard output; what was left out of the data on standard error."""
    Console(width=None if console.is_terminal else 120).print(table)
    _print_left_out(results)


def _print_left_out(results: Results) -> None:
    """What was left out of the data, and what else a reader of the numbers must know."""
    for part, data in results.data.items():
        if data["skipped"]:
            console.print(f"left out of {part}: {data['skipped']} (vestige data check tells all)")
            for problem in data["problems"][:_LISTED]:
                console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
    for note in results.notes:
        console.print(note, markup=False, highlight=False)
