"""``vestige reproduce``: a paper's tables and figures from the user's copies of its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import Listener, command_line, console, listening
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vestige.features.reader import Reader
    from vestige.probes.reproduction import Experiment, Network
    from vestige.report.reproduction import Place
    from vestige.run import Run

app = typer.Typer(help="A paper's tables and figures, measured again.", no_args_is_help=True)

Tables = Annotated[list[int] | None, typer.Option("--table", metavar="N", help="Only this table; repeat for several.")]
Figures = Annotated[
    list[int] | None, typer.Option("--figure", metavar="N", help="Only this figure; repeat for several.")
]
Data = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="PLACE=SPEC", help="Your copy of a data set; --dry-run lists the places."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which data belong where, and check what is there.")]


@app.callback()
def _group() -> None:
    """Keeps `reproduce` a group while it has one paper."""


@app.command(
    name="persistent-evidence",
    epilog="Example: vestige reproduce persistent-evidence --table 2 "
    "--data voc-keypoints=synthetic:objects,n=80,seed=1 "
    "--data voc-keypoints-test=synthetic:objects,n=40,seed=2 --layer block10 -o runs/paper",
)
def persistent_evidence(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The runs' folder.")] = Path(
        "runs/persistent-evidence"
    ),
    table: Tables = None,
    figure: Figures = None,
    data: Data = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="[default: fc6 where the network has it, as the paper, else all]"),
    ] = None,
    readout: o.Readouts = None,
    untrained: Annotated[int, typer.Option("--untrained", min=0, help="Random networks beside it; none: 0.")] = 1,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Tables 1-3 and figures 2-6 of "Persistent Evidence of Local Image Properties in Generic ConvNets".

    One run for each experiment whose data are given; those that are finished are kept, so it can be stopped and
    started, and data can be added later. The paper's own network is caffe:caffenet@bvlc_reference_caffenet.caffemodel.
    """
    from vestige.features.extract import ExtractOptions
    from vestige.features.reader import Reader
    from vestige.probes.reproduction import EXPERIMENTS, PAPERS_LAYER, Network
    from vestige.report.persistent_evidence import EXHIBITS, PAPER
    from vestige.report.published import paper
    from vestige.report.reproduction import write_reproduction

    exhibits = [exhibit for exhibit in EXHIBITS if exhibit.asked(table or (), figure or ())]
    if not exhibits:
        raise VestigeError("--table, --figure: the paper has tables 1 to 3 and figures 1 to 6 (1 is vestige portrait)")
    wanted = {name for exhibit in exhibits for name in exhibit.experiments}
    experiments = [experiment for experiment in EXPERIMENTS if experiment.name in wanted]
    given = _given(data or [], EXPERIMENTS)
    if dry_run:
        _check(experiments, given)
        return
    ready = [experiment for experiment in experiments if _is_ready(experiment, given)]
    runs = {}
    with listening() as listener:
        reader = Reader(ExtractOptions(device=device), progress=listener.pictures)
        has_papers_layer = PAPERS_LAYER in reader.backbone(backbone).paths
        layers = tuple(layer or ((PAPERS_LAYER,) if has_papers_layer else ("all",)))
        network = Network(backbone, layers, tuple(readout or ()), untrained, seed)
        for experiment in ready:
            runs[experiment.name] = _run(experiment, given, network, reader, listener, output)
    missing = [
        f"{experiment.name} is not there: {_lacks(experiment, given)}"
        for experiment in experiments
        if experiment not in ready
    ]
    if not runs:
        raise VestigeError("no data given; add --data PLACE=SPEC, or --dry-run to see which data belong where")
    write_reproduction(paper(PAPER), exhibits, runs, missing, output / "report.html")
    for sentence in missing:
        console.print(sentence, markup=False, highlight=False)
    typer.echo(f"report: {output / 'report.html'}")


def _run(
    experiment: Experiment,
    given: Mapping[str, str],
    network: Network,
    reader: Reader,
    listener: Listener,
    output: Path,
) -> Run:
    """The experiment's run: the finished one where its folder holds it, of the same data and network."""
    from vestige.datasets.opening import open_train_test
    from vestige.probes.record import record
    from vestige.report import show
    from vestige.run import Run, start_run

    run = Run(output / experiment.name)
    train, test = open_train_test(*_specs(experiment, given))
    if run.finished:
        results = run.results()
        asked = [network.backbone, list(network.layers), train.spec, test.spec]
        found = [
            results.config["backbone"],
            results.config["layers"],
            *(results.data[p]["spec"] for p in ("train", "test")),
        ]
        if found != asked:
            raise VestigeError(f"{run.folder}: holds a run of other data, network or layers; choose another -o")
        console.print(f"{experiment.name}: kept, finished before")
        return run
    console.print(f"[bold]{experiment.name}[/]")
    made = start_run(run.folder)
    record(made, experiment.probe(train, test, network, reader, listener.say), command_line())
    show(made)
    return made


def _given(data: Sequence[str], experiments: Sequence[Experiment]) -> dict[str, str]:
    """``PLACE=SPEC`` by place.

    Raises:
        VestigeError: where a text is none, or names no place.
    """
    places = [place.name for place in _places(experiments)]
    given = {}
    for text in data:
        name, equals, spec = text.partition("=")
        if not equals or not spec or name not in places:
            raise VestigeError(f"--data {text}: expected PLACE=SPEC with a place of {', '.join(places)}")
        given[name] = spec
    return given


def _places(experiments: Sequence[Experiment]) -> list[Place]:
    return [place for e in experiments for place in (e.train, e.test) if place is not None]


def _is_ready(experiment: Experiment, given: Mapping[str, str]) -> bool:
    own_split = experiment.train.optional or experiment.test is None
    return experiment.train.name in given and (
        own_split or (experiment.test is not None and experiment.test.name in given)
    )


def _lacks(experiment: Experiment, given: Mapping[str, str]) -> str:
    needed = [place for place in (experiment.train, experiment.test) if place is not None and place.name not in given]
    return "; ".join(f"--data {place.name}={place.example} ({place.what}, from {place.source})" for place in needed)


def _specs(experiment: Experiment, given: Mapping[str, str]) -> tuple[str, str | None]:
    return given[experiment.train.name], None if experiment.test is None else given.get(experiment.test.name)


def _check(experiments: Sequence[Experiment], given: Mapping[str, str]) -> None:
    """Say of every place what belongs there, what was given, and what is found in it."""
    from vestige.datasets.opening import open_dataset, open_train_test

    wrong = []
    for experiment in experiments:
        typer.echo(f"\n{experiment.name}")
        for place in _places([experiment]):
            typer.echo(f"  {place.name}: {place.what}\n    from {place.source}")
            if place.name not in given:
                typer.echo(f"    not given; as in --data {place.name}={place.example}")
                continue
            try:
                found = open_dataset(given[place.name])
                typer.echo(f"    {given[place.name]}: {len(found)} examples, {len(found.skipped)} left out")
            except VestigeError as error:
                wrong.append(place.name)
                typer.echo(f"    {given[place.name]}: {error}")
        if _is_ready(experiment, given) and not {p.name for p in _places([experiment])} & set(wrong):
            try:
                train, test = open_train_test(*_specs(experiment, given))
                typer.echo(f"  ready: {len(train)} examples to train on, {len(test)} to test on")
            except VestigeError as error:
                wrong.append(experiment.name)
                typer.echo(f"  {error}")
    if wrong:
        raise VestigeError(f"{', '.join(wrong)}: cannot be used as given; see above")
