"""What a page is made of: tables, charts, galleries and prose, before they become HTML or PNG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vestige.report.style import Theme


@dataclass(frozen=True)
class Number:
    """What stands behind a cell's text, for tables that are written as CSV.

    Attributes:
        value: as measured, in the table's units; None where it was only published.
        ci95: its 95 % interval, likewise.
        n: the examples that it is over.
        published: the number of the same method in the paper; None where it has none.
    """

    value: float | None = None
    ci95: tuple[float, float] | None = None
    n: int | None = None
    published: float | None = None


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, what is said smaller beside it, how it is set, and the number that it shows.

    ``tone`` is ``""``, ``"strong"`` (what the eye should find), ``"quiet"`` or ``"published"``.
    """

    text: str
    small: str = ""
    tone: str = ""
    number: Number | None = None


NONE = Cell("–", tone="quiet")
"""Where there is nothing to say."""


@dataclass(frozen=True)
class RowGroup:
    """Rows of a table under a heading of their own; the first cell of a row is its header."""

    rows: tuple[tuple[Cell, ...], ...]
    heading: str = ""


@dataclass(frozen=True)
class Table:
    """A table: ``columns`` are the headers, the first that of the row headers; ``folded``: shown on request.

    ``units`` are those of its numbers, for its CSV.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    groups: tuple[RowGroup, ...]
    note: str = ""
    numeric: bool = True
    folded: bool = False
    units: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing that is made anew for every theme. ``name`` is its file name without the ending."""

    kind: ClassVar[str] = "chart"
    name: str
    draw: Callable[[Theme], Figure]
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Tile:
    """A picture of a gallery: ``pixels`` ``(H, W, 3)``."""

    pixels: NDArray[np.uint8]
    caption: str
    alt: str


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, ``columns`` of them where there is room."""

    kind: ClassVar[str] = "gallery"
    name: str
    tiles: tuple[Tile, ...]
    caption: str
    columns: int = 2


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Link:
    """A line that leads to another page, by its address relative to this one."""

    kind: ClassVar[str] = "link"
    text: str
    address: str


@dataclass(frozen=True)
class Facts:
    """Terms with what they are."""

    kind: ClassVar[str] = "facts"
    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Lines to read or to copy; ``folded`` where they are shown on request."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str
    folded: bool = False


Block = Table | Chart | Gallery | Prose | Link | Facts | Listing


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading; ``anchor`` is its place in the address."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class KeyNumber:
    """A number that the page opens with."""

    label: str
    value: str
    interval: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Opening:
    """What the page says first of one run: a sentence, and the numbers it rests on."""

    name: str
    headline: str
    detail: str
    numbers: tuple[KeyNumber, ...] = ()


Parts = tuple[tuple[Opening, ...], tuple[Section, ...]]
"""What a task makes of a page: an opening for each run, and the sections on all of them."""


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    kicker: str
    openings: tuple[Opening, ...]
    sections: tuple[Section, ...]
    footer: str = ""
    notes: tuple[str, ...] = field(default=())

    def figures(self) -> tuple[Chart | Gallery, ...]:
        """Everything on the page that is a picture, from top to bottom."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(block for block in blocks if isinstance(block, Chart | Gallery))
