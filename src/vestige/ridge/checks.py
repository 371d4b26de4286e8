"""What the ridge engine accepts, and the errors that refuse the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vestige.errors import VestigeError

ArrayLike: TypeAlias = Any
"""A numpy array, a tensor, or anything that becomes an array when sliced (a zarr array, a memory map)."""

Floats: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


class RidgeError(VestigeError, ValueError):
    """Bad input to ridge. Also a ValueError, which is what scikit-learn's users expect."""


def product_dtype(dtype: str | torch.dtype | None, like: ArrayLike = None) -> torch.dtype:
    """The dtype of the matrix products: as asked, else float32 unless ``like`` needs more (float64, wide integers)."""
    names = {"float32": torch.float32, "float64": torch.float64}
    if dtype is None:
        return torch.float64 if _is_wide(getattr(like, "dtype", None)) else torch.float32
    found = names.get(str(dtype).removeprefix("torch."))
    if found is None:
        raise RidgeError(f"dtype {dtype!r}: expected float32 or float64")
    return found


def _is_wide(dtype: object) -> bool:
    if isinstance(dtype, torch.dtype):
        return dtype in (torch.float64, torch.int64, torch.int32)
    return dtype is not None and np.dtype(dtype) in ("f8", "i8", "i4", "u8", "u4")  # type: ignore[call-overload]


def matrix(values: ArrayLike, name: str, device: torch.device | str = "cpu") -> Tensor:
    """``values`` as a 2-D tensor (n, columns) of float32 or, where the dtype is wide, float64.

    A 1-D array is one column. The numbers themselves are not yet looked at (see `finite`).
    """
    if isinstance(values, Tensor):
        tensor = values.detach()
    else:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise RidgeError(f"{name} has dtype {array.dtype}; expected real numbers")
        if any(stride < 0 for stride in array.strides) or array.dtype.byteorder == ">" or not array.flags.writeable:
            array = np.array(array, dtype=array.dtype.newbyteorder("="))
        if (array.dtype.kind == "u" and array.dtype.itemsize > 1) or array.dtype.itemsize > 8:
            array = array.astype(np.float64)  # types that torch lacks
        tensor = torch.from_numpy(array)
    if tensor.is_complex():
        raise RidgeError(f"{name} has dtype {tensor.dtype}; expected real numbers")
    if tensor.ndim == 1:
        tensor = tensor[:, None]
    if tensor.ndim != 2:
        raise RidgeError(f"{name} has shape {tuple(tensor.shape)}; expected two dimensions (rows, columns)")
    return tensor.to(device=device, dtype=product_dtype(None, tensor))


def finite(tensor: Tensor, name: str, first_row: int = 0, first_column: int = 0) -> None:
    """Raise RidgeError naming the first row and column of ``tensor`` (n, columns) that is NaN or infinite."""
    if torch.isfinite(tensor.sum()):  # one NaN or infinity would be in the sum
        return
    bad = torch.nonzero(~torch.isfinite(tensor))
    if not len(bad):  # finite numbers whose sum overflows
        return
    row, column = (int(i) for i in bad[0])
    raise RidgeError(
        f"{name} is {float(tensor[row, column])} at row {first_row + row}, column {first_column + column} "
        f"(as {str(tensor.dtype).removeprefix('torch.')}); ridge needs finite numbers: drop the row, or "
        "give missing targets as a boolean mask"
    )


def _array(values: ArrayLike) -> npt.NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def same_rows(n: int, **named: Any) -> None:
    """Raise RidgeError unless every named array (or None) has ``n`` rows."""
    for name, values in named.items():
        if values is not None and len(values) != n:
            raise RidgeError(f"{name} has {len(values)} rows, X has {n}; expected one for each row of X")


def fold_labels(fold: ArrayLike, n: int, n_folds: int | None) -> npt.NDArray[np.int64]:
    """``fold`` (a number or (n,)) as (n,) labels in [0, n_folds)."""
    array = _array(fold)
    if array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise RidgeError(
            f"fold has shape {array.shape} and dtype {array.dtype}; "
            f"expected one whole number, or one for each of {n} rows"
        )
    labels = array.astype(np.int64)
    bad = np.flatnonzero((labels < 0) | (labels >= (n_folds if n_folds is not None else np.inf)))
    if len(bad):
        above = "" if n_folds is None else f" below {n_folds}"
        raise RidgeError(f"fold is {labels[bad[0]]} at row {bad[0]}; expected whole numbers from 0{above}")
    return labels


def weights(sample_weight: ArrayLike, n: int) -> Tensor | None:
    """``sample_weight`` (a number, (n,) or None) as a float64 tensor (n,), finite and not negative."""
    if sample_weight is None:
        return None
    array = np.array(_array(sample_weight), dtype=np.float64)
    if array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,):
        raise RidgeError(f"sample_weight has shape {array.shape}; expected ({n},), one weight for each row")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise RidgeError(f"sample_weight is {array[bad[0]]} at row {bad[0]}; expected a finite number, zero or more")
    return torch.from_numpy(array)


def present(mask: ArrayLike, n: int, t: int) -> Tensor | None:
    """``mask`` (n, t) or None as a boolean tensor; True where the target is there. All True becomes None."""
    if mask is None:
        return None
    array = _array(mask)
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype != np.bool_ or array.shape != (n, t):
        raise RidgeError(
            f"mask has shape {array.shape} and dtype {array.dtype}; "
            f"expected bool ({n}, {t}), True where the target is known"
        )
    return None if array.all() else torch.from_numpy(np.array(array))


def regularisation(alphas: Sequence[float] | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """``alphas`` as float64 (A,), at least one, finite and not negative."""
    array = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    if array.ndim != 1 or not len(array):
        raise RidgeError(f"alphas has shape {array.shape}; expected a list of at least one number")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        raise RidgeError(f"alphas is {array[bad[0]]} at position {bad[0]}; expected a finite number, zero or more")
    return array
