"""A run on new photographs: what is read, what is refused, and what is left in the folder."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.documents import read_json
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import ImageFile
from vestige.probes.engine.photographs import open_photographs, with_boxes, with_boxes_of
from vestige.probes.engine.prediction_files import PredictionFile, check_prediction_folder, write_predictions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.progress import print_nothing
from vestige.run import Run
from vestige.trained_run import predict_run

TRAIN, TEST = "synthetic:faces,n=12,seed=1,size=96", "synthetic:faces,n=6,seed=2,size=96"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    options = LandmarkOptions(layers=("block1",), readouts=("grid:4",), untrained_seeds=0)
    probe = probe_landmarks(
        open_dataset(TRAIN), open_dataset(TEST), options, Session(Reader(keep=False), print_nothing)
    )
    return probe.save(tmp_path_factory.mktemp("runs") / "faces")


@pytest.fixture
def faces(tmp_path):
    """Two photographs of the same name in two folders, with their boxes."""
    made = []
    for folder, example in zip(("a", "b"), open_dataset(TEST), strict=False):
        (tmp_path / folder).mkdir()
        Image.fromarray(example.image.read()).save(tmp_path / folder / "me.png")
        path = tmp_path / folder / "me.png"
        made.append(Example(str(path), str(path), ImageFile(path), example.box))
    return made


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_predictions_are_those_of_the_evaluation(run):
    examples = tuple(open_dataset(TEST))
    found = predict_run(run, examples, batch=4)
    points = np.stack([each.points for each in found.predictions])
    np.testing.assert_allclose(points, run.examples()["prediction/look-back"], atol=2e-3)
    assert found.failures == ()
    assert found.method == "look-back"


def test_the_good_ones_are_done_where_one_is_bad(run, faces, tmp_path):
    (tmp_path / "cut.png").write_bytes((tmp_path / "a" / "me.png").read_bytes()[:-2000])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:3000])  # its header is whole
    bad = [
        replace(faces[0], id=name, image=ImageFile(tmp_path / name)) for name in ("cut.png", "missing.png", "cut.jpg")
    ]
    far = replace(faces[1], box=np.array([0, 0, 1e9, 1e9]))
    found = predict_run(run, [bad[0], faces[0], bad[1], bad[2], far, replace(faces[1], box=None), faces[1]])
    assert [each.looked.example for each in found.predictions] == [faces[0], faces[1]]
    assert sorted(Path(each.image).name for each in found.failures) == [
        "cut.jpg",
        "cut.png",
        "me.png",
        "me.png",
        "missing.png",
    ]
    assert sum("box of the Example" in str(each) for each in found.failures) == 1


def test_a_box_is_asked_for_in_words_where_the_run_was_trained_on_boxes(run, faces):
    bare = [replace(example, box=None) for example in faces]
    with pytest.raises(VestigeError, match=r"box of the Example.*whole=True"):
        predict_run(run, bare, say=pytest.fail)  # of what is not done, nothing is said
    said: list[str] = []
    assert len(predict_run(run, bare, whole=True, say=said.append).predictions) == 2
    assert [line.split()[0] for line in said] == ["no", "predicting"]
    predict_run(run, faces, say=said.append)
    assert len(said) == 3


def test_a_prediction_that_is_not_finite_is_an_error(run, faces, monkeypatch):
    from vestige.probes.engine.trained_vectors import VectorPredictor

    predict = VectorPredictor.predict

    def broken(*arguments):
        return [replace(each, values=each.points * np.nan) for each in predict(*arguments)]

    monkeypatch.setattr(VectorPredictor, "predict", broken)
    with pytest.raises(VestigeError, match="is not finite"):
        predict_run(run, faces)


def test_an_input_is_never_written_over(run, faces, tmp_path):
    found = predict_run(run, faces)
    before = (tmp_path / "a" / "me.png").read_bytes()
    write_predictions(found, tmp_path / "a")
    assert (tmp_path / "a" / "me.png").read_bytes() == before
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"me.png", "me-2.png", "me-3.png", "predictions.json"}


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_links_to_inputs_and_names_in_other_cases_are_left_alone(run, faces, tmp_path, link):
    output = tmp_path / "out"
    output.mkdir()
    link(tmp_path / "a" / "me.png", output / "ME.png")
    (output / "me-3.PNG").write_bytes(b"the user's")
    before = _content(output)
    write_predictions(predict_run(run, faces), output)
    after = _content(output)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"me-2.png", "me-4.png", "predictions.json"}


def test_what_was_predicted_is_kept_unless_asked(run, faces, tmp_path):
    output = tmp_path / "out"
    write_predictions(predict_run(run, faces), output)
    (output / "notes.txt").write_text("the user's")
    before = _content(output)
    with pytest.raises(VestigeError, match="overwrite"):
        check_prediction_folder(output)
    with pytest.raises(VestigeError):
        write_predictions(predict_run(run, faces[1:]), output)
    assert _content(output) == before
    Image.new("RGB", (4, 4)).save(output / "me-2.png")  # the user's own takes the place of what was drawn
    mine = (output / "me-2.png").read_bytes()
    write_predictions(predict_run(run, faces[1:]), output, overwrite=True)
    assert {path.name for path in output.iterdir()} == {"me.png", "me-2.png", "notes.txt", "predictions.json"}
    assert (output / "me-2.png").read_bytes() == mine


def test_a_drawn_picture_that_is_predicted_in_its_turn_is_kept(run, faces, tmp_path):
    output = tmp_path / "out"
    write_predictions(predict_run(run, faces[:1]), output)
    drawn = (output / "me.png").read_bytes()
    again = replace(faces[0], image=ImageFile(output / "me.png"))
    write_predictions(predict_run(run, [again]), output, overwrite=True)
    assert (output / "me.png").read_bytes() == drawn
    assert (output / "me-2.png").is_file()


def test_a_foreign_file_of_that_name_is_never_replaced(run, faces, tmp_path):
    (tmp_path / "predictions.json").write_text('{"mine": 1}')
    with pytest.raises(VestigeError, match=r"predictions\.json"):
        write_predictions(predict_run(run, faces), tmp_path, overwrite=True)
    assert (tmp_path / "predictions.json").read_text() == '{"mine": 1}'


def test_the_document_names_run_network_method_units_and_error(run, faces, tmp_path):
    write_predictions(predict_run(run, faces), tmp_path / "out")
    said = read_json(tmp_path / "out" / "predictions.json", PredictionFile, what="predictions")
    content = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert content.keys() == set(PredictionFile.__dataclass_fields__)
    results = run.results()
    assert said.run == str(run.folder)
    assert said.network == {key: results.backbone[key] for key in ("spec", "weights_sha256", "layer", "readout")}
    assert (said.method, said.units, said.schema) == ("look-back", "pixels", 1)
    assert "i + 0.5" in said.coordinates
    assert said.error["metric"] == "nme_inter_ocular"
    (row,) = (row for row in run.results().sweep if (row.method, row.metric[:4]) == ("look-back", "oof_"))
    assert (said.error["value"], said.error["n"]) == (row.value, row.n)
    assert [each["picture"] for each in said.predictions] == said.pictures == ["me.png", "me-2.png"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**content, "predictions": 3}, PredictionFile)


def test_coco_comes_back_where_it_was(run, faces, tmp_path):
    found = predict_run(run, faces)
    write_predictions(found, tmp_path / "out", coco=True)
    root = json.loads((tmp_path / "out" / "predictions.json").read_text())["info"]["images"]
    read = list(open_dataset(f"coco:{tmp_path / 'out' / 'predictions.json'},images={root}"))
    assert len(read) == 2
    for again, each in zip(read, found.predictions, strict=True):
        np.testing.assert_allclose(again.keypoints, each.points, atol=1e-3)
        np.testing.assert_allclose(again.box, each.looked.box)
        assert again.image.path == each.looked.path
    write_predictions(found, tmp_path / "out", overwrite=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"me.png", "me-2.png", "predictions.json"}


def test_boxes_come_from_a_table_or_coco(faces, tmp_path):
    bare = [replace(example, box=None) for example in faces]
    rows = [(bare[0].id, 1, 2, 30, 40), (bare[0].id, 5, 6, 50, 60), ("b/me.png", 3, 4, 70, 80), ("c.png", 0, 0, 1, 1)]
    with (tmp_path / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "x0", "y0", "x1", "y1"), *rows])
    document = {
        "images": [
            {"id": "1", "file_name": bare[0].id},
            {"id": 2, "file_name": "b/me.png"},
            {"id": 3, "file_name": "c.png"},
        ],
        "annotations": [
            {"image_id": i, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for i, (_, x0, y0, x1, y1) in zip((1, 1, 2, 3), rows, strict=True)
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    for name in ("boxes.csv", "boxes.json"):
        boxed, failures = with_boxes_of(bare, tmp_path / name)
        assert [(e.id, *e.box.tolist()) for e in boxed] == [*rows[:2], (bare[1].id, 3, 4, 70, 80)]
        assert [failure.image for failure in failures] == ["c.png"]


@pytest.mark.parametrize("row", ["me.png,1,2,3", "me.png,1,2,3,nan", "me.png,1,2,3,x", "me.png,1,2,3,inf"])
def test_a_bad_row_of_boxes_is_named(faces, tmp_path, row):
    (tmp_path / "boxes.csv").write_text(f"image,x0,y0,x1,y1\na.png,1,2,3,4\n{row}\n")
    with pytest.raises(VestigeError, match=r"boxes\.csv, line 3: "):
        with_boxes_of(faces, tmp_path / "boxes.csv")


def test_a_table_without_a_column_is_refused(faces, tmp_path):
    (tmp_path / "boxes.csv").write_text("image,left,top\na.png,1,2\n")
    with pytest.raises(VestigeError, match="no column 'x0'"):
        with_boxes_of(faces, tmp_path / "boxes.csv")


def test_words_are_files_folders_or_data(faces, tmp_path):
    examples, failures = open_photographs([str(tmp_path / "a"), faces[1].id, TEST, str(tmp_path / "nothing.png")])
    assert [example.id for example in examples[:2]] == [faces[0].id, faces[1].id]
    assert len(examples) == 2 + 6 + 1
    assert all(example.box is not None for example in examples[2:8])
    assert failures == []
    (tmp_path / "empty").mkdir()
    assert [each.image for each in open_photographs([str(tmp_path / "empty")])[1]] == [str(tmp_path / "empty")]


def test_boxes_are_one_for_all_or_one_for_each(faces):
    one, two = np.array([0.0, 0, 5, 5]), np.array([1.0, 1, 9, 9])
    assert [e.box.tolist() for e in with_boxes(faces, [one])] == [one.tolist()] * 2
    assert [e.box.tolist() for e in with_boxes(faces, [one, two])] == [one.tolist(), two.tolist()]
    with pytest.raises(VestigeError, match="3 times for 2"):
        with_boxes(faces, [one, two, one])


def test_no_features_are_kept(run, faces, tmp_path, monkeypatch):
    monkeypatch.setenv("VESTIGE_CACHE", str(tmp_path / "cache"))
    predict_run(Run(run.folder), faces)
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").rglob("*.json"))
