"""A run takes its folder's place in one step: killed or refused by the disk at any moment, the old or the new is there.

Every step that changes the disk raises an event of Python's auditing, at which the process is killed, or told that the
disk is full.
"""

import contextlib
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vestige import run_folders
from vestige.errors import VestigeError
from vestige.files import write_bytes, write_tensors, write_text
from vestige.manifest import MANIFEST, check_digest, read_manifest
from vestige.results import Results, Row
from vestige.run import Run, run_folder, start_run

COMMAND = ("vestige", "probe", "x:data", "--seed", "0")
STEPS = {"open", "os.rename", "os.mkdir", "os.link", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}
FILLING = {"open", "os.rename", "os.mkdir", "os.link"}
EVERY = 1 if os.environ.get("VESTIGE_ALL_STEPS") else 9  # of how many steps one is the last
YOURS = {"notes.txt": "mine", "figures/mine.png": "drawn by me", "more/deep/data.csv": "1,2"}


def measure(folder, value=1.0, *, overwrite=False, command=COMMAND, page=True):
    """As a command does: probes, arrays and results, then figures and the page."""
    with run_folder(folder, overwrite=overwrite, command=command) as run:
        measured = not run.finished
        if measured:
            write_tensors(run.probe_folder / "class-0" / "ridge.safetensors", {"a": np.full(9, value)})
            run.write_config({"seed": 0})
            run.write_examples({"a": np.full(9, value)})
            rows = (Row("ridge", "mae", "all", value, None, 9),)
            run.write_results(Results("sounds", {"seed": 0, "command": list(command)}, {}, {}, {}, rows))
        if not page:
            raise KeyError("no page")
        write_bytes(run.figures_folder / f"figure-{value:g}.png", b"drawn", overwrite=True)
        write_text(run.report_path, f"page of {run.results().rows[0].value}", overwrite=True)
    return measured


def contents(folder):
    """The files below a folder and what they hold; None where there is no folder."""
    if not folder.exists():
        return None
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def vestiges(folder):
    found = contents(folder)
    return None if found is None else {name: content for name, content in found.items() if name not in YOURS}


def without_page(found):
    return {name: content for name, content in found.items() if "probe" in name or "results" in name}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What waits for the disk is left out: no process that is killed here takes the machine with it."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def put_yours(folder):
    for name, text in YOURS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def yours_are_there(folder):
    return all((folder / name).is_file() and (folder / name).read_text() == text for name, text in YOURS.items())


def in_a_child(work: Callable[[], object], at: int, root: Path, *, full: bool = False) -> int:
    """Do some work in a process that is killed at its ``at``-th step below ``root``, or told there that it is full.

    Returns:
        -9 where it was killed, 2 where it ended in an error that says so, 3 where it went on another way, 0 where it
        had fewer steps, 1 for anything else.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event, arguments):
            nonlocal seen
            if event not in (FILLING if full else STEPS) or not any(str(root) in str(a) for a in arguments):
                return
            if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
            seen += 1
            if seen == at:
                if not full:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(root))

        sys.addaudithook(hook)
        status = 1
        with contextlib.suppress(BaseException):
            try:
                work()
                status = 0 if seen < at else 3
            except VestigeError as error:
                status = 2 if "No space left" in str(error) else 1
        os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("full", [False, True], ids=["killed", "full"])
@pytest.mark.parametrize("old", ["none", "empty", "run", "old version"])
def test_at_every_step_the_old_or_the_new_run_is_there(tmp_path, old, full):
    def fresh(root):
        folder = root / "runs" / "mine"
        if old == "empty":
            folder.mkdir(parents=True)
        if old in ("run", "old version"):
            measure(folder, 1.0)
            if old == "old version":
                (folder / MANIFEST).unlink()
            put_yours(folder)
        return folder

    def again(folder):
        return measure(folder, 2.0, overwrite=old not in ("none", "empty"))

    whole = fresh(tmp_path / "whole")
    before = vestiges(whole)
    again(whole)
    after = vestiges(whole)
    statuses = []
    for at in range(1, 1000, EVERY):
        root = tmp_path / str(at)
        root.mkdir()
        folder = fresh(root)
        statuses.append(in_a_child(lambda folder=folder: again(folder), at, root, full=full))
        if statuses[-1] == 0:
            break
        found = vestiges(folder)
        measured = full and not before and found and without_page(found) == without_page(after)
        assert found in (before, after) or (not found and not before) or measured, at
        if before:
            assert yours_are_there(folder), at
        if full:
            assert [path.name for path in folder.parent.glob(".*")] == [], at
        with contextlib.suppress(VestigeError):  # killed when all was done: it holds a finished run
            again(folder)
        assert vestiges(folder) == after
        assert not before or yours_are_there(folder)
        assert [path.name for path in folder.parent.iterdir()] == ["mine"]
    assert statuses[-1] == 0
    assert set(statuses[:-1]) <= ({2, 3} if full else {-9})
    assert len(statuses) * EVERY > 15


@pytest.mark.parametrize("why", ["working there", "no exchange", "no links"])
def test_without_exchange_the_new_files_are_moved_in_and_a_killed_process_is_finished(tmp_path, monkeypatch, why):
    def refused(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    def fresh(root):
        folder = root / "mine"
        measure(folder, 1.0)
        put_yours(folder)
        if why == "working there":
            monkeypatch.chdir(folder)
        return folder

    if why == "no exchange":
        monkeypatch.setattr(run_folders, "_exchange", lambda *_: False)
    whole = tmp_path / "whole"
    whole.mkdir()
    measure(fresh(whole), 2.0, overwrite=True)
    after = vestiges(whole / "mine")
    if why == "no links":
        monkeypatch.setattr(os, "link", refused)
    for at in range(1, 1000, EVERY):
        root = tmp_path / str(at)
        root.mkdir()
        folder = fresh(root)
        inode = folder.stat().st_ino
        status = in_a_child(lambda folder=folder: measure(folder, 2.0, overwrite=True), at, root)
        assert yours_are_there(folder)
        assert (folder / "results.json").is_file()
        if status == 0:
            break
        measure(folder, 2.0, overwrite=True)
        assert vestiges(folder) == after
        assert yours_are_there(folder)
        assert folder.stat().st_ino == inode
        assert [path.name for path in root.iterdir()] == ["mine"]


def test_yours_may_be_saved_again_between_a_kill_and_the_next_run(tmp_path):
    """Another file of the same content has the name then, and what the killed process left holds the earlier one."""
    for at in range(1, 1000, EVERY):
        root = tmp_path / str(at)
        root.mkdir()
        folder = root / "mine"
        measure(folder, 1.0)
        put_yours(folder)
        status = in_a_child(lambda folder=folder: measure(folder, 2.0, overwrite=True), at, root)
        if status == 0:
            break
        for name in YOURS:
            (folder / name).unlink()
        put_yours(folder)
        measure(folder, 2.0, overwrite=True)
        assert yours_are_there(folder)
        assert [path.name for path in root.iterdir()] == ["mine"]


def test_what_is_measured_is_not_measured_again_for_its_page(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(KeyError):
        measure(folder, 1.0, page=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    results = (folder / "results.json").read_bytes()
    with pytest.raises(VestigeError, match="holds a finished run"):
        measure(folder, command=(*COMMAND, "--strict"))
    assert not measure(folder, command=(*COMMAND, "-o", str(folder)))
    assert (folder / "report.html").is_file()
    assert (folder / "results.json").read_bytes() == results
    assert set(read_manifest(folder).files) == set(contents(folder)) - {MANIFEST}
    with pytest.raises(VestigeError, match="holds a finished run"):
        measure(folder)


def test_an_error_leaves_the_old_run_and_no_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), run_folder(tmp_path / "a" / "b" / "run"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
    measure(tmp_path / "run", 1.0)
    before = contents(tmp_path / "run")
    with pytest.raises(KeyError):
        measure(tmp_path / "run", 2.0, overwrite=True, page=False)
    assert contents(tmp_path / "run") == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_that_vestige_did_not_make_are_refused(tmp_path, overwrite):
    mine = {"results.json": '{"accuracy": 1}', "config.json": "{}", "figures/a.png": "x", "probe/b": "", "a.html": ""}
    for name in mine:
        folder = tmp_path / name.replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(mine[name])
        before = contents(folder)
        with pytest.raises(VestigeError, match="did not write"):
            measure(folder, overwrite=overwrite)
        assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_empty_folders_is_empty(tmp_path):
    for name in ("partial", "mine"):
        (tmp_path / "run" / name).mkdir(parents=True)
    measure(tmp_path / "run")
    assert (tmp_path / "run" / "mine").is_dir()
    assert not (tmp_path / "run" / "partial").exists()


def test_a_file_of_yours_in_the_way_is_named_and_stays(tmp_path):
    measure(tmp_path / "run", 1.0)
    (tmp_path / "run" / "figures" / "figure-2.png").write_text("mine")
    before = contents(tmp_path / "run")
    with pytest.raises(VestigeError, match=r"figure-2\.png: "):
        measure(tmp_path / "run", 2.0, overwrite=True)
    assert contents(tmp_path / "run") == before


def test_links_are_not_written_through(tmp_path):
    measure(tmp_path / "run", 1.0)
    elsewhere = tmp_path / "pictures"
    (tmp_path / "run" / "figures").rename(elsewhere)
    (tmp_path / "run" / "figures").symlink_to(elsewhere)
    with pytest.raises(VestigeError, match="figures: is a link"):
        measure(tmp_path / "run", 2.0, overwrite=True)
    assert [path.name for path in elsewhere.iterdir()] == ["figure-1.png"]


def test_a_link_to_the_folder_stays_one(tmp_path):
    measure(tmp_path / "far" / "run", 1.0)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "run")
    measure(tmp_path / "near", 2.0, overwrite=True)
    assert (tmp_path / "near").is_symlink()
    assert Run(tmp_path / "far" / "run").results().rows[0].value == 2.0


def test_links_and_empty_folders_of_yours_stay(tmp_path):
    folder = tmp_path / "run"
    measure(folder, 1.0)
    (folder / "data").symlink_to("/usr")
    (folder / "broken").symlink_to("nowhere")
    (folder / "empty").mkdir()
    measure(folder, 2.0, overwrite=True)
    assert (folder / "data").readlink() == Path("/usr")
    assert (folder / "broken").is_symlink()
    assert (folder / "empty").is_dir()
    assert not (folder / "figures" / "figure-1.png").exists()


def test_two_processes_do_not_write_one_run(tmp_path):
    folder = tmp_path / "run"
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), run_folder(folder):
            os.write(go, b".")
            time.sleep(60)
        os._exit(1)
    os.read(ready, 1)
    with pytest.raises(VestigeError, match="another process"):
        measure(folder)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    measure(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_kept_work_outlives_a_kill_and_goes_with_the_end(tmp_path):
    def stopped():
        with run_folder(tmp_path / "run") as run:
            write_text(run.kept / "part", "done")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_child(stopped, 0, tmp_path) == -signal.SIGKILL
    with run_folder(tmp_path / "run") as run:
        assert (run.kept / "part").read_text() == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_folders_permissions_are_the_users(tmp_path):
    before = os.umask(0o027)
    try:
        measure(tmp_path / "run", 1.0)
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "run").rglob("*") if path.is_file()}
        assert modes == {0o640}
        (tmp_path / "run").chmod(0o755)
        measure(tmp_path / "run", 2.0, overwrite=True)
    finally:
        os.umask(before)
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755


def test_a_file_that_was_changed_is_not_read(tmp_path):
    measure(tmp_path / "run")
    run = Run(tmp_path / "run")
    check_digest(run.probe_folder / "class-0" / "ridge.safetensors")
    for path in (run.probe_folder / "class-0" / "ridge.safetensors", run.examples_path):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(VestigeError, match=f"{path}: is not as it was written"):
            check_digest(path)
    with pytest.raises(VestigeError, match=r"examples\.npz: "):
        run.examples()


@pytest.mark.parametrize("name", ["../mine.txt", "/etc/passwd", "a/../../b", ""])
def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    measure(tmp_path / "run")
    (tmp_path / "mine.txt").write_text("mine")
    listed = {"vestige": "0", "files": {name: {"sha256": "", "bytes": 4}}}
    (tmp_path / "run" / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(VestigeError, match="no path inside"):
        measure(tmp_path / "run", overwrite=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_run_started_in_place_lists_what_it_writes(tmp_path):
    run = start_run(tmp_path / "run")
    run.write_examples({"a": np.zeros(3)})
    run.write_results(Results("sounds", {}, {}, {}, {}, ()))
    run.write_examples({"a": np.ones(3)})
    assert run.examples()["a"].sum() == 3
    assert set(read_manifest(run.folder).files) == {"examples.npz", "results.json"}
