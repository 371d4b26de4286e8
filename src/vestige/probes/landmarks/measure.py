"""The landmark probe (sections 3 and 3.1, "Facial Landmarks"): where are a face's parts?

crop -> layer and readout -> L2-normalise -> ridge to the 2K coordinates, then look-back at the parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from vestige.contract.bench import Bench
from vestige.contract.found import Found
from vestige.contract.session import Session
from vestige.contract.task import Task, Trained
from vestige.datasets.dataset import Dataset
from vestige.probes.engine.points import PointCodec, markup_of
from vestige.probes.engine.trained_vectors import load_trained_vectors
from vestige.probes.engine.vector_probe import bench_vectors, check_vectors, probe_vectors
from vestige.probes.landmarks.task import LANDMARKS, LandmarkOptions
from vestige.run import Run


class Landmarks(PointCodec):
    """The points of a face."""

    task: ClassVar[Task] = LANDMARKS


def check_landmarks(data: tuple[Dataset, Dataset], options: LandmarkOptions) -> None:
    """Refuse data without landmarks, or without what errors are divided by."""
    check_vectors(landmarks_of(data[0], options)[0], *data, options)


def measure_landmarks(session: Session, data: tuple[Dataset, Dataset], options: LandmarkOptions) -> Found:
    """:func:`probe_landmarks`, as the task has it."""
    return probe_landmarks(*data, options, session)


def probe_landmarks(
    train: Dataset,
    test: Dataset,
    options: LandmarkOptions = LandmarkOptions(),
    session: Session | None = None,
) -> Found:
    """Train the landmark probe and its baselines, and measure them.

    Args:
        train: examples with keypoints and boxes.
        test: the same of other examples; nothing is chosen on it.
        options: of the measurement.
        session: None for the default cache and device, and lines on standard error.

    Raises:
        VestigeError: where the data have no points, too few people for the folds, or other points than expected.
    """
    codec, notes = landmarks_of(train, options)
    return probe_vectors(codec, train, test, options, session, notes=notes)


def bench_landmarks(session: Session, data: tuple[Dataset, Dataset], options: LandmarkOptions) -> Bench:
    """The faces made ready to compare layers on; there is no look-back."""
    codec, notes = landmarks_of(data[0], replace(options, look_backs=0))
    return bench_vectors(codec, *data, options, session, notes)


def load_landmarks(run: Run) -> Trained:
    """What a finished run of landmarks was trained to do."""
    return load_trained_vectors(run, Landmarks)


def landmarks_of(train: Dataset, options: LandmarkOptions) -> tuple[Landmarks, tuple[str, ...]]:
    """The task that the data allow, and what had to be given up because the markup lacks it.

    Raises:
        VestigeError: where the data have no points.
    """
    markup, lacks = markup_of(train, "landmarks", options)
    normaliser = options.normaliser or ("inter-ocular" if markup.eyes else "box")
    if options.normaliser is None and normaliser == "box":
        no_eyes = f"Markup {markup.name!r} has no eyes: errors are divided by the square root of the box's area."
        lacks = (no_eyes, *lacks)
    looks = options.look_backs, options.margin_quantile
    return Landmarks(markup, options.box_margin, normaliser, options.mirror, *looks), lacks
