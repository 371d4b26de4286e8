"""Picture files: which are opened, what their pixels become, and which way up they are."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from vestige.errors import VestigeError
from vestige.images import ImageFile, image_size
from vestige.picture_files import read_rgb

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
WIDE = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
EXIF_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def on_white(colour, alpha):
    share = alpha.astype(float)[..., None] / 255
    return colour * share + 255 * (1 - share)


def grey(values):
    return np.repeat(values[..., None], 3, axis=2)


L = np.asarray(Image.fromarray(RGB).convert("L"))
BITS = L > 127
PLAIN = {
    "RGB": (Image.fromarray(RGB), RGB),
    "L": (Image.fromarray(L), grey(L)),
    "1": (Image.fromarray(BITS), grey(BITS * np.uint8(255))),
    "P": (Image.fromarray(RGB).quantize(16), np.asarray(Image.fromarray(RGB).quantize(16).convert("RGB"))),
    "I;16": (Image.fromarray(WIDE), grey(WIDE >> 8)),
    "RGBA": (Image.merge("RGBA", (*Image.fromarray(RGB).split(), Image.fromarray(ALPHA))), on_white(RGB, ALPHA)),
    "LA": (Image.merge("LA", (Image.fromarray(L), Image.fromarray(ALPHA))), on_white(grey(L), ALPHA)),
}
LOSSLESS = [
    *((mode, ".png") for mode in PLAIN),
    *((mode, ".tif") for mode in PLAIN),
    *((mode, ".bmp") for mode in ("RGB", "L", "1", "P")),
    *((mode, ".ppm") for mode in ("RGB", "L", "1")),
    ("I;16", ".pgm"),
]


@pytest.mark.parametrize(("mode", "ending"), LOSSLESS)
def test_every_mode_of_every_format_becomes_eight_bits_by_the_stated_rule(tmp_path, mode, ending):
    image, expected = PLAIN[mode]
    image.save(tmp_path / f"a{ending}")
    found = ImageFile(tmp_path / f"a{ending}").read()
    assert (found.shape, found.dtype) == ((20, 30, 3), np.uint8)
    np.testing.assert_allclose(found, expected, atol=1.0 if "A" in mode else 0.0)


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_with_transparency_is_put_on_white(tmp_path, lossless):
    image = Image.new("RGBA", (20, 30), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 20, 15))
    image.save(tmp_path / "a.webp", lossless=lossless, exact=True)
    found = ImageFile(tmp_path / "a.webp").read().astype(int)
    assert (found[20:] > 250).all()
    assert np.abs(found[:10] - (0, 0, 255)).max() < 8


def test_cmyk_is_read_by_the_plain_formula(tmp_path):
    image = Image.fromarray(RGB).convert("CMYK")
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(ImageFile(tmp_path / "a.tif").read(), RGB)
    image.save(tmp_path / "a.jpg", quality=100)
    assert np.abs(ImageFile(tmp_path / "a.jpg").read().astype(int) - RGB).mean() < 12


def test_sixteen_bits_of_both_byte_orders_and_sixteen_bit_colours_are_read_by_their_high_byte(tmp_path):
    Image.fromarray(WIDE.astype(">u2")).save(tmp_path / "big.tif")
    np.testing.assert_array_equal(ImageFile(tmp_path / "big.tif").read(), grey(WIDE >> 8))
    colours = RNG.integers(0, 65536, (20, 30, 3)).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 30 20 65535\n" + colours.tobytes())
    assert np.abs(ImageFile(tmp_path / "a.ppm").read().astype(int) - (colours >> 8)).max() <= 1


def test_white_is_zero_and_twelve_bits_in_a_tiff(tmp_path):
    Image.fromarray(WIDE).save(tmp_path / "a.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(ImageFile(tmp_path / "a.tif").read(), 255 - grey(WIDE >> 8))


TRANSPARENT = {
    "L": (Image.fromarray(L), int(L[3, 4]), L == L[3, 4], grey(L)),
    "I;16": (Image.fromarray(WIDE), int(WIDE[3, 4]), WIDE == WIDE[3, 4], grey(WIDE >> 8)),
    "RGB": (Image.fromarray(RGB), tuple(RGB[3, 4].tolist()), (RGB == RGB[3, 4]).all(axis=2), RGB),
}


@pytest.mark.parametrize("mode", TRANSPARENT)
def test_a_colour_that_a_png_declares_transparent_is_white(tmp_path, mode):
    image, clear, where, colours = TRANSPARENT[mode]
    image.save(tmp_path / "a.png", transparency=clear)
    assert where.any()
    np.testing.assert_array_equal(ImageFile(tmp_path / "a.png").read(), np.where(where[..., None], 255, colours))


@pytest.mark.parametrize("alphas", [3, b"\x00\x40\x80\xff"])
def test_a_palette_with_transparency_is_put_on_white(tmp_path, alphas):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "a.png", transparency=alphas)
    index = np.asarray(image)
    table = np.full(16, 255, np.uint8)
    if isinstance(alphas, int):
        table[alphas] = 0
    else:
        table[:4] = list(alphas)
    expected = on_white(np.asarray(image.convert("RGB")), table[index])
    np.testing.assert_allclose(ImageFile(tmp_path / "a.png").read(), expected, atol=1)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(RNG.random((20, 30)).astype(np.float32)),
        Image.fromarray(WIDE.astype(np.int32)),
        Image.fromarray(RGB).convert("LAB"),
    ],
    ids=["float", "32 bits", "Lab"],
)
def test_pixels_without_a_stated_rule_are_refused_in_words(tmp_path, image):
    image.save(tmp_path / "a.tif")
    for read in (ImageFile(tmp_path / "a.tif").read, lambda: image_size(tmp_path / "a.tif")):
        with pytest.raises(VestigeError, match=r"a\.tif: .*8 or 16 bits"):
            read()


MODES = {
    ".jpg": ("RGB", "L", "1"),
    ".webp": ("RGB", "L", "P", "RGBA", "1"),
    **dict.fromkeys((".png", ".tif", "compressed.tif"), ("RGB", "L", "P", "I;16", "RGBA", "1")),
}


@pytest.mark.parametrize(("ending", "mode"), [(ending, mode) for ending, modes in MODES.items() for mode in modes])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_every_format(tmp_path, mode, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{ending}"
    more = {".webp": {"lossless": True}, "compressed.tif": {"compression": "tiff_lzw"}}.get(ending, {})
    PLAIN[mode][0].save(path, exif=exif, **more)
    stored = ImageFile(path, exif=False)
    upright = ImageFile(path).read()
    turned = Image.fromarray(stored.read())
    turned = turned.transpose(EXIF_TURNS[orientation]) if orientation > 1 else turned
    np.testing.assert_array_equal(upright, np.asarray(turned))
    assert image_size(path) == upright.shape[1::-1] == ((20, 30) if orientation >= 5 else (30, 20))
    assert image_size(path, exif=False) == stored.read().shape[1::-1] == (30, 20)
    if ending != ".jpg":
        np.testing.assert_allclose(stored.read(), PLAIN[mode][1], atol=1.0)


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    at = content.index(b"eXIf") - 4
    length = int.from_bytes(content[at : at + 4], "big") + 12
    chunk, rest = content[at : at + length], content[:at] + content[at + length :]
    end = rest.index(b"IEND") - 4
    (tmp_path / "late.png").write_bytes(rest[:end] + chunk + rest[end:])
    assert image_size(tmp_path / "late.png") == (20, 30)
    np.testing.assert_array_equal(ImageFile(tmp_path / "late.png").read(), np.rot90(RGB, -1))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_is_none_says_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (30, 20)
    assert ImageFile(tmp_path / "a.jpg").read().shape[1::-1] == image_size(tmp_path / "a.jpg")


def test_exif_that_is_damaged_says_nothing_either(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    at = content.index(b"Exif")
    for cut in (6, 8, 14, 20):
        (tmp_path / "b.jpg").write_bytes(content[: at + cut] + b"\xff" * 12 + content[at + cut + 12 :])
        assert image_size(tmp_path / "b.jpg") in ((30, 20), (20, 30))


FOREIGN = {
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 30 20\n%%EndComments\nshowpage\n",
    "gif": b"GIF89a\x01\x00\x01\x00\x80\x00\x00"
    + b"\xff" * 6
    + b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;",
    "dds": b"DDS \x7c\x00\x00\x00" + b"\x07\x10\x08\x00" + b"\xff" * 116,
    "avif": b"\x00\x00\x00\x1cftypavif" + b"\x00" * 40,
    "ico": b"\x00\x00\x01\x00\x01\x00\x01\x01" + b"\x00" * 60,
    "psd": b"8BPS\x00\x01" + b"\x00" * 60,
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_not_opened_whatever_they_are_called(tmp_path, monkeypatch, name):
    def started(*_args, **_more):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    (tmp_path / "a.jpg").write_bytes(FOREIGN[name])
    for read in (ImageFile(tmp_path / "a.jpg").read, lambda: image_size(tmp_path / "a.jpg")):
        with pytest.raises(VestigeError, match=r"a\.jpg: .*JPEG, PNG"):
            read()


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket.jpg"))
    for name in ("pipe", "folder", "link", "round", "socket", "missing"):
        for read in (ImageFile(tmp_path / f"{name}.jpg").read, lambda name=name: image_size(tmp_path / f"{name}.jpg")):
            with pytest.raises(VestigeError, match=name):
                read()
    with pytest.raises(VestigeError, match="cannot be opened"):
        image_size(Path("\0.png"))


def test_a_picture_that_claims_more_pixels_than_are_read_is_refused(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 60000 60000 255\n")
    (tmp_path / "b.bmp").write_bytes(Image.new("RGB", (2, 2)).tobytes())
    header = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    Image.new("RGB", (2, 2)).save(tmp_path / "c.png")
    content = (tmp_path / "c.png").read_bytes()
    (tmp_path / "c.png").write_bytes(
        content[:12] + header + PngImagePlugin.zlib.crc32(header).to_bytes(4, "big") + content[33:]
    )
    for name in ("a.ppm", "c.png"):
        with pytest.raises(VestigeError, match="178,956,970"):
            image_size(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.ppm"])
def test_a_small_file_cannot_claim_many_pixels(tmp_path, name):
    Image.new("L", (3000, 3000)).save(tmp_path / name)
    assert read_rgb(tmp_path / name).shape == (3000, 3000, 3)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:700])
    with pytest.raises(VestigeError, match=r"3000x3000 .* 700 bytes"):
        read_rgb(tmp_path / name)


def test_warnings_of_the_decoder_do_not_reach_the_user_from_any_thread(tmp_path):
    """A large picture, a palette with transparency as bytes, and a corrupt tag each make Pillow warn."""
    Image.new("1", (10_000, 10_000)).save(tmp_path / "large.png")
    Image.fromarray(RGB).quantize(16).save(tmp_path / "palette.png", transparency=b"\x00\x10\x20")
    with pytest.warns(Image.DecompressionBombWarning), Image.open(tmp_path / "large.png"):
        pass
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        names = ["large.png", *["palette.png"] * 20] * 2
        sizes = list(pool.map(lambda name: image_size(tmp_path / name), names))
    assert set(sizes) == {(10_000, 10_000), (30, 20)}
    assert list(warnings.filters) == before


def test_the_digest_of_a_plain_picture_is_the_hash_of_its_file(tmp_path):
    for mode, (image, _) in PLAIN.items():
        image.save(tmp_path / "a.png")
        picture = ImageFile(tmp_path / "a.png")
        assert (picture.digest() == picture.content) == (mode in ("RGB", "L", "1", "P"))
        assert ImageFile(tmp_path / "a.png", exif=False).digest() != picture.digest()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".tif", "compressed.tif", "jpeg.tif", ".ppm"])
def test_damage_anywhere_is_an_error_in_words_or_a_picture(tmp_path, ending, capfd):
    path = tmp_path / f"a{ending}"
    exif = Image.Exif()
    exif[0x0112] = 6
    compression = {"compressed.tif": "tiff_lzw", "jpeg.tif": "jpeg"}.get(ending)
    more = {} if ending in (".bmp", ".ppm") else {"exif": exif}
    Image.fromarray(RGB).save(path, **more, **({"compression": compression} if compression else {}))
    whole, rng = path.read_bytes(), random.Random(ending)
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 1, 3, 10))):
            content[rng.randrange(min(len(content), rng.choice((64, 256, 4096))))] = rng.choice(
                (0, 255, rng.randrange(256))
            )
        path.write_bytes(content[: rng.choice((len(content), rng.randrange(len(content))))])
        for read in (lambda: read_rgb(path), lambda: image_size(path), lambda: ImageFile(path).digest()):
            try:
                read()
            except VestigeError as error:
                assert str(error).startswith(str(path))  # noqa: PT017 - it may be read as well
    assert capfd.readouterr() == ("", "")


def test_the_library_prints_nothing_on_import_of_the_decoders():
    code = "import warnings; warnings.simplefilter('error'); import vestige.picture_files"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stderr == b""
