"""How long all of a measurement will take, told once, after its first batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vestige.contract.plan import Plan
from vestige.features.reader import Read
from vestige.progress import Say
from vestige.text import duration

_SECONDS = 5.0
"""For which pictures are watched before their speed is trusted; the first batch, which warms up, is not counted."""

_SOLVE = 40
"""What solving for all alphas and folds costs per cubed side of the kernel, in multiplications of its making."""


@dataclass
class Forecast:
    """Watches a planned measurement, and tells how long all of it will take: from the speed of the first pictures
    through a network, and from the time of the first fit, which is mostly the RGB baseline's.

    Attributes:
        plan: of the measurement.
        tell: told one line, once.
        clock: the time in seconds.
    """

    plan: Plan
    tell: Say
    clock: Callable[[], float] = time.monotonic
    told: bool = False
    _left: dict[str, int] = field(default_factory=dict, repr=False)
    _network: str = ""
    _numbers: tuple[int, ...] = ()
    _first: tuple[int, float] | None = None
    _warm: tuple[int, float] | None = None
    _fit: tuple[float, float] | None = None
    _fits_left: int = 0

    def __post_init__(self) -> None:
        plan = self.plan
        self._began = self._last = self.clock()
        share = 1 - plan.stored / plan.bytes if plan.bytes else 1.0
        self._left = dict.fromkeys(plan.networks, round(share * plan.pictures))
        if plan.networks:
            self._left[plan.networks[-1]] += plan.looks
        self._fits_left = len(plan.networks) * len(plan.layers) if plan.fits else 0

    def begin(self, network: str, reads: Sequence[Read], pictures: int) -> None:
        """Pictures begin to go through a network."""
        self._network, self._numbers = network, tuple(read.size for read in reads)
        self._first = self._warm = None
        self._last = self.clock()
        if network in self._left:
            self._left[network] = max(0, self._left[network] - pictures)

    def count(self, what: str, done: int, total: int) -> None:
        """Some of what is counted is done."""
        now = self.clock()
        if not self.told and what == "pictures" and self._network in self._left:
            self._of_pictures(done, total, now)
        elif not self.told and what == "fits":
            self._of_fit(done, now)
        self._last = now

    def _of_pictures(self, done: int, total: int, now: float) -> None:
        if self._first is None:
            self._first = done, now
        elif self._warm is None and done < total:
            self._warm = done, now
        elif (self._warm is not None and now - self._warm[1] >= _SECONDS) or done >= total:
            before, since = self._warm or self._first
            if done > before:
                self._say(now, total - done + sum(self._left.values()), (now - since) / (done - before))

    def _of_fit(self, done: int, now: float) -> None:
        numbers = self._numbers[done - 1] if done <= len(self._numbers) else max(self._numbers, default=0)
        self._fit = now - self._last, self._cost(numbers)
        if self._network in self._left:  # all its pictures were stored: fits are what is left
            self._fits_left -= 1
            if self._fits_left and not sum(self._left.values()):
                self._say(now, 0, 0.0)

    def _say(self, now: float, pictures: int, each: float) -> None:
        """Tell, given how many pictures are left and the seconds that each takes."""
        seconds = now - self._began + pictures * each + self._seconds_of_fits()
        without = "" if self._fit is not None or not self._fits_left else ", without fits"
        what = "all of it" if self.plan.fits else "reading all pictures"
        self.tell(f"{what} will take about {duration(seconds)}{without}")
        self.told = True

    def _seconds_of_fits(self) -> float:
        if self._fit is None or not self.plan.layers:
            return 0.0
        seconds, cost = self._fit
        costs = [self._cost(layer.numbers) for layer in self.plan.layers]
        parts = self.plan.looks // max(self.plan.pictures, 1)  # of each view, a fit each
        mean = sum(costs) / len(costs)
        return seconds * (self._fits_left + parts) * mean / cost

    def _cost(self, numbers: int) -> float:
        """Of a fit of all that is trained on: its kernel or moments are made and solved."""
        rows = max(self.plan.fitted, 1)  # test pictures may be what was read last
        least = max(min(rows, numbers), 1)
        return float(least * rows * max(numbers, 1) + _SOLVE * least**3)
