"""The pictures in which units are most, and least, active: kept as a pass goes on, so that none is looked at twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.images import Crop
from vestige.progress import Progress, count_nothing
from vestige.units.activations import ActivationReader

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class TopPictures:
    """For each of C units the K pictures with the largest values, the largest first; ties by the pictures' order.

    Attributes:
        rows: ``(C, K)`` which pictures; K is less than was asked for where there are not so many.
        values: ``(C, K)`` each unit's value in them, such as its largest activation.
        places: ``(C, K)`` the cell of its map where it is, ``y * w + x``.
    """

    rows: Rows
    values: Floats
    places: NDArray[np.int32]

    @classmethod
    def none(cls, units: int) -> TopPictures:
        """No pictures yet, of a number of units."""
        return cls(np.zeros((units, 0), np.int64), np.zeros((units, 0), np.float32), np.zeros((units, 0), np.int32))

    def merged(self, other: TopPictures, k: int) -> TopPictures:
        """The k pictures with the largest values of two lists over different pictures."""
        rows = np.concatenate([self.rows, other.rows], axis=1)
        values = np.concatenate([self.values, other.values], axis=1)
        places = np.concatenate([self.places, other.places], axis=1)
        order = np.lexsort((rows, -values), axis=1)[:, :k]
        return TopPictures(*(np.take_along_axis(each, order, axis=1) for each in (rows, values, places)))

    def with_batch(self, rows: Sequence[int], values: Floats, places: NDArray[np.int32], k: int) -> TopPictures:
        """The list after some more pictures.

        Args:
            rows: ``(n,)`` which pictures.
            values: ``(n, C)``.
            places: ``(n, C)``.
            k: how many are kept.
        """
        if self.rows.shape[1] >= k and not (values.max(axis=0) >= self.values[:, -1]).any():
            return self
        shape = (values.shape[1], len(rows))
        new = TopPictures(np.broadcast_to(np.asarray(rows, np.int64), shape), values.T, places.T)
        return self.merged(new, k)


def top_pictures(
    reader: ActivationReader,
    crops: Sequence[Crop],
    k: int,
    *,
    progress: Progress | None = None,
    told: Callable[[Mapping[int, str]], None] | None = None,
) -> dict[str, TopPictures]:
    """The k pictures with the largest activation of every unit of every layer, one pass over the pictures.

    Args:
        reader: of the layers.
        crops: the pictures.
        k: how many.
        progress: told of pictures.
        told: told of the pictures of a batch that could not be read, row -> why.
    """
    progress = progress or count_nothing
    found = {name: TopPictures.none(shape[0]) for name, shape in reader.shapes.items()}
    done = 0
    progress(done, len(crops))
    with closing(reader.read(crops)) as batches:
        for batch in batches:
            for name, maps in batch.maps.items():
                if batch.rows:
                    largest = maps.flatten(2).max(dim=2)
                    values, places = largest.values.numpy(), largest.indices.numpy().astype(np.int32)
                    found[name] = found[name].with_batch(batch.rows, values, places, k)
            if told is not None and batch.problems:
                told(batch.problems)
            done += len(batch.rows) + len(batch.problems)
            progress(done, len(crops))
    return found
