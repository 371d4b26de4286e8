"""The methods of a run whose probes read vectors, saved so that they can be evaluated and run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from vestige.documents import Count, Json, read_json
from vestige.errors import VestigeError, choice
from vestige.files import write_json
from vestige.probes.engine.linear import LinearProbe, SavedProbe, load_probes, save_probes

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
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures."""
        return (self.probe,)

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

    def save(self, folder: Path) -> None:
        """Write a safetensors file per method, and ``vectors.json`` last, so that it is only there when all is."""
        described = []
        for method in self.methods:
            probes = {"base": method.probe}
            if method.refinement is not None:
                probes["refinement"] = method.refinement
            entry = {"name": method.name, "seed": method.seed, "probes": save_probes(folder, method.file, probes)}
            described.append(entry)
        document = {"task": self.task, "made_of": dict(self.made_of), "seed": self.seed, "methods": described}
        write_json(folder / _FILE, document, overwrite=True)


@dataclass(frozen=True)
class _Method:
    name: str
    seed: int | None
    probes: dict[str, SavedProbe]


@dataclass(frozen=True)
class _Saved:
    task: str
    made_of: dict[str, Json]
    seed: Count
    methods: Annotated[tuple[_Method, ...], Meta(min_length=1)]


def load_vectors(folder: Path, names: Sequence[str] | None = None) -> SavedVectors:
    """The inverse of :meth:`SavedVectors.save`, of all methods or of those named.

    Raises:
        VestigeError: where the folder is not that of a finished vector run, or is damaged.
    """
    saved = read_json(folder / _FILE, _Saved, what="probes", mend="run the probe again")
    entries = [entry for entry in saved.methods if names is None or entry.name in names]
    return SavedVectors(saved.task, saved.made_of, saved.seed, tuple(_load(folder, entry) for entry in entries))


def _load(folder: Path, entry: _Method) -> VectorMethod:
    stem = entry.name if entry.seed is None else f"{entry.name}-{entry.seed}"
    probes = load_probes(folder, stem, {key: asdict(probe) for key, probe in entry.probes.items()})
    if "base" not in probes:
        raise VestigeError(f"{folder / _FILE}: {entry.name} has no probe 'base'; run the probe again")
    return VectorMethod(entry.name, probes["base"], probes.get("refinement"), entry.seed)
