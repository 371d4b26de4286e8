"""``vestige cluster check``: what machines lack is told, and nothing where they lack nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from vestige.cluster import check as module
from vestige.cluster.check import Checked, Node, Seen, check, look
from vestige.cluster.cluster import Cluster


def test_machines_that_lack_nothing(cluster: Cluster, tiny: ModuleType, tmp_path: Path) -> None:
    found = check(cluster, tmp_path / "cache", [tiny.Noise(1), tiny.Broken(2)])
    assert [each.lacks for each in found] == [(), ()]
    assert [each.node for each in found] == list(cluster.nodes)
    assert all(abs(each.clock) < 1 for each in found)
    assert [each.seen for each in found] == [found[0].seen] * 2
    assert not list((tmp_path / "cache").iterdir())


def lacks(seen: Seen, here: Seen, folder: Path, unseen: tuple[str, ...] = (), ahead: float = 0.0) -> Checked:
    node = Node("a", "host", 2, 1)
    return Checked(node, seen, ahead, tuple(module._lacks(node, seen, here, folder, unseen, ahead)))


def test_each_lack_is_told(tiny: ModuleType, tmp_path: Path) -> None:
    here = replace(look(tmp_path / "a", [tiny.Noise(1)]), gpus=1)
    assert lacks(here, here, tmp_path).lacks == ()
    for other, named in (
        (replace(here, python="3.9.1"), "Python 3.9.1"),
        (replace(here, versions={**here.versions, "torch": "1.0"}), "torch 1.0"),
        (replace(here, versions={**here.versions, "ray": ""}), "ray is not installed"),
        (replace(here, gpus=0), "1 GPUs"),
        (replace(here, wrote="No space left on device"), "No space left"),
        (replace(here, pictures=("a.png: cannot be read",)), "a.png: cannot be read"),
    ):
        (told,) = lacks(other, here, tmp_path).lacks
        assert named in told
    assert "same folder" in lacks(here, here, tmp_path, unseen=("driver",)).lacks[0]
    assert "61 s behind" in lacks(here, here, tmp_path, ahead=-61.0).lacks[0]
