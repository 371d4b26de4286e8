"""How fast features are extracted, against bare forward passes over the same pictures.

    python benchmarks/extract.py PICTURES [--layer block10] [--count 128] [--repeats 5]

prints three ratios:

(a) images/s of ``vestige.features.extract`` (decoding, resizing, preprocessing, readout and storing included) over
    those of a bare loop of forward passes over the same tensors, preprocessed beforehand: same layout and type, ended
    at the same layer. Worth having: at least 1 / 1.25.
(p) the same over a loop of the network as vestige prepares it (batch normalisation folded, copies spared): what is left
    to gain outside the network.
(b) images/s of ``vestige.features.extract`` over those of the plain network in PyTorch's default layout (NCHW, eager,
    nothing folded) over the same tensors, ended at the same layer. Worth having: at least 1.4.

``--precision bfloat16`` and ``--compile`` measure those instead; (p)'s loop then has them too, the others stay.
Each picture is shown twice, plain and mirrored, as probes are trained; it is then decoded once for two images.
``--plain`` shows it once. Repetitions of all are interleaved and the median of each is taken, because a
machine's speed drifts.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vestige.backbones import Backbone, open_backbone, prepared
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.extract import extract
from vestige.features.readout import default_readout
from vestige.images import Crop, ImageFile


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    paths = sorted(path for path in asked.pictures.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png"))
    examples = [Example(path.name, path.name, ImageFile(path)) for path in paths[: asked.count]]
    copies = (False,) if asked.plain else (False, True)
    crops = [Crop(example, None, mirrored) for example in examples for mirrored in copies]
    if not crops:
        raise SystemExit(f"{asked.pictures}: no .jpg or .png there")
    backbone = open_backbone(asked.backbone)
    options = ExtractOptions(precision=asked.precision, compile=asked.compile, workers=asked.workers)
    batches = _tensors(backbone, crops, options.batch)
    dtype = getattr(torch, options.precision)
    ready = prepared(backbone, dtype=dtype, compile=options.compile, keep=(asked.layer,))
    loops = {
        "vestige": _vestige(backbone, crops, asked.layer, options),
        "prepared": _passes(batches, ready, asked.layer),
        "bare": _passes(batches, _channels_last(backbone), asked.layer),
        "plain": _passes([x.contiguous() for x in batches], backbone, asked.layer),
    }
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for repeat in range(asked.repeats + 1):  # the first one warms up, and compiles
        for name, loop in loops.items():
            seconds = loop()
            if repeat:
                speeds[name].append(len(crops) / seconds)
    _tell(speeds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", type=Path, help="a folder of pictures")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--layer", default="block10")
    parser.add_argument("--count", type=int, default=128, help="how many of the pictures")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--plain", action="store_true", help="no mirrored copies")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=ExtractOptions().workers)
    return parser.parse_args()


def _tensors(backbone: Backbone, crops: list[Crop], batch: int) -> list[Tensor]:
    """The crops preprocessed, in channels-last batches."""
    preprocessing = backbone.preprocessing
    pixels = np.stack([crop.pixels(preprocessing.size, preprocessing.interpolation) for crop in crops])
    return [preprocessing(pixels[i : i + batch]) for i in range(0, len(pixels), batch)]


def _vestige(backbone: Backbone, crops: list[Crop], layer: str, options: ExtractOptions) -> Callable[[], float]:
    """Extraction into a fresh store; the time from the first picture to the last as the store's provenance has it.

    Folding and compiling come before the first picture and cost the same for ten pictures or a million: they are left
    out here as they are left out of the bare loop.
    """
    readout = default_readout(backbone.layers([layer])[0])

    def loop() -> float:
        with tempfile.TemporaryDirectory() as cache:
            (features,) = extract(backbone, crops, [(layer, readout)], cache=Path(cache), options=options)
            seconds = float(features.provenance["seconds"])
            features.close()
        return seconds

    return loop


def _channels_last(backbone: Backbone) -> Backbone:
    """The network as it is, its weights laid out as the tensors are."""
    other = copy.copy(backbone)
    other.module = copy.deepcopy(backbone.module).to(memory_format=torch.channels_last)
    return other


def _passes(batches: list[Tensor], backbone: Backbone, layer: str) -> Callable[[], float]:
    def loop() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            for x in batches:
                backbone.run(x, (layer,))
        return time.perf_counter() - started

    return loop


def _tell(speeds: dict[str, list[float]]) -> None:
    median = {name: statistics.median(values) for name, values in speeds.items()}
    for name, what in (
        ("vestige", "vestige extraction"),
        ("bare", "bare forward passes, same tensors"),
        ("prepared", "the same, network prepared"),
        ("plain", "plain eager NCHW, same tensors"),
    ):
        low, high = min(speeds[name]), max(speeds[name])
        print(f"{what:36} {median[name]:7.1f} images/s  ({low:.1f} to {high:.1f})")
    ratio = {
        name: statistics.median(a / b for a, b in zip(speeds["vestige"], speeds[name], strict=True))
        for name in ("bare", "prepared", "plain")
    }
    print(f"(a) vestige / bare forward passes    {ratio['bare']:.2f}  (1 / 1.25 = 0.80 wanted)")
    print(f"(p) vestige / prepared network       {ratio['prepared']:.2f}")
    print(f"(b) vestige / plain eager NCHW       {ratio['plain']:.2f}  (1.40 wanted)")


if __name__ == "__main__":
    main()
