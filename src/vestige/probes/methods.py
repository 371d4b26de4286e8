"""The methods of a run: point models by name, saved so that they can be evaluated and run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.errors import VestigeError
from vestige.files import write_json
from vestige.markup import Markup, markup_from_json
from vestige.probes.linear import LinearProbe, Source, load_probes, save_probes
from vestige.probes.lookback import LookBack
from vestige.probes.points import PointModel

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


@dataclass(frozen=True)
class Method:
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
        looks = [f"look-back-{i}" if i > 1 else "look-back" for i in range(1, len(self.model.look_backs) + 1)]
        return (self.name, *looks)

    @property
    def file(self) -> str:
        """The stem of the file that holds its arrays."""
        return self.name if self.seed is None else f"{self.name}-{self.seed}"


def save_methods(folder: Path, setup: Setup, methods: Sequence[Method]) -> None:
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


def load_methods(folder: Path) -> tuple[Setup, tuple[Method, ...]]:
    """The inverse of :func:`save_methods`.

    Raises:
        VestigeError: where the folder is not that of a finished run, or is damaged.
    """
    path = folder / _FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        markup = markup_from_json(document["setup"]["markup"], str(path))
        setup = Setup(**{**document["setup"], "markup": markup})
        return setup, tuple(_load_method(folder, entry) for entry in document["methods"])
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise VestigeError(f"{path}: cannot be read as a probe: {error}; run the probe again") from error


def _load_method(folder: Path, entry: Mapping[str, Any]) -> Method:
    name, seed = entry["name"], entry["seed"]
    stem = Method(name, PointModel(LinearProbe(None, np.zeros((0, 0), np.float32), np.zeros(0))), seed).file
    probes = load_probes(folder, stem, entry["probes"])
    looks = tuple(
        LookBack(
            Source(**look["source"]),
            tuple(look["parts"]),
            tuple(tuple(points) for points in look["points"]),
            np.array(look["margins"]),
            tuple(probes[f"look-back-{i}/{part}"] for part in look["parts"]),
        )
        for i, look in enumerate(entry["look_backs"], start=1)
    )
    return Method(name, PointModel(probes["base"], looks), seed)
