"""Documents read from disk: what is wrong is named with its place, whatever it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vestige.documents import NESTING, Json, check_json, decode_text, read_json, table_of
from vestige.errors import VestigeError


@dataclass(frozen=True)
class Entry:
    name: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Document:
    rows: tuple[Entry, ...]
    rest: Json = None


def read(folder: Path, text: bytes, kind: type[Any] = Document, **options: Any) -> Any:
    path = folder / "results.json"
    path.write_bytes(text)
    return read_json(path, kind, what="results", mend="run it again", **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_document_is_read_in_every_encoding_of_json(tmp_path: Path, encoding: str) -> None:
    text = '{"rows": [{"name": "Möwe", "value": 1, "interval": [0, 2]}], "rest": {"a": [1.5, null]}, "new": 1}'
    expected = Document((Entry("Möwe", 1.0, (0.0, 2.0)),), {"a": [1.5, None]})
    assert read(tmp_path, text.encode(encoding)) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"rows": [{"name": "a", "value": "1"}]}', "$.rows[0].value"),
        (b'{"rows": [{"name": "a", "value": true}]}', "$.rows[0].value"),
        (b'{"rows": [{"name": "a", "value": 1e999}]}', "$.rows[0].value"),
        (b'{"rows": [{"name": "a", "value": 1, "interval": [1]}]}', "$.rows[0].interval"),
        (b'{"rows": ["a"]}', "$.rows[0]"),
        (b'{"rows": {}}', "$.rows"),
        (b"{}", "$"),
        (b"[]", "$"),
        (b'{"rows": [], "rest": ' + b"9" * 30 + b"}", "$.rest"),
        (b'{"rows": [], "rest": ' + b"[" * 18 + b"]" * 18 + b"}", "$.rest" + "[0]" * NESTING),
        (b'{"rows": [], "rest": ' + b"[" * 100_000, "$.rest"),
        (b'{"rows": [],\n "rest": NaN}', "line 2, column 10"),
        (b'{"rows": [],\n "rest": -Infinity}', "line 2, column"),
        (b'{"rows": [],}', "line 1, column 13"),
        (b'{"rows": [], "rest": "\xff"}', "byte 22 is not UTF-8"),
        (b"\xff\xfe\x00\xd8", "is not UTF-16"),
        (b"", "truncated"),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_place(tmp_path: Path, text: bytes, place: str) -> None:
    with pytest.raises(VestigeError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'results.json'}: cannot be read as results: ")
    assert place in message
    assert message.endswith("; run it again")


def test_what_is_no_plain_file_or_too_large_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(VestigeError, match="file"):
            read_json(path, dict[str, int], what="results")
    with pytest.raises(VestigeError, match=r"12 bytes; .* 4"):
        read(tmp_path, b'{"rows": [ ]', limit=4)


def test_a_value_is_checked_as_a_file_is() -> None:
    entry = {"name": "a", "value": 1, "interval": [0, 1]}
    assert check_json(entry, Entry) == Entry("a", 1.0, (0.0, 1.0))
    with pytest.raises(ValueError, match=r"\$\.interval\[1\]: .*number.*text"):
        check_json({**entry, "interval": [0, "1"]}, Entry)


def test_json_holds_what_json_has() -> None:
    value = {"a": [None, True, 1, 0.5, "b", {"c": []}], "d": {}}
    assert check_json(json.loads(json.dumps(value)), Json) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_is_read_whatever_byte_order_mark_it_has(encoding: str) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    assert decode_text(f"{mark}naïve\nlines".encode(encoding)) == "naïve\nlines"


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_tables_of_spreadsheets_are_read_whatever_is_between_their_cells(between: str) -> None:
    other = ";" if between == "," else ","
    text = between.join(("word", "object")) + "\r\n" + between.join(("lamp", f'"a{other}b"')) + "\r\n"
    assert list(table_of(text)) == [{"word": "lamp", "object": f"a{other}b"}]


@pytest.mark.parametrize("data", ["café".encode("latin-1"), b"a\0b", b"\xff\xfea", "lamp".encode("utf-16-le")])
def test_what_is_no_text_is_told_with_what_to_do(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"is not text .* save it as UTF-8"):
        decode_text(data)


THREADS = """
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from threading import Barrier

from vestige.documents import check_json, parse_json

sys.setswitchinterval(1e-6)
for _ in range(20):
    inner = make_dataclass("Inner", [(f"i{k}", int) for k in range(20)])
    outer = make_dataclass("Outer", [("inner", inner), *((f"o{k}", dict[str, int]) for k in range(20))])
    value = {"inner": {f"i{k}": k for k in range(20)}, **{f"o{k}": {"a": k} for k in range(20)}}
    text, gate = json.dumps(value).encode(), Barrier(8)

    def read(k: int) -> object:
        gate.wait()
        return parse_json(text, outer) if k % 2 else check_json(value, outer)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, range(8)))
    assert found == [found[0]] * 8
"""


def test_threads_read_as_one_type_for_the_first_time() -> None:
    """By itself msgspec ends the process with a fault of memory."""
    subprocess.run([sys.executable, "-c", THREADS], check=True)
