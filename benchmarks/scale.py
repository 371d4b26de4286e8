"""The constants of docs/scale.md: what pictures, features, moments, dissections and tasks cost here.

    python benchmarks/scale.py [--part pictures] [--part features] [--part moments] [--part dissect] [--part tasks]

Everything runs on one thread. Seconds are the processor's, but for those of tasks, which are the clock's. Bytes are
exact.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.images import Crop
from vestige.merging import merged_in_pairs
from vestige.ridge import Moments
from vestige.units.activations import ActivationReader
from vestige.units.dissect.counting import STEPS
from vestige.units.dissect.sums import HIGHEST, LOWEST, Sums, merged
from vestige.units.quantiles import Quantiles

NETWORK, LAYER = "efficientnet_lite0", "block10"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    for part in parser.parse_args().part or PARTS:
        print(f"-- {part}", flush=True)
        for line in PARTS[part]():
            print(line, flush=True)


def seconds(work: Callable[[], Any], clock: Callable[[], float] = time.process_time, repeats: int = 3) -> float:
    """Of the processor, the least of some repetitions; the first, that warms up, is not counted."""
    work()
    found = []
    for _ in range(repeats):
        started = clock()
        work()
        found.append(clock() - started)
    return min(found)


def pictures() -> Iterator[str]:
    """Images a second of one core: decoding, and decoding with the network."""
    import torch
    from PIL import Image

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        draw, files = np.random.default_rng(0), []
        for i in range(64):  # of ImageNet's usual size, smooth as photographs are
            small = draw.integers(0, 255, (24, 32, 3), dtype=np.uint8)
            files.append(str(Path(folder) / f"{i}.jpg"))
            Image.fromarray(small).resize((500, 375), Image.Resampling.BICUBIC).save(files[-1], quality=90)
        data = Dataset.from_arrays(files)
        crops = [Crop(example) for example in data]
        decode = seconds(lambda: [crop.pixels((224, 224)) for crop in crops]) / len(crops)
        size = sum(Path(file).stat().st_size for file in files) / len(files)
        yield f"decode and resize a JPEG of 500 x 375 and {size / 1000:.0f} kB: {1 / decode:.0f} images/s"
        digest = seconds(lambda: [example.image.digest() for example in Dataset.from_arrays(files)]) / len(files)
        yield f"open it and take its digest: {1 / digest:.0f} images/s"
        examples = len(pickle.dumps(data, protocol=5)) / len(files)
        yield f"an example without annotations: {examples:.0f} bytes as it travels"
    options = Reader().options
    reader = ActivationReader(Reader().backbone(NETWORK), [LAYER], options)
    x = torch.zeros(16, 3, 224, 224)
    each = seconds(lambda: reader.maps_of(x)) / len(x)
    yield f"{NETWORK} up to {LAYER}: {1 / each:.1f} images/s, one core"
    layer = torch.nn.TransformerEncoderLayer(1024, 16, 4096, activation="gelu", batch_first=True, norm_first=True)
    tokens = torch.zeros(4, 197, 1024)
    layer.eval()
    with torch.inference_mode():
        each = seconds(lambda: layer(tokens)) / len(tokens)
    yield f"a layer of ViT-L/16's size (1,024 numbers, 197 tokens): {1000 * each:.0f} ms an image, one core"


def features() -> Iterator[str]:
    """Bytes of a picture's features by layer and readout, float32; what a store adds to them."""
    reader = Reader()
    for readout in ("auto", "gap"):
        reads = reader.reads(NETWORK, ["all"], [readout])
        told = ", ".join(f"{read.layer.name} {4 * read.size:,}" for read in reads)
        yield f"{NETWORK} {readout}: {told}; together {sum(4 * read.size for read in reads):,} bytes"
    with tempfile.TemporaryDirectory() as folder:
        kept = Reader(cache=Path(folder))
        draw = np.random.default_rng(0)
        n = 2048
        data = Dataset.from_arrays(list(draw.integers(0, 255, (n, 16, 16, 3), dtype=np.uint8)))
        (stored,) = kept.features("rgb:16", [Crop(e) for e in data], kept.reads("rgb:16", ["all"]))
        whole = sum(file.stat().st_size for file in stored.path.rglob("*") if file.is_file())
        yield f"store of {n} x {stored.shape[1]}: {whole / n:.0f} bytes a row, {4 * stored.shape[1]} of them numbers"


def moments() -> Iterator[str]:
    """Bytes of moments, seconds of gathering and of merging them."""
    folds, rows = 4, 8192
    draw = np.random.default_rng(0)
    for d, t in ((320, 136), (1024, 136), (1024, 1000), (2048, 136)):
        X = draw.standard_normal((rows, d), dtype=np.float32)
        Y = draw.standard_normal((rows, t), dtype=np.float32)
        labels = np.sort(np.arange(rows) % folds)

        def gather(X: Any = X, Y: Any = Y, labels: Any = labels, d: int = d, t: int = t) -> Moments:
            return Moments(d, t, folds).update(X, Y, labels)

        one, other = gather(), gather()
        size, computed = len(pickle.dumps(one, protocol=5)), 8 * folds * d * (d + t)
        gathering, merging = seconds(gather), seconds(lambda one=one, other=other: one.merge(other))
        yield (
            f"moments of {d} features, {t} targets, {folds} folds: {size / 1e6:.1f} MB (8 K d (d + t) = "
            f"{computed / 1e6:.1f}); gathering {1e6 * gathering / rows:.1f} us a row, merging {1000 * merging:.0f} ms"
        )


def dissect() -> Iterator[str]:
    """Bytes of sketches, lists and counts of a unit; seconds of merging two pieces."""
    draw = np.random.default_rng(0)
    units = 64
    for n in (1_000, 10_000, 100_000, 1_000_000):
        sketch = Quantiles(units)
        for i in range(0, n, 10_000):
            sketch.add(draw.standard_normal((min(n - i, 10_000), units), dtype=np.float32))
        size = sum(array.nbytes for array in sketch.arrays().values()) / units
        yield f"sketch of {n:,} values: {size:,.0f} bytes a unit, shares off by at most {sketch.error:.1e}"
    units, objects = 1024, 200
    pieces = [piece(draw, units, objects, first) for first in (0, 1000)]
    lists = sum(a.nbytes for name, a in pieces[0].items() if "/top/" in name or "/low/" in name) / units
    table = pieces[0]["units/table"].nbytes / units
    yield f"top lists: {lists:,.0f} bytes a unit; counts: {table:,.0f} bytes a unit with {objects} objects (16 bits)"
    whole = sum(array.nbytes for array in pieces[0].values())
    merging = seconds(lambda: merged(*pieces, 0))
    yield f"a piece of {units} units and {objects} objects: {whole / 1e6:.1f} MB; merging two: {1000 * merging:.0f} ms"


def piece(draw: np.random.Generator, units: int, objects: int, first: int) -> dict[str, Any]:
    """What a piece of many pictures says."""
    sums = Sums.empty(units, 0)
    values = draw.standard_normal((1000, units), dtype=np.float32)
    rows, places = list(range(first, first + 1000)), np.zeros((1000, units), np.int32)
    sums.top, sums.low = (
        sums.top.with_batch(rows, values, places, HIGHEST),
        sums.low.with_batch(rows, -values, places, LOWEST),
    )
    for _ in range(8):
        sums.sketch.add(draw.standard_normal((8000, units), dtype=np.float32))
    return {
        **{f"units/{key}": value for key, value in sums.arrays().items()},
        "units/table": draw.integers(0, 2**15, (units, objects + 1, STEPS + 1)).astype(np.uint16),
        "problem_rows": np.zeros(0, np.int64),
        "problems": np.array([""])[:-1],
    }


def nothing(_part: int) -> None:
    """A call that is all overhead."""


def block(megabytes: int) -> np.ndarray[Any, Any]:
    """A call that is all traffic."""
    return np.ones(megabytes * 125_000)


def tasks() -> Iterator[str]:
    """What a call costs beside its work, and how fast results come back and are merged."""
    from vestige.cluster.cluster import Cluster

    clock = time.perf_counter
    with Cluster.open("local") as cluster:
        n, megabytes, parts = 200, 16, [(16,)] * 8
        with cluster.actors(holder, nothing, most=2) as workers:
            each = seconds(lambda: list(workers.run((i,) for i in range(n))), clock) / n
        yield f"an empty call of a worker that holds something: {1000 * each:.1f} ms"
        with cluster.actors(holder, block, most=2) as workers:
            each = seconds(lambda: list(workers.run(parts)), clock) / len(parts)
        yield f"a result of {megabytes} MB to the driver: {1000 * each:.0f} ms, {megabytes / each:.0f} MB/s"
        each = seconds(lambda: cluster.merged(block, parts, np.add), clock) / len(parts)
        yield f"the same merged in pairs by workers: {1000 * each:.0f} ms a part"
        here = seconds(lambda: merged_in_pairs((block(*part) for part in parts), np.add), clock) / len(parts)
        yield f"the same without Ray: {1000 * here:.0f} ms a part"


def holder(held: Callable[[int], Any]) -> Callable[[int], Any]:
    """What a worker holds."""
    return held


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "pictures": pictures,
    "features": features,
    "moments": moments,
    "dissect": dissect,
    "tasks": tasks,
}

if __name__ == "__main__":
    main()
