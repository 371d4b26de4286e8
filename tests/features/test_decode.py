"""Decoding ahead: the right pixels, each picture once, and never far ahead."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from vestige.features.decode import read_batches


def batches(n: int, size: int) -> list[range]:
    """Consecutive rows, ``size`` at a time."""
    return [range(n)[i : i + size] for i in range(0, n, size)]


@pytest.mark.parametrize("workers", [1, 3])
def test_pixels_are_those_of_the_crops(tiny, workers):
    crops = [
        each
        for crop in tiny.crops(11)
        for each in (crop, replace(crop, mirrored=True), replace(crop, box=(-3.0, 0.0, 9.0, 8.5)))
    ]
    for batch in read_batches(crops, batches(33, 8), (20, 22), "bicubic", workers=workers):
        expected = np.stack([crops[row].pixels((20, 22), "bicubic") for row in batch.rows])
        assert np.array_equal(batch.pixels, expected)
        assert not batch.problems


def test_crops_of_one_picture_side_by_side_are_decoded_once(tiny):
    decoded: list[int] = []
    crops = [
        replace(crop, box=(i, 0.0, 20.0 + i, 20.0), mirrored=mirrored)
        for crop in tiny.crops(5, told=decoded.append)
        for mirrored in (False, True)
        for i in range(3)
    ]
    list(read_batches(crops, batches(30, 12), (8, 8), "bilinear", workers=2))
    assert sorted(decoded) == [0, 1, 2, 3, 4]


def test_memory_is_bounded_where_the_caller_is_slow(tiny):
    decoded: list[int] = []
    crops = tiny.crops(400, told=decoded.append)
    for done, _ in enumerate(read_batches(crops, batches(400, 4), (8, 8), "bilinear", workers=2, ahead=2)):
        if done == 5:
            time.sleep(0.2)  # time enough to decode everything
            assert len(decoded) <= 4 * (done + 1 + 2)
    assert len(decoded) == 400


def test_threads_end_with_a_caller_that_gives_up(tiny):
    before = set(threading.enumerate())
    reading = read_batches(tiny.crops(100), batches(100, 4), (8, 8), "bilinear", workers=2)
    next(reading)
    reading.close()
    assert set(threading.enumerate()) <= before


def test_a_fault_of_the_program_is_not_taken_for_a_bad_picture(tiny):
    def fail(_seed: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_batches(tiny.crops(4, told=fail), batches(4, 4), (8, 8), "bilinear", workers=1))
