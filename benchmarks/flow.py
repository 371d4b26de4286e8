"""Times the flow: messages by distance transform beside brute force, and the alignment of a pair of grids.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/flow.py
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/flow.py --side 50 --beta 0.03

The pair is a photograph that ships with scikit-image and the same turned by 12 degrees and enlarged by a tenth, or
another photograph, by root-normalised patches of gradients (the histograms of oriented gradients of 40 x 40 pixels).
Everything runs on one core. Times are the least of several, in seconds of the processor, since others may use the
machine; compiling is not counted. Memory is the peak of the process above what it held before.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit
from skimage import color, data, transform

from vestige.correspondence.flow import flow
from vestige.correspondence.flow.propagation import new_scratch, transform_into

BOX = 496
RADIUS = 20


@njit(nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def brute_force(costs, height, width, beta, dx, dy, out):
    """The same message from the definition, with the differences of a row known in advance."""
    across = np.empty((width, width), np.float32)
    for x in range(width):
        for s in range(width):
            across[x, s] = beta * (x - dx - s) ** 2
    for y in range(height):
        for x in range(width):
            least = np.float32(np.inf)
            for row in range(height):
                down = np.float32(beta * (y - dy - row) ** 2)
                for s in range(width):
                    least = min(least, costs[row * width + s] + (across[x, s] + down))
            out[y * width + x] = least


@njit(nogil=True)
def transform_all(costs, height, width, beta, scratch, out):
    """A message for every row of costs. They differ, as in a pass: one row again and again teaches the processor
    its branches, and would come out at a third of the time."""
    for p in range(len(costs)):
        transform_into(costs[p], height, width, beta, 1, 0, scratch, out[p])


@njit(nogil=True)
def brute_force_all(costs, height, width, beta, out):
    """The same by brute force."""
    for p in range(len(costs)):
        brute_force(costs[p], height, width, beta, 1, 0, out[p])


def least_time(run: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the quickest of several runs, the first not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def messages(side: int, beta: float) -> None:
    """Prints what one message costs in three ways."""
    costs = (np.random.default_rng(0).random((500, side * side)) * 1.4).astype(np.float32)
    few = costs[:10]
    ours, plain = np.empty_like(costs), np.empty_like(few)
    scratch = new_scratch(side, side)
    y, x = np.divmod(np.arange(side * side), side)
    table = (beta * ((x[:, None] - 1 - x) ** 2 + (y[:, None] - y) ** 2)).astype(np.float32)
    fast = least_time(lambda: transform_all(costs, side, side, beta, scratch, ours), 5) / len(costs)
    slow = least_time(lambda: brute_force_all(few, side, side, beta, plain), 5) / len(few)
    dense = least_time(lambda: [(table + each).min(axis=1) for each in few], 5) / len(few)
    print(f"message, {side} x {side} labels, beta {beta:g}: distance transform {fast * 1e6:.1f} us")
    print(f"  brute force, compiled {slow * 1e6:.0f} us ({slow / fast:.0f} times)")
    print(f"  brute force, numpy, table of costs at hand {dense * 1e6:.0f} us ({dense / fast:.0f} times)")
    print(f"  largest difference {np.abs(ours[: len(few)] - plain).max():.1e}")


def gradients(picture: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """``(side, side, 128)``: 4 x 4 histograms of 8 directions about each cell's centre, of length 1."""
    dy, dx = np.gradient(np.pad(picture, RADIUS, mode="edge"))
    bins = ((np.arctan2(dy, dx) / (2 * np.pi) % 1) * 8).astype(int) % 8
    planes = np.where(bins == np.arange(8)[:, None, None], np.hypot(dx, dy), 0)
    sums = np.pad(planes.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    corner = np.rint((np.arange(side) + 0.5) * len(picture) / side).astype(int)
    edges = corner[:, None] + np.arange(5) * (2 * RADIUS // 4)
    at = sums[:, edges[:, None, :, None], edges[None, :, None, :]]
    boxes = np.diff(np.diff(at, axis=-1), axis=-2)
    cells = np.moveaxis(boxes, 0, -1).reshape(side, side, -1)
    return np.sqrt(cells.clip(0) / (cells.clip(0).sum(axis=-1, keepdims=True) + 1e-9))


def pair(side: int, beta: float) -> None:
    """Prints what aligning photographs costs, their distances included."""
    source = transform.resize(color.rgb2gray(data.astronaut()), (BOX, BOX))
    turn = transform.SimilarityTransform(scale=1.1, rotation=np.deg2rad(12))
    middle = transform.SimilarityTransform(translation=(-BOX / 2, -BOX / 2))
    targets = {
        "turned by 12 degrees, 1.1 x": transform.warp(source, (middle + turn.inverse + middle.inverse), mode="edge"),
        "another photograph": transform.resize(color.rgb2gray(data.chelsea()[:, :300]), (BOX, BOX)),
    }
    first = gradients(source, side)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, target in targets.items():
        second = gradients(target, side)
        seconds = least_time(lambda second=second: flow.align(first, second, beta), 2)
        part = least_time(lambda second=second: flow.distances(first, second), 2)
        found = flow.solve(first, second, beta)
        print(f"pair, {side} x {side} cells, {name}, beta {beta:g}: {seconds:.2f} s (distances {part:.3f} s)")
        print(
            f"  energy {found.energy:.3f}, bound {found.bound:.3f}, {found.iterations} iterations", end="", flush=True
        )
        print(", converged" if found.converged else ", NOT converged")
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"memory: {peak:.0f} MiB above the features'; unaries and messages are {12 * side**4 / 2**20:.1f} MiB")


def main() -> None:
    """Reads the options, runs both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=31, help="cells along a side of either grid")
    parser.add_argument("--beta", type=float, default=3e-3)
    options = parser.parse_args()
    messages(options.side, options.beta)
    pair(options.side, options.beta)


if __name__ == "__main__":
    main()
