"""The sums over rows that are all k-fold ridge needs to know of the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vestige.documents import Count, parse_json
from vestige.errors import VestigeError
from vestige.files import whole_file
from vestige.ridge import checks
from vestige.ridge._linalg import add, blas_alone, each, gram, matmul
from vestige.ridge.checks import ArrayLike, RidgeError
from vestige.stopwatch import timing

ROWS = 4096  # rows of one float32 product; longer sums are added up in float64
COLUMNS = 512  # targets of one product: bounds the temporaries
_TENSORS = ("shift_x", "shift_y", "weight", "sx", "xx", "sy", "yy", "xy", "group")


@dataclass(frozen=True)
class _About:
    """What a file of moments says of itself."""

    moments: Literal[1]
    n_rows: Count
    dtype: Literal["float32", "float64"]


class Moments:
    """Counts, sums and second moments of X (n, d) and Y (n, t) for each of K folds, gathered in one pass.

    They are sums over rows, so they stream (`update`), add up (`merge`), and travel (`save`, `load`).
    X and Y are measured from the means of the first rows that were seen (``shift_x``, ``shift_y``), so that
    a large mean does not cost the precision of a small spread. With g groups of targets that share a mask
    (one, as long as no target was ever missing), the float64 sums over the rows of fold k are

        weight (g, K) sum w;  sx (g, K, d) sum w x;  xx (g, K, d, d) sum w x xT;
        sy (K, t) sum w y;    yy (K, t) sum w y^2;   xy (K, d, t) sum w x yT;  group (t,) of every target.

    Memory: 8 K d (g d + t) bytes, whatever n is.

    Args:
        n_features: d.
        n_targets: t.
        n_folds: K, at least 2.
        dtype: of the products; they are added up in float64 in either case.
        device: "cpu" or a CUDA device.

    Raises:
        RidgeError: sizes that are not positive, a dtype or device that is not known.
    """

    def __init__(
        self,
        n_features: int,
        n_targets: int,
        n_folds: int,
        dtype: str | torch.dtype = "float32",
        device: str | torch.device = "cpu",
    ) -> None:
        for name, value, least in (("n_features", n_features, 1), ("n_targets", n_targets, 1), ("n_folds", n_folds, 2)):
            if int(value) != value or value < least:
                raise RidgeError(f"{name} is {value}; expected a whole number, {least} or more")
        self.n_features, self.n_targets, self.n_folds = int(n_features), int(n_targets), int(n_folds)
        self.dtype = checks.product_dtype(dtype)
        self.device = torch.device(device)
        if self.device.type not in ("cpu", "cuda"):
            raise RidgeError(f"device {device}: ridge adds up in float64, which only cpu and cuda offer; use cpu")
        self.n_rows = 0
        self._knows_x = False  # the sums over X are whole already: `for_targets`
        k, d, t = self.n_folds, self.n_features, self.n_targets
        self.shift_x, self.shift_y = self._zeros(d), self._zeros(t)
        self.weight, self.sx, self.xx = self._zeros(1, k), self._zeros(1, k, d), [self._zeros(k, d, d)]
        self.sy, self.yy, self.xy = self._zeros(k, t), self._zeros(k, t), self._zeros(k, d, t)
        self.group: npt.NDArray[np.int64] = np.zeros(t, np.int64)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrays may come from another process in memory that cannot be written to, which torch warns of."""
        self.__dict__ |= state | {"group": state["group"].copy()}

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float64, device=self.device)

    @timing("gram")
    @blas_alone()
    def update(
        self, X: ArrayLike, Y: ArrayLike, fold: ArrayLike, sample_weight: ArrayLike = None, mask: ArrayLike = None
    ) -> Moments:
        """Add rows.

        Args:
            X: (n, d) features, any real dtype.
            Y: (n, t) targets; (n,) if there is one.
            fold: the fold of all rows, or of each (n,), from 0 to K - 1.
            sample_weight: (n,) weights, zero or more; 1 if not given.
            mask: (n, t) bool, True where the target is known. What Y holds elsewhere is not looked at.

        Returns:
            self.

        Raises:
            RidgeError: shapes that do not fit, or a number that is not finite, with its row and column. Nothing
                is added then.
        """
        x, y, labels, w, seen = self._checked(X, Y, fold, sample_weight, mask)
        if not len(x):
            return self
        if not self.n_rows:
            self._place_shift(x, y, seen)
        if seen is not None and self._knows_x:
            raise RidgeError("a target is missing in rows where none was when they were read before")
        if seen is not None:
            self._split_groups(seen)
        for k in np.unique(labels):
            for rows in column_blocks(np.flatnonzero(labels == k), ROWS):
                xk = measured_from(self.shift_x, x[rows], self.dtype)
                self._add(int(k), xk, y[rows], *(None if v is None else v[rows] for v in (w, seen)))
        self.n_rows += len(x)
        return self

    def _checked(
        self, X: ArrayLike, Y: ArrayLike, fold: ArrayLike, sample_weight: ArrayLike, mask: ArrayLike
    ) -> tuple[Tensor, Tensor, npt.NDArray[np.int64], Tensor | None, Tensor | None]:
        x, y = checks.matrix(X, "X", self.device), checks.matrix(Y, "Y", self.device)
        for name, got, expected in (("X", x, self.n_features), ("Y", y, self.n_targets)):
            if got.shape[1] != expected:
                raise RidgeError(f"{name} has {got.shape[1]} columns; these moments are of {expected}")
        checks.same_rows(len(x), Y=y)
        labels = checks.fold_labels(fold, len(x), self.n_folds)
        w, seen = checks.weights(sample_weight, len(x)), checks.present(mask, *y.shape)
        if seen is not None:
            seen = seen.to(self.device)
            y = y.masked_fill(~seen, 0.0)
        checks.finite(x, "X", self.n_rows)
        checks.finite(y, "Y", self.n_rows)
        return x, y, labels, None if w is None else w.to(self.device), seen

    def _place_shift(self, x: Tensor, y: Tensor, seen: Tensor | None) -> None:
        """Measure from the first rows' mean, rounded to the products' dtype so that subtracting it is exact."""
        count = len(y) if seen is None else seen.sum(0).clamp(min=1)
        if not self._knows_x:
            self.shift_x = (_column_sums(x) / len(x)).to(self.dtype).double()
        self.shift_y = (_column_sums(y) / count).to(self.dtype).double()

    def _add(self, k: int, x: Tensor, y: Tensor, w: Tensor | None, seen: Tensor | None) -> None:
        """Add rows of fold k, at most `ROWS` of them; x is centred."""
        if w is None:
            w = torch.ones(len(x), dtype=torch.float64, device=self.device)
        else:
            x = x * w.sqrt().to(self.dtype)[:, None]
        for g in range(len(self.xx)):
            columns = np.flatnonzero(self.group == g)
            rows = slice(None) if seen is None else seen[:, columns[0]]
            xg, wg = x[rows], w[rows]
            if not self._knows_x:
                self.weight[g, k] += wg.sum()
                self.sx[g, k] += matmul(xg.T, wg.sqrt().to(self.dtype)[:, None])[:, 0]
                add(self.xx[g][k], gram(xg))
            self._add_targets(k, xg, y[rows], wg, columns)

    def _add_targets(self, k: int, x: Tensor, y: Tensor, w: Tensor, columns: npt.NDArray[np.int64]) -> None:
        root = w.sqrt()

        def add_block(cols: slice | npt.NDArray[np.int64]) -> None:
            part = measured_from(self.shift_y[cols], y[:, cols], self.dtype).mul_(root.to(self.dtype)[:, None])
            if isinstance(cols, slice):
                add(self.xy[k][:, cols], matmul(x.T, part))
            else:
                self.xy[k][:, cols] += matmul(x.T, part)
            wide = part.double()
            self.sy[k][cols] += root @ wide
            self.yy[k][cols] += wide.square_().sum(0)

        each(add_block, column_blocks(columns, COLUMNS), self.device)

    def _split_groups(self, seen: Tensor) -> None:
        """Refine the groups until no two targets of a group differ in ``seen`` (n, t)."""
        packed = np.packbits(seen.cpu().numpy(), axis=0).T
        key = np.concatenate([self.group[:, None].astype(np.uint32).view(np.uint8), packed], axis=1)
        self._regroup(np.unique(key, axis=0, return_inverse=True)[1].reshape(-1))

    def _regroup(self, labels: npt.NDArray[np.int64]) -> None:
        """Go over to groups ``labels`` (t,), which refine the present ones."""
        old = [int(self.group[np.flatnonzero(labels == g)[0]]) for g in range(labels.max() + 1)]
        if len(old) > len(self.xx):
            used: set[int] = set()
            parts = []
            for g in old:  # the first part of a group takes its sums, the others copy them
                parts.append(self.xx[g].clone() if g in used else self.xx[g])
                used.add(g)
            self.xx = parts
            self.weight, self.sx = self.weight[old].clone(), self.sx[old].clone()
            self.group = labels

    def for_targets(self, n_targets: int) -> Moments:
        """Moments of the same rows and other targets, all known in every row.

        The sums over X are shared with this object, and no longer change; give `update` the same rows
        again, with the other targets.
        """
        other = Moments.__new__(Moments)
        other.__dict__ |= self.__dict__ | {"n_targets": n_targets, "n_rows": 0, "_knows_x": True}
        k, d, t = self.n_folds, self.n_features, n_targets
        other.shift_y, other.group = self._zeros(t), np.zeros(t, np.int64)
        other.sy, other.yy, other.xy = self._zeros(k, t), self._zeros(k, t), self._zeros(k, d, t)
        return other

    @blas_alone()
    def merge(self, other: Moments) -> Moments:
        """Add the rows that ``other`` has seen; ``other`` is left as it is.

        Returns:
            self.

        Raises:
            RidgeError: the two differ in features, targets or folds.
        """
        mine, theirs = ((m.n_features, m.n_targets, m.n_folds) for m in (self, other))
        if mine != theirs:
            raise RidgeError(f"cannot merge moments of (features, targets, folds) {theirs} into those of {mine}")
        if not other.n_rows:
            return self
        if not self.n_rows:
            self.shift_x, self.shift_y = other.shift_x.to(self.device), other.shift_y.to(self.device)
        pairs = np.stack([self.group, other.group], axis=1)
        self._regroup(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1))
        p, q = self.shift_x - other.shift_x.to(self.device), self.shift_y - other.shift_y.to(self.device)
        for k in range(self.n_folds):
            for g in range(len(self.xx)):
                source = int(other.group[np.flatnonzero(self.group == g)[0]])
                self.xx[g][k] += other.scatter(source, k, p.to(other.device)).to(self.device)
                weight, sx = other.weight[source, k].to(self.device), other.sx[source, k].to(self.device)
                self.weight[g, k] += weight
                self.sx[g, k] += sx - weight * p
            for cols in column_blocks(np.arange(self.n_targets), COLUMNS):
                self._merge_targets(other, k, cols, p, q)
        self.n_rows += other.n_rows
        return self

    def _merge_targets(self, other: Moments, k: int, cols: slice | npt.NDArray[np.int64], p: Tensor, q: Tensor) -> None:
        p, q = p.to(other.device), q[cols].to(other.device)
        xy, yy = other.covariance([k], cols, p, q)
        weight = other.weight[:, k][other.group[cols]]
        self.xy[k][:, cols] += xy.to(self.device)
        self.yy[k][cols] += yy.to(self.device)
        self.sy[k][cols] += (other.sy[k][cols] - weight * q).to(self.device)

    def scatter(self, g: int, k: int, p: Tensor) -> Tensor:
        """sum w (x - p)(x - p)T over fold k's rows, (d, d) float64; p (d,) is measured from the shift."""
        return recentre(self.xx[g][k].clone(), self.sx[g, k], self.weight[g, k], p)

    def covariance(
        self, folds: list[int], cols: slice | npt.NDArray[np.int64], p: Tensor, q: Tensor
    ) -> tuple[Tensor, Tensor]:
        """sum w (x - p)(y - q)T (d, c) and sum w (y - q)^2 (c,) over the folds' rows, for the targets ``cols``."""
        groups = self.group[cols]
        xy = self.xy[folds[0]][:, cols].clone()
        for k in folds[1:]:
            xy += self.xy[k][:, cols]
        sx, weight = self.sx[:, folds].sum(1)[groups].T, self.weight[:, folds].sum(1)[groups]
        sy, yy = self.sy[folds].sum(0)[cols], self.yy[folds].sum(0)[cols]
        if (groups == groups[0]).all():
            xy.addr_(sx[:, 0], q, alpha=-1).addr_(p, sy - weight * q, alpha=-1)
        else:
            xy -= sx * q + p[:, None] * (sy - weight * q)
        return xy, yy - 2 * q * sy + weight * q * q

    def save(self, path: str | Path) -> None:
        """Write to one safetensors file; an unfinished write never takes the file's name."""
        path = Path(path)
        tensors = {name: getattr(self, name) for name in _TENSORS if name not in ("xx", "group")}
        tensors |= {"xx": torch.stack(self.xx), "group": torch.from_numpy(self.group)}
        about = {"n_rows": self.n_rows, "dtype": str(self.dtype).removeprefix("torch.")}
        try:
            with whole_file(path, overwrite=True) as file:
                safetensors.torch.save_file(
                    {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
                    file.name,
                    {"vestige": json.dumps({"moments": 1} | about)},
                )
        except (VestigeError, safetensors.SafetensorError) as error:
            raise RidgeError(f"moments are not written: {error}") from error

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Moments:
        """Read what `save` wrote.

        Raises:
            RidgeError: no such file, or not a file of moments.
        """
        try:
            with safetensors.safe_open(path, "pt") as file:
                about = parse_json((file.metadata() or {})["vestige"].encode(), _About)
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
            _check_sums(tensors)
        except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
            raise RidgeError(f"{path}: not a file of moments as Moments.save writes it ({error})") from error
        folds, d, t = tensors["xy"].shape
        moments = cls(d, t, folds, about.dtype, device)
        moments.n_rows, moments.group = about.n_rows, tensors.pop("group").numpy()
        moments.xx = list(tensors.pop("xx").to(moments.device))
        for name, tensor in tensors.items():
            setattr(moments, name, tensor.to(moments.device))
        return moments


def _check_sums(tensors: Mapping[str, Tensor]) -> None:
    """ValueError where the tensors of a file are not the sums of one `Moments`."""
    if tensors["xy"].ndim != 3 or tensors["xx"].ndim != 4 or not len(tensors["xx"]):
        raise ValueError(f"xy has shape {tuple(tensors['xy'].shape)} and xx {tuple(tensors['xx'].shape)}")
    (k, d, t), g = tensors["xy"].shape, len(tensors["xx"])
    shapes = {"shift_x": (d,), "shift_y": (t,), "weight": (g, k), "sx": (g, k, d), "xx": (g, k, d, d)}
    shapes |= {"sy": (k, t), "yy": (k, t), "xy": (k, d, t), "group": (t,)}
    for name, tensor in tensors.items():
        dtype = torch.int64 if name == "group" else torch.float64
        if tuple(tensor.shape) != shapes[name] or tensor.dtype != dtype:
            raise ValueError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}; expected {dtype} {shapes[name]}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are not finite")
    if set(tensors["group"].tolist()) != set(range(g)):
        raise ValueError(f"group names other groups than the {g} that there are")


def _column_sums(x: Tensor) -> Tensor:
    """Sums (d,) float64 over the rows of x (n, d), which is widened in pieces."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for start in range(0, len(x), 256):
        total += x[start : start + 256].sum(0, dtype=torch.float64)
    return total


def measured_from(origin: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """x - origin in ``dtype``, subtracted in the wider of the two dtypes."""
    wide = torch.promote_types(x.dtype, dtype)
    origin = origin.to(wide)
    return (x - origin if x.dtype == wide else x.to(wide).sub_(origin)).to(dtype)


def recentre(xx: Tensor, sx: Tensor, weight: Tensor | float, p: Tensor) -> Tensor:
    """sum w (x - p)(x - p)T from sum w x xT (d, d), sum w x (d,) and sum w; in place."""
    half = sx - (weight / 2) * p
    return xx.addr_(half, p, alpha=-1).addr_(p, half, alpha=-1)


def column_blocks(columns: npt.NDArray[np.int64], size: int) -> list[slice | npt.NDArray[np.int64]]:
    """``columns`` (ascending) in blocks of at most ``size``; a block without gaps is a slice, which copies nothing."""
    blocks: list[slice | npt.NDArray[np.int64]] = []
    for start in range(0, len(columns), size):
        block = columns[start : start + size]
        gapless = block[-1] - block[0] + 1 == len(block)
        blocks.append(slice(int(block[0]), int(block[-1]) + 1) if gapless else block)
    return blocks
