"""A paper's tables and figures through the command line, on drawn objects in the place of its data."""

import csv
import html
import json

import pytest

from vestige.results import read_results

TRAIN, TEST = "synthetic:objects,n=40,seed=1,size=96", "synthetic:objects,n=14,seed=2,size=96"
GIVEN = ["--data", f"voc-keypoints={TRAIN}", "--data", f"voc-keypoints-test={TEST}"]
OPTIONS = ["--table", 2, "--figure", 1, "--figure", 2, *GIVEN, "--layer", "block4", "--untrained", 0]


@pytest.fixture(scope="module")
def made(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("reproduce") / "paper"
    vestige("reproduce", "persistent-evidence", *OPTIONS, "-o", output)
    return output


def test_the_table_has_published_and_measured_rows_in_the_papers_columns(made):
    head, *rows = list(csv.reader((made / "table-2.csv").open()))
    published = {row[1]: row for row in rows if row[0] == "Published"}
    measured = {row[1]: row for row in rows if row[0] == "Measured here"}
    bird = head.index("bird")
    assert head[2] == "airplane"
    assert head[-1] == "mean"
    assert published["ConvNet + ridge"][bird] == "22.7"
    results = read_results(made / "keypoints" / "results.json")
    classes = {row.subset for row in results.rows}
    assert (measured["Network + ridge"][bird] == "–") == ("bird" not in classes)
    value = results.row("ridge", "pck@0.1").value
    assert measured["Network + ridge"][-1].startswith(f"{100 * value:.1f} (")


def test_the_page_has_what_was_asked_for_and_says_what_is_missing(made):
    page = (made / "report.html").read_text()
    assert "Table 2: object keypoints" in page
    assert "Figure 2b: PCK against alpha" in page
    assert "Table 1" not in page
    assert "landmarks-helen is not there" in page  # figure 2a is made from it
    assert 'href="keypoints/report.html"' in page
    notes = read_results(made / "keypoints" / "results.json").notes
    assert notes
    assert all(note in html.unescape(page) for note in notes)
    assert TRAIN in page


def test_the_portrait_is_made_of_the_runs_that_are_there(made):
    found = json.loads((made / "portrait" / "portrait.json").read_text())
    assert [reading["task"] for reading in found["readings"]] == ["keypoints"]
    assert "Figure 1: everything read out of one photograph" in (made / "report.html").read_text()


def test_a_finished_run_is_kept_and_another_network_refused(vestige, made):
    before = (made / "keypoints" / "results.json").stat().st_mtime_ns
    vestige("reproduce", "persistent-evidence", *OPTIONS, "-o", made)
    assert (made / "keypoints" / "results.json").stat().st_mtime_ns == before
    said = vestige("reproduce", "persistent-evidence", *OPTIONS[:-3], "block7", "-o", made, status=2)
    assert "holds a run of other data, network or layers" in str(said)


def test_a_dry_run_tells_what_belongs_where_and_writes_nothing(vestige, tmp_path):
    said = str(vestige("reproduce", "persistent-evidence", "--dry-run", *GIVEN, "-o", tmp_path / "paper"))
    assert "40 examples, 0 left out" in said
    assert said.count("  ready") == 1
    assert "--data imagenet=folder:/data/imagenet/val-first-49000" in said
    assert not (tmp_path / "paper").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--data", "moon=folder:/data"], "expected PLACE=SPEC with a place of helen"),
        (["--data", "helen"], "expected PLACE=SPEC"),
        (["--table", 9], "there are table 1, table 2, table 3"),
        (["--table", 1], "--dry-run to see which data belong where"),
        (["--dry-run", "--data", "imagenet=folder:/nowhere"], "imagenet: cannot be used as given"),
    ],
)
def test_mistakes_are_told(vestige, tmp_path, options, expected):
    said = str(vestige("reproduce", "persistent-evidence", *options, "-o", tmp_path / "paper", status=2))
    assert expected in " ".join(said.split())


def test_a_dry_run_of_the_second_paper_names_each_place_once_and_what_is_made_of_it(vestige):
    given = ["--data", f"voc-keypoints={TRAIN}", "--data", f"voc-keypoints-test={TEST}", "--data", f"voc-cats={TRAIN}"]
    said = str(vestige("reproduce", "do-convnets-learn-correspondence", "--dry-run", *given))
    assert said.count("40 examples, 0 left out") == 2
    assert said.count("voc-keypoints: as above") == 2
    assert said.count("  ready") == 3  # the cats have no split of their own
    for line in ("classify: table 3", "detect: table 4, figure 6", "classify-cats: figure 4, figure 5"):
        assert line in said


def test_the_second_papers_receptive_fields_need_no_data(vestige, tmp_path):
    vestige("reproduce", "do-convnets-learn-correspondence", "--table", 1, "-o", tmp_path / "new")
    _, *rows = list(csv.reader((tmp_path / "new" / "table-1.csv").open()))
    assert rows[4][1:] == ["conv5", "163", "16", "163", "16"]
    assert all(row[2:4] == row[4:6] for row in rows)


def test_the_second_papers_transfer_stands_below_the_published(vestige, tmp_path):
    train, test = (f"synthetic:objects,category=car,n={n},seed={n},size=64" for n in (12, 3))
    given = ["--data", f"voc-keypoints={train}", "--data", f"voc-keypoints-test={test}"]
    vestige("reproduce", "do-convnets-learn-correspondence", "--table", 2, *given, "--layer", "block7", "-o", tmp_path)
    head, *rows = list(csv.reader((tmp_path / "table-2-a.csv").open()))
    labels = [row[1] for row in rows if row[0] == "Measured here"]
    assert labels == ["block7 flow", "SIFT flow", "nearest-neighbour transfer", "mean of the class"]
    alphas = list(csv.reader((tmp_path / "table-2-b.csv").open()))
    assert alphas[1] == ["Published", "conv4 flow", "24.9", "11.8", "4.08"]
    assert head[2] == "aero"
    assert [row[1] for row in rows if row[0] == "Published"] == ["conv4 flow", "SIFT flow", "NN transfer"]
