"""Weights and stores of features, and what is read of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from damage.beside import beside
from damage.guard import Kind
from vestige.backbones.caffe import read_caffe_weights
from vestige.backbones.caffe_files import message_class, read_binaryproto
from vestige.backbones.weights import load_weights
from vestige.extraction import ExtractOptions
from vestige.features.cache import list_stores
from vestige.features.extract import extract
from vestige.features.readout import Readout
from vestige.features.store import Features

_ORIGINAL: dict[Path, np.ndarray] = {}


def network() -> nn.Module:
    """Two layers, one with numbers that are not learnt."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def weights(folder: Path) -> None:
    """State dicts in every container: plain, wrapped, with what is beside them, of other types."""
    state = network().state_dict()
    save_file(state, folder / "plain.safetensors", metadata={"format": "pt"})
    save_file({f"module.{name}": t for name, t in state.items()}, folder / "wrapped.safetensors")
    torch.save(state, folder / "plain.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": {f"model.{n}": t for n, t in state.items()}, "epoch": 3}, folder / "checkpoint.pt")
    halves = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    torch.save({"model_ema": {"module": halves}}, folder / "halves.pt")


def read_weights(_folder: Path, path: Path, _rng: random.Random) -> None:
    """A network that takes weights has finite ones; one that does not keeps its own."""
    module = network()
    load_weights(module, path)
    assert all(torch.isfinite(tensor).all() for tensor in module.state_dict().values())


def caffe(folder: Path) -> None:
    """Caffe's files in their encodings, and arrays under Caffe's names."""
    rng = np.random.default_rng(0)
    arrays = {"conv1.weight": rng.random((4, 3, 2, 2), np.float32), "conv1.bias": rng.random(4, np.float32)}
    arrays |= {"fc8.weight": rng.random((5, 4), np.float32), "fc8.bias": rng.random(5, np.float32)}
    for encoding in ("current", "v1", "v0"):
        net = message_class("Net")()
        for layer in ("conv1", "fc8"):
            if encoding == "current":
                target = net.layer.add(name=layer)
            else:
                target = net.layers.add(name=layer) if encoding == "v1" else net.layers.add().layer
                target.name = layer
            for part in ("weight", "bias"):
                values = arrays[f"{layer}.{part}"]
                blob = target.blobs.add(data=values.tobytes())
                if encoding == "current":
                    blob.shape.dim.extend(values.shape)
                else:
                    blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - values.ndim) + values.shape
        (folder / f"{encoding}.caffemodel").write_bytes(net.SerializeToString())
    np.savez(folder / "arrays.npz", **arrays)
    kinds = [(name.replace(".", "_"), array.dtype, array.shape) for name, array in arrays.items()]
    structured = np.zeros((), kinds)
    for name, array in arrays.items():
        structured[name.replace(".", "_")] = array
    np.save(folder / "arrays.npy", structured)
    mean = message_class("Blob")(num=1, channels=3, height=4, width=4, data=rng.random(48, np.float32).tobytes())
    (folder / "mean.binaryproto").write_bytes(mean.SerializeToString())


def read_caffe(_folder: Path, path: Path, _rng: random.Random) -> None:
    """Tensors, and the array of a mean."""
    if path.suffix == ".binaryproto":
        read_binaryproto(path)
        return
    for name, tensor in read_caffe_weights(path).items():
        assert isinstance(name, str)
        assert tensor.dtype == torch.float32


def stores(folder: Path) -> None:
    """Two stores: one of numbers that are scaled, with a picture that could not be read, and one that is plain."""
    tiny = beside("features/tiny.py")
    backbone = tiny.backbone()
    backbone.module.scores.weight.mul_(1e-7)
    backbone.module.scores.bias.mul_(1e-7)
    reads = [("scores", Readout("vector")), ("late", Readout("gap"))]
    options = ExtractOptions(store_dtype="float16", batch=8)
    for features in extract(backbone, tiny.crops(20, broken=(3,)), reads, cache=folder, options=options):
        _ORIGINAL[features.path] = features.read()
        features.close()


def read_stores(folder: Path, _path: Path, rng: random.Random) -> None:
    """Rows are those that were written."""
    for info in list_stores(folder):
        repr(info)
    for store, rows in rng.sample(sorted(_ORIGINAL.items()), len(_ORIGINAL)):
        if not store.is_relative_to(folder):
            continue
        features = Features(store)
        try:
            assert np.array_equal(features.read(), rows)
            assert features.valid.sum() == 19
            assert features.provenance["n"] == 20
            assert np.array_equal(features[3:9, 1], rows[3:9, 1])
        finally:
            features.close()


def in_stores(path: Path) -> bool:
    """All files but the locks."""
    return path.parent.name != "locks"


KINDS = [
    Kind("weights", weights, read_weights, 150),
    Kind("caffe", caffe, read_caffe, 120),
    Kind("stores", stores, read_stores, 80, in_stores),
]
