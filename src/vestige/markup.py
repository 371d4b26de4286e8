"""Markups: what a data set's points mean, as data."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.documents import Json, read_json
from vestige.errors import VestigeError, choice
from vestige.spelling import spelled

SHIPPED = ("face68", "helen194", "cub15", "coco17", "voc")
"""The markups in the package, by name (``vestige/markups/NAME.json``)."""

_KEYS = {"name", "source", "points", "mirror", "eyes", "eye_corners", "pupils", "parts"}

_SIDE = re.compile(
    r"(?<![A-Za-z])(?:LEFT|RIGHT|[Ll]eft|[Rr]ight|[LlRr])(?![A-Za-z])|(?<![A-Za-z])(?:[Ll]eft|[Rr]ight)(?=[A-Z])"
)
_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}


@dataclass(frozen=True)
class Markup:
    """What the ``K`` points of a data set mean.

    Attributes:
        name: of the markup.
        points: the ``K`` names.
        mirror: ``mirror[k]`` is the point that takes k's place in the mirrored picture; None where it is not known.
        eyes: the points whose mean is the centre of the left and of the right eye (as seen in the picture).
        eye_corners: the left and the right eye's outer corner.
        pupils: the points about the left and the right pupil whose mean stands for it.
        parts: named sets of points that look-back looks at again; a point may be in several.
    """

    name: str
    points: tuple[str, ...]
    mirror: tuple[int, ...] | None = None
    eyes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    eye_corners: tuple[int, int] | None = None
    pupils: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    parts: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Any]:
        """The markup as :func:`read_markup` reads it."""
        mirror = None if self.mirror is None else [[a, b] for a, b in enumerate(self.mirror) if a < b]
        return {
            "name": self.name,
            "points": list(self.points),
            "mirror": mirror,
            "eyes": self.eyes,
            "eye_corners": self.eye_corners,
            "pupils": self.pupils,
            "parts": dict(self.parts),
        }

    def mirror_order(self) -> NDArray[np.intp]:
        """``(K,)``: point k of the mirrored picture is point ``order[k]`` of the picture."""
        if self.mirror is None:
            raise VestigeError(
                f"markup {self.name!r} has no mirror pairs; give them with {spelled('markup', word='FILE')} "
                f"or use {spelled('mirror', False)}"
            )
        return np.array(self.mirror, dtype=np.intp)


def unknown_markup(n_points: int) -> Markup:
    """The markup of points that nothing is known about: no mirroring, no look-back, errors normalised by the box."""
    return Markup(f"unknown-{n_points}", tuple(str(k) for k in range(n_points)))


def markup_of_names(name: str, points: Sequence[str]) -> Markup:
    """A markup of which only the points' names are known; mirror pairs are taken from them (:func:`mirror_of_names`).

    Raises:
        VestigeError: where a name is there twice.
    """
    pairs = mirror_of_names(points)
    return markup_from_json({"name": name, "points": list(points), "mirror": pairs}, name)


def mirror_of_names(points: Sequence[str]) -> list[list[str]] | None:
    """The pairs of points that differ only by side: ``left_eye`` and ``right_eye``, ``L_Paw`` and ``R_Paw``.

    None where no name has a side, or a partner is not among the points: a wrong mirror is worse than none.
    """
    pairs = []
    for point in points:
        partner = _SIDE.sub(_swap_side, point)
        if partner not in points:
            return None
        if point < partner:
            pairs.append([point, partner])
    return pairs or None


def _swap_side(match: re.Match[str]) -> str:
    word = match.group()
    other = _OTHER_SIDE[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other


def shipped_markup(name: str) -> Markup:
    """One of :data:`SHIPPED`."""
    text = (resources.files("vestige") / "markups" / f"{name}.json").read_text(encoding="utf-8")
    return markup_from_json(json.loads(text), name)


def read_markup(path: Path) -> Markup:
    """A markup from a JSON file: ``{"name", "points": [...], "mirror": [[a, b], ...], "eyes": [[...], [...]],
    "eye_corners": [a, b], "pupils": [[...], [...]], "parts": {"name": [...]}}`` with points by name or index;
    everything but ``points`` may be left out.

    Raises:
        VestigeError: naming the file, the entry and what was expected.
    """
    return markup_from_json(read_json(path, Json, what="a markup in JSON"), str(path))


def markup_from_json(document: Any, where: str) -> Markup:
    """A markup from the JSON that :func:`read_markup` describes; ``where`` names the file in errors."""
    if not isinstance(document, dict) or not _is_list_of(document.get("points"), str) or not document["points"]:
        raise VestigeError(f'{where}: expected a JSON object with "points", a list of names')
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise VestigeError(f'{where}: unknown entry "{unknown[0]}"; {choice(unknown[0], sorted(_KEYS))}')
    points = tuple(document["points"])
    index = _Index(where, {name: k for k, name in enumerate(points)})
    if len(index.names) != len(points):
        raise VestigeError(f'{where}: "points" names a point twice')
    pairs = document.get("mirror")
    return Markup(
        name=str(document.get("name", where)),
        points=points,
        mirror=None if pairs is None else index.permutation(pairs),
        eyes=index.two_sets(document, "eyes"),
        eye_corners=index.two_points(document, "eye_corners"),
        pupils=index.two_sets(document, "pupils"),
        parts=index.parts(document.get("parts", {})),
    )


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)


@dataclass(frozen=True)
class _Index:
    """Turns the names or numbers of a markup file into point indices."""

    where: str
    names: dict[str, int]

    def point(self, key: str, entry: Any) -> int:
        if isinstance(entry, int) and not isinstance(entry, bool) and 0 <= entry < len(self.names):
            return entry
        if isinstance(entry, str) and entry in self.names:
            return self.names[entry]
        raise VestigeError(
            f'{self.where}: "{key}" holds {entry!r}; expected a name from "points" or a number '
            f"from 0 to {len(self.names) - 1}"
        )

    def set(self, key: str, entries: Any) -> tuple[int, ...]:
        if not isinstance(entries, (list, tuple)) or not entries:
            raise VestigeError(f'{self.where}: "{key}" holds {entries!r}; expected a list of points')
        return tuple(self.point(key, entry) for entry in entries)

    def parts(self, entries: Any) -> Mapping[str, tuple[int, ...]]:
        if not isinstance(entries, dict):
            raise VestigeError(f'{self.where}: "parts": expected an object of names and lists of points')
        return MappingProxyType({name: self.set("parts", entry) for name, entry in entries.items()})

    def two_sets(self, document: dict[str, Any], key: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        entries = document.get(key)
        if entries is None:
            return None
        if not isinstance(entries, (list, tuple)) or len(entries) != 2:
            raise VestigeError(f'{self.where}: "{key}": expected two lists of points, left and right')
        left, right = self.set(key, entries[0]), self.set(key, entries[1])
        if set(left) == set(right):  # whose distance would be zero in every picture
            raise VestigeError(f'{self.where}: "{key}": left and right are the same points; expected two lists')
        return left, right

    def two_points(self, document: dict[str, Any], key: str) -> tuple[int, int] | None:
        entries = document.get(key)
        if entries is None:
            return None
        if not isinstance(entries, (list, tuple)) or len(entries) != 2:
            raise VestigeError(f'{self.where}: "{key}": expected two points, left and right')
        left, right = self.point(key, entries[0]), self.point(key, entries[1])
        if left == right:
            raise VestigeError(f'{self.where}: "{key}": left and right are the same point; expected two')
        return left, right

    def permutation(self, pairs: Any) -> tuple[int, ...]:
        order = list(range(len(self.names)))
        seen: set[int] = set()
        if not isinstance(pairs, list):
            raise VestigeError(f'{self.where}: "mirror": expected a list of pairs of points')
        for pair in pairs:
            if not isinstance(pair, list) or len(pair) != 2:
                raise VestigeError(f'{self.where}: "mirror" holds {pair!r}; expected a pair of points')
            a, b = (self.point("mirror", entry) for entry in pair)
            if seen & {a, b}:
                raise VestigeError(f'{self.where}: "mirror": a point of {pair!r} is in two pairs')
            seen |= {a, b}
            order[a], order[b] = b, a
        return tuple(order)
