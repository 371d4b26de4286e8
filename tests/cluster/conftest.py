"""A cluster of three nodes on this machine: a head that computes nothing, and two of one core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

_NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="session")
def ray_nodes() -> Iterator[Any]:
    """Ray's own cluster of processes: ``add_node`` and ``remove_node`` bring machines and take them away."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={**_NODE, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(**_NODE)
    yield nodes
    nodes.shutdown()
