"""Ways to damage a file, its bytes, words or structure: each is a function of its content and a generator."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mutator = Callable[[bytes, random.Random], bytes]

WORDS = (
    *("nan", "-inf", "Infinity", "1e999", "-1", "-0", "0", "1e-320", "1e9", "-1e9", "4294967296", "9" * 30, "9" * 5000),
    *("", " ", "\t", "\0", "\n", "\r", "\u2028", "\ufeff", "é", "\U0001f426", "٣", "²", "1_000", "0x10", "1,5", "+1"),
    *("{", "}", "[", "]", "<", ">", "&", '"', "'", "\\", ",", ";", ":", "=", "#", "%s", "[/b]", "[red]", "\x1b[31m"),
    *("../", "..", "/", "/etc/passwd", "/dev/zero", "C:\\x", "null", "true", "NaN", "__class__", "a" * 300),
)
"""What is put where numbers, names and separators stand."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**63, -(2**64), 10**40, 0.5, -0.0, 1e-320, 1e9, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf"), "", "a", "1", "nan", "../x", "/etc/passwd", "[/b]", "\0", "\ud800"),
    *("a" * 5000, [], {}, [[]], [None], [1, "a"], {"a": 1}, {"": {}}, [0.5] * 300, [[0, 0], [1, 1]], {"0": "x"}),
)
"""What takes the place of a value in JSON."""

INTEGERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)


def flip(content: bytes, rng: random.Random) -> bytes:
    """Change single bits."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 4, 30))):
        at = _at(content, rng)
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwrite(content: bytes, rng: random.Random) -> bytes:
    """Write a few random bytes, the same byte, or a number over what is there."""
    at = _at(content, rng)
    kind, length = rng.randrange(3), rng.choice((1, 2, 4, 8, 64, 1000))
    if kind == 0:
        new = rng.randbytes(length)
    elif kind == 1:
        new = bytes([rng.choice((0, 0, 255, 32, 10))]) * length
    else:
        size = rng.choice((1, 2, 4, 8))
        new = (rng.choice(INTEGERS) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    return content[:at] + new + content[at + len(new) :]


def cut(content: bytes, rng: random.Random) -> bytes:
    """Leave out the end, the beginning, or something in between."""
    a, b = sorted((_at(content, rng), _at(content, rng)))
    return rng.choice((content[:a], content[b:], content[:a] + content[b:], content[:-1], b""))


def insert(content: bytes, rng: random.Random) -> bytes:
    """Put in random bytes, a word, or a part of the file once more."""
    a, b = sorted((_at(content, rng), _at(content, rng)))
    new = (rng.randbytes(rng.choice((1, 3, 100))), rng.choice(WORDS).encode("utf-8"), content[a:b], content[a:b] * 20)
    return content[:a] + rng.choice(new)[: 1 << 20] + content[a:]


def swap(content: bytes, rng: random.Random) -> bytes:
    """Exchange two parts."""
    a, b, c = sorted(_at(content, rng) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


BYTES: tuple[Mutator, ...] = (flip, overwrite, cut, insert, swap)


def words(content: bytes, rng: random.Random) -> bytes:
    """Put an absurd word in the place of a number or a name."""
    places = list(re.finditer(rb"[-+.\w]+", content[: 1 << 16]))
    for place in sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 2, 5)))), key=lambda p: -p.start()):
        content = content[: place.start()] + rng.choice(WORDS).encode() + content[place.end() :]
    return content


def digits(content: bytes, rng: random.Random) -> bytes:
    """Move a number: negate it, make it larger, smaller, or fractional."""
    places = list(re.finditer(rb"\d+(?:\.\d+)?", content[: 1 << 16]))
    if not places:
        return flip(content, rng)
    place = rng.choice(places)
    number = place.group()
    new = rng.choice((b"-" + number, number + b"0" * rng.choice((1, 3, 9)), b"0." + number, number + b".5", b"0"))
    return content[: place.start()] + new + content[place.end() :]


def lines(content: bytes, rng: random.Random) -> bytes:
    """Drop, repeat, join, shuffle, lengthen lines, or end them in another way."""
    rows = content.split(b"\n")
    a, b = rng.randrange(len(rows)), rng.randrange(len(rows))
    kind = rng.randrange(7)
    if kind == 0:
        del rows[a]
    elif kind == 1:
        rows[a:a] = [rows[b]] * rng.choice((1, 2, 500))
    elif kind == 2:
        rows[a], rows[b] = rows[b], rows[a]
    elif kind == 3:
        rng.shuffle(rows)
    elif kind == 4:
        rows[a] = rows[a] * rng.choice((2, 2000))
    elif kind == 5:
        return rng.choice((b"\r", b"\r\n", b" ", b"\n\n", b"\x0b", b"\xe2\x80\xa8")).join(rows)
    else:
        rows = rows[: a + 1]
    return b"\n".join(rows)[: 1 << 21]


def recode(content: bytes, rng: random.Random) -> bytes:
    """Write a text in another encoding, or with an order mark."""
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32-be", "utf-7", "cp1252", "utf-16-le")), "replace")


TEXT: tuple[Mutator, ...] = (*BYTES, words, words, digits, digits, lines, lines, recode)


def json_value(content: bytes, rng: random.Random) -> bytes:
    """Give another value to a place, drop it, rename it, or nest it."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return flip(content, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _changed(document, rng)
    text = json.dumps(document, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.9)
    return text.encode("utf-8", "surrogatepass")


def json_nested(content: bytes, rng: random.Random) -> bytes:
    """Put something nested very deep, or a number of thousands of digits, where a value stands."""
    depth = rng.choice((9, 40, 500, 100_000))
    new = rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b"9" * depth, b"1e" * depth))
    places = list(re.finditer(rb':\s*("[^"]*"|[-\d.]+|null|true|false)', content[: 1 << 16]))
    if not places:
        return new
    place = rng.choice(places)
    return content[: place.start(1)] + new + content[place.end(1) :]


JSON: tuple[Mutator, ...] = (*TEXT, *(json_value,) * 10, *(json_nested,) * 3)


def _changed(document: Any, rng: random.Random) -> Any:
    """A document with one of its places changed."""
    path: list[Any] = []
    place = document
    while isinstance(place, (dict, list)) and place and (rng.random() < 0.85 or not path):
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        path.append(key)
        place = place[key]
    if not path:
        return rng.choice(VALUES)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    last, kind = path[-1], rng.randrange(8)
    if kind == 0:
        del holder[last]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "a", f"{last} ", "../x", "[/b]", "\0"))] = holder.pop(last)
    elif kind == 1:
        holder.insert(rng.randrange(len(holder) + 1), holder[last])
    elif kind == 2:
        holder[last] = [place]
    elif kind == 3 and isinstance(place, (int, float)) and not isinstance(place, bool):
        holder[last] = rng.choice((-place, place * 1000, place + 0.5, str(place), int(place) + 1, place * 1e300))
    elif kind == 3 and isinstance(place, list):
        holder[last] = place * rng.choice((0, 2, 50)) if rng.random() < 0.5 else place[1:]
    else:
        holder[last] = rng.choice(VALUES)
    return document


def xml(content: bytes, rng: random.Random) -> bytes:
    """Entities, encodings, nesting, and attributes that are there twice."""
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%b">' % (b, b"&%c;" % (b - 1) * 10) for b in range(ord("b"), ord("k"))
    )
    foreign = b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    tags = list(re.finditer(rb"<[^>]*>", content))
    tag = rng.choice(tags) if tags else None
    if tag is None:
        return flip(content, rng)
    kind = rng.randrange(7)
    if kind == 0:
        return bomb + b"]>" + content.replace(b"0", b"&j;", 1)
    if kind == 1:
        return foreign + content[: tag.end()] + b"&e;" + content[tag.end() :]
    if kind == 2:
        return b'<?xml version="1.0" encoding="%b"?>' % rng.choice((b"utf-7", b"utf-16", b"x", b"rot13")) + content
    if kind == 3:
        return content[: tag.end()] + b"<a>" * 100_000 + content[tag.end() :]
    if kind == 4:
        return content[: tag.end() - 1] + b' name="a" name="b"' + content[tag.end() - 1 :]
    if kind == 5:
        return content[: tag.start()] + content[tag.end() :]
    return content[: tag.start()] + tag.group() * rng.choice((2, 300)) + content[tag.end() :]


XML: tuple[Mutator, ...] = (*TEXT, *(xml,) * 8)


def cells(content: bytes, rng: random.Random) -> bytes:
    """Change cells of a table, its columns, or how it is quoted."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode())))
    except (csv.Error, UnicodeDecodeError):
        return flip(content, rng)
    if not rows or not rows[0]:
        return flip(content, rng)
    row = rng.randrange(len(rows))
    if not rows[row]:
        return flip(content, rng)
    column, kind = rng.randrange(len(rows[row])), rng.randrange(6)
    if kind <= 1:
        rows[row][column] = rng.choice((*WORDS, "a" * 200_000, '"', "a\nb"))
    elif kind == 2:
        rows = [[*each[:column], *each[column + 1 :]] for each in rows]
    elif kind == 3:
        rows = [[*each, *each[column : column + 1]] for each in rows]
    elif kind == 4:
        rows[row] = rows[row] * rng.choice((2, 300))
    else:
        rows[row] = rows[row][:column]
    text = io.StringIO()
    csv.writer(text, quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))).writerows(rows)
    return text.getvalue().encode()


CSV: tuple[Mutator, ...] = (*TEXT, *(cells,) * 8)


def png_chunk(content: bytes, rng: random.Random) -> bytes:
    """Change a chunk of a PNG and make its check sum right again."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks:
        return flip(content, rng)
    index = rng.choice((0, rng.randrange(len(chunks))))
    name, data = chunks[index]
    kind = rng.randrange(5)
    if kind == 0 and len(data) >= 8:
        side = struct.pack(">I", rng.choice((*INTEGERS, 12_000, 16_000, 3)))
        data = side + data[4:] if rng.random() < 0.5 else data[:4] + side + data[8:]
    elif kind == 1 and len(data) >= 13:
        data = data[:8] + bytes([rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 5))]) + data[10:]
    elif kind == 2 and data:
        data = flip(data, rng)
    elif kind == 3:
        name = rng.choice((b"IDAT", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt", b"gAMA"))
    else:
        chunks.insert(index, chunks[rng.randrange(len(chunks))])
        name, data = chunks[index]
    chunks[index] = (name, data)
    return content[:8] + b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )


def early(content: bytes, rng: random.Random) -> bytes:
    """Numbers over the fields of a header."""
    at, size = rng.randrange(min(len(content), 64) or 1), rng.choice((1, 2, 4))
    number = rng.choice((*INTEGERS, 13_000, 60_000)) % 256**size
    return content[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + content[at + size :]


def late(content: bytes, rng: random.Random) -> bytes:
    """Numbers over the fields at the end, where zip and TIFF have their tables."""
    at, size = max(0, len(content) - 1 - rng.randrange(300)), rng.choice((1, 2, 4))
    number = rng.choice((*INTEGERS, 13_000)) % 256**size
    return content[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + content[at + size :]


PICTURE: tuple[Mutator, ...] = (*BYTES, *(early,) * 4, late, late)
PNG: tuple[Mutator, ...] = (*PICTURE, *(png_chunk,) * 8)


def odd_array(array: np.ndarray[Any, Any], rng: random.Random) -> np.ndarray[Any, Any]:
    """An array of another shape, type or content."""
    kind = rng.randrange(9)
    if kind == 0:
        return array[:0]
    if kind == 1:
        return array.reshape(-1)
    if kind == 2:
        return array[..., None]
    if kind == 3:
        return np.concatenate([array, array[:1]]) if array.ndim else array
    if kind == 4 and array.dtype.kind in "fiub":
        dtype = rng.choice((np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_, np.complex64, "U9", "S3"))
        return array.real.astype(dtype)
    if kind <= 6 and array.dtype.kind in "fiu" and array.size:
        array = array.copy()
        value = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1, 0, 2**62, 255, 1e-40))
        if array.dtype.kind != "f":
            info = np.iinfo(array.dtype)
            value = rng.choice((info.min, info.max, 0, 1))
        with np.errstate(all="ignore"):
            array.reshape(-1)[:: rng.choice((1, 3, array.size))] = value
        return array
    if kind == 7:
        return np.array(rng.choice((0.0, "x", np.nan, 3)))
    return array[: max(1, len(array) // 2)] if array.ndim else array


def npz_array(content: bytes, rng: random.Random) -> bytes:
    """Change an array of an archive, its name, or its header, with sizes and check sums that are right."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return flip(content, rng)
    if not members:
        return flip(content, rng)
    name = rng.choice(list(members))
    kind = rng.randrange(6)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[rng.choice(("x.npy", "ids.npy", "prediction/x.npy", "error/x.npy", "../x.npy", "x"))] = members.pop(
            name
        )
    elif kind == 2:
        members[name] = rng.choice((words, digits, early, flip, cut))(members[name], rng)
    else:
        try:
            array = np.load(io.BytesIO(members[name]), allow_pickle=False)
        except Exception:  # damaged before
            return flip(content, rng)
        stream = io.BytesIO()
        np.save(stream, odd_array(array, rng))
        members[name] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return stream.getvalue()


NPZ: tuple[Mutator, ...] = (*BYTES, late, *(npz_array,) * 10)
NPY: tuple[Mutator, ...] = (*BYTES, early, words, digits)


def safetensors_header(content: bytes, rng: random.Random) -> bytes:
    """Change the header of a safetensors file and make its length right again."""
    (length,) = struct.unpack("<Q", content[:8])
    header = rng.choice((json_value, json_value, words, digits, json_nested))(content[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def safetensors_numbers(content: bytes, rng: random.Random) -> bytes:
    """NaN, infinities and huge numbers among the tensors' numbers."""
    (length,) = struct.unpack("<Q", content[:8])
    start = 8 + length
    at = start + 4 * rng.randrange(max(1, (len(content) - start) // 4))
    new = np.float32(rng.choice((np.nan, np.inf, 3e38, -3e38, 1e-40, 0))).tobytes()
    return (
        content[:at] + new * rng.choice((1, 2, 8)) + content[at + 4 :]
        if rng.random() < 0.2
        else (content[:at] + new + content[at + 4 :])
    )


SAFETENSORS: tuple[Mutator, ...] = (*BYTES, early, *(safetensors_header,) * 4, *(safetensors_numbers,) * 4)
ZIP: tuple[Mutator, ...] = (*BYTES, early, late, late)

BY_ENDING: dict[str, tuple[Mutator, ...]] = {
    **dict.fromkeys((".json", ".geojson"), JSON),
    **dict.fromkeys((".pts", ".txt", ".words"), TEXT),
    **dict.fromkeys((".jpg", ".bmp", ".webp", ".tif", ".ppm", ".pgm"), PICTURE),
    ".png": PNG,
    ".xml": XML,
    ".csv": CSV,
    ".npz": NPZ,
    ".npy": NPY,
    ".safetensors": SAFETENSORS,
    ".pt": ZIP,
}
"""How a file is damaged, by its ending; another is damaged in its bytes."""


def damaged(path: Path, content: bytes, rng: random.Random) -> bytes:
    """The content of a file, damaged once, seldom twice, by what suits its ending."""
    for _ in range(rng.choice((1, 1, 1, 2))):
        content, mutate = content or b"0", rng.choice(BY_ENDING.get(path.suffix.lower(), BYTES))
        try:
            content = mutate(content, rng)
        except Exception:  # the structure that it changes was damaged before
            content = flip(content, rng)
    return content


def misplace(path: Path, rng: random.Random) -> None:
    """Take a file away, or put something else in its place: a folder, a pipe, a link that leads nowhere or round."""
    path.unlink()
    kind = rng.randrange(6)
    if kind == 1:
        path.mkdir()
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.symlink_to(path.name)
    elif kind == 4:
        path.symlink_to(rng.choice(("/dev/zero", "/nowhere/at/all", "/")))
    elif kind == 5:
        path.touch()


def _at(content: bytes, rng: random.Random) -> int:
    """A place in a file; every other time near its beginning, where headers are."""
    size = len(content) or 1
    return rng.randrange(size) if rng.random() < 0.5 else rng.randrange(min(size, 400))
