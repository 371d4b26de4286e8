"""Pixels: read, crop and resize."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, PngImagePlugin

from vestige.errors import VestigeError
from vestige.example import Example, Picture
from vestige.files import write_bytes
from vestige.geometry import whole_picture
from vestige.picture_files import MARK, read_header, read_rgb, reading_rule

Pixels = NDArray[np.uint8]
"""``(H, W, 3)`` RGB."""

_ENDINGS = (".png", ".jpg", ".jpeg")

_LAID_OUT = 4_000_000  # pixels of a crop, replicas of the edge included, that are laid out however small the picture

_GREEN = (0, 230, 118)  # RGB of dots

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


@dataclass(frozen=True)
class ImageFile:
    """A picture in a file.

    Attributes:
        path: of the file.
        exif: whether it is turned as its EXIF orientation says, so that its pixels are those that viewers show.
    """

    path: Path
    exif: bool = True

    def read(self) -> Pixels:
        """``(H, W, 3)`` RGB; see :func:`vestige.picture_files.read_rgb` for what is no RGB of 8 bits.

        Raises:
            VestigeError: where the file is missing, truncated or no image.
        """
        return read_rgb(self.path, self.exif)

    @cached_property
    def content(self) -> str:
        """sha256 of the file.

        Raises:
            VestigeError: where it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise VestigeError(f"{self.path}: cannot be read: {error}") from error

    def digest(self) -> str:
        """sha256 of the file, and how it is read where that makes a difference."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return self.content + reading_rule(self.path) + ("" if self.exif else " as stored")


def image_size(path: Path, exif: bool = True) -> tuple[int, int]:
    """Width and height in pixels from the file's header, turned as its EXIF orientation says, or as stored.

    Raises:
        VestigeError: where the file is missing or no image.
    """
    return read_header(path).size(exif)


def picture_size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels; of a file from its header.

    Raises:
        VestigeError: where the picture cannot be read.
    """
    if isinstance(picture, ImageFile):
        return image_size(picture.path, picture.exif)
    height, width = picture.read().shape[:2]
    return width, height


@dataclass(frozen=True)
class Crop:
    """What the network sees of an example: a box of its picture, resized to the input, mirrored or not.

    Attributes:
        example: the example.
        box: ``(x0, y0, x1, y1)`` in pixels, or None: the whole picture (squashed to the input square). May reach
            outside the picture, whose edge is replicated there.
        mirrored: left to right, after the cut.
    """

    example: Example
    box: tuple[float, float, float, float] | None = None
    mirrored: bool = False

    def pixels(self, size: tuple[int, int], interpolation: str = "bilinear") -> Pixels:
        """The crop resized to ``size`` (height, width): ``(h, w, 3)`` RGB.

        Raises:
            VestigeError: naming the file that cannot be read.
        """
        return crop_resize(self.example.image.read(), self.box, size, interpolation, self.mirrored)

    def key(self) -> str:
        """A text that changes whenever the pixels would: it is what features are stored under."""
        return f"{self.example.image.digest()} {self.box!r} {self.mirrored}"


def crop_resize(
    pixels: Pixels,
    box: ArrayLike | None,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    mirrored: bool = False,
) -> Pixels:
    """Cut a box out of a picture and resize it, anti-aliased, by the convention that resizing is a pure scaling.

    Args:
        pixels: ``(H, W, 3)`` or ``(H, W)``.
        box: ``(4,)`` in pixels, or None for the whole picture; outside the picture the edge is replicated.
        size: height and width of the result.
        interpolation: ``bilinear``, ``bicubic``, ``lanczos`` or ``box``.
        mirrored: mirror the result left to right.
    """
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = (float(v) for v in (whole_picture(width, height) if box is None else np.asarray(box)))
    if not (x1 > x0 and y1 > y0 and np.isfinite([x0, y0, x1, y1]).all()):
        raise VestigeError(f"the box {(x0, y0, x1, y1)} is empty; expected x0 < x1 and y0 < y1")
    left, top, right, bottom = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
    if (bottom - top) * (right - left) <= max(_LAID_OUT, 4 * (height * width + size[0] * size[1])):
        result = _resize_laid_out(pixels, (x0, y0, x1, y1), size, _FILTERS[interpolation])
    else:
        rows = slice(min(max(top, 0), height - 1), max(min(bottom, height), 1))
        across = _resize_rows(pixels[rows], x0, x1, size[1], _FILTERS[interpolation])
        down = _resize_rows(across.swapaxes(0, 1), y0 - rows.start, y1 - rows.start, size[0], _FILTERS[interpolation])
        result = down.swapaxes(0, 1)
    return result[:, ::-1].copy() if mirrored else result


def _resize_laid_out(
    pixels: Pixels, box: tuple[float, float, float, float], size: tuple[int, int], filtered: Image.Resampling
) -> Pixels:
    """:func:`crop_resize` where all pixels of the box are laid out, replicas of the edge included."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    if 0 <= left and 0 <= top and right <= width and bottom <= height:
        cut = pixels[top:bottom, left:right]
    else:
        rows = np.clip(np.arange(top, bottom), 0, height - 1)
        columns = np.clip(np.arange(left, right), 0, width - 1)
        cut = pixels[rows[:, None], columns]
    seen = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return np.asarray(Image.fromarray(np.ascontiguousarray(cut)).resize((size[1], size[0]), filtered, box=seen))


def _resize_rows(pixels: Pixels, low: float, high: float, n: int, filtered: Image.Resampling) -> Pixels:
    """Each row from ``low`` to ``high`` as ``n`` pixels, its ends replicated: ``(H, W, ...) -> (H, n, ...)``.

    What is laid out of a row that is mostly replicas of its ends are averages, so that a box costs no more than the
    picture and the result however large it is.
    """
    width = pixels.shape[1]
    most = 4 * (width + n)
    if high - low > most:
        step = math.ceil((high - low) / most)
        pixels, low, high = _averaged(pixels, step), low / step + 1, high / step + 1
    return _resize_laid_out(pixels, (low, 0.0, high, float(len(pixels))), (len(pixels), n), filtered)


def _averaged(pixels: Pixels, step: int) -> Pixels:
    """The means of every ``step`` pixels of each row, with its first pixel before them and its last one after.

    The row goes on with its last pixel where ``step`` does not divide it.
    """
    width = pixels.shape[1]
    starts = np.arange(0, width, min(step, width))
    sums = np.add.reduceat(pixels.astype(np.float64), starts, axis=1)
    sums[:, -1] += pixels[:, -1] * float(len(starts) * step - width)
    means = (sums / step).round().astype(np.uint8)
    return np.concatenate([pixels[:, :1], means, pixels[:, -1:]], axis=1)


def draw_points(pixels: Pixels, points: ArrayLike) -> Pixels:
    """A copy of a picture with green dots at points.

    Args:
        pixels: ``(H, W, 3)``.
        points: ``(K, 2)`` in pixels.
    """
    height, width = pixels.shape[:2]
    radius = max(1.0, min(height, width) / 160)
    scale = 4  # drawn larger and reduced, for PIL does not smooth edges
    layer = Image.new("L", (width * scale, height * scale))
    pen = ImageDraw.Draw(layer)
    for x, y in np.asarray(points, dtype=np.float64).tolist():
        # PIL counts whole pixels and includes the last
        low, high = ([(v + r) * scale for v in (x, y)] for r in (-radius, radius))
        pen.ellipse([*low, high[0] - 1, high[1] - 1], fill=255)
    alpha = np.asarray(layer.resize((width, height), Image.Resampling.BOX), dtype=np.float64)[..., None] / 255
    blended = pixels * (1 - alpha) + np.array(_GREEN) * alpha
    return blended.round().astype(np.uint8)


def check_image_path(path: Path) -> None:
    """Refuse, before anything is computed, a file that no picture can be written into.

    Raises:
        VestigeError: where its ending is not that of a PNG or a JPEG, or it is a folder.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise VestigeError(f"{path}: expected a picture's name, which ends in {', '.join(_ENDINGS)}")
    if path.is_dir():
        raise VestigeError(f"{path}: is a folder; expected a picture's name")


def save_image(pixels: Pixels, path: Path, *, overwrite: bool = False, what: str = "") -> None:
    """Write a picture as PNG or JPEG, by the file's ending, with vestige's mark, by which it is never taken for data.

    Args:
        pixels: of the picture.
        path: of the file.
        overwrite: whether a file that is there is replaced.
        what: it is, for the mark.

    Raises:
        VestigeError: where the file is there already and ``overwrite`` is off, or it cannot be written.
    """
    check_image_path(path)
    mark = f"{MARK} {what}".rstrip()
    image, encoded = Image.fromarray(pixels), io.BytesIO()  # Pillow's own writing passes over a disk that fills up
    if path.suffix.lower() == ".png":
        marks = PngImagePlugin.PngInfo()
        marks.add_text("Software", mark)
        image.save(encoded, "PNG", pnginfo=marks)
    else:
        image.save(encoded, "JPEG", quality=92, comment=mark)
    write_bytes(path, encoded.getvalue(), overwrite=overwrite)
