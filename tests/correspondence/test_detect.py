"""Detections against scikit-learn on all rows, step by step, and what is chosen on training folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.calibration import _sigmoid_calibration
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from vestige.contract.session import Session
from vestige.correspondence.detect import measure as detect
from vestige.correspondence.detect.classes import ClassFound, best_place, calibrate, log_gaussian, read_class_found
from vestige.correspondence.detect.features import features_of
from vestige.correspondence.detect.hard_negatives import Detector
from vestige.correspondence.detect.measure import class_data, detect_keypoints, prior_read
from vestige.correspondence.detect.task import DetectOptions
from vestige.correspondence.matched import match_instances
from vestige.correspondence.svm import Solution
from vestige.datasets.dataset import part_of
from vestige.datasets.opening import open_train_test
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.partial_work import PartialWork

OPTIONS = DetectOptions(
    layers=("block2",),
    size=96,
    closest=3,
    sift_bin=8,
    rounds=40,
    negatives=2000,
    etas=(0.2, 0.6),
    sigmas=(8.0, 20.0),
    eta=0.2,
    sigma=8.0,
    neighbour_layer="block5",
    alphas=(0.1,),
)
DATA = "synthetic:objects,category=bird,size=96"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Matrices as small as these are multiplied quicker by one thread, above all on a busy machine."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def data():
    return open_train_test(f"{DATA},n=30,seed=1", f"{DATA},n=9,seed=2")


@pytest.fixture(scope="module")
def reader():
    return Reader()


@pytest.fixture(scope="module")
def found(data, reader):
    return detect_keypoints(*data, OPTIONS, Session(reader))


@pytest.fixture(scope="module")
def matched(data, reader):
    return match_instances(*data, prior_read(OPTIONS, reader), OPTIONS.backbone, reader, folds=3, k=25)


def oracle(feature, matched, keypoint, rest, asked, side, prior, setting):
    """Where scikit-learn on all rows, Platt's calibration and a Gaussian put a keypoint of some instances.

    The SVM is trained on ``rest`` of the training instances; the calibration is that of all folds.
    """
    instances = getattr(matched, side)
    grids = getattr(feature, side)(np.arange(len(instances)))
    train = feature.train(np.arange(len(matched.train)))
    scale = feature.scale(train, 0)
    places = feature.cells.places().reshape(-1, 2)

    def windows(source, instance):
        grid = np.pad(source.read([instance])[0] * scale, ((0, 0), (feature.reach,) * 2, (feature.reach,) * 2))
        k = 2 * feature.reach + 1
        high, wide = feature.cells.shape
        return np.array([grid[:, y : y + k, x : x + k].ravel() for y in range(high) for x in range(wide)])

    def examples(instance):
        distance = np.linalg.norm(places - matched.train.unit[instance, keypoint] * 96, axis=1)
        offset = np.abs(places - matched.train.unit[instance, keypoint] * 96)
        if feature.name == "sift":
            return distance <= max(16, distance.min()), distance >= 32
        near = np.isin(np.arange(len(places)), np.argsort(distance, kind="stable")[:3])
        return near, (offset >= feature.rule.beyond).any(axis=1)

    def fitted(rows):
        vectors, labels = [], []
        for instance in rows:
            if matched.train.visible[instance, keypoint]:
                near, far = examples(instance)
                all_rows = windows(train, instance)
                vectors += [all_rows[near], all_rows[far]]
                labels += [np.ones(near.sum()), np.zeros(far.sum())]
        model = LinearSVC(loss="squared_hinge", dual=False, C=1.0, tol=1e-8, max_iter=10_000)
        return model.fit(np.concatenate(vectors), np.concatenate(labels))

    scores, labels = [], []
    for fold in (1, 2, 3):
        model = fitted(np.flatnonzero(matched.folds != fold))
        for instance in np.flatnonzero((matched.folds == fold) & matched.train.visible[:, keypoint]):
            near, far = examples(instance)
            held_out = model.decision_function(windows(train, instance))
            scores += [held_out[near], held_out[far]]
            labels += [np.ones(near.sum(), bool), np.zeros(far.sum(), bool)]
    slope, offset = _sigmoid_calibration(np.concatenate(scores), np.concatenate(labels))
    model, (eta, sigma) = fitted(rest), setting
    placed = []
    for instance in asked:
        s = 1 / (1 + np.exp(slope * model.decision_function(windows(grids, instance)) + offset))
        p = np.exp(-np.square(places - prior[instance, keypoint] * 96).sum(axis=1) / (2 * sigma**2))
        with np.errstate(divide="ignore"):
            placed.append(places[np.argmax((1 - eta) * np.log(s) + (eta * np.log(p) if eta else 0))] / 96)
    return np.array(placed)


@pytest.mark.parametrize("name", ["block2", "sift"])
def test_places_are_those_of_scikit_learn_on_all_rows(name, found, matched, reader, data):
    feature = next(each for each in features_of(matched, OPTIONS, reader) if each.name == name)
    ((own, asked, classed),) = class_data(matched).values()
    assert np.array_equal(own, np.arange(len(matched.train)))
    truth = found.arrays["truth"]
    box = found.arrays["boxes"]
    keypoint = int(np.argmax(matched.train.visible.sum(axis=0)))
    for method, setting in ((f"detect:{name}", (0.0, 8.0)), (f"detect:{name}+prior", (0.2, 8.0))):
        expected = oracle(feature, matched, keypoint, own, asked, "test", classed.test_prior, setting)
        predicted = found.arrays[f"prediction/{method}"][:, keypoint]
        unit = (predicted - box[:, :2]) / (box[:, 2:] - box[:, :2])
        same = np.abs(unit - expected).max(axis=1) < 1e-9
        assert same.mean() >= 8 / 9  # equal scores of a symmetric picture may come out in either order
    assert truth.shape == (9, len(data[1].markup.points), 2)


def test_what_is_kept_is_not_computed_again(found, data, reader, tmp_path, monkeypatch):
    first = detect_keypoints(*data, OPTIONS, Session(reader, kept=PartialWork(tmp_path)))
    monkeypatch.setattr(detect, "detect_class", None)
    again = detect_keypoints(*data, OPTIONS, Session(reader, kept=PartialWork(tmp_path)))
    assert first.rows == again.rows == found.rows
    assert first.config["kinds"] == again.config["kinds"] == found.config["kinds"]
    with pytest.raises(TypeError):  # other numbers are computed
        detect_keypoints(*data, replace(OPTIONS, cs=(0.5,)), Session(reader, kept=PartialWork(tmp_path)))


def test_a_keypoint_without_a_detector_is_kept_as_one():
    there = Detector(Solution(np.arange(3.0), 0.5, 2.0, converged=True), 4, 5, 6, 7)
    one = ClassFound({(0.0, 8.0): np.ones((2, 2, 2))}, {(0.0, 8.0): np.zeros((1, 2, 2))}, (None, there))
    read = read_class_found(one.arrays())
    assert read.detectors[0] is None
    assert read.detectors[1].solution.weights.tolist() == [0.0, 1.0, 2.0]
    assert replace(read.detectors[1], solution=there.solution) == there
    assert read.train.keys() == {(0.0, 8.0)}
    assert read.test[0.0, 8.0].shape == (1, 2, 2)
    assert read_class_found(replace(one, detectors=(None, None)).arrays()).detectors == (None, None)


def test_mining_came_to_its_end(found):
    for kind in found.config["kinds"].values():
        assert kind["stable"] == kind["detectors"] > 3
        assert kind["left"] == 0


def test_priors_of_training_instances_come_from_other_folds(matched):
    groups = [example.group for example in matched.train_data]
    assert matched.folds.tolist() == [part_of(group, 3) for group in groups]
    for row, neighbours in enumerate(matched.train_neighbours.rows):
        there = neighbours[neighbours >= 0]
        assert (matched.folds[there] != matched.folds[row]).all()
        assert len(there) == min(25, (matched.folds != matched.folds[row]).sum())
    ((_, _, classed),) = class_data(matched).values()
    for row in range(5):
        for keypoint in classed.keypoints:
            shown = [n for n in matched.train_neighbours.rows[row] if n >= 0 and matched.train.visible[n, keypoint]]
            expected = matched.train.unit[shown[0], keypoint] if shown else [np.nan, np.nan]
            np.testing.assert_array_equal(classed.train_prior[row, keypoint], expected)


def test_what_is_chosen_is_the_best_on_training_folds(found):
    tried = {(row.method, row.subset): row.value for row in found.sweep if row.metric == "train_pck@0.1"}
    for name, kind in found.config["kinds"].items():
        own = {subset: value for (method, subset), value in tried.items() if method == f"detect:{name}"}
        assert set(own) == {"eta=0", *(f"eta={e:g} sigma={s:g}" for e in (0.2, 0.6) for s in (8, 20))}
        chosen = f"eta={kind['eta']:g} sigma={kind['sigma']:g}" if kind["eta"] else "eta=0"
        assert own[chosen] == max(own.values())
    assert found.config["chosen"] == "block2"
    assert {row.method for row in found.rows} >= {"mean", "nearest-neighbour", "detect:sift+prior-cv"}


def test_detectors_find_more_than_the_mean_place(found):
    rows = {row.method: row.value for row in found.rows if (row.metric, row.subset) == ("pck@0.1", "all")}
    assert rows["detect:block2+prior"] > rows["mean"] + 0.1


def test_c_is_chosen_on_training_folds(data, reader):
    options = replace(OPTIONS, cs=(1e-7, 1.0), sift_bin=0, rounds=3)
    found = detect_keypoints(*data, options, Session(reader))
    assert found.config["kinds"]["block2"]["c"] == 1.0
    assert list(found.config["kinds"]) == ["block2"]


def test_the_square_decides_what_a_candidate_sees(matched, reader):
    (block2,) = features_of(matched, replace(OPTIONS, sift_bin=0), reader)
    assert (block2.cells.shape, block2.cells.stride, block2.cells.centre) == ((24, 24), (4, 4), (3.5, 3.5))
    assert block2.rule.beyond == ((19 + 8) / 2, (19 + 8) / 2)  # a field of 19 and a cell more on every side
    assert block2.rule.square
    (block2,) = features_of(matched, replace(OPTIONS, sift_bin=0, negative_distance=20.0, reach=0), reader)
    assert (block2.rule.beyond, block2.rule.square) == ((20, 20), False)
    sift = features_of(matched, OPTIONS, reader)[1]
    assert (sift.cells.shape, sift.cells.centre) == ((12, 12), (4, 4))
    with pytest.raises(VestigeError, match=r"'block10': .*negative_distance"):
        features_of(matched, replace(OPTIONS, layers=("block10",)), reader)
    with pytest.raises(VestigeError, match="'classifier'"):
        features_of(matched, replace(OPTIONS, layers=("classifier",)), reader)


def test_keypoints_without_examples_are_told(data, reader):
    train, test = data
    nowhere = [replace(example, visible=example.visible & (np.arange(len(example.visible)) > 0)) for example in train]
    found = detect_keypoints(
        replace(train, examples=tuple(nowhere)), test, replace(OPTIONS, sift_bin=0, rounds=1), Session(reader)
    )
    shown = int(found.arrays["visible"][:, 0].sum())
    assert shown > 0
    assert not np.isfinite(found.arrays["prediction/detect:block2"][:, 0]).any()
    assert any(note.startswith(f"{shown} visible keypoints") for note in found.notes)
    assert any("have no prior" in note for note in found.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eta": 1.5}, "eta 1.5"),
        ({"sigma": 0.0}, "sigma 0.0"),
        ({"cs": (0.0,)}, "cs 0.0: expected"),
        ({"alphas": ()}, "alphas: there are none"),
        ({"size": 8}, "size 8"),
        ({"folds": 1}, "folds 1"),
        ({"size": 64, "sift_bin": 70}, "sift_bin=70: expected at most size=64"),
        ({"negative_distance": -1.0}, "negative_distance -1"),
    ],
)
def test_options_out_of_range_are_told(options, message):
    with pytest.raises(VestigeError, match=message):
        DetectOptions(**options)


def test_data_of_which_no_keypoint_can_be_placed_are_refused(data, reader):
    train, test = data
    dark = [[replace(each, visible=np.zeros_like(each.visible)) for each in side] for side in data]
    for parts in ((train, replace(test, examples=tuple(dark[1]))), (replace(train, examples=tuple(dark[0])), test)):
        with pytest.raises(VestigeError, match=r"visible .* neighbour"):
            detect_keypoints(*parts, OPTIONS, Session(reader))
    with pytest.raises(VestigeError, match="both positive and negative"):
        detect_keypoints(
            train, test, replace(OPTIONS, negative_distance=20.0, closest=10_000, sift_bin=0), Session(reader)
        )


def test_mistakes_are_told(data, reader):
    with pytest.raises(VestigeError, match="layer"):
        detect_keypoints(*data, replace(OPTIONS, layers=()), Session(reader))
    with pytest.raises(VestigeError, match="is 2 layers"):
        detect_keypoints(*data, replace(OPTIONS, neighbour_layer="block[12]"), Session(reader))
    other = open_train_test(f"{DATA},n=2,seed=1", "synthetic:faces,n=3,size=96")
    with pytest.raises(VestigeError, match="markup"):
        detect_keypoints(*other, OPTIONS, Session(reader))
    few = open_train_test(f"{DATA},n=1,seed=1", f"{DATA},n=2,seed=2")
    with pytest.raises(VestigeError, match="3 folds"):
        detect_keypoints(*few, OPTIONS, Session(reader))


def scored(n=3000, seed=0, apart=1.5, share=0.05):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < share
    return rng.normal(size=n) + apart * positive, positive


@pytest.mark.parametrize(("apart", "share"), [(1.5, 0.05), (0.1, 0.5), (8.0, 0.01)])
def test_calibration_is_that_of_platt(apart, share):
    scores, positive = scored(apart=apart, share=share)
    slope, offset = _sigmoid_calibration(scores, positive)  # 1 / (1 + exp(slope f + offset))
    found = calibrate(scores, positive)
    assert found.slope == pytest.approx(-slope, rel=1e-3, abs=1e-3)
    assert found.offset == pytest.approx(-offset, rel=1e-3, abs=1e-3)


def test_scores_that_rank_the_wrong_way_say_nothing():
    scores, positive = scored(apart=-1.0, share=0.2)
    found = calibrate(scores, positive)
    assert found.slope == 0
    assert np.exp(found.log(np.array([-9.0, 9.0]))) == pytest.approx(positive.mean(), abs=1e-3)


def test_separable_scores_stay_finite():
    found = calibrate(np.array([-1e3, -2.0, 1.0, 1e3]), np.array([False, False, True, True]))
    assert np.isfinite([found.slope, found.offset]).all()
    assert found.slope > 0
    logs = found.log(np.array([-1e6, 0, 1e6]))
    assert np.isfinite(logs).all()
    assert (np.diff(logs) >= 0).all()
    for none in (np.zeros(4, dtype=bool), np.ones(4, dtype=bool)):
        with pytest.raises(ValueError, match="some of both"):
            calibrate(np.arange(4.0), none)


def test_the_logarithm_is_that_of_the_logistic():
    scores, positive = scored()
    found = calibrate(scores, positive)
    expected = np.log(1 / (1 + np.exp(-(found.slope * scores + found.offset))))
    np.testing.assert_allclose(found.log(scores), expected, rtol=1e-9)


def test_a_gaussian_is_flat_where_there_is_no_neighbour():
    places = np.array([[0.0, 0], [3, 4], [10, 0]])
    centres = np.array([[0.0, 0], [np.nan, np.nan]])
    found = log_gaussian(places, centres, 5.0)
    np.testing.assert_allclose(found, [[0, -0.5, -2], [0, 0, 0]])


def test_eta_goes_from_the_score_to_the_prior():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 100, (50, 2))
    log_s = -rng.random((4, 50))
    centres = rng.uniform(0, 100, (4, 2))
    log_p = log_gaussian(places, centres, 10.0)
    assert np.array_equal(best_place(places, log_s, log_p, 0.0), places[log_s.argmax(axis=1)])
    nearest = np.linalg.norm(places - centres[:, None], axis=-1).argmin(axis=1)
    assert np.array_equal(best_place(places, log_s, log_p, 1.0), places[nearest])
    eta = 0.3
    ranked = np.exp(log_s) ** (1 - eta) * np.exp(log_p) ** eta  # as the paper writes it
    assert np.array_equal(best_place(places, log_s, log_p, eta), places[ranked.argmax(axis=1)])
    flat = np.zeros((1, 50))
    assert np.array_equal(best_place(places, flat, flat, eta), places[:1])
