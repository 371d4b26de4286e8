"""A run folder from elsewhere: the code that it names is not run, whichever command opens it and wherever it stands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vestige.bounds import FACE_MARGIN
from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.features.reader import Reader
from vestige.manifest import update_manifest
from vestige.probes.engine.linear import LinearProbe
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_methods import load_vectors
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.progress import print_nothing
from vestige.run import start_run
from vestige.trust import VARIABLE

LAYER = {"layers": ("block1",), "readouts": ("grid:2",), "rgb_size": 8, "untrained_seeds": 0}
TEST = "synthetic:faces,n=4,seed=3,size=64"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of each way to save probes, and a photograph of a face."""
    folder = tmp_path_factory.mktemp("runs")
    faces = [open_dataset(f"synthetic:faces,n={n},seed={seed},size=64") for n, seed in ((16, 1), (6, 2))]
    things = [open_dataset(f"synthetic:objects,n={n},seed={seed},size=64") for n, seed in ((48, 1), (24, 2))]
    session = Session(Reader(), print_nothing)
    points = LandmarkOptions(**LAYER, mirror=False, look_backs=1)
    probe_landmarks(*faces, points, session).record(start_run(folder / "landmarks"))
    probe_keypoints(*things, KeypointOptions(**LAYER, mirror=False), session).record(start_run(folder / "keypoints"))
    pixels = Pixelwise(8, crops=True, box_margin=FACE_MARGIN)
    probe_vectors(pixels, *faces, VectorOptions(**LAYER), session).record(start_run(folder / "pixels"))
    Image.fromarray(open_dataset(TEST)[0].image.read()).save(folder / "face.png")
    return folder


def edited(value, change):
    """JSON with every mapping's entry ``backbone`` changed, given the mapping."""
    if isinstance(value, dict):
        made = {key: edited(inner, change) for key, inner in value.items()}
        return made | {"backbone": change(made)} if isinstance(made.get("backbone"), str) else made
    return [edited(inner, change) for inner in value] if isinstance(value, list) else value


COMMANDS = {
    "evaluate": lambda run, _runs, out: ("evaluate", run, TEST, "-o", out),
    "predict": lambda run, runs, out: ("predict", run, runs / "face.png", "--box", "5,5,60,60", "-o", out),
    "portrait": lambda run, runs, out: (
        *("portrait", runs / "face.png", "--run", run, "--box", "5,5,60,60", "-o", out / "portrait.png"),
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("task", "file"), [("landmarks", "vectors.json"), ("pixels", "vectors.json")])
@pytest.mark.parametrize("network", ["python:os:abort", "python:bomb:build"])
def test_no_command_runs_code_that_a_run_names(vestige, runs, tmp_path, monkeypatch, command, task, file, network):
    shutil.copytree(runs / task, tmp_path / "run")
    (tmp_path / "bomb.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "run" / "probe" / file
    path.write_text(json.dumps(edited(json.loads(path.read_text()), lambda _: network)))
    _, said = vestige(*COMMANDS[command](tmp_path / "run", runs, tmp_path / "out"), status=2)
    assert f"{VARIABLE}={network}" in said
    assert said.count("error:") == 1
    assert not (tmp_path / "mark").exists()
    assert not list((tmp_path / "out").glob("**/*.png"))


def test_code_that_only_a_look_back_or_a_class_names_is_refused(vestige, runs, tmp_path):
    shutil.copytree(runs / "landmarks", tmp_path / "run")
    path = tmp_path / "run" / "probe" / "vectors.json"
    saved = json.loads(path.read_text())
    saved["methods"] = [
        {**method, "look_backs": edited(method["look_backs"], lambda _: "python:os:abort")}
        for method in saved["methods"]
    ]
    assert "python:os:abort" in json.dumps(saved)
    path.write_text(json.dumps(saved))
    _, said = vestige(*COMMANDS["evaluate"](tmp_path / "run", runs, tmp_path / "out"), status=2)
    assert VARIABLE in said
    shutil.copytree(runs / "keypoints", tmp_path / "classes")
    (first, *_) = sorted((tmp_path / "classes" / "probe").glob("class-*/vectors.json"))
    first.write_text(json.dumps(edited(json.loads(first.read_text()), lambda _: "python:os:abort")))
    objects = "synthetic:objects,n=6,seed=3,size=64"
    _, said = vestige("evaluate", tmp_path / "classes", objects, "-o", tmp_path / "out", status=2)
    assert VARIABLE in said


def changed(saved, *keys, to):
    """JSON with the entry at some keys set."""
    if not keys:
        return to
    key, *rest = keys
    inner = changed(saved[key], *rest, to=to)
    return saved | {key: inner} if isinstance(saved, dict) else [*saved[:key], inner, *saved[key + 1 :]]


DAMAGED = [
    ("landmarks", "probe/vectors.json", ("made_of",), []),
    ("landmarks", "probe/vectors.json", ("made_of", "markup", "points"), ["a", "b"]),
    ("landmarks", "probe/vectors.json", ("made_of", "box_margin"), "1"),
    ("landmarks", "probe/vectors.json", ("made_of", "normaliser"), "no such"),
    ("landmarks", "probe/vectors.json", ("methods",), []),
    ("landmarks", "probe/vectors.json", ("methods", 0), "mean"),
    ("landmarks", "probe/vectors.json", ("methods", -1, "look_backs", 0, "points"), [[9999]]),
    ("landmarks", "probe/vectors.json", ("methods", -1, "probes", "base", "source", "layer"), "nowhere"),
    ("landmarks", "probe/vectors.json", ("methods", -1, "probes", "base", "source", "readout"), "grid:99x"),
    ("landmarks", "probe/vectors.json", ("methods", -1, "probes", "base", "source", "readout"), "grid:3"),
    ("landmarks", "probe/vectors.json", ("methods", -1, "probes", "base", "source", "weights_sha256"), "0"),
    ("landmarks", "probe/vectors.json", ("methods", -1, "name"), "../x"),
    ("landmarks", "results.json", ("config",), {}),
    ("landmarks", "results.json", ("config", "extraction"), {"batch": "many"}),
    ("landmarks", "results.json", ("config", "extraction"), {"precision": "float3"}),
    ("landmarks", "results.json", ("task",), "keypoints"),
    ("landmarks", "results.json", ("task",), "pixels"),
    ("keypoints", "probe/keypoints.json", ("made_of", "classes", 0, "columns"), [9999]),
    ("keypoints", "probe/keypoints.json", ("made_of", "classes"), []),
    ("keypoints", "probe/keypoints.json", ("made_of", "alphas"), []),
    ("keypoints", "probe/keypoints.json", ("made_of", "markup"), 3),
    ("pixels", "probe/vectors.json", ("task",), "attributes"),
    ("pixels", "probe/vectors.json", ("made_of", "size"), 9),
    ("pixels", "probe/vectors.json", ("made_of", "size"), "8"),
    ("pixels", "probe/vectors.json", ("made_of", "size"), -8),
    ("pixels", "probe/vectors.json", ("methods",), []),
    ("pixels", "probe/vectors.json", ("methods", 0, "probes"), {}),
    ("pixels", "probe/vectors.json", ("seed",), -1),
]


@pytest.mark.parametrize(("task", "file", "keys", "to"), DAMAGED)
def test_what_does_not_fit_in_a_saved_run_ends_in_one_message(vestige, runs, tmp_path, task, file, keys, to):
    shutil.copytree(runs / task, tmp_path / "run")
    path = tmp_path / "run" / file
    keys = [len(json.loads(path.read_text())["methods"]) - 1 if key == -1 else key for key in keys]
    path.write_text(json.dumps(changed(json.loads(path.read_text()), *keys, to=to)))
    command = "predict" if task == "keypoints" else "evaluate"
    _, said = vestige(*COMMANDS[command](tmp_path / "run", runs, tmp_path / "out"), status=2)
    assert "error:" in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_refinement_that_its_task_has_not_is_refused(vestige, runs, tmp_path):
    saved = load_vectors(runs / "pixels" / "probe")
    refinement = LinearProbe(None, np.zeros((3, 3), np.float32), np.zeros(3))
    methods = tuple(replace(method, refinement=refinement) for method in saved.methods)
    shutil.copytree(runs / "pixels", tmp_path / "run", ignore=shutil.ignore_patterns("probe"))
    replace(saved, methods=methods).save(tmp_path / "run" / "probe")
    update_manifest(tmp_path / "run", *(tmp_path / "run" / "probe").iterdir())
    _, said = vestige(*COMMANDS["predict"](tmp_path / "run", runs, tmp_path / "out"), status=2)
    assert "refines by (3, 3)" in said
