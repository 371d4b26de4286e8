import numpy as np
import pytest

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.intervals import Bootstrap, seed_spread
from vestige.markup import Markup, shipped_markup
from vestige.probes.engine.points import measure, truth_of
from vestige.scores import rows_of

MARKUP = Markup(
    "four",
    ("left", "right", "nose", "chin"),
    eyes=((0,), (1,)),
    eye_corners=(0, 1),
    parts={"eyes": (0, 1), "low": (2, 3)},
)
POINTS = np.array([[10.0, 10.0], [30.0, 10.0], [20.0, 20.0], [20.0, 30.0]])


def example(visible=(True,) * 4):
    return Example("a", "a", None, np.array([0.0, 0.0, 40.0, 10.0]), POINTS, np.array(visible))


def test_errors_are_shares_of_the_eye_distance():
    truth = truth_of([example()], MARKUP, "inter-ocular")
    assert truth.metric == "nme_inter_ocular"
    moved = POINTS[None] + [[[0, 0], [0, 0], [2.0, 0], [0, 4.0]]]
    values = measure(moved, truth)
    assert values["nme_inter_ocular", "all"] == pytest.approx(6 / 4 / 20)
    assert values["nme_inter_ocular", "low"] == pytest.approx(3 / 20)
    assert values["nme_inter_ocular", "eyes"] == 0
    assert values["failure@0.08", "all"] == 0
    assert values["auc@0.08", "all"] == pytest.approx(1 - 0.075 / 0.08)


def test_other_normalisers():
    assert truth_of([example()], MARKUP, "box").normaliser == 20.0
    assert truth_of([example()], MARKUP, "eye-corners").normaliser == 20.0
    with pytest.raises(VestigeError, match=r"inter-pupil"):
        truth_of([example()], MARKUP, "inter-pupil")
    with pytest.raises(VestigeError, match="expected one of"):
        truth_of([example()], MARKUP, "nose")


def test_hidden_points_do_not_count_and_hidden_eyes_leave_an_example_out():
    hidden = truth_of([example((True, True, True, False)), example((False, True, True, True))], MARKUP, "inter-ocular")
    off = np.array([[0, 0], [0, 0], [0, 0], [50, 50]])
    values = measure(np.stack([POINTS + off, POINTS]), hidden)
    np.testing.assert_array_equal(values["nme_inter_ocular", "all"], [0.0, np.nan])
    (row,) = [
        r
        for r in rows_of("x", [values], Bootstrap.draw(range(2)))
        if (r.metric, r.subset) == ("nme_inter_ocular", "all")
    ]
    assert (row.value, row.n) == (0.0, 1)


def test_seeds_are_averaged_example_by_example():
    several = [{("m", "all"): np.array([1.0, 3.0, 1.0])}, {("m", "all"): np.array([3.0, 5.0, 2.0])}]
    bootstrap = Bootstrap.draw("abc")
    (row,) = rows_of("untrained", several, bootstrap)
    assert row.value == 2.5
    low, high = bootstrap.interval_of_mean([2.0, 4.0, 1.5])
    half = seed_spread([5 / 3, 10 / 3])
    assert row.ci95 == pytest.approx((2.5 - np.hypot(2.5 - low, half), 2.5 + np.hypot(high - 2.5, half)))
    assert rows_of("ridge", several[:1], bootstrap)[0].ci95 == bootstrap.interval_of_mean([1.0, 3.0, 1.0])


def test_the_eyes_of_the_68_points_are_six_each():
    markup = shipped_markup("face68")
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = [-1, 0], [1, 0]
    face = Example("a", "a", None, np.array([0.0, 0, 1, 1]), points, np.ones(68, bool))
    assert truth_of([face], markup, "inter-ocular").normaliser == 2.0
