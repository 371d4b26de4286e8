"""A portrait of a drawn face by runs of several tasks, through the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vestige.bounds import FACE_MARGIN
from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.geometry import square_about
from vestige.papers.persistent_evidence.experiments import portrait, sitting
from vestige.probes.attributes.measure import attributes_of
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.measure import segmentation_of
from vestige.progress import print_nothing
from vestige.run import Run, start_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each task at the same layer, without its report."""
    folder = tmp_path_factory.mktemp("runs")
    data = [open_dataset(f"synthetic:faces,n={n},seed={seed},size=64") for n, seed in ((16, 1), (6, 2))]
    session = Session(Reader(), print_nothing)
    options = VectorOptions(layers=("block4",), rgb_size=8, untrained_seeds=0)
    tasks = {
        "pixels": Pixelwise(12, crops=True, box_margin=FACE_MARGIN),
        "attributes": attributes_of(data[0], ["glasses", "yaw"])[0],
        "segmentation": segmentation_of(data[0], grid=6, augment=1, smallest_crop=1.0, seed=0),
    }
    for name, task in tasks.items():
        probe_vectors(task, *data, options, session).record(start_run(folder / name))
    points = LandmarkOptions(layers=("block4",), readouts=("auto:4096",), mirror=False, untrained_seeds=0)
    probe_landmarks(*data, points, session).record(start_run(folder / "landmarks"))
    return folder


@pytest.fixture(scope="module")
def photograph(runs):
    """A face and its box as an option."""
    example = open_dataset("synthetic:faces,n=1,seed=5,size=160")[0]
    Image.fromarray(example.image.read()).save(runs / "face.png")
    return runs / "face.png", ",".join(f"{value:.3f}" for value in example.box)


def named(runs, *tasks):
    return [word for task in tasks for word in ("--run", runs / task)]


def test_runs_that_see_the_same_square_at_the_same_layer_share_one_descriptor(vestige, runs, photograph, tmp_path):
    image, box = photograph
    picture = tmp_path / "new" / "portrait.png"
    _, said = vestige("portrait", image, *named(runs, "landmarks", "pixels", "attributes"), "--box", box, "-o", picture)
    assert "different descriptors" not in said
    found = json.loads(picture.with_suffix(".json").read_text())
    assert found["one_descriptor"]
    assert [reading["task"] for reading in found["readings"]] == ["landmarks", "pixels", "attributes"]
    seen = square_about(np.array(box.split(","), dtype=float), 0.3)
    assert all(reading["seen"] == pytest.approx(seen.tolist()) for reading in found["readings"])
    assert {reading["layer"] for reading in found["readings"]} == {"block4"}
    assert len(found["readings"][0]["points"]) == 68
    pixels = np.asarray(Image.open(picture))
    assert pixels.std() > 20
    assert pixels.shape[1] > 1000


def test_its_readings_are_those_of_predict_without_looking_back(vestige, runs, photograph, tmp_path):
    image, box = photograph
    vestige("portrait", image, *named(runs, "landmarks", "attributes"), "--box", box, "-o", tmp_path / "p.png")
    landmarks, attributes = json.loads((tmp_path / "p.json").read_text())["readings"]
    for reading, task, key in ((landmarks, "landmarks", "points"), (attributes, "attributes", "attributes")):
        vestige("predict", runs / task, image, "--box", box, "-o", tmp_path / task)
        (expected,) = json.loads((tmp_path / task / "predictions.json").read_text())["predictions"]
        assert (reading[key] == expected[key]) == (task == "attributes")  # landmarks were looked for once more


def test_different_squares_are_different_descriptors_and_said_to_be(vestige, runs, photograph, tmp_path):
    image, box = photograph
    _, said = vestige(
        "portrait", image, *named(runs, "segmentation", "attributes"), "--box", box, "-o", tmp_path / "p.png"
    )
    assert "different descriptors" in said
    found = json.loads((tmp_path / "p.json").read_text())
    assert not found["one_descriptor"]
    assert found["readings"][0]["seen"] == [0, 0, 160, 160]
    assert sum(found["readings"][0]["classes"].values()) == pytest.approx(1, abs=1e-3)


def test_all_four_share_the_whole_picture(vestige, runs, photograph, tmp_path):
    tasks = named(runs, "landmarks", "segmentation", "pixels", "attributes")
    vestige("portrait", photograph[0], *tasks, "-o", tmp_path / "p.png")
    found = json.loads((tmp_path / "p.json").read_text())
    assert found["one_descriptor"]
    assert found["box"] is None


def test_a_reproduction_makes_its_portrait_of_the_square_that_the_landmarks_see(vestige, runs, photograph, tmp_path):
    finished = {
        "landmarks-helen": Run(runs / "landmarks"),
        **{name: Run(runs / name) for name in ("pixels", "segmentation")},
    }
    portrait(finished, {}, "synthetic:faces,n=1,seed=5,size=160", tmp_path / "portrait", "cpu", print)
    found = json.loads((tmp_path / "portrait" / "portrait.json").read_text())
    assert found["one_descriptor"]
    assert [reading["task"] for reading in found["readings"]] == ["landmarks", "pixels", "segmentation"]
    assert found["photograph"] == "face-5-000000"
    assert Image.open(tmp_path / "portrait" / "portrait.png").width > 1000
    image, box = photograph
    vestige("portrait", image, *named(runs, "landmarks"), "--box", box, "-o", tmp_path / "p.png")
    (whole,) = json.loads((tmp_path / "p.json").read_text())["readings"]
    x0, y0, x1, _ = whole["seen"]
    scale = found["size"][0] / (x1 - x0)
    expected = [((point["x"] - x0) * scale, (point["y"] - y0) * scale) for point in whole["points"]]
    points = [(point["x"], point["y"]) for point in found["readings"][0]["points"]]
    assert np.abs(np.subtract(points, expected)).max() < 0.02 * found["size"][0]  # it is resized twice


def test_who_sits_is_read_by_those_who_know_its_class(runs):
    face = open_dataset("synthetic:faces,n=1,seed=5,size=160")[0]
    finished = {"landmarks-lfpw": Run(runs / "landmarks"), "pixels": Run(runs / "pixels")}
    assert [run.name for run in sitting(face, finished).runs] == ["landmarks", "pixels"]
    bird = replace(face, category="bird")
    whole = sitting(bird, finished)
    assert [run.name for run in whole.runs] == ["pixels"]
    assert whole.pixels.shape == (160, 160, 3)
    with pytest.raises(VestigeError, match="class 'bird'"):
        sitting(bird, {"landmarks-lfpw": Run(runs / "landmarks")})


MISTAKES = {
    "no picture": (["--box", "1,2,3,4"], "portrait.txt", "expected a picture's name"),
    "no box": (["--box", "1,2,3"], "p.png", "--box 1,2,3: expected x0,y0,x1,y1"),
    "outside": (["--box", "500,500,600,600"], "p.png", "lies outside its picture"),
    "no classes": (["--class", "cat"], "p.png", "--class cat: none of the runs has classes"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(vestige, runs, photograph, tmp_path, name):
    options, output, message = MISTAKES[name]
    said = vestige("portrait", photograph[0], *named(runs, "attributes"), *options, "-o", tmp_path / output, status=2)
    assert message in " ".join("".join(said).split())


def test_what_is_no_run_or_no_photograph_is_refused(vestige, runs, photograph, tmp_path):
    said = vestige("portrait", photograph[0], "--run", tmp_path, "-o", tmp_path / "p.png", status=2)
    assert "finished run" in " ".join("".join(said).split())
    said = vestige("portrait", tmp_path / "none.png", *named(runs, "pixels"), "-o", tmp_path / "p.png", status=2)
    assert "cannot be read" in " ".join("".join(said).split())
