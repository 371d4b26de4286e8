"""Places in object stores: what is refused, leases, and data that is read from there."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from shutil import rmtree
from types import SimpleNamespace

import numpy as np
import pytest
from fsspec.registry import _registry
from PIL import Image

from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.features import remote
from vestige.features.cache import list_stores, prune
from vestige.features.remote import Leases
from vestige.object_stores import Place, copied, list_copies

pytestmark = pytest.mark.usefixtures("bucket")


def test_what_the_object_store_refuses_is_told(monkeypatch):
    monkeypatch.setenv("VESTIGE_CACHE", "s3://no-such-bucket-here/cache")
    for do in (
        lambda place: place.write("a", b""),
        lambda place: place.objects(),
        lambda place: place.create("a", b""),
    ):
        with pytest.raises(VestigeError, match=r"s3://no-such-bucket-here/cache.*bucket"):
            do(Place("s3://no-such-bucket-here/cache"))
    with pytest.raises(VestigeError, match="s3://no-such-bucket-here/cache"):
        list_stores()
    for url in ("s3://", "s3:///path", "s3://bucket/../x", "s3://bucket//x"):
        with pytest.raises(VestigeError, match="s3://bucket/path"):
            Place(url)
    with pytest.raises(VestigeError, match="nonsense"):
        Place("nonsense://bucket/path").objects()


def test_a_driver_that_is_not_installed_is_told(bucket, monkeypatch):
    monkeypatch.delitem(_registry, "s3")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(VestigeError, match=r"pip install 'vestige\[s3\]'"):
        Place(bucket.url("driver")).objects()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(VestigeError, match=r"pip install 'vestige\[s3\]'"):
        Place(bucket.url("fsspec")).objects()


@pytest.mark.parametrize("doing", ["list", "read", "write", "get"])
def test_credentials_that_are_missing_or_refused_are_told(bucket, tmp_path, doing):
    class NoCredentialsError(Exception):
        pass

    place = Place(bucket.url("cache"))
    do = {
        "list": lambda: place.objects(),
        "read": lambda: place.read("a"),
        "write": lambda: place.write("a", b""),
        "get": lambda: place.get("a", tmp_path / "a"),
    }[doing]
    for error in (NoCredentialsError("Unable to locate credentials"), PermissionError("Access Denied")):

        class Refusing:
            def __getattr__(self, _name, error=error):
                def refuse(*_args, **_options):
                    raise error

                return refuse

        place.__dict__["_system"] = Refusing()
        with pytest.raises(VestigeError, match=rf"cache.*{error}.*AWS_ACCESS_KEY_ID"):
            do()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def leases(bucket):
    """Two machines' leases."""
    return [Leases(Place(bucket.url("cache")), name) for name in ("one", "two")]


def test_a_lease_is_one_machines_until_it_is_released(leases):
    one, two = leases
    held = one.take("key")
    assert held is not None
    assert two.take("key") is None
    held.release()
    taken = two.take("key")
    assert taken is not None
    assert one.take("key") is None
    taken.release()


def test_a_lease_that_is_renewed_no_longer_is_taken_over(leases, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(remote, "_RENEW_SECONDS", 0.02)
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    one, two, others = *leases, set(threading.enumerate())
    held = one.take("key")
    (name,) = one.place.objects("leases")
    for _ in range(3):
        assert two.take("key") is None
        before = one.place.read(f"leases/{name}")
        while one.place.read(f"leases/{name}") == before:  # until it is renewed
            time.sleep(0.01)
        now[0] += 2 * remote.LEASE_SECONDS
    one.drop(held)
    (renewing,) = (thread for thread in set(threading.enumerate()) - others if thread.name == "vestige-leases")
    renewing.join()
    assert two.take("key") is None  # it was renewed since the last look
    now[0] += remote.LEASE_SECONDS - 1
    assert two.take("key") is None
    now[0] += 1
    taken = two.take("key")
    assert taken is not None
    held.renew()  # of one that was stopped for long: the lease is the other's all the same
    assert one.take("key") is None
    taken.release()


def test_of_many_that_take_a_lease_at_once_one_gets_it(bucket):
    machines = [Leases(Place(bucket.url("cache")), str(name)) for name in range(6)]
    for lap in range(3):
        with ThreadPoolExecutor(len(machines)) as pool:
            got = list(pool.map(lambda each: each.take("key"), machines))
        (held,) = (lease for lease in got if lease is not None)
        held.release()
        assert len(bucket.objects("cache/leases/key")) == 1, lap


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures of two scenes."""
    for seed, name in enumerate(("abbey/1.png", "abbey/2.png", "bar/3.png", "bar/4.png", "bar/5.png")):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def test_data_in_an_object_store_is_the_data_in_a_folder(bucket, pictures):
    bucket.upload(pictures, "data/pictures")
    bucket.put("data/pictures-not-these/6.png", b"")
    here, there = open_dataset(f"folder:{pictures}"), open_dataset(f"folder:{bucket.url('data/pictures')}")
    assert here.fingerprint == there.fingerprint
    assert [(e.id, e.group, e.scene) for e in here] == [(e.id, e.group, e.scene) for e in there]
    assert all(np.array_equal(a.image.read(), b.image.read()) for a, b in zip(here, there, strict=True))
    assert there.spec == f"folder:{bucket.url('data/pictures')}"
    train, test = (f"folder:{bucket.url('data/pictures')},fold={fold}/5" for fold in ("1-4", "5"))
    assert sum(map(len, open_train_test(train, test))) == 5


def test_only_what_changed_is_copied_again(bucket, pictures, monkeypatch):
    url = bucket.url("pictures")
    bucket.upload(pictures, "pictures")
    copied(url)
    got, real = [], Place.get
    monkeypatch.setattr(Place, "get", lambda self, name, *rest: got.append(name) or real(self, name, *rest))
    copied(url)
    assert got == []
    bucket.put("pictures/bar/3.png", (pictures / "abbey" / "1.png").read_bytes() + b"longer")
    bucket.put("pictures/new/6.png", b"new")
    bucket.remove("pictures/abbey")
    folder = copied(url)
    assert sorted(got) == ["bar/3.png", "new/6.png"]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
    assert found == bucket.objects("pictures")
    assert not (folder / "abbey").exists()
    bucket.remove("pictures/bar")
    bucket.put("pictures/bar", b"a file now")
    assert (copied(url) / "bar").read_bytes() == b"a file now"


def test_a_picture_that_another_machine_copied_is_copied_here_when_it_is_read(bucket, pictures):
    bucket.upload(pictures, "pictures")
    dataset = open_dataset(f"folder:{bucket.url('pictures')}")
    before = [example.image.read() for example in dataset]
    rmtree(dataset[0].image.path.parent.parent)
    assert all(np.array_equal(example.image.read(), pixels) for example, pixels in zip(dataset, before, strict=True))
    bucket.remove("pictures/bar/3.png")
    gone = next(example for example in dataset if example.id == "bar/3.png")
    gone.image.path.unlink()
    with pytest.raises(VestigeError, match=r"bar/3\.png.*does not exist"):
        gone.image.read()


def test_damaged_and_missing_objects_are_told_as_files_are(bucket, pictures):
    bucket.upload(pictures, "pictures")
    bucket.put("pictures/bar/3.png", (pictures / "bar/3.png").read_bytes()[:-500])
    bucket.put("pictures/bar/4.png", b"")
    dataset = open_dataset(f"folder:{bucket.url('pictures')}")
    assert len(dataset) == 3
    assert sorted(problem.file.rsplit("/", 1)[-1] for problem in dataset.skipped) == ["3.png", "4.png"]
    with pytest.raises(VestigeError, match=bucket.url("nothing")):
        open_dataset(f"folder:{bucket.url('nothing')}")


class Listing:
    """An object store that lists what no folder can hold; some let anything be a name."""

    def __init__(self, root):
        names = ("../out.png", "a/../../out.png", "/x", "a//b", "a/", "", "fine.png")
        self.names = {f"{root}/{name}".rstrip("/") if not name else f"{root}/{name}": {"size": 1} for name in names}

    def find(self, _path, **_options):
        return self.names

    def _strip_protocol(self, path):
        return path


def test_names_that_lead_out_of_the_folder_are_left_out():
    place = Place("s3://bucket/pictures")
    place.__dict__["_system"] = Listing("bucket/pictures")
    assert set(place.objects()) == {"", "fine.png"}


def test_copies_of_data_are_listed_and_pruned(bucket, pictures):
    bucket.upload(pictures, "pictures")
    folder = copied(bucket.url("pictures"))
    copied(bucket.url("pictures/bar"))  # a part of it
    (copy,) = list_copies()
    assert (copy.path, copy.url) == (folder, bucket.url("pictures"))
    assert copy.bytes > 0
    assert prune(older_than=3600).data == ()
    os.utime(folder / ".vestige-copy", (1.0, 1.0))
    assert [each.url for each in prune(older_than=3600).data] == [bucket.url("pictures")]
    assert list_copies() == []
    assert len(open_dataset(f"folder:{bucket.url('pictures')}")) == 5
