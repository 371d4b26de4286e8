"""Times vestige's ridge beside other libraries on the same data, in one run, with the same threads.

    python benchmarks/ridge.py --scale 4                     a quarter of the paper's size: 12,250 x 1,024 -> 1,587
    python benchmarks/ridge.py --scale 1 --engine vestige    the paper's size: 49,000 x 4,096 -> 6,348
    python benchmarks/ridge.py --case landmarks              dual: 1,740 x 21,952 -> 136
    python benchmarks/ridge.py --case wide                   dual: 5,000 x 50,000 -> 1,000
    python benchmarks/ridge.py --case segmentation           15,000 x 4,096 -> 18,900
    python benchmarks/ridge.py --case stream                 10,000 to 1,000,000 rows from a store, d=1,024, t=256

Memory is the peak of the process above what it held once the data were there. On a machine that
others use too, compare seconds of processor with one thread. GFLOP/s are those of the
operations that the engine's own derivation counts (docs/ridge.md), beside those of a plain matrix product.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige import ridge
from vestige.ridge.plan import ProblemSize, dual_operations, primal_operations

FOLDS = 4
SIZES = {
    "paper": (49_000, 4_096, 6_348),
    "landmarks": (1_740, 21_952, 136),
    "wide": (5_000, 50_000, 1_000),
    "segmentation": (15_000, 4_096, 18_900),
}


@dataclass(frozen=True)
class Result:
    """One engine's run: seconds, processor seconds (of all threads), peak bytes above the data,
    alphas (t,), coefficients (t, d)."""

    seconds: float
    busy: float
    peak: float
    alpha: Any
    coef: Any


def problem(n: int, d: int, t: int, dtype: str, seed: int = 0) -> tuple[Any, Any]:
    """X (n, d) with a spectrum that falls as 1/i, as features' spectra do, and Y (n, t) of many noise levels."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d), np.float32)
    X *= np.sqrt(d / np.arange(1, d + 1) / np.log(d)).astype(np.float32)
    X += 1
    Y = np.empty((n, t), np.float32)
    for a in range(0, t, 512):
        b = min(a + 512, t)
        W = rng.standard_normal((d, b - a), np.float32) / np.float32(np.sqrt(d))
        noise = np.logspace(-1, 1.5, t, dtype=np.float32)[a:b]
        Y[:, a:b] = X @ W + rng.standard_normal((n, b - a), np.float32) * noise
    return X.astype(dtype, copy=False), Y.astype(dtype, copy=False)


class Peak:
    """The process's largest resident memory while the context is open, above that at its start, in bytes."""

    def __enter__(self) -> Peak:
        ctypes.CDLL(None).malloc_trim(0)
        self.start = self.most = resident()
        self.open = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.open:
            self.most = max(self.most, resident())
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self.open = False
        self.thread.join()

    @property
    def bytes(self) -> int:
        return self.most - self.start


def give_back_at_once() -> None:
    """Have arrays from 1 MB on returned to the system when they are freed: memory is then what is held.

    Else the C library keeps some of them for later, as many as chance will have it: from run to run tens of megabytes
    more or less. Giving them back takes time.
    """
    threshold = -3  # M_MMAP_THRESHOLD of <malloc.h>
    ctypes.CDLL(None).mallopt(threshold, 2**20)


def resident() -> int:
    """Anonymous memory of this process, in bytes (Linux): resident, less what is mapped from files."""
    pages = Path("/proc/self/statm").read_text().split()
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def timed(run: Callable[[], tuple[Any, Any]]) -> Result:
    with Peak() as peak:
        start, busy = time.perf_counter(), time.process_time()
        alpha, coef = run()
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return Result(seconds, busy, peak.bytes, np.asarray(alpha), np.asarray(coef))


def gemm_speed(dtype: str, size: int = 4096, device: str = "cpu") -> float:
    """GFLOP/s of a product of two square matrices with the threads of the run, by the clock, the best of five."""
    if device != "cpu":
        return cuda_gemm_speed(dtype, size, device)
    a = np.random.default_rng(0).standard_normal((size, size)).astype(dtype)
    b, out = a[::-1].copy(), np.empty_like(a)  # another matrix: numpy sees a product with itself and halves the work
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        np.matmul(a, b, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def cuda_gemm_speed(dtype: str, size: int, device: str) -> float:
    """The same on a GPU."""
    import torch

    a = torch.randn(size, size, dtype=getattr(torch, dtype), device=device)
    best = np.inf
    for _ in range(3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        a @ a
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def engines(X: Any, Y: Any, alphas: Any, device: str, dual: bool) -> dict[str, Callable[[], tuple[Any, Any]]]:
    """The rivals, each a function that gives alphas (t,) and coefficients (t, d)."""
    from sklearn.linear_model import Ridge
    from sklearn.linear_model import RidgeCV as LeaveOneOut
    from sklearn.model_selection import GridSearchCV, KFold

    folds = np.empty(len(X), np.int64)
    for k, (_, test) in enumerate(KFold(FOLDS).split(X)):
        folds[test] = k

    def vestige() -> tuple[Any, Any]:
        # the dual form is left to its default, products in float64: float32 cannot resolve these alphas
        found = ridge.fit_rows(X, Y, folds, alphas, dtype=None if dual else str(X.dtype), device=device)
        print(
            f"    form {found.form}, {found.uncertain.mean():.2%} of the alphas uncertain, "
            f"{found.at_boundary:.1%} at the grid's edge"
        )
        return found.alpha, found.coef

    def himalaya() -> tuple[Any, Any]:
        from himalaya.kernel_ridge import KernelRidgeCV
        from himalaya.ridge import RidgeCV

        if dual:
            kernel = KernelRidgeCV(alphas, cv=KFold(FOLDS), solver_params={"n_alphas_batch": 1}, fit_intercept=False)
            kernel.fit(X - X.mean(0), Y - Y.mean(0))
            return kernel.best_alphas_, kernel.get_primal_coef().T
        found = RidgeCV(alphas, cv=KFold(FOLDS), solver_params={"n_alphas_batch": 1}, fit_intercept=True).fit(X, Y)
        return found.best_alphas_, found.coef_.T

    def grid() -> tuple[Any, Any]:
        search = GridSearchCV(Ridge(), {"alpha": alphas}, cv=FOLDS, scoring="neg_mean_squared_error").fit(X, Y)
        return np.full(Y.shape[1], search.best_params_["alpha"]), search.best_estimator_.coef_

    def leave_one_out() -> tuple[Any, Any]:
        found = LeaveOneOut(alphas, alpha_per_target=True).fit(X, Y)
        return found.alpha_, found.coef_

    return {"vestige": vestige, "himalaya": himalaya, "GridSearchCV": grid, "leave-one-out": leave_one_out}


def compare(args: argparse.Namespace) -> None:
    """Run the engines that were asked for on one problem and print the table."""
    alphas = np.logspace(0, 6, args.alphas)
    n, d, t = (size // args.scale for size in SIZES[args.case])
    X, Y = problem(n, d, t, args.dtype)
    gemm = gemm_speed(args.dtype, device=args.device)
    print(
        f"{n:,} x {d:,} -> {t:,}, {len(alphas)} alphas, {FOLDS} folds, {args.dtype}, {args.device}; "
        f"a matrix product runs at {gemm:.0f} GFLOP/s"
    )
    found: dict[str, Result] = {}
    for name, run in engines(X, Y, alphas, args.device, args.case in ("landmarks", "wide")).items():
        if args.engine and name not in args.engine:
            continue
        found[name] = timed(run)
        report(name, found, ProblemSize(n, d, t, FOLDS, len(alphas)), gemm)


def report(name: str, found: dict[str, Result], size: ProblemSize, gemm: float) -> None:
    result = found[name]
    line = f"{name:14s} {result.seconds:8.2f} s ({result.busy:8.2f} s of processor)   "
    line += f"{result.peak / 1e9:6.2f} GB above the data"
    if name == "vestige":
        work = min(primal_operations(size), dual_operations(size)) / result.seconds / 1e9
        print(f"{line}   {work:5.0f} GFLOP/s ({work / gemm:.0%} of a matrix product)", flush=True)
        return
    ours = found.get("vestige")
    if ours is not None:
        same = np.isclose(ours.alpha, result.alpha, rtol=1e-4)  # himalaya's alphas went through a logarithm
        line += f"   {result.seconds / ours.seconds:5.1f} x vestige ({result.busy / ours.busy:.1f} x of processor)"
        if name == "himalaya":
            gap = np.abs(ours.coef - result.coef).max(1) / np.abs(result.coef).max(1)
            line += f"   same alpha {same.mean():.3%}, coefficients there to {gap[same].max():.1e} relative"
    print(line, flush=True)


class Store:
    """n rows of a zarr store as a re-iterable of chunks; the small store is read over and over."""

    def __init__(self, X: Any, Y: Any, n: int) -> None:
        self.X, self.Y, self.n = X, Y, n

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        rows = 512
        for start in range(0, self.n, rows):
            at = start % (self.X.shape[0] - rows + 1) // rows * rows
            count = min(rows, self.n - start)
            yield self.X[at : at + count], self.Y[at : at + count], (start + np.arange(count)) % FOLDS


def stream(args: argparse.Namespace) -> None:
    """Time and memory against the number of rows."""
    import zarr

    d, t = 1024, 256
    X, Y = problem(102_400 // args.scale, d, t, "float32")
    with tempfile.TemporaryDirectory() as folder:
        on_disk = []
        for name, array in (("x", X.astype(np.float16)), ("y", Y)):
            z = zarr.create_array(
                f"{folder}/{name}", shape=array.shape, chunks=(512, array.shape[1]), dtype=array.dtype, compressors=None
            )
            z[:] = array
            on_disk.append(z)
        del X, Y, array
        print(f"d={d:,}, t={t:,}, float16 store; a matrix product runs at {gemm_speed('float32'):.0f} GFLOP/s")
        sizes = [n // args.scale for n in (10_000, 30_000, 100_000, 300_000, 1_000_000)]

        alphas = np.logspace(0, 6, args.alphas)

        def fitted(n: int) -> Result:
            chunks = Store(*on_disk, n)
            return timed(lambda: _alpha_coef(ridge.fit_chunks(chunks, alphas, n_folds=FOLDS)))

        for n in (sizes[0], *sizes):  # the first one warms up
            result = fitted(n)
            print(
                f"{n:>10,} rows {result.seconds:8.2f} s ({result.busy:8.2f} s of processor, "
                f"{result.busy / n * 1e6:6.1f} us a row)  {result.peak / 1e6:6.0f} MB with the allocator's reserve",
                flush=True,
            )
        give_back_at_once()
        for n in sizes:
            print(f"{n:>10,} rows {fitted(n).peak / 1e6:6.0f} MB held", flush=True)


def _alpha_coef(found: ridge.RidgeSolution) -> tuple[Any, Any]:
    return found.alpha, found.coef


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=[*SIZES, "stream"], default="paper")
    parser.add_argument("--scale", type=int, default=1, help="divides all sizes")
    parser.add_argument("--alphas", type=int, default=10, help="from 1 to 1e6")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--engine", action="append", help="only these; repeat it for several")
    args = parser.parse_args()
    stream(args) if args.case == "stream" else compare(args)


if __name__ == "__main__":
    main()
