"""What the drawn world is made of, as data: its scenes, its kinds of objects, and what decides a scene.

The world's truth, for tests and measurements: a picture is of a scene exactly where one of the scene's diagnostic kinds
is in it (:data:`DIAGNOSTIC`). Rooms and landscapes are drawn alike for all scenes inside and all outside, so nothing
else tells the scenes of either sort apart. All other kinds stand in several scenes, with the same chances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Where = Literal["floor", "back", "wall", "sky"]

INSIDE = ("bathroom", "bedroom", "kitchen", "office")
OUTSIDE = ("beach", "farm", "forest", "street")
SCENES = tuple(sorted(INSIDE + OUTSIDE))
_EVERYWHERE = SCENES


@dataclass(frozen=True)
class ObjectKind:
    """A kind of object.

    Attributes:
        name: what it is called.
        scenes: where it stands.
        role: ``diagnostic`` (it decides the scene), ``common`` (often there, in several scenes), or ``rare`` (seldom
            there, in any scene).
        where: it stands on the floor or the ground, at the ``back`` of a room, hangs on a wall, or is in the sky.
        number: how many there are in a picture of one of its scenes, on average.
    """

    name: str
    scenes: tuple[str, ...]
    role: Literal["diagnostic", "common", "rare"]
    where: Where
    number: float


_KINDS = (
    ObjectKind("tree", OUTSIDE, "common", "floor", 5.0),
    ObjectKind("bush", OUTSIDE, "common", "floor", 2.5),
    ObjectKind("person", _EVERYWHERE, "common", "floor", 0.83),
    ObjectKind("picture", INSIDE, "common", "wall", 1.25),
    ObjectKind("pine", ("forest",), "diagnostic", "floor", 4.0),
    ObjectKind("window", INSIDE, "common", "wall", 0.83),
    ObjectKind("cloud", OUTSIDE, "common", "sky", 0.71),
    ObjectKind("plant", _EVERYWHERE, "common", "floor", 0.31),
    ObjectKind("car", ("street",), "diagnostic", "floor", 2.2),
    ObjectKind("cow", ("farm",), "diagnostic", "floor", 2.0),
    ObjectKind("chair", _EVERYWHERE, "common", "floor", 0.23),
    ObjectKind("lamp", INSIDE, "common", "floor", 0.42),
    ObjectKind("rock", OUTSIDE, "common", "floor", 0.38),
    ObjectKind("palm", ("beach",), "diagnostic", "floor", 1.43),
    ObjectKind("parasol", ("beach",), "diagnostic", "floor", 1.33),
    ObjectKind("mushroom", ("forest",), "diagnostic", "floor", 1.25),
    ObjectKind("bed", ("bedroom",), "diagnostic", "back", 1.18),
    ObjectKind("traffic light", ("street",), "diagnostic", "floor", 1.11),
    ObjectKind("barn", ("farm",), "diagnostic", "floor", 1.05),
    ObjectKind("fence", ("farm", "street"), "common", "floor", 0.5),
    ObjectKind("toilet", ("bathroom",), "diagnostic", "floor", 0.95),
    ObjectKind("stove", ("kitchen",), "diagnostic", "back", 0.91),
    ObjectKind("computer", ("office",), "diagnostic", "floor", 0.87),
    ObjectKind("desk", ("office",), "diagnostic", "floor", 0.83),
    ObjectKind("table", ("bedroom", "kitchen", "office"), "common", "floor", 0.27),
    ObjectKind("fridge", ("kitchen",), "diagnostic", "back", 0.77),
    ObjectKind("house", ("beach", "farm", "street"), "common", "floor", 0.25),
    ObjectKind("bathtub", ("bathroom",), "diagnostic", "back", 0.71),
    ObjectKind("sink", ("bathroom", "kitchen"), "common", "back", 0.34),
    ObjectKind("wardrobe", ("bedroom",), "diagnostic", "back", 0.67),
    ObjectKind("bird", _EVERYWHERE, "rare", "sky", 0.081),
    ObjectKind("dog", _EVERYWHERE, "rare", "floor", 0.078),
    ObjectKind("ball", _EVERYWHERE, "rare", "floor", 0.076),
    ObjectKind("clock", INSIDE, "rare", "wall", 0.147),
    ObjectKind("balloon", _EVERYWHERE, "rare", "sky", 0.071),
    ObjectKind("suitcase", _EVERYWHERE, "rare", "floor", 0.069),
    ObjectKind("bicycle", OUTSIDE, "rare", "floor", 0.135),
    ObjectKind("guitar", INSIDE, "rare", "floor", 0.13),
)

KINDS: Mapping[str, ObjectKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""All kinds by name, the commonest first."""

DIAGNOSTIC: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {scene: tuple(k.name for k in _KINDS if k.role == "diagnostic" and scene in k.scenes) for scene in SCENES}
)
"""What decides a scene: at least one of these kinds is in every picture of it, and in no picture of another scene."""
