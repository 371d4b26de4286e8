"""Ridge regression for thousands of targets: each its own alpha by k-fold cross-validation, any number of rows.

`fit_rows` for arrays, `fit_chunks` for streams, `Moments` and `fit` for sums that many processes gather, and
`RidgeCV` for scikit-learn. These names are the engine's public side. The mathematics is in `docs/ridge.md`.
"""

from vestige.ridge.checks import RidgeError
from vestige.ridge.estimator import RidgeCV
from vestige.ridge.fitting import RidgeSolution, fit, fit_chunks, fit_rows
from vestige.ridge.moments import Moments

__all__ = ["Moments", "RidgeCV", "RidgeError", "RidgeSolution", "fit", "fit_chunks", "fit_rows"]
