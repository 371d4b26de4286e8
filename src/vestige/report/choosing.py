"""Which of a run's pictures a page shows, by rule and not by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vestige.intervals import Floats


def typical(errors: Floats, picture_rows: NDArray[np.intp], n: int = 8) -> NDArray[np.intp]:
    """Indices into the pictures at even steps of the error, from best to worst but two in a hundred: nobody's choice.

    Args:
        errors: ``(N,)`` of all test examples.
        picture_rows: ``(M,)``: the examples that have a picture.
        n: how many at most.
    """
    shown = errors[picture_rows]
    wanted = np.nanquantile(errors, np.linspace(0.02, 0.98, n)) if len(shown) else np.empty(0)
    chosen: list[int] = []
    for error in wanted:
        distance = np.abs(shown - error)
        distance[chosen] = np.inf
        nearest = int(np.argmin(np.where(np.isnan(distance), np.inf, distance)))
        if np.isfinite(distance[nearest]):
            chosen.append(nearest)
    return np.array(sorted(chosen, key=lambda k: shown[k]), dtype=np.intp)


def worst(errors: Floats, picture_rows: NDArray[np.intp], n: int = 6) -> NDArray[np.intp]:
    """Indices into the pictures with the largest errors, worst first; arguments as :func:`typical`."""
    shown = errors[picture_rows]
    order = np.argsort(-np.where(np.isnan(shown), -np.inf, shown), kind="stable")
    return order[: min(n, int(np.sum(np.isfinite(shown))))]


def even_steps(error: Floats, n: int) -> NDArray[np.intp]:
    """The rows ``(n,)`` at evenly spaced ranks of the error, from small to large."""
    order = np.argsort(error, kind="stable")[: int(np.isfinite(error).sum())]  # NaN comes last
    count = min(n, len(order))
    return order[((np.arange(count) + 0.5) * len(order) / max(count, 1)).astype(np.intp)]
