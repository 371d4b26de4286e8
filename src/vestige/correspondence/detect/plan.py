"""What a detection of keypoints will do, said before it starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vestige.contract.plan import Layer, Plan, Work, layer_of, plan_of_data, with_stored
from vestige.correspondence.detect.features import detected_layers
from vestige.correspondence.detect.measure import prior_read
from vestige.correspondence.detect.task import DetectOptions
from vestige.correspondence.instances import instances_of
from vestige.datasets.dataset import Dataset
from vestige.features.cell_places import at_size
from vestige.features.reader import Reader


def plan_detection(reader: Reader, data: tuple[Dataset, Dataset], options: DetectOptions) -> Plan:
    """The vectors that neighbours are found by, the cells of layers on squares, and the SVMs of every class."""
    read = prior_read(options, reader)
    backbone = at_size(reader.backbone(options.backbone), (options.size, options.size))
    names = list(detected_layers(backbone, options))
    squares = [Work("squares", len(each)) for each in data]
    layers = [
        Layer(layer.name, f"cells at {options.size} px", int(np.prod(layer.shape)), dtype="float16")
        for layer in backbone.layers(names)
    ]
    plan = replace(
        plan_of_data("detect", reader, data),
        networks=(options.backbone,),
        layers=(layer_of(read), *layers),
        work=(
            *squares,
            *_svms(len(layers) + (options.sift_bin > 0), data[0], options),
        ),
    )
    return with_stored(plan, reader, data)


def _svms(features: int, train: Dataset, options: DetectOptions) -> list[Work]:
    """The counts of SVMs in their order: of every feature, class and C, those of each fold and then those of all."""
    instances = instances_of(train)
    shown = [
        int(instances.visible[instances.classes == name].any(axis=0).sum()) for name in np.unique(instances.classes)
    ]
    sizes = [keypoints * options.rounds for keypoints in shown for _ in options.cs for _ in range(options.folds + 1)]
    return [Work("SVMs", n, early=True) for _ in range(features) for n in sizes]
