"""Stores: slices, damage, locks, listing and pruning."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from vestige.errors import VestigeError
from vestige.features import writer
from vestige.features.cache import cache_root, list_stores, prune
from vestige.features.extract import extract
from vestige.features.layout import Description
from vestige.features.locks import StoreLock
from vestige.features.readout import Readout
from vestige.features.store import Features
from vestige.features.writer import StoreWriter


def described(n: int = 1100, d: int = 7, dtype: str = "float32", layer: str = "late") -> Description:
    """A store's description, made up."""
    return Description(
        "features", "tiny", "f" * 64, "w" * 64, "none", layer, "gap", {"batch": 4}, "p" * 64, n, d, dtype, min(n, 512)
    )


def filled(cache: Path, about: Description, problems: dict[int, str] | None = None) -> np.ndarray:
    """Write a store of random rows."""
    rows = np.random.default_rng(0).normal(size=(about.n, about.d)).astype(about.dtype)
    writer = StoreWriter(cache / about.key, about)
    for chunk in list(writer.missing):
        writer.start(chunk)
        here = about.rows(chunk)
        for part in (here[:5], here[5:]):
            writer.append(
                rows[part.start : part.stop], None, {row: text for row, text in (problems or {}).items() if row in part}
            )
        writer.finish_chunk()
    writer.finish({"created": "now"})
    return rows.astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_slices_as_numpy_does(tmp_path, dtype):
    about = described(dtype=dtype)
    rows = filled(tmp_path, about)
    features = Features(tmp_path / about.key)
    mask = np.arange(1100) % 3 == 0
    backwards = np.array([1099, 511, 512, 0, 511])
    for index in (
        np.s_[:],
        np.s_[500:530],
        np.s_[-3:],
        np.s_[::100],
        np.s_[7],
        np.s_[-1],
        np.s_[:, 2:5],
        np.s_[500:600, [4, 1]],
        np.s_[:, 3],
        np.s_[1099, 3],
        np.s_[backwards],
        np.s_[backwards, 1:3],
        np.s_[mask],
        np.s_[mask, ::2],
        np.s_[0:0],
        np.s_[[]],
    ):
        index = np.array([], dtype=int) if isinstance(index, list) and not index else index
        assert np.array_equal(features[index], rows[index]), index
        assert np.asarray(features[index]).dtype == np.float32
    assert np.array_equal(features.read(), rows)
    assert np.array_equal(features.read(mask), rows[mask])
    assert np.array_equal(features.read(backwards), rows[backwards])
    with pytest.raises(IndexError):
        features[1100]


def test_chunks_may_be_iterated_again(tmp_path):
    about = described()
    rows = filled(tmp_path, about)
    chunks = Features(tmp_path / about.key).chunks(300)
    assert [len(chunk) for chunk in chunks] == [300, 300, 300, 200]
    assert len(chunks) == 4
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(chunks)), rows)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_zarr_reads_the_same(tmp_path, dtype):
    about = described(dtype=dtype)
    rows = filled(tmp_path, about)
    array = Features(tmp_path / about.key).array
    assert isinstance(array, zarr.Array)
    assert (array.shape, array.chunks, array.dtype) == ((1100, 7), (512, 7), np.dtype(dtype))
    assert np.array_equal(array[:], rows)
    assert array.attrs["vestige"]["layer"] == "late"


def test_problems_come_back(tmp_path):
    about = described()
    problems = {3: "a.jpg: truncated", 512: "b.jpg: empty", 1099: "ü.jpg: gone"}
    filled(tmp_path, about, problems)
    features = Features(tmp_path / about.key)
    assert features.problems == problems
    assert np.flatnonzero(~features.valid).tolist() == [3, 512, 1099]


def test_provenance_tells_where_features_come_from(tiny, tmp_path):
    backbone = tiny.backbone()
    (features,) = extract(backbone, tiny.crops(4), [("late", Readout("gap"))], cache=tmp_path)
    told = features.provenance
    assert told["backbone"] == "tiny@random:0"
    assert told["weights_sha256"] == backbone.weights_sha256
    assert (told["layer"], told["readout"], told["n"], told["d"]) == ("late", "gap", 4, 10)
    assert told["numerics"]["precision"] == "float32"
    assert told["images_per_second"] > 0
    assert told["created"].startswith("20")
    assert json.loads(json.dumps(told)) == told


def cut_off(store: Path) -> None:
    """Truncate a chunk."""
    os.truncate(store / "c" / "1" / "0", 100)


def lose_chunk(store: Path) -> None:
    """Remove a chunk."""
    (store / "c" / "2" / "0").unlink()


def tamper_shape(store: Path) -> None:
    """Claim fewer rows."""
    path = store / "zarr.json"
    path.write_text(path.read_text().replace("1300", "1299"))


def tamper_layer(store: Path) -> None:
    """Claim another layer."""
    path = store / "zarr.json"
    path.write_text(path.read_text().replace('"late"', '"early"'))


def spoil_metadata(store: Path) -> None:
    """Write what is no JSON."""
    (store / "zarr.json").write_bytes(b"\x00\xff")


def spoil_problems(store: Path) -> None:
    """Write problems that are no JSON."""
    (store / "problems").mkdir()
    (store / "problems" / "0.json").write_text("{")


@pytest.mark.parametrize(
    "damage",
    [cut_off, lose_chunk, tamper_shape, tamper_layer, spoil_metadata, spoil_problems],
    ids=lambda f: f.__name__,
)
def test_damage_is_seen_and_mended(tiny, tmp_path, damage):
    reads = [("late", Readout("gap"))]
    (features,) = extract(tiny.backbone(), tiny.crops(1300), reads, cache=tmp_path)
    expected, before = features.read(), tiny.store_bytes(tmp_path)
    features.close()
    damage(features.path)
    (info,) = list_stores(tmp_path)
    assert info.state == "damaged"
    with pytest.raises(VestigeError, match=str(features.path)):
        Features(features.path)
    (mended,) = extract(tiny.backbone(), tiny.crops(1300), reads, cache=tmp_path)
    assert np.array_equal(mended.read(), expected)
    assert tiny.store_bytes(tmp_path) == before


def test_a_damaged_store_that_is_being_read_is_an_error(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_DAMAGED_SECONDS", 0.2)
    (features,) = extract(tiny.backbone(), tiny.crops(1300), [("late", Readout("gap"))], cache=tmp_path)
    cut_off(features.path)
    with pytest.raises(VestigeError, match=r"damaged.*another run"):
        extract(tiny.backbone(), tiny.crops(1300), [("late", Readout("gap"))], cache=tmp_path)
    with pytest.raises(VestigeError, match="chunk 1 is gone"):
        features.read()


def test_a_moved_store_is_not_taken_for_another(tmp_path):
    about = described()
    filled(tmp_path, about)
    moved = tmp_path / ("0" * 64)
    (tmp_path / about.key).rename(moved)
    with pytest.raises(VestigeError, match="changed"):
        Features(moved)


def test_readers_share_and_a_writer_is_alone(tmp_path):
    store = tmp_path / "store"
    with StoreLock(store) as one, StoreLock(store) as two, StoreLock(store) as three:
        assert one.try_shared()
        assert two.try_shared()
        assert not three.try_exclusive()
        one.close()
        two.close()
        assert three.try_exclusive()
        with StoreLock(store) as four:
            assert not four.try_shared()


def test_lists_what_is_stored(tmp_path):
    filled(tmp_path, described(layer="a"))
    unfinished = described(layer="b")
    writer = StoreWriter(tmp_path / unfinished.key, unfinished)
    writer.start(0)
    writer.append(np.zeros((512, 7), dtype=np.float32))
    writer.finish_chunk()
    (tmp_path / "notes.txt").write_text("no store")
    (tmp_path / "locks").mkdir(exist_ok=True)
    told = {info.layer: info for info in list_stores(tmp_path)}
    assert (told["a"].state, told["a"].rows, told["a"].n, told["a"].d) == ("complete", 1100, 1100, 7)
    assert (told["b"].state, told["b"].rows) == ("unfinished", 512)
    assert told["a"].bytes >= 1100 * 7 * 4
    assert list_stores(tmp_path / "nowhere") == []


def test_prune_removes_what_meets_every_condition(tmp_path):
    stores = {}
    for layer, n, age in (("small", 10, 0), ("old", 10, 9000), ("large", 5000, 0), ("large and old", 5000, 9000)):
        about = described(n=n, layer=layer)
        filled(tmp_path, about)
        stores[layer] = tmp_path / about.key
        for path in stores[layer].rglob("*"):
            os.utime(path, (time.time() - age,) * 2)
    half = described(layer="half")
    StoreWriter(tmp_path / half.key, half)

    def left() -> set[str]:
        return {info.layer for info in list_stores(tmp_path)}

    with pytest.raises(VestigeError, match="say which"):
        prune(tmp_path)
    with pytest.raises(VestigeError, match="say which"):
        prune(tmp_path, everything=True, unfinished=True)
    assert [info.layer for info in prune(tmp_path, unfinished=True).removed] == ["half"]
    done = prune(tmp_path, older_than=3600, larger_than=100_000)
    assert [info.layer for info in done.removed] == ["large and old"]
    assert done.bytes > 100_000
    assert left() == {"small", "old", "large"}
    prune(tmp_path, older_than=3600)
    assert left() == {"small", "large"}
    prune(tmp_path, larger_than=100_000)
    assert left() == {"small"}
    prune(tmp_path, everything=True)
    assert left() == set()


def test_prune_leaves_what_a_run_is_using(tmp_path):
    about = described()
    rows = filled(tmp_path, about)
    features = Features(tmp_path / about.key)
    done = prune(tmp_path, everything=True)
    assert not done.removed
    assert [info.key for info in done.in_use] == [about.key]
    assert np.array_equal(features.read(), rows)
    features.close()
    assert len(prune(tmp_path, everything=True).removed) == 1


def test_using_a_store_keeps_it_from_being_old(tmp_path):
    about = described()
    filled(tmp_path, about)
    for path in (tmp_path / about.key).rglob("*"):
        os.utime(path, (1.0, 1.0))
    Features(tmp_path / about.key).close()
    assert not prune(tmp_path, older_than=3600).removed


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("VESTIGE_CACHE")
    assert cache_root() == Path.home() / ".cache" / "vestige"


def test_the_data_that_a_store_is_of_is_told_and_plays_no_part_in_its_key(tmp_path):
    plain, sourced = described(), replace(described(), source="folder:mine")
    assert plain.key == sourced.key
    assert "source" not in plain.metadata()
    filled(tmp_path, sourced)
    (info,) = list_stores(tmp_path)
    assert info.source == "folder:mine"
    assert Features(tmp_path / plain.key).description == sourced
