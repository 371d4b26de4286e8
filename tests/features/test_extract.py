"""Extraction: right numbers, right rows, and no store read for anything but what it was made of."""

from __future__ import annotations

import errno
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vestige.backbones import Backbone
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features import writer
from vestige.features.cache import list_stores
from vestige.features.extract import extract
from vestige.features.readout import Readout, parse_readout
from vestige.features.store import Features
from vestige.images import Crop, ImageFile

FLAT, GAP, VECTOR = Readout("flat"), Readout("gap"), Readout("vector")


def by_hand(backbone: Backbone, crops: list[Crop], layer: str) -> np.ndarray:
    """A layer's outputs, flattened: pixels from the crops one by one, plain layout, nothing folded."""
    size, interpolation = backbone.preprocessing.size, backbone.preprocessing.interpolation
    x = backbone.preprocessing(np.stack([crop.pixels(size, interpolation) for crop in crops])).contiguous()
    with torch.no_grad():
        return backbone.run(x, [layer])[layer].flatten(1).numpy()


def test_rows_are_the_network_s_outputs(tiny, tmp_path):
    backbone, crops = tiny.backbone(), tiny.crops(77)
    crops = [each for crop in crops for each in (crop, replace(crop, mirrored=True), replace(crop, box=None))]
    reads = [("early", FLAT), ("late", GAP), ("scores", VECTOR), ("late", parse_readout("grid:3"))]
    early, late, scores, grid = extract(backbone, crops, reads, cache=tmp_path)
    assert [each.shape for each in (early, late, scores, grid)] == [(231, 864), (231, 10), (231, 7), (231, 90)]
    np.testing.assert_allclose(early.read(), by_hand(backbone, crops, "early"), atol=2e-5)
    expected = by_hand(backbone, crops, "late").reshape(231, 10, 36).mean(axis=2)
    np.testing.assert_allclose(late.read(), expected, atol=2e-5)
    np.testing.assert_allclose(scores.read(), by_hand(backbone, crops, "scores"), atol=2e-5)
    assert early.valid.all()
    assert not early.problems


def test_many_chunks_keep_their_order(tiny, tmp_path):
    backbone, crops = tiny.backbone(), tiny.crops(1100)
    (features,) = extract(backbone, crops, [("late", FLAT)], cache=tmp_path, options=ExtractOptions(batch=30))
    np.testing.assert_allclose(features.read(), by_hand(backbone, crops, "late"), atol=2e-5)


def test_the_backbone_is_left_as_it_was(tiny, tmp_path):
    backbone = tiny.backbone()
    before = backbone.fingerprint
    extract(backbone, tiny.crops(3), [("late", FLAT)], cache=tmp_path, options=ExtractOptions(precision="bfloat16"))
    again = Backbone(backbone.spec, backbone.module, backbone.preprocessing, backbone.paths)
    assert again.fingerprint == before


def test_what_is_stored_is_read_and_the_rest_computed_in_one_pass(tiny, tmp_path):
    decoded: list[int] = []
    crops = tiny.crops(40, told=decoded.append)
    (first,) = extract(tiny.backbone(), crops, [("early", FLAT)], cache=tmp_path)
    assert len(decoded) == 40
    (again,) = extract(tiny.backbone(), crops, [("early", FLAT)], cache=tmp_path)
    assert len(decoded) == 40
    assert again.path == first.path
    three = extract(tiny.backbone(), crops, [("late", FLAT), ("early", FLAT), ("scores", VECTOR)], cache=tmp_path)
    assert len(decoded) == 80
    assert three[1].path == first.path
    assert len(list_stores(tmp_path)) == 3


def test_the_same_read_twice_is_stored_once(tiny, tmp_path):
    one, two = extract(tiny.backbone(), tiny.crops(5), [("late", GAP), ("late", GAP)], cache=tmp_path)
    assert one.path == two.path
    assert len(list_stores(tmp_path)) == 1


def test_whatever_changes_the_features_changes_the_store(tiny, tmp_path):
    crops = tiny.crops(9)
    moved = [replace(crop, box=(2.0, 1.0, 27.0, 26.5)) for crop in crops]

    def store(backbone=None, crops=crops, layer="late", readout=GAP, **options) -> Path:
        backbone = backbone or tiny.backbone()
        return extract(backbone, crops, [(layer, readout)], cache=tmp_path, options=ExtractOptions(**options))[0].path

    changed_norm = tiny.backbone()
    changed_norm.module.late[1].running_mean += 0.1
    stores = [
        store(),
        store(tiny.backbone(seed=1)),
        store(changed_norm),
        store(tiny.backbone(interpolation="bicubic")),
        store(crops=moved),
        store(crops=[replace(crop, mirrored=True) for crop in crops]),
        store(crops=crops[::-1]),
        store(crops=crops[:-1]),
        store(crops=[*crops[:-1], tiny.crops(10)[-1]]),
        store(layer="early"),
        store(readout=FLAT),
        store(precision="bfloat16"),
        store(store_dtype="float16"),
        store(batch=4),
    ]
    assert len(set(stores)) == len(stores)
    assert store() == store(workers=3) == stores[0]


def test_a_changed_file_is_read_anew(tiny, tmp_path):
    path = tmp_path / "a.png"
    found = []
    for shade in (10, 200):
        Image.new("RGB", (30, 30), (shade, 0, 0)).save(path)
        crops = [Crop(Example("a", "a", ImageFile(path)))]
        found.append(extract(tiny.backbone(), crops, [("early", FLAT)], cache=tmp_path / "cache")[0].read())
    assert np.abs(found[0] - found[1]).max() > 0.1


def test_unreadable_pictures_are_told_and_the_others_go_on(tiny, tmp_path):
    good = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(good, "JPEG")
    contents = {
        "good.jpg": good.getvalue(),
        "truncated.jpg": good.getvalue()[:400],
        "empty.jpg": b"",
        "binary.jpg": bytes(range(256)) * 4,
        "good2.jpg": good.getvalue(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    names = [*contents, "missing.jpg"]
    crops = [
        Crop(Example(name, name, ImageFile(tmp_path / name)), None, mirrored)
        for name in names
        for mirrored in (False, True)
    ]
    (features,) = extract(tiny.backbone(), crops, [("late", FLAT)], cache=tmp_path / "cache")
    bad = [2, 3, 4, 5, 6, 7, 10, 11]
    assert sorted(features.problems) == bad
    assert np.flatnonzero(~features.valid).tolist() == bad
    assert all(names[row // 2] in features.problems[row] for row in bad)
    rows = features.read()
    assert not rows[bad].any()
    assert (rows[0] != rows[1]).any()
    np.testing.assert_allclose(rows[[0, 1]], rows[[8, 9]], atol=1e-6)


def test_an_empty_box_is_a_problem_of_its_row_alone(tiny, tmp_path):
    crop = tiny.crops(1)[0]
    crops = [crop, replace(crop, box=(5.0, 5.0, 5.0, 9.0)), crop]
    (features,) = extract(tiny.backbone(), crops, [("late", FLAT)], cache=tmp_path)
    assert features.valid.tolist() == [True, False, True]
    assert "is empty" in features.problems[1]


class Rooted(nn.Module):
    """Square roots of mean shades below 60 are not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.root = nn.Sequential(nn.AdaptiveAvgPool2d(1), Root())

    def forward(self, x):
        return self.root(x)


class Root(nn.Module):
    """``sqrt(x)``."""

    def forward(self, x):
        return torch.sqrt(x)


def test_numbers_that_are_not_finite_never_reach_a_store(tiny, tmp_path):
    for shade in (10, 250):
        Image.new("RGB", (30, 30), (shade,) * 3).save(tmp_path / f"{shade}.png")
    backbone = Backbone("rooted", Rooted(), tiny.backbone().preprocessing, {"root": "root"})
    crops = [Crop(Example(str(s), str(s), ImageFile(tmp_path / f"{s}.png"))) for s in (250, 10)]
    for features in extract(backbone, crops, [("root", VECTOR), ("root", FLAT)], cache=tmp_path / "cache"):
        assert features.valid.tolist() == [True, False]
        assert "not finite" in features.problems[1]
        assert np.isfinite(features.read()).all()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_is_near(tiny, tmp_path, precision):
    exact, near = (
        extract(tiny.backbone(), tiny.crops(40), [("early", FLAT)], cache=tmp_path, options=options)[0].read()
        for options in (ExtractOptions(), ExtractOptions(precision=precision))
    )
    assert 0 < np.abs(exact - near).max() < 0.05 * np.abs(exact).max()


def test_half_precision_on_disk(tiny, tmp_path):
    exact, near = (
        extract(tiny.backbone(), tiny.crops(40), [("early", FLAT)], cache=tmp_path, options=options)[0]
        for options in (ExtractOptions(), ExtractOptions(store_dtype="float16"))
    )
    assert near.read().dtype == np.float32
    assert np.array_equal(near.read(), exact.read().astype(np.float16).astype(np.float32))
    assert near.description.bytes * 2 == exact.description.bytes


def test_numbers_too_large_for_half_precision_are_an_error(tiny, tmp_path):
    backbone = tiny.backbone()
    backbone.module.scores.weight.mul_(1e7)
    with pytest.raises(VestigeError, match="65504"):
        extract(
            backbone, tiny.crops(4), [("scores", VECTOR)], cache=tmp_path, options=ExtractOptions(store_dtype="float16")
        )


def test_progress_counts_rows(tiny, tmp_path):
    told: list[tuple[int, int]] = []
    extract(
        tiny.backbone(),
        tiny.crops(70),
        [("late", GAP)],
        cache=tmp_path,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(0, 70), (32, 70), (64, 70), (70, 70)]


class FullDisk(io.FileIO):
    """A file on a disk with little space left."""

    left = 0

    def write(self, data) -> int:
        if not FullDisk.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(FullDisk.left, len(data))
        FullDisk.left -= taken
        return super().write(bytes(data[:taken]))


def test_a_full_disk_is_one_error_and_the_next_run_goes_on(tiny, tmp_path, monkeypatch):
    crops = tiny.crops(1300)
    (expected,) = extract(tiny.backbone(), crops, [("late", FLAT)], cache=tmp_path / "other")
    with monkeypatch.context() as patch:
        opened = Path.open
        patch.setattr(
            Path,
            "open",
            lambda path, mode="r", *a, **k: FullDisk(path, mode) if mode == "wb" else opened(path, mode, *a, **k),
        )
        FullDisk.left = 2 * expected.description.chunk_bytes - 1000
        with pytest.raises(VestigeError, match=r"space.*VESTIGE_CACHE"):
            extract(tiny.backbone(), crops, [("late", FLAT)], cache=tmp_path / "full")
    (info,) = list_stores(tmp_path / "full")
    assert (info.state, info.rows) == ("unfinished", 512)
    assert not list(tmp_path.rglob("*.partial"))
    with pytest.raises(VestigeError, match="unfinished"):
        Features(info.path)
    told: list[int] = []
    (features,) = extract(
        tiny.backbone(),
        crops,
        [("late", FLAT)],
        cache=tmp_path / "full",
        progress=lambda done, _total: told.append(done),
    )
    assert told[0] == 512
    assert np.array_equal(features.read(), expected.read())


def test_too_little_space_is_told_before_anything_is_computed(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "free_bytes", lambda _path: 1000)
    with pytest.raises(VestigeError, match="are free"):
        extract(tiny.backbone(), tiny.crops(40), [("late", FLAT)], cache=tmp_path)


def test_a_cache_that_cannot_be_made_is_one_error(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VestigeError, match="cannot be written"):
        extract(tiny.backbone(), tiny.crops(4), [("late", FLAT)], cache=tmp_path / "file" / "cache")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"precision": "int8"}, "float32, bfloat16, float16"),
        ({"store_dtype": "float64"}, "float32, float16"),
        ({"batch": 0}, "1 to 512"),
        ({"workers": 0}, "from 1"),
    ],
)
def test_options_are_checked(options, told):
    with pytest.raises(VestigeError, match=told):
        ExtractOptions(**options)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_an_error(device):
    with pytest.raises(VestigeError, match=device):
        ExtractOptions(device=device).torch_device()


def test_auto_finds_a_device():
    assert ExtractOptions(device="auto").torch_device().type in ("cpu", "cuda", "mps")


def test_nothing_to_extract_is_an_error(tiny, tmp_path):
    with pytest.raises(VestigeError, match="0 crops"):
        extract(tiny.backbone(), [], [("late", GAP)], cache=tmp_path)
    with pytest.raises(VestigeError, match="late"):
        extract(tiny.backbone(), tiny.crops(2), [("late", VECTOR)], cache=tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_not_kept_has_the_same_bytes_and_leaves_nothing(tiny, tmp_path, dtype):
    crops, options = tiny.crops(700, broken=(3, 600)), ExtractOptions(store_dtype=dtype)
    stored = extract(tiny.backbone(), crops, tiny.READS, cache=tmp_path / "kept", options=options)
    held = extract(tiny.backbone(), crops, tiny.READS, cache=tmp_path / "none", options=options, keep=False)
    assert not (tmp_path / "none").exists()
    for one, other in zip(stored, held, strict=True):
        assert one.read().tobytes() == other.read().tobytes()
        for index in (np.s_[600:602], np.s_[-1], np.s_[[512, 3], 2:5], np.s_[::100, 1]):
            assert np.array_equal(one[index], other[index])
        assert np.array_equal(np.concatenate(list(other.chunks(300))), one.read())
        assert np.array_equal(one.array[:], other.array[:])
        assert other.problems == one.problems
        assert np.array_equal(other.valid, one.valid)
        assert other.provenance.keys() == one.provenance.keys()
        other.close()
