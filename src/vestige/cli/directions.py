"""``vestige directions``: move faces along what an attribute varies by, and regress back to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from vestige import bounds as b
from vestige.bounds import FACE_MARGIN
from vestige.cli import options as o
from vestige.cli.console import Listener, command_line, print_table
from vestige.cli.help import examples
from vestige.cli.measuring import measure_into
from vestige.cli.probe import BoxMargin, ReconstructionSide
from vestige.cli.probe_attributes import CentralShare, Least, Names

if TYPE_CHECKING:
    from vestige.results import Results, Row
    from vestige.run import Run


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "vestige directions synthetic:faces,n=600,seed=1 --test synthetic:faces,n=100,seed=2 "
            "--attribute glasses --attribute beard --attribute yaw --layer block10 -o runs/directions"
        )
    )(directions)


def directions(
    train: o.Train,
    output: o.Out,
    test: o.Test = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: o.Layers = None,
    readout: o.VectorReadouts = None,
    attribute: Names = None,
    orthogonal_to: Annotated[
        list[str] | None,
        typer.Option(
            "--orthogonal-to",
            metavar="NAME",
            help="Make each direction once more, orthogonal to this attribute's; repeat for several.",
        ),
    ] = None,
    size: ReconstructionSide = 46,
    steps: Annotated[int, o.number(b.STEPS, "--steps", "N", "Pictures along each direction.")] = 7,
    quantile: Annotated[
        float,
        o.number(
            b.TAIL,
            "--quantile",
            "X",
            "Quantile of the training pictures' projections at which lambda begins; it ends at 1 less it.",
        ),
    ] = 0.01,
    stretch: Annotated[float, o.number(b.STRETCH, "--stretch", "X", "Widen that range about its middle.")] = 1.0,
    faces: Annotated[int, o.number(b.FACES, "--faces", "N", "Test faces shown for each direction.")] = 4,
    reencode: Annotated[
        int,
        o.number(
            b.REENCODED, "--reencode", "N", "Test faces whose reconstructions are read through the network again."
        ),
    ] = 48,
    least: Least = 10,
    crop: CentralShare = 0.6,
    box_margin: BoxMargin = FACE_MARGIN,
    seed: o.Seed = 0,
    strict: o.Strict = False,
    device: o.Device = "auto",
    precision: o.Precision = "float32",
    compiled: o.Compile = False,
    store_dtype: o.StoreDtype = "float32",
    batch_size: o.BatchSize = 32,
    overwrite: o.Overwrite = False,
) -> None:
    """What happens to a face if its representation is moved along an attribute? Regressors give the directions, colours
    are regressed back, and what moves is measured."""
    from vestige.datasets.opening import open_train_test
    from vestige.probes.attributes.measure import attributes_of
    from vestige.probes.directions.measure import DirectionOptions, probe_directions
    from vestige.probes.engine.record import record

    others = tuple(dict.fromkeys(orthogonal_to or ()))
    chosen = DirectionOptions(
        moved=tuple(dict.fromkeys(attribute or ())),
        orthogonal_to=others,
        backbone=backbone,
        layers=o.layers_of(layer),
        readouts=tuple(readout or ("auto:4096",)),
        size=size,
        steps=steps,
        quantile=quantile,
        stretch=stretch,
        faces=faces,
        reencoded=reencode,
        seed=seed,
    )

    def measure(run: Run, listener: Listener) -> Results:
        reader = o.reader_for(listener, device, precision, compiled, store_dtype, batch_size)
        data = open_train_test(train, test, strict=strict)
        names = [*attribute, *others] if attribute else []
        task, notes = attributes_of(data[0], names, least=least, box_margin=box_margin, crop=crop)
        probe = probe_directions(task, *data, chosen, reader, listener.say, notes)
        return record(run, probe, command_line())

    measure_into(output, overwrite, measure, lambda results: print_table(_table(results), results))


def _table(results: Results) -> Table:
    """How each attribute's own reading and the others change along its direction."""
    read = "{layer} ({readout}) of {spec}".format_map(results.backbone)
    title = f"directions: change from end to end in standard deviations, test n = {results.data['test']['n']}\n{read}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    columns = ("own", "other half", "re-encoded", "95 % CI", "leak", "leak, other half", "leak, re-encoded")
    for name in ("attribute", "direction", *columns):
        table.add_column(name, justify="left" if name in ("attribute", "direction") else "right")
    found = {(row.method, row.subset, row.metric): row for row in results.rows}
    for method, subset in dict.fromkeys((row.method, row.subset) for row in results.rows if row.metric == "change"):
        again = found.get((method, subset, "change_reencoded"))
        interval = "" if again is None or again.ci95 is None else f"{again.ci95[0]:.2f} to {again.ci95[1]:.2f}"
        cells = [_number(found.get((method, subset, f"change{kind}"))) for kind in ("", "_other_half", "_reencoded")]
        leaks = [_leak(results, method, subset, f"leak{kind}") for kind in ("", "_other_half", "_reencoded")]
        table.add_row(subset, "plain" if method == "ridge" else method, *cells, interval, *leaks)
    return table


def _number(row: Row | None) -> str:
    return "" if row is None else f"{row.value:.2f}"


def _leak(results: Results, method: str, subset: str, metric: str) -> str:
    """The mean size of the leaks into other readings."""
    rows = [row for row in results.rows if (row.method, row.metric) == (method, metric)]
    own = [abs(row.value) for row in rows if row.subset.startswith(f"{subset} > ")]
    if subset == "all":
        return _number(next((row for row in rows if row.subset == "all"), None))
    return f"{sum(own) / len(own):.2f}" if own else ""
