"""The probes of a keypoint run: for every class its methods, saved so that they can be evaluated and run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from vestige.documents import Json, read_json
from vestige.errors import VestigeError, choice
from vestige.files import write_json
from vestige.markup import Markup, markup_from_json
from vestige.probes.engine.options import LONGER_SIDE
from vestige.probes.engine.point_methods import PointMethod, Setup, load_methods, save_methods
from vestige.probes.keypoints.classes import PointClass, class_markup
from vestige.spelling import spelled

_FILE = "keypoints.json"


@dataclass(frozen=True)
class KeypointSetup:
    """How a keypoint run sees its pictures and what it measures.

    Attributes:
        markup: of the points of all classes.
        box_margin: the share of a box's longer side that a crop adds on every side.
        alphas: of PCK, in longer sides of the box; the first is what layers are chosen by.
        seed: of the run.
    """

    markup: Markup
    box_margin: float
    alphas: tuple[float, ...]
    seed: int

    def of_points(self, markup: Markup) -> Setup:
        """The same for a point task with a markup of its own: all points, or a class's."""
        return Setup("keypoints", markup, self.box_margin, LONGER_SIDE, self.seed)

    def of_class(self, points: PointClass) -> Setup:
        """The same for the keypoints of a class."""
        return self.of_points(class_markup(self.markup, points.columns))


@dataclass(frozen=True)
class ClassProbe:
    """The regressors of one class: ``methods`` in the order of results, the last with its look-backs."""

    points: PointClass
    methods: tuple[PointMethod, ...]


@dataclass(frozen=True)
class KeypointProbes:
    """The set-up and the regressors of every class."""

    setup: KeypointSetup
    classes: tuple[ClassProbe, ...]

    def save(self, folder: Path) -> None:
        """Write a folder per class (``class-0``, ...) and ``keypoints.json``, the latter last."""
        described = []
        for number, probe in enumerate(self.classes):
            own = folder / f"class-{number}"
            save_methods(own, self.setup.of_class(probe.points), probe.methods)
            described.append({"name": probe.points.name, "columns": list(probe.points.columns)})
        setup = self.setup
        document = {**vars(setup), "markup": setup.markup.to_json(), "alphas": list(setup.alphas)}
        write_json(folder / _FILE, {"setup": document, "classes": described}, overwrite=True)

    def methods(self) -> Iterator[PointMethod]:
        """The methods of all classes."""
        for probe in self.classes:
            yield from probe.methods

    def of_class(self, name: str | None) -> ClassProbe:
        """The regressors of a class; of the only one where no name is given.

        Raises:
            VestigeError: where there is no such class, or no name for several.
        """
        names = [probe.points.name for probe in self.classes]
        if name is None and len(names) == 1:
            return self.classes[0]
        if name is None:
            raise VestigeError(
                f"{spelled('category')} is not given: the run has regressors for {', '.join(names)}; name one"
            )
        if name not in names:
            raise VestigeError(f"{spelled('category', name)}: the run has no regressors for it; {choice(name, names)}")
        return self.classes[names.index(name)]


@dataclass(frozen=True)
class _Setup:
    markup: Json
    box_margin: float
    alphas: Annotated[tuple[float, ...], Meta(min_length=1)]
    seed: int


@dataclass(frozen=True)
class _Saved:
    setup: _Setup
    classes: Annotated[tuple[PointClass, ...], Meta(min_length=1)]


def load_keypoint_probes(folder: Path) -> KeypointProbes:
    """The inverse of :meth:`KeypointProbes.save`.

    Raises:
        VestigeError: where the folder is not that of a finished keypoint run, or is damaged.
    """
    path = folder / _FILE
    saved = read_json(path, _Saved, what="keypoint probes", mend="run the probe again")
    markup = markup_from_json(saved.setup.markup, str(path))
    setup = KeypointSetup(**{**vars(saved.setup), "markup": markup})
    points = saved.classes
    if any(k >= len(markup.points) for own in points for k in own.columns):
        raise VestigeError(f"{path}: a class has a point outside 0..{len(markup.points) - 1}; run the probe again")
    classes = [ClassProbe(own, load_methods(folder / f"class-{number}")[1]) for number, own in enumerate(points)]
    return KeypointProbes(setup, tuple(classes))
