"""The probe of any vector, by a codec of the tests' own: ridge of scikit-learn, evaluation and prediction."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from vestige.contract.session import Session
from vestige.contract.task import Task
from vestige.datasets.given import TrainTest
from vestige.datasets.opening import open_dataset
from vestige.errors import VestigeError
from vestige.features.reader import Reader
from vestige.metrics import Metric
from vestige.probes.engine.codec import Codec, Encoded, share_score
from vestige.probes.engine.options import VectorOptions
from vestige.probes.engine.trained_vectors import TrainedVectors
from vestige.probes.engine.vector_methods import SavedVectors
from vestige.probes.engine.vector_probe import probe_vectors
from vestige.probes.engine.views import whole_views
from vestige.progress import print_nothing

OPTIONS = VectorOptions(backbone="rgb:4", layers=("all",), rgb_size=3, untrained_seeds=0, alpha_shared=True)


@dataclass(frozen=True)
class Poses(Codec[np.ndarray]):
    """Two angles of a face; ``off`` is how far off they are, less is better."""

    scaled: float = 1.0

    task: ClassVar[Task] = Task("poses", "Which way?", TrainTest, (), "", "")
    metric: ClassVar[str] = "off"
    metrics: ClassVar[Mapping[str, Metric]] = {"off": Metric("distance", "radians", lower_is_better=True)}
    width: ClassVar[int] = 2

    def check(self, examples):
        if any("pitch" not in example.attributes for example in examples):
            raise VestigeError("has no pitch")

    def train_views(self, examples):
        return whole_views(examples)

    test_views = train_views

    def encode(self, views):
        return Encoded(self.truth(views).astype(np.float32))

    def truth(self, views):
        return np.array([[e.attributes["yaw"], e.attributes["pitch"]] for e in views.examples]) * self.scaled

    def out_of_fold(self, predicted, encoded):
        return float(np.abs(predicted - encoded.values).mean())

    def scores(self, predicted, truth, bootstrap, *, brief=False):  # noqa: ARG002
        return {("off", "all"): share_score(self.errors(predicted, truth), bootstrap)}

    def errors(self, predicted, truth):
        return np.abs(predicted - truth).mean(axis=1)

    def arrays(self, truth):
        return {"truth": truth}

    def picture(self, predicted, pixels):  # noqa: ARG002
        return pixels

    def describe(self, predicted):
        return {"yaw": float(predicted[0])}

    def to_json(self):
        return asdict(self)


@pytest.fixture(scope="module")
def faces():
    return [open_dataset(f"synthetic:faces,n={n},seed={seed},size=48") for n, seed in ((30, 1), (8, 2))]


@pytest.fixture(scope="module")
def session():
    return Session(Reader(keep=False), print_nothing)


@pytest.fixture(scope="module")
def found(faces, session):
    return probe_vectors(Poses(2.0), *faces, OPTIONS, session, notes=("as told",))


def test_ridge_is_that_of_scikit_learn_at_the_alpha_that_folds_chose(found, faces, session):
    (read,) = session.reader.reads("rgb:4", ["all"])
    x = [session.reader.features("rgb:4", whole_views(data).crops(), [read])[0][:] for data in faces]
    x = [(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float64) for rows in x]
    y = [Poses(2.0).truth(whole_views(data)) for data in faces]
    predicted = Ridge(alpha=found.ridge["chosen"][0]).fit(x[0], y[0]).predict(x[1])
    np.testing.assert_allclose(found.arrays["prediction/ridge"], predicted, rtol=2e-3, atol=2e-3)  # kept as float16
    row = next(row for row in found.rows if row.method == "ridge")
    assert row.value == pytest.approx(np.abs(predicted - y[1]).mean(), rel=1e-4)
    assert found.notes[0] == "as told"


def test_the_baseline_is_the_mean(found, faces):
    mean = Poses(2.0).truth(whole_views(faces[0])).mean(axis=0)
    np.testing.assert_allclose(found.arrays["prediction/mean"], np.repeat(mean[None], 8, axis=0), rtol=1e-3)


def test_less_is_better_where_the_metric_says_so(faces, session):
    options = VectorOptions(layers=("block0", "head"), rgb_size=3, untrained_seeds=0)
    found = probe_vectors(Poses(), *faces, options, session)
    folds = {row.layer: row.value for row in found.sweep if row.metric == "oof_off" and row.method == "ridge"}
    assert folds[found.backbone["layer"]] == min(folds.values())


def test_saved_probes_give_the_same_rows_and_readings(found, faces, session, tmp_path):
    found.fitted.save(tmp_path)
    trained = TrainedVectors(tmp_path, Poses)
    assert trained.evaluate(faces[1], session.reader).rows == found.rows
    (prediction, *_) = trained.predictor().predict(list(faces[1])[:1], session.reader)
    assert prediction.to_json()["yaw"] == pytest.approx(float(found.arrays["prediction/ridge"][0, 0]), abs=2e-3)
    with pytest.raises(VestigeError, match="no classes"):
        trained.predictor("cat")


def test_probes_of_another_task_or_width_are_refused(found, session, faces, tmp_path):
    saved = found.fitted
    SavedVectors("colours", saved.made_of, saved.seed, saved.methods).save(tmp_path / "other")
    with pytest.raises(VestigeError, match="of colours"):
        TrainedVectors(tmp_path / "other", Poses).evaluate(faces[1], session.reader)
    SavedVectors("poses", {"scaled": "much"}, saved.seed, saved.methods).save(tmp_path / "wrong")
    with pytest.raises(VestigeError, match="cannot be opened"):
        TrainedVectors(tmp_path / "wrong", Poses).predictor()


def test_data_that_lack_what_is_read_are_refused(faces, session):
    objects = open_dataset("synthetic:objects,n=8,size=48")
    with pytest.raises(VestigeError, match="no pitch"):
        probe_vectors(Poses(), faces[0], objects, OPTIONS, session)
