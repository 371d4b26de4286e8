"""What a landmark run's numbers say, in plain English."""

from __future__ import annotations

from vestige.intervals import Difference
from vestige.report.blocks import Opening
from vestige.report.key_numbers import key_numbers
from vestige.report.point_run import PointRun
from vestige.results import Row
from vestige.text import count, listed, percent, percent_range, read_from


def opening(run: PointRun) -> Opening:
    """The headline, what stands behind it, and the key numbers."""
    return Opening(run.name, headline(run), detail(run), key_numbers(run))


def headline(run: PointRun) -> str:
    """One sentence: how well the landmarks can be read out of the layer."""
    ridge = run.find("ridge")
    place = read_from(run.results.backbone)
    if ridge is None:
        row = run.find(run.best)
        assert row is not None  # methods come from the rows
        return f"{run.label(run.best)} places {run.n_points} landmarks to within {percent(row.value)} of {run.unit}."
    return (
        f"A linear map reads {run.n_points} landmarks out of {place} to within {percent(ridge.value)} of {run.unit}"
        f"{_then(run)}."
    )


def _then(run: PointRun) -> str:
    last = run.find(run.best)
    ridge = run.find("ridge")
    if last is None or ridge is None or run.best == "ridge":
        return ""
    change = run.difference(run.best, "ridge")
    times = run.best.removeprefix("look-back-")
    looked = "looking again at each part" if run.best == "look-back" else f"looking again at each part, {times} times"
    if change is not None and change.ci95[0] > 0:
        return f"; {looked} makes it worse, {percent(last.value)}"
    if change is not None and change.ci95[1] >= 0:
        return f"; {looked} changes little, {percent(last.value)}"
    return f", and to within {percent(last.value)} by {looked}"


def detail(run: PointRun) -> str:
    """The sentences behind the headline: sample, interval, baselines and what they show."""
    ridge = run.find("ridge")
    if ridge is None:
        return f"Mean over {count(_n(run), 'test picture')}."
    interval = f" (95 % interval {percent_range(ridge.ci95)})" if ridge.ci95 else ""
    said = [f"Mean error of the linear map over {count(ridge.n, 'test picture')}{interval}."]
    baselines = [
        f"{words} errs by {percent(row.value)}"
        for method, words in (("mean", "the mean shape alone"), ("rgb", "a linear map of the picture’s pixels"))
        if (row := run.find(method)) is not None
    ]
    if baselines:
        said.append(_sentence(listed(baselines)))
    untrained = run.find("untrained")
    if untrained is not None:
        said.append(_untrained(untrained, ridge, run.difference("ridge", "untrained")))
    return " ".join(said)


def _untrained(untrained: Row, ridge: Row, difference: Difference | None) -> str:
    told = f"The same network with random weights errs by {percent(untrained.value)}"
    low, high = difference.ci95 if difference else (ridge.value - untrained.value,) * 2
    if high < 0:
        return f"{told}: it is training, not the architecture alone, that makes the landmarks this easy to read."
    if low > 0:
        return f"{told}: training took away some of what the architecture alone keeps."
    return f"{told}: on these pictures, training makes no difference that can be told from chance."


def _n(run: PointRun) -> int:
    return len(run.examples.ids)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
