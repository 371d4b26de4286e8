"""Ctrl-C and SIGTERM: work that is done stays, and the user is told how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_CLEAR = "\r\x1b[2K\x1b[?25h"  # the line of a bar, and the cursor that it hides


FINISHED = "what was finished is kept, and the same command goes on from there"
"""What is told of commands that keep features, finished parts or whole runs."""

NOTHING = "nothing of it is kept, and the same command starts from the beginning"
"""What is told of the others, and of all before they begin."""

_kept = NOTHING


class Stopped(BaseException):
    """The user, or the system, stopped the command. No ``except Exception`` holds it up.

    Attributes:
        status: with which the process ends, as a shell gives it: 128 and the signal's number.
        kept: what is kept, and how to go on.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.status = 128 + number
        self.kept = _kept

    def __str__(self) -> str:
        return f"stopped; {self.kept}:\n  {shlex.join(command_line())}"


@contextmanager
def keeping(told: str = FINISHED) -> Iterator[None]:
    """While the block runs, and where it is stopped, that is what is told of what is kept."""
    global _kept  # of the process, as signals are
    before, _kept = _kept, told
    yield
    _kept = before  # where the block is stopped it stays, for what is told then


def command_line() -> list[str]:
    """The words of the command that is running."""
    return ["vestige", *sys.argv[1:]]


@contextmanager
def stoppable() -> Iterator[None]:
    """While the block runs, a first Ctrl-C or SIGTERM raises :class:`Stopped`; a second one ends the process."""
    global _kept  # see keeping
    _kept = NOTHING
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's alone
        yield
        return
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if _imports(frame):
            _leave(Stopped(number))
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    except Exception as error:
        if received:  # what the signal interrupted made another error of it
            raise Stopped(received[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(stopped: Stopped) -> None:
    """End the process at once: while a module is imported, code in C swallows an exception, or prints it."""
    clear = _CLEAR if sys.stderr.isatty() else ""
    os.write(2, f"{clear}{stopped}\n".encode())
    os._exit(stopped.status)


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
