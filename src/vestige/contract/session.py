"""A session: what every measurement is made with, passed once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from vestige.cluster.cluster import Cluster
from vestige.features.reader import Reader
from vestige.handed_in import as_type
from vestige.partial_work import KEEP_NOTHING, PartialWork
from vestige.progress import Lines, Progress, Say

if TYPE_CHECKING:
    from vestige.contract.task import Task


@dataclass(frozen=True)
class Session:
    """What a measurement reads with, whom it tells, and where it keeps what is done.

    Attributes:
        reader: of features; it is told of what is counted.
        say: told of every step as it begins.
        kept: the finished parts of a long measurement, so that a killed one goes on.
        tell: told the plan before a task is measured, and how long all of it takes once that is known; None for nobody.
        workers: threads for what a measurement computes itself; no result depends on them.
        ray: the cluster that shares the work, as ``local`` (Ray is started on this machine), ``auto`` or HOST:PORT; ""
            for this machine alone, or the reader's own. :meth:`close`, or the end of a ``with`` block, ends what was
            started.
    """

    reader: Reader = field(default_factory=Reader)
    say: Say = field(default_factory=lambda: Lines().say)
    kept: PartialWork = KEEP_NOTHING
    tell: Say | None = None
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    ray: str = ""

    def __post_init__(self) -> None:
        as_type("reader", self.reader, Reader)
        if as_type("ray", self.ray, str) and self.reader.cluster is None:
            object.__setattr__(self, "reader", replace(self.reader, cluster=Cluster.open(self.ray)))

    @property
    def cluster(self) -> Cluster | None:
        """That shares the work; None for this machine alone."""
        return self.reader.cluster

    def close(self) -> None:
        """End what ``ray`` started."""
        if self.ray and self.cluster is not None:
            self.cluster.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @classmethod
    def on_stderr(cls) -> Session:
        """The default cache and device, and lines on standard error."""
        lines = Lines()
        return cls(Reader(progress=lines.count), lines.say)

    def planned(self, task: Task, data: Any, options: Sequence[Any]) -> Session:
        """The session of a measurement, whose plan is told now where someone is told."""
        if self.tell is None:
            return self
        from vestige.contract.forecast import watched
        from vestige.contract.plan import plan_of

        plan = plan_of(task, self.reader, data, options)
        return replace(self, reader=watched(self.reader, plan, self.tell), tell=None)

    def counting(self, what: str) -> Progress:
        """Tells of the progress of what is counted."""
        return partial(self.reader.count, what)
