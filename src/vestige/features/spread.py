"""Chunks of stores, filled by the machines of a cluster: each writes its own into the store that all share."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.extraction import ExtractOptions
from vestige.features.writer import StoreWriter, made
from vestige.images import ImageFile
from vestige.object_stores import copy_missing
from vestige.progress import Progress, count_nothing
from vestige.spelling import spelled
from vestige.stopwatch import timing


@timing("cluster")
def fill_elsewhere(
    cluster: Cluster,
    make: Callable[..., Callable[..., None]],
    held: Sequence[Any],
    writers: Mapping[str, StoreWriter],
    part: Callable[[int], tuple[Any, ...]],
    progress: Progress | None,
    *,
    gpu: bool,
) -> None:
    """Have what is missing in stores filled, chunk by chunk, and call the stores complete.

    This process keeps the claims. What a machine that died had done of a chunk stays, and another goes on from there.

    Args:
        cluster: whose machines fill them.
        make: gives, from ``held``, what a worker holds: it fills a chunk in every store that lacks it.
        held: the arguments of ``make``.
        writers: of the stores, which have the same rows.
        part: a chunk's number to what the worker is given besides it.
        progress: called with (rows done, rows in all), when chunks are done.
        gpu: whether the network runs on GPUs.

    Raises:
        VestigeError: where a machine lacks the data or the cache, or its disk refuses.
    """
    about = next(iter(writers.values())).description
    missing = sorted({chunk for writer in writers.values() for chunk in writer.missing})
    progress = progress or count_nothing
    done = before = about.n - sum(len(about.rows(chunk)) for chunk in missing)
    started = time.monotonic()
    progress(done, about.n)
    with cluster.actors(make, *held, most=len(missing), gpu=gpu) as actors:
        for index, _ in actors.run((chunk, *part(chunk)) for chunk in missing):
            for writer in writers.values():
                if missing[index] in writer.missing:
                    writer.take(missing[index])
            done += len(about.rows(missing[index]))
            progress(done, about.n)
    seconds = time.monotonic() - started
    for writer in writers.values():
        writer.finish(made(seconds, (done - before) / seconds if done > before else 0.0))


def device_of(options: ExtractOptions, cluster: Cluster | None) -> torch.device:
    """Where the network runs: on this machine, or on those of a cluster.

    Raises:
        VestigeError: where there is no such device.
    """
    if cluster is None:
        return options.torch_device()
    if options.device == "auto":
        return torch.device("cuda" if cluster.gpus else "cpu")
    kind = options.device.partition(":")[0]
    if kind == "cpu" or (kind == "cuda" and cluster.gpus):
        return torch.device(kind)
    raise VestigeError(
        f"{spelled('device', options.device)}: the machines of the cluster have none that Ray gives out; expected cpu, "
        "or auto for the best"
    )


def on_workers(options: ExtractOptions, cluster: Cluster, *, gpu: bool) -> ExtractOptions:
    """The options with as many threads that decode as suit a worker's cores."""
    return replace(options, workers=max(1, cluster.cores(gpu=gpu) // 2))


def bare_example(example: Example) -> Example:
    """An example with nothing but its picture, to be sent."""
    return Example(example.id, example.group, example.image)


def check_reached(examples: Iterable[Example]) -> None:
    """Refuse pictures that are files here no more than there: they would pass for unreadable ones.

    Raises:
        VestigeError: naming the machine, and a file that the one read which sent it.
    """
    for picture in {id(example.image): example.image for example in examples}.values():
        if not isinstance(picture, ImageFile) or "content" not in vars(picture):
            continue
        if not os.access(picture.path, os.R_OK) and not copy_missing(picture.path):
            raise VestigeError(
                f"{picture.path}: cannot be read on {platform.node()}; expected data in a folder that all machines of "
                "the cluster share, at the same path"
            )
