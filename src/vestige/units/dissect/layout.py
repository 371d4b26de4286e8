"""The pictures of a dissection, and how they are looked at: halves, objects, where maps lie on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from vestige.datasets.dataset import Dataset
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.images import Crop
from vestige.regions import class_objects
from vestige.spelling import spelled
from vestige.text import count
from vestige.units.activations import ActivationReader
from vestige.units.dissect.counting import STEPS
from vestige.units.dissect.looking import Grid, Seen, exchanged
from vestige.units.dissect.scan import Parts, Pass
from vestige.units.dissect.sums import HIGHEST, LOWEST
from vestige.units.dissect.task import DissectOptions
from vestige.units.places import Standing


@dataclass(frozen=True)
class Layout:
    """The data and how they are looked at."""

    data: Dataset
    examples: tuple[Example, ...]
    options: DissectOptions
    parts: Parts
    standings: Mapping[str, Standing]
    seen: Seen | None
    exchanged: Mapping[int, int]
    left_out: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objects."""
        return tuple(self.seen.names) if self.seen else ()

    def passing(self, reader: ActivationReader, pool: ThreadPoolExecutor, *, own: bool = True) -> Pass:
        """A pass of these pictures through a network."""
        return Pass(
            reader=reader,
            crops=[Crop(example) for example in self.examples],
            parts=self.parts,
            standings=self.standings,
            threshold=self.options.threshold,
            quantile=self.options.quantile,
            seed=self.options.seed,
            seen=self.seen,
            exchanged=self.exchanged,
            own=own,
            rotated=own and "rotated" in self.options.chance and self.seen is not None,
            pool=pool,
        )

    def made_from(self, reader: ActivationReader) -> str:
        """A text that changes whenever what is counted would."""
        options = {**asdict(self.options), "backbone": "", "layers": tuple(reader.layers)}
        numerics = reader.options.numerics(reader.device)
        about = (reader.backbone.fingerprint, reader.backbone.preprocessing.fingerprint(), numerics, options)
        return f"dissect 3 {self.data.fingerprint} {about!r} {self.names!r} {STEPS} {HIGHEST} {LOWEST}"


def lay_out(data: Dataset, reader: ActivationReader, options: DissectOptions) -> Layout:
    examples = with_objects(data)
    groups, scenes = [each.group for each in examples], [each.scene for each in examples]
    parts = Parts.dealt(groups, scenes, options.seed)
    size = reader.backbone.preprocessing.size
    standings = {
        name: Standing.of(size, reader.shapes[name][1:], field, options.anchor) for name, field in reader.fields.items()
    }
    names, left_out = objects_of(data, examples, options)
    seen = Seen(examples, names, Grid(options.points, options.seed)) if names else None
    annotated = np.array([row for row, each in enumerate(examples) if each.objects], np.intp)
    shuffled = seen is not None and "shuffled" in options.chance
    others = exchanged(scenes, parts.halves, annotated, options.seed) if shuffled else {}
    return Layout(data, examples, options, parts, standings, seen, others, left_out)


def objects_of(
    data: Dataset, examples: Sequence[Example], options: DissectOptions
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of objects in pictures enough, and those of the others."""
    found = Counter(name for each in examples for name in {one.name for one in each.objects})
    names = tuple(sorted(name for name, n in found.items() if n >= options.least))
    if found and not names:
        raise VestigeError(
            f"{data.spec}: no object is in {count(options.least, 'picture')}, the commonest in "
            f"{max(found.values())}; ask for fewer with {spelled('least', max(found.values()))}"
        )
    return names, tuple(sorted(found.keys() - set(names)))


def with_objects(data: Dataset) -> tuple[Example, ...]:
    """The examples; where none has objects but they have masks, every class of those is an object."""
    examples = tuple(data)
    if any(each.objects for each in examples) or not data.classes:
        return examples
    none = ("", "background")
    names = {k: name for k, name in enumerate(data.classes) if k != data.void and name.lower() not in none}
    return tuple(
        each if each.mask is None else replace(each, objects=class_objects(cast(Any, each.mask), names))
        for each in examples
    )
