"""Train the two embedded networks, scene_cnn and object_cnn, from scratch on drawn pictures.

    python tools/train_drawn_networks.py WORK            # into src/vestige/backbones/drawn/
    python tools/train_drawn_networks.py WORK --only scene_cnn

Both see as many pictures of 224 x 224 as often, in the same order of numbers, from the same first weights (but for the
last layer, whose size differs), at the same learning rates. Pictures and training steps depend on the seeds alone.
WORK holds the pictures drawn so far and the last epoch of each network; a killed training goes on from there.

Training normalises batches; what it learned is folded into the convolutions at the end, so that the network is a plain
chain. Weights are kept as 16-bit numbers. Accuracy is measured on fresh pictures, through vestige's own preprocessing.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from vestige.backbones import Backbone, open_backbone
from vestige.backbones.drawn_networks import CATEGORIES, NAMES, PREPROCESSING, SIDE, DrawnNet, weights_file
from vestige.images import crop_resize
from vestige.synthetic.world import KINDS, SCENES, lay_out_object, lay_out_scene

CATEGORY_NAMES = {"scene_cnn": SCENES, "object_cnn": tuple(sorted(KINDS))}
LAY_OUT = {"scene_cnn": lay_out_scene, "object_cnn": lay_out_object}
CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
TRAINING_SEED, FRESH_SEED = 1001, 1002
CHUNK = 500  # pictures a file
SHIFT = 4  # pixels by which pictures are moved at most

Pictures = tuple[NDArray[np.uint8], NDArray[np.int64]]


def main() -> None:
    """Draw, train, measure."""
    options = _options()
    torch.set_num_threads(options.threads)
    names = options.only or NAMES
    for name in names:
        pictures = drawn(name, options.work, TRAINING_SEED, options.pictures, options.processes)
        print(f"{name}: {options.pictures} pictures drawn", flush=True)
        network = train(name, pictures, options)
        path = options.out / f"{name}.safetensors" if options.out else weights_file(name)
        save(network, CATEGORY_NAMES[name], path)
        fresh = drawn(name, options.work, FRESH_SEED, options.fresh, options.processes)
        share = accuracy(open_backbone(f"{name}@{path}"), fresh)
        print(f"{name}: {path}, {path.stat().st_size} bytes; {share:.1%} of {options.fresh} fresh pictures", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for what a killed training goes on from")
    parser.add_argument("--only", action="append", choices=NAMES, help="one network")
    parser.add_argument("--out", type=Path, help="a folder for the weights [default: the package's own]")
    parser.add_argument("--pictures", type=int, default=8_000)
    parser.add_argument("--fresh", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.1, help="the largest learning rate")
    parser.add_argument("--decay", type=float, default=5e-4, help="weight decay")
    parser.add_argument("--dropout", type=float, default=0.1, help="before fc6 and fc7")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="that draw")
    parser.add_argument("--threads", type=int, default=2, help="that train")
    return parser.parse_args()


def drawn(name: str, work: Path, seed: int, count: int, processes: int) -> Pictures:
    """Pictures ``(N, 115, 115, 3)`` and the numbers of their categories ``(N,)``, drawn where no file holds them."""
    work.mkdir(parents=True, exist_ok=True)
    starts = range(0, count, CHUNK)
    with ProcessPoolExecutor(processes) as pool:
        chunks = list(pool.map(partial(_chunk, name, work, seed), starts))
    images, labels = (np.concatenate(each) for each in zip(*chunks, strict=True))
    return images[:count], labels[:count]


def _chunk(name: str, work: Path, seed: int, start: int) -> Pictures:
    path = work / f"{name}-{seed}-{start:06d}.npz"
    if path.is_file():
        with np.load(path) as held:
            return held["images"], held["labels"]
    cv2.setNumThreads(1)
    layouts = [LAY_OUT[name](seed, index) for index in range(start, start + CHUNK)]
    images = np.stack([crop_resize(layout.draw(224), None, (SIDE, SIDE)) for layout in layouts])
    labels = np.array([CATEGORY_NAMES[name].index(layout.name) for layout in layouts])
    part = path.with_suffix(".part.npz")
    np.savez(part, images=images, labels=labels)
    part.replace(path)
    return images, labels


class Training(nn.Module):
    """The network with what only training needs: normalised batches, and units that are left out at random."""

    def __init__(self, classes: int, dropout: float) -> None:
        super().__init__()
        self.net = DrawnNet(classes)
        self.norms = nn.ModuleDict(
            {name: nn.BatchNorm2d(_convolution(self.net, name).out_channels) for name in CONVOLUTIONS}
        )
        self.dropout = nn.Dropout(dropout)
        for part in self.net.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)
        nn.init.normal_(self.net.prob[0].weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Scores before the softmax ``(N, classes)``."""
        for name, layer in self.net.named_children():
            if name in self.norms:
                x = layer[1](self.norms[name](layer[0](x)))
            elif name == "prob":
                x = layer[0](x)
            else:
                x = layer(self.dropout(x.flatten(1)) if name in ("fc6", "fc7") else x)
        return x

    def folded(self) -> DrawnNet:
        """The plain network that puts out the same in evaluation."""
        for name, norm in self.norms.items():
            convolution = _convolution(self.net, name)
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            convolution.weight.data *= scale.view(-1, 1, 1, 1)
            convolution.bias.data = norm.bias + (convolution.bias - norm.running_mean) * scale
        return self.net


def _convolution(net: DrawnNet, name: str) -> nn.Conv2d:
    part = net.get_submodule(name)[0]
    assert isinstance(part, nn.Conv2d)
    return part


def train(name: str, pictures: Pictures, options: argparse.Namespace) -> DrawnNet:
    """The network after all epochs, from the last one that is kept."""
    images, labels = pictures
    torch.manual_seed(0)
    network = Training(len(CATEGORY_NAMES[name]), options.dropout).to(options.device, memory_format=torch.channels_last)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": options.decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=options.rate, momentum=0.9, nesterov=True)
    steps = options.epochs * (len(images) // options.batch)
    kept = options.work / f"{name}.pth"
    first = 0
    if kept.is_file():
        state = torch.load(kept, weights_only=True, map_location=options.device)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    for epoch in range(first, options.epochs):
        began = time.monotonic()
        torch.manual_seed(epoch)
        network.train()
        right = seen = 0
        for step, (x, y) in enumerate(_batches(images, labels, options.batch, epoch, options.device)):
            done = (epoch * (len(images) // options.batch) + step) / steps
            for group in optimizer.param_groups:
                group["lr"] = options.rate * min(done / 0.1 + 0.02, 0.5 + 0.5 * math.cos(math.pi * done))
            with torch.autocast(options.device, torch.bfloat16):
                scores = network(x)
            loss = nn.functional.cross_entropy(scores.float(), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right, seen = right + int((scores.argmax(1) == y).sum()), seen + len(y)
        print(f"{name}: epoch {epoch + 1}, {right / seen:.1%} right, {time.monotonic() - began:.0f} s", flush=True)
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
        torch.save(state, kept.with_suffix(".part"))
        kept.with_suffix(".part").replace(kept)
    return network.eval().cpu().folded()


def _batches(
    images: NDArray[np.uint8], labels: NDArray[np.int64], size: int, epoch: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Full batches of an epoch in its own order; half of the pictures are mirrored, all are moved a little."""
    rng = np.random.default_rng((TRAINING_SEED, epoch))
    order = rng.permutation(len(images))
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        moved = np.empty((size, SIDE, SIDE, 3), np.uint8)
        for row, (number, (dy, dx)) in enumerate(zip(chosen, rng.integers(0, 2 * SHIFT + 1, (size, 2)), strict=True)):
            picture = images[number]
            wide = cv2.copyMakeBorder(picture, SHIFT, SHIFT, SHIFT, SHIFT, cv2.BORDER_REFLECT_101)
            moved[row] = wide[dy : dy + SIDE, dx : dx + SIDE]
        mirrored = rng.random(size) < 0.5
        moved[mirrored] = moved[mirrored, :, ::-1]
        yield PREPROCESSING(moved, device), torch.from_numpy(labels[chosen]).to(device)


def save(network: DrawnNet, categories: tuple[str, ...], path: Path) -> None:
    """Write weights as 16-bit numbers, with the names of the categories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(state, path, metadata={CATEGORIES: json.dumps(categories)})


@torch.inference_mode()
def accuracy(backbone: Backbone, pictures: Pictures) -> float:
    """The share of pictures that a network names right."""
    images, labels = pictures
    right = 0
    for start in range(0, len(images), CHUNK):
        scores = backbone.scores(backbone.preprocessing(images[start : start + CHUNK]))
        right += int((scores.argmax(1).numpy() == labels[start : start + CHUNK]).sum())
    return right / len(images)


if __name__ == "__main__":
    main()
