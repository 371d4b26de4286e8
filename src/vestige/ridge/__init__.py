"""Ridge regression for thousands of targets: each its own alpha by k-fold cross-validation, any number of rows.

`fit_rows` for arrays, `fit_chunks` for streams, `Moments` and `fit` for sums that many processes gather, and
`RidgeCV` for scikit-learn. These names are the engine's public side. The mathematics is in `docs/ridge.md`.
"""

from typing import TYPE_CHECKING, Any

from vestige.ridge.checks import RidgeError
from vestige.ridge.fitting import RidgeSolution, fit, fit_chunks, fit_rows
from vestige.ridge.moments import Moments

if TYPE_CHECKING:
    from vestige.ridge.estimator import RidgeCV

__all__ = ["Moments", "RidgeCV", "RidgeError", "RidgeSolution", "fit", "fit_chunks", "fit_rows"]


def __getattr__(name: str) -> Any:
    """``RidgeCV``, when it is asked for: scikit-learn takes more than a second to import."""
    if name != "RidgeCV":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vestige.ridge.estimator import RidgeCV

    return RidgeCV
