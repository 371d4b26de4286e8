"""A session: what every measurement is made with, passed once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial

from vestige.features.reader import Reader
from vestige.handed_in import as_type
from vestige.partial_work import KEEP_NOTHING, PartialWork
from vestige.progress import Lines, Progress, Say


@dataclass(frozen=True)
class Session:
    """What a measurement reads with, whom it tells, and where it keeps what is done.

    Attributes:
        reader: of features; it is told of what is counted.
        say: told of every step as it begins.
        kept: the finished parts of a long measurement, so that a killed one goes on.
        workers: threads for what a measurement computes itself; no result depends on them.
    """

    reader: Reader = field(default_factory=Reader)
    say: Say = field(default_factory=lambda: Lines().say)
    kept: PartialWork = KEEP_NOTHING
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)

    def __post_init__(self) -> None:
        as_type("reader", self.reader, Reader)

    @classmethod
    def on_stderr(cls) -> Session:
        """The default cache and device, and lines on standard error."""
        lines = Lines()
        return cls(Reader(progress=lines.count), lines.say)

    def counting(self, what: str) -> Progress:
        """Tells of the progress of what is counted."""
        return partial(self.reader.count, what)
