"""Parts of a sum that anyone may have computed, added up in an order that depends on their number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def merged_in_pairs(parts: Iterable[T], merge: Callable[[T, T], T]) -> T:
    """All parts together: neighbours are merged, then neighbours of what comes of that, and so on.

    Parts are taken as they come and few are held: one for each power of two of their number. Whoever merges neighbours
    level by level, as a cluster does, merges the same, so that even rounding is the same.

    Args:
        parts: in order, at least one.
        merge: of what stands on the left and on the right; may change the left one.
    """
    held: list[tuple[int, T]] = []  # the number of parts in each, and what they come to
    for part in parts:
        size, whole = 1, part
        while held and held[-1][0] == size:
            before, left = held.pop()
            size, whole = size + before, merge(left, whole)
        held.append((size, whole))
    _, whole = held.pop()
    while held:
        whole = merge(held.pop()[1], whole)
    return whole
