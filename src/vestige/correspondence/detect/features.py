"""The features that keypoints are detected by: layers of a network and dense SIFT, on squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vestige.backbones import Backbone, ReceptiveField
from vestige.correspondence.detect.candidates import (
    Candidates,
    DenseSift,
    GridSource,
    Rule,
    StoredGrids,
    dense_cells,
    dense_sift,
    unit_scale,
)
from vestige.correspondence.detect.task import SIFT, DetectOptions
from vestige.correspondence.grids import Cells
from vestige.correspondence.instances import Instances
from vestige.correspondence.matched import MatchedInstances
from vestige.correspondence.sift import CHANNELS
from vestige.errors import VestigeError
from vestige.features.cell_places import at_size
from vestige.features.extract import extract
from vestige.features.kept_fields import receptive_fields
from vestige.features.layout import pictures_sha256
from vestige.features.reader import Reader
from vestige.features.readout import parse_readout
from vestige.images import Crop
from vestige.spelling import spelled

Source = Callable[[NDArray[np.intp]], GridSource]
"""From rows of instances to their grids."""


@dataclass(frozen=True)
class Feature:
    """What detectors see: a layer, or dense SIFT.

    Attributes:
        name: a layer's, or ``sift``.
        cells: where its candidates stand on the square.
        reach: see :class:`Candidates`.
        rule: which candidates are examples.
        train, test: the grids of instances.
        key: a text that changes whenever the numbers would.
    """

    name: str
    cells: Cells
    reach: int
    rule: Rule
    train: Source
    test: Source
    key: str

    def candidates(self, grids: GridSource, scale: float = 1.0) -> Candidates:
        """The candidates of instances."""
        return Candidates(grids, self.cells, self.reach, scale)

    def scale(self, grids: GridSource, seed: int) -> float:
        """At which vectors of these instances have a mean squared length of 1."""
        return unit_scale(self.candidates(grids), np.random.default_rng(seed))


def features_of(matched: MatchedInstances, options: DetectOptions, reader: Reader) -> tuple[Feature, ...]:
    """Every layer that is asked for, and SIFT.

    Raises:
        VestigeError: where a layer is no grid with a stride, the network takes no square of that size, or every
            candidate's field holds every keypoint.
    """
    backbone = at_size(reader.backbone(options.backbone), (options.size, options.size))
    crops = [matched.train.crops, matched.test.crops]
    layers = detected_layers(backbone, options)
    found = _layer_features(backbone, layers, crops, options, reader)
    if not options.sift_bin:
        return found
    return (*found, _sift_feature(matched, options, backbone.preprocessing.interpolation))


def detected_layers(backbone: Backbone, options: DetectOptions) -> dict[str, tuple[Cells, Rule]]:
    """The cells and the rule of each layer.

    Args:
        backbone: the network, for squares.
        options: which layers.

    Raises:
        VestigeError: as :func:`features_of`.
    """
    if not options.layers:
        raise VestigeError(
            f"{spelled('layers')}: names none; expected at least one layer, vestige layers {backbone.spec} lists them"
        )
    names = backbone.select(options.layers)
    size = (options.size, options.size)
    try:
        described = backbone.layers(names)
    except (RuntimeError, ValueError, AssertionError) as error:  # as networks refuse a size
        raise VestigeError(
            f"{backbone.spec} takes no picture of {options.size} x {options.size} pixels "
            f"({str(error).splitlines()[0]}); choose a {spelled('size')} that it takes"
        ) from error
    fields = receptive_fields(backbone, names)
    found = {}
    for layer in described:
        field = fields[layer.name]
        if layer.kind != "grid" or field.stride is None or field.centre is None:
            raise VestigeError(
                f"{backbone.spec}: layer {layer.name!r} is no grid whose cells have a place of their own; "
                f"vestige layers {backbone.spec} lists them"
            )
        stride = (float(field.stride[0]), float(field.stride[1]))
        found[layer.name] = Cells((layer.shape[1], layer.shape[2]), stride, field.centre, size), _rule(field, options)
        if min(found[layer.name][1].beyond) >= options.size:
            raise VestigeError(
                f"layer {layer.name!r}: the field of a candidate is as large as the whole square, so none is a "
                f"negative example by not seeing a keypoint; give a {spelled('negative_distance')}, or an earlier layer"
            )
    return found


def _rule(field: ReceptiveField, options: DetectOptions) -> Rule:
    """Positive are the closest candidates, negative those that do not see the keypoint."""
    if options.negative_distance is not None:
        return Rule(options.closest, 0.0, (options.negative_distance,) * 2, square=False)
    if field.receptive_field is None or field.stride is None:
        return Rule(options.closest, 0.0, (np.inf, np.inf), square=True)
    high, wide = (f + 2 * options.reach * s for f, s in zip(field.receptive_field, field.stride, strict=True))
    return Rule(options.closest, 0.0, (wide / 2, high / 2), square=True)


def _layer_features(
    backbone: Backbone,
    layers: dict[str, tuple[Cells, Rule]],
    crops: Sequence[Sequence[Crop]],
    options: DetectOptions,
    reader: Reader,
) -> tuple[Feature, ...]:
    flat = parse_readout("flat")
    extraction = replace(reader.options, store_dtype="float16", batch=min(reader.options.batch, 8))
    stored = [
        extract(
            backbone,
            part,
            [(name, flat) for name in layers],
            cache=reader.cache,
            options=extraction,
            progress=partial(reader.count, "squares"),
        )
        for part in crops
    ]
    found = []
    for (name, (cells, rule)), train, test in zip(layers.items(), *stored, strict=True):
        found.append(
            Feature(
                name,
                cells,
                options.reach,
                rule,
                partial(StoredGrids, train, cells.shape),
                partial(StoredGrids, test, cells.shape),
                f"{train.description.key} {test.description.key} {options.reach} {rule}",
            )
        )
    return tuple(found)


def _sift_feature(matched: MatchedInstances, options: DetectOptions, interpolation: str) -> Feature:
    """Dense SIFT with a step of one bin: positive within two bins, negative from four on."""
    cells = dense_cells(options.size, options.sift_bin)
    near, far = 2.0 * options.sift_bin, 4.0 * options.sift_bin
    rule = Rule(0, near, (far, far), square=False)

    def source(instances: Instances) -> Source:
        def grids(rows: NDArray[np.intp]) -> GridSource:
            crops = instances.subset(rows).crops
            radius = 2.0 * options.sift_bin  # half the side of 4 x 4 bins
            found = list(dense_sift(crops, cells, radius, interpolation))
            return DenseSift(np.stack(found) if found else np.empty((0, *cells.shape, CHANNELS), np.uint8))

        return grids

    pictures = pictures_sha256(crop.key() for part in (matched.train, matched.test) for crop in part.crops)
    key = f"sift {cells} {rule} {interpolation} {pictures}"
    return Feature(SIFT, cells, 0, rule, source(matched.train), source(matched.test), key)
