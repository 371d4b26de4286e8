"""A paper's tables and figures through the command line, on drawn objects in the place of its data."""

import csv
import html
import json
from functools import partial

import pytest

from vestige.correspondence.align.task import AlignOptions
from vestige.papers.object_detectors.exhibits import _emerged
from vestige.papers.reproduction import as_csv
from vestige.results import read_results
from vestige.run import Run

TRAIN, TEST = "synthetic:objects,n=40,seed=1,size=96", "synthetic:objects,n=14,seed=2,size=96"
GIVEN = ["--data", f"voc-keypoints={TRAIN}", "--data", f"voc-keypoints-test={TEST}"]
OPTIONS = ["--table", 2, "--figure", 1, "--figure", 2, *GIVEN, "--layer", "block4", "--untrained", 0]


@pytest.fixture(scope="module")
def made(vestige, tmp_path_factory):
    output = tmp_path_factory.mktemp("reproduce") / "paper"
    vestige("reproduce", "persistent-evidence", *OPTIONS, "-o", output)
    return output


def lines_of(path):
    """The numbers of a table, by group, row and column."""
    return {(line["group"], line["row"], line["column"]): line for line in csv.DictReader(path.open())}


def test_the_table_has_published_and_measured_numbers_in_the_papers_columns(made):
    lines = lines_of(made / "table-2.csv")
    columns = list(dict.fromkeys(column for _, _, column in lines))
    assert (columns[0], columns[-1], len(columns)) == ("airplane", "mean", 21)
    assert lines["Published", "ConvNet + ridge", "bird"]["published"] == "22.7"
    results = read_results(made / "keypoints" / "results.json")
    classes = {row.subset for row in results.rows}
    assert (("Measured here", "Network + ridge", "bird") in lines) == ("bird" in classes)
    row, line = results.row("ridge", "pck@0.1"), lines["Measured here", "Network + ridge", "mean"]
    assert float(line["value"]) == pytest.approx(100 * row.value, rel=1e-5)
    assert [float(line[end]) for end in ("lo", "hi")] == pytest.approx([100 * end for end in row.ci95], rel=1e-5)
    assert (int(line["n"]), line["published"]) == (row.n, "27.8")


def test_a_mean_of_the_datas_own_classes_says_of_how_many(made):
    results = read_results(made / "keypoints" / "results.json")
    assert f"{len(results.config['classes'])} classes; " in html.unescape((made / "report.html").read_text())


def test_the_page_has_what_was_asked_for_and_says_what_is_missing(made):
    page = (made / "report.html").read_text()
    assert "Table 2: object keypoints" in page
    assert "Figure 2b" in page
    assert "Table 1" not in page
    assert "landmarks-helen" in page  # figure 2a is made from it
    assert 'href="keypoints/report.html"' in page
    notes = read_results(made / "keypoints" / "results.json").notes
    assert notes
    assert all(note in html.unescape(page) for note in notes)
    assert TRAIN in page


def test_the_portrait_is_made_of_the_runs_that_are_there(made):
    found = json.loads((made / "portrait" / "portrait.json").read_text())
    assert [reading["task"] for reading in found["readings"]] == ["keypoints"]
    assert "Figure 1" in (made / "report.html").read_text()


def test_a_finished_run_is_kept_and_another_network_refused(vestige, made):
    before = (made / "keypoints" / "results.json").stat().st_mtime_ns
    out, err = vestige("reproduce", "persistent-evidence", *OPTIONS, "--json", "--quiet", "-o", made)
    found = json.loads(out)
    assert (list(found["runs"]), err) == (["keypoints"], "")
    assert found["runs"]["keypoints"] == json.loads((made / "keypoints" / "results.json").read_text())
    assert (made / "keypoints" / "results.json").stat().st_mtime_ns == before
    said = vestige("reproduce", "persistent-evidence", *OPTIONS[:-3], "block7", "-o", made, status=2)
    assert "keypoints" in str(said)


def test_a_dry_run_tells_what_belongs_where_and_writes_nothing(vestige, tmp_path):
    said = str(vestige("reproduce", "persistent-evidence", "--dry-run", *GIVEN, "-o", tmp_path / "paper"))
    assert "40 examples, 0 left out" in said
    assert said.count("  ready") == 1
    words = ["reproduce", "persistent-evidence", "--dry-run", "--json", *GIVEN, "-o", tmp_path / "paper"]
    found = json.loads(vestige(*words)[0])["experiments"]
    assert [each["name"] for each in found if each["ready"]] == ["keypoints"]
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
    lines = lines_of(tmp_path / "new" / "table-1.csv")
    assert lines["", "conv5", "field, published"]["published"] == "163"
    for name in ("field", "stride"):
        own = [line for (_, _, column), line in lines.items() if column == f"{name}, measured"]
        assert len(own) == 6
        assert all(line["value"] == line["published"] for line in own)


def test_the_second_papers_transfer_stands_below_the_published(vestige, tmp_path, monkeypatch):
    fewer = partial(AlignOptions, betas=(0.003, 0.03), queries=4, neighbours=4, first=3)
    monkeypatch.setattr("vestige.papers.learn_correspondence.experiments.AlignOptions", fewer)
    train, test = (f"synthetic:objects,category=car,n={n},seed={n},size=64" for n in (12, 3))
    given = ["--data", f"voc-keypoints={train}", "--data", f"voc-keypoints-test={test}"]
    vestige("reproduce", "do-convnets-learn-correspondence", "--table", 2, *given, "--layer", "block7", "-o", tmp_path)
    lines = lines_of(tmp_path / "table-2-a.csv")
    rows = list(dict.fromkeys((group, row) for group, row, _ in lines))
    folds, given, plain = (f"Measured here, {w}" for w in ("beta by training folds", "beta 0.003", "without flow"))
    assert rows[3:] == [
        (folds, "block7 flow"),
        (folds, "SIFT flow"),
        (given, "block7 flow"),
        (given, "SIFT flow"),
        (plain, "median of neighbours, unaligned"),
        (plain, "nearest-neighbour transfer"),
        (plain, "mean of the class"),
    ]
    results = read_results(tmp_path / "align" / "results.json")
    for method, row in (("flow:block7", "block7 flow"), ("flow:sift", "SIFT flow")):
        chosen, found = results.config["beta"][method], lines[folds, row, "car"]
        assert found["detail"] == f"beta {chosen:g}"
        if chosen == 0.003:
            assert {**found, "group": given, "detail": ""} == lines[given, row, "car"]
    alphas = lines_of(tmp_path / "table-2-b.csv")
    assert alphas["Published", "conv4 flow", "alpha = 0.025"]["published"] == "4.08"
    assert (given, "SIFT flow", "alpha = 0.025") in alphas


THIRD = [
    "reproduce",
    "object-detectors-emerge",
    *("--data", "annotated=synthetic:scenes,n=24,seed=1,size=64"),
    *("--scene-network", "scene_cnn", "--layer", "conv5"),
]


def answers_in(folder):
    answers = folder / "said.csv"
    answers.write_text(
        "layer,unit,annotator,concept,group,precision\n"
        "conv5,1,Ada,trees,object,0.9\nconv5,2,Ada,sea,scene,0.8\nconv5,3,Ada,beds,object,0.7\n"
    )
    return answers


@pytest.fixture(scope="module")
def third(vestige, tmp_path_factory):
    folder = tmp_path_factory.mktemp("third")
    given = ["--data", f"annotations={answers_in(folder)}"]
    vestige(*THIRD, *given, "--table", 1, "--figure", 1, "--figure", 7, "--figure", 10, "-o", folder / "paper")
    return folder / "paper"


def test_the_third_papers_architecture_is_the_one_built_here(third):
    lines = lines_of(third / "table-1.csv")
    own = [line for (group, _, _), line in lines.items() if group == "caffe:caffenet@random:0"]
    assert len(own) == 20
    assert all(line["value"] == line["published"] for line in own)
    assert lines["scene_cnn", "Feature side", "fc7"]["value"] == "1"


def test_the_third_paper_makes_what_its_data_are_enough_for_and_names_the_rest(third):
    page = html.unescape((third / "report.html").read_text())
    assert "Figure 7: precision and levels by layer" in page
    assert "Figure 10: " not in page
    assert "Figure 1: " not in page
    assert "detect is not there: --data scenes=" in page
    assert "people-objects is not there: --data annotations-objects=" in page
    found = read_results(third / "people-scenes" / "results.json").row("people", "precision", "conv5")
    assert (found.value, found.n) == (pytest.approx(0.8), 3)


def test_answers_alone_are_of_no_network(vestige, tmp_path):
    vestige(*THIRD, "--data", f"annotations={answers_in(tmp_path)}", "--figure", 7, "-o", tmp_path / "paper")
    page = (tmp_path / "paper" / "report.html").read_text()
    assert "Networks:" not in page
    assert "levels by layer" in page
    *_, counted = _emerged({"people-scenes": Run(tmp_path / "paper" / "people-scenes")})
    assert "said.csv, by people" in as_csv(counted)


def test_what_goes_on_with_another_run_has_it_measured_first(vestige, tmp_path):
    given = ["--data", "scenes=synthetic:scenes,n=5,seed=2,size=64"]
    vestige(*THIRD, *given, "--figure", 10, "--figure", 11, "-o", tmp_path / "paper")
    results = read_results(tmp_path / "paper" / "detect" / "results.json")
    assert results.config["dissection"] == "dissect-scenes"
    assert results.data["test"]["n"] == 4
    page = (tmp_path / "paper" / "report.html").read_text()
    assert "Figure 10: scene and objects in one pass" in page
    assert "discovered object classes" in page


def test_a_dry_run_of_the_third_paper_reads_answers_and_tells_what_goes_on_with_what(vestige, tmp_path):
    answers = tmp_path / "said.csv"
    answers.write_text("layer,unit,annotator,concept,group,precision\nconv5,1,Ada,trees,object,0.9\n")
    words = [*THIRD, "--dry-run", "--data", f"annotations={answers}"]
    said = str(vestige(*words))
    assert "1 answer on 1 unit" in said
    found = json.loads(vestige(*words, "--json")[0])["experiments"]
    ready = {each["name"] for each in found if each["ready"]}
    assert ready == {
        *("simplified", "minimal", "dissect-scenes", "dissect-objects", "people-scenes", "emerge", "emerge-people")
    }
    answers.write_text("layer,unit\n")
    assert "annotations: cannot be used as given" in str(vestige(*words, status=2))
