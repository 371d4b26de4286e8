"""``fold=5/5`` and ``fold=1-4/5``: parts of a data set that do not change when pictures are added."""

from __future__ import annotations

import hashlib
import re

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError

_FOLD = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?/(\d{1,6})")


def keep_fold(dataset: Dataset, fold: str) -> tuple[int, ...]:
    """The positions of the examples in the parts that ``fold`` names: ``K/N`` or ``K-L/N``, counted from 1.

    An example's part is a hash of its group, so that it depends on nothing else and groups stay together; the parts
    are therefore of nearly, not exactly, equal size.

    Raises:
        VestigeError: where the text is no fold.
    """
    match = _FOLD.fullmatch(fold)
    first, last, count = (int(part or match.group(1)) for part in match.groups()) if match else (0, 0, 0)
    if not 1 <= first <= last <= count:
        raise VestigeError(
            f"{dataset.spec!r}: fold={fold!r}: expected fold=K/N or fold=K-L/N with 1 <= K <= L <= N, as in "
            "fold=5/5 for the last fifth and fold=1-4/5 for the rest"
        )
    return tuple(i for i, example in enumerate(dataset) if first <= part_of(example.group, count) <= last)


def part_of(group: str, count: int) -> int:
    """Which of ``count`` parts, from 1 on, a group is in."""
    return 1 + int.from_bytes(hashlib.sha256(group.encode(errors="surrogateescape")).digest()[:8], "big") % count
