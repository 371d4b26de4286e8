"""``vestige units annotate``: a server that starts, answers and stops, and links that it takes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import httpx2
import pytest

from vestige.run import Run
from vestige.units.annotate.serving import store_of
from vestige.units.annotate.store import Said, open_store
from vestige.units.annotate.tiles import shown_of
from vestige.units.dissect.run import read_dissection


@pytest.fixture(scope="module")
def run(vestige, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "units"
    words = ["--backbone", "scene_cnn", "--layer", "conv5", "--chance", "shuffled", "--least", "2", "--quiet", "--json"]
    vestige("units", "dissect", "synthetic:scenes,n=16,seed=3", *words, "-o", run)
    return run


@contextmanager
def serving(run, *words):
    """The address that a server prints, while it runs; it is stopped as by Ctrl-C."""
    command = [sys.executable, "-m", "vestige", "units", "annotate", str(run), "--port", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            yield address
        finally:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "every answer that was sent is kept" in told
    assert "Traceback" not in told


def test_a_unit_is_answered_over_the_network_of_this_machine(run):
    with serving(run, "--units", "conv5:0-3") as address, httpx2.Client(base_url=address, trust_env=False) as browser:
        csrf = re.search('name="csrf" value="(.*?)"', browser.get("/").text)[1]
        browser.post("/", data={"csrf": csrf, "name": "Ada"})
        page = browser.get("/task").text
        ids = re.findall('name="marked" value="(.*?)"', page)
        assert browser.get(f"/picture/{ids[0]}").content.startswith(b"\xff\xd8\xff")
        form = {name: re.search(f'name="{name}" value="(.*?)"', page)[1] for name in ("csrf", "ticket", "attempt")}
        form |= {"concept": "lamps", "group": "object", "marked": ids}
        assert browser.post("/answer", data=form).headers["location"] == "/task?said=kept"
    (answer,) = store_of(Run(run)).answers()
    assert answer.unit < 4
    assert answer.passed


def test_a_server_for_others_lets_in_whoever_has_a_link(vestige, run):
    out, _ = vestige(
        "units", "annotate", run, "--invite", "Ada", "--invite", "Bo", "--host", "example.org", "--port", "8000"
    )
    links = dict(line.split(": ", 1) for line in out.splitlines())
    assert list(links) == ["Ada", "Bo"]
    assert links["Ada"].startswith("http://example.org:8000/join/")
    out, _ = vestige("units", "annotate", run, "--withdraw", "Bo")
    assert out == "Bo: withdrawn\n"
    out, _ = vestige("units", "annotate", run, "--links", "--host", "example.org", "--port", "8000")
    assert dict(line.split(": ", 1) for line in out.splitlines()) == {"Ada": links["Ada"], "Bo": "withdrawn"}
    with serving(run, "--units", "conv5:0", "--host", "0.0.0.0", "--quiet") as address:
        port = re.search(r":(\d+)/\?key=", address)[1]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
            out, _ = vestige("units", "annotate", run, "--invite", "Ada")  # leads to the page that is served
            assert out == f"Ada: {address.partition('/?')[0]}/join/{links['Ada'].rpartition('/')[2]}\n"
            assert browser.get("/").status_code == 403
            assert browser.get("/join/" + links["Bo"].rpartition("/")[2]).status_code == 403
            assert browser.get("/join/" + links["Ada"].rpartition("/")[2]).headers["location"] == "/task"
            assert "Ada" in browser.get("/task").text
            assert browser.get("/export").status_code == 403
            assert browser.get("/" + address.rpartition("/")[2]).status_code == 303
            assert browser.get("/export").status_code == 200


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--units", "conv5:9999"), "conv5:9999"),
        (("--units", "conv5:3-9999"), "conv5:128"),
        (("--units", "conv5:3-1"), "conv5:3-1"),
        (("--layer", "conv6"), "conv6"),
        (("--host", "nosuch.invalid"), "--host nosuch.invalid"),
        (("--port", "70000"), "--port 70000"),
        (("--database", "mysql://there/db"), "postgresql://"),
        (("--database", "no url"), "--database"),
        (("--workers-per-unit", "0"), "--workers-per-unit 0"),
        (("--invite", " ", "--port", "1"), "--invite"),
        (("--invite", "Ada"), "--port 0"),
        (("--withdraw", "Nobody", "--port", "1"), "Nobody"),
        (("--rule", "sharp"), "--rule sharp"),
    ],
)
def test_what_cannot_be_served_is_an_error(vestige, run, words, named):
    _, told = vestige("units", "annotate", run, "--port", "0", *words, status=2)
    assert named in told
    assert "Traceback" not in told


def test_answers_about_another_dissection_are_refused(vestige, run, tmp_path):
    read = read_dissection(Run(run))
    shown = shown_of(read, "conv5", 3)
    path = tmp_path / "answers.sqlite"
    vestige("units", "annotate", run, "--database", f"sqlite:///{path}", "--invite", "Ada")
    for units, status in (([shown], 0), ([replace(shown, unit=4)], 2)):
        store = open_store(path)
        store.ask(units)
        store.submit("Ada", store.take("Ada").id, Said(1, "lamps", "object", tuple(range(len(shown.shown)))))
        store.database.close()
        _, told = vestige("units", "annotate", run, "--database", f"sqlite:///{path}", "--invite", "Ada", status=status)
    assert "conv5:4" in told
    assert str(path) in told


def test_what_is_not_installed_is_told(run):
    code = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "from vestige.cli.main import main\n"
        f"sys.argv = ['vestige', 'units', 'annotate', {str(run)!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 2
    assert "pip install 'vestige[annotate]'" in done.stderr
