"""Commands with ``--ray``: the rows of one machine; and a Ray that is started for one command leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from vestige.cli.app import app_for
from vestige.cli.main import main
from vestige.cluster.cluster import Cluster
from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.features import dense, extract
from vestige.features.reader import Reader
from vestige.results import read_results

FACES = ("synthetic:faces,n=40,seed=1,size=64", "--test", "synthetic:faces,n=20,seed=2,size=64")
NETWORK = ("--backbone", "scene_cnn", "--layer", "conv2", "--layer", "conv4")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "CHUNK_ROWS", 16)
    monkeypatch.setattr(dense, "CHUNK_ROWS", 300)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photograph") / "0.png"
    Image.fromarray(open_dataset("synthetic:objects,n=1,seed=9,size=96")[0].image.read()).save(path)
    return path


COMMANDS = {
    "landmarks": ("probe", "landmarks", *FACES, *NETWORK, "--untrained", "1", "--no-look-back"),
    "pixels": ("probe", "pixels", *FACES, *NETWORK, "--untrained", "0", "--size", "8"),
    "patches": ("correspond", "patches", "PHOTOGRAPH", "--database", "synthetic:objects,n=8,seed=3,size=96", *NETWORK),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_rows_are_those_of_one_machine(
    name: str, cluster: Cluster, photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    words = [str(photograph) if word == "PHOTOGRAPH" else word for word in COMMANDS[name]]
    monkeypatch.setattr("vestige.pages.show", lambda run: run.report_path.touch())  # rows are compared
    for place, more in (("here", ()), ("there", ("--ray", cluster.address))):
        monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / f"cache-{place}"))
        monkeypatch.setattr(sys, "argv", ["vestige", *words, *more, "-o", str(tmp_path / place)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code, capsys.readouterr().err
    here, there = (read_results(tmp_path / place / "results.json") for place in ("here", "there"))
    assert there.rows == here.rows
    assert there.sweep == here.sweep
    chunks = {place: len(list((tmp_path / f"cache-{place}").glob("*/c/*/0"))) for place in ("here", "there")}
    assert chunks["there"] == chunks["here"] > 1
    _, err = capsys.readouterr()
    assert "ray" not in err.lower().replace(f"--ray {cluster.address}", "")


def test_commands_that_keep_features_share_work_out() -> None:
    def commands(of: Any, *names: str) -> Iterator[tuple[str, set[str]]]:
        for name, command in getattr(of, "commands", {}).items():
            yield from commands(command, *names, name)
        if not hasattr(of, "commands"):
            yield " ".join(names), {word for each in of.params for word in each.opts}

    found = dict(commands(typer.main.get_command(app_for())))
    assert {name for name, words in found.items() if "--ray" not in words} == {
        *("layers", "report", "cache", "data check", "cluster check"),  # compute no features
        *("portrait", "units annotations"),  # keep none
    }
    assert all("--device" in found[name] or name == "demo" for name, words in found.items() if "--ray" in words)


def test_predictions_whose_features_are_not_kept_are_not_shared_out(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "argv", ["vestige", "predict", "run", "a.png", "--ray", cluster.address, "-o", "out"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "--store" in capsys.readouterr().err


def test_a_session_shares_its_work_out(cluster: Cluster) -> None:
    with Session(ray=cluster.address) as session:
        assert session.cluster is cluster
        assert session.reader.cluster is cluster
    assert cluster.nodes
    assert Session().cluster is None
    with cluster.everywhere():
        assert Reader().cluster is cluster


def test_a_local_ray_ends_with_its_command_and_says_nothing(tmp_path: Path) -> None:
    killed = Path("/tmp/vray-1-killed")  # what one left that was killed
    killed.mkdir(exist_ok=True)
    words = ["cluster", "check", "local", "--json", "--quiet", "--data", "synthetic:faces,n=3,size=64"]
    with subprocess.Popen(
        [sys.executable, "-m", "vestige", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "VESTIGE_CACHE": str(tmp_path)},
    ) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    (machine,) = json.loads(out)["machines"]
    assert machine["lacks"] == []
    assert len(machine["seen"]["pictures"]) == 3
    assert not killed.exists()
    assert not list(Path("/tmp").glob(f"vray-{process.pid}-*"))
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if f"/tmp/vray-{process.pid}-" in line]


ADDRESSES = """
import http.server, signal, threading
from vestige.cluster.cluster import Cluster
from vestige.errors import VestigeError

server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
before = signal.getsignal(signal.SIGTERM)
for address in ("nowhere", "127.0.0.1:1", f"127.0.0.1:{server.server_port}"):
    try:
        Cluster.open(address)
    except VestigeError as error:
        print(error)
assert signal.getsignal(signal.SIGTERM) is before
"""


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    """In a process that has none open."""
    done = subprocess.run([sys.executable, "-c", ADDRESSES], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()
    assert [line.split("'")[1] for line in told[:2]] == ["nowhere", "127.0.0.1:1"]
    assert [": cannot be used (" in line for line in told] == [False, True, True]
    assert "HOST:PORT" in told[0]
    assert "(what listens there does not speak gRPC)" in told[2]
