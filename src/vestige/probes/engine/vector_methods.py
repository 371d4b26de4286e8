"""The methods of a run's probes, saved so that they can be evaluated and run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from vestige.documents import Count, Json, read_json
from vestige.errors import VestigeError, choice
from vestige.files import write_json
from vestige.probes.engine.linear import LinearProbe, SavedProbe, Source, load_probes, save_probes
from vestige.probes.engine.lookback import LookBack
from vestige.trust import check_recorded

MAIN = "ridge"
"""The method that is the network's own reading; all others are there to compare it with."""

_FILE = "vectors.json"


@dataclass(frozen=True)
class VectorMethod:
    """A linear probe under its name in results.json.

    Attributes:
        name: ``mean``, ``rgb``, ``untrained``, ``ridge``, ...
        probe: from features to the task's vector.
        refinement: a second linear model on the vector; None for a task without one.
        seed: of random weights, where there are several of the same name.
        looks: the looks at parts that follow, of a set of points.
    """

    name: str
    probe: LinearProbe
    refinement: LinearProbe | None = None
    seed: int | None = None
    looks: tuple[LookBack, ...] = ()

    @property
    def probes(self) -> tuple[LinearProbe, ...]:
        """All that look at pictures, the first look first."""
        return (self.probe, *(probe for look in self.looks for probe in look.probes))

    def save(self, folder: Path) -> dict[str, Any]:
        """Write a safetensors file; what else it is comes back, for the run's JSON."""
        probes = {"base": self.probe}
        if self.refinement is not None:
            probes["refinement"] = self.refinement
        looks = []
        for turn, look in enumerate(self.looks, start=1):
            probes |= {_key(turn, part): probe for part, probe in zip(look.parts, look.probes, strict=True)}
            looks.append({**vars(look), "source": asdict(look.source), "margins": look.margins.tolist()})
            del looks[-1]["probes"]
        saved = save_probes(folder, _stem(self.name, self.seed), probes)
        return {"name": self.name, "seed": self.seed, "look_backs": looks, "probes": saved}


@dataclass(frozen=True)
class SavedVectors:
    """What the folder of a run's probes holds.

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
        described = [method.save(folder) for method in self.methods]
        document = {"task": self.task, "made_of": dict(self.made_of), "seed": self.seed, "methods": described}
        write_json(folder / _FILE, document, overwrite=True)


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
    probes: dict[str, SavedProbe]
    look_backs: tuple[_Look, ...] = ()


@dataclass(frozen=True)
class _Saved:
    task: str
    made_of: dict[str, Json]
    seed: Count
    methods: Annotated[tuple[_Method, ...], Meta(min_length=1)]


def load_vectors(folder: Path, names: Sequence[str] | None = None) -> SavedVectors:
    """The inverse of :meth:`SavedVectors.save`, of all methods or of those named.

    Raises:
        VestigeError: where the folder is not that of a finished run, or is damaged.
    """
    saved = read_json(folder / _FILE, _Saved, what="probes", mend="run the probe again")
    entries = [entry for entry in saved.methods if names is None or entry.name in names]
    try:
        methods = tuple(_load(folder, entry) for entry in entries)
    except (KeyError, ValueError) as error:
        why = f"there is no probe {error}" if isinstance(error, KeyError) else error
        raise VestigeError(f"{folder / _FILE}: cannot be read as probes: {why}; run the probe again") from error
    return SavedVectors(saved.task, saved.made_of, saved.seed, methods)


def _load(folder: Path, entry: _Method) -> VectorMethod:
    described = {key: asdict(probe) for key, probe in entry.probes.items()}
    probes = load_probes(folder, _stem(entry.name, entry.seed), described)
    looks = tuple(_load_look(folder, turn, look, probes) for turn, look in enumerate(entry.look_backs, start=1))
    return VectorMethod(entry.name, probes["base"], probes.get("refinement"), entry.seed, looks)


def _load_look(folder: Path, turn: int, look: _Look, probes: Mapping[str, LinearProbe]) -> LookBack:
    if not len(look.parts) == len(look.points) == len(look.margins):
        raise ValueError(
            f"look-back {turn} has {len(look.parts)} parts, {len(look.points)} sets of points and "
            f"{len(look.margins)} margins"
        )
    check_recorded(look.source.backbone, folder)
    own = tuple(probes[_key(turn, part)] for part in look.parts)
    for part, points, probe in zip(look.parts, look.points, own, strict=True):
        if len(probe.intercept) != 2 * len(points):
            raise ValueError(f"part {part!r} has {len(points)} points, and a probe of {len(probe.intercept)} numbers")
    return LookBack(look.source, look.parts, look.points, np.array(look.margins, dtype=np.float64), own)


def _key(turn: int, part: str) -> str:
    """The name of the probe that looks at a part."""
    return f"look-back-{turn}/{part}"


def _stem(name: str, seed: int | None) -> str:
    """Of the name of the file that holds a method's arrays."""
    return name if seed is None else f"{name}-{seed}"
