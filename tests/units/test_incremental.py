"""Windows against the whole picture, on networks of five kinds and on single operations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from vestige.backbones import Backbone, Preprocessing, prepared
from vestige.errors import VestigeError
from vestige.units.incremental import Cells, Incremental, Occluders


def _norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    nn.init.normal_(norm.running_mean)
    return norm


class Plain(nn.Module):
    """AlexNet's operations: unpadded and grouped convolutions, pooling that overhangs, normalisation over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 5, 2)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.norm1 = nn.LocalResponseNorm(5, 0.1)
        self.conv2 = nn.Conv2d(8, 12, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(12, 8, 3, padding=2, dilation=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.pool1(F.relu(self.conv1(x))))
        return self.conv3(F.relu(self.conv2(x)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, padding=1)
        self.norm = _norm(8)
        self.one, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.shrunk = nn.Conv2d(8, 12, 3, 2, padding=1)
        self.short = nn.Conv2d(8, 12, 1, 2)
        self.out = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(F.relu(self.stem(x), inplace=True))
        x = self.out(x + self.two(F.relu(self.one(x))))
        y = self.shrunk(x)
        y += self.short(x)
        return self.out(y)


class Concatenating(nn.Module):
    """Inception's and DenseNet's ways: branches of several reaches, shuffled channels, enlarged maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.small, self.large = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 6, 5, padding=2)
        self.pool = nn.AvgPool2d(3, 1, 1)
        self.norm = _norm(18)
        self.down = nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)
        self.last = nn.Conv2d(36, 5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = F.leaky_relu(self.norm(torch.cat([self.small(x), self.large(x), self.pool(x)], 1)), 0.1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        first, second = (x * torch.sigmoid(x)).chunk(2, 1)
        x = torch.cat([first, F.pad(self.down(second), (1, 0, 1, 0)).repeat(1, 1, 1, 1)], 1) if h < 8 else x
        low = F.interpolate(self.down(x), scale_factor=2)
        return self.last(torch.cat([x, low[:, :, : x.shape[2], : x.shape[3]]], 1))


class Squeezing(nn.Module):
    """Depthwise convolutions, with squeeze-and-excite in the second block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2)
        self.first = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.wide = nn.Conv2d(8, 16, 1)
        self.deep = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.squeeze, self.excite = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.project = nn.Conv2d(16, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(F.relu6(self.stem(F.pad(x, (0, 1, 0, 1)))))
        x = self.deep(F.hardswish(self.wide(x)))
        x = x * torch.sigmoid(self.excite(F.silu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        return self.project(x)


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 16))
        self.place = nn.Parameter(torch.randn(1, 65, 16))
        self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.blocks(torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.place)


class Branching(nn.Module):
    """What cannot be traced: it asks for a value."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.last(x if float(x.sum()) > 1e9 else 2 * x)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], list[str], list[str]]] = {
    "plain": (Plain, ["conv1", "pool1", "norm1", "conv2", "conv3"], ["conv1", "pool1", "norm1", "conv2", "conv3"]),
    "residual": (Residual, ["stem", "norm", "two", "shrunk", "out"], ["stem", "norm", "two", "shrunk", "out"]),
    "concatenating": (Concatenating, ["stem", "norm", "last"], ["stem", "norm"]),
    "squeezing": (Squeezing, ["stem", "first", "deep", "project"], ["stem", "first", "deep"]),
    "attending": (Attending, ["patch", "blocks.0", "blocks.1"], ["patch"]),
    "untraceable": (Branching, ["conv", "last"], []),
}


def _prepared(make: Callable[[], nn.Module], layers: list[str], size: tuple[int, int] = (64, 64)) -> Backbone:
    torch.manual_seed(0)
    preprocessing = Preprocessing(size, (127.5,) * 3, (50.0,) * 3)
    backbone = Backbone.from_module(make(), preprocessing)
    return prepared(backbone, keep=layers)


def _all_cells(network: Incremental, x: torch.Tensor) -> dict[str, Cells]:
    """Every unit at every place."""
    cells = {}
    for name, shape in ((n, m.shape[1:]) for n, m in zip(network.layers, network.maps(x), strict=True)):
        cells[name] = Cells(*(each.ravel() for each in np.indices(shape)))
    return cells


def _on_windows(network: Incremental) -> list[str]:
    """The layers that are computed on windows all the way, where all of each is asked for."""
    if network.graph is None:
        return []
    cells = _all_cells(network, torch.zeros(1, 3, *network.occluders.size))
    steps = network.graph.plan(network.occluders.places, network.occluders.side, cells).steps
    return [name for name in network.layers if network.graph.outputs[name] in steps]


def _naive(network: Incremental, x: torch.Tensor, patches: torch.Tensor, which: list[int]) -> dict[str, np.ndarray]:
    """Every occluded picture by itself, through the network's modules."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in network.layers}
    side = network.occluders.side
    for k in which:
        picture, (top, left) = x.clone(), network.occluders.places[k]
        picture[0, :, top : top + side, left : left + side] = patches[k]
        with torch.no_grad():
            for name, output in zip(network.layers, network.maps(picture), strict=True):
                found[name].append(output.numpy().ravel())
    return {name: np.stack(each) for name, each in found.items()}


@pytest.mark.parametrize("side", [7, 38])
@pytest.mark.parametrize("kind", NETWORKS)
def test_windows_give_what_the_whole_picture_gives(kind: str, side: int) -> None:
    make, layers, local = NETWORKS[kind]
    backbone, occluders = _prepared(make, layers), Occluders((64, 64), side, 3)
    network = Incremental(backbone, layers, occluders, batch=16)
    assert bool(network.untraced) == (kind == "untraceable")
    if side == 7:
        assert _on_windows(network) == local
    elif kind == "plain":
        assert _on_windows(network) == ["conv1", "pool1", "norm1"]  # windows that cover most of a map are not worth it
    x, patches = torch.randn(1, 3, 64, 64), 3 * torch.randn(len(occluders), 3, side, side)
    which = np.arange(len(occluders))
    found = network.run(x, patches, which, _all_cells(network, x), always=True)
    some = [*range(min(40, len(which))), *range(40, len(which), 7), len(which) - 1]
    for name, expected in _naive(network, x, patches, some).items():
        peak = np.abs(expected).max()
        assert np.abs(found[name][some] - expected).max() < 1e-5 * peak, name
        every = _all_cells(network, x)[name]
        for k in (0, len(every.units) // 2 + 3, len(every.units) - 1):  # of one cell, only what it sees is computed
            one = Cells(every.units[k : k + 1], every.y[k : k + 1], every.x[k : k + 1])
            alone = network.run(x, patches, which, {name: one}, always=True)[name][some, 0]
            assert np.abs(alone - expected[:, k]).max() < 1e-5 * peak, (name, k)


def test_only_what_is_asked_for_is_answered() -> None:
    backbone = _prepared(Plain, ["pool1", "conv2"])
    occluders = Occluders((64, 64), 11, 5)
    network = Incremental(backbone, ["pool1", "conv2"], occluders, batch=4)
    x, patches = torch.randn(1, 3, 64, 64), torch.randn(len(occluders), 3, 11, 11)
    every = network.run(x, patches, np.arange(len(occluders)), _all_cells(network, x), always=True)
    which = np.array([17, 3, 99, 0, 54])
    side = network.maps(x)[1].shape[-1]
    one = Cells(np.array([2, 2]), np.array([3, 0]), np.array([5, 6]))
    found = network.run(x, patches[torch.from_numpy(which)], which, {"conv2": one}, always=True)
    assert list(found) == ["conv2"]
    columns = [2 * side * side + 3 * side + 5, 2 * side * side + 6]
    np.testing.assert_allclose(found["conv2"], every["conv2"][which][:, columns], atol=1e-6)


class Counting(nn.Module):
    """What cannot be told from its trace: a picture's activations depend on how many others there are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.conv(x) * len(x))


@pytest.mark.parametrize(("make", "layer"), [(Counting, "last"), (Plain, "conv3"), (Attending, "blocks.1")])
def test_a_network_that_its_trace_does_not_give_is_run_whole(make: Callable[[], nn.Module], layer: str) -> None:
    occluders = Occluders((64, 64), 9, 7)
    network = Incremental(_prepared(make, [layer]), [layer], occluders, batch=16)
    x, patches = torch.randn(1, 3, 64, 64), torch.randn(len(occluders), 3, 9, 9)
    found = network.checked(x, patches, {layer: Cells(np.array([1]), np.array([3]), np.array([2]))})
    assert (found is network) == (make is not Counting)
    assert bool(found.untraced) == (make is Counting)


def test_a_plan_is_made_where_that_takes_little_of_what_it_may_save(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a tiny network and few occluders the naive loop is done before a plan of something better is."""
    backbone, occluders = _prepared(Plain, ["conv3"]), Occluders((64, 64), 5, 1)
    network = Incremental(backbone, ["conv3"], occluders, batch=16)
    assert network.graph is not None
    planned: list[int] = []
    plan = network.graph.plan
    monkeypatch.setattr(network.graph, "plan", lambda places, *rest: planned.append(len(places)) or plan(places, *rest))
    x, patches = torch.randn(1, 3, 64, 64), torch.randn(len(occluders), 3, 5, 5)
    cell = {"conv3": Cells(np.array([1]), np.array([3]), np.array([2]))}
    few, all_of_them = np.array([5, 700]), np.arange(len(occluders))
    naive = network.run(x, patches[few], few, cell)["conv3"]
    assert planned == []
    found = network.run(x, patches, all_of_them, cell)["conv3"]
    assert planned == [len(occluders)]
    np.testing.assert_allclose(found[few], naive, atol=1e-5 * np.abs(naive).max())


def test_occluders_lie_inside_the_picture() -> None:
    occluders = Occluders((227, 227))
    assert (occluders.shape, len(occluders)) == ((73, 73), 5329)
    assert occluders.places.min() == 0
    assert (occluders.places.max(), occluders.places[1].tolist()) == (216, [0, 3])
    assert Occluders((20, 40), 20).shape == (1, 7)
    with pytest.raises(VestigeError, match="40 x 20"):
        Occluders((20, 40), 21)
