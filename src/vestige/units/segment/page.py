"""The report on what units show of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from vestige.arrays import check_arrays
from vestige.report.blocks import Gallery, Opening, Parts, Section, Tile
from vestige.report.measured_run import MeasuredRun, check_config
from vestige.results import mend
from vestige.run import Run
from vestige.text import count, percent
from vestige.units.dissect.page import lit
from vestige.units.rules import RULES

_NEEDED = {
    "ids": "text N",
    "pictures": "byte N S S 3",
    "picture": "row:N M",
    "units": "text M",
    "objects": "text M",
    "masks": "bool M S S",
}


class _Config(TypedDict):
    rule: str
    dissection: str


def segment_parts(runs: Sequence[Run]) -> Parts:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    openings, galleries = [], []
    for run in runs:
        results, arrays = run.results(), run.examples()
        check_config(run, results, _Config)
        check_arrays(run.examples_path, arrays, _NEEDED, mend=mend())
        read, rule = MeasuredRun(run.name, results), str(results.config["rule"])
        n, units = len(arrays["ids"]), len(set(arrays["units"].tolist()))
        openings.append(
            Opening(
                read.name,
                f"What {count(units, 'unit')} of the run “{results.config['dissection']}” show of "
                f"{count(n, 'picture')}.",
                "A picture is dark where a unit is not active.",
            )
        )
        for k, name in enumerate(arrays["ids"].tolist()):
            tiles = [Tile(arrays["pictures"][k], name, name)]
            for i in (arrays["picture"] == k).nonzero()[0]:
                unit, thing, mask = str(arrays["units"][i]), str(arrays["objects"][i]), arrays["masks"][i]
                caption = f"{unit}{f': {thing}' if thing else ''}, {percent(float(mask.mean()))} of the picture"
                tiles.append(Tile(lit(arrays["pictures"][k], mask), caption, f"What {unit} shows of {name}"))
            said = f"Bright: {RULES.get(rule, rule)}."
            galleries.append(Gallery(f"segments-{k}-{read.name}", tuple(tiles), said))
    return tuple(openings), (Section("What units show", "segments", tuple(galleries)),)
