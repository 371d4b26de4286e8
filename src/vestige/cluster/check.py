"""What the machines of a cluster lack, found before anything is computed on them."""

from __future__ import annotations

import platform
import statistics
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vestige.cluster.cluster import Cluster, Node
from vestige.errors import VestigeError
from vestige.example import Picture
from vestige.version import __version__

PACKAGES = ("torch", "numpy", "pillow", "ray")
"""Of which all machines need the same version: features are the same bytes everywhere only then."""

CLOCK_SECONDS = 5.0
"""By which clocks may differ: what was used last is told by times of files."""

_PINGS = 5


@dataclass(frozen=True)
class Seen:
    """What a machine says of itself.

    Attributes:
        python: its version.
        versions: of vestige and :data:`PACKAGES`; "" for what is not installed.
        gpus: that torch finds.
        wrote: what it could not write into the cache; "" where it could.
        pictures: digests of the pictures that were asked for, or what is wrong with them.
    """

    python: str
    versions: Mapping[str, str]
    gpus: int
    wrote: str
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """A machine, and what it lacks.

    Attributes:
        node: as Ray has it.
        seen: what it says; None where vestige does not run there.
        clock: seconds by which its clock is ahead of this machine's.
        lacks: sentences.
    """

    node: Node
    seen: Seen | None
    clock: float
    lacks: tuple[str, ...]


def check(cluster: Cluster, cache: Path, pictures: Sequence[Picture] = ()) -> tuple[Checked, ...]:
    """What each machine of a cluster lacks.

    Args:
        cluster: that is asked.
        cache: the folder of stores, in which each writes a small file that all others have to read.
        pictures: that each has to read as this machine does.
    """
    here = look(None, pictures)
    folder = cache.absolute() / f"check-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        found = {node: _asked(cluster, node, folder, pictures) for node in cluster.nodes}
        (folder / "driver").write_text("driver")
        written = {"driver", *(node.id for node, seen in found.items() if isinstance(seen, Seen) and not seen.wrote)}
        return tuple(
            Checked(node, None, 0.0, (seen,))
            if isinstance(seen, str)
            else _checked(cluster, node, seen, here, folder, written)
            for node, seen in found.items()
        )
    finally:
        for path in (*folder.iterdir(), folder):
            with suppress(OSError):
                path.rmdir() if path == folder else path.unlink()


def look(file: Path | None, pictures: Sequence[Picture]) -> Seen:
    """What the machine that this runs on says of itself; ``file`` is written, with its own name in it."""
    import torch

    wrote = ""
    if file is not None:
        try:
            file.write_text(file.name)
        except OSError as error:
            wrote = f"{error.strerror or error}"
    return Seen(
        platform.python_version(),
        {"vestige": __version__, **{name: _version(name) for name in PACKAGES}},
        torch.cuda.device_count(),
        wrote,
        tuple(map(_digest, pictures)),
    )


def read_all(folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Which of the files that machines wrote are not seen where this runs."""
    return tuple(name for name in sorted(names) if not _holds_its_name(folder / name))


def clock() -> float:
    """The time where this runs, in seconds."""
    return time.time()


def _asked(cluster: Cluster, node: Node, folder: Path, pictures: Sequence[Picture]) -> Seen | str:
    """What a machine says, or why it says nothing."""
    try:
        ((_, seen),) = cluster.tasks(look, [(folder / node.id, pictures)], cpus=0, node=node.id)
    except VestigeError as error:
        return str(error)
    except Exception as error:  # what is installed there may fail in any way
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"vestige does not run there: {lines[-1] if lines else type(error).__name__}"
    return seen


def _checked(cluster: Cluster, node: Node, seen: Seen, here: Seen, folder: Path, written: set[str]) -> Checked:
    ((_, unseen),) = cluster.tasks(read_all, [(folder, written)], cpus=0, node=node.id)
    ahead = _ahead(cluster, node)
    return Checked(node, seen, ahead, tuple(_lacks(node, seen, here, folder, unseen, ahead)))


def _lacks(node: Node, seen: Seen, here: Seen, folder: Path, unseen: Sequence[str], ahead: float) -> Iterator[str]:
    if _minor(seen.python) != _minor(here.python):
        yield f"Python {seen.python}; expected {_minor(here.python)}, as here"
    for name, own in here.versions.items():
        if seen.versions[name] != own:
            yield f"{name} {seen.versions[name] or 'is not installed'}; expected {own}, as here"
    if node.gpus > seen.gpus:
        yield f"Ray gives out {node.gpus} GPUs, and torch finds {seen.gpus}; install a torch for its driver"
    if seen.wrote:
        yield f"{folder.parent}: cannot be written there: {seen.wrote}"
    elif node.id in unseen or not _holds_its_name(folder / node.id) or unseen:
        yield f"{folder.parent}: is not the same folder there; expected one that all machines share"
    bad = [digest for digest, own in zip(seen.pictures, here.pictures, strict=True) if digest != own]
    if bad:
        yield f"{len(bad)} of {len(here.pictures)} pictures are not read as here: {bad[0]}"
    if abs(ahead) > CLOCK_SECONDS:
        yield f"its clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}; set both by NTP"


def _ahead(cluster: Cluster, node: Node) -> float:
    """Seconds by which a machine's clock is ahead: the median of a few questions, each answered half way."""
    found = []
    for _ in range(_PINGS):
        asked = time.time()
        ((_, there),) = cluster.tasks(clock, [()], cpus=0, node=node.id)
        found.append(there - (asked + time.time()) / 2)
    return statistics.median(found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _digest(picture: Picture) -> str:
    """That of a picture's pixels as they are read anew, or what is wrong with it."""
    import hashlib

    try:
        return hashlib.sha256(picture.read().tobytes()).hexdigest()
    except VestigeError as error:
        return str(error)


def _holds_its_name(path: Path) -> bool:
    try:
        return path.read_text() == path.name
    except OSError:
        return False
