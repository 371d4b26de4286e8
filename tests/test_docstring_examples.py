"""The calls in docstrings of what Python's users import run as they are written, on small data in place of theirs."""

from __future__ import annotations

import inspect
import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vestige

OBJECTS = "synthetic:objects,n=24,seed=1,size=48,category=car"
INSTEAD = {
    '"cub:DIR"': f'"{OBJECTS}"',
    '"cub:OTHER"': '"synthetic:objects,n=6,seed=3,size=48,category=car"',
    ", untrained_seeds=0)": ")",
    'layers=["block7"]': (
        'backbone="rgb:4", layers=["rgb"], rgb_size=4, look_backs=0, alphas=[0.2], untrained_seeds=0, test=test_spec'
    ),
    "size=32": 'size=8, backbone="rgb:4", layers=["rgb"], rgb_size=4, untrained_seeds=0',
    'device="cuda"': 'device="cpu"',
    'layers=["layer3"]': 'layers=["0"], rgb_size=4, untrained_seeds=0, look_backs=0',
}
"""What a docstring says, and what stands for it here: a user's data, and a network that is quick."""


def blocks(documented: object) -> Iterator[str]:
    """The indented lines after ``::`` and the calls in double backticks that a docstring shows of what it documents."""
    text = inspect.getdoc(documented) or ""
    for found in re.finditer(r"::\n\n((?:    .*\n?|\n)+)", text + "\n"):
        yield textwrap.dedent(found.group(1))
    for found in re.finditer(r"``((?:run|found)\.\w+\(.*?)``", text):
        yield found.group(1)


def examples() -> dict[str, str]:
    """All of them, in an order in which each finds what it goes on with."""
    found: dict[str, list[str]] = {}
    for name in vestige.__all__:
        whole = getattr(vestige, name)
        own = {name: whole}
        if inspect.isclass(whole):
            members = {f"{name}.{key}": getattr(whole, key) for key in vars(whole) if not key.startswith("_")}
            own |= {key: each for key, each in members.items() if callable(each)}
        for key, each in own.items():
            if shown := list(blocks(each)):
                found[key] = shown
    order = ["Dataset.from_arrays", "Backbone.from_module", "measure", "Found", "Found.save", "Found.to_frame"]
    order += ["open_run", "FinishedRun.evaluate", "FinishedRun.predict"]
    assert set(order) == set(found)
    return {key: "\n".join(found[key]) for key in order}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """The names that docstrings use, in a folder of their own."""
    from skimage import data, io
    from torch import nn

    folder = tmp_path_factory.mktemp("docstrings")
    before = Path.cwd()
    os.chdir(folder)
    io.imsave("face.png", data.astronaut())
    opened, tested = (list(vestige.open_dataset(f"synthetic:faces,n={n},seed={n},size=48")) for n in (12, 6))
    names: dict[str, object] = {
        "vestige": vestige,
        "pictures": [each.image.read() for each in opened],
        "points": np.stack([each.keypoints for each in opened]),
        "boxes": np.stack([each.box for each in opened]),
        "people": [each.group for each in opened],
        "test_spec": "synthetic:objects,n=6,seed=2,size=48,category=car",
        "test": vestige.Dataset.from_arrays(
            [each.image.read() for each in tested],
            keypoints=np.stack([each.keypoints for each in tested]),
            boxes=np.stack([each.box for each in tested]),
            name="test",
        ),
        "module": nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.ReLU()).eval(),
    }
    yield names
    os.chdir(before)


def test_they_run(place: dict[str, object]) -> None:
    for name, code in examples().items():
        for said, instead in INSTEAD.items():
            code = code.replace(said, instead)
        if name == "Found.save":
            code = code.replace("runs/birds", "runs/again")
        if name == "open_run":
            place["run"] = None
        exec(compile(code, name, "exec"), place)
    assert isinstance(place["run"], vestige.FinishedRun)
    assert Path("runs/again/report.html").is_file()
    assert Path("runs/other/report.html").is_file()
