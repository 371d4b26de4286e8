"""Everything that a set of trained runs reads out of one photograph (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, check_box
from vestige.images import ImageFile, Pixels, picture_size
from vestige.probes.attributes.measure import Attributes
from vestige.probes.engine.linear import Source
from vestige.probes.engine.point_methods import PointMethod
from vestige.probes.engine.predict import Prediction, VectorPrediction
from vestige.probes.engine.record import Predictor, check_weights, load_predictor
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.portrait.picture import ColoursPanel, MapsPanel, Panel, PointsPanel, ReadingsPanel, draw_portrait
from vestige.probes.segmentation.measure import Segmentation
from vestige.run import Run
from vestige.spelling import spelled

Readers = Callable[[Run], Reader]
"""A Reader that computes features as a run did."""


@dataclass(frozen=True)
class Part:
    """What one run reads.

    Attributes:
        run: its folder.
        task: its name.
        source: backbone, layer and readout of its regressors.
        prediction: of the photograph.
    """

    run: Path
    task: str
    source: Source
    prediction: Prediction | VectorPrediction

    @property
    def layer(self) -> str:
        """The layer as readers meet it."""
        return f"{self.source.layer} ({self.source.readout}) of {self.source.backbone}"

    def descriptor(self) -> tuple[Source, tuple[float, ...]]:
        """What makes the descriptor that the run reads: two runs with the same read the same numbers."""
        return self.source, tuple(np.round(self.prediction.looked.seen, 3).tolist())

    def to_json(self) -> dict[str, Any]:
        """The prediction, and what it was read from."""
        said = self.prediction.to_json()
        own = {key: value for key, value in said.items() if key not in ("image", "size", "box", "seen")}
        source = {"backbone": self.source.backbone, "layer": self.source.layer, "readout": self.source.readout}
        return {"run": str(self.run), "task": self.task, **source, "seen": self.prediction.looked.seen.tolist(), **own}

    def panel(self) -> Panel:
        """How it is drawn."""
        found, seen = self.prediction, self.prediction.looked.seen
        if isinstance(found, Prediction):
            return PointsPanel(f"{len(found.points)} {self.task}", self.layer, seen, found.points)
        task, values = found.task, found.values
        if isinstance(task, Pixelwise):
            return ColoursPanel(f"colours, {task.size} × {task.size}", self.layer, seen, task.as_pixels(values))
        if isinstance(task, Segmentation):
            maps = task.cells(values[None])[0]
            title = f"classes, {task.grid} × {task.grid}; brighter: higher response, one scale"
            return MapsPanel(title, self.layer, seen, maps, task.table.names, task.colours)
        if isinstance(task, Attributes):
            return ReadingsPanel("attributes", self.layer, seen, tuple(task.readings(values)))
        raise VestigeError(f"{self.run}: a portrait cannot show {self.task}")


@dataclass(frozen=True)
class Portrait:
    """A photograph and what all runs read of it.

    Attributes:
        path: of the photograph.
        box: ``(4,)`` of the object in pixels, or None: the whole picture.
        parts: of each run.
    """

    path: Path
    box: Box | None
    parts: tuple[Part, ...]

    @property
    def shared(self) -> str:
        """The one descriptor that all parts were read from; "" where there are several."""
        return self.parts[0].layer if len({part.descriptor() for part in self.parts}) == 1 else ""

    def to_json(self) -> dict[str, Any]:
        """All predictions, and whether they were read from one descriptor."""
        return {
            "image": str(self.path),
            "size": list(self.parts[0].prediction.looked.size),
            "box": None if self.box is None else self.box.tolist(),
            "one_descriptor": bool(self.shared),
            "readings": [part.to_json() for part in self.parts],
        }

    def picture(self) -> Pixels:
        """The photograph and a panel for each run."""
        return draw_portrait(ImageFile(self.path).read(), [part.panel() for part in self.parts], self.box, self.shared)


def read_portrait(
    path: Path, runs: Sequence[Run], readers: Readers, box: Box | None = None, category: str | None = None
) -> Portrait:
    """Read a photograph by every run's regressors, without looking back: one descriptor each.

    Args:
        path: of the photograph.
        runs: finished runs of probes.
        readers: the Reader of each.
        box: ``(4,)`` of the object in pixels, or None: the whole picture.
        category: the class, for runs of keypoints that have several.

    Raises:
        VestigeError: where the photograph or a run cannot be read.
    """
    if not runs:
        raise VestigeError(f"no run to make a portrait with: name at least one, by {spelled('runs')}")
    tasks = [run.results().task for run in runs]
    if category is not None and "keypoints" not in tasks:
        raise VestigeError(f"{spelled('category', category)}: none of the runs has classes")
    predictors = [
        load_predictor(run, category if task == "keypoints" else None, look_back=False)
        for run, task in zip(runs, tasks, strict=True)
    ]
    example = Example(str(path), str(path), ImageFile(path), box)
    if box is not None:
        check_box(box, picture_size(example.image), f"{path}: {spelled('box')}")
    parts = []
    for run, task, predictor in zip(runs, tasks, predictors, strict=True):
        reader = readers(run)
        check_weights([predictor.method], reader)
        (prediction,) = predictor.predict([example], reader)
        parts.append(Part(run.folder, task, _source_of(predictor, run), prediction))
    return Portrait(path, box, tuple(parts))


def _source_of(predictor: Predictor, run: Run) -> Source:
    method = predictor.method
    source = method.model.base.source if isinstance(method, PointMethod) else method.probe.source
    if source is None:
        raise VestigeError(f"{run.folder}: its regressors look at nothing; run the probe again")
    return source
