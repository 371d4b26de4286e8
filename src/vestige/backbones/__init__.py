"""Networks with their preprocessing, whose named layers can be read."""

from vestige.backbones.backbone import Backbone, Layer, Preprocessing
from vestige.backbones.opening import open_backbone

__all__ = ["Backbone", "Layer", "Preprocessing", "open_backbone"]
