"""``vestige cluster check``: what machines lack is told, and nothing where they lack nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from vestige.cluster import check as module
from vestige.cluster.check import NOT_SHARED, Checked, Node, Seen, Shared, check, look
from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError


def test_machines_that_lack_nothing(cluster: Cluster, tiny: ModuleType, tmp_path: Path) -> None:
    found = check(cluster, tmp_path / "cache", [tiny.Noise(1), tiny.Broken(2)])
    assert [each.lacks for each in found] == [(), ()]
    assert [each.node for each in found] == list(cluster.nodes)
    assert all(abs(each.clock) < 1 for each in found)
    assert [each.seen for each in found] == [found[0].seen] * 2
    assert not list((tmp_path / "cache").iterdir())


def test_a_folder_of_its_own_is_not_shared(tmp_path: Path) -> None:
    """A machine without the folder that the others write into has its own cache, and keeps nothing of the check."""
    shared, own = (Shared(tmp_path / name, "check") for name in ("shared", "own"))
    own.cache.mkdir()
    shared.open()
    assert shared.write("a") == ""
    assert NOT_SHARED in own.write("a")
    assert (shared.missing(["a", "b"]), own.missing(["a", "b"])) == (("b",), ("a", "b"))
    shared.remove(["a"])
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "own", tmp_path / "shared"]


def test_a_cache_that_cannot_be_written_is_told(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VestigeError, match="cache: cannot be written"):
        check(cluster, tmp_path / "file" / "cache")


def lacks(seen: Seen, here: Seen, folder: Path, unseen: tuple[str, ...] = (), ahead: float = 0.0) -> Checked:
    node, shared = Node("a", "host", 2, 1), Shared(folder, "check")
    return Checked(node, seen, ahead, tuple(module._lacks(node, seen, here, shared, unseen, ahead)))


def test_each_lack_is_told(tiny: ModuleType, tmp_path: Path) -> None:
    shared = Shared(tmp_path, "check")
    shared.open()
    here = replace(look(shared, "a", [tiny.Noise(1)]), gpus=1)
    assert lacks(here, here, tmp_path).lacks == ()
    for other, named in (
        (replace(here, python="3.9.1"), "Python 3.9.1"),
        (replace(here, versions={**here.versions, "torch": "1.0"}), "torch 1.0"),
        (replace(here, versions={**here.versions, "ray": ""}), "ray is not installed"),
        (replace(here, gpus=0), "1 GPUs"),
        (replace(here, wrote="cannot be written: No space left on device"), "No space left"),
        (replace(here, pictures=("a.png: cannot be read",)), "a.png: cannot be read"),
    ):
        (told,) = lacks(other, here, tmp_path).lacks
        assert named in told
    assert NOT_SHARED in lacks(here, here, tmp_path, unseen=("driver",)).lacks[0]
    assert "61 s behind" in lacks(here, here, tmp_path, ahead=-61.0).lacks[0]
