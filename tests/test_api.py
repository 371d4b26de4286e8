"""Python's way in: a measurement, its folder, and the folder used again; what is no such thing is refused at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vestige
from vestige.handed_in import as_type
from vestige.progress import print_nothing
from vestige.tasks import TASKS, task_named

FACES = ("synthetic:faces,n=16,seed=1,size=64", "synthetic:faces,n=6,seed=2,size=64")
OBJECTS = tuple(f"synthetic:objects,category=car,n={n},seed={seed},size=64" for n, seed in ((14, 1), (7, 2)))
OTHER = "synthetic:faces,n=5,seed=3,size=64"
RGB = {"backbone": "rgb:4", "layers": ["rgb"]}
SMALL = {**RGB, "rgb_size": 4, "untrained_seeds": 0}
TASK_OPTIONS = {
    "landmarks": (FACES, {**SMALL, "look_backs": 0}),
    "keypoints": (OBJECTS, {**SMALL, "look_backs": 0, "alphas": [0.1, 0.2]}),
    "pixels": (FACES, {**SMALL, "size": 8}),
    "segmentation": (OBJECTS, {**SMALL, "grid": 4, "augment": 2}),
    "attributes": (FACES, {**SMALL, "names": ["yaw"]}),
    "directions": (FACES, {**RGB, "moved": ["yaw"], "size": 8, "reencoded": 0}),
}


def quiet() -> vestige.Session:
    return vestige.Session(vestige.Reader(keep=False), print_nothing)


def landmarks(**options: object) -> vestige.Found:
    data, own = TASK_OPTIONS["landmarks"]
    return vestige.measure("landmarks", *data, session=quiet(), **{**own, **options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return landmarks().save(tmp_path_factory.mktemp("runs") / "faces").folder


@pytest.mark.parametrize("name", TASK_OPTIONS)
def test_every_task_is_measured_by_its_name(name: str) -> None:
    data, options = TASK_OPTIONS[name]
    found = vestige.measure(name, *data, session=quiet(), **options)
    assert found.task is task_named(name)
    assert {row.method for row in found.rows} & {"ridge", "mean"}
    assert found.results().config["seed"] == 0


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_it_takes(name: str) -> None:
    with pytest.raises(vestige.VestigeError, match="is int 5; expected a"):
        vestige.measure(name, 5)  # type: ignore[arg-type]
    layered = any(each.name == "layers" for kind in task_named(name).options for each in fields(kind))
    meant = "did you mean layers" if layered else "expected one of"
    with pytest.raises(vestige.VestigeError, match=f"layer: is no option of task '{name}'; {meant}"):
        vestige.measure(name, layer="block1")
    with pytest.raises(vestige.VestigeError, match="backbone: is dict"):
        vestige.measure(name, backbone={})


def test_data_may_be_open_and_given_by_name_and_features_computed_as_asked(capsys: pytest.CaptureFixture[str]) -> None:
    train, test = (vestige.open_dataset(spec) for spec in FACES)
    own = TASK_OPTIONS["landmarks"][1]
    found = vestige.measure("landmarks", train=train, test=test, batch=3, store_dtype="float16", **own)
    assert found.extraction is not None
    assert (found.extraction.batch, found.extraction.store_dtype) == (3, "float16")
    assert found.data["train"] is not None
    assert [row.value for row in found.rows] == pytest.approx([row.value for row in landmarks().rows], abs=0.01)
    assert capsys.readouterr().err.startswith("·")


def test_a_number_of_numpys_is_python_s_own_and_options_are_kept_as_the_command_line_has_them() -> None:
    found = landmarks(seed=np.int64(3), box_margin=1)
    config = found.results().config
    assert (config["seed"], config["box_margin"], config["layers"]) == (3, 1.0, ("rgb",))
    assert type(config["seed"]) is int
    assert type(config["box_margin"]) is float


WRONG = {
    "task": (("landmark", *FACES), {}, "did you mean landmarks"),
    "no text": ((3, *FACES), {}, "task: is int 3; expected a text"),
    "no data": (("landmarks",), {}, "train: is missing"),
    "data": (("landmarks", 5), {}, "train: is int 5; expected a text or a Dataset"),
    "too much": (("landmarks", *FACES, None, None), {}, "by place"),
    "option": (("landmarks", *FACES), {"layer": ["block1"]}, "did you mean layers"),
    "another task's": (("pixels", *FACES), {"look_backs": 1}, "expected one of"),
    "layers": (("landmarks", *FACES), {"layers": "block1"}, "layers: is str 'block1'; expected a list of text"),
    "backbone": (("landmarks", *FACES), {"backbone": {"a": 1}}, "backbone: is dict"),
    "backbone and data": (("pixels", *FACES), {"backbone": 7}, "backbone: is int; expected a spec"),
    "flag": (("landmarks", *FACES), {"mirror": "yes"}, "mirror: is str 'yes'; expected True or False"),
    "number": (("landmarks", *FACES), {"seed": 1.5}, "seed: is float 1.5; expected a whole number"),
    "true": (("landmarks", *FACES), {"untrained_seeds": True}, "untrained_seeds: is bool True"),
    "bounds": (("landmarks", *FACES), {"seed": -1}, "seed"),
    "literal": (("segmentation", *FACES), {"targets": "share"}, "did you mean shares"),
    "nothing": (("landmarks", *FACES), {"backbone": None}, "backbone: is NoneType; expected"),
    "device": (("landmarks", *FACES), {"device": "abacus"}, "device"),
    "precision": (("landmarks", *FACES), {"precision": 16}, "precision: is int 16; expected 'float32'"),
    "session": (("landmarks", *FACES), {"session": "a"}, "session: is str 'a'; expected a Session"),
    "strict": (("landmarks", *FACES), {"strict": 1}, "strict: is int 1; expected True or False"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_handed_in_wrongly_is_refused_at_once(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestige.datasets.opening.open_dataset", None)  # nothing is opened before
    data, options, said = WRONG[case]
    with pytest.raises(vestige.VestigeError) as caught:
        vestige.measure(*data, **options)
    assert said in str(caught.value)


def test_a_session_has_its_own_device() -> None:
    with pytest.raises(vestige.VestigeError, match=r"batch: the session"):
        landmarks(batch=4)


def test_a_folder_is_made_once_and_replaced_where_asked(tmp_path: Path, folder: Path) -> None:
    assert {each.name for each in folder.iterdir()} >= {
        "results.json",
        "examples.npz",
        "probe",
        "figures",
        "report.html",
    }
    found = landmarks()
    with pytest.raises(vestige.VestigeError, match="overwrite"):
        found.save(folder)
    with pytest.raises(vestige.VestigeError, match="overwrite: is str 'yes'"):
        found.save(folder, overwrite="yes")  # type: ignore[arg-type]
    for wrong in (5, None, b"runs"):
        with pytest.raises(vestige.VestigeError, match=r"folder: is .*; expected "):
            found.save(wrong)  # type: ignore[arg-type]
    for _ in range(2):
        assert found.save(str(tmp_path / "twice"), overwrite=True).report_path.is_file()


def test_rows_in_pandas() -> None:
    found = landmarks()
    frame = found.to_frame()
    assert list(frame.columns) == ["method", "metric", "subset", "value", "low", "high", "n"]
    assert frame["value"].tolist() == [row.value for row in found.rows]
    assert frame["low"].tolist() == [row.ci95[0] for row in found.rows if row.ci95 is not None]
    sweep = found.to_frame(sweep=True)
    assert list(sweep.columns[-3:]) == ["layer", "readout", "backbone"]
    assert len(sweep) == len(found.sweep)


def test_pandas_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = landmarks()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(vestige.VestigeError, match="pip install pandas"):
        found.to_frame()


def test_a_run_is_opened_evaluated_and_saved_again(folder: Path, tmp_path: Path) -> None:
    run = vestige.open_run(str(folder))
    assert run.rows == run.results.rows == vestige.open_run(folder).rows
    assert len(run.to_frame()) == len(run.rows)
    other = run.evaluate(OTHER)
    assert [row.value for row in run.evaluate(vestige.open_dataset(OTHER)).rows] == [row.value for row in other.rows]
    assert [(row.method, row.metric) for row in other.rows] == [(row.method, row.metric) for row in run.rows]
    assert vestige.open_run(other.save(tmp_path / "other").folder).results.config["evaluated_run"] == str(folder)
    with pytest.raises(vestige.VestigeError, match="was trained on"):
        run.evaluate(FACES[0])


def test_a_run_predicts_pictures_in_any_form(folder: Path, tmp_path: Path) -> None:
    run = vestige.open_run(folder)
    example = vestige.open_dataset(OTHER)[0]
    pixels = example.image.read()
    path = tmp_path / "face.png"
    Image.fromarray(pixels).save(path)
    (expected,) = run.predict(example).predictions
    for image in (path, str(path), pixels, Image.fromarray(pixels), [path], (pixels,), pixels[None]):
        for boxes in (example.box, [example.box], list(example.box)):
            (found,) = run.predict(image, boxes=boxes).predictions
            np.testing.assert_array_equal(found.points, expected.points)
    both = run.predict([example, path, tmp_path / "no.png"], boxes=[None, example.box, example.box])
    assert [len(both.predictions), len(both.failures)] == [2, 1]
    assert len(run.predict(vestige.open_dataset(OTHER)).predictions) == len(run.predict(OTHER).predictions) == 5
    assert len(run.predict(pixels, whole=True).predictions) == 1


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (5, {}, r"images\[0\]: is int"),
        ([None], {}, r"images\[0\]: is NoneType"),
        ({}, {}, "images: is dict"),
        ([], {}, "images: is list"),
        (np.zeros((4, 4, 3)), {}, r"images\[0\]: is float64"),
        ("synthetic:faces,n=1", {"boxes": 3}, "boxes: is int"),
        ("synthetic:faces,n=1", {"boxes": [[0, 0, 9]]}, r"boxes\[0\]: has shape"),
        ("synthetic:faces,n=1", {"boxes": [[0, 0, 9, 9]] * 2}, "there are 2 for 1"),
        ("synthetic:faces,n=1", {"whole": "yes"}, "whole: is str"),
        ("synthetic:faces,n=1", {"category": 3}, "category: is int"),
        ("synthetic:faces,n=1", {"device": 3}, "device: is int"),
    ],
)
def test_what_no_run_predicts_is_refused(folder: Path, images: object, options: dict[str, object], said: str) -> None:
    with pytest.raises(vestige.VestigeError, match=said):
        vestige.open_run(folder).predict(images, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [5, None, ["synthetic:faces"], {}])
def test_what_is_no_data_or_no_folder_is_refused(folder: Path, wrong: object) -> None:
    with pytest.raises(vestige.VestigeError, match=r"data: is .*; expected "):
        vestige.open_run(folder).evaluate(wrong)  # type: ignore[arg-type]
    with pytest.raises(vestige.VestigeError, match=r"folder: is .*; expected "):
        vestige.open_run(wrong)  # type: ignore[arg-type]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(vestige.VestigeError, match="no finished run"):
        vestige.open_run(tmp_path)


@pytest.mark.parametrize(
    ("value", "hint", "fitted"),
    [
        ([1, 2], tuple[int, ...], (1, 2)),
        (np.array([0.5, 1]), tuple[float, ...], (0.5, 1.0)),
        (np.float32(0.5), float, 0.5),
        (None, str | None, None),
        ("a", Path | None, Path("a")),
        ([1, "a"], tuple[int, str], (1, "a")),
        (np.bool_(True), bool, True),
    ],
)
def test_values_are_made_what_options_hold(value: object, hint: object, fitted: object) -> None:
    found = as_type("name", value, hint)
    assert found == fitted
    assert type(found) is type(fitted)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vestige.open_dataset(5), "data: is int 5; expected a text"),
        (lambda: vestige.open_dataset(FACES[0], strict="yes"), "strict: is str 'yes'; expected True or False"),
        (lambda: vestige.open_dataset(FACES[0], markup="face68"), "markup: is str 'face68'; expected a Markup"),
        (lambda: vestige.open_train_test(*FACES, strict=0), "strict: is int 0; expected True or False"),
        (lambda: vestige.open_backbone({}), "backbone: is dict {}; expected a text"),
        (lambda: vestige.Reader().backbone(None), "backbone: is NoneType; expected a text"),
        (lambda: vestige.Reader(options="cpu"), "options: is str 'cpu'; expected an ExtractOptions"),
        (lambda: vestige.Reader(cache=3), "cache: is int 3; expected a path"),
        (lambda: vestige.Session(reader="cpu"), "reader: is str 'cpu'; expected a Reader"),
        (lambda: vestige.LandmarkOptions(layers="block7"), "layers: is str 'block7'; expected a list"),
        (lambda: vestige.LandmarkOptions(mirror="no"), "mirror: is str 'no'; expected True or False"),
        (lambda: vestige.LandmarkOptions(backbone=7), "backbone: is int 7; expected a text"),
        (lambda: vestige.ExtractOptions(device=0), "device: is int 0; expected a text"),
    ],
)
def test_every_way_in_refuses_what_it_does_not_take(call: Callable[[], object], said: str) -> None:
    with pytest.raises(vestige.VestigeError) as caught:
        call()
    assert said in str(caught.value)


TRAIN, TEST = OBJECTS
KEYWORDS = {
    "compare": (FACES, {"task": "pixels", "backbones": ["rgb:4", "rgb:5"], "settings": ["size=8"], "seed": 3}),
    "align": (OBJECTS, {"layers": ["stem"], "betas": [0.01], "neighbours": 3, "sift_radius": 0}),
    "classify": (OBJECTS, {"layers": ["stem"], "cs": [1, 0.1], "radii": (), "localise": 2}),
    "detect": (OBJECTS, {"layers": ["stem"], "size": 64, "sift_bin": 0, "rounds": 2, "etas": [0.1, 0.2]}),
    "patches": ((), {"databases": [TRAIN], "layers": ["stem"], "ks": [1, 2], "patches": 50}),
    "fields": ((), {"databases": [TRAIN, TEST], "layers": ["stem"], "seeds": 2, "short_side": 32}),
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_correspondences_and_comparisons_take_their_own_options_by_keyword(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def options_of(_task: object, _session: object, _data: object, *options: object) -> tuple[object, ...]:
        return options

    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    monkeypatch.setattr("vestige.contract.task.Task.measure", options_of)
    data, given = KEYWORDS[name]
    images = {"images": [tmp_path / "photo.png"]} if name == "patches" else {}
    made = vestige.measure(name, *data, session=quiet(), **given, **images)
    held = {key: value for each in made for key, value in vars(each).items()}
    for key, value in given.items():
        if key != "databases":
            assert held[key] == (tuple(value) if isinstance(value, list) else value)
    with pytest.raises(vestige.VestigeError, match=f"is no option of task '{name}'; did you mean"):
        vestige.measure(name, *data, session=quiet(), **{**given, **images, "layrs": ["stem"]})
