"""Patches and fields through the command line, on drawn objects."""

import json

import numpy as np
import pytest
from PIL import Image

from vestige.datasets.opening import open_dataset
from vestige.results import read_results
from vestige.run import Run

DATA = "synthetic:objects,n=20,seed=3,size=96"
OPTIONS = ["--database", DATA, "--layer", "block1", "--layer", "block2"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Two photographs of which the database has none, and one of no picture."""
    place = tmp_path_factory.mktemp("photographs")
    for i, example in enumerate(open_dataset("synthetic:objects,n=2,seed=9,size=96")):
        Image.fromarray(example.image.read()[: 96 - 11 * i]).save(place / f"{i}.png")
    (place / "text.png").write_text("no picture")
    return [place / "0.png", place / "1.png", place / "text.png"]


@pytest.fixture(scope="module")
def patches(vestige, images, tmp_path_factory):
    output = tmp_path_factory.mktemp("patches") / "run"
    said = vestige("correspond", "patches", *images[:2], *OPTIONS, "-k", 2, "-k", 1, "-o", output)
    return output, *said


def test_patches_leave_a_run(patches):
    output, out, err = patches
    results = read_results(output / "results.json")
    assert (results.task, results.config["metric"], results.config["ks"]) == ("patches", "mae@1", [1, 2])
    methods = [f"{method}:{layer}" for layer in ("block1", "block2") for method in ("neighbours", "uniform")]
    assert list(results.measured) == methods
    for method in methods:
        assert {row.metric for row in results.rows if row.method == method} >= {"mae@1", "mae@2", "psnr@1", "psnr@2"}
        row = results.row(method, "mae@2")
        assert 0 < row.ci95[0] <= row.value <= row.ci95[1] < 1
        assert method in out
    view = results.config["views"]["block2"]
    assert (view["stride"], view["patches"], view["pictures"]) == ([4, 4], 20 * 24 * 24, 20)
    assert f"block2: {20 * 24 * 24:,} patches of 20 pictures" in err
    assert "1,000,000" in results.notes[0]
    assert results.data["train"]["n"] == 20
    assert results.data["test"]["n"] == 2
    assert results.seconds > 0
    assert (output / "report.html").is_file()
    assert {path.name for path in (output / "figures").iterdir()} == {
        "error-by-layer-run.png",
        "replaced-0.png",
        "replaced-1.png",
    }


def test_patches_leave_what_their_report_is_drawn_from(vestige, patches, images, tmp_path):
    run = Run(patches[0])
    arrays, results = run.examples(), run.results()
    for p, image in enumerate(images[:2]):
        x0, y0, x1, y1 = arrays["regions"][p]
        picture = np.asarray(Image.open(image))[y0:y1, x0:x1]
        assert np.array_equal(arrays[f"picture/{p}"], picture)
        off = np.abs(arrays[f"neighbours/block2/2/{p}"].astype(float) - picture).mean() / 255
        assert off == pytest.approx(arrays["error/neighbours:block2/mae@2"][p])
        assert arrays[f"neighbours/block2/{p}"].shape == (*arrays[f"similarity/block2/{p}"].shape, 3)
        assert arrays[f"similarity/block2/{p}"].mean() == pytest.approx(
            arrays["error/neighbours:block2/similarity@2"][p], abs=1e-6
        )
    mean = arrays["error/neighbours:block2/mae@2"].mean()
    assert results.row("neighbours:block2", "mae@2").value == pytest.approx(mean)
    (run.folder / "report.html").unlink()
    vestige("report", run.folder, "-o", tmp_path / "again.html")
    assert "block2" in (tmp_path / "again.html").read_text()


def test_fields_leave_a_run(vestige, tmp_path):
    output = tmp_path / "run"
    out, _ = vestige("correspond", "fields", *OPTIONS, "--seeds", 3, "-k", 4, "-k", 8, "--patches", 5000, "-o", output)
    results = read_results(output / "results.json")
    assert (results.task, results.config["metric"]) == ("fields", "middle@4")
    assert all(note.startswith(("Metrics that the paper", "Intervals over 3 groups")) for note in results.notes)
    assert "neighbours:block2" in out
    assert "random:block2" in out
    assert results.row("neighbours:block1", "middle@8").n == 3
    arrays = Run(output).examples()
    assert arrays["mean/block2/8"].shape == (3, 19, 19, 3)
    own = arrays["seed_pictures"]
    for s, neighbours in enumerate(arrays["neighbours/block2"]):
        names = {str(arrays["database_ids"][picture]) for picture in neighbours[:, 0]}
        assert str(arrays["ids"][own[s]]) not in names
    assert (output / "report.html").is_file()
    assert {path.name for path in (output / "figures").iterdir()} == {
        "agreement-run.png",
        "fields-block1.png",
        "fields-block2.png",
    }


def test_a_seed_at_a_point_of_a_photograph(vestige, images, tmp_path):
    options = ["--image", images[0], "--at", "30,40", "--at", "9.5,2", "-k", 1, "--short-side", 48]
    vestige("correspond", "fields", *OPTIONS, *options, "-o", tmp_path / "run")
    arrays = Run(tmp_path / "run").examples()
    assert arrays["seed_points"].tolist() == [[15, 20], [4.75, 1]]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["short_side"] == 48
    assert config["metric"] == "similarity@1"
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer", "block99"], "has no layer 'block99'"),
        (["--layer", "classifier"], "no grid"),
        (["--layer", "block1", "-k", 10**6], "patches to choose from"),
        (["--layer", "block1", "--database", "folder:/nowhere"], "/nowhere"),
        (["--layer", "block1", "--backbone", "efficientnet_lite9"], "efficientnet_lite9"),
    ],
)
def test_mistakes_end_in_one_message(vestige, images, tmp_path, options, message):
    _, error = vestige(
        "correspond", "patches", images[0], "--database", DATA, *options, "-o", tmp_path / "run", status=2
    )
    assert message in error


def test_mistakes_of_pictures_and_points_end_in_one_message(vestige, images, tmp_path, patches):
    data = [*OPTIONS, "-o", tmp_path / "run"]
    _, error = vestige("correspond", "patches", images[2], *data, status=2)
    assert "text.png: " in error
    _, error = vestige("correspond", "patches", images[0], *OPTIONS, "-o", patches[0], status=2)
    assert "--overwrite" in error
    _, error = vestige("correspond", "fields", "--at", "3;4", *data, status=2)
    assert "expected X,Y in pixels" in error
    _, error = vestige("correspond", "fields", "--at", "3,4", *data, status=2)
    assert "--image" in error
    _, error = vestige("correspond", "fields", "--image", images[0], "--at", "300,4", *data, status=2)
    assert "lies outside 0.png" in error


def test_patches_may_lie_about_what_cells_respond_to(vestige, images, patches, tmp_path):
    vestige(
        "correspond",
        "patches",
        images[0],
        *OPTIONS,
        "-k",
        1,
        "--centres",
        "response",
        "-o",
        tmp_path / "run",
        page=False,
    )
    stated, found = (read_results(run / "results.json").config["views"] for run in (patches[0], tmp_path / "run"))
    for layer, view in found.items():
        assert stated[layer]["response"] is None
        assert view["centre"] == stated[layer]["centre"]
        away = np.array(view["centre"]) - view["response"]
        assert ((0.2 < away) & (away < view["stride"])).all()  # trained with padding below and on the right alone
    notes = read_results(tmp_path / "run" / "results.json").notes
    assert [note.split()[2] for note in notes if "respond" in note] == ["block1", "block2"]
