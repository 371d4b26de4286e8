"""Data that lack what a task needs are refused before a network is opened or a picture is read."""

from dataclasses import replace

import numpy as np
import pytest

import vestige
from vestige.contract.plan import plan_of
from vestige.contract.session import Session
from vestige.features.reader import Reader
from vestige.probes.compare.task import CompareOptions
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.progress import print_nothing
from vestige.tasks import TASKS, task_named
from vestige.trained_run import evaluate_run
from vestige.units.dissect.run import DissectRun
from vestige.units.labels import Labels

PLAIN = vestige.Dataset.from_arrays([np.full((24, 24, 3), k, np.uint8) for k in range(12)])
POINTS = vestige.Dataset.from_arrays(
    [np.full((24, 24, 3), k, np.uint8) for k in range(12)],
    keypoints=np.tile(np.array([[4.0, 5.0], [9.0, 7.0]]), (12, 1, 1)),
    boxes=np.tile(np.array([2.0, 2.0, 20.0, 20.0]), (12, 1)),
)
EMPTY = vestige.Dataset("memory:none", ())
GIVEN = {"pixels": {"crops": True}, "directions": {"moved": ("yaw",)}, "fields": {"at": ((1.0, 1.0),)}}
GIVEN["unit-segments"] = {"units": ("conv9:0",)}
ARRAYS = {"layers": np.array(["conv1"]), "conv1/threshold": np.ones(4), "objects": np.array([], str)}
BARE = (DissectRun("bare", None, ARRAYS), ())  # of pictures without objects; no photographs

LABELS = Labels("bare", "masks", {"conv1": (0,)}, (), {}, None)


class Untouched(Reader):
    """Neither opens a network nor reads a picture."""

    def backbone(self, spec):
        raise AssertionError(f"{spec} is opened")

    def features(self, *_):
        raise AssertionError("pictures are read")


def session():
    return Session(Untouched(), print_nothing)


def wanting(name):
    """Data that lack what a task needs, and one of each of its options."""
    task = task_named(name)
    others = {"patches": ((), [EMPTY]), "fields": ((), [EMPTY]), "prefer": [("a", EMPTY)], "dissect": EMPTY}
    others |= {"receptive-fields": EMPTY, "unit-segments": BARE, "unit-detections": BARE, "emerge": (LABELS, PLAIN)}
    one = TASKS[name].startswith("units.")
    data = others.get(name, PLAIN if one else (PLAIN, PLAIN))
    given = GIVEN.get(name, {})
    options = [kind(**{k: v for k, v in given.items() if k in kind.__dataclass_fields__}) for kind in task.options]
    return task, data, options


CHECKED = [name for name in TASKS if task_named(name).checked_by]


def test_probes_and_correspondences_check_what_they_need():
    assert {name for name in TASKS if not TASKS[name].startswith("units.")} <= set(CHECKED)


@pytest.mark.parametrize("name", CHECKED)
def test_every_task_refuses_them_measured_or_planned(name):
    task, data, options = wanting(name)
    with pytest.raises(vestige.VestigeError) as measured:
        task.measure(session(), data, *options)
    with pytest.raises(vestige.VestigeError) as planned:
        plan_of(task, Untouched(), data, options)
    assert str(measured.value) == str(planned.value)


@pytest.mark.parametrize("name", [name for name in TASKS if task_named(name).bench_by])
def test_a_comparison_refuses_what_its_task_does(name):
    task, data, options = wanting(name)
    if name == "pixels":
        options = [replace(options[0], crops=False), *options[1:]]
        data = (EMPTY, EMPTY)
    with pytest.raises(vestige.VestigeError) as own:
        task.bench(session(), data, *options)
    with pytest.raises(vestige.VestigeError) as compared:
        task_named("compare").measure(session(), data, CompareOptions(name))
    assert str(compared.value) == str(own.value)


@pytest.mark.parametrize("name", ["landmarks", "keypoints", "pixels", "segmentation", "attributes"])
def test_too_few_for_the_folds_are_refused(name):
    few = replace(POINTS, examples=tuple(replace(each, attributes={"yaw": 1.0 * k}) for k, each in enumerate(POINTS)))
    masked = tuple(replace(each, mask=each.image) for each in few)
    few = replace(few, examples=masked[:2], classes=("a", "b"))
    task = task_named(name)
    options = [
        kind(**({"names": ("yaw",)} if name == "attributes" and "names" in kind.__dataclass_fields__ else {}))
        for kind in task.options
    ]
    with pytest.raises(vestige.VestigeError):
        task.check((few, few), *options)


def test_an_evaluation_refuses_them_too(tmp_path, monkeypatch):
    monkeypatch.setattr("vestige.contract.pages.show", lambda *_: None)
    options = LandmarkOptions("rgb:4", ("all",), rgb_size=4, untrained_seeds=0, look_backs=0)
    own = Session(Reader(keep=False), print_nothing)
    run = task_named("landmarks").measure(own, (POINTS, POINTS), options).save(tmp_path / "run")
    with pytest.raises(vestige.VestigeError, match="expected the 2 of markup"):
        evaluate_run(run, PLAIN, Untouched())
