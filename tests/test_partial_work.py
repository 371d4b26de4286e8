import io

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.features.digests import crc32c
from vestige.partial_work import KEEP_NOTHING, PartialWork


class Maker:
    """Counts how often it makes its arrays."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"points": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"])}


def test_what_is_kept_is_made_once_and_comes_back_as_it_was(tmp_path):
    kept, make = PartialWork(tmp_path / "partial"), Maker()
    first, second = kept.get("one", make), PartialWork(tmp_path / "partial").get("one", make)
    assert make.times == 1
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
    kept.get("other", make)
    assert make.times == 2


def test_a_file_that_was_cut_off_is_made_again(tmp_path):
    kept, make = PartialWork(tmp_path), Maker()
    kept.get("one", make)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(kept.get("one", make)["names"], ["a", "b"])
    assert make.times == 2


@pytest.mark.parametrize("at", range(0, 800, 23))
def test_a_file_that_is_not_what_was_written_is_made_again(tmp_path, at):
    kept, make = PartialWork(tmp_path), Maker()
    first = kept.get("one", make)
    (file,) = tmp_path.glob("*.npz")
    content = bytearray(file.read_bytes())
    content[at % len(content)] ^= 4
    file.write_bytes(content)
    again = kept.get("one", make)
    assert make.times == 2
    np.testing.assert_array_equal(again["points"], first["points"])
    file.unlink()
    file.mkdir()
    with pytest.raises(VestigeError, match="is a folder"):
        kept.get("one", make)


def test_nothing_is_kept_without_a_folder():
    make = Maker()
    KEEP_NOTHING.get("one", make)
    KEEP_NOTHING.get("one", make)
    assert make.times == 2


def test_arrays_that_would_run_code_are_made_again(tmp_path):
    kept, make = PartialWork(tmp_path), Maker()
    kept.get("one", make)
    (file,) = tmp_path.glob("*.npz")
    content = io.BytesIO()
    np.savez(content, points=np.array([{}], dtype=object))
    file.write_bytes(content.getvalue() + crc32c(content.getvalue()).to_bytes(4, "big"))
    np.testing.assert_array_equal(kept.get("one", make)["names"], ["a", "b"])
    assert make.times == 2
