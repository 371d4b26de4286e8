"""Documents read from disk: JSON, checked once, where it is read, against the type that it is read as; and text."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from vestige.errors import VestigeError

T = TypeVar("T")

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A whole number that counts something."""

LIMIT = 1 << 30
"""The largest document that is read, in bytes; the annotation of the largest public data sets is half of it."""

NESTING = 8
"""How deep :data:`Json` may be nested; the time in which msgspec takes the type in doubles with every level."""

_alone = threading.RLock()
"""Held while msgspec reads: the process crashes where threads read as the same dataclass for the first time at once.
It reads one at a time anyway, as it holds the interpreter's lock."""


def _json(depth: int) -> Any:
    """The type of a JSON value of some depth at most, with integers of 64 bits."""
    plain = None | bool | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | str
    if depth == 0:
        return plain
    inner = _json(depth - 1)
    return plain | list[inner] | dict[str, inner]  # type: ignore[valid-type]


if TYPE_CHECKING:
    Json = Any
else:
    Json = _json(NESTING)
"""Any JSON value, for the parts of a document that its type says nothing of; see :data:`NESTING`."""


def read_json(path: Path, kind: type[T], *, what: str, mend: str = "", limit: int = LIMIT) -> T:
    """Read a JSON document as a type: a dataclass, a ``TypedDict``, ``dict[str, float]``, ...

    UTF-8, -16 and -32 are read, with or without a byte order mark. Entries that a dataclass does not have are passed
    over. NaN, infinities, numbers that no float holds and deep nesting are refused, as all that is of another type.

    Args:
        path: of the file.
        kind: what it is read as.
        what: the same in words, as in "results", "a probe", "COCO annotations".
        mend: what the user can do about a file that is not that; ends the message.
        limit: the largest file that is read, in bytes.

    Raises:
        VestigeError: naming the file and the place in it, as in ``$.rows[3].value``.
    """
    start = f"{path}: cannot be read as {what}: "
    end = f"; {mend}" if mend else ""
    try:
        return parse_json(_bytes(path, limit), kind)
    except OSError as error:
        raise VestigeError(f"{start}{error.strerror or error}{end}") from error
    except ValueError as error:
        raise VestigeError(f"{start}{error}{end}") from error


def parse_json(text: bytes, kind: type[T]) -> T:
    """The document that a text is; arguments as :func:`read_json`.

    Raises:
        ValueError: with the place and what was expected there.
    """
    try:
        encoding = json.detect_encoding(text)
        utf8 = text if encoding == "utf-8" else text.decode(encoding).encode()
        with _alone:
            return msgspec.json.decode(utf8, type=kind)
    except UnicodeDecodeError as error:
        raise ValueError(_undecoded(text, encoding)) from error
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise ValueError(f"is no text: character {error.start}: {error.reason}") from error
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except msgspec.ValidationError as error:
        raise ValueError(_words(error)) from error
    except msgspec.DecodeError as error:
        raise ValueError(_broken(error, utf8)) from error


def decode_text(data: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 where a byte order mark says so, as spreadsheets write it.

    Raises:
        ValueError: where it is neither, with what to do.
    """
    encoding = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(_undecoded(data, encoding)) from error
    if "\0" in text:
        raise ValueError("is not text (it holds zero bytes); save it as UTF-8")
    return text


def _undecoded(data: bytes, encoding: str) -> str:
    """Why bytes are no text of an encoding, and what to do."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return f"is not text (byte {error.start} is not {encoding.removesuffix('-sig').upper()}); save it as UTF-8"
    return f"is not text in {encoding.upper()}; save it as UTF-8"


def table_of(text: str) -> csv.DictReader[str]:
    """The rows of a table below its header; cells as of :func:`delimiter_of`."""
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)


def delimiter_of(text: str) -> str:
    """What is between the cells of a table: comma, semicolon or tab, whichever its header has most of.

    Spreadsheets write all three: semicolons in languages whose numbers have commas, tabs in UTF-16.
    """
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def check_json(value: Any, kind: type[T]) -> T:
    """What is already read as a type, checked as :func:`read_json` checks it.

    Raises:
        ValueError: with the place and what was expected there.
    """
    try:
        with _alone:
            return msgspec.convert(value, kind)
    except RecursionError as error:
        raise ValueError("is nested too deep") from error
    except msgspec.ValidationError as error:
        raise ValueError(_words(error)) from error


def _bytes(path: Path, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        OSError, ValueError: where it cannot be read, is no plain file (reading a pipe may never end) or is too large.
    """
    if not path.is_file():
        raise ValueError("is no file" if path.exists() else "no such file")
    size = path.stat().st_size
    if size > limit:
        raise ValueError(f"has {size:,} bytes; expected {limit:,} at most")
    return path.read_bytes()


_NAMES = {"float": "number", "int": "whole number", "str": "text", "bool": "true or false", "object": "mapping"}


def _words(error: msgspec.ValidationError) -> str:
    """The message with the place first: ``at $.rows[3].value: expected number, got text``."""
    said, _, place = str(error).partition(" - at ")
    said = re.sub(r"`([^`]*)`", lambda match: re.sub(r"\w+", lambda word: _NAMES.get(word[0], word[0]), match[1]), said)
    said = said.replace("Object missing required field", "lacks")
    return f"at {place.strip('`') or '$'}: {said[:1].lower()}{said[1:]}"


def _broken(error: msgspec.DecodeError, text: bytes) -> str:
    """The message with line and column in place of the number of a byte; NaN is named."""
    said = str(error)
    found = re.search(r"\(byte (\d+)\)", said)
    if found is None:
        return f"is no whole JSON: {said[:1].lower()}{said[1:]}"
    at = int(found[1])
    line, column = text.count(b"\n", 0, at) + 1, at - text.rfind(b"\n", 0, at)
    odd = re.search(rb"NaN|-?Infinity", text[max(at - 1, 0) : at + len("Infinity")])
    reason = f"{odd[0].decode()} is no number in JSON" if odd else said[: found.start()].strip().rpartition(": ")[2]
    return f"line {line}, column {column}: {reason}"
