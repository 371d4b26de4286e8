"""Segments of a picture: its edges and regions, or its annotated objects; every cell of the picture is of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2gray, rgb2lab
from skimage.feature import canny
from skimage.segmentation import quickshift

from vestige.geometry import whole_picture
from vestige.images import Pixels
from vestige.regions import NamedMask

Labels = NDArray[np.intp]
"""``(h, w)``: the number of a segment for every cell."""

SIDE = 256
"""Pixels of the square that edges and regions are found in."""

REST = "(unlabelled)"
"""The segment of what no object covers."""

_SIGMA, _LOW, _HIGH = (
    1.0,
    0.1,
    0.2,
)  # of Canny's edges; thresholds in shares of the largest gradient, as MATLAB has them
_LONG, _REACH = 70, 3  # pixels of an edge that counts, and how far a disc of 7 x 7 widens it
_EVEN = 1e-6  # a gradient that is rounding
_RATIO, _KERNEL, _DISTANCE = 2.0, 2.0, 60.0  # of quickshift, as VLFeat has them


@dataclass(frozen=True, eq=False)
class Segments:
    """A picture in parts.

    Attributes:
        labels: ``(h, w)``: the segment of every cell, by its place in ``names``.
        names: of the segments; objects of one category share theirs.
        lost: names of objects that have no cell of their own: hidden behind smaller ones, or smaller than a cell.
    """

    labels: Labels
    names: tuple[str, ...]
    lost: tuple[str, ...] = ()

    @property
    def areas(self) -> NDArray[np.float64]:
        """The share of the picture that each segment covers: ``(S,)``."""
        return np.bincount(self.labels.ravel(), minlength=len(self.names)) / self.labels.size


def edge_and_region_segments(pixels: Pixels, shape: tuple[int, int]) -> Segments:
    """Long edges, widened, and regions of one colour less what the edges cover.

    As the authors released it: Canny's edges (sigma 1, thresholds of 0.1 and 0.2 of the largest gradient), of which
    those of 70 pixels and more are widened by a disc of 7 x 7; and the regions of :func:`regions_of`.

    Args:
        pixels: ``(SIDE, SIDE, 3)`` of the whole picture.
        shape: h and w of the labels, which are those of the nearest pixels.
    """
    labels = regions_of(pixels)
    edges, first = edges_of(pixels), int(labels.max()) + 1
    labels[edges >= 0] = edges[edges >= 0] + first
    rows, columns = (((np.arange(n) + 0.5) * SIDE / n).astype(np.intp) for n in shape)
    numbers, found = np.unique(labels[rows[:, None], columns], return_inverse=True)
    regions = int((numbers < first).sum())
    names = [f"region {k + 1}" for k in range(regions)] + [f"edge {k + 1}" for k in range(len(numbers) - regions)]
    return Segments(found.reshape(shape), tuple(names))


def edges_of(pixels: Pixels) -> Labels:
    """The long edges of a picture, widened: ``(H, W)``, -1 where there is none."""
    grey = rgb2gray(pixels)
    # what canny() compares with its thresholds, which it takes as they are
    smooth = ndimage.gaussian_filter(grey, _SIGMA, mode="constant")
    smooth /= ndimage.gaussian_filter(np.ones_like(grey), _SIGMA, mode="constant")
    largest = float(np.hypot(ndimage.sobel(smooth, 0), ndimage.sobel(smooth, 1)).max())
    thin = canny(grey, _SIGMA, _LOW * largest, _HIGH * largest) if largest > _EVEN else np.zeros(grey.shape, bool)  # type: ignore[no-untyped-call]
    joined, _ = ndimage.label(thin, np.ones((3, 3)))
    long = np.flatnonzero(np.bincount(joined.ravel())[1:] >= _LONG) + 1
    if not len(long):
        return np.full(grey.shape, -1)
    away, nearest = ndimage.distance_transform_edt(~np.isin(joined, long), return_indices=True)
    found: Labels = np.searchsorted(long, joined[tuple(nearest)])
    found[away > _REACH] = -1
    return found


def regions_of(pixels: Pixels) -> Labels:
    """Regions of one colour by quickshift (Vedaldi and Soatto 2008) with ratio 2, kernel 2 and distance 60: ``(H, W)``.

    Those are VLFeat's parameters. scikit-image multiplies the same L*a*b* by the same ratio and has the same kernel,
    but looks for a denser pixel no farther than the kernel reaches (6 pixels), whatever the distance: of a photograph
    it leaves some 230 regions. VLFeat looks as far as the distance. So the densest pixels of scikit-image's regions are
    linked once more, to the nearest denser pixel within 60, which is what VLFeat does with them.
    """
    tree = quickshift(pixels, ratio=_RATIO, kernel_size=_KERNEL, max_dist=_DISTANCE, return_tree=True, rng=0)  # type: ignore[no-untyped-call]
    regions, parents, far = (np.asarray(each) for each in tree)
    features = (_RATIO * rgb2lab(pixels)).astype(np.float32)
    density = _densities(features)
    modes = np.flatnonzero((parents.ravel() == np.arange(parents.size)) | (far.ravel() > _DISTANCE))
    rank = np.empty(len(modes), np.intp)
    rank[regions.ravel()[modes]] = np.argsort(np.argsort(density.ravel()[modes], kind="stable"))
    joined = np.arange(len(modes))
    for y, x in zip(*np.unravel_index(modes, regions.shape), strict=True):
        own = regions[y, x]
        target = _nearest_denser(features, density, (int(y), int(x)), rank[regions] > rank[own])
        joined[own] = own if target is None else regions[target]
    while (joined[joined] != joined).any():
        joined = joined[joined]
    found: Labels = np.unique(joined[regions], return_inverse=True)[1].reshape(regions.shape)
    return found


def _densities(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The density of pixels in place and colour, summed up as far as the kernel reaches: ``(H, W, 3) -> (H, W)``."""
    height, width = features.shape[:2]
    total = np.ones((height, width), np.float32)
    reach = int(np.ceil(3 * _KERNEL))
    for dy in range(reach + 1):
        for dx in range(-reach, reach + 1):
            if (dy, dx) <= (0, 0):
                continue
            here = slice(0, height - dy), slice(max(0, -dx), width - max(0, dx))
            there = slice(dy, height), slice(max(0, dx), width + min(0, dx))
            away = np.square(features[here] - features[there]).sum(axis=-1) + (dy * dy + dx * dx)
            near = np.exp(away / np.float32(-2 * _KERNEL**2))
            total[here] += near
            total[there] += near
    return total


def _nearest_denser(
    features: NDArray[np.float32], density: NDArray[np.float32], at: tuple[int, int], allowed: NDArray[np.bool_]
) -> tuple[int, int] | None:
    """The pixel that is nearest in place and colour among denser ones; None where there is none within the distance."""
    window = tuple(slice(max(0, c - int(_DISTANCE)), c + int(_DISTANCE) + 1) for c in at)
    ys, xs = (np.arange(s.start, min(s.stop, n)) for s, n in zip(window, density.shape, strict=True))
    away = np.square(features[window] - features[at]).sum(axis=-1)
    away += np.square(ys - at[0])[:, None] + np.square(xs - at[1])
    away[~(allowed[window] & (density[window] > density[at]))] = np.inf
    y, x = np.unravel_index(int(np.argmin(away)), away.shape)
    return (int(ys[y]), int(xs[x])) if away[y, x] < _DISTANCE**2 else None


def object_segments(objects: Sequence[NamedMask], size: tuple[int, int], shape: tuple[int, int]) -> Segments:
    """Every annotated object as a segment; a cell that several cover is of the smallest of them, which lies in front.

    What no object covers is one segment more, :data:`REST`. Of objects of one size the first is in front.

    Args:
        objects: of a picture.
        size: its width and height in pixels.
        shape: h and w of the labels.
    """
    frame = whole_picture(*size)
    masks = [each.region.raster(shape, frame) for each in objects]
    labels = np.full(shape, len(masks))
    for k in sorted(range(len(masks)), key=lambda k: int(masks[k].sum())):
        labels[masks[k] & (labels == len(masks))] = k
    numbers, found = np.unique(labels, return_inverse=True)
    names = [*(each.name for each in objects), REST]
    lost = [names[k] for k in range(len(masks)) if k not in numbers]
    return Segments(found.reshape(shape), tuple(names[k] for k in numbers), tuple(lost))
