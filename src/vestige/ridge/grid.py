"""Which alphas are tried, and which one every target gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vestige.ridge.checks import Bools, Floats

STEP = 10**0.25
FIRST: Floats = STEP ** np.arange(-16.0, 9.0)  # 1e-4 ... 1e2, times the data's scale
WIDEN = 8  # alphas a round: two decades
ROUNDS = 3  # so that the widest grid is 1e-10 ... 1e8
DECADE = np.log(10) * (1 + 1e-9)
DIP = 5  # times the dip of a parabola: how far scores may dip between two alphas


class Score(Protocol):
    """Scores (A, t) of alphas (A,); with ``only`` (t,) those of some targets, infinite for the others."""

    def __call__(self, alphas: Floats, only: Bools | None = None) -> Floats: ...


def search(score: Score, scale: float, per_target: bool) -> tuple[Floats, Floats]:
    """Score an automatic grid, wider for as long as (and in the direction where) an optimum sits on its edge.

    ``scale`` is the mean eigenvalue of the training scatter. Returns the alphas (A,), ascending, and their scores
    (A, t): infinite for targets at alphas to which the grid was widened for others.
    """
    alphas = FIRST * (scale if scale > 0 else 1.0)
    scores = score(alphas)
    for down in (True, False):
        for _ in range(ROUNDS):
            edge = choose(scores, per_target) == (0 if down else len(alphas) - 1)
            edge &= ~np.isnan(scores).any(axis=0)
            if not edge.any():
                break
            only = edge if per_target else None
            steps: Floats = STEP ** np.arange(1.0, WIDEN + 1)
            more = np.sort(alphas[0] / steps) if down else alphas[-1] * steps
            parts = [(more, score(more, only)), (alphas, scores)]
            parts = parts if down else parts[::-1]
            alphas = np.concatenate([part[0] for part in parts])
            scores = np.concatenate([part[1] for part in parts])
    return alphas, scores


def lowest(score: Callable[[Floats, Bools], Floats], alphas: Floats, wanted: Bools) -> Floats:
    """Scores (A, t) of alphas (A,) wherever a target's lowest can be; infinite elsewhere.

    A score is a mean of squares of sums of shares S / (S + alpha), S eigenvalues: as a function of log alpha it has no
    singularity nearer to the real line than pi, and bends little within a decade. So one alpha a decade is scored; then
    the middle of every interval where the score would be the lowest if it dipped `DIP` times as far as a parabola as
    bent as the scores around are; and so on with the halves.

    Args:
        score: scores (a, t) of alphas (a,), where (a, t) says so.
        alphas: in any order.
        wanted: (A, t) where scores are asked for.
    """
    scores = np.full(wanted.shape, np.inf)
    order = np.argsort(alphas, kind="stable")
    with np.errstate(divide="ignore"):
        x = np.log(alphas[order])
    at = new = _decades(x)
    now = wanted[order[new]]
    while now.any():
        scores[order[new]] = np.where(now, score(alphas[order[new]], now), np.inf)
        known = scores[order[at]]
        between = (at[:-1] + at[1:]) // 2
        now = _may_dip_below(x[at], known, known.min(axis=0)) & (between > at[:-1])[:, None]
        at = np.union1d(at, between)
        some = now.any(axis=1)
        new, now = between[some], now[some]
    return scores


def _decades(x: Floats) -> npt.NDArray[np.int64]:
    """Places in x (A,), ascending: the first and the last, and no two neighbours farther apart than a decade if others
    lie between them."""
    places = [0]
    for i in range(1, len(x)):
        if i == len(x) - 1 or not x[i + 1] - x[places[-1]] <= DECADE:
            places.append(i)
    return np.array(places)


def _may_dip_below(x: Floats, scores: Floats, best: Floats) -> Bools:
    """Whether scores (k, t), known at x (k,) where they are finite, may be below the best (t,) between two of them,
    (k - 1, t)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.diff(x)[:, None]
        bend = np.full((len(x) + 2, scores.shape[1]), np.nan)  # of nodes, with one more on either side
        bend[2:-2] = np.abs(np.diff(np.diff(scores, axis=0) / width, axis=0)) * 2 / (x[2:] - x[:-2])[:, None]
        bend[~np.isfinite(bend)] = np.nan
        around = np.fmax.reduce([bend[i : i + len(width)] for i in range(4)])  # two nodes on either side
        low = (scores[:-1] + scores[1:]) / 2 - DIP * around * width**2 / 8
        return np.asarray(np.isfinite(scores[:-1]) & np.isfinite(scores[1:]) & ~(low > best))


def choose(scores: Floats, per_target: bool, alphas: Floats | None = None) -> npt.NDArray[np.int64]:
    """Index (t,) of the alpha with the lowest score, (A, t) -> (t,); if shared, of the lowest sum over targets.

    A target without a usable fold scores NaN everywhere; it follows the others if alpha is shared, and
    otherwise gets the strongest of ``alphas`` (the last, if they are not given).
    """
    strongest = len(scores) - 1 if alphas is None else int(np.argmax(alphas))
    blind = np.isnan(scores).any(axis=0)
    if per_target:
        return np.where(blind, strongest, np.argmin(np.where(blind, 0.0, scores), axis=0))
    total = scores[:, ~blind].sum(axis=1)
    return np.full(scores.shape[1], int(np.argmin(total)), dtype=np.int64)


def rivals(scores: Floats, noise: Floats, best: npt.NDArray[np.int64]) -> Bools:
    """The alphas (A, t), the ``best`` (t,) among them, whose scores are the lowest to within their errors ``noise``."""
    return np.asarray(scores - noise <= (scores + noise)[best, np.arange(scores.shape[1])])


def tied(alphas: Floats, scores: Floats, noise: Floats, best: int) -> bool:
    """Whether the sum over targets of scores (A, t) is the lowest at another alpha too, to within the errors' sum."""
    total, error = scores.sum(1), noise.sum(1)
    rivals = (total - error < (total + error)[best]) & (alphas != alphas[best])
    return bool(rivals.any())


def at_boundary(alphas: Floats, scores: Floats, best: npt.NDArray[np.int64]) -> float:
    """Share of the targets whose alpha is the smallest or largest tried; 0 if only one was.

    A target that is the same in all rows has the same score at all alphas: it is not counted as one at the edge.
    """
    if alphas.min() == alphas.max():
        return 0.0
    chosen = alphas[best]
    varies = ~(np.where(np.isinf(scores), scores[best, np.arange(len(best))], scores) == scores[0]).all(axis=0)
    return float(np.mean(varies & ((chosen == alphas.min()) | (chosen == alphas.max()))))
