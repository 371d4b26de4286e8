"""A comparison of backbones, layers and readouts on one task: what it holds, its file, and its ranking."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.arrays import Arrays, check_arrays, read_npz
from vestige.documents import Json, document_type, entries_of, read_json
from vestige.errors import VestigeError
from vestige.files import write_arrays, write_json
from vestige.intervals import Bootstrap, Difference, Floats, paired_difference

SCHEMA = 1
DOCUMENT = "comparison.json"
ARRAYS = "comparison.npz"


@dataclass(frozen=True, eq=False)
class Entry:
    """One backbone, layer and readout, measured.

    Attributes:
        backbone: its spec; random weights are told by ``@random:SEED``.
        layer, readout: what was read, and how.
        depth: of the layer, relative: 0 at the first layer of its network, 1 at the last.
        value: the metric over the test examples.
        ci95: its 95 % interval, or None.
        errors: ``(N,)`` the per-example scores behind the value, in the order of the comparison's ids; NaN where
            an example has none.
        ms_per_image: of extracting it: milliseconds of the forward pass up to the layer.
        bytes_per_image: of the stored feature.
        selection: the same metric on folds of the training examples, by which layers are chosen; None: not measured.
    """

    backbone: str
    layer: str
    readout: str
    depth: float
    value: float
    ci95: tuple[float, float] | None
    errors: Floats
    ms_per_image: float
    bytes_per_image: int
    selection: float | None = None

    @property
    def network(self) -> str:
        """The backbone without its weights: what it shares with its untrained twin."""
        return self.backbone.partition("@")[0]

    @property
    def trained(self) -> bool:
        """Whether its weights are other than random."""
        return "@random:" not in self.backbone


@dataclass(frozen=True, eq=False)
class Baseline:
    """What needs no network, such as ``mean`` and ``rgb``; fields as in :class:`Entry`."""

    method: str
    value: float
    ci95: tuple[float, float] | None
    errors: Floats


@dataclass(frozen=True)
class Skipped:
    """A combination that was not measured, and why."""

    backbone: str
    layer: str
    readout: str
    reason: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Entries measured on the same test examples.

    Attributes:
        task: ``landmarks``, ...
        metric: ``nme_inter_ocular``, ...
        unit: what the value is a share of, such as "the inter-ocular distance"; "" where it is a score.
        ids: ``(N,)`` of the test examples.
        entries: in any order, each combination once.
        baselines: what they are to be compared with.
        skipped: what was not measured.
        lower_is_better: of the metric.
        data: ``train`` and ``test`` as in results.json.
        config: every option, resolved; ``command`` as it was given.
        created, seconds, vestige: as in results.json.
        notes: what a reader of the numbers must know.
        groups: ``(N,)``: the group of each test example; None for each its own.
    """

    task: str
    metric: str
    unit: str
    ids: NDArray[np.str_]
    entries: tuple[Entry, ...]
    baselines: tuple[Baseline, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    lower_is_better: bool = True
    data: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    config: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    created: str = ""
    seconds: float = 0.0
    vestige: str = ""
    notes: tuple[str, ...] = ()
    groups: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueError("a comparison needs at least one entry")
        measured = {(entry.backbone, entry.layer, entry.readout): entry.errors for entry in self.entries}
        if len(measured) != len(self.entries):
            raise ValueError("a backbone, layer and readout has two entries")
        measured |= {(baseline.method, "", ""): baseline.errors for baseline in self.baselines}
        for name, errors in measured.items():
            if np.shape(errors) != (len(self.ids),):
                raise ValueError(
                    f"{' '.join(name)} has errors of shape {np.shape(errors)} for {len(self.ids)} examples"
                )

    def better(self, value: float) -> float:
        """A key by which the better of two values comes first."""
        return value if self.lower_is_better else -value

    def best(self) -> Entry:
        """The entry with the best value on the test examples."""
        return min(self.entries, key=lambda entry: self.better(entry.value))

    def picked(self) -> tuple[Entry, ...]:
        """The layer of every backbone and readout: by its score on training folds, or by the test value where no
        such score is known; best first."""
        chosen: dict[tuple[str, str], Entry] = {}
        for entry in self.entries:
            key = (entry.backbone, entry.readout)
            if key not in chosen or self._score(entry) < self._score(chosen[key]):
                chosen[key] = entry
        return tuple(sorted(chosen.values(), key=lambda entry: self.better(entry.value)))

    def _score(self, entry: Entry) -> float:
        return self.better(entry.value if entry.selection is None else entry.selection)


@dataclass(frozen=True, eq=False)
class Ranked:
    """An entry with its place and its paired difference to the best; None for the best itself."""

    place: int
    entry: Entry
    to_best: Difference | None

    @property
    def tied(self) -> bool:
        """Whether it cannot be told from the best: its difference's interval holds nought."""
        return self.to_best is None or self.to_best.ci95[0] <= 0 <= self.to_best.ci95[1]


def rank(
    entries: Sequence[Entry], groups: Iterable[Hashable], *, lower_is_better: bool = True, seed: int = 0
) -> tuple[Ranked, ...]:
    """Entries from best to worst by their value, with paired bootstrap differences ``entry - best``.

    Args:
        entries: measured on the same N test examples.
        groups: ``(N,)`` of these.
        lower_is_better: of the value.
        seed: of the bootstrap.
    """
    order = sorted(entries, key=lambda entry: entry.value if lower_is_better else -entry.value)
    best = order[0]
    bootstrap = Bootstrap.draw(groups, seed)
    differences = (None if e is best else paired_difference(e.errors, best.errors, bootstrap) for e in order)
    return tuple(Ranked(place, e, d) for place, (e, d) in enumerate(zip(order, differences, strict=True), start=1))


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write a comparison into a folder: numbers as ``comparison.json``, errors as ``comparison.npz``.

    Raises:
        VestigeError: where they cannot be written.
    """
    document = {"schema": SCHEMA, **_without_errors(comparison)}
    arrays = {
        "ids": comparison.ids,
        "groups": comparison.ids if comparison.groups is None else comparison.groups,
        "errors": np.stack([entry.errors for entry in comparison.entries]),
        "baseline_errors": np.array([baseline.errors for baseline in comparison.baselines], dtype=np.float64),
    }
    write_arrays(folder / ARRAYS, arrays, overwrite=True)
    write_json(folder / DOCUMENT, document, overwrite=True)


def _without_errors(comparison: Comparison) -> dict[str, Any]:
    plain = {key: value for key, value in vars(comparison).items() if key not in ("ids", "groups")}
    for name in ("entries", "baselines"):
        plain[name] = [
            {key: value for key, value in vars(one).items() if key != "errors"} for one in getattr(comparison, name)
        ]
    return plain | {
        "skipped": [asdict(one) for one in comparison.skipped],
        "data": dict(comparison.data),
        "config": dict(comparison.config),
        "notes": list(comparison.notes),
    }


_MEND = "run vestige compare again"
_Document = document_type(
    Comparison,
    schema=int,
    ids=None,
    groups=None,
    entries=tuple[document_type(Entry, errors=None), ...],  # type: ignore[misc]
    baselines=tuple[document_type(Baseline, errors=None), ...],  # type: ignore[misc]
)


@dataclass(frozen=True)
class _Version:
    schema: Json = None


def read_comparison(folder: Path) -> Comparison:
    """Read what :func:`save_comparison` wrote.

    Raises:
        VestigeError: where a file is missing, damaged or of another schema.
    """
    path = folder / DOCUMENT
    found = read_json(path, _Version, what="a comparison", mend=_MEND).schema
    if found != SCHEMA:
        raise VestigeError(f"{path}: expected a comparison of schema {SCHEMA}, found {found!r}; {_MEND}")
    document = entries_of(read_json(path, _Document, what="a comparison", mend=_MEND))
    del document["schema"]
    arrays = read_npz(folder / ARRAYS, what="the errors of a comparison", mend=_MEND)
    needed = {"ids": "text N", "groups?": "text N", "errors": "real _ N"}
    needed |= {"baseline_errors": "real _ N" if document["baselines"] else "real _"}
    check_arrays(folder / ARRAYS, arrays, needed, mend=_MEND)
    try:
        return _comparison(document, arrays)
    except ValueError as error:
        raise VestigeError(f"{path}: is damaged: {error}; {_MEND}") from error


def _comparison(document: dict[str, Any], arrays: Arrays) -> Comparison:
    entries = zip(document["entries"], arrays["errors"], strict=True)
    baselines = zip(document["baselines"], arrays["baseline_errors"], strict=True)
    read = {
        "ids": arrays["ids"],
        "groups": arrays.get("groups"),
        "entries": tuple(Entry(**entries_of(one), errors=errors) for one, errors in entries),
        "baselines": tuple(Baseline(**entries_of(one), errors=errors) for one, errors in baselines),
    }
    return Comparison(**document | read)
