"""What a reader may do with a damaged file: read it, or refuse it; soon, quietly, and in little memory."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from damage.mutators import damaged, misplace
from vestige.errors import VestigeError

SECONDS = 20
"""That a case may take; most take a few milliseconds."""

MEGABYTES = 300
"""By which a case may raise the most memory that the process ever held."""

_UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings that Python shows to nobody who does not ask for them."""


class HangError(BaseException):
    """A case took too long; no ``except Exception`` holds it up."""


@dataclass
class Tally:
    """What came of the cases of one kind.

    Attributes:
        refused: how many ended in a VestigeError.
        refusal: what the last of them said.
        fine: how many were read.
        failures: what must not be -> the first case that it came up in.
        counts: and how often.
    """

    refused: int = 0
    refusal: str = ""
    fine: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def cases(self) -> int:
        """All of them."""
        return self.refused + self.fine + self.counts.total()

    def __str__(self) -> str:
        told = f"{self.cases} cases, {self.refused} refused, {self.fine} read, {self.counts.total()} failures"
        return "\n\n".join([told, *(f"{self.counts[what]} x {told}" for what, told in self.failures.items())])

    def fail(self, case: str, what: str, told: str) -> None:
        """Note what must not be."""
        self.counts[what] += 1
        self.failures.setdefault(what, f"{what}, first in {case}\n{told}")

    def attempt(self, case: str, read: Callable[[], None]) -> None:
        """Read what may be damaged."""
        before = _peak()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for unseen in _UNSEEN:
                warnings.simplefilter("ignore", unseen)
            try:
                with _limited():
                    read()
            except VestigeError as error:
                self._refuse(case, error)
            except (Exception, HangError) as error:
                self.fail(case, _place(error), traceback.format_exc(limit=-12))
            else:
                self.fine += 1
        for each in said:
            what = f"{each.category.__name__} at {Path(each.filename).name}:{each.lineno}"
            self.fail(case, what, str(each.message))
        grown = (_peak() - before) / 1024
        if grown > MEGABYTES:
            self.fail(case, "memory", f"{grown:.0f} MiB more")

    def _refuse(self, case: str, error: VestigeError) -> None:
        told = str(error)
        self.refused += 1
        self.refusal = told
        if len(told) > 20_000:
            self.fail(case, "message of many pages", told[:500])


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Attributes:
        name: of it.
        make: writes whole files into a folder.
        read: everything that vestige reads of the folder, given the file that was damaged; AssertionError where what
            was read cannot be right.
        cases: how many of a thousand cases are of it.
        files: which files are damaged.
        whole: called after damage, to hide it from check sums.
        refused: whether what is not damaged may be refused, too.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path, Path, random.Random], None]
    cases: int
    files: Callable[[Path], bool] = lambda _path: True
    whole: Callable[[Path, Path, random.Random], None] = lambda _folder, _path, _rng: None
    refused: bool = False


def run_kind(kind: Kind, folder: Path, cases: int, seed: int = 0) -> Tally:
    """Damage the files of a kind so many times, and read them each time."""
    kind.make(folder)
    whole = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()}
    chosen = [path for path in whole if kind.files(path)]
    tally = Tally()
    for path in chosen:
        tally.attempt(f"{kind.name}, whole {path.name}", lambda path=path: kind.read(folder, path, random.Random(0)))
    assert kind.refused or not tally.refused, f"{kind.name}: whole files are refused: {tally.refusal}"
    tally.fine = tally.refused = 0
    for number in range(cases):
        rng = random.Random(f"{kind.name} {seed} {number}")
        path = rng.choice(chosen)
        if rng.random() < 0.03:
            misplace(path, rng)
        else:
            path.write_bytes(damaged(path, whole[path], rng))
            kind.whole(folder, path, rng)
        case = f"{kind.name}, seed {seed}, case {number}: {path.relative_to(folder)}"
        tally.attempt(case, lambda path=path, rng=rng: kind.read(folder, path, rng))
        _restore(folder, whole)
    return tally


def _restore(folder: Path, whole: dict[Path, bytes]) -> None:
    """The folder as it was: only what is there now and was then, with its content."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or not (path.is_file() or path.is_dir()) or (path.is_file() and path not in whole):
            path.unlink()
        elif path.is_dir() and path in whole:
            shutil.rmtree(path)
    for path, content in whole.items():
        if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@contextmanager
def _limited() -> Iterator[None]:
    """Raise :class:`HangError` inside where it takes too long; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _peak() -> int:
    """The most memory that this process ever held, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _place(error: BaseException) -> str:
    """The error and the line of vestige, or of a check, that it came from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "vestige" in f.filename or "damage" in f.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
