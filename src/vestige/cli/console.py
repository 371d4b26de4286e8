"""What the command line says while it works: all of it on standard error, results on standard output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text, TextType

from vestige.cli.parts import Printing
from vestige.cli.stopping import command_line as command_line
from vestige.cli.sweeps import sweep_table
from vestige.progress import Lines

if TYPE_CHECKING:
    from vestige.results import Results

console = Console(emoji=False, stderr=True, markup=False)
"""Standard error. What is printed is never read as markup: paths and names may hold brackets."""

_SPACE = 3  # of a table, between columns

_BESIDE = 2  # and at its edges

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
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading, *_ in (methods, *columns):
        table.add_column(heading, justify="left" if heading == methods[0] else "right", vertical="bottom")
    for cells in zip(methods[1:], *(column[1:] for column in columns), strict=True):
        table.add_row(*cells)
    swept = sweep_table(results)
    print_tables([table] if swept is None else [table, swept], results)


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


def print_tables(tables: Iterable[Table], results: Results) -> None:
    """Tables of results on standard output; what was left out of the data on standard error."""
    from vestige.contract.pages import notes_of

    for table in tables:
        _print_table(_out(), table)
    _print_left_out(results, notes_of(results))


def _print_table(out: Console, table: Table) -> None:
    """A table below its title, which may be longer than the table is wide: a spec is not broken at the table's edge.

    No number is broken either: where the table is too wide its heads are, and where that is not enough it is laid out
    as several, each with the columns that say what a row is.
    """
    if table.title:
        out.print(table.title, style="table.title", highlight=False, soft_wrap=True)
    *groups, last = _fitting(table, out.width)
    for group in groups:
        out.print(_of_columns(table, group))
    out.print(_of_columns(table, last, table.caption))


def _fitting(table: Table, width: int) -> list[list[Column]]:
    """The columns of a table as they are where they fit, else in groups that do.

    The first columns, up to those of numbers (to the right), are in all groups. A table without numbers stays as it is.
    """
    columns = list(table.columns)
    numbers = next((k for k, each in enumerate(columns) if k and each.justify == "right"), len(columns))
    if numbers == len(columns) or _BESIDE + sum(map(_width, columns)) <= width:
        return [columns]
    first, *others = columns[:numbers], *(_with_broken_head(each) for each in columns[numbers:])
    groups: list[list[Column]] = [[]]
    room = free = width - _BESIDE - sum(map(_width, first))
    for column in others:
        if _width(column) > free and groups[-1]:
            groups.append([])
            free = room
        groups[-1].append(column)
        free -= _width(column)
    return [first + group for group in groups]


def _width(column: Column) -> int:
    """What a column takes on the screen, with the space beside it."""
    return _SPACE + max(cell_len(line) for cell in (column.header, *column.cells) for line in str(cell).split("\n"))


def _with_broken_head(column: Column) -> Column:
    """The column with its head on several lines, where it is wider than the cells; words stay whole."""
    room = max((cell_len(str(cell)) for cell in column.cells), default=0)
    room = max(room, *map(len, str(column.header).split()), 1)
    lines = [line for each in str(column.header).split("\n") for line in wrap(each, room)]
    return replace(column, header="\n".join(lines))


def _of_columns(table: Table, columns: Iterable[Column], caption: TextType | None = None) -> Table:
    """Some columns of a table."""
    part = Table(box=table.box, caption=caption, caption_justify=table.caption_justify)
    for each in columns:
        part.add_column(
            each.header, justify=each.justify, overflow=each.overflow, no_wrap=each.no_wrap, vertical="bottom"
        )
    for cells in zip(*(each.cells for each in columns), strict=True):
        part.add_row(*cells)
    return part


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
