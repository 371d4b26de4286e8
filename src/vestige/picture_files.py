"""Picture files: the one place that opens them, and that decides their size, their orientation and their colours."""

from __future__ import annotations

import ctypes
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError, _imaging

from vestige.errors import VestigeError
from vestige.object_stores import copy_missing

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM")
"""The formats that are opened, by Pillow's names and whatever a file is called; no other decoder is ever started."""

MOST_PIXELS = 178_956_970
"""Of a picture; a small file can claim any number (Pillow's own guard)."""

_DENSEST = {"JPEG": 1_024, "MPO": 1_024, "PNG": 8_256, "BMP": 1_024, "PPM": 8, "TIFF": 11_200}
"""Pixels that a byte of a file can stand for, by format: 1,032 bytes of eight pixels each in DEFLATE, 512 in JPEG (64 a
bit). WEBP, and TIFFs that are compressed as faxes, know no such bound. Decoders fill up what a file does not hold, and
ask for the memory first."""
_FAXES = ("group3", "group4", "tiff_ccitt")

MARK = "vestige"
"""Pictures that vestige draws bear it, as a PNG's ``Software`` or a JPEG's comment; behind it may stand what it is."""

_ORIENTATION, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 0x0112, 256, 257, 258, 262  # tags of EXIF and of TIFF
_WHITE_IS_ZERO = 0
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNS_BACK = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}

_UNKNOWN = "is no picture that can be read; expected JPEG, PNG, BMP, WEBP, TIFF, PPM or PGM"
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_EIGHT_BITS = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "LA", "La", "PA", "RGBA", "RGBa")
_GREY_STEPS = {"L;2": 85, "L;4": 17}  # what Pillow multiplies greys of 2 and 4 bits by, but not the transparent one

_TAIL = 1024  # bytes at the end of a picture that are searched for its end mark
_END_MARKS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}


class PictureError(VestigeError):
    """A file that cannot be used as a picture: which, and why, as in "is empty"."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be read as an image: it {reason}")
        self.path, self.reason = path, reason


@dataclass(frozen=True)
class Header:
    """What is known of a picture before its pixels are decoded.

    Attributes:
        stored: width and height of the pixels in the file.
        orientation: EXIF's, 1 to 8; 1 where there is none.
    """

    stored: tuple[int, int]
    orientation: int

    def size(self, exif: bool) -> tuple[int, int]:
        """Width and height; turned as its EXIF orientation says, or as stored."""
        width, height = self.stored
        return (height, width) if exif and self.orientation >= 5 else (width, height)


def read_header(path: Path) -> Header:
    """Size and orientation from a picture's header.

    Raises:
        PictureError: where the file is missing, no picture, or of pixels that are not read.
    """
    with _opened(path) as image:
        return _header(image)


def look_over(path: Path) -> Header:
    """:func:`read_header` after a cheap look for damage.

    The end of the file is searched for the format's end mark; only where that is missing, or the format has none, the
    picture is decoded (Pillow decodes a PNG anyway, in search of its orientation). Damage in the middle of a JPEG is
    found when the picture is read.

    Raises:
        PictureError: as :func:`read_header`, and where the file is cut off.
    """
    with _opened(path) as image:
        header = _header(image)
        if not _has_end_mark(path, image.format or ""):
            image.load()
        return header


def read_rgb(path: Path, exif: bool = True) -> NDArray[np.uint8]:
    """``(H, W, 3)``, turned as the picture's EXIF orientation says, or as stored.

    Grey and colours of 16 bits are read by their high byte, other depths by their share of the full range. What is
    transparent is put on white. CMYK is converted by Pillow's plain formula; colour profiles are not applied; of
    several frames the first is read.

    Raises:
        PictureError: where the file cannot be read, or has pixels that no stated rule turns into 8 bits (floats,
            integers of 32 bits, Lab).
    """
    with _opened(path) as image:
        return _rgb(_decoded(image, exif, as_eight_bits=True))


def read_stored(path: Path, exif: bool = True) -> Image.Image:
    """The decoded picture in its own mode, turned as :func:`read_rgb` turns it: for masks, whose values are no colours.

    Raises:
        PictureError: as :func:`read_rgb`.
    """
    with _opened(path) as image:
        return _decoded(image, exif, as_eight_bits=False)


def reading_rule(path: Path) -> str:
    """A text to be added to the file's hash where the pixels that are read are more than what the file stores.

    It is empty for opaque pictures of 8 bits and for what is no picture.
    """
    try:
        with _opened(path) as image:
            turned = isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_ORIENTATION, 1) != 1
            plain = image.mode in _EIGHT_BITS and not image.has_transparency_data and not turned
    except PictureError:
        return ""
    return "" if plain else " as 8 bits on white"


def is_drawn(path: Path) -> bool:
    """Whether vestige has drawn a picture: a contact sheet, a figure, a portrait, a prediction. Such is no data."""
    return drawn_as(path) is not None


def drawn_as(path: Path) -> str | None:
    """What a picture is that vestige has drawn, "" where its mark says no more; None for all others."""
    try:
        with _opened(path) as image:
            found = image.info.get("Software") or image.info.get("comment") or ""
    except PictureError:
        return None
    mark, _, what = (found.decode("latin-1") if isinstance(found, bytes) else str(found)).partition(" ")
    return what if mark == MARK else None


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture that is open; whatever goes wrong with it inside, in any decoder, is a :class:`PictureError`."""
    _check_regular(path)
    try:
        # A file and no path: Pillow maps files that it knows by path, and turned TIFFs with their sides exchanged.
        _silence_libtiff()
        with _QUIET, path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            _check_pixels(path, image)
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(path, "is empty" if path.stat().st_size == 0 else _UNKNOWN) from error
    except Image.DecompressionBombError as error:
        raise PictureError(path, f"has too many pixels; expected at most {MOST_PIXELS:,}") from error
    except Exception as error:  # decoders of damaged files raise anything
        raise PictureError(path, f"is damaged: {error or type(error).__name__}") from error


def _check_regular(path: Path) -> None:
    """Refuse what would never end or is no file: opening a pipe waits for a writer."""
    try:
        if not path.exists():
            copy_missing(path)
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise PictureError(path, "does not exist") from error
    except (OSError, ValueError) as error:
        raise PictureError(path, f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(mode):
        what = "folder" if stat.S_ISDIR(mode) else "pipe, a socket or a device"
        raise PictureError(path, f"is a {what}; expected a file")


@cache
def _silence_libtiff() -> None:
    """Have libtiff no longer write to the terminal what Pillow raises as an error anyway; where it can be reached."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


class _Quiet:
    """Keeps Pillow's warnings (corrupt EXIF, palettes, sizes) from the user while any thread has a picture open.

    ``warnings.catch_warnings`` alone is not safe for threads: one would put back the filters under another's feet.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


_QUIET = _Quiet()


def _check_pixels(path: Path, image: Image.Image) -> None:
    """Refuse what no stated rule turns into 8 bits, and what is too large to decode."""
    if image.size[0] * image.size[1] > MOST_PIXELS:
        raise Image.DecompressionBombError
    densest = _DENSEST.get(image.format or "")
    size = path.stat().st_size
    if densest and image.info.get("compression") not in _FAXES and image.size[0] * image.size[1] > densest * size:
        raise PictureError(path, f"is damaged: it claims {image.size[0]}x{image.size[1]} pixels in {size:,} bytes")
    of_sixteen = image.mode in _SIXTEEN_BITS or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if not of_sixteen and image.mode not in _EIGHT_BITS:
        what = {"F": "floating-point numbers", "I": "integers of 32 bits, or signed ones"}.get(image.mode, image.mode)
        raise PictureError(path, f"holds {what}; save it as grey or RGB with 8 or 16 bits a channel")


def _header(image: Image.Image) -> Header:
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose size Pillow gives as turned
        width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
    return Header((width, height), _orientation(image))


def _orientation(image: Image.Image) -> int:
    if image.format == "PNG":
        image.load()  # the orientation may stand behind the pixels
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF that is damaged says nothing of the picture
        return 1
    return found if found in _TURNS else 1


def _decoded(image: Image.Image, exif: bool, as_eight_bits: bool) -> Image.Image:
    tiles = getattr(image, "tile", [])
    raw = tiles[0][3] if image.format == "PNG" and tiles else ""  # which decoding forgets
    orientation = _orientation(image)
    image.load()
    turned = image.format == "TIFF" and _ORIENTATION not in image.getexif()  # by Pillow, which turns TIFFs alone
    done, wanted = orientation if turned else 1, orientation if exif else 1
    result = _eight_bits(image, str(raw)) if as_eight_bits else image
    if done == wanted:
        return result
    result = result if done == 1 else result.transpose(_TURNS_BACK[done])
    return result if wanted == 1 else result.transpose(_TURNS[wanted])


def _eight_bits(image: Image.Image, raw: str) -> Image.Image:
    """A decoded picture with at most 8 bits a channel, and the value that a PNG declares transparent likewise.

    Args:
        image: as decoded.
        raw: how a PNG stores its pixels, in Pillow's words.
    """
    clear = image.info.get("transparency")
    if image.mode in _SIXTEEN_BITS or image.mode == "I":
        grey = Image.fromarray(_high_byte(image))
        if not isinstance(clear, int):
            return grey
        opaque = Image.fromarray(np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8))
        return Image.merge("LA", (grey, opaque))
    if raw in _GREY_STEPS and isinstance(clear, int):
        image.info["transparency"] = min(clear * _GREY_STEPS[raw], 255)
    elif raw == "RGB;16B" and isinstance(clear, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    return image


def _high_byte(image: Image.Image) -> NDArray[np.uint8]:
    """Grey of up to 16 bits ``(H, W)`` by its 8 highest bits; 0 is black whatever the file says of it."""
    values = np.asarray(image).astype(np.int64)
    bits, white_is_zero = 16, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = int(np.ravel(image.tag_v2.get(_BITS, 16))[0])
        white_is_zero = image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    grey = (values >> (bits - 8)).clip(0, 255).astype(np.uint8)
    return 255 - grey if white_is_zero else grey


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """``(H, W, 3)`` of a picture of 8 bits, on white where it is transparent."""
    if image.has_transparency_data:
        opaque = image.convert("LA") if image.mode == "La" else image
        rgba = opaque.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _has_end_mark(path: Path, image_format: str) -> bool:
    mark = _END_MARKS.get(image_format)
    if mark is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return mark in file.read()
