"""The numbers at the head of a run's page: the main metric of its methods, over all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vestige.report.blocks import KeyNumber
from vestige.report.measured_run import MeasuredRun
from vestige.text import percent, percent_range

Interval = tuple[float, float]


def key_numbers(
    run: MeasuredRun,
    methods: Iterable[str] | None = None,
    best: str | None = None,
    say: Callable[[float], str] = percent,
    say_range: Callable[[Interval], str] = percent_range,
) -> tuple[KeyNumber, ...]:
    """Those of methods that the run has (None: all); the ``best`` one stands out (None: the run's own)."""
    rows = [row for method in (run.methods if methods is None else methods) if (row := run.find(method)) is not None]
    strong = run.best if best is None else best
    return tuple(
        KeyNumber(
            run.label(row.method),
            say(row.value),
            say_range(row.ci95) if row.ci95 else "",
            "strong" if row.method == strong else "",
        )
        for row in rows
    )
