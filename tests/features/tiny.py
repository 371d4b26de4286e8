"""A tiny network and drawn pictures, and, run as a script, extractions in processes that are killed or compete.

The script forks before it has computed anything, so that one start of torch serves many processes.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vestige.backbones import Backbone, Preprocessing
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.extract import extract
from vestige.features.readout import Readout
from vestige.features.store import Features
from vestige.images import Crop

SIZE = (24, 24)
READS = [("early", Readout("flat")), ("late", Readout("gap"))]


class TinyNetwork(nn.Module):
    """Two convolutions with batch normalisation, then scores."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.late = nn.Sequential(nn.Conv2d(6, 10, 3, 2, 1), nn.BatchNorm2d(10), nn.ReLU(inplace=True))
        self.scores = nn.Linear(10, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.late(self.early(x)).mean(dim=(2, 3)))


def backbone(seed: int = 0, interpolation: str = "bilinear") -> Backbone:
    """A tiny backbone with layers early (6, 12, 12), late (10, 6, 6) and scores (7,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TinyNetwork()
        for norm in (network.early[1], network.late[1]):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
    preprocessing = Preprocessing(SIZE, (120.0, 110.0, 100.0), (60.0, 60.0, 60.0), interpolation=interpolation)
    return Backbone(
        f"tiny@random:{seed}", network, preprocessing, {"early": "early", "late": "late", "scores": "scores"}
    )


@dataclass(frozen=True)
class Noise:
    """A picture of noise, known by its seed."""

    seed: int
    pause: float = 0.0
    told: Callable[[int], None] = lambda _seed: None

    def read(self) -> np.ndarray:
        time.sleep(self.pause)
        self.told(self.seed)
        return np.random.default_rng(self.seed).integers(0, 256, (30, 28, 3), dtype=np.uint8)

    def digest(self) -> str:
        return f"noise {self.seed}"


@dataclass(frozen=True)
class Broken:
    """A picture that cannot be read."""

    seed: int

    def read(self) -> np.ndarray:
        raise VestigeError(f"broken{self.seed}.jpg: cannot be read as an image: truncated")

    def digest(self) -> str:
        return f"broken {self.seed}"


def crops(
    n: int, pause: float = 0.0, broken: tuple[int, ...] = (), told: Callable[[int], None] | None = None
) -> list[Crop]:
    """One crop of each of n pictures."""
    told = told or (lambda _seed: None)
    images = [Broken(i) if i in broken else Noise(i, pause, told) for i in range(n)]
    return [Crop(Example(str(i), str(i), image), (2.0, 1.0, 27.0, 26.0)) for i, image in enumerate(images)]


def stuck(at: int) -> Callable[[int], None]:
    """Who reads that picture waits for ever, so that a process does not end before it is killed."""

    def told(seed: int) -> None:
        if seed == at:
            threading.Event().wait()

    return told


def store_bytes(cache: Path) -> dict[str, str]:
    """Path -> sha256 of every file of every store, but for what tells when it was made, and for locks."""
    unlike = ("complete.json", "locks")
    files = [path for path in cache.rglob("*") if path.is_file() and not {path.name, path.parent.name} & set(unlike)]
    return {str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def forked(work: Callable[[], None]) -> int:
    """The id of a process that does the work."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        torch.set_num_threads(1)
        work()
        status = 0
    finally:
        os._exit(status)


def _work(cache: Path, n: int, pause: float = 0.0, told: Callable[[int], None] | None = None) -> list[Features]:
    return extract(backbone(), crops(n, pause, broken=(3, 600), told=told), READS, cache=cache)


def killed(folder: Path) -> None:
    """Extract unbroken; then again elsewhere, killed five times at random moments: while each of the chunks is made."""
    n, draw = 1300, random.Random(7)
    assert os.waitpid(forked(lambda: _work(folder / "unbroken", n)), 0)[1] == 0
    chunks = [0]
    for wanted in (0, 0, 1, 2, 3):
        process = forked(lambda: _work(folder / "killed", n, 0.001, stuck(n - 1)))
        while len(_chunks(folder)) < wanted:
            time.sleep(0.001)
        time.sleep(draw.uniform(0.0, 0.25))
        os.kill(process, signal.SIGKILL)
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        chunks.append(len(_chunks(folder)))
    before = _chunks(folder)
    assert os.waitpid(forked(lambda: _work(folder / "killed", n)), 0)[1] == 0
    after = _chunks(folder)
    kept = all(after[path] == when for path, when in before.items())
    (folder / "said.json").write_text(json.dumps({"chunks": chunks, "kept": kept}))


def _chunks(folder: Path) -> dict[str, int]:
    """The finished chunks, and when they were written."""
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("killed/*/c/*/0")}


def killed_early(folder: Path) -> None:
    """Extract less than a chunk, killed half way; then count what is decoded by the process that goes on."""
    n, cache = 300, folder / "cache"

    def work() -> None:
        decoded: list[int] = []
        features = extract(backbone(), crops(n, told=decoded.append), READS, cache=cache)
        got = [hashlib.sha256(each.read().tobytes()).hexdigest() for each in features]
        (folder / "said.json").write_text(json.dumps({"decoded": len(decoded), "got": got}))

    process = forked(lambda: extract(backbone(), crops(n, 0.001, told=stuck(n - 1)), READS, cache=cache))
    while sum(path.read_bytes().count(b"\n") for path in cache.rglob("rows.partial")) < 2 * 4:
        time.sleep(0.001)
    os.kill(process, signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    assert os.waitpid(forked(work), 0)[1] == 0


def together(folder: Path) -> None:
    """Two processes that want the same stores at the same time; each tells what it decoded and what it got."""

    def work(name: str) -> Callable[[], None]:
        def one() -> None:
            decoded: list[int] = []
            features = extract(backbone(), crops(700, 0.001, told=decoded.append), READS, cache=folder / "cache")
            got = [hashlib.sha256(each.read().tobytes()).hexdigest() for each in features]
            (folder / f"{name}.json").write_text(json.dumps({"decoded": len(decoded), "got": got}))

        return one

    processes = [forked(work("a")), forked(work("b"))]
    assert [os.waitpid(process, 0)[1] for process in processes] == [0, 0]


def limited(folder: Path) -> None:
    """An extraction in a process that may write no file larger than half a chunk."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))
        try:
            _work(folder / "cache", 600)
        except VestigeError as error:
            message = str(error)
        (folder / "said.json").write_text(json.dumps({"message": message}))

    assert os.waitpid(forked(work), 0)[1] == 0


def memory(folder: Path) -> None:
    """Peak memory in MiB of a short and of a long extraction."""

    def work(n: int) -> Callable[[], None]:
        def one() -> None:
            _work(folder / "cache", n)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            (folder / f"{n}.json").write_text(json.dumps(peak))

        return one

    for n in (600, 9000):
        assert os.waitpid(forked(work(n)), 0)[1] == 0


if __name__ == "__main__":
    for scene in (killed, killed_early, together, limited, memory):
        (Path(sys.argv[1]) / scene.__name__).mkdir()
        scene(Path(sys.argv[1]) / scene.__name__)
