"""A paper's tables and figures in its own layout, with what was measured here beside what was published."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Literal

from vestige.contract.found import Found
from vestige.files import write_text
from vestige.manifest import may_replace, update_manifest
from vestige.pages import parts_of
from vestige.published import Column, Paper, PublishedRow, PublishedTable
from vestige.report.blocks import (
    NONE,
    Block,
    Cell,
    Chart,
    Facts,
    Gallery,
    Link,
    Number,
    Opening,
    Page,
    RowGroup,
    Section,
    Table,
)
from vestige.report.page import save_page
from vestige.results import Results, Row
from vestige.run import Run
from vestige.spelling import spelled
from vestige.text import count, network_name, read_from

PUBLISHED = "Published"

WIDEST = 7
"""Columns of numbers that a page shows side by side, with their intervals."""

Runs = Mapping[str, Run]
"""The finished runs by the name of their experiment."""


@dataclass(frozen=True)
class DataPlace:
    """A data set that a paper measures on, to be filled with the user's copy.

    Attributes:
        name: as in ``--data NAME=SPEC``.
        what: the paper's words for it, with numbers.
        example: a spec that would fill it.
        source: who hands it out.
        own_split: whether it may carry the test data, too, as a split of its own.
        file: what kind of file belongs there, where it is no data set; "" for a data set.
    """

    name: str
    what: str
    example: str
    source: str
    own_split: bool = False
    file: Literal["", "answers"] = ""


Specs = tuple[str, str | None]
"""Of training and test data; None where the set carries its own split, or there is only one."""


@dataclass(frozen=True)
class Network:
    """What an experiment reads.

    Attributes:
        backbone: its spec.
        layers: names and globs; of several, the experiment chooses on training data. () for the experiment's default.
        readouts: of every layer; () for the experiment's default.
        untrained_seeds: how many random networks to compare with, where the experiment does.
        seed: of all that is drawn.
    """

    backbone: str
    layers: tuple[str, ...] = ()
    readouts: tuple[str, ...] = ()
    untrained_seeds: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Experiment:
    """One run of a paper.

    Attributes:
        name: of the run's folder.
        train: where its training data go, or what it searches.
        test: where its test data go; None where all is made of the first.
        perform: measures the data of specs in a session, by a network: ``perform(session, specs, network)``, and where
            it goes on with others a fourth argument, the runs by experiment.
        after: the experiments that it goes on with.
    """

    name: str
    train: DataPlace
    test: DataPlace | None
    perform: Callable[..., Found]
    after: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[DataPlace, ...]:
        """All."""
        return (self.train,) if self.test is None else (self.train, self.test)

    def is_ready(self, given: Mapping[str, str]) -> bool:
        """Whether the data given are enough."""
        return self.train.name in given and (self.test is None or self.test.name in given or self.train.own_split)

    def lacks(self, given: Mapping[str, str]) -> str:
        """What has to be given, in words."""
        places = [place for place in self.places if place.name not in given]
        return "; ".join(f"{spelled('data', word=f'{p.name}={p.example}')} ({p.what}, from {p.source})" for p in places)


@dataclass(frozen=True)
class Afterwards:
    """What is made of the finished runs before the page.

    Attributes:
        exhibit: the figure that it belongs to.
        place: of what it needs besides the runs; it may be left out.
        make: from runs and their specs by experiment, what was given for the place, the folder to write into, the
            device and a listener; writes its files.
    """

    exhibit: str
    place: DataPlace
    make: Callable[[Runs, Mapping[str, Specs], str | None, Path, str, Callable[[str], None]], None]


@dataclass(frozen=True)
class Exhibit:
    """A table or a figure of a paper.

    Attributes:
        name: ``table 1``, ``figure 2a``.
        title: what it shows.
        experiments: the runs that it is made of; it is shown with those that are there. () for none at all.
        blocks: from the runs that are there to what the page shows.
    """

    name: str
    title: str
    experiments: tuple[str, ...]
    blocks: Callable[[Runs], tuple[Block, ...]]

    def asked(self, tables: Sequence[int], figures: Sequence[int]) -> bool:
        """Whether it is among the tables and figures asked for; all are where none is."""
        kind, number = self.name.split(" ")
        wanted = tables if kind == "table" else figures
        return (not tables and not figures) or int(number.rstrip("abc")) in wanted


@dataclass(frozen=True)
class MeasuredRow:
    """A row that stands below the published ones: a method, and where its number in each column comes from.

    Attributes:
        label: of the row.
        find: a column to the measured Row; None where there is none.
        scale: 100 where the paper prints percent.
        small: what is said beside the label.
        group: the heading that it stands under with the others of its kind.
        classes: how many classes its means are over; None where it has none.
        method: vestige's name of it, by which the paper's row of the same method is known; "" for none.
        spread: a column to the Row of its standard deviation; None where there is none.
    """

    label: str
    find: Callable[[Column], Row | None]
    scale: float = 1.0
    small: str = ""
    group: str = "Measured here"
    classes: int | None = None
    method: str = ""
    spread: Callable[[Column], Row | None] | None = None


def beside_published(
    table: PublishedTable, measured: Sequence[MeasuredRow], decimals: int | Sequence[int], note: str
) -> Table:
    """The paper's table, its rows first, with the measured rows below; ``decimals`` of all columns, or of each.

    A mean over another number of classes than the paper's says over how many it is.
    """
    digits = [decimals] * len(table.columns) if isinstance(decimals, int) else decimals
    published = [
        (Cell(row.label, row.reference), *map(_published, row.values, digits, row.spread or [None] * len(digits)))
        for row in table.rows
    ]
    own: dict[str, list[tuple[Cell, ...]]] = {}
    for row in measured:
        theirs = table.of_method(row.method)
        cells = (_measured(table, k, row, theirs, digits[k]) for k in range(len(table.columns)))
        own.setdefault(row.group, []).append((Cell(row.label, row.small), *cells))
    groups = [RowGroup(tuple(published), PUBLISHED)]
    groups += [RowGroup(tuple(rows), heading) for heading, rows in own.items()]
    columns = ("", *(column.heading for column in table.columns))
    said = f"{table.number}: {table.caption}"
    others = [row.classes for row in measured if row.classes not in (None, table.classes)]
    if table.classes and others:
        note += f" The published means are of {table.classes} classes."
    note = " ".join((note, *(column.remark for column in table.columns if column.remark)))
    return Table(said, columns, tuple(groups), f"{note} Units: {table.units}.", units=table.units)


def _published(value: float | None, decimals: int, spread: float | None) -> Cell:
    if value is None:
        return NONE
    small = "" if spread is None else f"± {spread:.{decimals}f}"
    return Cell(f"{value:.{decimals}f}", small, tone="published", number=Number(published=value))


def _measured(table: PublishedTable, k: int, of: MeasuredRow, theirs: PublishedRow | None, decimals: int) -> Cell:
    """The cell of the table's column k."""
    row = of.find(table.columns[k])
    if row is None:
        return NONE
    value, scale = of.scale * row.value, of.scale
    ci95 = None if row.ci95 is None else (scale * row.ci95[0], scale * row.ci95[1])
    ends = "" if ci95 is None else f"{ci95[0]:.{decimals}f}–{ci95[1]:.{decimals}f}"
    over = ""
    if of.classes not in (None, table.classes) and table.is_mean(k):
        over = count(of.classes or 0, "class", "classes")
    spread = None if of.spread is None else of.spread(table.columns[k])
    far = "" if spread is None else f"± {scale * spread.value:.{decimals}f}"
    number = Number(value, ci95, row.n, None if theirs is None else theirs.values[k])
    return Cell(f"{value:.{decimals}f}", "; ".join(part for part in (over, far, ends) if part), number=number)


def classes_of(results: Results) -> int:
    """How many classes a run's means are over: those of its config, else those that its test pictures have."""
    classes = results.config.get("classes")
    if classes is not None:
        return len(classes)
    return len({row.subset for row in results.rows if row.subset != "all" and row.n})


def for_page(table: Table) -> tuple[Table, ...]:
    """A table as a page has room for it: of many columns those with a measurement, in parts side by side."""
    n = len(table.columns)
    if n <= WIDEST + 1 or all(group.heading != PUBLISHED for group in table.groups):
        return (table,)
    own = [row for group in table.groups if group.heading != PUBLISHED for row in group.rows]
    kept = [k for k in range(1, n) if any(row[k] != NONE for row in own)] or list(range(1, n))
    note = table.note
    if len(kept) < n - 1:
        note += " Columns that nothing was measured for are left out (the CSV has all)."
    parts = [kept[start : start + WIDEST] for start in range(0, len(kept), WIDEST)]
    several = len(parts) > 1
    return tuple(
        replace(
            _columns_of(table, part),
            caption=f"{table.caption} ({number} of {len(parts)})" if several else table.caption,
            note=note if number == len(parts) else "",
        )
        for number, part in enumerate(parts, start=1)
    )


def _columns_of(table: Table, columns: Sequence[int]) -> Table:
    """The first column and some others."""
    chosen = (0, *columns)
    groups = tuple(
        replace(group, rows=tuple(tuple(row[k] for k in chosen) for row in group.rows)) for group in table.groups
    )
    return replace(table, columns=tuple(table.columns[k] for k in chosen), groups=groups)


def figure_of(runs: Sequence[Run], name: str) -> tuple[Block, ...]:
    """The chart or gallery of a report whose name begins so, from runs of one task; () where the report has none."""
    if not runs:
        return ()
    _, sections = parts_of(runs[0].results().task)(runs)
    found = [block for section in sections for block in section.blocks]
    return tuple(block for block in found if isinstance(block, Chart | Gallery) and block.name.startswith(name))


def section_of(runs: Runs, anchor: str) -> tuple[Block, ...]:
    """A section of the report over runs of one task, by its anchor; () where it has none."""
    if not runs:
        return ()
    several = list(runs.values())
    _, sections = parts_of(several[0].results().task)(several)
    return tuple(block for section in sections if section.anchor == anchor for block in section.blocks)


def row_of(results: Results | None, method: str, metric: str, subset: str = "all") -> Row | None:
    """A run's row, or None where there is no run or no such row."""
    if results is None:
        return None
    try:
        return results.row(method, metric, subset)
    except KeyError:
        return None


def swept_row_of(results: Results | None, method: str, metric: str, subset: str = "all") -> Row | None:
    """A row of a run's sweep, or None where there is no run or no such row."""
    rows = () if results is None else results.sweep
    return next((row for row in rows if (row.method, row.metric, row.subset) == (method, metric, subset)), None)


def write_reproduction(
    source: Paper, exhibits: Sequence[Exhibit], runs: Runs, missing: Sequence[str], path: Path
) -> None:
    """Write the page, and every table on it as CSV beside it.

    Args:
        source: the paper.
        exhibits: those asked for.
        runs: finished runs by experiment.
        missing: sentences on what is not there and why.
        path: of the page.

    Raises:
        VestigeError: where it cannot be written.
    """
    sections = []
    for exhibit in exhibits:
        here = {name: runs[name] for name in exhibit.experiments if name in runs}
        blocks = exhibit.blocks(here) if here or not exhibit.experiments else ()
        if blocks:
            shown = tuple(
                part for block in blocks for part in (for_page(block) if isinstance(block, Table) else (block,))
            )
            title = f"{exhibit.name.capitalize()}: {exhibit.title}"
            sections.append(Section(title, exhibit.name.replace(" ", "-"), shown))
            _write_tables(exhibit, blocks, path.parent)
    links = tuple(
        Link(f"{name}: the whole report", Path(os.path.relpath(run.report_path, path.parent)).as_posix())
        for name, run in runs.items()
    )
    specs = [str(spec) for run in runs.values() if (spec := run.results().backbone.get("spec"))]
    used = dict.fromkeys(each for spec in specs for each in spec.split(", "))  # a run of several names them all
    networks = f"Networks: {'; '.join(used)}." if used else "No network was run here."
    opening = Opening(
        source.short,
        f"{source.title if source.title.endswith('?') else f'{source.title}.'} Its tables and figures, measured again.",
        f"{networks} Published numbers are set apart; they were measured by the authors, with their network and their "
        "copies of the data.",
    )
    if runs:
        sections.append(Section("The runs", "runs", (_data_table(runs), *_notes(runs), *links)))
    save_page(
        Page(f"vestige: {source.title}", "vestige · reproduction", (opening,), tuple(sections), "", tuple(missing)),
        path,
    )


def _notes(runs: Runs) -> tuple[Facts, ...]:
    """What the runs say must be known of their numbers."""
    notes = tuple((name, note) for name, run in runs.items() for note in run.results().notes)
    return (Facts("What to know of their numbers", notes),) if notes else ()


def _data_table(runs: Runs) -> Table:
    """What each run was measured on."""
    described = {name: run.results() for name, run in runs.items()}
    rows = tuple(
        (
            Cell(name),
            Cell("; ".join(f"{role}: {data.get('spec')} ({data.get('n'):,})" for role, data in results.data.items())),
            Cell(_network(results)),
        )
        for name, results in described.items()
    )
    return Table(
        "Every measured number comes from one of these runs",
        ("Run", "Data (examples)", "Network"),
        (RowGroup(rows),),
        numeric=False,
    )


def _network(results: Results) -> str:
    readout = results.backbone.get("readout")
    return (
        f"{read_from(results.backbone)} ({readout})"
        if readout
        else network_name(str(results.backbone.get("spec", "none")))
    )


def _write_tables(exhibit: Exhibit, blocks: Sequence[Block], folder: Path) -> None:
    tables = [block for block in blocks if isinstance(block, Table) and has_numbers(block)]
    for number, table in enumerate(tables):
        suffix = "" if len(tables) == 1 else f"-{_letters(number)}"
        path = folder / f"{exhibit.name.replace(' ', '-')}{suffix}.csv"
        write_text(path, as_csv(table), overwrite=may_replace(path))
        update_manifest(folder, path)


def _letters(number: int) -> str:
    """``a`` to ``z``, then ``aa``, ``ab`` and so on, as spreadsheets number columns."""
    before, last = divmod(number, 26)
    return (_letters(before - 1) if before else "") + ascii_lowercase[last]


def has_numbers(table: Table) -> bool:
    """Whether any of its cells is a number that a CSV has."""
    return any(cell.number is not None for group in table.groups for row in group.rows for cell in row)


CSV_COLUMNS = ("group", "row", "detail", "column", "value", "lo", "hi", "n", "published", "units")


def as_csv(table: Table) -> str:
    """A table as CSV, a line a number: measured ones with their interval, and what the paper says of the same method.

    ``value``, ``lo``, ``hi`` and ``n`` are empty where a number was only published, ``published`` where it was not.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for group in table.groups:
        for name, *cells in group.rows:
            for column, cell in zip(table.columns[1:], cells, strict=True):
                if (found := cell.number) is not None:
                    low, high = found.ci95 or (None, None)
                    numbers = [_plain(each) for each in (found.value, low, high)]
                    own = (*numbers, "" if found.n is None else found.n, _plain(found.published))
                    writer.writerow([group.heading, name.text, name.small, column, *own, table.units])
    return stream.getvalue()


def _plain(value: float | None) -> str:
    """A number with six digits that count; empty for none."""
    return "" if value is None else f"{value:.6g}"
