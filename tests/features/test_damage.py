"""Damage of every kind is found and mended, and no kill loses more than a batch."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.features import locks
from vestige.features.cache import list_stores, prune
from vestige.features.digests import crc32c, file_crc32c, zeros_crc32c
from vestige.features.extract import extract
from vestige.features.locks import StoreLock
from vestige.features.readout import Readout
from vestige.features.store import Features, factors_of, scaled
from vestige.features.writer import StoreWriter

N, BATCH = 610, 32
READS = [("scores", Readout("vector"))]


def run(tiny, stores, *, n=N, dtype="float16", progress=None, told=None, reads=READS):
    """An extraction of two chunks, of small numbers that are scaled, with a problem in each chunk."""
    backbone = tiny.backbone()
    backbone.module.scores.weight.mul_(1e-7)
    backbone.module.scores.bias.mul_(1e-7)
    return extract(
        backbone,
        tiny.crops(n, broken=(3, 600), told=told),
        reads,
        cache=stores,
        options=ExtractOptions(store_dtype=dtype, batch=BATCH),
        progress=progress,
    )


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """A cache with one store, and what is in it."""
    stores = tmp_path_factory.mktemp("whole")
    (features,) = run(tiny, stores)
    values = features.read()
    features.close()
    return stores, values


@pytest.fixture
def stores(whole, tmp_path):
    """A copy of it."""
    shutil.copytree(whole[0], tmp_path / "cache")
    return tmp_path / "cache"


def the_store(stores: Path) -> Path:
    return next(path.parent for path in stores.glob("*/zarr.json"))


def flip(path: Path, at: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << (at % 8)
    path.write_bytes(content)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def nan(path: Path) -> None:
    path.write_bytes(np.full(path.stat().st_size // 2, np.nan, np.float16).tobytes())


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def nest(path: Path) -> None:
    path.write_text("[" * 100_000)


def text(path: Path) -> None:
    path.write_text('"text"')


def absurd(path: Path) -> None:
    path.write_text(re.sub(r"\d", "9" * 40, path.read_text(), count=3))


def gone(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


FILES = ["c/0/0", "c/1/0", "digests/0.json", "digests/1.json", "problems/0.json", "problems/1.json", "zarr.json"]
CHUNKS = [flip, zeros, nan, cut, grow, gone]
DOCUMENTS = [flip, cut, nest, text, absurd, gone, folder]
CASES = [(file, damage) for file in FILES for damage in (CHUNKS if file.startswith("c/") else DOCUMENTS)]


@pytest.mark.parametrize(("file", "damage"), CASES, ids=lambda each: getattr(each, "__name__", each))
def test_damage_of_the_right_size_or_a_wrong_one_is_mended(tiny, whole, stores, file, damage):
    path = the_store(stores) / file
    for at in (path.stat().st_size // 3, path.stat().st_size - 1) if damage is flip else (None,):
        damage(path) if at is None else damage(path, at)
        (info,) = list_stores(stores)
        if not file.startswith("c/"):
            assert info.state == "damaged"
        with pytest.raises(VestigeError, match=str(the_store(stores)) if file != "zarr.json" else r"zarr\.json"):
            Features(path.parents[file.count("/")]).read()
        (mended,) = run(tiny, stores)
        assert np.array_equal(mended.read(), whole[1])
        mended.close()
        assert tiny.store_bytes(stores) == tiny.store_bytes(whole[0])
        assert list_stores(stores)[0].state == "complete"


@pytest.mark.parametrize("name", ["c", "digests", "problems"])
def test_a_file_where_a_folder_belongs_is_mended(tiny, whole, stores, name):
    shutil.rmtree(the_store(stores) / name)
    (the_store(stores) / name).write_text("in the way")
    assert list_stores(stores)[0].state == "damaged"
    assert np.array_equal(run(tiny, stores)[0].read(), whole[1])


@pytest.mark.parametrize("damage", DOCUMENTS, ids=lambda each: each.__name__)
def test_a_damaged_end_is_written_again(tiny, whole, stores, damage):
    path = the_store(stores) / "complete.json"
    damage(path, 30) if damage is flip else damage(path)
    assert list_stores(stores)[0].state == ("unfinished" if damage is gone else "damaged")
    decoded: list[int] = []
    (mended,) = run(tiny, stores, told=decoded.append)
    assert not decoded
    assert np.array_equal(mended.read(), whole[1])
    assert mended.provenance["created"].startswith("20")


def test_chunks_that_are_swapped_are_found(tiny, whole, stores):
    store = the_store(stores)
    first, second = (store / "c" / name for name in "01")
    first.rename(store / "c" / "x")
    second.rename(first)
    (store / "c" / "x").rename(second)
    with pytest.raises(VestigeError, match="chunk 0"):
        Features(store).read()
    for kind in ("digests",):  # and with what is told of them
        a, b = (store / kind / f"{name}.json" for name in "01")
        a.rename(store / kind / "x")
        b.rename(a)
        (store / kind / "x").rename(b)
    with pytest.raises(VestigeError, match=str(store)):
        Features(store).read()
    (mended,) = run(tiny, stores)
    assert np.array_equal(mended.read(), whole[1])


def test_a_wrong_scale_is_found(stores):
    path = the_store(stores) / "digests" / "0.json"
    told = json.loads(path.read_text())
    assert max(told["exponents"]) > 0
    told["exponents"] = [each + 1 for each in told["exponents"]]
    path.write_text(json.dumps(told))
    assert list_stores(stores)[0].state == "damaged"
    with pytest.raises(VestigeError, match="damaged"):
        Features(the_store(stores))


def test_a_store_of_another_version_is_not_read(tiny, stores, whole):
    path = the_store(stores) / "zarr.json"
    path.write_text(path.read_text().replace('"schema": 2', '"schema": 1'))
    assert list_stores(stores)[0].state == "damaged"
    with pytest.raises(VestigeError, match="another version"):
        Features(the_store(stores))
    assert np.array_equal(run(tiny, stores)[0].read(), whole[1])


def test_random_damage_is_an_error_or_harmless(tiny, whole, stores):
    draw = random.Random(0)
    store = the_store(stores)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    kept = {path: path.read_bytes() for path in files}
    for _ in range(200):
        path = draw.choice(files)
        content = bytearray(kept[path])
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if draw.random() < 0.3:
            content = content[: draw.randrange(len(content))]
        path.write_bytes(content)
        list_stores(stores)
        try:
            found = Features(store).read()
        except VestigeError:
            pass
        else:
            assert np.array_equal(found, whole[1])
        path.write_bytes(kept[path])
    assert np.array_equal(run(tiny, stores)[0].read(), whole[1])


class StopError(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 40, 300, 513, 600])
def test_stopped_anywhere_it_goes_on_at_the_last_batch_with_the_same_bytes(tiny, tmp_path, stop):
    def stopping(done: int, _total: int) -> None:
        if done >= stop:
            raise StopError

    reads = [*READS, ("late", Readout("gap"))]
    with pytest.raises(StopError):
        run(tiny, tmp_path / "stopped", progress=stopping, reads=reads)
    told: list[int] = []
    run(tiny, tmp_path / "stopped", progress=lambda done, _total: told.append(done), reads=reads)
    assert stop <= told[0] < stop + BATCH
    run(tiny, tmp_path / "unbroken", reads=reads)
    assert tiny.store_bytes(tmp_path / "stopped") == tiny.store_bytes(tmp_path / "unbroken")


@pytest.mark.parametrize("chunk", [0, 1])
def test_killed_between_the_last_batch_of_a_chunk_and_its_end(tiny, whole, tmp_path, monkeypatch, chunk):
    finish = StoreWriter.finish_chunk

    def stopping(writer: StoreWriter) -> None:
        if writer.missing[0] == chunk:
            raise StopError
        finish(writer)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "finish_chunk", stopping)
        with pytest.raises(StopError):
            run(tiny, tmp_path)
    told: list[int] = []
    (features,) = run(tiny, tmp_path, progress=lambda done, _total: told.append(done))
    assert told[0] == (512, N)[chunk]
    assert np.array_equal(features.read(), whole[1])
    assert tiny.store_bytes(tmp_path) == tiny.store_bytes(whole[0])


@pytest.mark.parametrize("name", ["0.partial", "rows.partial"])
@pytest.mark.parametrize("damage", [flip, cut, zeros, gone])
def test_a_damaged_beginning_is_not_gone_on_with(tiny, whole, tmp_path, name, damage):
    def stopping(done: int, _total: int) -> None:
        if done >= 300:
            raise StopError

    with pytest.raises(StopError):
        run(tiny, tmp_path, progress=stopping)
    (path,) = tmp_path.rglob(name)
    damage(path, path.stat().st_size // 2) if damage is flip else damage(path)
    (features,) = run(tiny, tmp_path)
    assert np.array_equal(features.read(), whole[1])
    assert tiny.store_bytes(tmp_path) == tiny.store_bytes(whole[0])


@pytest.mark.parametrize("refusal", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("with_locks", [True, False])
def test_a_complete_cache_that_cannot_be_written_is_read(tiny, whole, stores, monkeypatch, refusal, with_locks):
    if not with_locks:
        shutil.rmtree(stores / "locks")
    opened = os.open

    def refusing(path, flags, *rest, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(refusal, os.strerror(refusal), str(path))
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(locks.os, "open", refusing)
    monkeypatch.setattr(Path, "mkdir", lambda path, *_a, **_k: path.exists() or refusing(path, os.O_CREAT))
    (features,) = run(tiny, stores)
    assert np.array_equal(features.read(), whole[1])
    assert [info.state for info in list_stores(stores)] == ["complete"]
    with pytest.raises(VestigeError, match="cannot be written"):
        run(tiny, stores, n=5)
    with StoreLock(the_store(stores)) as lock, pytest.raises(VestigeError, match=os.strerror(refusal)):
        lock.try_exclusive()
    with pytest.raises(VestigeError, match=os.strerror(refusal)):
        prune(stores, everything=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, -0.5])
@pytest.mark.parametrize("name", ["older_than", "larger_than"])
def test_prune_refuses_numbers_that_mean_nothing(stores, name, value):
    with pytest.raises(VestigeError, match=name):
        prune(stores, **{name: value})
    assert len(list_stores(stores)) == 1


def test_digests_are_crc32c(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, 3_000_001, dtype=np.uint8)
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720
    (tmp_path / "file").write_bytes(data.tobytes())
    assert file_crc32c(tmp_path / "file") == crc32c(data) == crc32c(data[1000:], crc32c(data[:1000]))
    assert file_crc32c(tmp_path / "file", size=1000) == crc32c(data[:1000])
    assert zeros_crc32c(2_000_000, 7) == crc32c(bytes(2_000_000), 7)
    with pytest.raises(OSError, match="too early"):
        file_crc32c(tmp_path / "file", size=3_000_002)


@pytest.mark.parametrize("power", [-140, -60, -30, -14, 0, 10])
def test_small_numbers_keep_their_precision_in_float16(power):
    rows = np.ldexp(np.random.default_rng(0).normal(size=(50, 30)), power).astype(np.float32)
    rows[7] = 0
    kept = scaled(rows, "float16")
    factors = factors_of(kept.exponents)
    back = kept.rows.astype(np.float32) * (1 if factors is None else factors[:, None])
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if power > -100:
        assert (np.abs(back - rows) <= np.abs(rows) * 2**-11 + largest * 2**-25).all()
    assert np.array_equal(kept.rows[7], np.zeros(30))
    assert np.isfinite(kept.rows).all()
    alone = scaled(rows[3:4], "float16")
    assert np.array_equal(alone.rows, kept.rows[3:4])
    assert alone.exponents.tolist() == kept.exponents[3:4].tolist()


def test_numbers_that_need_no_scale_have_none():
    rows = np.array([[1.0, 1e-4], [3e4, 0.0], [0.0, 0.0]], dtype=np.float32)
    kept = scaled(rows, "float16")
    assert factors_of(kept.exponents) is None
    assert np.array_equal(kept.rows, rows.astype(np.float16))
    with pytest.raises(VestigeError, match="65504"):
        scaled(np.float32([[70000.0]]), "float16")
    assert scaled(rows, "float32").rows is rows
