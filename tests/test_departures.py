"""What is not the paper's is told from one place."""

from dataclasses import fields, replace

from vestige.departures import OWN_METRICS, departures
from vestige.probes.engine.options import VectorOptions
from vestige.probes.keypoints.options import KeypointOptions
from vestige.probes.landmarks.options import LandmarkOptions
from vestige.results import Row


def test_an_option_is_told_unless_it_is_set_as_in_the_paper():
    for options in (LandmarkOptions(), KeypointOptions()):
        (note,) = departures("landmarks", options, ())
        assert "mirror = True (there False)" in note
        assert "margin_quantile = 0.99 (there 1.0)" in note
        as_published = {each.name: each.metadata["paper"] for each in fields(options) if "paper" in each.metadata}
        assert departures("landmarks", replace(options, **as_published), ()) == ()


def test_metrics_and_methods_are_told_by_what_was_measured():
    measured = (("mean", "mae"), ("ridge", "psnr"), ("untrained", "mae"))
    rows = [Row(method, metric, "all", 0.1, None, 3) for method, metric in measured]
    metrics, methods = departures("pixels", VectorOptions(), rows)
    assert metrics.endswith(": psnr.")
    assert methods.endswith(": untrained.")
    assert departures("pixels", VectorOptions(), rows[:1]) == ()
    row = Row("ridge", "auc@0.08", "all", 0.1, None, 3)
    assert "auc@0.08" in departures("landmarks", VectorOptions(), [row])[0]
    assert not departures("keypoints", VectorOptions(), [row])
    assert OWN_METRICS.keys() >= {"landmarks", "keypoints", "pixels", "segmentation", "attributes", "align"}
