"""How long all of a measurement will take: told after its first batches, and again once what was unknown is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vestige.contract.plan import Plan, Work
from vestige.features.layout import CHUNK_ROWS
from vestige.features.reader import Read, Reader
from vestige.progress import Say
from vestige.text import duration, listed

_SECONDS = 5.0
"""For which something is watched before its speed is trusted; its first batch, which warms up, is not counted."""

_SOLVE = 40
"""What solving for all alphas and folds costs per cubed side of the kernel, in multiplications of its making."""

_SHORT = 1.0
"""Seconds; where no more is left, nothing is told a second time."""


def watched(reader: Reader, plan: Plan, tell: Say) -> Reader:
    """A reader by which a planned measurement is made: the plan is told now, and how long it takes once that is known.

    Args:
        reader: that it would be made with.
        plan: of the measurement.
        tell: told a line at a time.
    """
    for line in plan.lines():
        tell(line)
    if (
        reader.cluster is not None
        and plan.keep
        and 0 < max((part.views for part in plan.data), default=0) <= CHUNK_ROWS
    ):
        tell(f"  cluster: {CHUNK_ROWS} pictures or fewer are one piece of work, of one worker for each network")
    forecast = Forecast(plan, lambda line: tell(f"  {line}"))

    def count(what: str, done: int, total: int) -> None:
        forecast.count(what, done, total)
        reader.count(what, done, total)

    return replace(reader, progress=count, begun=forecast.begin)


@dataclass
class _Speed:
    """How fast one kind of work goes.

    Attributes:
        warms: whether its first batch is slower than the others.
        early: whether a count of it may end long before its most: then it is timed as a whole.
    """

    warms: bool = True
    early: bool = False
    _first: tuple[float, float] = (0.0, 0.0)
    _rest: tuple[float, float] = (0.0, 0.0)

    def add(self, cost: float, seconds: float, *, ended: bool) -> None:
        """Some of it is done."""
        if self.warms and not self._first[0]:
            self._first = cost, seconds
        else:
            self._rest = self._rest[0] + cost, self._rest[1] + seconds
        if ended and not self._rest[0]:
            self._rest = self._first
            self.warms = False

    @property
    def each(self) -> float | None:
        """Seconds for a unit of its cost; None while they are not known."""
        cost, seconds = self._rest
        return seconds / cost if cost and (seconds >= _SECONDS or not self.warms) else None


@dataclass
class Forecast:
    """Watches a planned measurement, and tells how long all of it will take: from the speed of the first pictures
    through a network, of the first fit, which is mostly the RGB baseline's, and of what else the plan counts.

    Attributes:
        plan: of the measurement.
        tell: told a line, and another where not all was known at the first.
        clock: the time in seconds.
    """

    plan: Plan
    tell: Say
    clock: Callable[[], float] = time.monotonic
    _unread: dict[str, int] = field(default_factory=dict, repr=False)
    _reading: int = 0
    _fits: float = 0.0
    _numbers: tuple[int, ...] = ()
    _count: tuple[str, int, int] | None = None
    _told: int = 0

    def __post_init__(self) -> None:
        plan = self.plan
        self._began = self._last = self._opened = self.clock()
        share = 1 - plan.stored / plan.bytes if plan.bytes else 1.0
        self._unread = dict.fromkeys(plan.networks, round(share * plan.passes * plan.pictures))
        if plan.networks:
            self._unread[plan.networks[-1]] += plan.looks
        self._network = ""
        costs = [self._cost(layer.numbers) for layer in plan.read()]
        if plan.classes:
            self._fits = plan.classes * (sum(costs) + (self._cost(plan.baseline) if plan.baseline else 0.0))
            self._fits += plan.further_fits * sum(costs) / max(len(costs), 1)
        self._work: dict[str, list[Work]] = {}
        for each in plan.work:
            self._work.setdefault(each.what, []).append(each)
        self._speeds = {"pictures": _Speed(), "fits": _Speed(warms=False)}
        self._speeds |= {each.what: _Speed(warms=not each.early, early=each.early) for each in plan.work}

    def begin(self, network: str, reads: Sequence[Read], pictures: int) -> None:
        """Pictures begin to go through a network."""
        self._numbers = tuple(read.size for read in reads)
        self._network = network if network in self._unread else ""
        self._reading = 0
        self._count = None
        self._last = self.clock()
        if self._network:
            self._unread[network] = max(0, self._unread[network] - pictures)

    def count(self, what: str, done: int, total: int) -> None:
        """Some of what is counted is done."""
        now = self.clock()
        if self._told < 2 and (what != "pictures" or self._network):
            before = self._before(what, done, total, now)
            self._add(what, before, done, total, now)
            self._tell(now)
        self._count = (what, done, total) if done < total else None
        self._last = now

    def _before(self, what: str, done: int, total: int, now: float) -> int:
        """How much was done at the last word about the same count; all of it, where the count begins."""
        if self._count is not None and self._count[0] == what and self._count[2] == total and self._count[1] <= done:
            return self._count[1]
        self._opened = now
        if what == "fits":
            return 0  # each is told of when it is done, and none from the cache
        if self._work.get(what):
            self._work[what][0] = replace(self._work[what][0], n=total)
        return done

    def _add(self, what: str, before: int, done: int, total: int, now: float) -> None:
        if what == "pictures":
            self._reading = total - done
            cost = float(done - before)
        elif what == "fits":
            cost = sum(self._cost(numbers) for numbers in self._numbers[before:done])
            self._fits = max(0.0, self._fits - cost)
        elif self._work.get(what):
            here = self._work[what][0]
            cost = here.cost * (done - before)
            if here.early:  # timed from its beginning to its end, however much of it there was
                cost = here.cost * total if done >= total else 0.0
            self._work[what][0] = replace(here, n=total - done)
            if done >= total:
                del self._work[what][0]
        else:
            return
        speed = self._speeds[what]
        if cost:
            speed.add(cost, now - (self._opened if speed.early else self._last), ended=done >= total)

    def _left(self, what: str) -> float:
        if what == "pictures":
            return self._reading + sum(self._unread.values())
        if what == "fits":
            return self._fits
        return sum(each.n * each.cost for each in self._work[what])

    def _tell(self, now: float) -> None:
        left = {what: amount for what in self._speeds if (amount := self._left(what)) > 0}
        unknown = [what for what in left if self._speeds[what].each is None]
        if "pictures" in unknown or (unknown and self._told):
            return
        seconds = sum(left[what] * (self._speeds[what].each or 0.0) for what in left)
        if unknown:
            known = [what for what, speed in self._speeds.items() if speed.each is not None]
            if known:
                self._told = 1
                self._say(listed(known), now, seconds, f", {listed(unknown)} beside that")
        elif self._told == 0 or seconds >= _SHORT:
            self._told = 2
            self._say("all of it", now, seconds, f", {self.plan.uncounted} beside that" if self.plan.uncounted else "")

    def _say(self, what: str, now: float, seconds: float, beside: str) -> None:
        self.tell(f"{what} will take about {duration(now - self._began + seconds)}{beside}")

    def _cost(self, numbers: int) -> float:
        """Of a fit of all that is trained on: its kernel or moments are made and solved."""
        rows = max(self.plan.fitted, 1)  # test pictures may be what was read last
        least = max(min(rows, numbers), 1)
        return float(least * rows * max(numbers, 1) + _SOLVE * least**3)
