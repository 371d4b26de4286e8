"""The scikit-learn skin."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from vestige.ridge.checks import RidgeError, fold_labels
from vestige.ridge.fitting import Alphas, RidgeSolution, fit, fit_rows
from vestige.ridge.moments import Moments


class RidgeCV(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression whose alpha is chosen by k-fold cross-validation for every target by itself.

    Args:
        alphas: alphas to try, as given; None for a grid relative to the data's scale that widens by itself.
        cv: number of folds (unshuffled `KFold`), a scikit-learn splitter, or a list of (train, test) rows. The
            test sets must partition the rows.
        alpha_per_target: False gives all targets the one alpha that minimises the sum of their errors.
        fit_intercept: whether there is an intercept.
        form: "auto", "primal" (d x d) or "dual" (n x n).
        dtype: "float32" or "float64"; None for float64 unless X is float32 or float16.
        device: "cpu" or a CUDA device.

    Attributes:
        alpha_: (t,) chosen alphas.
        alphas_: (A,) tried alphas.
        coef_: (t, d) coefficients; (d,) where y has one dimension, as scikit-learn's.
        intercept_: (t,); a number where y has one dimension.
        feature_names_in_: the columns' names, where X is a pandas or polars frame.
        scores_: (A, t) mean over folds of the validation mean squared error.
        solution_: the whole `RidgeSolution`.
    """

    def __init__(
        self,
        alphas: Alphas = None,
        cv: Any = 4,
        alpha_per_target: bool = True,
        *,
        fit_intercept: bool = True,
        form: str = "auto",
        dtype: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.alphas = alphas
        self.cv = cv
        self.alpha_per_target = alpha_per_target
        self.fit_intercept = fit_intercept
        self.form = form
        self.dtype = dtype
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> RidgeCV:
        """Fit to all rows at once.

        Args:
            X: (n, d). y: (n, t) or (n,). sample_weight: (n,). groups: (n,), handed to the splitter.
        """
        X, y = validate_data(
            self, X, y, dtype=_KINDS, multi_output=True, y_numeric=True, ensure_min_samples=2, force_writeable=False
        )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        self._forget()
        self._one_dimensional = y.ndim == 1
        self._solution: RidgeSolution | None = fit_rows(
            X,
            y,
            self._folds(X, y, groups),
            self.alphas,
            self.alpha_per_target,
            sample_weight,
            fit_intercept=self.fit_intercept,
            form=self.form,  # type: ignore[arg-type]
            dtype=self.dtype,
            device=self.device,
        )
        return self

    def _folds(self, X: Any, y: Any, groups: Any) -> npt.NDArray[np.int64]:
        """Fold labels (n,) of the splits' test sets."""
        n, where = len(X), f"cv={self.cv!r}"
        labels = np.full(n, -1)
        for k, (train, test) in enumerate(check_cv(self.cv).split(X, y, groups)):
            train, test = np.arange(n)[train], np.arange(n)[test]
            if (labels[test] >= 0).any() or len(np.unique(test)) != len(test):
                row = _twice(labels, test)
                raise RidgeError(f"{where}: row {row} is in two test sets; they must partition the rows")
            labels[test] = k
            if not np.array_equal(np.sort(train), np.setdiff1d(np.arange(n), test)):
                raise RidgeError(f"{where}: split {k} must train on exactly the rows that are not in its test set")
        if (labels < 0).any():
            row = int(np.argmin(labels))
            raise RidgeError(f"{where}: row {row} is in no test set; the test sets must partition the rows")
        return labels

    def partial_fit(self, X: Any, y: Any, fold: Any = None, sample_weight: Any = None) -> RidgeCV:
        """Add rows; what is predicted afterwards is the ridge of all rows that were added. `fit` starts afresh.

        Args:
            X: (n, d). y: (n, t) or (n,).
            fold: the rows' fold, a number or (n,); None deals them out round robin over ``cv`` folds.
            sample_weight: (n,).
        """
        first = not hasattr(self, "moments_")
        X, y = validate_data(self, X, y, dtype=_KINDS, multi_output=True, y_numeric=True, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if first:
            n_folds = self.cv if isinstance(self.cv, int) else check_cv(self.cv).get_n_splits()
            dtype = self.dtype or ("float64" if X.dtype == np.float64 else "float32")
            self._one_dimensional = y.ndim == 1
            self.moments_ = Moments(X.shape[1], 1 if y.ndim == 1 else y.shape[1], n_folds, dtype, self.device)
        if fold is None:
            fold = (self.moments_.n_rows + np.arange(len(X))) % self.moments_.n_folds
        self.moments_.update(X, y, fold_labels(fold, len(X), self.moments_.n_folds), sample_weight)
        self._solution = None
        return self

    def _forget(self) -> None:
        if hasattr(self, "moments_"):
            del self.moments_

    @property
    def solution_(self) -> RidgeSolution:
        """The fit; after `partial_fit` it is made when it is first asked for."""
        check_is_fitted(self)
        if self._solution is None:
            self._solution = fit(self.moments_, self.alphas, self.alpha_per_target, None, self.fit_intercept)
        return self._solution

    @property
    def alpha_(self) -> npt.NDArray[np.float64]:
        """(t,) chosen alphas."""
        return self.solution_.alpha

    @property
    def alphas_(self) -> npt.NDArray[np.float64]:
        """(A,) tried alphas."""
        return self.solution_.alphas

    @property
    def coef_(self) -> npt.NDArray[Any]:
        """(t, d) coefficients, or (d,) if y had one dimension."""
        coef = self.solution_.coef
        return coef[0] if self._one_dimensional else coef

    @property
    def intercept_(self) -> npt.NDArray[np.float64] | float:
        """(t,) intercepts, or a number if y had one dimension."""
        intercept = self.solution_.intercept
        return float(intercept[0]) if self._one_dimensional else intercept

    @property
    def scores_(self) -> npt.NDArray[np.float64]:
        """(A, t) mean over folds of the validation mean squared error."""
        return self.solution_.scores

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predictions (n, t), or (n,) if y had one dimension, for X (n, d)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_KINDS, reset=False)
        out = self.solution_.predict(X)
        return out[:, 0] if self._one_dimensional else out

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_solution")


_KINDS = [np.float64, np.float32, np.float16]
"""What X may be; the engine widens float16 to float32 as it reads."""


def _twice(labels: npt.NDArray[Any], test: npt.NDArray[Any]) -> int:
    """A row of ``test`` that another test set holds too, or that ``test`` holds twice."""
    rows, counts = np.unique(test, return_counts=True)
    return int(rows[(labels[rows] >= 0) | (counts > 1)][0])
