"""Calls and workers, on machines that die."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vestige.cluster import cluster as module
from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.errors import VestigeError
from vestige.spelling import on_command_line, spelled

ray_library().cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not import tests


def square(x: int) -> int:
    return x * x


def own_node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def held(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def run(cluster: Cluster, function: Callable[..., Any], parts: list[tuple[Any, ...]]) -> dict[int, Any]:
    """By workers that hold the function."""
    with cluster.actors(held, function, most=len(parts)) as actors:
        return dict(actors.run(parts))


def refuse(x: int) -> int:
    raise VestigeError(f"{x}: is too large; {spelled('store_dtype')}")


def die_once(folder: Path, x: int) -> int:
    """Dies at its first call with an odd number."""
    mark = folder / str(x)
    if x % 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die(folder: Path, x: int) -> int:
    (folder / f"{x} {len(list(folder.iterdir()))}").touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def adder(n: int) -> Callable[[int], tuple[int, int]]:
    return lambda x: (os.getpid(), n + x)


def dying_adder(folder: Path) -> Callable[[int], int]:
    return lambda x: die_once(folder, x)


def waiter(folder: Path, doomed: str) -> Callable[[int], str]:
    """Says where it runs, and waits there until it is told to go on; on the machine that is doomed, for ever."""

    def run(x: int) -> str:
        node = own_node()
        (folder / f"{x} {node}").touch()
        while node == doomed or not (folder / "go").exists():
            time.sleep(0.02)
        return node

    return run


def test_nodes(cluster: Cluster) -> None:
    assert sorted(node.cpus for node in cluster.nodes) == [1, 1]
    assert (cluster.cpus, cluster.gpus, cluster.cores()) == (2, 0, 1)


def test_opening_again_is_the_same_and_another_is_refused(cluster: Cluster) -> None:
    with Cluster.open(cluster.address) as again:
        assert again is cluster
    assert run(cluster, square, [(2,)]) == {0: 4}  # it is closed when all have closed it
    with pytest.raises(VestigeError, match="already"):
        Cluster.open("127.0.0.1:1")


def test_every_part_is_done_once(cluster: Cluster) -> None:
    assert run(cluster, square, [(x,) for x in range(20)]) == {x: x * x for x in range(20)}


def test_no_parts_take_no_worker(cluster: Cluster) -> None:
    assert run(cluster, square, []) == {}


def test_what_is_shared_arrives_as_itself(cluster: Cluster) -> None:
    assert run(cluster, sum, [(cluster.share([1, 2, 3]),)]) == {0: 6}


def test_a_call_on_a_machine(cluster: Cluster) -> None:
    assert [cluster.on(node.id, own_node) for node in cluster.nodes] == [node.id for node in cluster.nodes]


def test_few_parts_are_given_more_cores(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [module.Node(name, name, cpus, 0) for name, cpus in (("a", 8), ("b", 32))]
    monkeypatch.setattr(Cluster, "nodes", machines)
    for most, groups in (((None), (4, 10)), (100, (4, 10)), (10, (4, 10)), (5, (8, 5)), (1, (32, 1))):
        assert cluster._groups(False, most) == ((groups[0], 0), groups[1])


def test_errors_come_back_as_the_users_own_spelled_as_here(cluster: Cluster) -> None:
    with pytest.raises(VestigeError, match=rf"7: is too large; store_dtype \(on the machine {platform.node()}\)"):
        run(cluster, refuse, [(7,)])
    with on_command_line(), pytest.raises(VestigeError, match="7: is too large; --store-dtype"):
        run(cluster, refuse, [(7,)])
    with pytest.raises(VestigeError, match="3: is too large"), cluster.actors(refuse, 3, most=1) as actors:
        list(actors.run([(0,)]))


def full_disk(x: int) -> int:
    raise ray_library().exceptions.OutOfDiskError(f"{x}: Local disk is full")


def lacks_a_module(x: int) -> int:
    raise ModuleNotFoundError(f"No module named 'nowhere{x}'")


def fails(x: int) -> int:
    raise ZeroDivisionError(x)


def test_what_machines_lack_is_told(cluster: Cluster) -> None:
    """However it is called; each failure ends a process."""
    full, missing = "1: Local disk is full", "nowhere1"
    with pytest.raises(VestigeError, match=full):
        run(cluster, full_disk, [(1,)])
    with pytest.raises(VestigeError, match=missing):
        cluster.merged(lacks_a_module, [(1,)], max)
    with pytest.raises(VestigeError, match=missing), cluster.actors(lacks_a_module, 1, most=1) as actors:
        list(actors.run([(0,)]))
    with pytest.raises(VestigeError, match=full):
        cluster.on(cluster.nodes[0].id, full_disk, 1)
    assert run(cluster, square, [(3,)]) == {0: 9}  # no worker is left at it, with its core


def test_a_machine_that_is_gone_is_told(cluster: Cluster) -> None:
    with pytest.raises(VestigeError, match="cannot go on"):
        cluster.on("0" * 56, square, 1)


def test_faults_of_what_runs_elsewhere_keep_their_traceback(cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError):
        run(cluster, fails, [(1,)])


def test_tasks_of_workers_that_die_are_done_again(cluster: Cluster, tmp_path: Path) -> None:
    assert cluster.merged(die_once, [(tmp_path, x) for x in range(4)], max) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"1", "3"}


def test_a_part_that_kills_workers_ends(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEATHS", 1)
    with pytest.raises(VestigeError, match="died"):
        run(cluster, die, [(tmp_path, 0)])
    assert len(list(tmp_path.iterdir())) == 2


def test_actors_hold_what_is_made_once(cluster: Cluster) -> None:
    with cluster.actors(adder, 10, most=5) as actors:
        found = dict(actors.run([(x,) for x in range(20)]))
    assert [found[x][1] for x in range(20)] == [10 + x for x in range(20)]
    processes = {process for process, _ in found.values()}
    assert len(processes) <= 2
    with cluster.actors(adder, 20, most=2) as actors:  # the same processes hold something else
        again = dict(actors.run([(x,) for x in range(20)]))
    assert [again[x][1] for x in range(20)] == [20 + x for x in range(20)]
    assert {process for process, _ in again.values()} & processes


def test_actors_that_die_are_replaced(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(cluster, "say", said.append)
    with cluster.actors(dying_adder, tmp_path, most=2) as actors:
        assert sorted(actors.run([(x,) for x in range(6)])) == [(x, x) for x in range(6)]
    assert ["died" in line for line in said] == [True] * 3


def test_a_machine_that_dies_is_done_without(cluster: Cluster, ray_nodes: Any, third: Any, tmp_path: Path) -> None:
    """The third machine is killed while it is at a part: that part is done by the others, and all others once."""
    killer = threading.Thread(target=_kill, args=(tmp_path, ray_nodes, third))
    killer.start()
    with cluster.actors(waiter, tmp_path, third.node_id, most=3) as actors:
        found = dict(actors.run((x,) for x in range(9)))
    killer.join()
    assert sorted(found) == list(range(9))
    assert third.node_id not in found.values()
    begun = [path.name.split() for path in tmp_path.iterdir() if path.name != "go"]
    (lost,) = (x for x, node in begun if node == third.node_id)
    assert sorted(x for x, _ in begun) == sorted([*map(str, range(9)), lost])


def _kill(folder: Path, nodes: Any, node: Any) -> None:
    """Take a node away when each of the three has begun a part, and let the others go on."""
    while len(list(folder.iterdir())) < 3:
        time.sleep(0.02)
    nodes.remove_node(node, allow_graceful=False)
    (folder / "go").touch()
