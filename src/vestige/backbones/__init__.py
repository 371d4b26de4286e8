"""Networks with their preprocessing, whose named layers can be read."""

from vestige.backbones.backbone import Backbone, Layer
from vestige.backbones.opening import open_backbone
from vestige.backbones.prepare import PreparedBackbone, prepared
from vestige.backbones.preprocessing import Preprocessing
from vestige.backbones.receptive import ReceptiveField

__all__ = [
    "Backbone",
    "Layer",
    "PreparedBackbone",
    "Preprocessing",
    "ReceptiveField",
    "open_backbone",
    "prepared",
]
