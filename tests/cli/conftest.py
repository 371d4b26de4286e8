"""The command line, in a process of its own or (quicker) in this one."""

import contextlib
import io
import subprocess
import sys

import pytest

from vestige.cli.main import main


def _in_a_process(arguments):
    done = subprocess.run([sys.executable, "-m", "vestige", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _here(arguments):
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vestige", *arguments])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                status = 0
            except SystemExit as stop:
                status = stop.code or 0
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def vestige():
    """``vestige(*arguments, status=0, process=False) -> (standard output, standard error)``."""

    def run(*arguments, status=0, process=False):
        words = [str(argument) for argument in arguments]
        found, out, err = (_in_a_process if process else _here)(words)
        assert found == status, out + err
        assert "Traceback" not in err
        return out, err

    return run
