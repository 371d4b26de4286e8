"""What a search for the neighbours of patches or fields will do, said before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vestige.contract.plan import Plan, plan_by_options
from vestige.correspondence.search.task import DatabaseOptions, FieldOptions, PatchOptions
from vestige.features.reader import Reader


def plan_patches(reader: Reader, data: Any, options: PatchOptions, database: DatabaseOptions) -> Plan:
    """The plan of a search for patches."""
    return _of_databases(plan_by_options("patches", reader, data, (options, database)))


def plan_fields(reader: Reader, data: Any, options: FieldOptions, database: DatabaseOptions) -> Plan:
    """The plan of a search for fields."""
    return _of_databases(plan_by_options("fields", reader, data, (options, database)))


def _of_databases(plan: Plan) -> Plan:
    return replace(plan, data=tuple(replace(part, role="database") for part in plan.data))
