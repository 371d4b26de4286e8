"""The probe of depth's part of a report: errors, layers, and pictures beside their depth."""

from typing import TypedDict

import numpy as np
from vestige_squares.depth.measure import as_pixels

from vestige.images import crop_resize
from vestige.probes.engine.vector_run import layers_section, methods_table, read_vector_run, vector_opening
from vestige.report.blocks import Gallery, Section, Tile
from vestige.report.choosing import typical
from vestige.report.rivals import rivals_sentence
from vestige.text import count, read_from, signed

METRICS = {"abs_rel": "Relative error", "delta1": "Within a factor of 1.25"}
SIDE = 128


class Config(TypedDict):
    """What is read of the config."""

    made_of: dict[str, int]


def depth_parts(runs):
    """What the report opens with, and its sections."""
    read = [read_vector_run(run, Config, {"truth": "number N T", "prediction/ridge": "number N T"}) for run in runs]
    tables = tuple(methods_table(run, METRICS, f"Depth of the cells of test pictures: {run.name}") for run in read)
    sections = (
        Section("Error of every method", "errors", tables),
        layers_section(read, "depth"),
        Section("What it looks like", "pictures", tuple(map(gallery, read))),
    )
    return tuple(map(opening, read)), tuple(section for section in sections if section is not None)


def opening(run):
    """A headline, and the error of every method."""
    error = run.find("ridge")
    headline = f"Depth is read from {read_from(run.results.backbone)} with a relative error of {signed(error.value)}."
    return vector_opening(run, headline, f"Over {count(error.n, 'picture')}.{rivals_sentence(run.results, signed)}")


def gallery(run):
    """Pictures at even steps of the error, with their depth and what is read of it."""
    rows, tiles = run.arrays["picture_rows"], []
    for k in typical(run.errors["ridge"], rows, 6):
        row, name = rows[k], str(run.arrays["ids"][rows[k]])
        panels = [crop_resize(run.arrays["pictures"][k], None, (SIDE, SIDE), "bicubic")]
        panels += [as_pixels(depths[row], SIDE) for depths in (run.arrays["truth"], run.predictions("ridge"))]
        tiles.append(Tile(np.concatenate(panels, axis=1), f"{run.errors['ridge'][row]:.3f}", f"{name} and its depth"))
    caption = "The picture, its depth, and what the network’s linear map reads. Numbers: the relative error."
    return Gallery(f"depth-{run.name}", tuple(tiles), caption, columns=2)
