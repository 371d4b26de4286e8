"""Looks a data set over: what is in it, what is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.datasets.dataset import Dataset, Problem, summed_up
from vestige.datasets.sheet import contact_sheet
from vestige.distances import eye_distance
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.geometry import mirror_unit, square_about, to_unit
from vestige.markup import Markup
from vestige.spelling import spelled

__all__ = ["Attribute", "CheckReport", "MirrorCheck", "PointCount", "Range", "check", "contact_sheet", "mirror_check"]

_LISTED = 12  # names of scenes or objects
_FEWEST_GROUPS = 5  # of training data, which is dealt into folds
_FEWEST_FOR_MIRROR = 20  # examples; a mean shape of fewer is lopsided by chance


@dataclass(frozen=True)
class Range:
    """The least, the median and the largest of some numbers."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class PointCount:
    """A point of the markup and in how many examples it is visible."""

    name: str
    visible: int


@dataclass(frozen=True)
class Attribute:
    """What is known of an attribute: how many examples have it, and its values."""

    name: str
    n: int
    values: Range
    mean: float
    binary: bool
    model_label: bool

    def __str__(self) -> str:
        name = f"attribute {self.name}" + (" (model label)" if self.model_label else "")
        if self.binary:
            return f"{name}: {self.n}, of which {self.mean:.1%} are 1"
        return f"{name}: {self.n}, {self.values.low:g} to {self.values.high:g}, median {self.values.median:g}"


@dataclass(frozen=True)
class MirrorCheck:
    """How far the mean shape is from its own mirror image, in sides of the square box: the median over the points,
    and the farthest point. Wrong mirror pairs show as a distance of a tenth and more; so does a set of objects that
    mostly face one way."""

    median: float
    largest: float
    point: str

    def __str__(self) -> str:
        return (
            f"mirror: the mean shape is {self.median:.3f} of the box from its mirror image, "
            f"at most {self.largest:.3f} ({self.point})"
        )


@dataclass(frozen=True)
class CheckReport:
    """What :func:`check` found.

    Attributes:
        spec: of the data set.
        n: usable examples.
        groups: that folds keep together.
        widths: of the pictures, pixels.
        heights: of the pictures, pixels.
        box_sides: the longer sides of the boxes, pixels; None without boxes.
        points: the markup's points.
        markup: its name, or None.
        mirror: whether the mirror pairs fit the data; None where they are unknown or there are too few examples.
        categories: how many examples of each.
        scenes: how many examples of each.
        objects: in how many examples each is.
        attributes: by name.
        class_shares: the share of the masks' pixels, void apart, that each class has.
        duplicates: ids of examples of different groups with the same picture.
        problems: everything that is wrong: what the loader left out, and pictures and masks that cannot be decoded.
    """

    spec: str
    n: int
    groups: int
    widths: Range | None
    heights: Range | None
    box_sides: Range | None
    points: tuple[PointCount, ...]
    markup: str | None
    mirror: MirrorCheck | None
    categories: Mapping[str, int]
    scenes: Mapping[str, int]
    objects: Mapping[str, int]
    attributes: tuple[Attribute, ...]
    class_shares: Mapping[str, float]
    duplicates: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """The report as lines of text."""
        groups = f", {self.groups} groups" if self.groups < self.n else ""
        lines = [f"{self.spec}: {self.n} example{'s' * (self.n != 1)}{groups}"]
        for name, spread in (("widths", self.widths), ("heights", self.heights), ("box sides", self.box_sides)):
            if spread is not None:
                lines.append(f"{name}: {spread.low:.0f} to {spread.high:.0f} pixels, median {spread.median:.0f}")
        if self.points:
            lines.append(f"points: {len(self.points)}, markup {self.markup}; {self._hidden()}")
        lines += [] if self.mirror is None else [str(self.mirror)]
        lines += [f"category {name}: {n}" for name, n in self.categories.items()]
        lines += _told("scenes", self.scenes) + _told("objects", self.objects)
        lines += [str(attribute) for attribute in self.attributes]
        lines += [f"class {name}: {share:.1%} of the pixels" for name, share in self.class_shares.items()]
        lines += [f"the same picture: {', '.join(ids)}" for ids in self.duplicates]
        if self.groups < _FEWEST_GROUPS:
            lines.append(
                f"too few to train a probe on, which takes {_FEWEST_GROUPS} groups (people or pictures) or more"
            )
        lines += [f"problems: {len(self.problems)}", *(f"  {line}" for line in summed_up(self.problems))]
        return "\n".join(lines)

    def _hidden(self) -> str:
        """Which points are missing where, in words."""
        hidden = sorted((point for point in self.points if point.visible < self.n), key=lambda point: point.visible)
        if not hidden:
            return "all of them are visible in every example"
        rarest = hidden[0]
        return (
            f"{len(hidden)} of them are hidden or not annotated in some examples, most often {rarest.name}, which is "
            f"visible in {rarest.visible} of {self.n}"
        )


def check(dataset: Dataset, seen: Callable[[], None] | None = None) -> CheckReport:
    """Read every picture and mask of a data set, and count.

    Args:
        dataset: the data set.
        seen: called once for every example, to show progress.
    """
    looks = _look_at_all(dataset, seen)
    sizes = np.array([look.size for look in looks if look.size is not None]).reshape(-1, 2)
    sides = [max(e.box[2] - e.box[0], e.box[3] - e.box[1]) for e in dataset if e.box is not None]
    return CheckReport(
        spec=dataset.spec,
        n=len(dataset),
        groups=len({example.group for example in dataset}),
        widths=_range(sizes[:, 0]),
        heights=_range(sizes[:, 1]),
        box_sides=_range(sides),
        points=_points(dataset),
        markup=None if dataset.markup is None else dataset.markup.name,
        mirror=mirror_check(dataset.examples, dataset.markup),
        categories=dict(sorted(Counter(e.category for e in dataset if e.category).items())),
        scenes=_commonest(e.scene for e in dataset if e.scene),
        objects=_commonest(name for e in dataset for name in {each.name for each in e.objects}),
        attributes=_attributes(dataset),
        class_shares=_class_shares(dataset, looks),
        duplicates=_duplicates(dataset, looks),
        problems=(*dataset.skipped, *(problem for look in looks for problem in look.problems), *_eyes(dataset)),
    )


def _commonest(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda one: (-one[1], one[0])))


def _told(what: str, counts: Mapping[str, int]) -> list[str]:
    """A line: how many there are, and the commonest and the rarest with their numbers of examples."""
    if not counts:
        return []
    named = [f"{name} {n}" for name, n in counts.items()]
    shown = named if len(named) <= _LISTED else [*named[: _LISTED - 1], "...", named[-1]]
    return [f"{what}: {len(counts)}; {', '.join(shown)}"]


def mirror_check(examples: Sequence[Example], markup: Markup | None) -> MirrorCheck | None:
    """How far the mean shape, in the square about each box, is from its mirror image.

    None where the mirror pairs are unknown, or fewer than 20 examples have points and a box.
    """
    if markup is None or markup.mirror is None:
        return None
    shapes = [
        (to_unit(e.keypoints, square_about(e.box)), e.visible)
        for e in examples
        if e.box is not None and e.keypoints is not None and e.visible is not None
    ]
    if len(shapes) < _FEWEST_FOR_MIRROR:
        return None
    weights = np.array([visible for _, visible in shapes], dtype=np.float64)
    counts = weights.sum(axis=0)
    mean = np.einsum("nkc,nk->kc", np.array([shape for shape, _ in shapes]), weights) / np.maximum(counts, 1)[:, None]
    order = markup.mirror_order()
    known = (counts >= _FEWEST_FOR_MIRROR) & (counts[order] >= _FEWEST_FOR_MIRROR)
    if not known.any():
        return None
    distances = np.where(known, np.linalg.norm(mean - mirror_unit(mean)[order], axis=1), 0.0)
    worst = int(distances.argmax())
    return MirrorCheck(float(np.median(distances[known])), float(distances[worst]), markup.points[worst])


@dataclass(frozen=True)
class _Look:
    """What reading one example's pixels showed: the size ``(width, height)``, its digest, pixels of each class."""

    size: tuple[int, int] | None
    digest: str
    class_counts: NDArray[np.int64]
    problems: tuple[Problem, ...]


def _look_at_all(dataset: Dataset, seen: Callable[[], None] | None) -> list[_Look]:
    looks = []
    with ThreadPoolExecutor() as pool:
        for look in pool.map(lambda example: _look_at(example, len(dataset.classes)), dataset):
            looks.append(look)
            if seen is not None:
                seen()
    return looks


def _look_at(example: Example, n_classes: int) -> _Look:
    counts = np.zeros(n_classes, dtype=np.int64)
    size, digest, problems = None, "", []
    try:
        height, width = example.image.read().shape[:2]
        size, digest = (width, height), example.image.digest()
    except VestigeError as error:
        problems.append(Problem(example.id, str(error)))
    try:
        if example.mask is not None:
            counts += np.bincount(example.mask.read().ravel(), minlength=max(n_classes, 256))[:n_classes]
    except VestigeError as error:
        problems.append(Problem(example.id, str(error)))
    return _Look(size, digest, counts, tuple(problems))


def _range(values: Iterable[float]) -> Range | None:
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0:
        return None
    return Range(float(array.min()), float(np.median(array)), float(array.max()))


def _points(dataset: Dataset) -> tuple[PointCount, ...]:
    if dataset.markup is None:
        return ()
    counts = np.zeros(len(dataset.markup.points), dtype=np.int64)
    for example in dataset:
        if example.visible is not None:
            counts += example.visible
    return tuple(PointCount(name, int(n)) for name, n in zip(dataset.markup.points, counts, strict=True))


def _eyes(dataset: Dataset) -> list[Problem]:
    """A problem where errors cannot be divided by the distance of the eyes, since no example has two that are apart."""
    if dataset.markup is None or dataset.markup.eyes is None:
        return []
    eyes = dataset.markup.eyes
    for example in dataset:
        seen = example.visible is not None and example.visible[[*eyes[0], *eyes[1]]].all()
        if seen and example.keypoints is not None and eye_distance(example.keypoints[None], eyes)[0] > 0:
            return []
    message = (
        "no example has both eyes visible and apart, by whose distance errors are divided; use "
        f"{spelled('normaliser', 'box')}"
    )
    return [Problem(dataset.spec, message)]


def _attributes(dataset: Dataset) -> tuple[Attribute, ...]:
    values: dict[str, list[float]] = defaultdict(list)
    for example in dataset:
        for name, value in example.attributes.items():
            values[name].append(value)
    found = []
    for name, numbers in sorted(values.items()):
        spread = _range(numbers)
        assert spread is not None  # a name is only there with a value
        binary = set(numbers) <= {0.0, 1.0}
        label = name in dataset.model_labels
        found.append(Attribute(name, len(numbers), spread, float(np.mean(numbers)), binary, label))
    return tuple(found)


def _class_shares(dataset: Dataset, looks: Sequence[_Look]) -> dict[str, float]:
    total = sum((look.class_counts for look in looks), np.zeros(len(dataset.classes), dtype=np.int64))
    counted = {
        name: int(n) for k, (name, n) in enumerate(zip(dataset.classes, total, strict=True)) if k != dataset.void
    }
    everything = sum(counted.values())
    return {name: n / everything for name, n in counted.items()} if everything else {}


def _duplicates(dataset: Dataset, looks: Sequence[_Look]) -> tuple[tuple[str, ...], ...]:
    """Objects of one photograph share its picture and their group; only different groups are duplicates."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for example, look in zip(dataset, looks, strict=True):
        if look.digest:
            found[look.digest].setdefault(example.group, example.id)
    return tuple(tuple(ids.values()) for ids in found.values() if len(ids) > 1)
