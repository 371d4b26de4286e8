"""The sentences say what the numbers say, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vestige.probes.landmarks.page import detail, headline
from vestige.report.key_numbers import key_numbers
from vestige.report.point_run import read_point_run
from vestige.run import Run
from vestige.text import count, duration, listed, percent, percent_range, signed, size, value_range

Make = Callable[..., Run]


def test_headline_gives_both_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    ridge, last = run.find("ridge"), run.find("look-back")
    assert ridge is not None
    assert last is not None
    text = headline(run)
    assert "block10 of efficientnet_lite0" in text
    assert percent(ridge.value) in text
    assert f"{percent(last.value)} by looking again" in text


@pytest.mark.parametrize(("look_back", "says"), [(0.05, "and to within"), (0.078, "changes little"), (0.2, "worse")])
def test_look_back_is_judged_by_its_paired_difference(landmark_run: Make, look_back: float, says: str) -> None:
    run = landmark_run(methods={"ridge": 0.078, "look-back": look_back})
    if look_back == 0.078:  # the same predictions: no difference at all
        arrays = run.examples()
        run.write_examples({**arrays, "error/look-back": arrays["error/ridge"]})
    assert says in headline(read_point_run(run))


@pytest.mark.parametrize(
    ("untrained", "says"), [(0.3, "it is training"), (0.02, "training took away"), (None, "no difference")]
)
def test_training_is_judged_by_its_paired_difference(landmark_run: Make, untrained: float | None, says: str) -> None:
    run = landmark_run(methods={"ridge": 0.078, "untrained": untrained or 0.078})
    if untrained is None:
        arrays = run.examples()
        run.write_examples({**arrays, "error/untrained": arrays["error/ridge"]})
    assert says in detail(read_point_run(run))


def test_baselines_are_named_with_their_errors(landmark_run: Make) -> None:
    run = read_point_run(landmark_run())
    text = detail(run)
    for method in ("mean", "rgb", "untrained"):
        row = run.find(method)
        assert row is not None
        assert percent(row.value) in text
    assert [number.tone for number in key_numbers(run)] == ["", "", "", "", "strong"]


def test_run_of_baselines_alone(landmark_run: Make) -> None:
    run = read_point_run(landmark_run(methods={"mean": 0.25}))
    assert headline(run).startswith("Mean shape places 68 landmarks to within")
    assert "40 test pictures" in detail(run)


def test_numbers_in_words() -> None:
    assert percent(0.0784) == "7.8\u202f%"
    assert percent_range((0.0762, 0.08)) == "7.6 to 8.0\u202f%"
    assert value_range((0.0761, 0.08)) == "0.076–0.080"
    assert value_range((-0.02, 0.01)) == "−0.020 to 0.010"
    assert value_range(None) == ""
    assert signed(-0.5, 1) == "−0.5"
    assert count(1, "face") == "1 face"
    assert count(1240, "face") == "1,240 faces"
    assert [duration(s) for s in (4.25, 59, 125, 7260)] == ["4.2 s", "59 s", "2 min 5 s", "2 h 1 min"]
    assert [size(b) for b in (12, 87808, 3.4e6, 5e12)] == [
        "12\u202fB",
        "87.8\u202fkB",
        "3.4\u202fMB",
        "5000.0\u202fGB",
    ]
    assert [listed(w) for w in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
