"""Which drawings a seed means."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata, resources
from pathlib import Path

import cv2
import numpy as np


@cache
def generator_version() -> str:
    """A text that changes whenever the same seed may draw other pixels: a hash of the drawing code and its libraries.

    Part of every drawing's digest, so that features of an older drawing are never taken for those of a newer one.
    """
    total = hashlib.sha256(f"{metadata.version('skia-python')} {cv2.__version__} {np.__version__}".encode())
    with resources.as_file(resources.files("vestige.synthetic")) as folder:
        for source in sorted(Path(folder).rglob("*.py")):
            total.update(source.read_bytes())
    return total.hexdigest()[:12]
