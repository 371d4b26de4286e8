"""The scene of a photograph, and boxes of what labelled units see in it (section 4.2, Fig. 10)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from vestige.contract.found import Found
from vestige.contract.plan import Plan
from vestige.contract.session import Session
from vestige.example import Example
from vestige.features.reader import Reader
from vestige.images import Crop, picture_size
from vestige.methods import Method
from vestige.metrics import Metric
from vestige.results import Row
from vestige.text import count
from vestige.units.detect.task import UNIT_DETECT, UnitDetectOptions
from vestige.units.dissected import Units, check_labels, labelled, looked_at, reader_of
from vestige.units.naming import Namer, short_names
from vestige.units.segment.measure import SIDE, pictures_said, plan_pictures

if TYPE_CHECKING:
    from vestige.units.dissect.run import DissectRun

METRICS: Mapping[str, Metric] = {
    "boxes": Metric("boxes", lower_is_better=None, paper=False),
    "scene": Metric("probability of the scene named first", lower_is_better=None, shown="percent", paper=False),
    "confidence": Metric("confidence in a box of the object, the largest", lower_is_better=None),
}

METHODS: Mapping[str, Method] = {"network": Method("Network", "blue")}

_RASTER = 112  # cells of a picture's sides in which what a unit sees is joined to boxes


@dataclass(frozen=True)
class Detection:
    """A box of what a unit sees.

    Attributes:
        box: ``(x0, y0, x1, y1)`` in shares of the picture's sides.
        confidence: the precision of the unit at the activation there.
        object: the unit's label.
        unit: ``LAYER:NUMBER``.
    """

    box: tuple[float, float, float, float]
    confidence: float
    object: str
    unit: str


def check_detections(data: tuple[DissectRun, tuple[Example, ...]], _options: UnitDetectOptions) -> None:
    """Refuse runs whose units have no labels.

    Raises:
        VestigeError: naming the run.
    """
    check_labels(data[0])


def plan_detections(reader: Reader, data: tuple[DissectRun, tuple[Example, ...]], options: UnitDetectOptions) -> Plan:
    """Of the detections in photographs."""
    return plan_pictures(UNIT_DETECT.name, reader, data, options.backbone)


def measure_detections(
    session: Session, data: tuple[DissectRun, tuple[Example, ...]], options: UnitDetectOptions
) -> Found:
    """Scenes and boxes of photographs, as the task has it."""
    started = time.monotonic()
    run, examples = data
    units = labelled(run, options.least_iou)
    layers = tuple(layer for layer in run.layers if any(layer == each for each, _ in units)) or run.layers[-1:]
    reader = reader_of(run, options.backbone, layers, session)
    namer = Namer(reader.backbone, session.reader.options) if reader.backbone.categories else None
    notes = [] if namer else [f"{reader.backbone.spec} has no names of categories, so no scene is named."]
    if not units:
        notes.append(f"No unit of the run overlaps its object by {options.least_iou:g}: there are no boxes.")
    notes += _doubtful(run, units)
    pictures, found, scenes = [], [], []
    for example, pixels, maps in looked_at(reader, examples):
        pictures.append(Crop(example).pixels((SIDE, SIDE)))
        found.append(detected(run, units, maps, options))
        scenes.append([] if namer is None else _named(namer, pixels, options.scenes))
    return Found(
        task=UNIT_DETECT,
        options=(options,),
        config={"metric": "boxes", "dissection": run.name},
        data={"test": pictures_said(examples)},
        backbone={**run.results.backbone, "layer": ", ".join(layers)},
        rows=tuple(_rows(examples, found, scenes)),
        arrays={
            "ids": np.array([example.id for example in examples]),
            "sizes": np.array([picture_size(example.image) for example in examples]),
            "pictures": np.stack(pictures),
            "picture": np.array([k for k, each in enumerate(found) for _ in each], np.int64),
            "boxes": np.array([one.box for each in found for one in each], np.float64).reshape(-1, 4),
            "confidence": np.array([one.confidence for each in found for one in each], np.float64),
            "objects": np.array([one.object for each in found for one in each], dtype=np.str_),
            "units": np.array([one.unit for each in found for one in each], dtype=np.str_),
            "scene_picture": np.array([k for k, each in enumerate(scenes) for _ in each], np.int64),
            "scene_names": np.array([name for each in scenes for name, _ in each], dtype=np.str_),
            "scene_shares": np.array([share for each in scenes for _, share in each], np.float64),
        },
        metrics=METRICS,
        methods=METHODS,
        extraction=session.reader.options,
        seconds=time.monotonic() - started,
        notes=tuple(notes),
        texts={"detections.json": _document(examples, found, scenes)},
    )


def _doubtful(run: DissectRun, units: Units) -> list[str]:
    """A note where units are no detectors: none where chance was not measured."""
    if run.results.config["metric"] != "detectors":
        return []
    doubtful = sum(not run.of(layer, "detector")[unit] for layer, unit in units)
    if not doubtful:
        return []
    return [
        f"Of the {count(len(units), 'unit')} that boxes come from, {doubtful} are not shown by the dissection to "
        "overlap their object more than chance: what their boxes say is doubtful."
    ]


def detected(
    run: DissectRun, units: Units, maps: Mapping[str, NDArray[np.float32]], options: UnitDetectOptions
) -> list[Detection]:
    """Boxes about the areas above units' thresholds, the most confident first; of an object, none over another."""
    found = [one for layer, unit in units for one in _boxes(run, layer, unit, maps[layer][unit])]
    found.sort(key=lambda one: -one.confidence)
    kept: list[Detection] = []
    for one in found:
        if one.confidence < options.confidence or len(kept) == options.top:
            break
        if all(one.object != other.object or _overlap(one.box, other.box) <= options.overlap for other in kept):
            kept.append(one)
    return kept


def _boxes(run: DissectRun, layer: str, unit: int, map: NDArray[np.float32]) -> list[Detection]:
    threshold = run.scale(layer, unit).threshold
    if not map.max() > threshold:
        return []
    laid = run.standing(layer).laid_over(map, (_RASTER, _RASTER))
    areas, _ = label(laid > threshold)
    boxes = find_objects(areas)
    peaks = np.array([laid[box].max() for box in boxes])
    return [
        Detection(
            (x.start / _RASTER, y.start / _RASTER, x.stop / _RASTER, y.stop / _RASTER),
            float(confidence),
            run.object_of(layer, unit),
            f"{layer}:{unit}",
        )
        for (y, x), confidence in zip(boxes, run.confidence(layer, unit, peaks), strict=True)
    ]


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _named(namer: Namer, pixels: NDArray[np.uint8], n: int) -> list[tuple[str, float]]:
    """The categories that a picture is most likely of, with their probabilities."""
    shares, names = np.exp(namer.log_probabilities(pixels[None])[0]), short_names(namer.categories)
    return [(names[k], float(shares[k])) for k in np.argsort(-shares, kind="stable")[:n]]


def _rows(
    examples: Sequence[Example], found: Sequence[Sequence[Detection]], scenes: Sequence[Sequence[tuple[str, float]]]
) -> Iterator[Row]:
    """Of each picture the scene, how many boxes there are, and of what."""
    for example, boxes, named in zip(examples, found, scenes, strict=True):
        if named:
            yield Row("network", "scene", f"{example.id}, {named[0][0]}", named[0][1], None, 1)
        yield Row("network", "boxes", example.id, float(len(boxes)), None, 1)
        largest: dict[str, float] = {}
        for one in boxes:  # the most confident first
            largest.setdefault(one.object, one.confidence)
        for thing, confidence in largest.items():
            yield Row("network", "confidence", f"{example.id}, {thing}", confidence, None, 1)


def _document(examples: Sequence[Example], found: Sequence[Any], scenes: Sequence[Any]) -> str:
    """Everything that was found, boxes in pixels of the photographs."""
    pictures = []
    for example, boxes, named in zip(examples, found, scenes, strict=True):
        width, height = picture_size(example.image)
        sides = np.array([width, height, width, height])
        pictures.append(
            {
                "image": example.id,
                "scenes": [{"name": name, "probability": round(share, 4)} for name, share in named],
                "boxes": [
                    {
                        "object": one.object,
                        "confidence": round(one.confidence, 4),
                        "box": [round(float(value), 1) for value in np.array(one.box) * sides],
                        "unit": one.unit,
                    }
                    for one in boxes
                ],
            }
        )
    return json.dumps(pictures, indent=1, ensure_ascii=False) + "\n"
