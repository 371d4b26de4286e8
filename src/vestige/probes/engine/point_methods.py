"""The methods of a run: point models by name, saved so that they can be evaluated and run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from vestige.documents import Count, Json, read_json
from vestige.errors import VestigeError
from vestige.files import write_json
from vestige.markup import Markup, markup_from_json
from vestige.probes.engine.linear import LinearProbe, SavedProbe, Source, load_probes, save_probes
from vestige.probes.engine.lookback import LookBack
from vestige.probes.engine.points import PointModel
from vestige.trust import check_recorded

_FILE = "probe.json"


@dataclass(frozen=True)
class Setup:
    """How a run sees its pictures and what it measures: the same in training, evaluation and prediction.

    Attributes:
        task: ``landmarks``.
        markup: of the points.
        box_margin: the share of a box's longer side that a crop adds on every side.
        normaliser: what errors are divided by.
        seed: of the run.
    """

    task: str
    markup: Markup
    box_margin: float
    normaliser: str
    seed: int

    @property
    def metric(self) -> str:
        """The error's name in results."""
        return f"nme_{self.normaliser.replace('-', '_')}"


@dataclass(frozen=True)
class PointMethod:
    """A point model under its name in results.json.

    Attributes:
        name: ``mean``, ``rgb``, ``untrained``, ``ridge``.
        model: its probes.
        seed: of random weights, where there are several of the same name.
    """

    name: str
    model: PointModel
    seed: int | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the model's stages: its own, ``look-back``, ``look-back-2``, ..."""
        return (self.name, *(look_back_name(turn) for turn in range(len(self.model.look_backs))))

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures, the first look first."""
        return (self.model.base, *(probe for look in self.model.look_backs for probe in look.probes))

    @property
    def file(self) -> str:
        """The stem of the file that holds its arrays."""
        return _stem(self.name, self.seed)


def look_back_name(turn: int) -> str:
    """What the stage after the look-back ``turn`` (from 0) is called: ``look-back``, ``look-back-2``, ..."""
    return f"look-back-{turn + 1}" if turn else "look-back"


def save_methods(folder: Path, setup: Setup, methods: Sequence[PointMethod]) -> None:
    """Write ``probe.json`` and a safetensors file per method; the JSON last, so that it is only there when all is."""
    described = []
    for method in methods:
        probes = {"base": method.model.base}
        looks = []
        for i, look in enumerate(method.model.look_backs, start=1):
            probes |= {f"look-back-{i}/{part}": probe for part, probe in zip(look.parts, look.probes, strict=True)}
            points = [list(chosen) for chosen in look.points]
            looks.append(
                {
                    "source": asdict(look.source),
                    "parts": list(look.parts),
                    "points": points,
                    "margins": look.margins.tolist(),
                }
            )
        saved = save_probes(folder, method.file, probes)
        described.append({"name": method.name, "seed": method.seed, "look_backs": looks, "probes": saved})
    setup_json = {**vars(setup), "markup": setup.markup.to_json()}
    write_json(folder / _FILE, {"setup": setup_json, "methods": described}, overwrite=True)


@dataclass(frozen=True)
class _Setup:
    task: str
    markup: Json
    box_margin: float
    normaliser: str
    seed: int


@dataclass(frozen=True)
class _Look:
    source: Source
    parts: tuple[str, ...]
    points: tuple[tuple[Count, ...], ...]
    margins: tuple[float, ...]


@dataclass(frozen=True)
class _Method:
    name: str
    seed: int | None
    look_backs: tuple[_Look, ...]
    probes: dict[str, SavedProbe]


@dataclass(frozen=True)
class _Saved:
    setup: _Setup
    methods: Annotated[tuple[_Method, ...], Meta(min_length=1)]


def load_methods(folder: Path) -> tuple[Setup, tuple[PointMethod, ...]]:
    """The inverse of :func:`save_methods`.

    Raises:
        VestigeError: where the folder is not that of a finished run, or is damaged.
    """
    path = folder / _FILE
    saved = read_json(path, _Saved, what="a probe", mend="run the probe again")
    markup = markup_from_json(saved.setup.markup, str(path))
    setup = Setup(**{**vars(saved.setup), "markup": markup})
    try:
        return setup, tuple(_load_method(folder, entry, len(markup.points)) for entry in saved.methods)
    except (KeyError, ValueError) as error:
        raise VestigeError(f"{path}: cannot be read as a probe: {error}; run the probe again") from error


def _load_method(folder: Path, entry: _Method, n_points: int) -> PointMethod:
    probes = load_probes(folder, _stem(entry.name, entry.seed), {key: asdict(p) for key, p in entry.probes.items()})
    looks = []
    for i, look in enumerate(entry.look_backs, start=1):
        own = tuple(probes[f"look-back-{i}/{part}"] for part in look.parts)
        if not len(look.parts) == len(look.points) == len(look.margins):
            raise ValueError(
                f"look-back {i} has {len(look.parts)} parts, {len(look.points)} sets of points and "
                f"{len(look.margins)} margins"
            )
        for part, points, probe in zip(look.parts, look.points, own, strict=True):
            if any(k >= n_points for k in points) or len(probe.intercept) != 2 * len(points):
                raise ValueError(f"part {part!r} does not fit the markup of {n_points} points")
        check_recorded(look.source.backbone, folder)
        looks.append(LookBack(look.source, look.parts, look.points, np.array(look.margins, dtype=np.float64), own))
    if len(probes["base"].intercept) != 2 * n_points:
        raise ValueError(f"{entry.name} reads {len(probes['base'].intercept)} numbers for {n_points} points")
    return PointMethod(entry.name, PointModel(probes["base"], tuple(looks)), entry.seed)


def _stem(name: str, seed: int | None) -> str:
    return name if seed is None else f"{name}-{seed}"


@dataclass(frozen=True)
class SavedPoints:
    """What the folder of a run's point probes holds.

    Attributes:
        setup: how it sees its pictures.
        methods: every baseline, then ``ridge`` with its look-backs.
    """

    setup: Setup
    methods: tuple[PointMethod, ...]

    def save(self, folder: Path) -> None:
        """Write the probes of all methods."""
        save_methods(folder, self.setup, self.methods)
