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


def _here(arguments, page=True):
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vestige", *arguments])
        if not page:
            patch.setattr("vestige.pages.show", _write_no_page)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                status = 0
            except SystemExit as stop:
                status = stop.code or 0
    return status, out.getvalue(), err.getvalue()


def _write_no_page(run):
    run.report_path.write_text("<html>")


@pytest.fixture(scope="session")
def vestige():
    """``vestige(*arguments, status=0, process=False, page=True) -> (standard output, standard error)``.

    ``page=False``: a page of one word in place of the figures and the page, which take longer than small data do.
    """

    def run(*arguments, status=0, process=False, page=True):
        words = [str(argument) for argument in arguments]
        found, out, err = _in_a_process(words) if process else _here(words, page)
        assert found == status, out + err
        assert "Traceback" not in err
        return out, err

    return run
