"""A cluster of two nodes of one core each, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library

NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


def patiently(start: Callable[[], Any]) -> Any:
    """Start a node; Ray gives one up after 30 seconds, which a crowded machine may need."""
    for _ in range(3):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
    return start()


@pytest.fixture(scope="package")
def ray_nodes() -> Iterator[Any]:
    """Ray's own cluster of processes: ``add_node`` and ``remove_node`` bring machines and take them away.

    It asks for no token, and there is one: as another program leaves it that used Ray after the cluster was started.
    """
    ray_library()
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "disabled")
        nodes = patiently(partial(Nodes, initialize_head=True, head_node_args={**NODE, "include_dashboard": False}))
        patiently(partial(nodes.add_node, **NODE))
        environment.delenv("RAY_AUTH_MODE")
        environment.setenv("RAY_AUTH_TOKEN", "a" * 64)
        yield nodes
        nodes.shutdown()


@pytest.fixture(scope="package")
def cluster(ray_nodes: Any) -> Iterator[Cluster]:
    """The cluster, open once for all files: its processes take seconds to start. Other folders' tests start their
    own."""
    with Cluster.open(ray_nodes.address) as opened:
        yield opened


@pytest.fixture
def third(ray_nodes: Any) -> Iterator[Any]:
    """One more node, for a test that takes it away."""
    node = patiently(partial(ray_nodes.add_node, **NODE))
    yield node
    if node in ray_nodes.worker_nodes:
        ray_nodes.remove_node(node)


@pytest.fixture(scope="session")
def tiny(tiny: ModuleType) -> ModuleType:
    """The tiny backbone and drawn crops, which travel with their code."""
    ray_library().cloudpickle.register_pickle_by_value(tiny)
    return tiny
