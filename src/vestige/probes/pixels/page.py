"""The RGB reconstruction's part of a report: errors, layers, and originals beside reconstructions (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from vestige.documents import Count
from vestige.images import Pixels, crop_resize
from vestige.probes.engine.vector_run import VectorRun, layers_section, methods_table, read_vector_run, vector_opening
from vestige.published import paper
from vestige.report.beside import beside
from vestige.report.blocks import Block, Cell, Gallery, Opening, RowGroup, Section, Table, Tile
from vestige.report.cells import published_cell
from vestige.report.choosing import typical
from vestige.report.differences import difference_table
from vestige.report.rivals import rivals_sentence
from vestige.run import Run
from vestige.text import count, read_from, signed

METRICS = {"mae": "Mean absolute error", "psnr": "PSNR, dB", "ssim": "SSIM"}
PANEL = 184
"""Pixels of a panel's side: 46 enlarged fourfold."""


RANDOM_PICTURES = 25
"""Pictures of the paper's Fig. 4."""

RANDOM_SIDE = 480
"""Pixels of a panel with all of them."""


class _MadeOf(TypedDict):
    size: Count


class _Config(TypedDict):
    made_of: _MadeOf


def pixel_parts(runs: Sequence[Run]) -> tuple[tuple[Opening, ...], tuple[Section, ...]]:
    """What the report opens with, and its sections.

    Raises:
        VestigeError: where a run's files lack what they are drawn from.
    """
    read = [read_vector_run(run, _Config, {"truth": "byte N T", "prediction/ridge": "number N T"}) for run in runs]
    tables: list[Block] = []
    for run in read:
        named = f"{run.name}: " if len(read) > 1 else ""
        tables.append(
            methods_table(run, METRICS, f"{named}Colour values in [0, 1] of {_size(run)} x {_size(run)} pixels")
        )
        tables.append(published_table())
        differences = difference_table(run, named=len(read) > 1)
        tables += [differences] if differences is not None else []
    sections = [
        Section("Error of every method", "errors", tuple(dict.fromkeys(tables))),
        layers_section(read, "the colours"),
        Section(
            "What it looks like",
            "pictures",
            tuple(block for run in read for block in (_gallery(run), random_pictures(run))),
        ),
    ]
    return tuple(map(_opening, read)), tuple(section for section in sections if section is not None)


def published_table() -> Table:
    """What the paper says in its text."""
    source = paper("persistent-evidence")
    said = next(statement for statement in source.statements if "RGB" in statement.where)
    row = (Cell("ConvNet, fc6 + ridge", said.what), published_cell(said.value, 2))
    return Table(
        f"Published: {said.where} of {source.short}",
        ("Method", "Mean absolute error"),
        (RowGroup((row,)),),
        "Measured by others on other pictures; it was not measured here.",
    )


def _opening(run: VectorRun) -> Opening:
    ridge, mean = run.find("ridge"), run.find("mean")
    assert ridge is not None  # the methods come from the rows
    headline = (
        f"A linear map rebuilds a picture from {read_from(run.results.backbone)} with an error of "
        f"{signed(ridge.value)}."
    )
    detail = f"Mean absolute error of colour values in [0, 1], over {count(ridge.n, 'test picture')}."
    if mean is not None:
        detail += f" The error of the mean picture is {signed(mean.value)}."
    detail += rivals_sentence(run.results, signed)
    return vector_opening(run, headline, detail)


def _size(run: VectorRun) -> int:
    return int(run.results.config["made_of"]["size"])


def _gallery(run: VectorRun) -> Gallery:
    """Original, and what each method makes of it, at even steps of the error."""
    methods = [m for m in ("rgb", "untrained", "ridge") if m in run.methods]
    chosen = typical(run.errors["ridge"], run.arrays["picture_rows"].astype(np.intp), 10)
    made = {method: _reconstructions(run, method) for method in methods}
    tiles = []
    for k in chosen:
        row = int(run.arrays["picture_rows"][k])
        panels = [run.arrays["pictures"][k], run.arrays["truth"][row].reshape(_size(run), _size(run), 3)]
        panels += [made[method][row] for method in methods]
        error = run.errors["ridge"][row]
        name = str(run.arrays["ids"][row])
        tiles.append(Tile(beside(_panels(panels)), f"{name}: {error:.3f}", f"{name} and its reconstructions"))
    names = ", ".join(["the original", f"the same at {_size(run)} pixels", *map(run.label, methods)])
    return Gallery(
        f"reconstructions-{run.name}",
        tuple(tiles),
        f"From left to right: {names}. Numbers: the mean absolute error of the network’s. Taken at even steps of it, "
        "from small to large; not picked by hand.",
        columns=1,
    )


def random_pictures(run: VectorRun) -> Gallery:
    """The paper's Fig. 4: 25 random test pictures, and beside them their reconstructions."""
    size, n = _size(run), len(run.arrays["ids"])
    rows = np.random.default_rng(0).permutation(n)[:RANDOM_PICTURES]
    truth = run.arrays["truth"].reshape(-1, size, size, 3)[rows]
    pixels = beside(_panels([_square_of(truth), _square_of(_reconstructions(run, "ridge")[rows])], RANDOM_SIDE))
    said = f"{count(len(rows), 'random test picture')} and what the network’s linear map makes of them"
    caption = (
        f"Left: {count(len(rows), 'test picture')} drawn at random at {size} pixels. Right: what the network’s linear "
        "map makes of them (the first paper’s Fig. 4)."
    )
    return Gallery(f"random-pictures-{run.name}", (Tile(pixels, "", said),), caption, columns=1)


def _square_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures ``(n, s, s, 3)`` in rows, as many in a row as there are rows or one more; white between them."""
    columns = int(np.ceil(np.sqrt(len(pictures))))
    framed = np.pad(pictures, ((0, columns * columns - len(pictures)), (1, 1), (1, 1), (0, 0)), constant_values=255)
    side = framed.shape[1]
    grid = framed.reshape(columns, columns, side, side, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(columns * side, columns * side, 3)


def _reconstructions(run: VectorRun, method: str) -> NDArray[np.uint8]:
    """``(N, size, size, 3)``; of several seeds, the first."""
    key = method if f"prediction/{method}" in run.arrays else f"{method}@0"
    size = _size(run)
    values = np.round(np.clip(run.predictions(key), 0, 1) * 255).astype(np.uint8)
    return values.reshape(-1, size, size, 3)


def _panels(pictures: Sequence[Pixels], side: int = PANEL) -> list[Pixels]:
    """Pictures, each enlarged or reduced to one panel of a side in pixels."""
    return [crop_resize(each, None, (side, side), "box" if len(each) <= side else "bicubic") for each in pictures]
