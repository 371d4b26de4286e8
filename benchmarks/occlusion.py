"""What incremental inference saves on pictures with an occluder, layer by layer: the naive loop against windows.

Run it with ``python benchmarks/occlusion.py``, or name networks and layers::

    python benchmarks/occlusion.py caffe:caffenet@random:0=pool1,conv2,pool2,conv3,conv4 efficientnet_lite0=block4

Both are given the same occluders of 11 x 11 pixels at stride 3, drawn at random, and take turns (``--rounds``), so that
what else the machine does falls on both; times are seconds of processor time for all occluders of the grid. "every
cell": the whole map is asked for, as where many units have a picture in common. "one cell": the middle one alone is.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.backbones import open_backbone, prepared
from vestige.units.incremental import Cells, Incremental, Occluders

NETWORKS = ("caffe:caffenet@random:0=pool1,conv2,pool2,conv3,conv4",)
Found = Mapping[str, NDArray[np.float32]]

ROW = "{:<34} {:<8} {:>9} {:>11} {:>7} {:>10} {:>7} {:>9}"


def middle(shape: tuple[int, ...], units: int = 8) -> Cells:
    """Some units at the middle of a map ``(C, h, w)``."""
    which = np.arange(min(shape[0], units))
    return Cells(which, np.full(len(which), shape[1] // 2), np.full(len(which), shape[2] // 2))


def everywhere(shape: tuple[int, ...], units: int = 8) -> Cells:
    """The same at the middle and at two opposite corners, so that all of the map is needed."""
    which, mid = np.arange(min(shape[0], units)), middle(shape, units)
    corner = [np.concatenate([m, 0 * m, 0 * m + side - 1]) for m, side in ((mid.y, shape[1]), (mid.x, shape[2]))]
    return Cells(np.tile(which, 3), *corner)


def timed(run: Callable[[], Found]) -> tuple[Found, float]:
    """What a call returns, and its processor time."""
    start = time.process_time()
    found = run()
    return found, time.process_time() - start


def compare(spec: str, layer: str, rounds: int, each: int) -> tuple[float, float]:
    """Print a layer's line; the seconds of the naive loop and of windows, every cell, for the whole grid."""
    backbone = open_backbone(spec)
    ready = prepared(backbone, keep=[layer])
    occluders = Occluders(backbone.preprocessing.size)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, *occluders.size, generator=draw).contiguous(memory_format=torch.channels_last)
    patch = torch.randn(1, 3, 11, 11, generator=draw)
    naive = Incremental(ready, [layer], occluders, batch=32, whole=True)
    ours = Incremental(ready, [layer], occluders)
    shape = tuple(naive.maps(x)[0].shape[1:])
    each = min(each, len(occluders))
    order = np.resize(np.random.default_rng(0).permutation(len(occluders)), rounds * each)
    spent, worst = np.zeros(3), 0.0
    for turn in range(rounds):
        which = np.sort(order[turn * each : (turn + 1) * each])
        patches = patch.expand(len(which), -1, -1, -1)
        tried = ((naive, everywhere(shape)), (ours, everywhere(shape)), (ours, middle(shape)))
        found = [timed(partial(network.run, x, patches, which, {layer: cells})) for network, cells in tried]
        spent += [seconds for _, seconds in found]
        expected, windows = (outputs[layer] for outputs, _ in found[:2])
        worst = max(worst, float(np.abs(windows - expected).max() / np.abs(expected).max()))
    spent *= len(occluders) / (rounds * each)
    numbers = (f"{spent[0]:.1f}", f"{spent[1]:.2f}", f"{spent[0] / spent[1]:.1f}", f"{spent[2]:.2f}")
    print(ROW.format(spec, layer, *numbers, f"{spent[0] / spent[2]:.1f}", f"{worst:.0e}"), flush=True)
    return float(spent[0]), float(spent[1])


def main() -> None:
    """Compare layers of networks, and all of them together."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS, metavar="SPEC=LAYER,...")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--occluders", type=int, default=256, help="of each round")
    given = parser.parse_args()
    print(ROW.format("network", "layer", "naive, s", "every cell", "times", "one cell", "times", "deviation"))
    total = np.zeros(2)
    for text in given.networks:
        spec, _, layers = text.rpartition("=")
        for layer in layers.split(","):
            total += compare(spec, layer, given.rounds, given.occluders)
    print(ROW.format("together", "", f"{total[0]:.1f}", f"{total[1]:.2f}", f"{total[0] / total[1]:.1f}", "", "", ""))


if __name__ == "__main__":
    main()
