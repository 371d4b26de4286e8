"""What an alignment will do, said before it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vestige.contract.plan import Layer, Plan, Work, layer_of, plan_of_data, with_stored
from vestige.correspondence.align.measure import asked_layers, neighbour_read
from vestige.correspondence.align.task import AlignOptions
from vestige.correspondence.grids import layer_cells
from vestige.correspondence.instances import class_of
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader


def plan_alignment(reader: Reader, data: tuple[Dataset, Dataset], options: AlignOptions) -> Plan:
    """The vectors that neighbours are found by, the cells of layers, and the pairs that flow aligns."""
    asked = asked_layers(options, reader)
    cells, _ = layer_cells(reader.backbone(options.backbone), asked)
    shapes = [cells[layer.name].shape for layer in asked]
    layers = [Layer(layer.name, "cells", int(np.prod(layer.shape))) for layer in asked]
    if options.sift_radius:
        shapes += list(dict.fromkeys(shapes))
    plan = replace(
        plan_of_data("align", reader, data),
        networks=(options.backbone,),
        passes=2,
        layers=(layer_of(neighbour_read(options, reader)), *layers),
        work=tuple(_pairs(shapes, data, options)),
    )
    return with_stored(plan, reader, data)


def _pairs(shapes: list[tuple[int, int]], data: tuple[Dataset, Dataset], options: AlignOptions) -> list[Work]:
    """The counts of pairs in their order: of each grid, betas on training instances, then the test instances."""
    train, test = data
    known = {class_of(example) for example in train}
    tried = min(options.queries, len(train)) * options.neighbours
    tested = sum(class_of(example) in known for example in test) * options.neighbours
    chosen = len(options.betas) if len(options.betas) > 1 or len(shapes) > 1 else 0
    costs = [float(height * width) ** 2 for height, width in shapes]  # every cell of the one may answer to any other
    work = [Work("pairs", tried, cost) for cost in costs for _ in range(chosen)]
    return work + [Work("pairs", tested, cost) for cost in costs for _ in range(1 + len(options.beside))]
