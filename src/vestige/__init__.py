"""vestige measures what a vision network's representation still knows about where things are."""

from vestige.backbones import Backbone, open_backbone
from vestige.datasets.opening import open_dataset, open_train_test
from vestige.errors import VestigeError
from vestige.features import ExtractOptions
from vestige.features.reader import Reader
from vestige.probes.landmarks import LandmarkOptions, LandmarkProbe, probe_landmarks
from vestige.probes.record import save_run
from vestige.ridge import RidgeCV
from vestige.version import __version__

__all__ = [
    "Backbone",
    "ExtractOptions",
    "LandmarkOptions",
    "LandmarkProbe",
    "Reader",
    "RidgeCV",
    "VestigeError",
    "__version__",
    "open_backbone",
    "open_dataset",
    "open_train_test",
    "probe_landmarks",
    "save_run",
]
