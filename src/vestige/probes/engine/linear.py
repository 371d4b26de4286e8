"""A linear probe: coefficients on one layer of one backbone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.files import what_is, write_tensors
from vestige.images import Crop
from vestige.manifest import check_digest
from vestige.stopwatch import timing
from vestige.trust import check_recorded

_ROWS = 1024


class Rows(Protocol):
    """Features that slice by rows: an array, or a store."""

    def __getitem__(self, index: slice, /) -> NDArray[np.float32]:
        """Some rows ``(m, d)``."""
        ...


@dataclass(frozen=True)
class Source:
    """Where a probe's features come from: a backbone (spec and weights), a layer and a readout."""

    backbone: str
    weights_sha256: str
    layer: str
    readout: str

    def to_json(self, dim: int) -> dict[str, Any]:
        """What results.json says of it; ``dim``: numbers per picture."""
        own = {"weights_sha256": self.weights_sha256, "layer": self.layer, "readout": self.readout}
        return {"spec": self.backbone, **own, "dim": dim}


@dataclass(frozen=True)
class LinearProbe:
    """``y = coef f + intercept`` (eq. 1) on features f, L2-normalised first where ``normalise``.

    Attributes:
        source: of the features; None for a probe that looks at nothing (the mean).
        coef: ``(t, d)`` float32.
        intercept: ``(t,)`` float64.
        normalise: whether features are divided by their Euclidean norm.
    """

    source: Source | None
    coef: NDArray[np.float32]
    intercept: NDArray[np.float64]
    normalise: bool = True

    @timing("predict")
    def predict(self, features: Rows | None, n: int) -> NDArray[np.float64]:
        """``(n, d)`` features (None where there is no source) to ``(n, t)`` predictions."""
        predicted = np.repeat(self.intercept[None], n, axis=0)
        if features is not None:
            for start in range(0, n, _ROWS):
                block = features[start : start + _ROWS]
                if block.shape[1] != self.coef.shape[1]:
                    raise VestigeError(
                        f"a probe of {self.coef.shape[1]:,} numbers meets {block.shape[1]:,} of "
                        f"{self.source.layer if self.source else 'its layer'}; run the probe again"
                    )
                predicted[start : start + _ROWS] += (l2_normalise(block) if self.normalise else block) @ self.coef.T
        return predicted

    def read(self, crops: Sequence[Crop], reader: Reader) -> NDArray[np.float64]:
        """What it reads out of n crops: ``(n, t)``."""
        if self.source is None:
            return self.predict(None, len(crops))
        reads = reader.reads(self.source.backbone, [self.source.layer], [self.source.readout])
        (features,) = reader.features(self.source.backbone, crops, reads)
        return self.predict(features, len(crops))


def l2_normalise(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row by its Euclidean norm; rows of zeros stay zeros. ``(n, d) -> (n, d)``."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(features, norms, out=np.zeros_like(features), where=norms > 0)
    return unit


def mean_probe(targets: NDArray[np.floating[Any]], mask: NDArray[np.bool_] | None = None) -> LinearProbe:
    """The probe that predicts the training mean of each target (the paper's Dataset Bias): ``(n, t), (n, t)``.

    Without a mask all targets are known.
    """
    if mask is None:
        mean = targets.mean(axis=0, dtype=np.float64)
    else:
        mean = np.where(mask, targets, 0.0).sum(axis=0, dtype=np.float64) / np.maximum(mask.sum(axis=0), 1)
    return LinearProbe(None, np.zeros((targets.shape[1], 0), np.float32), mean)


def save_probes(folder: Path, name: str, probes: Mapping[str, LinearProbe]) -> dict[str, Any]:
    """Write probes' arrays to ``folder/name.safetensors``; what else they are comes back, for the caller's JSON."""
    arrays: dict[str, NDArray[Any]] = {}
    for key, probe in probes.items():
        arrays[f"{key}/coef"] = probe.coef
        arrays[f"{key}/intercept"] = probe.intercept
    write_tensors(folder / f"{name}.safetensors", arrays, overwrite=True)
    return {
        key: {"source": None if probe.source is None else asdict(probe.source), "normalise": probe.normalise}
        for key, probe in probes.items()
    }


@dataclass(frozen=True)
class SavedProbe:
    """What the JSON beside a probe's arrays says of it."""

    source: Source | None
    normalise: bool


def load_probes(folder: Path, name: str, described: Mapping[str, Any]) -> dict[str, LinearProbe]:
    """The inverse of :func:`save_probes`.

    Raises:
        VestigeError: where the file is missing or damaged, or a source is code that the user did not name.
    """
    path = folder / f"{name}.safetensors"
    try:
        if Path(name).name != name:
            raise ValueError("lies in another folder")
        saved = check_json(dict(described), dict[str, SavedProbe])
        check_digest(path)
        if what_is(path) == "other":
            raise ValueError("is a pipe or a device")
        arrays = load_file(path)
        probes = {
            key: LinearProbe(one.source, arrays[f"{key}/coef"], arrays[f"{key}/intercept"], one.normalise)
            for key, one in saved.items()
        }
        for key, probe in probes.items():
            _check_arrays(key, probe)
    except VestigeError:
        raise
    except Exception as error:  # safetensors' errors are of several classes
        why = f"has no {error}" if isinstance(error, KeyError) else str(error)[:300]
        raise VestigeError(f"{path}: cannot be read as a probe: {why}; run the probe again") from error
    for source in {probe.source for probe in probes.values() if probe.source is not None}:
        check_recorded(source.backbone, folder)
    return probes


def _check_arrays(key: str, probe: LinearProbe) -> None:
    """ValueError where a probe's arrays are no finite matrix and vector of the same number of targets."""
    coef, intercept = probe.coef, probe.intercept
    if coef.ndim != 2 or intercept.shape != (len(coef),) or coef.dtype.kind != "f" or intercept.dtype.kind != "f":
        raise ValueError(f"{key}: coef {coef.dtype} {coef.shape} and intercept {intercept.dtype} {intercept.shape}")
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise ValueError(f"{key} holds values that are not finite; the file is damaged")


def check_weights(probes: Iterable[LinearProbe], reader: Reader) -> None:
    """Refuse backbones whose weights are not those that probes were trained on."""
    for source in dict.fromkeys(probe.source for probe in probes):
        if source is not None and reader.backbone(source.backbone).weights_sha256 != source.weights_sha256:
            raise VestigeError(
                f"{source.backbone}: its weights are not those that the probe was trained on "
                f"(sha256 {source.weights_sha256[:12]}...); bring back the weights file or train again"
            )
