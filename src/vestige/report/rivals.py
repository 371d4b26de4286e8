"""What is read better without the network's training, which a page says wherever it says the network's own number."""

from __future__ import annotations

from collections.abc import Callable

from vestige.results import Results, Row
from vestige.text import listed

WITHOUT_TRAINING = {
    "untrained": "the same network with random weights reaches",
    "rgb": "a linear map of the small picture’s pixels reaches",
}
"""The methods that have no training of the network to thank, in words."""

SECOND_MAP = "+M"
"""Ends the names of methods with a second map, which are compared with one another only."""


def own_method(results: Results) -> str:
    """The network's method that stands against those without training: all its maps, but no look-back."""
    return next((method for method in (f"ridge{SECOND_MAP}", "ridge") if method in results.measured), "ridge")


def rivals(results: Results) -> tuple[str, ...]:
    """The methods without training that are read by the same maps as :func:`own_method`."""
    suffix = SECOND_MAP if own_method(results).endswith(SECOND_MAP) else ""
    return tuple(f"{method}{suffix}" for method in WITHOUT_TRAINING)


def better_rivals(results: Results) -> tuple[Row, ...]:
    """The main metric of the rivals that are better than the network, over all test examples."""
    metric = str(results.config.get("metric"))
    found = {row.method: row for row in results.rows if (row.metric, row.subset) == (metric, "all")}
    own, main = found.get(own_method(results)), results.metric
    if own is None or main is None or main.lower_is_better is None:
        return ()
    sign = main.sign
    rows = (found[method] for method in rivals(results) if method in found)
    return tuple(row for row in rows if sign * row.value > sign * own.value)


def rivals_sentence(results: Results, said: Callable[[float], str]) -> str:
    """Which rivals are better than the network and by what number, with a space before it; empty where none is.

    Args:
        results: of a run.
        said: the main metric as a reader meets it.
    """
    rows = better_rivals(results)
    if not rows:
        return ""
    named = [f"{WITHOUT_TRAINING[row.method.removesuffix(SECOND_MAP)]} {said(row.value)}" for row in rows]
    return f" Better without this training: {listed(named)}."
