"""Archives of arrays (``.npz``) read from disk: their headers are checked before they are used."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vestige.errors import VestigeError
from vestige.files import what_is

Arrays = dict[str, NDArray[Any]]

_DEFLATED = 1100
"""Bytes that one byte of a deflated file may stand for; DEFLATE itself ends at 1,032."""

_LARGEST_CHARACTER = 0x10FFFF

_LONGEST = 300  # characters of a library's message, some of which quote the file

KINDS = {"number": "buif", "real": "f", "index": "iu", "bool": "b", "byte": "u", "text": "U", "any": "buifU"}
"""The words of :func:`check_arrays` and the kinds of dtype that they stand for."""


def read_npz(path: Path, *, what: str, mend: str = "") -> Arrays:
    """All arrays of an archive, by name: booleans, numbers and texts; nothing is unpickled.

    What the headers claim is compared with the file's size before memory is allocated, and check sums are verified.

    Args:
        path: of the archive.
        what: it is, in words.
        mend: what the user can do about a file that is not that; ends the message.

    Raises:
        VestigeError: naming the file and the array.
    """
    try:
        if what_is(path) not in ("file", ""):
            raise ValueError("is no file")
        return parse_npz(path)
    except ValueError as error:
        raise VestigeError(f"{path}: cannot be read as {what}: {error}{f'; {mend}' if mend else ''}") from error


def parse_npz(file: Path | IO[bytes], only: Collection[str] | None = None) -> Arrays:
    """The arrays of an archive, as :func:`read_npz`.

    Args:
        file: the archive.
        only: names of those that are read; None for all.

    Raises:
        ValueError: naming the array.
    """
    name = ""
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(file) as archive:
            warnings.simplefilter("ignore")  # numpy's, of headers that Python 2 wrote
            arrays = {}
            for member in archive.infolist():
                name = member.filename.removesuffix(".npy")
                if only is None or name in only:
                    arrays[name] = _array(archive, member)
            return arrays
    except Exception as error:  # zipfile, zlib and numpy raise a dozen classes for damaged files
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        told = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}..."
        raise ValueError(f"array {name!r}: {told}" if name else told) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array; ValueError where its header claims what the file does not hold."""
    if member.file_size > _DEFLATED * max(member.compress_size, 1):
        raise ValueError(f"claims {member.file_size:,} bytes of {member.compress_size:,}")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"is of version {version} of the format; expected 1.0 or 2.0")
        shape, _, dtype = read_header[version](stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in KINDS["any"]:
            raise ValueError(f"holds {dtype}; expected booleans, numbers or texts")
        if min(shape, default=0) < 0 or stream.tell() + size != member.file_size:
            raise ValueError(f"claims shape {shape} of {dtype}, for which {member.file_size:,} bytes are not the size")
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        while stream.read(1 << 16):  # to the end, where the check sum is
            pass
    if dtype.kind == "U" and array.size:
        points = np.ascontiguousarray(array).reshape(-1).astype(dtype.newbyteorder("=")).view(np.uint32)
        if points.max(initial=0) > _LARGEST_CHARACTER:
            raise ValueError("holds what are no characters")
    return array


def check_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], needed: Mapping[str, str], *, mend: str = ""
) -> dict[str, int]:
    """Refuse an archive that lacks arrays or has them of another kind or shape.

    Args:
        path: of the archive, for the message.
        arrays: by name.
        needed: by name, the kind and the shape: ``"real N K 2"`` for ``(N, K, 2)`` floats, where every letter is the
            same number everywhere and ``_`` is any. The kinds are those of :data:`KINDS`, and ``row:N`` for whole
            numbers from 0 to N - 1. A name that ends in ``/*`` stands for all
            arrays that begin so; one that ends in ``?`` need not be there.
        mend: ends the message.

    Returns:
        The numbers that the letters stand for.

    Raises:
        VestigeError: naming the file and the array.
    """
    sizes: dict[str, int] = {}
    bounds: list[tuple[str, str]] = []
    end = f"; {mend}" if mend else ""
    for pattern, expected in needed.items():
        kind, *dims = expected.split()
        kind, _, bound = kind.partition(":")
        for name in _named(pattern, arrays):
            if name not in arrays:
                raise VestigeError(f"{path}: has no array {name!r}{end}")
            array = arrays[name]
            kind = "index" if bound else kind
            if array.dtype.kind not in KINDS[kind]:
                raise VestigeError(f"{path}: array {name!r} holds {array.dtype}, expected {kind}{end}")
            if not _fits(array.shape, dims, sizes):
                shape = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else dim for dim in dims)
                raise VestigeError(f"{path}: array {name!r} has shape {array.shape}, expected ({shape}){end}")
            bounds += [(name, bound)] if bound else []
    for name, bound in bounds:
        array, n = arrays[name], int(bound) if bound.isdecimal() else sizes[bound]
        if array.size and not (0 <= array.min() and array.max() < n):
            raise VestigeError(f"{path}: array {name!r} points outside of 0 to {n - 1}{end}")
    return sizes


def _named(pattern: str, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The names that a pattern of :func:`check_arrays` stands for."""
    if pattern.endswith("/*"):
        return [name for name in arrays if name.startswith(pattern[:-1])]
    name = pattern.removesuffix("?")
    return [name] if name == pattern or name in arrays else []


def _fits(shape: tuple[int, ...], dims: list[str], sizes: dict[str, int]) -> bool:
    """Whether a shape is as described; letters met for the first time are remembered."""
    if len(shape) != len(dims):
        return False
    for length, dim in zip(shape, dims, strict=True):
        if dim != "_" and length != (int(dim) if dim.isdecimal() else sizes.setdefault(dim, length)):
            return False
    return True
