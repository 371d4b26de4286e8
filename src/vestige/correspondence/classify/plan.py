"""What a classification of keypoints will do, said before it starts."""

from __future__ import annotations

from dataclasses import replace

from vestige.contract.plan import Layer, Plan, Work, plan_of_data
from vestige.correspondence.classify.measure import asked_fields, svms_of_class
from vestige.correspondence.classify.task import ClassifyOptions
from vestige.correspondence.instances import class_of
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader


def plan_classification(reader: Reader, data: tuple[Dataset, Dataset], options: ClassifyOptions) -> Plan:
    """The cells at keypoints, the SIFT at them, and the SVMs of every class."""
    fields = asked_fields(options, reader)
    marks = [sum(int(example.visible.sum()) for example in each if example.visible is not None) for each in data]
    described = reader.backbone(options.backbone).layers(list(fields))
    pictures = [len({example.image.digest() for example in each}) for each in data]
    classes = len({class_of(example) for example in data[0]})
    work = [Work("cells", n) for _ in fields for n in marks]
    work += [Work("SIFT pictures", n) for n in pictures if options.radii]
    work += [Work("SVMs", classes * svms_of_class(options)) for _ in range(len(fields) + len(options.radii))]
    if options.localise:
        work.append(Work("localised pictures", min(options.localise, pictures[1])))
    return replace(
        plan_of_data("classify", reader, data),
        networks=(options.backbone,),
        layers=tuple(Layer(layer.name, "cells at keypoints", layer.shape[0], rows=sum(marks)) for layer in described),
        work=tuple(work),
    )
