"""The data that objects are counted in: how frequent each is, and for which scenes it is the most informative."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vestige.contract.session import Session
from vestige.datasets.dataset import Dataset
from vestige.datasets.drawn_world import deciding
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.intervals import Bootstrap, Floats
from vestige.spelling import spelled
from vestige.text import count
from vestige.units.dissect.layout import with_objects
from vestige.units.emerge.meanings import NONE, plain, read_words
from vestige.units.emerge.scenes import Annotated, best, dealt, mean_gain
from vestige.units.emerge.task import EmergeOptions

LEAST_OBJECTS = 3
"""Of fewer, numbers always correlate by 1 or -1."""


@dataclass(frozen=True)
class World:
    """The pictures whose scene and objects are known.

    Attributes:
        examples: N of them.
        objects: O names, the most frequent first.
        rare: names of objects in too few pictures.
        scenes: S names of scenes that are in pictures enough.
        few: of the others.
        annotated: the pictures as numbers.
        given: what a file says of words, by their plain form; {} without one.
        renamed: by names in the data, the object that the file says they are.
    """

    examples: tuple[Example, ...]
    objects: tuple[str, ...]
    rare: tuple[str, ...]
    scenes: tuple[str, ...]
    few: tuple[str, ...]
    annotated: Annotated
    given: Mapping[str, str]
    renamed: Mapping[str, str]

    @classmethod
    def of(cls, data: Dataset, options: EmergeOptions) -> World:
        """The data as the options have them.

        Raises:
            VestigeError: where too few scenes or objects are in pictures enough, or the file of words is bad.
        """
        examples = tuple(each for each in with_objects(data) if each.scene and each.objects)
        if not examples:
            raise VestigeError(
                f"{data.spec}: no picture has both a scene and objects; expected some that do, as those of "
                "miniplaces:DIR,train"
            )
        own = sorted({one.name for each in examples for one in each.objects})
        given = {} if options.words is None else read_words(options.words, own)
        said = {name: given.get(plain(name), "") for name in own}
        renamed = {name: thing for name, thing in said.items() if thing not in ("", NONE, name)}
        there = [Counter(renamed.get(one.name, one.name) for one in each.objects) for each in examples]
        pictures = Counter(name for each in there for name in each)
        instances = sum(there, Counter[str]())
        names = sorted(pictures, key=lambda name: (-instances[name], name))
        objects = tuple(name for name in names if pictures[name] >= options.least)
        groups = {(each.scene, each.group) for each in examples}
        often = Counter(scene for scene, _ in groups)
        scenes = tuple(sorted(name for name, n in often.items() if n >= options.folds))
        if len(objects) < LEAST_OBJECTS:
            raise VestigeError(
                f"{data.spec}: {count(len(objects), 'object')} in {count(options.least, 'picture')} or more; expected "
                f"{LEAST_OBJECTS}; ask for fewer pictures with {spelled('least')}"
            )
        if len(scenes) < 2:
            raise VestigeError(
                f"{data.spec}: {count(len(scenes), 'scene')} in {count(options.folds, 'picture')} or more, one for "
                f"each fold; expected 2 or more; ask for fewer folds with {spelled('folds')}"
            )
        place = {name: k for k, name in enumerate(scenes)}
        annotated = Annotated(
            np.array([[each[name] for name in objects] for each in there], np.int32),
            np.array([place.get(each.scene, -1) for each in examples], np.intp),
            len(scenes),
            dealt([e.scene for e in examples], [e.group for e in examples], options.folds, options.seed),
        )
        few = tuple(sorted(often.keys() - set(scenes)))
        rare = tuple(sorted(pictures.keys() - set(objects)))
        return cls(examples, objects, rare, scenes, few, annotated, given, renamed)

    @cached_property
    def deciding(self) -> NDArray[np.bool_] | None:
        """``(S, O)``: which objects decide each scene; None where that is not known."""
        truth = deciding(self.examples)
        if not truth:
            return None
        by_scene = [{self.renamed.get(name, name) for name in truth.get(scene, ())} for scene in self.scenes]
        return np.array([[name in names for name in self.objects] for names in by_scene])

    @property
    def decides(self) -> NDArray[np.bool_] | None:
        """``(O,)``: which objects decide some scene; None where that is not known."""
        return None if self.deciding is None else np.asarray(self.deciding.any(axis=0), np.bool_)


@dataclass(frozen=True)
class Informative:
    """How frequent objects are, and how informative.

    Attributes:
        precision: ``(S, O)`` of each object for each scene.
        chance: ``(S,)`` of knowing nothing.
        frequencies: ``(B, O)`` over resamples of pictures.
        times_best: ``(B, O)`` likewise: for how many scenes each is the most informative.
        gains: ``(B, O)`` likewise: by how much each one's average precision exceeds knowing nothing, over scenes.
        right: ``(B,)`` likewise: the share of scenes whose most informative object decides them; 0 where that is not
            known.
        groups: how many are resampled.
    """

    precision: Floats
    chance: Floats
    frequencies: Floats
    times_best: Floats
    gains: Floats
    right: Floats
    groups: int

    @classmethod
    def of(cls, world: World, options: EmergeOptions, session: Session) -> Informative:
        """Of the pictures."""
        bootstrap = Bootstrap.of(world.examples, options.seed)
        precision, chance = (each[0] for each in world.annotated.precision())
        decides = np.zeros(precision.shape, bool) if world.deciding is None else world.deciding
        times_best, gains, right = [], [], []
        for again in world.annotated.resampled(bootstrap.weights, session.counting("resamples")):
            first = best(*again)
            times_best.append(first.sum(axis=1))
            gains.append(mean_gain(*again))
            right.append((first * decides).sum(axis=(1, 2)) / len(world.scenes))
        return cls(
            precision,
            chance,
            world.annotated.frequencies(bootstrap.weights),
            np.concatenate(times_best),
            np.concatenate(gains),
            np.concatenate(right),
            len(set(bootstrap.groups.tolist())),
        )

    @property
    def best(self) -> Floats:
        """``(S, O)``: the most informative object of each scene."""
        return best(self.precision, self.chance)

    @property
    def gain(self) -> Floats:
        """``(O,)``: by how much each object's average precision exceeds knowing nothing, the mean over scenes."""
        return mean_gain(self.precision, self.chance)
