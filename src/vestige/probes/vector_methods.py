"""The methods of a vector run, saved so that they can be evaluated and run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vestige.errors import VestigeError, choice
from vestige.files import write_json
from vestige.probes.linear import LinearProbe, load_probes, save_probes

_FILE = "vectors.json"


@dataclass(frozen=True)
class VectorMethod:
    """A linear probe under its name in results.json.

    Attributes:
        name: ``mean``, ``rgb``, ``untrained``, ``ridge``, ...
        probe: from features to the task's vector.
        refinement: a second linear model on the vector; None for a task without one.
        seed: of random weights, where there are several of the same name.
    """

    name: str
    probe: LinearProbe
    refinement: LinearProbe | None = None
    seed: int | None = None

    @property
    def file(self) -> str:
        """The stem of the file that holds its arrays."""
        return self.name if self.seed is None else f"{self.name}-{self.seed}"


@dataclass(frozen=True)
class SavedVectors:
    """What the folder of a vector run's probes holds.

    Attributes:
        task: the name of the task.
        made_of: its JSON.
        seed: of the run.
        methods: all of them, the run's own (``ridge``) last but for its ablations.
    """

    task: str
    made_of: Mapping[str, Any]
    seed: int
    methods: tuple[VectorMethod, ...]

    def method(self, name: str) -> VectorMethod:
        """The first method of a name.

        Raises:
            VestigeError: where there is none.
        """
        for method in self.methods:
            if method.name == name:
                return method
        raise VestigeError(f"the run has no method {name!r}; {choice(name, [m.name for m in self.methods])}")


def save_vectors(folder: Path, saved: SavedVectors) -> None:
    """Write a safetensors file per method, and ``vectors.json`` last, so that it is only there when all is."""
    described = []
    for method in saved.methods:
        probes = {"base": method.probe}
        if method.refinement is not None:
            probes["refinement"] = method.refinement
        entry = {"name": method.name, "seed": method.seed, "probes": save_probes(folder, method.file, probes)}
        described.append(entry)
    document = {"task": saved.task, "made_of": dict(saved.made_of), "seed": saved.seed, "methods": described}
    write_json(folder / _FILE, document, overwrite=True)


def load_vectors(folder: Path, names: Sequence[str] | None = None) -> SavedVectors:
    """The inverse of :func:`save_vectors`, of all methods or of those named.

    Raises:
        VestigeError: where the folder is not that of a finished vector run, or is damaged.
    """
    path = folder / _FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = [entry for entry in document["methods"] if names is None or entry["name"] in names]
        methods = tuple(_load(folder, entry) for entry in entries)
        return SavedVectors(document["task"], document["made_of"], int(document["seed"]), methods)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise VestigeError(f"{path}: cannot be read as probes: {error}; run the probe again") from error


def _load(folder: Path, entry: Mapping[str, Any]) -> VectorMethod:
    name, seed = entry["name"], entry["seed"]
    probes = load_probes(folder, name if seed is None else f"{name}-{seed}", entry["probes"])
    return VectorMethod(name, probes["base"], probes.get("refinement"), seed)
