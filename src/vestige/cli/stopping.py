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


class Stopped(BaseException):
    """The user, or the system, stopped the command. No ``except Exception`` holds it up.

    Attributes:
        status: with which the process ends, as a shell gives it: 128 and the signal's number.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.status = 128 + number

    def __str__(self) -> str:
        command = shlex.join(command_line())
        return f"stopped; what was finished is kept, and the same command goes on from there:\n  {command}"


def command_line() -> list[str]:
    """The words of the command that is running."""
    return ["vestige", *sys.argv[1:]]


@contextmanager
def stoppable() -> Iterator[None]:
    """While the block runs, a first Ctrl-C or SIGTERM raises :class:`Stopped`; a second one ends the process."""
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
