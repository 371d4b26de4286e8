"""The classes of the faces' segmentation masks."""

from __future__ import annotations

CLASSES = ("background", "skin", "hair", "brow", "eye", "nose", "mouth", "glasses", "clothes")
CLASS = {name: index for index, name in enumerate(CLASSES)}
