"""How long it takes to take segments away: equations solved anew where they must be, against one for every candidate.

    python benchmarks/minimal.py miniplaces:DIR,train --pictures 4

Segments go in a random order until none is left; at every step all candidates are put together, as the search does.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from vestige.datasets.opening import open_dataset
from vestige.images import crop_resize
from vestige.units.minimal import removal
from vestige.units.minimal.segments import SIDE, Segments, edge_and_region_segments, object_segments


def main() -> None:
    """Print equations and seconds for both kinds of segments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default="synthetic:scenes,n=4,seed=1")
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--side", type=int, default=224, help="of the network's input")
    given = parser.parse_args()
    examples = [each for each in open_dataset(given.data) if each.objects]
    examples = examples[:: max(1, len(examples) // given.pictures)][: given.pictures]
    shape = (given.side, given.side)
    for kind in ("objects", "regions"):
        counts, solved, seconds, whole = [], 0, 0.0, 0.0
        for example in examples:
            read = example.image.read()
            pixels = crop_resize(read, None, shape, "bicubic")
            if kind == "objects":
                segments = object_segments(example.objects, (read.shape[1], read.shape[0]), shape)
            else:
                segments = edge_and_region_segments(crop_resize(read, None, (SIDE, SIDE), "bicubic"), shape)
            counts.append(len(segments.names))
            some = incremental(pixels, segments)
            solved, seconds = solved + some[0], seconds + some[1]
            whole += one_each(pixels, segments)
        candidates = sum(n * (n + 1) // 2 for n in counts)
        print(
            f"{kind}: segments {counts}; {candidates} candidates: {solved} equations in {seconds:.2f} s, "
            f"one each {whole:.2f} s ({whole / seconds:.1f}x)"
        )


def incremental(pixels: np.ndarray, segments: Segments) -> tuple[int, float]:
    """Equations and seconds, with those kept that have not changed."""
    solved = 0
    true = removal.integrated

    def counted(divergence: np.ndarray) -> np.ndarray:
        nonlocal solved
        solved += len(divergence)
        return true(divergence)

    removal.integrated = counted
    started = time.perf_counter()
    canvas, left = removal.Gradients(pixels, segments.labels), list(range(len(segments.names)))
    for segment in np.random.default_rng(0).permutation(len(left)).tolist():
        canvas.without(left)
        left.remove(segment)
        canvas.remove(segment)
    removal.integrated = true
    return solved, time.perf_counter() - started


def one_each(pixels: np.ndarray, segments: Segments) -> float:
    """Seconds where the whole picture is integrated for each candidate."""
    started = time.perf_counter()
    n = len(segments.names)
    across, down = (np.diff(np.moveaxis(pixels, -1, 0).astype(np.float32), axis=axis) for axis in (2, 1))
    gone = np.zeros(n, bool)
    labels = segments.labels
    for segment in np.random.default_rng(0).permutation(n).tolist():
        for start in range(0, int((~gone).sum()), 16):
            fields = []
            for candidate in np.flatnonzero(~gone)[start : start + 16]:
                without = gone.copy()
                without[candidate] = True
                away = without[labels]
                fields.append(
                    removal.divergence_of(across * ~(away[:, :-1] | away[:, 1:]), down * ~(away[:-1] | away[1:]))
                )
            np.moveaxis(removal.integrated(np.stack(fields)), 1, -1).copy()
        gone[segment] = True
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
