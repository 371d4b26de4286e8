"""Bounds of numbers: what they hold, how they are told, and that options refuse what lies outside."""

import dataclasses
import math
import typing
from decimal import Decimal

import numpy as np
import pytest

from vestige import bounds
from vestige.bounds import Bounds, check_bounds, whole
from vestige.correspondence.align.task import AlignOptions
from vestige.correspondence.classify.task import ClassifyOptions
from vestige.correspondence.detect.task import DetectOptions
from vestige.correspondence.search.task import DatabaseOptions, FieldOptions, PatchOptions
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import option
from vestige.probes.attributes.measure import Attributes
from vestige.probes.directions.task import DirectionOptions
from vestige.probes.engine.options import VectorOptions
from vestige.probes.keypoints.task import KeypointOptions
from vestige.probes.landmarks.task import LandmarkOptions
from vestige.probes.pixels.measure import Pixelwise
from vestige.probes.segmentation.measure import Segmentation

OPTIONS = [
    *(AlignOptions(), ClassifyOptions(), DetectOptions(), DatabaseOptions(), FieldOptions(), PatchOptions()),
    *(ExtractOptions(), DirectionOptions()),
    *(KeypointOptions(), LandmarkOptions(), VectorOptions(), Pixelwise(), Segmentation(("a", "b")), Attributes(())),
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: type(options).__name__)
def test_options_refuse_the_same_from_python(options):
    hints = typing.get_type_hints(type(options))
    for field in dataclasses.fields(options):
        kind = hints[field.name]
        if not {int, float} & {kind, *typing.get_args(kind)}:
            continue
        assert "bounds" in field.metadata, field.name
        several = typing.get_origin(kind) is tuple
        for value in (math.nan, math.inf, -1, 1e300, 10**19, "1", True, Decimal(1)):
            with pytest.raises(VestigeError, match=rf"^{field.name} "):
                dataclasses.replace(options, **{field.name: (value,) if several else value})
        if several and not field.metadata["empty"]:
            with pytest.raises(VestigeError, match=rf"^{field.name}: "):
                dataclasses.replace(options, **{field.name: ()})


def test_bounds_hold_their_ends_as_they_say():
    assert [Bounds(0, 1).hold(x) for x in (0, 1, 0.5, np.float32(1), -0.0, 1.0001)] == [True] * 5 + [False]
    assert [Bounds(0, 1, above=True).hold(x) for x in (0, 1e-9, 1)] == [False, True, True]
    assert [Bounds(0, 0.5, below=True).hold(x) for x in (0, 0.5)] == [True, False]
    assert [whole(1, 3).hold(x) for x in (1, 3, 4, 2.0, np.int64(2), True)] == [True, True, False, False, True, False]


def test_bounds_tell_their_ends():
    assert str(whole(1, 2000)).endswith("from 1 to 2,000")
    assert str(Bounds(0, 1, above=True)).endswith("above 0, up to 1")
    assert str(Bounds(0, 0.5, below=True)) == "a number from 0, below 0.5"
    assert str(Bounds(0, 1, above=True, below=True)) == "a number above 0, below 1"
    assert [each.brief for each in (bounds.SEED, bounds.SHARE, bounds.BETA, bounds.TAIL)] == [
        "at least 0",
        "above 0, up to 1",
        "above 0",
        "from 0, below 0.5",
    ]


def test_a_field_may_be_none_only_where_that_is_its_default():
    @dataclasses.dataclass(frozen=True)
    class Options:
        some: int = option(1, bounds=whole(1, 2))
        other: int | None = option(None, bounds=whole(1, 2))

        def __post_init__(self):
            check_bounds(self)

    assert Options() == Options(1, None)
    with pytest.raises(VestigeError, match=r"^some None: "):
        Options(None)
    with pytest.raises(VestigeError, match=r"^other 3: "):
        Options(1, 3)
