"""Run as a script: extractions into an object store, by processes that compete or are killed, each with its own copies.

The script forks before it has opened the object store, so that one start of torch serves many processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "features"))

import tiny

from vestige.features import remote
from vestige.features.extract import extract

N, BROKEN = 1300, (3, 600)


def _machine(folder: Path, name: str, told: Callable[[int], None] | None = None) -> int:
    """The id of a process that extracts, with copies of its own, and tells what it decoded and what it got."""

    def work() -> None:
        os.environ["VESTIGE_COPIES"] = str(folder / name)
        os.environ["VESTIGE_CACHE"] += f"/{folder.name}"
        decoded: list[int] = []
        features = extract(tiny.backbone(), tiny.crops(N, 0.001, BROKEN, told or decoded.append), tiny.READS)
        got = [hashlib.sha256(each.read().tobytes()).hexdigest() for each in features]
        (folder / f"{name}.json").write_text(json.dumps({"decoded": len(decoded), "got": got}))

    return tiny.forked(work)


def together(folder: Path) -> None:
    """Two machines that want the same stores at the same time."""
    processes = [_machine(folder, "a"), _machine(folder, "b")]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]


def killed(folder: Path) -> None:
    """A machine that is killed in its second chunk, and another that goes on."""
    remote.LEASE_SECONDS = 1.0
    process = _machine(folder, "a", tiny.stuck(1000))
    while not list((folder / "a").rglob("c/1/rows.partial")):  # the first chunk is there, of both stores
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    assert os.waitpid(_machine(folder, "b"), 0)[1] == 0


if __name__ == "__main__":
    remote._RENEW_SECONDS, remote._POLL_SECONDS = 0.3, 0.1
    scenes: tuple[Callable[[Path], None], ...] = (together, killed)
    for scene in scenes:
        (Path(sys.argv[1]) / scene.__name__).mkdir()
        scene(Path(sys.argv[1]) / scene.__name__)
