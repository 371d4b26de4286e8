"""Which form a problem is solved in: d x d or n x n, by cost, and by memory where one of them does not fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vestige.ridge.grid import FIRST

Form = Literal["primal", "dual"]
"""d x d, or n x n."""

MEMORY = 4 * 2**30
"""Bytes that the engine may use, beyond the data and the solution, before it prefers the slower way."""
LEAST_TARGETS = 1024
"""Targets of a block (`target_block`) that are worked on however little memory there is."""
_FUNCTIONS = 5.3  # products that all alphas together need, in the float32 of typical spectra (`spectrum`)
_EIGH = 10  # an eigendecomposition of size m costs about this many m^3 operations at the speed of a GEMM


@dataclass(frozen=True)
class ProblemSize:
    """n rows, d features, t targets, K folds, A alphas, g groups of targets of equal mask."""

    n: int
    d: int
    t: int
    folds: int
    alphas: int = len(FIRST)
    groups: int = 1


def primal_operations(s: ProblemSize) -> float:
    """Floating-point operations of the primal form (`docs/ridge.md` derives them)."""
    gather = s.groups * s.n * s.d**2 + 2.0 * s.n * s.d * s.t
    factor = s.groups * s.folds * (_EIGH + 3.0) * s.d**3
    return gather + factor + s.folds * (4.0 + min(s.alphas, _FUNCTIONS)) * s.d**2 * s.t + 2.0 * s.d**2 * s.t


def dual_operations(s: ProblemSize) -> float:
    """Floating-point operations of the dual form."""
    half, fold = s.n / 2, s.n / s.folds
    rest = half - fold
    decompose = 2 * (_EIGH * half**3 + 2.0 * half**3)
    leave_out = 2 * half**3 + s.folds * rest**3 / 3
    score = s.alphas * (s.groups * leave_out + (4.0 * half**2 + s.folds * (2.0 * rest**2 + 2.0 * rest * fold)) * s.t)
    solve = min(s.alphas, s.t) * s.groups * half**3 * 4 / 3 + 6.0 * half**2 * s.t
    return float(s.n) ** 2 * s.d + s.groups * decompose + score + solve + 2.0 * s.n * s.d * s.t


def primal_bytes(s: ProblemSize) -> float:
    """Memory of the primal form for all targets at once."""
    return 8.0 * (s.folds * s.d * (s.groups * s.d + s.t) + 6 * s.d**2)


def target_block(s: ProblemSize, memory: float = MEMORY) -> int:
    """Targets that the primal form takes at a time, so that it needs no more than ``memory`` bytes.

    With several blocks the folds' factors are kept from one to the next. Blocks are about equally large.
    """
    if primal_bytes(s) <= memory:
        return s.t
    room = memory - primal_bytes(replace(s, t=0)) - 16.0 * s.folds * s.d**2
    most = max(LEAST_TARGETS, int(room // (8 * s.folds * s.d)))
    return -(-s.t // -(-s.t // most))


def dual_bytes(s: ProblemSize) -> float:
    """Memory of the dual form, without the rows themselves: K, the halves of every group, and what alphas that are
    worked on side by side need, eight of them at most."""
    return 8.0 * (1.5 * s.groups + 8) * s.n**2 + 24.0 * s.n * s.t


def choose_form(s: ProblemSize) -> Form:
    """The cheaper form; or the one that fits into `MEMORY`, if only one does.

    The primal form may take the targets in blocks: what counts is what it needs for one.
    """
    fits = primal_bytes(replace(s, t=min(s.t, LEAST_TARGETS))) <= MEMORY, dual_bytes(s) <= MEMORY
    if fits[0] != fits[1]:
        return "primal" if fits[0] else "dual"
    return "primal" if primal_operations(s) <= dual_operations(s) else "dual"
