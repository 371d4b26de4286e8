"""``vestige``: the command line.

Nothing is imported here that takes time: what comes after can be stopped, from its first import on.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from vestige.cli.pools import wait_briefly
from vestige.cli.stopping import Stopped, stoppable
from vestige.errors import VestigeError
from vestige.spelling import on_command_line

_USERS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE),
}
"""Errors of the system that are the user's to mend: disks that are full or closed, files where folders are wanted."""


def main() -> None:
    """Run the command line; a user's mistake and a full or closed disk end in one message and status 2.

    Ctrl-C and SIGTERM end in a message that says how to go on, and status 130 or 143.
    """
    wait_briefly(os.environ)
    try:
        with stoppable(), on_command_line():
            from vestige.cli.app import app_for

            app_for(sys.argv[1:])(prog_name="vestige")
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.status)
    except VestigeError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in _USERS:
            raise
        _stop(f"{error.filename or 'output'}: {error.strerror}; what was finished is kept, mend it and run again")


def _stop(message: str) -> None:
    from vestige.cli.console import console

    console.print("error:", style="bold red", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


def __getattr__(name: str) -> Any:
    """``app``, with all commands, made when it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vestige.cli.app import app_for

    return app_for()
