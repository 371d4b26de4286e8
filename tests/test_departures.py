"""What is not the paper's is told from one place."""

from dataclasses import fields, replace

import pytest

from vestige.departures import departures, in_short
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.points import METHODS, METRICS
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.results import Row, described
from vestige.scores import PCK_METRICS


def test_an_option_is_told_unless_it_is_set_as_in_the_paper():
    for options in (LandmarkOptions(), KeypointOptions()):
        (note,) = departures([options], (), {}, {})
        assert "mirror = True" in note
        assert "margin_quantile = 0.99 (there 1.0)" in note
        as_published = {each.name: each.metadata["paper"] for each in fields(options) if "paper" in each.metadata}
        assert departures([replace(options, **as_published)], (), {}, {}) == ()


def test_metrics_and_methods_are_told_by_what_was_measured():
    measured = (("mean", "mae"), ("ridge", "psnr"), ("untrained", "mae"))
    rows = [Row(method, metric, "all", 0.1, None, 3) for method, metric in measured]
    known = described(rows, Pixelwise.metrics, Pixelwise.known_methods)
    metrics, methods = departures([VectorOptions()], rows, *known)
    assert metrics.endswith(": psnr.")
    assert methods.endswith(": untrained.")
    assert departures([VectorOptions()], rows[:1], *known) == ()
    row = Row("ridge", "auc@0.08", "all", 0.1, None, 3)
    assert "auc@0.08" in departures([VectorOptions()], [row], *described([row], METRICS, METHODS))[0]
    with pytest.raises(ValueError, match=r"auc@0\.08"):
        described([row], PCK_METRICS, METHODS)


def test_in_short_departures_are_one_line_and_other_notes_stay():
    rows = [Row("untrained", "auc@0.08", "all", 0.5, None, 9)]
    departed = departures([VectorOptions()], rows, *described(rows, METRICS, METHODS))
    assert len(departed) > 1
    own = ("Left out: 3.", "Few groups.")
    *rest, short = in_short([own[0], *departed, own[1]])
    assert tuple(rest) == own
    assert "metrics, methods" in short
    assert "auc@0.08" not in short
    assert in_short(own) == own
