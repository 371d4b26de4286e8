"""Where the time of a measurement goes, by the kind of work: always on, since it costs next to nothing.

A :class:`Stopwatch` runs while a block does, and ``with timing("decode"):`` anywhere below it books what passes to a
kind. It is found by the context that runs (:mod:`contextvars`), not handed down: the ridge engine and the feature store
know no session, and two measurements in two threads each have their own.
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from dataclasses import astuple, dataclass, fields
from io import StringIO
from typing import Any, Self, TypeVar

from vestige.documents import Count

OTHER = "other"
"""What is of no kind."""

LOOK_BACK = "look-back"
"""A part of a measurement that has kinds of its own: ``look-back: decode``."""

KINDS = (
    "open",
    "read",
    "decode",
    "forward",
    "store",
    "cluster",
    "gram",
    "factor",
    "score",
    "solve",
    "predict",
    "report",
)
"""In the order of tables; :data:`OTHER` comes last, and each part after the whole of them.

* ``open``: annotations, networks, and the libraries for them
* ``read``: stored features, checked and brought into memory
* ``decode``: pictures, decoded, cropped and resized; seconds are those in which the network had to wait for them
* ``forward``: the network
* ``store``: features, pooled and written
* ``cluster``: what other machines do, and waiting for them
* ``gram``: inner products of features
* ``factor``: eigendecompositions and Cholesky factors
* ``score``: what each alpha is worth on each fold, and predictions out of fold
* ``solve``: coefficients at the chosen alphas
* ``predict``: test examples, by fitted probes
* ``report``: figures and page
"""


@dataclass(frozen=True)
class Spent:
    """What a kind of work took.

    Attributes:
        kind: of :data:`KINDS`, or of a part of the measurement (``look-back: decode``).
        seconds: of the thread that measures: those of all kinds add up to what it took.
        processor_seconds: of all threads. Far more of them than ``seconds`` times the threads that work is not
            possible; more of them beside a busy neighbour than alone is waiting that keeps a processor busy.
        n: how often it was begun.
    """

    kind: str
    seconds: float
    processor_seconds: float
    n: Count


@dataclass
class _Sum:
    seconds: float = 0.0
    processor: float = 0.0
    n: int = 0


_running: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


class Stopwatch:
    """Books what passes while its block runs to the kinds of work that are begun in it.

    A kind within another stops that one for as long: nothing is counted twice. One that is begun in a thread without
    the block's context is not timed by itself: it belongs to what the measuring thread does at that moment, but for
    what :func:`beside` was told of. A stopwatch within another hands it all that it has when its block ends.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, processor: Callable[[], float] = time.process_time
    ) -> None:
        """``clock``: the time in seconds; ``processor``: that which all threads together have computed."""
        self._clock, self._of_processor = clock, processor
        self._sums: dict[str, _Sum] = {}
        self._open = [OTHER]
        self._lock = threading.Lock()
        self._seconds, self._processor = clock(), processor()

    def __enter__(self) -> Self:
        self._outer = _running.get()
        if self._outer is not None:
            self._outer._book()
        self._token: Token[Stopwatch | None] = _running.set(self)
        self._seconds, self._processor = self._clock(), self._of_processor()
        return self

    def __exit__(self, *error: object) -> None:
        self._book()
        _running.reset(self._token)
        if self._outer is not None:
            self._outer._take(self)

    def spent(self) -> tuple[Spent, ...]:
        """What every kind took so far, in the order of tables."""
        self._book()
        return in_order(
            Spent(kind, round(found.seconds, 4), round(max(found.processor, 0.0), 4), found.n)
            for kind, found in self._sums.items()
        )

    def begin(self, kind: str) -> None:
        """A kind of work begins, within the one that is under way."""
        name = self._named(kind)
        self._book()
        self._open.append(name)
        self._sum(name).n += 1

    def end(self) -> None:
        """The kind that was begun last ends."""
        self._book()
        self._open.pop()

    def beside(self, kind: str, processor: float) -> None:
        """Move processor seconds of another thread from what the measuring thread does to the kind they were spent on;
        called by that thread."""
        with self._lock:
            self._sum(self._named(kind)).processor += processor
            self._sum(self._open[-1]).processor -= processor

    def _named(self, kind: str) -> str:
        """A kind by its part of the measurement."""
        if kind == LOOK_BACK:
            return f"{LOOK_BACK}: {OTHER}"
        return f"{LOOK_BACK}: {kind}" if self._open[-1].startswith(LOOK_BACK) else kind

    def _book(self) -> None:
        """What has passed since the last time goes to the kind that is under way."""
        seconds, processor = self._clock(), self._of_processor()
        with self._lock:
            found = self._sum(self._open[-1])
            found.seconds += seconds - self._seconds
            found.processor += processor - self._processor
        self._seconds, self._processor = seconds, processor

    def _sum(self, kind: str) -> _Sum:
        return self._sums.setdefault(kind, _Sum())

    def _take(self, inner: Stopwatch) -> None:
        for kind, found in inner._sums.items():
            own = self._sum(kind)
            own.seconds += found.seconds
            own.processor += found.processor
            own.n += found.n
        self._seconds, self._processor = inner._seconds, inner._processor


class timing(ContextDecorator):  # noqa: N801 - used as a statement and as a decorator
    """While the block runs, or the function, a kind of work is under way; without a stopwatch it does nothing."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        watch = _running.get()
        if watch is not None:
            watch.begin(self.kind)

    def __exit__(self, *error: object) -> None:
        watch = _running.get()
        if watch is not None:
            watch.end()


R = TypeVar("R")


def beside(kind: str, work: Callable[..., R]) -> Callable[..., R]:
    """``work``, to be called in other threads, with its processor seconds booked to a kind of the stopwatch that runs
    here."""
    watch = _running.get()
    if watch is None:
        return work

    def timed(*args: Any) -> R:
        began = time.thread_time()
        try:
            return work(*args)
        finally:
            watch.beside(kind, time.thread_time() - began)

    return timed


def table(spent: Iterable[Spent]) -> list[tuple[str, ...]]:
    """What kinds took, as the rows of a table of text: its headings, a row a kind, and one of all together."""
    spent = list(spent)
    seconds, processor = sum(each.seconds for each in spent), sum(each.processor_seconds for each in spent)
    return [
        ("kind of work", "seconds", "share", "processor seconds", "times"),
        *(
            (
                each.kind,
                f"{each.seconds:.1f}",
                f"{100 * each.seconds / max(seconds, 1e-9):.0f} %",
                f"{each.processor_seconds:.1f}",
                f"{each.n:,}" if each.n else "",
            )
            for each in spent
        ),
        ("all", f"{seconds:.1f}", "", f"{processor:.1f}", ""),
    ]


def as_csv(spent: Iterable[Spent]) -> str:
    """What kinds took, as a CSV table with the fields of :class:`Spent`."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(each.name for each in fields(Spent))
    writer.writerows(astuple(each) for each in spent)
    return stream.getvalue()


def in_order(spent: Iterable[Spent]) -> tuple[Spent, ...]:
    """As tables have them: the kinds in their order, then those of each part of the measurement."""

    def place(one: Spent) -> tuple[str, int, str]:
        part, _, kind = one.kind.rpartition(": ")
        return part, KINDS.index(kind) if kind in KINDS else len(KINDS) + (kind == OTHER), kind

    return tuple(sorted(spent, key=place))


def together(*several: Iterable[Spent]) -> tuple[Spent, ...]:
    """What several measurements took, kind by kind."""
    found: dict[str, Spent] = {}
    for one in (one for each in several for one in each):
        here = found.get(one.kind, Spent(one.kind, 0.0, 0.0, 0))
        found[one.kind] = Spent(
            one.kind,
            here.seconds + one.seconds,
            here.processor_seconds + one.processor_seconds,
            here.n + one.n,
        )
    return in_order(found.values())
