"""The probe of depth: the mean depth of every cell of a picture, read out of its representation."""

from dataclasses import asdict, dataclass

import numpy as np
from vestige_squares.depth.task import DEPTH, DepthOptions

from vestige.errors import VestigeError
from vestige.images import crop_resize
from vestige.metrics import Metric
from vestige.probes.engine.codec import Codec, Encoded, share_score
from vestige.probes.engine.trained_vectors import load_trained_vectors
from vestige.probes.engine.vector_probe import bench_vectors, check_vectors, probe_vectors
from vestige.probes.engine.views import whole_views

LEAST = 0.01
"""Metres; nothing is nearer."""

FARTHEST = 6.0
"""Metres; what is shown black."""


@dataclass(frozen=True)
class DepthMap(DepthOptions, Codec):
    """``grid x grid`` depths in metres, in the order (y, x)."""

    task = DEPTH
    metric = "abs_rel"
    metrics = {  # noqa: RUF012
        "abs_rel": Metric("relative error", lower_is_better=True),
        "delta1": Metric("within a factor of 1.25", shown="percent"),
    }

    @property
    def width(self):
        return self.grid**2

    def check(self, examples):
        for example in examples:
            if getattr(example, "depth", None) is None:
                raise VestigeError(f"{example.id}: has no depth; the probe needs data with depth, such as scenes:plain")

    def train_views(self, examples):
        return whole_views(examples)

    def test_views(self, examples):
        return whole_views(examples)

    def encode(self, views):
        return Encoded(np.stack([self._cells(views.examples[row].depth.read()) for row in views.rows]))

    def _cells(self, depth):
        """``(H, W)`` to ``(t,)``: the mean of each cell."""
        rows = (np.array_split(row, self.grid, axis=1) for row in np.array_split(depth, self.grid))
        return np.array([cell.mean() for row in rows for cell in row], np.float32)

    def out_of_fold(self, predicted, encoded):
        return float(self.errors(predicted, encoded.values).mean())

    def truth(self, views):
        return self.encode(views).values

    def scores(self, predicted, truth, bootstrap, *, brief=False):
        found = {("abs_rel", "all"): share_score(self.errors(predicted, truth), bootstrap)}
        if not brief:
            read = np.maximum(predicted, LEAST)
            found["delta1", "all"] = share_score((np.maximum(read / truth, truth / read) < 1.25).mean(1), bootstrap)
        return found

    def errors(self, predicted, truth):
        return (np.abs(np.maximum(predicted, LEAST) - truth) / truth).mean(axis=1, dtype=np.float64)

    def arrays(self, truth):
        return {"truth": truth}

    def picture(self, predicted, pixels):
        return np.concatenate([crop_resize(pixels, None, (192, 192), "bicubic"), as_pixels(predicted, 192)], axis=1)

    def describe(self, predicted):
        return {"depth": np.maximum(predicted, LEAST).reshape(self.grid, self.grid).round(3).tolist()}

    def to_json(self):
        return asdict(self)


def as_pixels(depths, side):
    """Depths ``(t,)`` in metres as a grey picture ``(side, side, 3)``, white where they are nothing."""
    grid = round(len(depths) ** 0.5)
    grey = (255 * (1 - np.clip(depths / FARTHEST, 0, 1))).astype(np.uint8).reshape(grid, grid, 1)
    return crop_resize(np.repeat(grey, 3, axis=2), None, (side, side), "box")


def check_depth(data, options, probing):
    """Refuse data without depth."""
    check_vectors(DepthMap(options.grid), *data, probing)


def measure_depth(session, data, options, probing):
    """The probe, as the task has it."""
    return probe_vectors(DepthMap(options.grid), *data, probing, session, made_with=(options,))


def bench_depth(session, data, options, probing):
    """Pictures and their depth made ready to compare layers on."""
    return bench_vectors(DepthMap(options.grid), *data, probing, session)


def load_depth(run):
    """What a finished run was trained to do."""
    return load_trained_vectors(run, DepthMap)
