import numpy as np
import pytest

from vestige.contract.session import Session
from vestige.datasets.opening import open_dataset
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.probes.engine.lookback import SMALLEST, merge_parts, part_margin, part_views
from vestige.probes.engine.views import Views
from vestige.probes.keypoints.measure import probe_keypoints
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.measure import probe_landmarks
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.progress import print_nothing


def views(boxes, mirrored=(False,)):
    boxes = np.array(boxes, dtype=float)
    picture = Example("a", "a", None)
    return Views([picture], np.zeros(len(boxes), dtype=np.intp), boxes, np.array(mirrored))


def test_the_box_is_the_square_around_the_part_enlarged_by_the_margin():
    predicted = np.array([[[20.0, 30.0], [40.0, 34.0], [99.0, 99.0]]])
    found = part_views(predicted, views([[0, 0, 100, 100]]), (0, 1), 0.05)
    np.testing.assert_allclose(found.boxes, [[15, 17, 45, 47]])  # centre (30, 32), side 20 + 2 * 5


def test_a_part_of_one_point_still_has_a_box():
    predicted = np.array([[[20.0, 30.0]]])
    found = part_views(predicted, views([[0, 0, 100, 100]]), (0,), 0.0)
    np.testing.assert_allclose(found.boxes[0, 2:] - found.boxes[0, :2], 100 * SMALLEST)


def test_mirroring_is_kept():
    found = part_views(np.zeros((2, 2, 2)), views([[0, 0, 10, 10]] * 2, (False, True)), (0, 1), 0.1)
    assert found.mirrored.tolist() == [False, True]


def test_the_margin_is_the_quantile_of_the_error_in_crop_units():
    truth = np.zeros((4, 2, 2))
    predicted = truth.copy()
    predicted[:, 0, 0] = [1.0, 2.0, 3.0, 4.0]
    predicted[:, 1] = 1000.0
    visible = np.array([[True, True]] * 3 + [[False, True]])
    seen = views([[0, 0, 50, 50]] * 4, (False,) * 4)
    assert part_margin(predicted, truth, visible, seen, (0,), 1.0) == 3.0 / 50
    assert part_margin(predicted, truth, visible, seen, (0,), 0.5) == 2.0 / 50


def test_a_part_that_no_one_saw_has_no_margin():
    seen = views([[0, 0, 50, 50]])
    assert part_margin(np.ones((1, 2, 2)), np.zeros((1, 2, 2)), np.zeros((1, 2), bool), seen, (0,), 0.9) == 0.0


def test_points_in_several_parts_are_averaged_and_others_stay():
    predicted = np.zeros((1, 4, 2))
    found = {(0, 1): np.full((1, 2, 2), 2.0), (1, 2): np.full((1, 2, 2), 4.0)}
    merged = merge_parts(predicted, found)
    np.testing.assert_array_equal(merged[0, :, 0], [2, 3, 4, 0])


@pytest.mark.parametrize("probe", [probe_landmarks, probe_keypoints])
def test_the_error_out_of_fold_is_kept_of_every_look(probe):
    kind = {probe_landmarks: LandmarkOptions, probe_keypoints: KeypointOptions}[probe]
    options = kind(layers=("block1",), readouts=("grid:4",), rgb_size=8, untrained_seeds=0, look_backs=2, mirror=False)
    data = [open_dataset(f"synthetic:faces,n={n},seed={n},size=64") for n in (30, 16)]
    made = probe(*data, options, Session(Reader(keep=False), print_nothing))
    metric = made.config["metric"]
    swept = {row.method: row for row in made.sweep if row.metric == f"oof_{metric}"}
    assert list(swept) == ["ridge", "look-back", "look-back-2"]
    for method, row in swept.items():
        tested = next(r for r in made.rows if (r.method, r.metric, r.subset) == (method, metric, "all"))
        assert row.n == 30
        assert (row.layer, row.readout) == ("block1", "grid:4")
        assert row.value == pytest.approx(tested.value, rel=0.35)  # as far off as on faces never seen
    assert len({row.value for row in swept.values()}) == 3
