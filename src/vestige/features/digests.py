"""Digests of what is on disk: of the bytes of files, and of small documents that carry their own.

CRC-32C finds every run of damage of up to 32 bits, and other damage but for one case in 4 billion. It guards against
disks and people, not against forgers: who can write the store can write a digest, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import google_crc32c

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 20


def crc32c(data: bytes | NDArray[Any], before: int = 0) -> int:
    """CRC-32C of bytes, or of an array's in C order; ``before`` is that of what came before them."""
    found: int = google_crc32c.extend(before, data)  # arrays as well, without a copy
    return found


def zeros_crc32c(count: int, before: int) -> int:
    """CRC-32C of so many zero bytes after what came before them."""
    for size in _blocks(count):
        before = crc32c(bytes(size), before)
    return before


def file_crc32c(path: Path, before: int = 0, size: int | None = None) -> int:
    """CRC-32C of a file's bytes, or of the first of them; it is read in pieces, so memory stays flat.

    Raises:
        OSError: where it cannot be read, or is shorter.
    """
    with path.open("rb", buffering=0) as file:
        for wanted in _blocks(path.stat().st_size if size is None else size):
            left = wanted
            while left:
                read = file.read(left)
                if not read:
                    raise OSError(f"{path}: ends too early")
                before = crc32c(read, before)
                left -= len(read)
    return before


def _blocks(count: int) -> Iterator[int]:
    """A number of bytes in pieces."""
    for start in range(0, count, _BLOCK):
        yield min(_BLOCK, count - start)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A document with a digest of itself.

    Attributes:
        check: CRC-32C of the others, as JSON with sorted keys.
    """

    check: int = field(default=0)


C = TypeVar("C", bound=Checked)


def with_check(document: C) -> C:
    """A document with its digest."""
    return replace(document, check=_check(document))


def is_unchanged(document: Checked) -> bool:
    """Whether a document is as it was when it got its digest."""
    return document.check == _check(document)


def shallow(document: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, as ``asdict`` but without copies of their values."""
    return {each.name: getattr(document, each.name) for each in fields(document)}


def to_json(document: Checked, indent: int | None = 1) -> str:
    """The text of a document, with its digest."""
    return json.dumps(shallow(with_check(document)), indent=indent)


def _check(document: Checked) -> int:
    content = shallow(document)
    del content["check"]
    return crc32c(json.dumps(content, sort_keys=True).encode())
