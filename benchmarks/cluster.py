"""What sharing extraction out to Ray costs: time per shard beside the work itself, and bytes that travel.

    python benchmarks/cluster.py [--workers 1 2 4] [--shards 24] [--rows 512]

Starts a cluster of nodes of one core each on this machine, which compete for its cores: no speed-up is measured here.
Printed for each number of workers:

* start: seconds until the cluster is open, and until each worker holds the network for the first time
* empty shard: milliseconds of a shard that does nothing, all else as in extraction: crops pickled, sent, received
* sent: kilobytes of a shard's crops; the network is sent once to each node
* extraction: seconds on the cluster and in this process alone, of the same pictures, and whether the bytes are equal
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vestige.backbones import Backbone, open_backbone
from vestige.cluster.cluster import Cluster
from vestige.cluster.connection import ray_library
from vestige.datasets.opening import open_dataset
from vestige.extraction import ExtractOptions
from vestige.features import extract as extraction
from vestige.features.extract import _bare, extract
from vestige.features.readout import Readout
from vestige.images import Crop

SPEC = "scene_cnn"
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


def hold(_backbone: Backbone) -> Callable[..., int]:
    """What a worker holds that does nothing with its crops."""
    return lambda crops: len(crops)


def digests(cache: Path) -> dict[str, str]:
    """Of all files of stores but what says when they were made."""
    files = [path for path in cache.rglob("*") if path.is_file() and path.name != "complete.json"]
    return {str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--rows", type=int, default=32, help="of a shard that is extracted")
    asked = parser.parse_args()
    ray = ray_library()
    from ray.cluster_utils import Cluster as Nodes

    extraction.CHUNK_ROWS = asked.rows  # 512 in use; smaller here, so that there are shards to share out
    backbone = open_backbone(SPEC)
    layer = next(name for name in reversed(backbone.paths) if name.startswith("conv"))
    crops = [Crop(example) for example in open_dataset(f"synthetic:faces,n={8 * asked.rows},seed=1,size=128")]
    shard = {row: _bare(crops[row % len(crops)]) for row in range(512)}
    sent = len(ray.cloudpickle.dumps(shard))
    network = len(ray.cloudpickle.dumps(backbone))
    print(f"{SPEC}, {layer}: network {network / 1e6:.1f} MB to each node, a shard of 512 crops {sent / 1e3:.1f} kB")
    with tempfile.TemporaryDirectory() as folder:
        run = partial(extract, backbone, crops, [(layer, Readout("gap"))], options=ExtractOptions())
        started = time.perf_counter()
        run(cache=Path(folder) / "here")
        alone = time.perf_counter() - started
        print("workers  start s  first held s  empty shard ms  extraction s  alone s  equal")
        for workers in asked.workers:
            began = time.perf_counter()
            nodes = Nodes(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
            for _ in range(workers - 1):
                nodes.add_node(**NODE)
            with Cluster.open(nodes.address) as cluster:
                opened = time.perf_counter() - began
                with cluster.actors(hold, cluster.share(backbone), most=workers) as actors:
                    began = time.perf_counter()
                    list(actors.run([(shard,)] * workers))
                    held = time.perf_counter() - began
                    began = time.perf_counter()
                    list(actors.run([(shard,)] * asked.shards))
                    each = (time.perf_counter() - began) / asked.shards
                began = time.perf_counter()
                run(cache=Path(folder) / f"{workers}", cluster=cluster)
                shared = time.perf_counter() - began
            nodes.shutdown()
            same = digests(Path(folder) / f"{workers}") == digests(Path(folder) / "here")
            print(
                f"{workers:7} {opened:8.1f} {held:13.1f} {1000 * each:15.2f} {shared:13.2f} {alone:8.2f}  {same}",
                flush=True,
            )


if __name__ == "__main__":
    main()
