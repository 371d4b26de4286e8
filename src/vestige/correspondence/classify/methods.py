"""What a classification measures, and by which methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vestige.methods import ACCENTS, Method
from vestige.metrics import Metric

ACCURACY = "accuracy"
"""The metric that reports are about."""

METRICS: Mapping[str, Metric] = {
    ACCURACY: Metric("accuracy", shown="percent"),
    "peaks_inside": Metric("peaks inside the field", shown="percent", paper=False),
    "peak_distance": Metric("mean distance of peaks", "pixels", lower_is_better=True, paper=False),
}


def classifier_methods(trained: Sequence[str]) -> Callable[[str], Method]:
    """What the methods of a classification are: later layers and larger radii take later colours.

    Args:
        trained: the names of those with classifiers, in order.
    """

    def known(name: str) -> Method:
        kind, _, what = name.partition(":")
        own = [each for each in trained if each.startswith(f"{kind}:")]
        colour = ACCENTS[own.index(name) % len(ACCENTS)] if name in own else "grey"
        if kind == "cell":
            return Method(what, colour)
        return Method(f"SIFT, radius {what} px" if kind == "sift" else "Most frequent keypoint", colour, trained=False)

    return known
