"""Ctrl-C and SIGTERM: a message, a status and no traceback, whenever they come."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import PIL.Image
import pytest

import vestige as library
from vestige.cli.main import main
from vestige.cli.stopping import FINISHED, NOTHING, Stopped, stoppable
from vestige.progress import print_nothing

WORDS = ["probe", "landmarks", "synthetic:faces,n=60,seed=1", "--test", "synthetic:faces,n=20,seed=2", "-o"]


IMPORTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "{name}":
            os.kill(os.getpid(), signal.{number})

sys.meta_path.insert(0, Finder())
from vestige.cli.main import main
main()
"""
"""Is sent a signal by itself where a module is imported."""


def is_told(err, words):
    """Whether standard error ends in how to go on, and holds no traceback."""
    return "Traceback" not in err and err.splitlines()[-1].strip() == f"vestige {' '.join(words)}"


@pytest.mark.parametrize(
    ("name", "number", "status"), [("typer", "SIGINT", 130), ("torch", "SIGTERM", 143), ("torch._C", "SIGINT", 130)]
)
def test_a_command_can_be_stopped_while_it_starts(tmp_path, name, number, status):
    words = [*WORDS, str(tmp_path / "run")]
    code = IMPORTED.format(name=name, number=number)
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert is_told(done.stderr, words)


def test_a_command_can_be_stopped_at_work(tmp_path):
    words = [*WORDS, str(tmp_path / "run")]
    process = subprocess.Popen([sys.executable, "-m", "vestige", *words], stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 130
    assert is_told(first + rest, words)
    assert not (tmp_path / "run" / "results.json").exists()


def test_an_interrupt_that_python_raises_itself_is_told_too(monkeypatch, capsys):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("vestige.features.cache.list_stores", interrupted)
    monkeypatch.setattr(sys, "argv", ["vestige", "cache"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    assert "vestige cache" in capsys.readouterr().err


def test_an_error_that_a_signal_was_made_into_counts_as_the_signal():
    def swallowed():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        except BaseException as error:
            raise ValueError from error

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped) as stop, stoppable():
        swallowed()
    assert stop.value.status == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_run_commands_without_handlers():
    seen = []

    def run():
        with stoppable():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


FACES = ["synthetic:faces,n=12,seed=1,size=48", "synthetic:faces,n=6,seed=2,size=48"]
OPENED = "vestige.datasets.opening.open_train_test"
COMMANDS = [
    (["probe", "pixels", FACES[0], "--test", FACES[1]], OPENED, FINISHED),
    (["directions", FACES[0], "--test", FACES[1]], OPENED, FINISHED),
    (["compare", FACES[0], "--test", FACES[1]], OPENED, FINISHED),
    (["correspond", "align", FACES[0], "--test", FACES[1]], OPENED, FINISHED),
    (
        ["correspond", "fields", "--database", FACES[0], "--layer", "stem"],
        "vestige.correspondence.search.retrieval.open_databases",
        FINISHED,
    ),
    (["evaluate", "RUN", FACES[1]], "vestige.trained_run.evaluate_run", FINISHED),
    (["predict", "RUN", FACES[1], "--whole-picture"], "vestige.trained_run.predict_run", NOTHING),
    (["predict", "RUN", FACES[1], "--whole-picture", "--store"], "vestige.trained_run.predict_run", "stored features"),
    (["portrait", "photo.png", "--run", "RUN"], "vestige.probes.portrait.read.read_portrait", NOTHING),
    (["demo"], OPENED, FINISHED),
    (
        [
            *("reproduce", "persistent-evidence", "--table", "2"),
            *("--data", f"voc-keypoints={FACES[0]}", "--data", f"voc-keypoints-test={FACES[1]}"),
        ],
        "vestige.papers.persistent_evidence.experiments.open_train_test",
        FINISHED,
    ),
    (["data", "check", FACES[0]], "vestige.datasets.check.check", NOTHING),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a few numbers, without its page."""
    session = library.Session(library.Reader(keep=False), print_nothing)
    few = {"backbone": "rgb:4", "layers": ["rgb"], "rgb_size": 4, "untrained_seeds": 0, "size": 8}
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vestige.contract.pages.show", lambda *_: None)
        library.measure("pixels", *FACES, session=session, **few).save(folder)
    return folder


@pytest.mark.parametrize(("words", "place", "kept"), COMMANDS, ids=[" ".join(each[0][:2]) for each in COMMANDS])
def test_every_long_command_says_what_is_kept_and_how_to_go_on(monkeypatch, capsys, tmp_path, run, words, place, kept):
    def stopped(*_args, **_options):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (48, 48)).save("photo.png")
    words = [str(run) if word == "RUN" else word for word in words]
    words += ["-o", "sheet.png" if words[0] in ("data", "portrait") else "made"]
    monkeypatch.setattr(place, stopped)
    monkeypatch.setattr(sys, "argv", ["vestige", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    said = capsys.readouterr().err
    assert kept in said
    assert is_told(said, [shlex.quote(word) for word in words])
