"""What the machines of a cluster lack, found before anything is computed on them."""

from __future__ import annotations

import platform
import shutil
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
from vestige.object_stores import Place
from vestige.version import __version__

PACKAGES = ("torch", "numpy", "pillow", "ray")
"""Of which all machines need the same version: features are the same bytes everywhere only then."""

CLOCK_SECONDS = 5.0
"""By which clocks may differ: what was used last is told by times of files."""

DRIVER = "driver"
"""The name of the machine that asks."""

NOT_SHARED = "is not the same there; expected a cache that all machines share"

_PINGS = 5


@dataclass(frozen=True)
class Seen:
    """What a machine says of itself.

    Attributes:
        python: its version.
        versions: of vestige and :data:`PACKAGES`; "" for what is not installed.
        gpus: that torch finds.
        wrote: what is wrong with the cache as it writes into it; "" where nothing is.
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


@dataclass(frozen=True)
class Shared:
    """A new folder in the cache, where all machines write and read small files that hold their own names.

    Attributes:
        cache: the folder of stores, or their place in an object store.
        name: of the new folder.
    """

    cache: Path | Place
    name: str

    def open(self) -> None:
        """Make the folder.

        Raises:
            VestigeError: where that is refused.
        """
        if isinstance(self.cache, Path):
            try:
                (self.cache / self.name).mkdir(parents=True)
            except OSError as error:
                raise VestigeError(f"{self.cache}: cannot be written: {error.strerror or error}") from error

    def write(self, file: str) -> str:
        """Write a file; what is wrong, if anything is."""
        name = f"{self.name}/{file}"
        try:
            if isinstance(self.cache, Place):
                self.cache.write(name, file.encode())
            else:
                (self.cache / name).write_text(file)
        except FileNotFoundError:
            return f"{self.cache}: {NOT_SHARED}"
        except OSError as error:
            return f"{self.cache}: cannot be written: {error.strerror or error}"
        except VestigeError as error:
            return str(error)
        return ""

    def missing(self, files: Iterable[str]) -> tuple[str, ...]:
        """Which of the files are not to be read here."""
        return tuple(file for file in sorted(files) if not self._holds(file))

    def _holds(self, file: str) -> bool:
        name = f"{self.name}/{file}"
        with suppress(OSError, VestigeError):
            found = self.cache.read(name) if isinstance(self.cache, Place) else (self.cache / name).read_bytes()
            return found == file.encode()
        return False

    def remove(self, files: Iterable[str]) -> None:
        """Remove the files and the folder."""
        names = [f"{self.name}/{file}" for file in files]
        with suppress(OSError, VestigeError):
            if isinstance(self.cache, Place):
                self.cache.remove(names)
            else:
                shutil.rmtree(self.cache / self.name)


def check(cluster: Cluster, cache: Path | Place, pictures: Sequence[Picture] = ()) -> tuple[Checked, ...]:
    """What each machine of a cluster lacks.

    Args:
        cluster: that is asked.
        cache: the folder of stores or their place in an object store, where each machine writes a small file that all
            others have to read.
        pictures: that each has to read as this machine does.

    Raises:
        VestigeError: where this machine cannot write into the cache.
    """
    here = look(None, "", pictures)
    shared = Shared(cache.absolute() if isinstance(cache, Path) else cache, f"check-{uuid.uuid4().hex}")
    nodes = cluster.nodes
    try:
        shared.open()
        if wrong := shared.write(DRIVER):
            raise VestigeError(wrong)
        found = {node: _asked(cluster, node, shared, pictures) for node in nodes}
        written = {DRIVER, *(node.id for node, seen in found.items() if isinstance(seen, Seen) and not seen.wrote)}
        return tuple(
            Checked(node, None, 0.0, (seen,))
            if isinstance(seen, str)
            else _checked(cluster, node, seen, here, shared, written)
            for node, seen in found.items()
        )
    finally:
        shared.remove([DRIVER, *(node.id for node in nodes)])


def look(shared: Shared | None, name: str, pictures: Sequence[Picture]) -> Seen:
    """What the machine that this runs on says of itself; a file of its name is written where all share one."""
    import torch

    return Seen(
        platform.python_version(),
        {"vestige": __version__, **{name: _version(name) for name in PACKAGES}},
        torch.cuda.device_count(),
        "" if shared is None else shared.write(name),
        tuple(map(_digest, pictures)),
    )


def clock() -> float:
    """The time where this runs, in seconds."""
    return time.time()


def _asked(cluster: Cluster, node: Node, shared: Shared, pictures: Sequence[Picture]) -> Seen | str:
    """What a machine says, or why it says nothing."""
    try:
        return cluster.on(node.id, look, shared, node.id, pictures)
    except VestigeError as error:
        return str(error)
    except Exception as error:  # what is installed there may fail in any way
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return f"vestige does not run there: {lines[-1] if lines else type(error).__name__}"


def _checked(cluster: Cluster, node: Node, seen: Seen, here: Seen, shared: Shared, written: set[str]) -> Checked:
    try:
        unseen = cluster.on(node.id, Shared.missing, shared, written)
        ahead = _ahead(cluster, node)
    except VestigeError as error:  # it died meanwhile
        return Checked(node, seen, 0.0, (str(error),))
    return Checked(node, seen, ahead, tuple(_lacks(node, seen, here, shared, unseen, ahead)))


def _lacks(node: Node, seen: Seen, here: Seen, shared: Shared, unseen: Sequence[str], ahead: float) -> Iterator[str]:
    if _minor(seen.python) != _minor(here.python):
        yield f"Python {seen.python}; expected {_minor(here.python)}, as here"
    for name, own in here.versions.items():
        if seen.versions[name] != own:
            yield f"{name} {seen.versions[name] or 'is not installed'}; expected {own}, as here"
    if node.gpus > seen.gpus:
        yield f"Ray gives out {node.gpus} GPUs, and torch finds {seen.gpus}; install a torch for its driver"
    if seen.wrote or unseen or shared.missing([node.id]):
        yield seen.wrote or f"{shared.cache}: {NOT_SHARED}"
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
        there = cluster.on(node.id, clock)
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
