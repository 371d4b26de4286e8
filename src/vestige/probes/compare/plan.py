"""What a comparison will do, said before it starts."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from vestige.contract.plan import Plan, plan_of
from vestige.datasets.dataset import Dataset
from vestige.features.reader import Reader
from vestige.probes.compare.measure import reads_by_network
from vestige.probes.compare.task import COMPARE, CompareOptions, compared_task


def plan_comparison(reader: Reader, data: tuple[Dataset, Dataset], options: CompareOptions) -> Plan:
    """The plans of the compared task with each network's own layers, in one."""
    task, plans = compared_task(options.task), []
    for backbone, asked in reads_by_network(reader, options).items():
        given = {"backbone": backbone, "layers": asked.layers, "readouts": asked.readouts}
        alone = {**given, "untrained_seeds": 0, "look_backs": 0}
        plan = plan_of(task, reader, data, [_with(each, alone) for each in options.probing()])
        plans.append(replace(plan, layers=tuple(replace(layer, network=backbone) for layer in plan.layers)))
    return replace(
        plans[0],
        task=COMPARE.name,
        networks=tuple(plan.networks[-1] for plan in plans),
        layers=tuple(layer for plan in plans for layer in plan.layers),
        further_fits=0,  # neither look-back nor ablation
        stored=sum(plan.stored for plan in plans),
    )


def _with(options: Any, values: dict[str, Any]) -> Any:
    """Options with those of the values that they have."""
    own = {each.name for each in fields(options)}
    return replace(options, **{name: value for name, value in values.items() if name in own})
