"""Files are written whole or not at all, and never over what is there unless that is asked for."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from vestige import files
from vestige.errors import VestigeError
from vestige.images import save_image
from vestige.picture_files import is_drawn

PIXELS = np.zeros((8, 8, 3), np.uint8)
WRITERS = {
    "a.bin": lambda path, **how: files.write_bytes(path, b"new" * 9999, **how),
    "a.txt": lambda path, **how: files.write_text(path, "new" * 9999, **how),
    "a.json": lambda path, **how: files.write_json(path, {"new": "new" * 9999}, **how),
    "a.npz": lambda path, **how: files.write_arrays(path, {"new": np.arange(9999.0)}, **how),
    "a.safetensors": lambda path, **how: files.write_tensors(path, {"new": np.arange(9999.0)}, **how),
    "a.png": lambda path, **how: save_image(noise(), path, **how),
    "a.jpg": lambda path, **how: save_image(noise(), path, **how),
}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def noise():
    return np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)


@pytest.fixture(params=WRITERS)
def written(request, tmp_path):
    """A file's path and what writes it."""
    return tmp_path / "below" / request.param, WRITERS[request.param]


def test_what_is_there_stays_unless_it_is_to_be_replaced(written):
    path, write = written
    path.parent.mkdir()
    path.write_bytes(b"the user's")
    with pytest.raises(VestigeError, match=f"{path}: is there already"):
        write(path)
    assert path.read_bytes() == b"the user's"
    write(path, overwrite=True)
    assert len(path.read_bytes()) > 1000
    assert names_in(path.parent) == [path.name]


def test_files_have_the_permissions_that_the_user_gives(written):
    path, write = written
    before = os.umask(0o027)
    try:
        write(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_is_one_error_that_names_the_file(written, overwrite):
    path, write = written
    if overwrite:
        path.parent.mkdir()
        path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(VestigeError, match=f"{path}: cannot be written: File too large"):
            write(path, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [found.read_bytes() for found in path.parent.iterdir()] == ([b"old"] if overwrite else [])


def test_an_error_midway_leaves_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def interrupted():
        with files.whole_file(path, overwrite=True) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


def test_a_name_taken_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "a"

    def overtaken():
        with files.whole_file(path) as file:
            file.write(b"mine")
            path.write_bytes(b"the other's")

    with pytest.raises(VestigeError, match="is there already"):
        overtaken()
    assert path.read_bytes() == b"the other's"
    assert names_in(tmp_path) == ["a"]


def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(VestigeError, match=f"{name}: is "):
            files.write_text(tmp_path / name, "x", overwrite=True)
    with pytest.raises(VestigeError, match=r"pipe.a: "):
        files.write_text(tmp_path / "pipe" / "a", "x")


def test_links_are_replaced_and_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("mine")
    files.write_text(tmp_path / "link", "new", overwrite=True)
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "link").read_text() == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
from vestige.files import whole_file
with whole_file(Path(sys.argv[1]), overwrite=True) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 2
    with files.whole_file(tmp_path / "b") as file:  # looks after this folder for the first time
        assert len(names_in(tmp_path)) == 2
        files._swept.clear()
        files.write_text(path, "new", overwrite=True)
        file.write(b"whole")
    assert names_in(tmp_path) == ["a", "b"]
    assert (tmp_path / "b").read_bytes() == b"whole"


def test_pictures_carry_a_mark_and_the_same_bytes_every_time(tmp_path):
    for name in ("a.png", "a.jpg"):
        save_image(PIXELS, tmp_path / name)
        first = (tmp_path / name).read_bytes()
        save_image(PIXELS, tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() == first
        assert is_drawn(tmp_path / name)
        Image.fromarray(PIXELS).save(tmp_path / f"plain-{name}")
        assert not is_drawn(tmp_path / f"plain-{name}")


def test_tensors_come_back(tmp_path):
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    files.write_tensors(tmp_path / "a", {"a": transposed, "b": np.zeros(2)})
    loaded = load_file(tmp_path / "a")
    np.testing.assert_array_equal(loaded["a"], transposed)
    assert loaded["b"].dtype == np.float64


def test_an_input_is_refused_by_whatever_name_leads_to_it(tmp_path):
    given = tmp_path / "given.png"
    given.write_bytes(b"mine")
    (tmp_path / "link.png").symlink_to(given)
    (tmp_path / "other.png").write_bytes(b"other")
    for name in ("given.png", "link.png"):
        with pytest.raises(VestigeError, match=f"{name}: is one of the pictures that are read"):
            files.refuse_existing(tmp_path / name, overwrite=True, inputs=[tmp_path / "missing.png", given])
    files.refuse_existing(tmp_path / "other.png", overwrite=True, inputs=[given])
    files.refuse_existing(tmp_path / "new.png", inputs=[given])
