"""Everything that a set of trained runs reads out of one photograph (Fig. 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vestige.contract.task import Predictor
from vestige.errors import VestigeError
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.geometry import Box, check_box
from vestige.images import ImageFile, Pixels, picture_size
from vestige.probes.attributes.measure import Attributes
from vestige.probes.engine.linear import Source, check_weights
from vestige.probes.engine.predict import Prediction, VectorPrediction
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
        codec, values = found.codec, found.values
        if isinstance(codec, Pixelwise):
            return ColoursPanel(f"colours, {codec.size} × {codec.size}", self.layer, seen, codec.as_pixels(values))
        if isinstance(codec, Segmentation):
            maps = codec.cells(values[None])[0]
            title = f"classes, {codec.grid} × {codec.grid}; brighter: higher response, one scale"
            return MapsPanel(title, self.layer, seen, maps, codec.table.names, codec.colours)
        if isinstance(codec, Attributes):
            return ReadingsPanel("attributes", self.layer, seen, tuple(codec.readings(values)))
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
    path: Path, runs: Sequence[tuple[Run, Predictor]], readers: Readers, box: Box | None = None
) -> Portrait:
    """Read a photograph by every run's regressors, without looking back: one descriptor each.

    Args:
        path: of the photograph.
        runs: finished runs of probes, and what each predicts with at its first look.
        readers: the Reader of each.
        box: ``(4,)`` of the object in pixels, or None: the whole picture.

    Raises:
        VestigeError: where the photograph or a run cannot be read.
    """
    if not runs:
        raise VestigeError(f"no run to make a portrait with: name at least one, by {spelled('runs')}")
    example = Example(str(path), str(path), ImageFile(path), box)
    if box is not None:
        check_box(box, picture_size(example.image), f"{path}: {spelled('box')}")
    parts = []
    for run, predictor in runs:
        reader = readers(run)
        check_weights(predictor.probes, reader)
        (prediction,) = predictor.predict([example], reader)
        parts.append(Part(run.folder, run.results().task, _source_of(predictor, run), prediction))
    return Portrait(path, box, tuple(parts))


def _source_of(predictor: Predictor, run: Run) -> Source:
    source: Source | None = predictor.probes[0].source
    if source is None:
        raise VestigeError(f"{run.folder}: its regressors look at nothing; run the probe again")
    return source
