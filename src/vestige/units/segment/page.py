"""The report on what units show of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from vestige.arrays import check_arrays
from vestige.images import Pixels, crop_resize
from vestige.report.blocks import Gallery, Opening, Parts, Section, Tile
from vestige.report.measured_run import MeasuredRun, check_config
from vestige.results import mend
from vestige.run import Run
from vestige.text import count, percent
from vestige.units.rules import RULES, lit

_NEEDED = {
    "ids": "text N",
    "sizes": "index N 2",
    "pictures": "byte N S S 3",
    "picture": "row:N M",
    "units": "text M",
    "objects": "text M",
    "masks": "bool M S S",
}


_NARROWEST = 0.1  # of a photograph's sides, the shorter in shares of the longer, as it is shown


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
            picture, size = arrays["pictures"][k], arrays["sizes"][k].tolist()
            tiles = [Tile(unsquashed(picture, size), name, name)]
            for i in (arrays["picture"] == k).nonzero()[0]:
                unit, thing, mask = str(arrays["units"][i]), str(arrays["objects"][i]), arrays["masks"][i]
                caption = f"{unit}{f': {thing}' if thing else ''}, {percent(float(mask.mean()))} of the picture"
                shown = unsquashed(lit(picture, mask), size)
                tiles.append(Tile(shown, caption, f"What {unit} shows of {name}"))
            said = f"Bright: {RULES.get(rule, rule)}."
            if len(tiles) == 1:
                said = f"No unit that was looked at shows anything of {name}: none is above its threshold there."
            galleries.append(Gallery(f"segments-{k}-{read.name}", tuple(tiles), said, columns=3))
    return tuple(openings), (Section("What units show", "segments", tuple(galleries)),)


def unsquashed(pixels: Pixels, size: Sequence[int]) -> Pixels:
    """A square picture in the shape of the photograph, of a width and a height, that it was squashed from."""
    width, height = (round(len(pixels) * side) for side in sides(size))
    return crop_resize(pixels, None, (height, width), "bilinear")


def sides(size: Sequence[int]) -> tuple[float, float]:
    """A width and a height in shares of the longer one; of what is very narrow, more."""
    longer = max(*size, 1)
    width, height = (max(side / longer, _NARROWEST) for side in size)
    return width, height
