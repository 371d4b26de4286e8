"""Dense linear algebra on tensors, with the fastest library for where the tensor lies.

On the CPU the products and decompositions go to the BLAS and LAPACK behind numpy and scipy: they
know the symmetric product (``syrk``, half the work of a GEMM), and are as fast as or faster than those
behind torch. On any other device they go to torch. All functions take and return tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from vestige.stopwatch import timing
from vestige.threads import one_torch_thread

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = 8  # of `each`, at most: every one has temporaries of its own


@contextmanager
def blas_alone() -> Iterator[None]:
    """Keep torch to one thread, so that the BLAS behind numpy has the cores to itself. Also a decorator.

    Both pools' threads wait for work by spinning: with two pools in turns, each finds the cores taken by the other's
    idle threads (measured on 2 cores: a fit takes 3 to 4 times as long). What torch does meanwhile on the CPU is
    adding and scaling, which a thread does as fast as memory allows.
    """
    with one_torch_thread():
        yield


def each(work: Callable[[Item], Result], items: Sequence[Item], device: torch.device) -> list[Result]:
    """``work`` on every item, in their order; on the CPU by several threads, which share the BLAS's.

    What lies between two products, adding and scaling, then has all cores as well. ``work`` must not write where the
    work on another item reads or writes.
    """
    cores = _cores() if device.type == "cpu" and len(items) > 1 else 1
    workers = min(cores, len(items), WORKERS)
    if workers < 2:
        return [work(item) for item in items]
    with _blas().limit(limits=cores // workers), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))


@cache
def _blas() -> ThreadpoolController:
    """The libraries behind numpy and scipy, which are found once: looking for them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


def _cores() -> int:
    """The threads of a product."""
    return max((library["num_threads"] for library in _blas().info()), default=1)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Product ``a @ b`` of two matrices of one dtype."""
    if a.device.type == "cpu":
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))
    return a @ b


def gram(x: Tensor) -> Tensor:
    """Symmetric product ``x.T @ x``, (n, d) -> (d, d). numpy hands it to ``syrk``."""
    return matmul(x.T, x)


def symmetric(a: Tensor, b: Tensor) -> Tensor:
    """Product ``a @ b``, (d, n) and (n, d), that is known to be symmetric: one half of it is multiplied."""
    if a.device.type != "cpu":
        return matmul(a, b)
    left, right = a.numpy(), b.numpy()
    product = np.empty((len(left), len(left)), left.dtype)
    size = max(256, -(-len(left) // 8))  # narrower blocks save more, and are multiplied less fast
    for start in range(0, len(left), size):
        stop = min(start + size, len(left))
        product[:stop, start:stop] = left[:stop] @ right[:, start:stop]
        product[start:stop, :start] = product[:start, start:stop].T
    return torch.from_numpy(product)


def add(total: Tensor, part: Tensor) -> None:
    """``total += part`` of a narrower dtype. numpy widens it in small pieces, torch in a copy of the whole."""
    if total.device.type == "cpu":
        view = total.numpy()
        view += part.numpy()
    else:
        total += part


@timing("factor")
def eigh(a: Tensor, *, in_place: bool = True) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,), ascending, and eigenvectors as rows ``Qt`` (d, d) of a symmetric matrix, which is overwritten.

    Where it is not to be done ``in_place``, it takes room for one more matrix, and other threads can go on meanwhile:
    scipy holds the interpreter's lock, numpy does not.

    The driver is divide and conquer (``evd``): in float32 the default of scipy, ``evr``, is several times
    slower on many machines. torch uses ``evd`` on every device.
    """
    if a.device.type != "cpu":
        values, vectors = torch.linalg.eigh(a)
        return values, vectors.T.contiguous()
    if in_place:
        # A symmetric C-ordered matrix is its own Fortran-ordered transpose: LAPACK then works in place.
        values, vectors = scipy.linalg.eigh(a.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
    else:
        values, vectors = np.linalg.eigh(a.numpy())
    return torch.from_numpy(values), torch.from_numpy(np.ascontiguousarray(vectors.T))


@timing("factor")
def cholesky(a: Tensor) -> Tensor | None:
    """Factor to give to `cholesky_solve`, (d, d); None where ``a``, which is overwritten, is not positive definite."""
    if a.device.type != "cpu":
        factor, info = torch.linalg.cholesky_ex(a)
        return None if int(info) else factor
    try:
        return torch.from_numpy(scipy.linalg.cho_factor(a.numpy().T, True, overwrite_a=True, check_finite=False)[0])
    except scipy.linalg.LinAlgError:
        return None


def cholesky_solve(factor: Tensor, b: Tensor) -> Tensor:
    """Solution x of ``a x = b`` from the lower factor of a: (d, d), (d, t) -> (d, t)."""
    if factor.device.type != "cpu":
        return torch.cholesky_solve(b, factor)
    return torch.from_numpy(scipy.linalg.cho_solve((factor.numpy(), True), b.numpy(), check_finite=False))


def to_numpy(tensor: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """The tensor as an array in main memory."""
    return tensor.detach().cpu().numpy()
