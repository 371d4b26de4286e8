"""Attributes against scikit-learn and explicit resamples; which are taken, how they are seen, and every mistake."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from vestige.datasets.dataset import Dataset
from vestige.documents import check_json
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.intervals import Bootstrap
from vestige.probes.attributes.attribute import Attribute, choose_attributes
from vestige.probes.attributes.measure import Attributes, attributes_of, weighted_auc, weighted_r2
from vestige.probes.engine.codec import rows_of_scores

GLASSES = Attribute("glasses", binary=True, model_label=True, mean=0.25, deviation=0.4)
MALE = Attribute("male", binary=True, model_label=False, mean=0.5, deviation=0.5)
YAW = Attribute("yaw", binary=False, model_label=False, mean=1.0, deviation=12.0)


@dataclass(frozen=True)
class Grey:
    """A grey picture, wider than high."""

    value: int = 0

    def read(self):
        return np.full((100, 200, 3), self.value, np.uint8)

    def digest(self):
        return f"grey {self.value}"


def dataset(rows, model_labels=(), spec="made:faces"):
    examples = [Example(f"e{k}", f"e{k}", Grey(k), attributes=dict(row)) for k, row in enumerate(rows)]
    return Dataset(spec, tuple(examples), model_labels=tuple(model_labels))


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 12))
def test_auc_is_that_of_scikit_learn_with_ties_and_weights(seed, n, levels):
    generator = np.random.default_rng(seed)
    readings, positive = generator.integers(0, levels, n) / levels, generator.random(n) < 0.4
    weights = generator.integers(0, 4, (20, n)).astype(np.float32)
    found = weighted_auc(readings, positive, weights)
    for value, weight in zip(found, weights, strict=True):
        both = weight[positive].sum() > 0 and weight[~positive].sum() > 0
        assert np.isfinite(value) == both
        if both:
            assert value == pytest.approx(roc_auc_score(positive, readings, sample_weight=weight), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.sampled_from([0.0, 1e4]))
def test_r2_is_that_of_scikit_learn_with_weights(seed, n, offset):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=n) + offset
    readings = values + generator.normal(size=n)
    weights = generator.integers(0, 4, (20, n)).astype(np.float32)
    found = weighted_r2(readings, values, weights)
    for value, weight in zip(found, weights, strict=True):
        if np.count_nonzero(weight) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(r2_score(values, readings, sample_weight=weight), rel=1e-6, abs=1e-6)


def test_r2_of_values_that_are_all_the_same_is_unknown():
    assert np.isnan(weighted_r2([1.0, 2.0], [3.0, 3.0], [[1, 1]])).all()


def task_and_data(n=80):
    generator = np.random.default_rng(0)
    task = Attributes((GLASSES, MALE, YAW))
    truth = np.stack([generator.random(n) < 0.3, generator.random(n) < 0.5, generator.normal(0, 12, n)], axis=1)
    truth = np.where(generator.random(truth.shape) < 0.2, np.nan, truth)
    predicted = (np.nan_to_num(truth) + generator.normal(0, (0.5, 0.5, 6.0), truth.shape)).astype(np.float32)
    return task, truth, predicted


def expected_scores(truth, predicted):
    """AUC, AUC and R^2 of the examples that have each attribute."""
    known = np.isfinite(truth)
    found = [roc_auc_score(truth[known[:, k], k], predicted[known[:, k], k]) for k in (0, 1)]
    return [*found, r2_score(truth[known[:, 2], 2], predicted[known[:, 2], 2])]


def test_rows_are_those_of_scikit_learn_over_the_examples_that_have_the_attribute():
    task, truth, predicted = task_and_data()
    bootstrap = Bootstrap.draw(range(len(truth)), 3, 40)
    scores = task.scores(predicted, truth, bootstrap)
    a, b, c = expected_scores(truth, predicted)
    values = {key: score.value for key, score in scores.items()}
    assert values == pytest.approx(
        {
            ("skill", "all"): np.mean([2 * a - 1, 2 * b - 1, c]),
            ("auc", "all"): np.mean([a, b]),
            ("auc", "glasses"): a,
            ("auc", "male"): b,
            ("r2", "all"): c,
            ("r2", "yaw"): c,
        }
    )
    assert scores["auc", "glasses"].n == np.isfinite(truth[:, 0]).sum()
    assert scores["skill", "all"].n == np.isfinite(truth).any(axis=1).sum()
    for k in range(40):  # each resample, its examples written out as often as they were drawn
        rows = np.repeat(np.arange(len(truth)), bootstrap.weights[k].astype(int))
        a, b, c = expected_scores(truth[rows], predicted[rows])
        assert scores["skill", "all"].resampled[k] == pytest.approx(np.mean([2 * a - 1, 2 * b - 1, c]))
    assert len(rows_of_scores("ridge", scores)) == 6


@pytest.mark.parametrize(("own", "metric"), [((GLASSES, MALE), "auc"), ((YAW,), "r2"), ((GLASSES, YAW), "skill")])
def test_the_metric_is_the_measure_of_the_kind_or_one_for_both(own, metric):
    task = Attributes(own)
    assert task.metric == metric
    assert task.paired == (metric,)
    truth = np.array([[0.0, 1.0], [1.0, 2.0], [0.0, 4.0]])[:, : len(own)]
    brief = task.scores(truth.astype(np.float32), truth, Bootstrap.draw(range(3), 0, 5), brief=True)
    assert set(brief) == {(metric, "all")}


def test_a_missing_value_has_no_share_in_training_in_errors_and_in_scores():
    task = Attributes((MALE, YAW))
    data = dataset([{"male": 1.0, "yaw": 13.0}, {"male": 0.0}, {}])
    encoded = task.encode(task.train_views(data))
    assert encoded.known.tolist() == [[True, True], [True, False], [False, False]]
    truth = task.truth(task.test_views(data))
    errors = task.errors(np.array([[0.5, 1.0], [0.25, 77.0], [5.0, 5.0]], np.float32), truth)
    assert errors == pytest.approx([(0.5 / 0.5 + 12 / 12) / 2, 0.25 / 0.5, np.nan], nan_ok=True)


def test_examples_are_seen_through_the_square_about_their_box_or_the_middle_of_the_picture():
    task = Attributes((MALE,), mirror=True, box_margin=0.25, crop=0.6)
    boxed, bare = dataset([{"male": 1.0}, {"male": 0.0}])
    views = task.train_views([replace(boxed, box=np.array([50.0, 30.0, 90.0, 50.0])), bare])
    assert views.boxes[[0, 2]].tolist() == [[40.0, 10.0, 100.0, 70.0], [40.0, 20.0, 160.0, 80.0]]
    assert views.mirrored.tolist() == [False, True, False, True]
    assert not task.test_views([boxed, bare]).mirrored.any()


def faces(n, every, model_labels=(), **fixed):
    rows = [{"glasses": float(k % every == 0), "yaw": float(k), **fixed} for k in range(n)]
    return dataset(rows, model_labels)


def test_attributes_with_too_few_of_a_value_are_left_out_and_named():
    chosen, (note,) = choose_attributes(faces(40, 10, tall=1.0), least=10)
    assert [(a.name, a.binary) for a in chosen] == [("yaw", False)]
    assert "glasses (4 training examples of value 1), tall (0 training examples of value 0)" in note
    ((named,), (note,)) = choose_attributes(faces(40, 10), ["glasses"], least=10)
    assert (named.name, named.mean) == ("glasses", 0.1)
    assert "glasses (4 training examples of value 1)" in note


def test_few_test_examples_are_told_and_change_nothing_that_is_chosen():
    task, notes = attributes_of(faces(40, 2))
    assert [a.name for a in task.attributes] == ["glasses", "yaw"]
    assert not notes
    (note,) = task.notes(faces(40, 10))
    assert "glasses (4 test examples of value 1)" in note
    assert not task.notes(faces(40, 2))


def test_a_continuous_attribute_needs_examples_that_differ():
    train = faces(20, 2, age=2.5)
    _, (note,) = choose_attributes(train)
    assert "age (all training examples have the value 2.5)" in note
    with pytest.raises(VestigeError, match="names='age': "):
        choose_attributes(train, ["age"])


def test_model_labels_are_called_so():
    task, notes = attributes_of(faces(40, 2, ["glasses"]))
    assert any(note.startswith("Model labels: glasses. A model gave them") for note in notes)
    by_name = {entry["name"]: entry for entry in task.describe(np.array([0.9, 3.0], np.float32))["attributes"]}
    assert by_name["glasses"]["labelled_by"] == "a model (model label)"
    assert by_name["yaw"] == {
        "name": "yaw",
        "reading": 3.0,
        "kind": "continuous",
        "training_mean": 19.5,
        "labelled_by": "the data set",
    }
    assert [reading.label for reading in task.readings(np.zeros(2, np.float32))] == ["glasses (model label)", "yaw"]
    human = replace(task, attributes=tuple(replace(a, model_label=False) for a in task.attributes))
    assert "glasses" in human.notes(faces(40, 2, ["glasses"]))[0]


MISTAKES = {
    "no attributes": (lambda: choose_attributes(dataset([{}])), "made:faces: has no attributes"),
    "misspelt": (
        lambda: choose_attributes(faces(40, 2), ["glases"]),
        "names='glases': made:faces has none; did you mean glasses? expected one of glasses, yaw",
    ),
    "all": (lambda: choose_attributes(faces(9, 2, all=1.0)), "an attribute is named 'all'"),
    "nothing left": (
        lambda: choose_attributes(faces(6, 2)),
        "no attribute can be read: glasses (3",
    ),
    "crop": (lambda: Attributes((MALE,), crop=1.5), "crop 1.5: expected a number above 0, up to 1"),
    "not binary": (
        lambda: Attributes((MALE,)).check(dataset([{"male": 1.0}, {"male": 0.5}])),
        "e1: attribute male is 0.5; expected 0 or 1",
    ),
    "nothing to measure": (
        lambda: Attributes((MALE, YAW)).check(dataset([{"male": 1.0}, {"male": 1.0}])),
        "none of the attributes male, yaw has two different values",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name):
    do, message = MISTAKES[name]
    with pytest.raises(VestigeError) as caught:
        do()
    assert message in str(caught.value)


def test_what_other_data_lack_is_noted():
    task = Attributes((GLASSES, MALE, YAW))
    notes = task.notes(dataset([{"male": 1.0, "yaw": 3.0}, {"male": 0.0, "yaw": 3.0}]))
    assert "glasses, yaw" in notes[0]
    assert "male (1 test example of value 0)" in notes[1]


def test_the_task_comes_back_from_json():
    task = Attributes((GLASSES, YAW), mirror=True, box_margin=0.1, crop=0.5)
    assert check_json(task.to_json(), Attributes) == task


def test_pictures_are_kept_of_the_highest_and_lowest_readings():
    task = Attributes((MALE,))
    readings = np.random.default_rng(0).permutation(40).astype(np.float32)[:, None]
    rows = task.pictured(readings, np.zeros(40))
    assert sorted(readings[rows, 0].tolist()) == [0, 1, 2, 3, 4, 35, 36, 37, 38, 39]
