"""What moving along directions will do, said before it starts."""

from __future__ import annotations

from dataclasses import asdict, replace

from vestige.contract.plan import Plan, plan_by_options
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.probes.attributes.measure import attributes_of
from vestige.probes.directions.measure import named_attributes
from vestige.probes.directions.task import DIRECTIONS, DirectionOptions, FaceOptions

_FITS = 3
"""At the layer chosen: colours, and the attributes of each half of the people."""


def plan_directions(
    reader: Reader, data: tuple[Dataset, Dataset], options: DirectionOptions, seen: FaceOptions
) -> Plan:
    """Attributes from every layer, colours from the best, and moved faces through the network again."""
    codec, _ = attributes_of(data[0], named_attributes(options), **asdict(seen))
    moved = options.moved or codec.names
    directions = len(moved) + sum(other != name for name in moved for other in options.orthogonal_to)
    again = min(options.reencoded, len(data[1])) * directions * options.steps
    plan = plan_by_options(DIRECTIONS.name, reader, data, (options, seen))
    return replace(plan, looks=again, looked_at="moved faces", further_fits=_FITS)
