"""``vestige reproduce``: a paper's tables and figures from the user's copies of its data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestige.cli import options as o
from vestige.cli.console import Listener, command_line, console, listening
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.features.reader import Reader
    from vestige.report.reproduction import Exhibit, Experiment, Network
    from vestige.run import Run

Perform = Callable[["Run", tuple[str, str | None], "Network", "Reader", Callable[[str], None], Sequence[str]], None]
"""Run, specs of training and test data, network, reader, listener, words of the command line: measures and records."""

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
    from vestige.probes.reproduction import EXPERIMENTS
    from vestige.report.persistent_evidence import EXHIBITS, PAPER
    from vestige.report.reproduction import Network

    network = Network(backbone, tuple(layer or ()), tuple(readout or ()), untrained, seed)
    asked = Asked(PAPER, _chosen(EXHIBITS, table, figure), EXPERIMENTS, _given(data, EXPERIMENTS), network)
    reproduce(asked, output, device, dry_run=dry_run)


@app.command(
    name="do-convnets-learn-correspondence",
    epilog="Example: vestige reproduce do-convnets-learn-correspondence --table 1 -o runs/paper2",
)
def do_convnets_learn_correspondence(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The runs' folder.")] = Path(
        "runs/do-convnets-learn-correspondence"
    ),
    table: Tables = None,
    figure: Figures = None,
    data: Data = None,
    backbone: o.Backbone = "efficientnet_lite0",
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Grid layers; repeat for several (the paper: conv1 to conv5)."),
    ] = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    dry_run: DryRun = False,
) -> None:
    """Tables and figures of "Do Convnets Learn Correspondence?", as for the first paper."""
    from vestige.correspondence.reproduction import EXPERIMENTS
    from vestige.report.learn_correspondence import EXHIBITS, PAPER
    from vestige.report.reproduction import Network

    network = Network(backbone, tuple(layer or ()), seed=seed)
    asked = Asked(PAPER, _chosen(EXHIBITS, table, figure), EXPERIMENTS, _given(data, EXPERIMENTS), network)
    reproduce(asked, output, device, dry_run=dry_run)


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced: exhibits of a paper, its experiments, the data that were given, the network."""

    paper: str
    exhibits: Sequence[Exhibit]
    experiments: Sequence[Experiment[Perform]]
    given: Mapping[str, str]
    network: Network

    def needed(self) -> list[Experiment[Perform]]:
        """The experiments that the exhibits are made of."""
        wanted = {name for exhibit in self.exhibits for name in exhibit.experiments}
        return [experiment for experiment in self.experiments if experiment.name in wanted]


def reproduce(asked: Asked, output: Path, device: str, *, dry_run: bool) -> None:
    """Perform the experiments whose data are there and write the page; or only check the data."""
    from vestige.features.extract import ExtractOptions
    from vestige.features.reader import Reader
    from vestige.report.published import paper
    from vestige.report.reproduction import write_reproduction

    experiments = asked.needed()
    if dry_run:
        _check(experiments, asked.given)
        return
    ready = [experiment for experiment in experiments if experiment.is_ready(asked.given)]
    if experiments and not ready:
        raise VestigeError("no data given; add --data PLACE=SPEC, or --dry-run to see which data belong where")
    runs = {}
    with listening() as listener:
        reader = Reader(ExtractOptions(device=device), progress=listener.pictures)
        for experiment in ready:
            runs[experiment.name] = _run(experiment, asked, reader, listener, output)
    missing = [f"{e.name} is not there: {e.lacks(asked.given)}" for e in experiments if e not in ready]
    write_reproduction(paper(asked.paper), asked.exhibits, runs, missing, output / "report.html")
    for sentence in missing:
        console.print(sentence, markup=False, highlight=False)
    typer.echo(f"report: {output / 'report.html'}")


def _run(experiment: Experiment[Perform], asked: Asked, reader: Reader, listener: Listener, output: Path) -> Run:
    """The experiment's run: the finished one where its folder holds it, of the same data and network.

    What it was asked is kept beside the run's folder.
    """
    from vestige.report import show
    from vestige.run import Run, start_run, write_json

    run, note = Run(output / experiment.name), output / f"{experiment.name}.json"
    specs = asked.given[experiment.train.name], asked.given.get(experiment.test.name)
    told = {"data": list(specs), "network": json.loads(json.dumps(asdict(asked.network)))}
    if run.finished:
        if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != told:
            raise VestigeError(f"{run.folder}: holds a run of other data, network or layers; choose another -o")
        console.print(f"{experiment.name}: kept, finished before")
        return run
    console.print(f"[bold]{experiment.name}[/]")
    made = start_run(run.folder)
    write_json(note, told)
    experiment.perform(made, specs, asked.network, reader, listener.say, command_line())
    show(made)
    return made


def _chosen(exhibits: Sequence[Exhibit], tables: list[int] | None, figures: list[int] | None) -> list[Exhibit]:
    """The exhibits asked for.

    Raises:
        VestigeError: where there are none of those numbers.
    """
    chosen = [exhibit for exhibit in exhibits if exhibit.asked(tables or (), figures or ())]
    if not chosen:
        names = ", ".join(exhibit.name for exhibit in exhibits)
        raise VestigeError(f"--table, --figure: there are {names}")
    return chosen


def _given(data: list[str] | None, experiments: Sequence[Experiment[Perform]]) -> dict[str, str]:
    """``PLACE=SPEC`` by place.

    Raises:
        VestigeError: where a text is none, or names no place.
    """
    places = list(dict.fromkeys(place.name for experiment in experiments for place in experiment.places))
    given = {}
    for text in data or ():
        name, equals, spec = text.partition("=")
        if not equals or not spec or name not in places:
            raise VestigeError(f"--data {text}: expected PLACE=SPEC with a place of {', '.join(places)}")
        given[name] = spec
    return given


def _check(experiments: Sequence[Experiment[Perform]], given: Mapping[str, str]) -> None:
    """Say of every place what belongs there, what was given, and what is found in it."""
    from vestige.datasets.opening import open_dataset

    wrong = []
    for experiment in experiments:
        typer.echo(f"\n{experiment.name}")
        for place in experiment.places:
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
        if experiment.is_ready(given) and not {place.name for place in experiment.places} & set(wrong):
            typer.echo("  ready")
    if wrong:
        raise VestigeError(f"{', '.join(wrong)}: cannot be used as given; see above")
