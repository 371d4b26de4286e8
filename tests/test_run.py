import json

import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.results import Results, Row, read_results, resampled
from vestige.run import Run, check_run_folder, start_run

ROW = Row("ridge", "nme_inter_ocular", "all", 0.07, (0.06, 0.08), 330)


def results(rows=(ROW,)):
    sweep = (Row("ridge", "nme_inter_ocular", "all", 0.08, None, 330, layer="block7", readout="flat", seed=0),)
    return Results("landmarks", {"seed": 0}, {"test": {"n": 330}}, {}, {}, tuple(rows), sweep, notes=("told",))


def test_results_come_back_as_they_went(tmp_path):
    run = start_run(tmp_path / "run")
    run.write_results(results())
    assert run.results() == results()
    document = json.loads(run.results_path.read_text())
    assert document["schema"] == 2
    assert list(document["rows"][0]) == ["method", "metric", "subset", "value", "ci95", "n"]
    assert document["sweep"][0]["layer"] == "block7"


def test_rows_hold_one_row_per_method_metric_and_subset():
    with pytest.raises(ValueError, match="two rows"):
        results(rows=(ROW, ROW))


def test_examples_come_back(tmp_path):
    run = start_run(tmp_path)
    run.write_examples({"ids": np.array(["a", "b"]), "error/ridge": np.array([0.1, 0.2])})
    examples = run.examples()
    assert examples["ids"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(examples["error/ridge"], [0.1, 0.2])


def test_a_finished_run_is_only_replaced_when_asked(tmp_path):
    run = start_run(tmp_path / "run")
    run.write_results(results())
    (run.folder / "mine.txt").write_text("kept")
    with pytest.raises(VestigeError, match="overwrite=True"):
        start_run(run.folder)
    again = start_run(run.folder, overwrite=True)
    assert not again.finished
    assert (run.folder / "mine.txt").read_text() == "kept"


def test_a_folder_is_checked_and_left_as_it_was(tmp_path):
    check_run_folder(tmp_path / "a" / "run")
    assert not (tmp_path / "a").exists()
    run = start_run(tmp_path / "run")
    run.write_results(results())
    check_run_folder(run.folder, overwrite=True)
    assert run.finished
    with pytest.raises(VestigeError, match="overwrite=True"):
        check_run_folder(run.folder)


@pytest.mark.parametrize("name", ["file", "file/run", "x" * 300])
def test_what_cannot_hold_a_run_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(VestigeError, match="cannot be the folder"):
        check_run_folder(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unfinished_run_is_taken_up(tmp_path):
    start_run(tmp_path / "run").write_examples({"ids": np.array(["a"])})
    assert not start_run(tmp_path / "run").examples_path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 2, "rows": [{}], "sweep": []}'])
def test_damaged_results_are_named(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(VestigeError, match=r"results\.json"):
        read_results(path)


def test_what_is_no_run_is_told_so(tmp_path):
    with pytest.raises(VestigeError, match="no finished run"):
        Run(tmp_path).results()
    (tmp_path / "file").write_text("")
    with pytest.raises(VestigeError, match="cannot be the folder"):
        start_run(tmp_path / "file")


def test_groups_are_what_is_resampled_where_they_join_pictures():
    assert resampled({"test": {"n": 5, "groups": 3}}) == "groups of test pictures"
    assert resampled({"test": {"n": 5, "groups": 5}}) == resampled({"test": {"n": 5}}) == "test pictures"


def test_of_several_runs_the_page_says_whether_all_some_or_none_have_groups():
    joined, single = {"test": {"n": 5, "groups": 3}}, {"test": {"n": 5, "groups": 5}}
    assert resampled(joined, joined, what="test objects") == "groups of test objects"
    assert resampled(single, single) == "test pictures"
    assert (
        resampled(single, joined)
        == resampled(joined, single)
        == "test pictures, or groups of them where the data have groups"
    )
