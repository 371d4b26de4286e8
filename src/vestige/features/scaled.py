"""Rows in the type of a store, and back: float16 rows of small numbers are scaled by a power of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError

_TOP = 15
"""Scaled rows have their largest number just below 2^15; float16 ends just below 2^16."""

_LARGEST = 126
"""The largest exponent: 2^-126 is the smallest normal float32."""


@dataclass(frozen=True)
class Scaled:
    """Rows as they are stored.

    Attributes:
        rows: ``(m, d)``, in the type of the store.
        exponents: ``(m,)``: e of each row, which is stored times 2^e.
    """

    rows: NDArray[Any]
    exponents: NDArray[np.int64]


def scaled(rows: NDArray[np.float32], dtype: str) -> Scaled:
    """Rows ``(m, d)`` in the type of the store.

    float16 has no numbers between 0 and 6e-8, and few below 6e-5. So a row of which all numbers are below 1 is
    multiplied by the power of two that brings the largest to 2^14 or more: exact, and a function of the row alone. What
    a row loses is below 2^-25 of its largest number, as in arithmetic of float32.

    Raises:
        VestigeError: where a finite number is too large for the type.
    """
    exponents = np.zeros(len(rows), dtype=np.int64)
    if dtype == "float32":
        return Scaled(rows, exponents)
    largest = np.abs(rows).max(axis=1, initial=0.0)
    small = (largest > 0) & (largest < 1)
    exponents[small] = np.minimum(_TOP - np.frexp(largest[small])[1], _LARGEST)
    if small.any():
        rows = np.ldexp(rows, exponents[:, None].astype(np.int32))
    with np.errstate(over="ignore"):
        cast = rows.astype(dtype)
    if not np.isfinite(cast).all():
        raise VestigeError(
            f"features as large as {largest.max():.3g} do not fit {dtype}, which ends at "
            f"{np.finfo(dtype).max:.0f}; store them as float32"
        )
    return Scaled(cast, exponents)


def factors_of(exponents: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32] | None:
    """What stored rows are multiplied by, 2^-e; None where that is 1 for all of them."""
    return np.ldexp(np.float32(1), -np.asarray(exponents, dtype=np.int32)) if np.any(exponents) else None
