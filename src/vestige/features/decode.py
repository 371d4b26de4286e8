"""Crops to batches of pixels, read by threads ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.images import Crop, Pixels, crop_resize
from vestige.stopwatch import beside, timing


@dataclass(frozen=True)
class PixelBatch:
    """The pixels of consecutive crops.

    Attributes:
        rows: which crops.
        pixels: ``(len(rows), h, w, 3)`` RGB; black where the picture could not be read.
        problems: row -> what is wrong with its picture.
    """

    rows: range
    pixels: NDArray[np.uint8]
    problems: dict[int, str]


def read_batches(
    crops: Sequence[Crop] | Mapping[int, Crop],
    batches: Iterable[range],
    size: tuple[int, int],
    interpolation: str,
    *,
    workers: int,
    ahead: int = 2,
) -> Generator[PixelBatch]:
    """The pixels of batches, in order, decoded by threads while the caller computes.

    Consecutive crops of one picture within a batch cost one decoding. Memory is bounded: besides the batch handed
    out at most ``ahead`` are kept, however many there are.

    Args:
        crops: all crops, or those of the batches by their rows.
        batches: the rows of each batch.
        size: height and width that crops are resized to.
        interpolation: how.
        workers: threads.
        ahead: how many batches are begun before they are asked for.
    """
    waiting: deque[tuple[range, NDArray[np.uint8], list[Future[dict[int, str]]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vestige-decode")
    read = beside("decode", _read_group)
    try:
        for rows in batches:
            pixels = np.zeros((len(rows), *size, 3), dtype=np.uint8)
            groups = [list(group) for _, group in groupby(rows, key=lambda row: id(crops[row].example.image))]
            futures = [
                pool.submit(read, crops, group, pixels[group[0] - rows.start :], interpolation) for group in groups
            ]
            waiting.append((rows, pixels, futures))
            if len(waiting) > ahead:
                yield _gathered(*waiting.popleft())
        while waiting:
            yield _gathered(*waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@timing("decode")
def _gathered(rows: range, pixels: NDArray[np.uint8], futures: list[Future[dict[int, str]]]) -> PixelBatch:
    problems: dict[int, str] = {}
    for future in futures:
        problems.update(future.result())
    return PixelBatch(rows, pixels, problems)


def _read_group(
    crops: Sequence[Crop] | Mapping[int, Crop], rows: Sequence[int], out: NDArray[np.uint8], interpolation: str
) -> dict[int, str]:
    """Fill ``out`` with crops of one picture; row -> message for those that cannot be read."""
    try:
        picture = crops[rows[0]].example.image.read()
    except VestigeError as error:
        return dict.fromkeys(rows, str(error))
    problems: dict[int, str] = {}
    resized: dict[object, Pixels] = {}
    for place, row in enumerate(rows):
        crop = crops[row]
        try:
            if crop.box not in resized:
                resized[crop.box] = crop_resize(picture, crop.box, out.shape[1:3], interpolation)
        except VestigeError as error:
            problems[row] = f"{crop.example.id}: {error}"
            continue
        out[place] = resized[crop.box][:, ::-1] if crop.mirrored else resized[crop.box]
    return problems
