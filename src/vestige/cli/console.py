"""What the command line says while it works: all of it on standard error, results on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vestige.cli.parts import Printing
from vestige.cli.stopping import command_line as command_line
from vestige.cli.sweeps import sweep_table
from vestige.progress import Lines

if TYPE_CHECKING:
    from vestige.results import Results

console = Console(emoji=False, stderr=True, markup=False)
"""Standard error. What is printed is never read as markup: paths and names may hold brackets."""

_LISTED = 10  # problems that are printed before they are only counted


@dataclass
class Listener:
    """Shows what is being done: a line per step, and of what is counted a bar with throughput and time left.

    Where standard error is no terminal, counts are lines, too.
    """

    progress: Progress
    lines: Lines
    _task: TaskID | None = None
    _what: str = ""

    def say(self, text: str) -> None:
        """A step begins."""
        self._what = text
        self._end_bar()
        self.lines.say(text)

    def tell(self, *lines: str) -> None:
        """Say something that is no step."""
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)

    def count(self, what: str, done: int, total: int) -> None:
        """Some of what is counted is done: pictures through a network, fits."""
        if self.progress.disable:
            self.lines.count(what, done, total)
            return
        if self._task is None:
            self._task = self.progress.add_task(self._what or what, total=total, completed=done, rate="")
        task = self.progress.tasks[self.progress.task_ids.index(self._task)]
        speed = task.speed or 0.0
        self.progress.update(self._task, completed=done, total=total, rate=f"{speed:5.1f} {what}/s")
        if done >= total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._task is not None:
            self.progress.remove_task(self._task)
            self._task = None


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener on standard error while the block runs."""
    columns = (
        TextColumn("  {task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    hidden = console.quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield Listener(progress, Lines(_write))


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """While the block runs, where it is to be quiet, nothing is said on standard error; errors leave it first."""
    before, console.quiet = console.quiet, quiet
    try:
        yield
    finally:
        console.quiet = before


def print_json(document: Mapping[str, Any]) -> None:
    """A document on standard output, as files hold it."""
    print(json.dumps(document, indent=1, allow_nan=False))


def print_report(path: Path, printing: Printing) -> None:
    """Where the page is: on standard output, unless a document is there."""
    if printing.json:
        console.print(f"report: {path}", highlight=False, soft_wrap=True)
    else:
        print(f"report: {path}")


def _write(line: str) -> None:
    """A line on standard error, the mark of a step in colour."""
    text = Text(line)
    text.highlight_regex(r"^·", "cyan")
    console.print(text, soft_wrap=True)


def print_results(results: Results, metric: str) -> None:
    """The table of methods on standard output: the main metric with its interval, then the other metrics over all."""
    read = "{layer} ({readout}) of {spec}".format_map(results.backbone)
    title = f"{results.task}: {metric}, test n = {results.data['test']['n']}\n{read}"
    methods, *columns = _columns(results, metric)
    out = _out()
    for group in _fitting(methods, columns, out.width):
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for heading, *_ in (methods, *group):
            justify: JustifyMethod = "left" if heading == methods[0] else "right"
            table.add_column(heading, justify=justify, no_wrap=True, vertical="bottom")
        for cells in zip(methods[1:], *(column[1:] for column in group), strict=True):
            table.add_row(*cells)
        _print_table(out, table)
        title = ""
    swept = sweep_table(results)
    print_tables([] if swept is None else [swept], results)


def _columns(results: Results, metric: str) -> list[list[str]]:
    """The columns of the table of methods, each its heading and its cells."""
    overall = {(row.method, row.metric): row for row in results.rows if row.subset == "all"}
    main = [row for method in results.measured if (row := overall.get((method, metric))) is not None]
    metrics = dict.fromkeys(row.metric for row in results.rows if row.subset == "all")
    columns = [
        ["method", *(row.method for row in main)],
        ["value", *(f"{row.value:.4f}" for row in main)],
        ["95 % CI", *("" if row.ci95 is None else f"{row.ci95[0]:.4f}-{row.ci95[1]:.4f}" for row in main)],
    ]
    for other in metrics:
        if other != metric and not other.endswith("_difference"):  # the report has those
            found = [overall.get((row.method, other)) for row in main]
            columns.append([other.replace("@", "\n@"), *("" if row is None else f"{row.value:.3f}" for row in found)])
    return columns


def _fitting(first: list[str], columns: list[list[str]], width: int) -> list[list[list[str]]]:
    """The columns in groups that fit beside the first one, so that none is cut off."""
    groups: list[list[list[str]]] = [[]]
    room = free = width - 2 - _width(first)
    for column in columns:
        if _width(column) > free and groups[-1]:
            groups.append([])
            free = room
        groups[-1].append(column)
        free -= _width(column)
    return groups


def _width(column: list[str]) -> int:
    """What a column takes on the screen, with the space beside it."""
    return 3 + max(len(line) for cell in column for line in cell.split("\n"))


def print_tables(tables: Iterable[Table], results: Results) -> None:
    """Tables of results on standard output; what was left out of the data on standard error."""
    from vestige.contract.pages import notes_of

    for table in tables:
        _print_table(_out(), table)
    _print_left_out(results, notes_of(results))


def _print_table(out: Console, table: Table) -> None:
    """A table below its title, which may be longer than the table is wide: a spec is not broken at the table's edge."""
    if table.title:
        out.print(table.title, style="table.title", highlight=False, soft_wrap=True)
    table.title = None
    out.print(table)


def _out() -> Console:
    """Standard output, as wide as the terminal; wide enough for anything where there is none."""
    return Console(emoji=False, width=None if console.is_terminal else 120, markup=False)


def _print_left_out(results: Results, notes: Iterable[str]) -> None:
    """What was left out of the data, and what else a reader of these numbers must know; the report has all of it."""
    from vestige.departures import in_short

    for part, data in results.data.items():
        if data["skipped"]:
            console.print(f"left out of {part}: {data['skipped']} (vestige data check tells all)")
            for problem in data["problems"][:_LISTED]:
                console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
    for note in in_short(notes):
        console.print(note, markup=False, highlight=False)
