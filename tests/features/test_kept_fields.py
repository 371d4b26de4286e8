"""Receptive fields that are kept: the same as found anew, found again where the network or the file is another."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vestige.backbones import Backbone, Preprocessing, open_backbone, receptive
from vestige.backbones.backbone import hash_state
from vestige.backbones.graph import graph_sha256
from vestige.backbones.receptive import find_receptive_fields
from vestige.features.cache import KeptFields, list_fields, prune
from vestige.features.kept_fields import receptive_fields

SIZE = (40, 36)


class Network(nn.Module):
    """Two convolutions; what is between and behind them is given."""

    def __init__(self, seed: int = 0, between: Callable[[Tensor], Tensor] = torch.relu, shift: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.between = between
        self.register_buffer("order", (torch.arange(4) + shift) % 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.between(self.a(x))[:, self.order])


def network(module: nn.Module | None = None, size: tuple[int, int] = SIZE) -> Backbone:
    return Backbone("net", module or Network(), Preprocessing(size, (0.0,) * 3, (1.0,) * 3), {"a": "a", "b": "b"})


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The layers that were searched for, a tuple for each search."""
    searches: list[tuple[str, ...]] = []

    def search(backbone: Backbone, names, progress) -> dict[str, receptive.ReceptiveField]:
        searches.append(tuple(names))
        return find_receptive_fields(backbone, names, progress)

    monkeypatch.setattr(receptive, "find_receptive_fields", search)
    return searches


@pytest.mark.parametrize("spec", ["scene_cnn", "efficientnet_lite0@random:0", "caffe:alexnet@random:0", "rgb:20"])
def test_kept_fields_are_those_found(spec: str, found: list[tuple[str, ...]]) -> None:
    backbone = open_backbone(spec)
    names = backbone.select(("all",))[:5]
    slowly = find_receptive_fields(backbone, names)
    assert receptive_fields(backbone, names) == slowly
    assert receptive_fields(backbone, names[::-1]) == slowly
    assert list(receptive_fields(backbone, names[::-1])) == list(names[::-1])
    assert found == [names]


def test_layers_that_are_missing_are_added(found: list[tuple[str, ...]]) -> None:
    assert receptive_fields(network(), ["b"])["b"].receptive_field == (5, 5)
    assert receptive_fields(network(), ["a", "b"])["a"].receptive_field == (3, 3)
    receptive_fields(network(), ["b", "a"])
    assert found == [("b",), ("a",)]


def test_weights_do_not_matter_and_the_graph_does(found: list[tuple[str, ...]]) -> None:
    def searches(module: nn.Module, size: tuple[int, int] = SIZE) -> int:
        before = len(found)
        receptive_fields(network(module, size), ["a", "b"])
        return len(found) - before

    assert searches(Network()) == 1
    assert searches(Network(seed=1)) == 0
    assert searches(Network(shift=1)) == 1, "numbers that say what goes where"
    assert searches(Network(), (44, 36)) == 1
    assert searches(Network(between=lambda x: functional.max_pool2d(x, 3, 1, 1))) == 1
    assert searches(Network(between=lambda x: functional.max_pool2d(x, 3, 1, 1))) == 0
    assert searches(Network(between=lambda x: x + torch.roll(x, 1, 2))) == 1
    assert searches(Network(between=lambda x: x + torch.roll(x, 2, 2))) == 1
    larger = Network(between=lambda x: functional.max_pool2d(x, 3, 1, 1) if x.shape[2] > SIZE[0] else x.relu())
    assert searches(larger) == 1, "as Network() at its own size, and not at others"


def test_which_tensor_goes_where_is_part_of_the_graph() -> None:
    def digest(between: Callable[[Tensor], Tensor]) -> str:
        return graph_sha256(Network(between=between).eval(), [torch.zeros(1, 3, *SIZE)])

    def first(x: Tensor) -> Tensor:
        p, q = x.relu(), x.relu()
        return (p + q) + p

    def second(x: Tensor) -> Tensor:
        p, q = x.relu(), x.relu()
        return (p + q) + q

    assert digest(first) == digest(first) != digest(second)


def test_a_network_that_fails_has_a_graph_too() -> None:
    fixed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2)).eval()
    inputs = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 9, 9)
    assert graph_sha256(fixed, inputs[:1]) != graph_sha256(fixed, inputs)


def test_another_process_finds_the_same_file() -> None:
    backbone = open_backbone("scene_cnn@random:5")
    receptive_fields(backbone, ["conv1"])
    (kept,) = list_fields()
    script = (
        "from vestige.backbones import open_backbone, receptive\n"
        "receptive.find_receptive_fields = None\n"
        "from vestige.features.kept_fields import receptive_fields\n"
        "print(receptive_fields(open_backbone('scene_cnn'), ['conv1'])['conv1'].stride)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(receptive_fields(backbone, ["conv1"])["conv1"].stride)
    assert [info.path for info in list_fields()] == [kept.path]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _changed(path: Path) -> None:
    document = json.loads(path.read_text())
    document["fields"]["b"]["receptive_field"] = [7, 7]
    path.write_text(json.dumps(document))


def _of_another_kind(path: Path) -> None:
    path.write_text("[1, 2]")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_cut, _changed, _of_another_kind, _a_folder])
def test_damage_is_passed_over(damage: Callable[[Path], None], found: list[tuple[str, ...]]) -> None:
    expected = receptive_fields(network(), ["a", "b"])
    (kept,) = list_fields()
    assert (kept.state, kept.backbone, kept.layers) == ("complete", "net", 2)
    damage(kept.path)
    if damage is not _a_folder:
        assert [info.state for info in list_fields()] == ["damaged"]
    assert receptive_fields(network(), ["a", "b"]) == expected
    assert receptive_fields(network(), ["a", "b"]) == expected
    assert len(found) == (3 if damage is _a_folder else 2)  # a file is mended by writing it anew


def test_a_cache_that_cannot_be_written(root: Path, found: list[tuple[str, ...]], monkeypatch) -> None:
    root.write_text("no folder")
    assert receptive_fields(network(), ["b"])["b"].stride == (2, 2)
    monkeypatch.delenv("VESTIGE_CACHE")
    monkeypatch.setattr(Path, "home", _nowhere)
    assert receptive_fields(network(), ["b"])["b"].stride == (2, 2)
    assert found == [("b",), ("b",)]


def _nowhere() -> Path:
    raise RuntimeError("no home")


def test_pruning() -> None:
    receptive_fields(network(), ["b"])
    receptive_fields(network(size=(44, 36)), ["b"])
    old, new = (info.path for info in list_fields())
    os.utime(old, (1, 1))
    assert prune(larger_than=1_000_000).fields == ()
    assert prune(unfinished=True).fields == ()
    done = prune(older_than=3600)
    assert [info.path for info in done.fields] == [old]
    assert done.bytes == done.fields[0].bytes > 0
    assert [info.path for info in list_fields()] == [new]
    assert len(prune(everything=True).fields) == 1
    assert list_fields() == []


def test_a_use_counts_for_pruning() -> None:
    receptive_fields(network(), ["b"])
    (kept,) = list_fields()
    os.utime(kept.path, (1, 1))
    receptive_fields(network(), ["b"])
    assert prune(older_than=3600).fields == ()


def test_finding_leaves_the_network_and_threads_as_they_were() -> None:
    backbone = network()
    before, threads = hash_state(backbone.module.state_dict()), torch.get_num_threads()
    torch.set_num_threads(2)
    counts: list[tuple[int, int]] = []
    find_receptive_fields(backbone, ["a", "b"], lambda done, total: counts.append((done, total)))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert hash_state(backbone.module.state_dict()) == before
    assert counts[0] == (0, 2)
    assert counts[-1] == (2, 2)
    assert counts == sorted(counts)


def test_the_folder_is_named_once(root: Path) -> None:
    receptive_fields(network(), ["b"])
    assert [path.parent for path in root.rglob("*.json")] == [KeptFields.folder(root)]
