"""How often 95 % intervals hold the true value: simulated, by the number of groups.

Run it with ``python benchmarks/intervals.py`` (``--simulations`` for more). Every simulation draws a test set of so
many groups (people) of 1 to 8 examples that have much in common, measures it and makes the interval in several ways:

    examples    percentiles of resamples of examples: what vestige did up to issue 13
    groups      percentiles of resamples of groups
    expanded    the same, expanded for few groups: what vestige does (`vestige.intervals.interval`)
    scaled      the plain percentiles' distances from the value, stretched by as much

The truth is the metric over a very large test set. A set that lacks one of the two kinds has no AUC and is drawn again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from vestige.intervals import Bootstrap, interval
from vestige.probes.attributes.measure import weighted_auc

Floats = NDArray[np.float64]
Resampled = Callable[[NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class TestSet:
    """Examples ``(N,)`` by group, their metric under weights ``(B, N)``, and how many groups have a say in it."""

    groups: NDArray[np.intp]
    metric: Resampled
    counted: int


def _means(values: Floats) -> Resampled:
    return lambda weights: (weights @ values) / weights.sum(axis=1)


def _sizes(n: int, largest: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """The group of every example."""
    return np.repeat(np.arange(n), draw.integers(1, largest, n, endpoint=True))


def mean_error(n: int, largest: int, draw: np.random.Generator) -> TestSet:
    """Errors of a skewed distribution, as landmarks have: half of the variance of their logarithm is the group's."""
    groups = _sizes(n, largest, draw)
    return TestSet(groups, _means(np.exp(0.5 * (draw.normal(size=n)[groups] + draw.normal(size=len(groups))))), n)


def pck(n: int, largest: int, draw: np.random.Generator) -> TestSet:
    """Shares of ten keypoints found, a group's being easy or hard."""
    groups = _sizes(n, largest, draw)
    easy = draw.beta(2, 1, n)[groups]
    return TestSet(groups, _means(draw.binomial(10, easy) / 10), n)


def auc(n: int, largest: int, draw: np.random.Generator) -> TestSet:
    """Readings of an attribute that a group has or has not, as people are male or not; half of the noise is theirs."""
    while True:
        groups = _sizes(n, largest, draw)
        has = draw.random(n) < 0.5
        if 0 < has.sum() < n:
            break
    readings = 1.5 * has[groups] + np.sqrt(0.5) * (draw.normal(size=n)[groups] + draw.normal(size=len(groups)))
    rarer = int(min(has.sum(), n - has.sum()))  # as `vestige.probes.attributes.measure` counts them
    return TestSet(groups, lambda weights: weighted_auc(readings, has[groups], weights), rarer)


METRICS = {"mean error": mean_error, "AUC": auc, "PCK": pck}
KINDS = ("examples", "groups", "expanded", "scaled")


def intervals(data: TestSet, seed: int, resamples: int) -> Iterator[tuple[str, tuple[float, float] | None]]:
    """The interval of one test set, in every way."""
    value = float(data.metric(np.ones((1, len(data.groups)), np.float32))[0])
    for kind, groups in (("examples", np.arange(len(data.groups))), ("groups", data.groups)):
        bootstrap = Bootstrap.draw(groups.tolist(), seed, resamples)
        found = data.metric(bootstrap.weights)
        low, high = np.nanpercentile(found, [2.5, 97.5])
        yield kind, (float(low), float(high))
    n = data.counted
    yield "expanded", interval(found, n)
    if n < 2:
        yield "scaled", None
        return
    stretch = np.sqrt(n / (n - 1)) * stdtrit(n - 1, 0.975) / stdtrit(1e9, 0.975)
    yield "scaled", (value - stretch * (value - float(low)), value + stretch * (float(high) - value))


def coverage(make: Callable[..., TestSet], n: int, largest: int, options: argparse.Namespace) -> dict[str, float]:
    """The share of simulations with an interval whose interval holds the truth, by kind."""
    draw = np.random.default_rng(options.seed)
    large = make(200_000, largest, draw)
    truth = float(large.metric(np.ones((1, len(large.groups)), np.float32))[0])
    held, given = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0)
    for simulation in range(options.simulations):
        for kind, found in intervals(make(n, largest, draw), simulation, options.resamples):
            given[kind] += found is not None
            held[kind] += found is not None and found[0] <= truth <= found[1]
    return {kind: held[kind] / max(given[kind], 1) for kind in KINDS}


def main() -> None:
    """Print a table for single examples and one for groups."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    jobs = [(name, n, largest) for largest in (1, 8) for name in METRICS for n in (5, 10, 20, 50, 200)]
    print(f"{'examples a group':18}{'metric':12}{'groups':>8}" + "".join(f"{kind:>10}" for kind in KINDS))
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(coverage, METRICS[name], n, largest, options) for name, n, largest in jobs]
        for (name, n, largest), each in zip(jobs, waiting, strict=True):
            found = each.result()
            size = "1" if largest == 1 else f"1 to {largest}"
            print(f"{size:18}{name:12}{n:8}" + "".join(f"{found[kind]:10.3f}" for kind in KINDS), flush=True)


if __name__ == "__main__":
    main()
