"""Addresses at which there is no cluster, in a process that has none open."""

from __future__ import annotations

import signal

import pytest

from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_an_error(address: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(VestigeError, match=f"ray '{address}': cannot be used"):
        Cluster.open(address)
    assert signal.getsignal(signal.SIGTERM) is before
