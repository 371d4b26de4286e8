"""A data set: examples, what their points mean, and what had to be left out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.markup import Markup
from vestige.text import count

_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\S*[/\\]\S*|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")

_FOLD = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?/(\d{1,6})")

_OWN = {each.name for each in fields(Example)}

_LONGEST = 1000  # characters of a message, which may quote a file, and of a name, which may be any line of one


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one file: where, what was found and what was expected."""

    file: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        file, message = (
            text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..." for text in (self.file, self.message)
        )
        where = file if self.line is None else f"{file}, line {self.line}"
        return f"{where}: {message}".encode("utf-8", "backslashreplace").decode()  # names may be no Unicode

    @property
    def kind(self) -> str:
        """The message without the names and numbers in it, which problems of one kind have in common."""
        return _PARTICULAR.sub("#", self.message)


def summed_up(problems: Iterable[Problem], shown: int = 3) -> list[str]:
    """Problems as lines of text: of each kind the first few and how many more there are, the commonest kind first."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(str(problem))
    lines: list[str] = []
    for same in sorted(kinds.values(), key=len, reverse=True):
        distinct = list(dict.fromkeys(same))
        more = len(same) - len(distinct[:shown])
        lines += distinct[:shown]
        lines[-1] += f" (and {more} more like this)" if more else ""
    return lines


@dataclass(frozen=True)
class Dataset(Sequence[Example]):
    """The examples that a data spec names, in a fixed order (by id).

    Attributes:
        spec: the text that opened it.
        examples: those that could be read.
        markup: what the keypoints mean, or None where there are none.
        skipped: the problems of the examples that were left out.
        classes: the names of the mask's class indices (index = position), or of the categories; else ().
        void: the mask index that no target and no score counts, or None.
        model_labels: names of attributes that are a model's output and not a person's label.
    """

    spec: str
    examples: tuple[Example, ...]
    markup: Markup | None = None
    skipped: tuple[Problem, ...] = ()
    classes: tuple[str, ...] = ()
    void: int | None = None
    model_labels: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """In a line: annotations of a thousand pictures are no reading."""
        return f"<Dataset: {self.spec}, {count(len(self), 'example')}>"

    @classmethod
    def from_arrays(
        cls,
        images: Sequence[Any],
        *,
        keypoints: Any = None,
        visible: Any = None,
        boxes: Any = None,
        masks: Sequence[Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        categories: Sequence[str] | None = None,
        scenes: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        markup: Markup | str | Sequence[str] | None = None,
        classes: Sequence[str] = (),
        void: int | None = None,
        name: str = "arrays",
    ) -> Dataset:
        """A data set of N pictures that a program holds, checked as what loaders read is::

            train = vestige.Dataset.from_arrays(pictures, keypoints=points, boxes=boxes, groups=people, name="train")

        Args:
            images: paths, ``uint8`` arrays ``(H, W, 3)`` RGB or ``(H, W)`` grey, or PIL pictures.
            keypoints: ``(N, K, 2)`` in pixels.
            visible: ``(N, K)``; all where it is not given. What is not visible need not be finite.
            boxes: ``(N, 4)`` of the objects, or a sequence in which None means the whole picture.
            masks: class indices, ``uint8`` ``(H, W)``, or PIL pictures of them; None for a picture without one.
            attributes: name -> ``(N,)`` numbers, NaN where one is missing.
            categories: of the objects.
            scenes: the categories of the whole pictures.
            groups: what folds keep together, such as people; each picture by itself where they are not given.
            markup: what the points mean: a Markup, the name of one that ships, or the points' names.
            classes: the names of the masks' indices.
            void: the mask index that counts for nothing.
            name: of the data set, for people to read: its spec is ``memory:NAME``.

        Raises:
            VestigeError: naming the argument and its row.
        """
        from vestige.datasets.memory import Given, dataset_of

        given = Given(
            images=images,
            keypoints=keypoints,
            visible=visible,
            boxes=boxes,
            masks=masks,
            attributes=attributes,
            categories=categories,
            scenes=scenes,
            groups=groups,
            markup=markup,
            classes=classes,
            void=void,
            name=name,
        )
        return dataset_of(given)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        return self.examples[index]

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def without(self, kept: tuple[Example, ...], problems: Iterable[Problem]) -> Dataset:
        """The data set with only some of its examples, and why the others were left out."""
        return replace(self, examples=kept, skipped=(*self.skipped, *problems))

    def files(self) -> Iterator[Path]:
        """The files that pictures and masks lie in, and those that problems were found in."""
        for example in self.examples:
            for source in (example.image, example.mask, *_further(example).values()):
                if (path := getattr(source, "path", None)) is not None:
                    yield path
        yield from (Path(problem.file) for problem in self.skipped)

    @cached_property
    def fingerprint(self) -> str:
        """``sha256:...`` over everything that is known of every example, pictures included; equal data, equal text."""
        total = hashlib.sha256()
        for example in self.examples:
            total.update(_describe(example).encode())
        return f"sha256:{total.hexdigest()}"


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """What results.json says of a data set."""
    return {
        "spec": dataset.spec,
        "fingerprint": dataset.fingerprint,
        "n": len(dataset),
        "boxes": sum(example.box is not None for example in dataset),
        "groups": len({example.group for example in dataset}),
        "skipped": len(dataset.skipped),
        "problems": [str(problem) for problem in dataset.skipped[:100]],
    }


def _describe(example: Example) -> str:
    """Everything known of an example as one line; floats by repr, so that it is exact."""
    parts: list[object] = [example.id, example.group, example.category, example.image.digest()]
    parts.append(None if example.mask is None else example.mask.digest())
    for array in (example.box, example.keypoints, example.visible):
        parts.append(None if array is None else array.tolist())
    parts.append(sorted(example.attributes.items()))
    parts += [(name, _known(value)) for name, value in _further(example).items()]
    if example.scene or example.objects:
        parts += [example.scene, [(each.name, each.region.digest()) for each in example.objects]]
    return repr(parts) + "\n"


def _further(example: Example) -> dict[str, Any]:
    """What an Example of a class of a plug-in's own has beside what all have, by name."""
    if type(example) is Example:
        return {}
    return {each.name: getattr(example, each.name) for each in fields(example) if each.name not in _OWN}


def _known(value: Any) -> object:
    """What a fingerprint has of such a thing: the digest of a picture, or of whatever else has one."""
    if callable(digest := getattr(value, "digest", None)):
        return digest()
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


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
