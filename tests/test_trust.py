"""A foreign run's network of code is not opened unless the user named it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.probes.engine.linear import LinearProbe, Source, load_probes, save_probes
from vestige.trust import VARIABLE, check_recorded, note_opened


def saved(folder, backbone, value=0.0):
    probe = LinearProbe(Source(backbone, "0" * 64, "layer", "flat"), np.full((2, 3), value, np.float32), np.zeros(2))
    return save_probes(folder, "ridge", {"base": probe})


def test_code_that_a_run_names_is_refused_until_it_is_allowed_by_name(tmp_path, monkeypatch):
    described = saved(tmp_path, "python:os:abort@random:0")
    with pytest.raises(VestigeError, match=rf"{VARIABLE}=python:os:abort"):
        load_probes(tmp_path, "ridge", described)
    monkeypatch.setenv(VARIABLE, "python:os:getcwd")
    with pytest.raises(VestigeError, match=VARIABLE):
        load_probes(tmp_path, "ridge", described)
    monkeypatch.setenv(VARIABLE, "python:os:getcwd, python:os:abort")
    assert load_probes(tmp_path, "ridge", described)["base"].coef.shape == (2, 3)


def test_what_runs_here_anyway_and_what_runs_no_code_is_not_asked_about():
    note_opened("python:test_trust:mine")
    check_recorded("python:test_trust:mine@random:3,size=64", "run")
    for spec in ("efficientnet_lite0", "timm:resnet18@weights.pt", "rgb:46"):
        check_recorded(spec, "run")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probes_that_are_not_finite_are_refused(tmp_path, value):
    described = saved(tmp_path, "rgb:46", value)
    with pytest.raises(VestigeError, match=r"ridge\.safetensors.*not finite"):
        load_probes(tmp_path, "ridge", described)


@pytest.mark.parametrize(
    "described",
    [
        {"base": {"source": {"backbone": 1}, "normalise": True}},
        {"base": {"source": None, "normalise": "yes"}},
        {"base": []},
        {"other": {"source": None, "normalise": True}},
    ],
)
def test_damaged_descriptions_of_probes_are_refused(tmp_path, described):
    saved(tmp_path, "rgb:46")
    with pytest.raises(VestigeError, match=r"ridge\.safetensors"):
        load_probes(tmp_path, "ridge", described)
    shutil.copy(tmp_path / "ridge.safetensors", tmp_path / "outside.safetensors")
    with pytest.raises(VestigeError, match="another folder"):
        load_probes(tmp_path / "run", "../outside", json.loads("{}"))
