"""vestige measures what a vision network's representation still knows about where things are.

Names are imported when they are first used, so that ``import vestige`` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vestige.errors import VestigeError
from vestige.version import __version__

if TYPE_CHECKING:
    from vestige.api import FinishedRun, measure, open_run
    from vestige.backbones import Backbone, Preprocessing, open_backbone
    from vestige.contract.found import Found
    from vestige.contract.session import Session
    from vestige.datasets.dataset import Dataset
    from vestige.datasets.opening import open_dataset, open_train_test
    from vestige.extraction import ExtractOptions
    from vestige.features.reader import Reader
    from vestige.probes.landmarks.task import LandmarkOptions
    from vestige.ridge import RidgeCV

_HOMES = {
    "Backbone": "vestige.backbones",
    "Dataset": "vestige.datasets.dataset",
    "ExtractOptions": "vestige.extraction",
    "FinishedRun": "vestige.api",
    "Found": "vestige.contract.found",
    "LandmarkOptions": "vestige.probes.landmarks.task",
    "Preprocessing": "vestige.backbones",
    "Reader": "vestige.features.reader",
    "RidgeCV": "vestige.ridge",
    "Session": "vestige.contract.session",
    "measure": "vestige.api",
    "open_backbone": "vestige.backbones",
    "open_dataset": "vestige.datasets.opening",
    "open_run": "vestige.api",
    "open_train_test": "vestige.datasets.opening",
}

__all__ = [
    "Backbone",
    "Dataset",
    "ExtractOptions",
    "FinishedRun",
    "Found",
    "LandmarkOptions",
    "Preprocessing",
    "Reader",
    "RidgeCV",
    "Session",
    "VestigeError",
    "__version__",
    "measure",
    "open_backbone",
    "open_dataset",
    "open_run",
    "open_train_test",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vestige' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
