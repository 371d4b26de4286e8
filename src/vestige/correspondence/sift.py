"""SIFT descriptors at given places: what the paper compares a network's cells with.

D. G. Lowe, *Distinctive Image Features from Scale-Invariant Keypoints*, IJCV 60 (2004), as OpenCV computes it. No
keypoint is detected: place, radius and orientation are given.

The *radius* is half the side of the 4 x 4 bins. OpenCV's bins are 1.5 times a keypoint's ``size`` wide, so the radius
is 3 sizes, and ``size = radius / 3``. The orientation is fixed upright (``angle`` 0), and the octave is 0: gradients
are taken in the picture smoothed to 1.6 pixels, whatever the radius. OpenCV counts pixel centres from 0, so 0.5 is
taken away from vestige's coordinates, and it rounds places to whole pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.errors import VestigeError
from vestige.geometry import Points
from vestige.images import Pixels

CHANNELS = 128
"""4 x 4 bins of 8 directions."""

LARGEST_RADIUS = 1000.0


def sift(picture: Pixels, places: ArrayLike, radius: float) -> NDArray[np.uint8]:
    """The SIFT descriptors of a picture's grey values at places.

    Args:
        picture: ``(H, W, 3)`` RGB.
        places: ``(..., 2)``, each (x, y) in pixels (pixel i covers ``[i, i + 1)``).
        radius: half the side of the 4 x 4 bins, in pixels.

    Returns:
        ``(..., 128)``, OpenCV's whole numbers up to 255; of a place in a patch without gradients, zeros. What lies
        outside the picture has no gradient.

    Raises:
        VestigeError: where the radius is no such number or OpenCV is not installed.
    """
    if not 1 <= radius <= LARGEST_RADIUS:
        raise VestigeError(f"SIFT radius {radius}: expected 1 to {LARGEST_RADIUS:g} pixels")
    try:
        import cv2  # slow to import, and needed by few
    except ImportError as error:
        raise VestigeError("SIFT takes OpenCV: pip install 'opencv-python-headless<5', or leave SIFT out") from error
    at: Points = np.asarray(places, dtype=np.float64)
    if not at.size:
        return np.zeros((*at.shape[:-1], CHANNELS), dtype=np.uint8)
    size = radius / 3
    keypoints = [cv2.KeyPoint(x - 0.5, y - 0.5, size, 0.0, 0.0, 0) for x, y in at.reshape(-1, 2).tolist()]
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    _, found = cv2.SIFT.create().compute(grey, keypoints)
    return np.asarray(found).astype(np.uint8).reshape(*at.shape[:-1], CHANNELS)
