"""``vestige probe``: train linear probes and measure them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from vestige.cli.help import examples
from vestige.cli.measuring import Session, measures
from vestige.cli.parts import Data, PointData
from vestige.probes.attributes.options import AttributeOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.keypoints.options import KeypointOptions
from vestige.probes.landmarks.options import LandmarkOptions
from vestige.probes.pixels.options import PixelOptions
from vestige.probes.segmentation.options import SegmentationOptions

if TYPE_CHECKING:
    from vestige.results import Results

app = typer.Typer(help="Train linear probes on a network's features and measure them.", no_args_is_help=True)


@measures(
    app,
    examples(
        "vestige probe landmarks synthetic:faces,n=200,seed=1 --test synthetic:faces,n=60,seed=2 "
        "--layer block7 --layer block10 -o runs/faces"
    ),
)
def landmarks(session: Session, data: PointData, options: LandmarkOptions) -> Results:
    """Where are a face's parts? Ridge from one layer to the landmarks, look-back, and the baselines beside it."""
    from vestige.probes.engine.record import record
    from vestige.probes.landmarks.measure import probe_landmarks

    probe = probe_landmarks(*data.open(), options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@measures(
    app,
    examples(
        "vestige probe keypoints synthetic:objects,n=400,seed=1 --test synthetic:objects,n=150,seed=2 "
        "--layer block7 --layer block10 -o runs/objects"
    ),
)
def keypoints(session: Session, data: PointData, options: KeypointOptions) -> Results:
    """Where are an object's parts? One set of regressors per class, measured by the share of keypoints found (PCK)."""
    from vestige.probes.engine.record import record
    from vestige.probes.keypoints.measure import probe_keypoints

    probe = probe_keypoints(*data.open(), options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@measures(
    app,
    examples(
        "vestige probe pixels synthetic:faces,n=300,seed=1 --test synthetic:faces,n=100,seed=2 "
        "--layer block4 --layer block10 -o runs/pixels"
    ),
)
def pixels(session: Session, data: Data, task: PixelOptions, options: VectorOptions) -> Results:
    """What colours does it remember? Ridge from one layer to every pixel of the picture, made small."""
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors
    from vestige.probes.pixels.measure import Pixelwise

    margin = task.box_margin if task.crops else 0.0
    of = Pixelwise(task.size, task.mirror, task.crops, margin)
    probe = probe_vectors(of, *data.open(), options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@measures(
    app,
    examples(
        "vestige probe segmentation synthetic:objects,n=300,seed=1 "
        "--test synthetic:objects,n=100,seed=2 --layer block7 --layer block10 --augment 4 -o runs/segmentation"
    ),
)
def segmentation(session: Session, data: Data, task: SegmentationOptions, options: VectorOptions) -> Results:
    """What is where? Ridge from one layer to every cell's share of each class; a second map on its responses."""
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors
    from vestige.probes.segmentation.measure import segmentation_of

    train, test = data.open()
    of = segmentation_of(train, **asdict(task))
    probe = probe_vectors(of, train, test, options, session.reader, session.listener.say)
    return record(session.run, probe, session.command)


@measures(
    app,
    examples(
        "vestige probe attributes synthetic:faces,n=400,seed=1 --test synthetic:faces,n=150,seed=2 "
        "--attribute glasses --attribute beard --attribute yaw --layer block7 --layer block10 -o runs/attributes"
    ),
)
def attributes(session: Session, data: Data, task: AttributeOptions, options: VectorOptions) -> Results:
    """Does it wear glasses, which way does it look? Ridge from one layer to named numbers: AUC for those that are 0 or
    1, R^2 for the others."""
    from vestige.probes.attributes.measure import attributes_of
    from vestige.probes.engine.record import record
    from vestige.probes.engine.vector_probe import probe_vectors

    train, test = data.open()
    of, notes = attributes_of(train, **asdict(task))
    probe = probe_vectors(of, train, test, options, session.reader, session.listener.say, notes)
    return record(session.run, probe, session.command)
