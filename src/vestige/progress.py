"""What is being done, as lines of text: for output that is no terminal, and for Python."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

Say = Callable[[str], None]
"""Called with a line about every step as it begins."""

NamedProgress = Callable[[str, int, int], None]
"""Called with (what is counted, such as ``pictures``; how many are done; how many there are)."""

Progress = Callable[[int, int], None]
"""Called with (how many are done; how many there are)."""

EVERY = 10.0
"""Seconds between two lines about one count."""

RECENT = 30.0
"""Seconds whose pace is taken for that of what is left: what a killed run had done is counted in no time."""


def count_nothing(_done: int, _total: int) -> None:
    """For those who want no progress."""


def print_nothing(_text: str) -> None:
    """For those who want no lines."""


def to_stderr(line: str) -> None:
    """Write a line on standard error, whatever that is at the moment."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Lines:
    """A line for each step as it begins, one every ten seconds while things are counted, and one when they are done.

    Attributes:
        write: takes a line.
        clock: the time in seconds.
    """

    write: Say = to_stderr
    clock: Callable[[], float] = time.monotonic
    _counted: _Counted | None = field(default=None, repr=False)

    def say(self, text: str) -> None:
        """A step begins."""
        self._counted = None
        self.write(f"· {text}")

    def count(self, what: str, done: int, total: int) -> None:
        """Some of what is counted is done; what is done from the start, or the only one, is not worth a line."""
        now, counted = self.clock(), self._counted
        if counted is None or (counted.what, counted.total) != (what, total) or done < counted.done:
            self._counted = _Counted(what, total, done, now, now, deque([(now, done)]))
            return
        counted.add(now, done)
        if done >= total:
            if total > 1 and done > counted.before:
                self.write(f"  {total:,} {what}".rstrip() + f" done in {_time(now - counted.began)}")
            self._counted = None
        elif now - counted.written >= EVERY and done > counted.before:
            counted.written = now
            left = counted.left()
            about = "" if left is None else f", about {_time(left)} left"
            self.write(f"  {done:,} of {total:,} {what}".rstrip() + about)


@dataclass
class _Counted:
    """What is being counted, since when, when a line was last written about it, and the latest counts.

    The first of them is what the first piece left: it waited for all that begins but once (opening, compiling), and its
    time says nothing of the others'.
    """

    what: str
    total: int
    before: int
    began: float
    written: float
    latest: deque[tuple[float, int]]

    @property
    def done(self) -> int:
        return self.latest[-1][1]

    def add(self, now: float, done: int) -> None:
        if self.done == self.before:
            self.latest.clear()
        self.latest.append((now, done))
        while len(self.latest) > 2 and self.latest[1][0] <= now - RECENT:
            self.latest.popleft()

    def left(self) -> float | None:
        """Seconds until all is done, at the pace of late; None before there is one."""
        (first, before), (last, done) = self.latest[0], self.latest[-1]
        return (last - first) * (self.total - done) / (done - before) if done > before else None


def _time(seconds: float) -> str:
    """``3.2 s``, or ``0:02:05`` from a minute on."""
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
