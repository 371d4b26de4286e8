"""A cache in an object store: filled and read by several machines, killed, damaged, pruned, refused."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from functools import partial

import numpy as np
import pytest

from vestige.cli.main import main
from vestige.cluster.check import check
from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.errors import VestigeError
from vestige.features import extract as extraction
from vestige.features import remote
from vestige.features.cache import cache_root, list_stores, prune
from vestige.features.extract import extract
from vestige.features.remote import RemoteStores, remote_of
from vestige.features.store import Features
from vestige.object_stores import Place

pytestmark = pytest.mark.usefixtures("bucket")

N = 600  # pictures: two chunks


@pytest.fixture
def read(tiny):
    """Reads features; returns them and which pictures were decoded."""

    def reading(n=N, **options):
        decoded = []
        return extract(tiny.backbone(), tiny.crops(n, 0.0, (3,), decoded.append), tiny.READS, **options), decoded

    return reading


def digests(stores):
    """sha256 by name of the objects of stores, but for what tells when they were made; without the leases."""
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in stores.items()
        if not name.startswith("leases/") and not name.endswith("complete.json")
    }


def test_its_bytes_are_those_of_a_folder_and_another_machine_computes_nothing(bucket, tiny, read, machine, tmp_path):
    here, _ = read(cache=tmp_path / "folder")
    there, decoded = read()
    assert len(decoded) == N - 1
    assert digests(bucket.objects("cache")) == tiny.store_bytes(tmp_path / "folder")
    machine("other")
    again, decoded = read()
    assert decoded == []
    for one, two, three in zip(here, there, again, strict=True):
        assert one.problems == two.problems == three.problems
        assert len(one.problems) == 1
        assert np.array_equal(one.read(), two.read())
        assert np.array_equal(one.read(), three.read())
    assert {feature.path.parent for feature in again} == {cache_root()}
    assert tmp_path / "other" in cache_root().parents


def test_workers_of_a_cluster_write_there(bucket, tiny, tmp_path, monkeypatch):
    """Each by its own copies; the command copies what they wrote, and lacks nothing else."""
    for module in (tiny, sys.modules[__name__]):
        ray_library().cloudpickle.register_pickle_by_value(module)
    here = extract(tiny.backbone(), tiny.crops(N), tiny.READS, cache=tmp_path / "folder")
    own, filler, took = cache_root(), extraction._ChunkFiller, []
    theirs = tmp_path / "theirs" / own.relative_to(tmp_path / "machine")
    monkeypatch.setattr(extraction, "_ChunkFiller", partial(_with_copies_in, filler, theirs))
    copy = RemoteStores.copy_chunk
    monkeypatch.setattr(RemoteStores, "copy_chunk", lambda *args: took.append(args[-1]) or copy(*args))
    with Cluster.open("local") as cluster:
        assert [each.lacks for each in check(cluster, Place(bucket.url("cache")))] == [()]
        assert bucket.objects("cache") == {}
        there = extract(tiny.backbone(), tiny.crops(N), tiny.READS, cluster=cluster)
    assert sorted(took) == [0, 0, 1, 1]  # of two layers
    stored = {path.name for path in theirs.iterdir()}
    assert {features.path.name for features in there} <= stored
    assert digests(bucket.objects("cache")) == tiny.store_bytes(tmp_path / "folder")
    for one, two in zip(here, there, strict=True):
        np.testing.assert_array_equal(one.read(), two.read())


def _with_copies_in(filler, folder, *held):
    """What a worker on a machine with copies in another folder holds."""
    return filler(*held[:-1], folder)


def test_a_copy_is_read_without_the_object_store(read, monkeypatch):
    first, _ = read()
    monkeypatch.setattr(Place, "_system", property(lambda _self: pytest.fail("it was asked")))
    again, decoded = read()
    assert decoded == []
    assert np.array_equal(first[0].read(), again[0].read())


def test_features_that_are_opened_by_their_path_are_copied_first(read, machine):
    first, _ = read()
    machine("other")
    there = Features(cache_root() / first[0].path.name)
    assert np.array_equal(there.read(), first[0].read())


def test_of_two_machines_one_computes_and_both_read(scenes):
    folder, bucket = scenes
    one, two = (json.loads((folder / "together" / f"{name}.json").read_text()) for name in "ab")
    assert sorted([one["decoded"], two["decoded"]]) == [0, 1298]
    assert one["got"] == two["got"]
    assert digests(bucket.objects("together")) == digests(bucket.objects("killed"))


def test_a_killed_machine_leaves_its_chunks_to_the_next(scenes):
    folder, _ = scenes
    said = json.loads((folder / "killed" / "b.json").read_text())
    assert said["decoded"] == 1300 - 512 - 1  # the first chunk, and one that cannot be read
    assert said["got"] == json.loads((folder / "together" / "a.json").read_text())["got"]
    assert not (folder / "killed" / "a.json").exists()


class StoppedError(Exception):
    """Stands for a kill: nothing is released."""


def stop_after(monkeypatch, what, times):
    """Has a method of the remote stores do its work so many times; then the process is gone, as the others see it."""
    real, left = getattr(remote.RemoteStores, what), [times]

    def counted(self, *args):
        left[0] -= 1
        if left[0] < 0:
            raise StoppedError
        return real(self, *args)

    monkeypatch.setattr(remote.RemoteStores, what, counted)
    monkeypatch.setattr(remote.Lease, "release", lambda self: self._leases.drop(self))


@pytest.mark.parametrize(("what", "times", "left"), [("put_chunk", 0, 120), ("put_chunk", 3, 0), ("complete", 0, 0)])
def test_the_same_machine_goes_on_at_once(bucket, tiny, read, tmp_path, what, times, left):
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, what, times)
        with pytest.raises(StoppedError):
            read()
    assert not any(name.endswith("complete.json") for name in bucket.objects("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "_POLL_SECONDS", None)  # nothing is waited for
        _, decoded = read()
    assert len(decoded) == left
    read(cache=tmp_path / "folder")
    assert set(digests(bucket.objects("cache")).items()) == {
        each for each in tiny.store_bytes(tmp_path / "folder").items() if not each[0].startswith("locks/")
    }


def flip(bucket, name):
    content = bytearray(bucket.objects("cache")[name])
    content[len(content) // 2] ^= 1
    bucket.put(f"cache/{name}", bytes(content))


@pytest.mark.parametrize(
    ("how", "part"),
    [("changed", part) for part in ("c/0/0", "digests/0.json", "problems/0.json", "zarr.json", "complete.json")]
    + [("gone", "c/0/0"), ("gone", "zarr.json"), ("cut off", "c/0/0")],
)
def test_what_is_damaged_is_mended_there(bucket, read, machine, how, part):
    first, _ = read(N)
    before = digests(bucket.objects("cache"))
    name = f"{first[0].path.name}/{part}"
    if how == "changed":
        flip(bucket, name)
    elif how == "gone":
        bucket.remove(f"cache/{name}")
    else:
        bucket.put(f"cache/{name}", bucket.objects("cache")[name][:-1])
    machine("other")
    again, decoded = read(N)
    assert len(decoded) == (511 if part[0] in "cdp" and part != "complete.json" else 0)  # the chunk, but for one
    assert digests(bucket.objects("cache")) == before
    assert np.array_equal(first[0].read(), again[0].read())
    assert [info.state for info in list_stores()] == ["complete"] * 2


def test_an_object_store_without_conditional_writes_is_told(read, monkeypatch):
    def always(self, name, content):
        self.write(name, content)
        return True

    monkeypatch.setattr(Place, "create", always)
    with pytest.raises(VestigeError, match=r"If-None-Match.*VESTIGE_CACHE"):
        read(10)


def test_stores_in_it_are_listed_and_pruned(bucket, read, machine):
    before = int(time.time())  # an object store tells whole seconds
    first, _ = read(10)
    infos = {info.key: info for info in list_stores()}
    for features in first:
        info = infos[features.path.name]
        assert (info.state, info.rows, info.n, info.layer) == ("complete", 10, 10, features.description.layer)
        assert info.url == bucket.url(f"cache/{info.key}")
        assert info.about == features.description
        assert info.bytes == sum(map(len, bucket.objects(f"cache/{info.key}").values()))
        assert before <= info.used <= time.time()
        features.close()
    assert {info.url for info in list_stores(copies=True)} == {""}
    assert len(prune(everything=True, copies=True).removed) == 2
    assert list_stores(copies=True) == []
    assert len(list_stores()) == 2
    assert prune(older_than=3600).removed == ()
    machine("other")
    (again, _), _ = read(10)
    done = prune(everything=True)  # one copy is being read here
    assert [info.key for info in done.in_use] == [first[0].path.name]
    again.close()
    assert len(prune(everything=True).removed) == 1
    assert [name for name in bucket.objects("cache") if not name.startswith("leases/")] == []
    assert list_stores() == list_stores(copies=True) == []


def test_what_a_dead_machine_left_is_pruned(read, machine, monkeypatch):
    monkeypatch.setattr(remote, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr("vestige.features.cache.LEASE_SECONDS", 0.3)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, "put_chunk", 2)
        with pytest.raises(StoppedError):
            read()
    machine("other")
    assert {info.state for info in list_stores()} == {"unfinished"}
    assert len(prune(unfinished=True).removed) == 2
    assert list_stores() == []


def test_a_store_that_is_used_is_not_an_old_one(read, monkeypatch):
    (features, _), _ = read(10)
    complete = features.path / "complete.json"
    os.utime(complete, (1.0, 1.0))
    seen = []
    monkeypatch.setattr(Place, "write", lambda _self, name, _content: seen.append(name))
    read(10)
    read(10)
    assert seen == [f"{features.path.name}/complete.json"]


def vestige(monkeypatch, capsys, *words):
    """What a command prints, and its status."""
    monkeypatch.setattr(sys, "argv", ["vestige", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return capsys.readouterr().out, stop.value.code


def test_the_command_line(bucket, monkeypatch, capsys, machine, tmp_path):
    words = ["probe", "landmarks", "synthetic:faces,n=40,seed=1", "--test", "synthetic:faces,n=20,seed=2"]
    words += ["--layer", "block0", "--readout", "gap", "--untrained", "0", "--no-mirror", "--no-look-back"]
    monkeypatch.setattr("vestige.pages.show", lambda run: run.report_path.touch())  # rows are compared
    rows = []
    for name in ("one", "two"):
        machine(name)
        _, status = vestige(monkeypatch, capsys, *words, "-o", tmp_path / f"run-{name}")
        assert status in (0, None)
        rows.append(json.loads((tmp_path / f"run-{name}" / "results.json").read_text())["rows"])
    assert rows[0] == rows[1]
    listed = json.loads(vestige(monkeypatch, capsys, "cache", "--json")[0])
    assert listed["cache"] == bucket.url("cache")
    assert {store["state"] for store in listed["stores"]} == {"complete"}
    assert all(store["url"] == bucket.url(f"cache/{store['path'].split('/')[-1]}") for store in listed["stores"])
    copies = json.loads(vestige(monkeypatch, capsys, "cache", "--copies", "--json")[0])
    assert copies["cache"] == str(remote_of(cache_root()).root)
    assert len(copies["stores"]) == len(listed["stores"]) > 0
    assert bucket.url("cache") in vestige(monkeypatch, capsys, "cache")[0]
    vestige(monkeypatch, capsys, "cache", "--prune", "--all")
    assert json.loads(vestige(monkeypatch, capsys, "cache", "--json")[0])["stores"] == []
