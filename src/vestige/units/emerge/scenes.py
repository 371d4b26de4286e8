"""How often objects are in pictures, and for which scenes each is the most informative.

**How informative an object is for a scene** is how well its presence tells pictures of the scene from all others
(*Object Detectors Emerge*, section 4.1: "the classification performance achieved by each object class for scene
classification"). The classifier of a scene by an object knows of a picture only whether the object is annotated in it.
On training folds it learns whether the scene is more frequent among pictures with the object than among all; if so, it
ranks pictures with the object first, else it ranks all alike. It is measured on the pictures of the held-out fold by
average precision, as scikit-learn defines it, and the mean is taken over folds. An object that is in every picture of a
scene and in no other has 1; one that says nothing has the scene's share of the pictures.

Average precision, because scenes are rare among all pictures, and it asks for both: that the object is in the scene's
pictures (recall), and in few others (precision). A wall is in every bedroom and says little; an alarm clock says much
and is in few. Presence and not absence, because that is what a unit that detects the object can contribute: that a
bedroom has no sky in it is nothing to be detected there. Held out, because an object in a few pictures coincides with
some scene by accident.

**How informative an object is for all scenes** is told in two ways. The paper's: for how many scenes it is the best.
That is a coarse count. Most objects are the best for none, and of two that tell a scene equally well chance decides
which one is. The graded one: by how much its average precision exceeds that of knowing nothing, the mean over scenes,
as average precisions over categories are summed up everywhere (mAP). A mean and not the largest, because of many
scenes with few pictures one tops the others by luck.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vestige.intervals import Floats, mean_known
from vestige.progress import Progress, count_nothing

Indices = NDArray[np.intp]

_TOGETHER = 2**22
"""Numbers of resamples by scenes by objects that are held at once."""

_ALIKE = 1e-9
"""Average precisions within this are equal: sums of the same pictures in another order."""

_DIGITS = 9
"""After the point, that are told of means of average precisions, for the same reason."""


@dataclass(frozen=True)
class Annotated:
    """N pictures with their scenes and O objects.

    Attributes:
        instances: ``(N, O)`` how many of each object are in each picture.
        scenes: ``(N,)`` the scene of each, by number; -1 for one that is not asked about.
        n_scenes: S.
        folds: ``(N,)`` by number.
    """

    instances: NDArray[np.int32]
    scenes: Indices
    n_scenes: int
    folds: Indices

    @property
    def frequency(self) -> Floats:
        """``(O,)``: instances of each object."""
        found: Floats = self.instances.sum(axis=0, dtype=np.float64)
        return found

    def frequencies(self, weights: NDArray[np.float32]) -> Floats:
        """``(B, O)``: likewise, where each picture is there so often ``(B, N)``."""
        found: Floats = weights.astype(np.float64) @ self.instances.astype(np.float64)
        return found

    def precision(self, weights: NDArray[np.float32] | None = None) -> tuple[Floats, Floats]:
        """The average precision of every object for every scene on held-out folds, and what knowing nothing gives.

        Args:
            weights: ``(B, N)``: how often each picture is there; None for once.

        Returns:
            ``(B, S, O)`` and ``(B, S)``; NaN of a scene that no fold has a picture of.
        """
        if weights is None:
            weights = np.ones((1, len(self.scenes)), np.float32)
        hits, sizes, there, total = self._counted(weights.astype(np.float64))
        found, chance = np.zeros(hits.shape[1:]), np.zeros(sizes.shape[1:])
        held = sizes > 0
        for fold in range(len(hits)):
            rest = [each.sum(axis=0) - each[fold] for each in (hits, sizes, there, total)]
            speaks = rest[0] * rest[3][:, None, None] > rest[1][..., None] * rest[2][:, None, :]
            share = _ratio(sizes[fold], total[fold][:, None])
            recall = _ratio(hits[fold], sizes[fold][..., None])
            precision = _ratio(hits[fold], there[fold][:, None, :])
            ranked = recall * precision + (1 - recall) * share[..., None]
            known = held[fold][..., None]
            found += np.where(known, np.where(speaks, ranked, share[..., None]), 0)
            chance += np.where(held[fold], share, 0)
        folds = np.where(held.any(axis=0), held.sum(axis=0), np.nan)
        return found / folds[..., None], chance / folds

    def _counted(self, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Pictures of each fold: ``(F, B, S, O)`` of each scene with each object, ``(F, B, S)`` of each scene,
        ``(F, B, O)`` with each object, ``(F, B)`` all."""
        present = (self.instances > 0).astype(np.float64)
        n, folds = len(weights), int(self.folds.max(initial=0)) + 1
        hits, sizes = np.zeros((folds, n, self.n_scenes, present.shape[1])), np.zeros((folds, n, self.n_scenes))
        there, total = np.zeros((folds, n, present.shape[1])), np.zeros((folds, n))
        for fold in range(folds):
            here = self.folds == fold
            there[fold], total[fold] = weights[:, here] @ present[here], weights[:, here].sum(axis=1)
            for scene in range(self.n_scenes):
                rows = np.flatnonzero(here & (self.scenes == scene))
                hits[fold, :, scene], sizes[fold, :, scene] = (
                    weights[:, rows] @ present[rows],
                    weights[:, rows].sum(axis=1),
                )
        return hits, sizes, there, total

    def resampled(
        self, weights: NDArray[np.float32], progress: Progress = count_nothing
    ) -> Iterator[tuple[Floats, Floats]]:
        """:meth:`precision` of resamples, some at a time."""
        folds = int(self.folds.max(initial=0)) + 1
        step = max(1, _TOGETHER // (folds * max(1, self.n_scenes * self.instances.shape[1])))
        for start in range(0, len(weights), step):
            progress(start, len(weights))
            yield self.precision(weights[start : start + step])
        progress(len(weights), len(weights))


def best(precision: Floats, chance: Floats) -> Floats:
    """The most informative object of each scene ``(..., S, O), (..., S) -> (..., S, O)``: 1 where it is, else 0.

    Of several that are alike each has an equal share. A scene of which no object tells more than nothing has none.
    """
    top = precision.max(axis=-1, initial=-np.inf)
    first = precision >= (top - _ALIKE)[..., None]
    first &= (top > chance + _ALIKE)[..., None]
    found: Floats = _ratio(first.astype(np.float64), first.sum(axis=-1, keepdims=True).astype(np.float64))
    return found


def mean_gain(precision: Floats, chance: Floats) -> Floats:
    """By how much each object's average precision exceeds knowing nothing ``(..., S, O), (..., S) -> (..., O)``.

    The mean over scenes; those that have no picture are left out. Objects that are alike have equal gains to the last
    digit, since their ranks are correlated.
    """
    return mean_known(np.moveaxis(precision - chance[..., None], -2, -1)).round(_DIGITS)


def dealt(scenes: Sequence[str], groups: Sequence[str], folds: int, seed: int) -> Indices:
    """The fold of each picture ``(N,)``: dealt out scene by scene at random; groups, which stay together, as one."""
    first: dict[str, str] = {}
    for group, scene in zip(groups, scenes, strict=True):
        first.setdefault(group, scene)
    names = list(first)
    order = [names[k] for k in np.random.default_rng([seed, 0]).permutation(len(names))]
    order.sort(key=first.__getitem__)  # stable: by scene, at random within
    fold = {group: k % folds for k, group in enumerate(order)}
    return np.array([fold[group] for group in groups], dtype=np.intp)


def area_under_roc(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    """How well values tell positive objects from others ``(..., O), (O,) -> (...)``: the area under the ROC curve.

    The share of pairs of which the positive one has the larger value; of equal ones a half.
    """
    n, others = positive.sum(), (~positive).sum()
    ranks = rankdata(values, axis=-1)[..., positive]
    found: Floats = (ranks.sum(axis=-1) - n * (n + 1) / 2) / np.float64(n * others)
    return found


def zipf_exponent(frequency: Floats) -> Floats:
    """By how much the logarithm of a frequency falls with that of its rank ``(..., O) -> (...)``: 1 is Zipf's law.

    The slope of the least-squares line through the objects that are there; NaN of fewer than two.
    """
    falling = -np.sort(-frequency, axis=-1)
    there = falling > 0
    n = there.sum(axis=-1, keepdims=True)
    x = np.log(np.arange(1, frequency.shape[-1] + 1))
    y = np.log(np.where(there, falling, 1))
    x = np.where(there, x - _ratio(np.where(there, x, 0).sum(axis=-1, keepdims=True), n), 0)
    spread = (x**2).sum(axis=-1)
    slope: Floats = np.where(spread > 0, _ratio((x * y).sum(axis=-1), spread), np.nan)
    return -slope


def _ratio(above: Floats, below: Floats | NDArray[np.generic]) -> Floats:
    """0 where there is nothing below."""
    above, below = np.broadcast_arrays(above, np.asarray(below, np.float64))
    found: Floats = np.divide(above, below, out=np.zeros(above.shape), where=below != 0)
    return found
