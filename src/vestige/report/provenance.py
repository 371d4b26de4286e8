"""Where a run's numbers come from, what was wrong with its data, and how to repeat it: the same for every task."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vestige.report.blocks import Block, Cell, Facts, Listing, Prose, RowGroup, Section, Table
from vestige.results import Results
from vestige.spelling import command_words
from vestige.stopwatch import table as rows_of_times
from vestige.text import duration, network_name, percent

NO_REGULARISATION = 1e-10
"""The least alpha over the largest, below which the least counts as none, and the largest as all."""

EDGE_SHARE = 0.05
"""The share of targets on the grid's edge from which a page says so at its head."""

Named = tuple[str, Results]
"""A run's name and its results."""


def data_section(runs: Sequence[Named]) -> Section:
    """What each run was trained and tested on, and what had to be left out."""
    several = len(runs) > 1
    table = data_table([(name if several else "", results.data) for name, results in runs])
    return Section("Data", "data", (table, *_problems(runs)))


def data_table(data: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """Pictures and left-out files of all data that took part, by role, under a heading each where one is given."""
    groups = tuple(
        RowGroup(tuple(_data_row(role, told) for role, told in one.items()), heading=heading) for heading, one in data
    )
    return Table(
        caption="The pictures, and how many were left out because their files could not be used",
        columns=("", "Pictures", "Left out", "Data"),
        groups=groups,
        numeric=False,
    )


def _data_row(role: str, data: Mapping[str, Any]) -> tuple[Cell, ...]:
    skipped = int(data.get("skipped", 0))
    return (
        Cell(str(data.get("label") or {"train": "Training"}.get(role, role.capitalize()))),
        Cell(f"{int(data.get('n', 0)):,} {data.get('counted', '')}".strip()),
        Cell(f"{skipped:,}", tone="strong" if skipped else ""),
        Cell(str(data.get("spec", ""))),
    )


def _problems(runs: Sequence[Named]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for name, results in runs:
        lines = [line for told in results.data.values() for line in told.get("problems", ())]
        if lines:
            title = "What was left out" + (f" of {name}" if len(runs) > 1 else "")
            blocks.append(Listing(title, "\n".join(map(str, lines)), folded=len(lines) > 10))
    skipped = sum(int(told.get("skipped", 0)) for _, results in runs for told in results.data.values())
    if not skipped:
        blocks.append(Prose("Every file of the data could be read: nothing was left out."))
    return tuple(blocks)


def provenance_section(runs: Sequence[Named]) -> Section:
    """Fingerprints, versions, options and times of each run."""
    blocks: list[Block] = []
    for name, results in runs:
        title = name if len(runs) > 1 else ""
        blocks.append(Facts(title, _facts(results)))
        if results.times:
            blocks.append(times_table(results, title))
        blocks.append(options_listing(results.config, title))
    return Section("Provenance", "provenance", tuple(blocks))


def times_table(results: Results, name: str = "") -> Table:
    """Where the time of measuring went."""
    headings, *rows = rows_of_times(results.times)
    return Table(
        caption="Where the time went" + (f" ({name})" if name else ""),
        columns=tuple(each.capitalize() for each in headings),
        groups=(RowGroup(tuple(tuple(map(Cell, row)) for row in rows)),),
        note="Seconds are those of the thread that measures, processor seconds those of all threads together.",
        folded=True,
    )


def options_listing(config: Mapping[str, Any], name: str = "") -> Listing:
    """The resolved options, folded away."""
    settings = json.dumps(dict(config), indent=1, ensure_ascii=False)
    return Listing("Every option, resolved" + (f" ({name})" if name else ""), settings, folded=True)


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    backbone, ridge = results.backbone, results.ridge
    facts = [
        ("Made", f"{results.created or 'at an unknown time'} by vestige {results.vestige or '(unknown version)'}"),
        ("Took", duration(results.seconds)),
        ("Backbone", network_name(str(backbone.get("spec", "")))),
        ("Weights", str(backbone.get("weights_sha256", ""))),
        ("Layer and readout", _layer(backbone)),
        ("Ridge", ridge_sentence(ridge)),
    ]
    for role, data in results.data.items():
        name = str(data.get("label") or {"train": "Training data"}.get(role, f"{role.capitalize()} data"))
        facts.append((name, f"{data.get('spec', '')}  {data.get('fingerprint', '')}".strip()))
    return tuple((term, text) for term, text in facts if text)


def _layer(backbone: Mapping[str, Any]) -> str:
    dim = backbone.get("dim")
    numbers = f"{int(dim):,} numbers a picture" if dim is not None else ""
    readout = f"({backbone['readout']})" if backbone.get("readout") else ""
    read = " ".join(str(part) for part in (backbone.get("layer"), readout) if part)
    return ", ".join(part for part in (read, numbers) if part)


def ridge_sentence(ridge: Mapping[str, Any]) -> str:
    """The ridge's form, the grid of alphas and how many targets chose one on its edge."""
    pieces = []
    if ridge.get("form"):
        pieces.append(f"{ridge['form']} form")
    alphas = [float(alpha) for alpha in ridge.get("alphas") or ()]
    if alphas:
        low, high = f"{min(alphas):.2g}", f"{max(alphas):.2g}"
        pieces.append(f"{len(alphas)} alphas, {low} to {high}" if len(alphas) > 1 else f"alpha {low}")
    if ridge.get("at_boundary") is not None:
        pieces.append(f"{percent(float(ridge['at_boundary']))} of the targets at the edge of the grid")
    return "; ".join(pieces)


def edge_note(results: Results) -> str | None:
    """A warning where many targets chose an alpha on the grid's edge; None where few did."""
    share = float(results.ridge.get("at_boundary") or 0.0)
    if share <= EDGE_SHARE:
        return None
    alphas: list[float] = results.ridge.get("alphas") or [1.0]
    edge = f"{percent(share, 0)} of ridge’s targets chose an alpha on the edge of the grid"
    if min(alphas) >= NO_REGULARISATION * max(alphas):
        return f"{edge}: the best one may lie beyond it."
    return (
        f"{edge}, which is so wide that there is nothing beyond: they are read best without regularisation, or nothing "
        "predicts them better than their mean."
    )


def repeat_section(runs: Sequence[Named]) -> Section:
    """The commands that make the runs again."""
    blocks: list[Block] = [
        Prose(
            "The same command on the same data, weights and versions gives the same rows to the last digit. "
            "Every number on this page is in results.json, every prediction in examples.npz."
        )
    ]
    for name, results in runs:
        blocks.append(Listing(name if len(runs) > 1 else "", command(results, name)))
    return Section("How to repeat this", "repeat", tuple(blocks))


def command(results: Results, name: str) -> str:
    """The command that makes a run: the one it was made by where its config says so, else put together."""
    config, data = results.config, results.data
    given = config.get("command")
    if given:
        return given if isinstance(given, str) else shlex.join(str(word) for word in given)
    train, test = (str(data.get(role, {}).get("spec", role.upper())) for role in ("train", "test"))
    if "evaluated_run" in config:
        return shlex.join(["vestige", "evaluate", str(config["evaluated_run"]), test, "-o", name])
    words = ["vestige", "probe", results.task, train, "--test", test]
    words += ["--backbone", str(results.backbone.get("spec", ""))] if results.backbone.get("spec") else []
    for option in OPTIONS:
        words += _words(option, config.get(option))
    return shlex.join([*words, "-o", name])


OPTIONS = (
    *("layers", "readouts", "box_margin", "mirror", "look_backs", "margin_quantile", "normaliser", "untrained_seeds"),
    "seed",
)
"""Entries of a run's config that are given on the command line, where they are not what the command does anyway."""


def _words(name: str, value: Any) -> list[str]:
    return [] if value is None or value is True else command_words(name, value)
