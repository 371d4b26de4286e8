"""Archives of arrays: whatever a file claims, what is wrong is named, and no memory is asked for on its word."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vestige.arrays import check_arrays, parse_npz, read_npz
from vestige.errors import VestigeError

GOOD = {"points": np.arange(12.0).reshape(3, 2, 2), "ids": np.array(["a", "bc", "d"]), "seen": np.array([True, False])}


def header(shape: object, descr: str = "<f4", rest: bytes = b"") -> bytes:
    """A .npy file whose header claims a shape and a type."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + rest


def archive(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        made.writestr("points.npy", content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(tmp_path: Path, save) -> None:
    save(tmp_path / "a.npz", **GOOD)
    read = read_npz(tmp_path / "a.npz", what="a test")
    assert read.keys() == GOOD.keys()
    for name, array in GOOD.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


WRONG = {
    "more than there is": header((1 << 40, 8), rest=bytes(16)),
    "less than there is": header((1,), rest=bytes(16)),
    "negative": header((-4,), rest=bytes(16)),
    "beyond 64 bits": header((1 << 70,), rest=bytes(16)),
    "no shape": header("(4,)", rest=bytes(16)),
    "objects": header((1,), "|O", bytes(16)),
    "no type": header((1,), "<q9z", bytes(16)),
    "no characters": header((1,), "<U1", b"\xff\xff\xff\x7f"),
    "records": header((1,), "<M8[s]", bytes(8)),
    "code": b"\x93NUMPY\x01\x00\x10\x00__import__('os')",
    "no header": b"\x93NUM",
    "nothing": b"",
    "version 9": b"\x93NUMPY\x09\x00" + bytes(80),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_headers_are_not_believed(tmp_path: Path, content: bytes) -> None:
    path = archive(tmp_path / "a.npz", content)
    tracemalloc.start()
    try:
        with pytest.raises(VestigeError, match=r"a\.npz: .*'points': .*; mend it"):
            read_npz(path, what="a test", mend="mend it")
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_what_is_packed_too_tightly_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", header((1 << 22,), rest=bytes(1 << 24)), zipfile.ZIP_BZIP2)
    with pytest.raises(VestigeError, match="claims"):
        read_npz(path, what="a test")


def test_every_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.savez(content, **GOOD)
    whole, path = content.getvalue(), tmp_path / "a.npz"
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            read = read_npz(path, what="a test")
        except VestigeError:
            continue
        assert all(np.array_equal(array, GOOD[name]) for name, array in read.items() if name in GOOD)


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -1, -40])
def test_what_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    content = io.BytesIO()
    np.savez(content, **GOOD)
    with pytest.raises(ValueError):  # noqa: PT011
        parse_npz(io.BytesIO(content.getvalue()[:cut]))
    (tmp_path / "folder.npz").mkdir()
    for name in ("folder.npz", "missing.npz"):
        with pytest.raises(VestigeError, match=name):
            read_npz(tmp_path / name, what="a test")


def test_kinds_and_shapes_are_checked() -> None:
    path, rows = Path("a.npz"), {"rows": np.array([0, 2])}
    assert check_arrays(path, GOOD, {"points": "real N _ 2", "ids": "text N", "other?": "any"}) == {"N": 3}
    for needed, words in (
        ({"other": "any"}, "has no array 'other'"),
        ({"ids": "number N"}, "'ids' holds <U2, expected number"),
        ({"points": "real N"}, r"'points' has shape \(3, 2, 2\), expected \(N\)"),
        ({"ids": "text N", "seen": "bool N"}, r"'seen' has shape \(2,\), expected \(N=3\)"),
        ({"po/*": "real N", "points": "real 4 2 2"}, r"expected \(4, 2, 2\)"),
    ):
        with pytest.raises(VestigeError, match=words):
            check_arrays(path, GOOD, needed)
    check_arrays(path, GOOD | rows, {"points": "real N _ _", "rows": "row:N _"})
    with pytest.raises(VestigeError, match=r"'rows' .* 0 to 1"):
        check_arrays(path, rows, {"rows": "row:2 _"})
