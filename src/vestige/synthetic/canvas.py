"""A picture and its class mask, painted side by side, with the few curve and colour helpers that painters need.

Coordinates are vestige pixel coordinates (x to the right, y down, pixel ``i`` covers ``[i, i + 1)``), which are skia's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import skia
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Rgb = Sequence[float] | Floats


class Canvas:
    """An anti-aliased RGB picture and, without anti-aliasing, the class index at every pixel centre.

    Painters draw on ``image`` as they like and call `stamp` with the outline of what they drew, so that
    picture and mask come from the same paths.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pixels = np.zeros((size, size, 4), np.uint8)
        self._pixels[..., 3] = 255
        self._classes = np.zeros((size, size, 4), np.uint8)
        self._surfaces = [
            skia.Surface(array, skia.ColorType.kRGBA_8888_ColorType) for array in (self._pixels, self._classes)
        ]
        self.image, self._mask = (surface.getCanvas() for surface in self._surfaces)

    def stamp(self, path: skia.Path, index: int, width: float = 0.0) -> None:
        """Sets the mask to ``index`` inside ``path`` (or, with a ``width`` in pixels, along its stroke)."""
        paint = skia.Paint(Color=skia.ColorSetARGB(255, index, 0, 0), AntiAlias=False)
        if width > 0:
            paint.setStyle(skia.Paint.kStroke_Style)
            paint.setStrokeWidth(max(width, 1.0))
            paint.setStrokeJoin(skia.Paint.kRound_Join)
        self._mask.drawPath(path, paint)

    def paste(self, pixels: NDArray[np.uint8]) -> None:
        """Covers the picture, or what is left of it by a clip, with opaque pixels (size, size, 4)."""
        image = skia.Image.fromarray(pixels, skia.ColorType.kRGBA_8888_ColorType, copy=False)
        self.image.drawImage(image, 0, 0)

    def clip(self, path: skia.Path) -> None:
        """Restricts picture and mask to ``path`` until `restore`."""
        for canvas, smooth in ((self.image, True), (self._mask, False)):
            canvas.save()
            canvas.clipPath(path, skia.ClipOp.kIntersect, smooth)

    def restore(self) -> None:
        """Undoes the last `clip`."""
        self.image.restore()
        self._mask.restore()

    def pixels(self) -> NDArray[np.uint8]:
        """The picture (size, size, 3), copied."""
        return np.asarray(cv2.cvtColor(self._pixels, cv2.COLOR_RGBA2RGB), np.uint8)

    def mask(self) -> NDArray[np.uint8]:
        """The class indices (size, size), copied."""
        return self._classes[..., 0].copy()


def colour(rgb: Rgb, alpha: float = 1.0) -> skia.Color4f:
    """A skia colour from sRGB components in [0, 1]; values outside are clipped."""
    r, g, b = rgb.tolist() if isinstance(rgb, np.ndarray) else rgb
    return skia.Color4f(*(0.0 if v < 0.0 else 1.0 if v > 1.0 else v for v in (r, g, b, float(alpha))))


def fill(rgb: Rgb, alpha: float = 1.0, blur: float = 0.0, mode: skia.BlendMode | None = None) -> skia.Paint:
    """A paint that fills with one colour, its edge softened by ``blur`` (Gaussian sigma in pixels)."""
    paint = skia.Paint(Color4f=colour(rgb, alpha), AntiAlias=True)
    if blur > 0.05:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.BlurStyle.kNormal_BlurStyle, blur))
    if mode is not None:
        paint.setBlendMode(mode)
    return paint


def hairs(
    rgb: Rgb, width: float, alpha: float = 1.0, blur: float = 0.0, mode: skia.BlendMode | None = None
) -> skia.Paint:
    """A paint that strokes with ends cut straight, as one does not see them on many lines of about a pixel's width."""
    paint = fill(rgb, alpha, blur, mode)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    return paint


def stroke(
    rgb: Rgb, width: float, alpha: float = 1.0, blur: float = 0.0, mode: skia.BlendMode | None = None
) -> skia.Paint:
    """A paint that strokes with round ends and joins; ``width`` and ``blur`` in pixels."""
    paint = hairs(rgb, width, alpha, blur, mode)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def shaded(shader: skia.Shader, mode: skia.BlendMode = skia.BlendMode.kSrcOver) -> skia.Paint:
    """A paint that fills with a gradient or a picture.

    The shader goes in by the constructor: `Paint.setShader` copies a shader by encoding its picture, which takes
    milliseconds.
    """
    return skia.Paint(Shader=shader, AntiAlias=True, BlendMode=mode)


def linear_gradient(start: ArrayLike, end: ArrayLike, stops: Sequence[tuple[float, Rgb, float]]) -> skia.Shader:
    """A gradient between two points; ``stops`` are ``(position in [0, 1], rgb, alpha)``."""
    points = [skia.Point(*(float(v) for v in np.asarray(p))) for p in (start, end)]
    colours = [colour(rgb, alpha).toColor() for _, rgb, alpha in stops]
    return skia.GradientShader.MakeLinear(points, colours, [s[0] for s in stops])


def radial_gradient(centre: ArrayLike, radius: float, stops: Sequence[tuple[float, Rgb, float]]) -> skia.Shader:
    """A gradient from a centre outwards; ``stops`` as in `linear_gradient`."""
    x, y = (float(v) for v in np.asarray(centre))
    colours = [colour(rgb, alpha).toColor() for _, rgb, alpha in stops]
    return skia.GradientShader.MakeRadial(skia.Point(x, y), max(radius, 1e-3), colours, [s[0] for s in stops])


def polygon(points: Floats, closed: bool = True) -> skia.Path:
    """The path through the points (N, 2), straight between them."""
    path = skia.Path()
    first, *others = points.tolist()
    path.moveTo(*first)
    line_to = path.lineTo  # half the time of `skia.Path.Polygon`, which asks for a list of `skia.Point`
    for x, y in others:
        line_to(x, y)
    if closed:
        path.close()
    return path


def strands(lines: Floats) -> skia.Path:
    """One path of N smooth open lines through points (N, M, 2), M >= 2; stroked once for a whole tuft of hair."""
    path = skia.Path()
    if lines.shape[1] == 2:
        for (x0, y0), (x1, y1) in lines.tolist():
            path.moveTo(x0, y0)
            path.lineTo(x1, y1)
        return path
    padded = np.concatenate([2 * lines[:, :1] - lines[:, 1:2], lines, 2 * lines[:, -1:] - lines[:, -2:-1]], axis=1)
    slope = (padded[:, 2:] - padded[:, :-2]) / 6  # Catmull-Rom tangents as Bezier handles
    beziers = np.concatenate([lines[:, :-1] + slope[:, :-1], lines[:, 1:] - slope[:, 1:], lines[:, 1:]], axis=-1)
    for (x, y), segments in zip(lines[:, 0].tolist(), beziers.tolist(), strict=True):
        path.moveTo(x, y)
        for segment in segments:
            path.cubicTo(*segment)
    return path


def spline(points: ArrayLike, closed: bool = False, samples: int = 6) -> Floats:
    """Catmull-Rom curve through the points (N, 2 or 3): a dense polyline that contains every one of them.

    Returns ``((N - 1) * samples + 1, D)`` points for an open curve and ``(N * samples, D)`` for a closed one.
    """
    p = np.asarray(points, np.float64)
    ends = (p[-1:], p[:2]) if closed else (2 * p[:1] - p[1:2], 2 * p[-1:] - p[-2:-1])
    q = np.concatenate([ends[0], p, ends[1]])
    neighbours = q[np.arange(len(q) - 3)[:, None] + np.arange(4)]
    dense = (_catmull_rom(samples) @ neighbours).reshape(-1, p.shape[1])
    return dense if closed else np.concatenate([dense, p[-1:]])


@cache
def _catmull_rom(samples: int) -> Floats:
    """Weights (samples, 4) of a point and its neighbours along one step of the curve."""
    t = np.arange(samples) / samples
    powers = np.stack([np.ones(samples), t, t**2, t**3], axis=1)
    return np.asarray(powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2)


def smooth_outline(points: ArrayLike, samples: int = 6) -> Floats:
    """A closed smooth curve through the points (N, 2); see `spline`."""
    return spline(points, closed=True, samples=samples)


def ribbon(line: Floats, above: ArrayLike, below: ArrayLike) -> Floats:
    """Outline (2N, 2) of a band along a line (N, 2), reaching ``above`` and ``below`` it (N) along its normal.

    The normal points to the left of the direction of travel in the picture (upwards for a line to the right).
    """
    step = steps(line)
    normal = np.stack([step[:, 1], -step[:, 0]], axis=1) / (np.linalg.norm(step, axis=1, keepdims=True) + 1e-9)
    up, down = (np.broadcast_to(np.asarray(w, np.float64), len(line))[:, None] for w in (above, below))
    return np.concatenate([line + normal * up, (line - normal * down)[::-1]])


def steps(points: NDArray[Any]) -> NDArray[Any]:
    """From each point to the next one along the first axis, over both neighbours inside: directions, of any length."""
    return np.concatenate([points[1:2] - points[:1], points[2:] - points[:-2], points[-1:] - points[-2:-1]])


def mix(a: Rgb, b: Rgb, share: float) -> Floats:
    """``a`` with ``share`` of it replaced by ``b``."""
    return np.asarray(a, np.float64) * (1 - share) + np.asarray(b, np.float64) * share
