"""The commands that ask what single units do: input that they cannot use is refused or left out, and they say so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.geometry import whole_picture

N = 16


def element(name, corners):
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in corners)
    return f"<object><name>{name}</name><deleted>0</deleted><polygon>{points}</polygon></object>"


def rectangle(x0, y0, x1, y1):
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Drawn scenes as files, with objects' boxes; of the last three, one has no object and two one of a pixel."""
    folder = tmp_path_factory.mktemp("labelme")
    for k, example in enumerate(open_dataset(f"synthetic:scenes,n={N},seed=3")):
        pixels = example.image.read()
        height, width = pixels.shape[:2]
        objects = []
        for each in example.objects:
            rows, columns = np.nonzero(each.region.raster((height, width), whole_picture(width, height)))
            if len(rows):
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                objects.append(element(each.name, rectangle(*(int(side) for side in box))))
        if k >= N - 3:
            objects = [element("speck", rectangle(20, 20, 21, 21))] if k >= N - 2 else []
        for name in ("Images", "Annotations"):
            (folder / name / example.scene).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / "Images" / example.scene / f"{k}.png")
        about = f"<annotation><filename>{k}.png</filename>{''.join(objects)}</annotation>"
        (folder / "Annotations" / example.scene / f"{k}.xml").write_text(about)
    return folder


@pytest.fixture(scope="module")
def dissected(vestige, pictures, tmp_path_factory):
    """A run of `vestige units dissect`, and its results."""
    run = tmp_path_factory.mktemp("runs") / "units"
    words = ["--backbone", "scene_cnn", "--layer", "conv5", "--chance", "shuffled", "--least", "2"]
    out, _ = vestige("units", "dissect", f"labelme:{pictures}", *words, "--quiet", "--json", "-o", run)
    return run, json.loads(out)


@pytest.fixture(scope="module")
def photograph(pictures):
    return sorted(pictures.glob("Images/*/*.png"))[0]


def test_pictures_without_objects_and_objects_of_a_pixel_are_told(dissected):
    _, results = dissected
    assert results["data"]["test"]["n"] == N
    assert any("1 picture without annotated objects" in note for note in results["notes"])
    assert any("speck" in note for note in results["notes"]), results["notes"]


def test_minimal_leaves_out_pictures_without_objects_and_takes_those_with_one_of_a_pixel(vestige, pictures, tmp_path):
    bare, speck = (next(pictures.glob(f"Images/*/{k}.png")).parent.name for k in (N - 3, N - 1))
    words = ["--backbone", "scene_cnn", "--draws", "5", "--quiet", "--json", "-o", tmp_path / "run"]
    out, _ = vestige("units", "minimal", f"labelme:{pictures}", "--scene", bare, "--scene", speck, *words)
    results = json.loads(out)
    assert any("without annotated objects are left out: 1" in note for note in results["notes"])
    of_scenes = sum(len(list(pictures.glob(f"Images/{scene}/*"))) for scene in {bare, speck})
    assert results["data"]["test"]["n"] == of_scenes - 1


def test_scenes_go_by_any_name_of_a_category_and_those_without_one_are_told(vestige, tmp_path):
    names = [
        "bath, bathroom",
        "beach",
        "bedroom",
        "farm",
        "forest",
        "galley",
        "office",
        "road",
    ]  # no kitchen, no street
    (tmp_path / "names.txt").write_text("\n".join(names))
    (tmp_path / "given.json").write_text(json.dumps({"street": "road"}))
    words = ["--backbone", f"scene_cnn,categories={tmp_path}/names.txt", "--names", tmp_path / "given.json"]
    output = ["--pictures", "1", "--draws", "5", "--quiet", "--json", "-o", tmp_path / "run"]
    out, _ = vestige("units", "minimal", "synthetic:scenes,n=30,seed=7", *words, *output)
    results = json.loads(out)
    assert {"bathroom": "bath, bathroom", "street": "road"}.items() <= results["config"]["categories"].items()
    assert "kitchen" not in results["config"]["categories"]
    assert any("no category for" in note and "kitchen" in note for note in results["notes"])


def test_receptive_fields_and_preferences_need_no_objects(vestige, pictures, tmp_path):
    words = ["--backbone", "scene_cnn", "--quiet", "--json"]
    fields = ["--layer", "pool1", "--units", "1", "--pictures", "1", "-o", tmp_path / "fields"]
    out, _ = vestige("units", "receptive-fields", f"labelme:{pictures}", *words, *fields)
    assert json.loads(out)["data"]["test"]["n"] == N
    sets = ["--data", f"scenes=labelme:{pictures}", "--data", "faces=synthetic:faces,n=4,seed=1,size=64"]
    prefer = ["--layer", "conv5", "--layer", "fc7", "--top", "3", "-o", tmp_path / "prefer"]  # a vector has a mean, too
    out, _ = vestige("units", "prefer", *sets, *words, *prefer)
    assert {row["layer"] for row in json.loads(out)["rows"]} == {"conv5", "fc7"}


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        ("dissect", ["--backbone", "scene_cnn", "--layer", "fc7", "--least", "2"], "no place in the picture"),
        ("receptive-fields", ["--backbone", "scene_cnn", "--layer", "fc7"], "no place in the picture"),
        (
            "receptive-fields",
            ["--backbone", "scene_cnn", "--layer", "conv5", "--occluder", "500"],
            "--occluder 500: is larger than the picture",
        ),
        ("minimal", ["--backbone", "rgb:8"], "categories"),
        ("minimal", ["--backbone", "object_cnn"], "knows no scene"),
        ("minimal", ["--backbone", "scene_cnn,categories={two}"], "puts out 8 scores"),
        ("minimal", ["--backbone", "scene_cnn", "--scene", "moon"], "--scene moon"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_plan(vestige, pictures, tmp_path, command, words, told):
    (tmp_path / "two.txt").write_text("kitchen\nstreet\n")
    words = [word.format(two=tmp_path / "two.txt") for word in words]
    for rehearsed in (["--dry-run"], []):
        output = ["-o", tmp_path / "run"]
        _, err = vestige("units", command, f"labelme:{pictures}", *words, *rehearsed, *output, status=2)
        assert told in " ".join(err.split())
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["segment", "detect"])
def test_another_network_than_the_runs_is_refused_with_the_plan(vestige, dissected, photograph, tmp_path, command):
    words = ["units", command, dissected[0], photograph, "--backbone", "object_cnn", "-o", tmp_path / "out"]
    for rehearsed in (["--dry-run"], []):
        out, err = vestige(*words, *rehearsed, status=2)
        assert "other weights" in " ".join(err.split())
        assert "plan" not in out + err


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--unit", "fc7:0"], "conv5:0 to 127"), (["--unit", "conv5:128"], "conv5:0 to 127")],
)
def test_units_that_the_run_does_not_have_are_refused(vestige, dissected, photograph, tmp_path, words, told):
    _, err = vestige("units", "segment", dissected[0], photograph, *words, "-o", tmp_path / "out", status=2)
    assert told in " ".join(err.split())


def test_photographs_are_looked_at_by_a_dissection(vestige, dissected, photograph, tmp_path):
    for command in ("segment", "detect"):
        words = ["--least-iou", "0", "--quiet", "--json", "-o", tmp_path / command]
        out, _ = vestige("units", command, dissected[0], photograph, *words)
        assert json.loads(out)["data"]["test"]["n"] == 1
        assert not (tmp_path / command / "probe").exists()  # nothing was trained


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_dissection_leads_to_the_commands_that_look_at_photographs(vestige, dissected, photograph, tmp_path, command):
    other = photograph if command == "predict" else "synthetic:faces,n=4,size=64"
    _, err = vestige(command, dissected[0], other, "-o", tmp_path / "out", status=2)
    said = " ".join(err.split())
    assert all(f"vestige units {each} {dissected[0]} IMAGE" in said for each in ("segment", "detect"))
