"""``vestige reproduce``: a paper's tables and figures from the user's copies of its data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestige import bounds as b
from vestige.cli.commands import command_of
from vestige.cli.console import Listener, command_line, console, listening, print_json, print_report, quietly
from vestige.cli.help import examples
from vestige.cli.measuring import session_of
from vestige.cli.parts import DEVICE_ALONE, Printing, runs_option
from vestige.cli.stopping import keeping
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import backbone_option, option, seed_option
from vestige.spec import parse_named
from vestige.text import count

if TYPE_CHECKING:
    from vestige.features.reader import Reader
    from vestige.papers.reproduction import Afterwards, DataPlace, Exhibit, Experiment, Network
    from vestige.run import Run

app = typer.Typer(help="A paper's tables and figures, measured again.", no_args_is_help=True)


@dataclass(frozen=True)
class Reproduction:
    """What of a paper is made again, and on which data.

    Attributes:
        table, figure: numbers of exhibits; () with none of the other for all.
        data: ``PLACE=SPEC`` each.
        seed: of folds and bootstrap.
    """

    table: tuple[int, ...] = option((), "Only this table; repeat for several.", bounds=b.EXHIBIT, metavar="N")
    figure: tuple[int, ...] = option((), "Only this figure; repeat for several.", bounds=b.EXHIBIT, metavar="N")
    data: tuple[str, ...] = option(
        (), "Your copy of a data set; --dry-run lists the places.", names=("--data",), metavar="PLACE=SPEC"
    )
    seed: int = seed_option("the folds and the bootstrap")

    def chosen(self, exhibits: Sequence[Exhibit]) -> list[Exhibit]:
        """The exhibits asked for.

        Raises:
            VestigeError: where there are none of those numbers.
        """
        chosen = [exhibit for exhibit in exhibits if exhibit.asked(self.table, self.figure)]
        if not chosen:
            names = ", ".join(exhibit.name for exhibit in exhibits)
            raise VestigeError(f"--table, --figure: there are {names}")
        return chosen


@dataclass(frozen=True)
class FirstPaper:
    """What of the first paper's network is read, and where runs go."""

    output: Path = runs_option("runs/persistent-evidence")
    backbone: str = backbone_option()
    layers: tuple[str, ...] = option(
        (),
        "A layer's name or a glob; repeat for several.",
        names=("--layer",),
        metavar="NAME",
        default_text="fc6 where the network has it, as the paper, else all",
    )
    readouts: tuple[str, ...] = option(
        (),
        "auto, auto:N, vector, flat, gap, grid:G, cls or tokens; repeat for several.",
        names=("--readout",),
        metavar="R",
        default_text="auto, flat but pooled to at most 25,000 numbers",
    )
    untrained: int = option(1, "Random networks beside it; none: 0.", bounds=b.UNTRAINED)


@dataclass(frozen=True)
class SecondPaper:
    """What of the second paper's network is read, and where runs go."""

    output: Path = runs_option("runs/do-convnets-learn-correspondence")
    backbone: str = backbone_option()
    layers: tuple[str, ...] = option(
        (), "Grid layers; repeat for several.", names=("--layer",), metavar="NAME", default_text="the paper's"
    )


@dataclass(frozen=True)
class ThirdPaper:
    """Which networks of the third paper's two kinds are measured, and where runs go."""

    output: Path = runs_option("runs/object-detectors-emerge")
    scene_network: str = option(
        "scene_cnn", "A network that names scenes, Places-CNN in the paper.", names=("--scene-network",), metavar="SPEC"
    )
    object_network: str = option(
        "object_cnn",
        "One that names objects, ImageNet-CNN in the paper.",
        names=("--object-network",),
        metavar="SPEC",
    )
    layers: tuple[str, ...] = option(
        (),
        "A layer's name or a glob; repeat for several.",
        names=("--layer",),
        metavar="NAME",
        default_text="the paper's",
    )
    units: int = option(20, "Units of each layer whose receptive fields are found.", bounds=b.COUNT, paper="all")
    pictures: int = option(100, "Pictures of each scene that are made minimal, at most.", bounds=b.COUNT, paper="all")


@dataclass(frozen=True)
class DryRun:
    """Whether only data are checked."""

    dry_run: bool = option(
        False, "Only say which data belong where, and check what is there.", names=("--dry-run",), last=True
    )


def persistent_evidence(
    asked: Reproduction, read: FirstPaper, extraction: ExtractOptions, printing: Printing, dry: DryRun
) -> None:
    """The first paper's."""
    from vestige.papers.persistent_evidence.exhibits import EXHIBITS, PAPER
    from vestige.papers.persistent_evidence.experiments import EXPERIMENTS, PORTRAITS
    from vestige.papers.reproduction import Network

    network = Network(read.backbone, read.layers, read.readouts, read.untrained, asked.seed)
    given = _given(asked.data, EXPERIMENTS, PORTRAITS)
    whole = Asked(PAPER, asked.chosen(EXHIBITS), EXPERIMENTS, given, network, PORTRAITS)
    reproduce(whole, read.output, extraction.device, printing, dry_run=dry.dry_run)


def do_convnets_learn_correspondence(
    asked: Reproduction, read: SecondPaper, extraction: ExtractOptions, printing: Printing, dry: DryRun
) -> None:
    """The second paper's."""
    from vestige.papers.learn_correspondence.exhibits import EXHIBITS, PAPER
    from vestige.papers.learn_correspondence.experiments import EXPERIMENTS
    from vestige.papers.reproduction import Network

    network = Network(read.backbone, read.layers, seed=asked.seed)
    whole = Asked(PAPER, asked.chosen(EXHIBITS), EXPERIMENTS, _given(asked.data, EXPERIMENTS), network)
    reproduce(whole, read.output, extraction.device, printing, dry_run=dry.dry_run)


def object_detectors_emerge(
    asked: Reproduction, read: ThirdPaper, extraction: ExtractOptions, printing: Printing, dry: DryRun
) -> None:
    """The third paper's; the drawn world takes the places of data where none are given."""
    from vestige.papers.object_detectors.exhibits import PAPER, exhibits
    from vestige.papers.object_detectors.experiments import DRAWN, EXPERIMENTS, TwoNetworks

    network = TwoNetworks(
        read.scene_network,
        read.layers,
        seed=asked.seed,
        objects=read.object_network,
        units=read.units,
        pictures=read.pictures,
    )
    given = _given(asked.data if asked.data or dry.dry_run else DRAWN, EXPERIMENTS)
    whole = Asked(PAPER, asked.chosen(exhibits(network)), EXPERIMENTS, given, network)
    reproduce(whole, read.output, extraction.device, printing, dry_run=dry.dry_run)


def _add(name: str, run: Callable[..., None], read: type, doc: str, *shown: str) -> None:
    kinds = (Reproduction, read, ExtractOptions, Printing, DryRun)
    app.command(name, epilog=examples(*shown))(command_of(run, kinds, doc, DEVICE_ALONE))


_add(
    "persistent-evidence",
    persistent_evidence,
    FirstPaper,
    """Tables 1-3 and figures 1-6 of "Persistent Evidence of Local Image Properties in Generic ConvNets".

    One run for each experiment whose data are given; those that are finished are kept, so it can be stopped and
    started, and data can be added later. The paper's own network is caffe:caffenet@bvlc_reference_caffenet.caffemodel.
    """,
    "vestige reproduce persistent-evidence --dry-run",
    "vestige reproduce persistent-evidence --table 2 --data voc-keypoints=synthetic:objects,n=80,seed=1 "
    "--data voc-keypoints-test=synthetic:objects,n=40,seed=2 --layer block10 -o runs/paper",
)
_add(
    "do-convnets-learn-correspondence",
    do_convnets_learn_correspondence,
    SecondPaper,
    """Tables 1-4 and figures 1-6 of "Do Convnets Learn Correspondence?", as for the first paper.

    Without --layer: the paper's layers where the network has them, else the deepest fine enough, by experiment.
    """,
    "vestige reproduce do-convnets-learn-correspondence --table 1 -o runs/paper2",
)
_add(
    "object-detectors-emerge",
    object_detectors_emerge,
    ThirdPaper,
    """Tables 1, 2 and figures 1-11 of "Object Detectors Emerge in Deep Scene CNNs", as for the first paper.

    Without --data: the drawn world and the networks that come with vestige, all but what people say (figures 6-8).
    """,
    "vestige reproduce object-detectors-emerge --table 1 --figure 10 -o runs/paper3",
)


@dataclass(frozen=True)
class Asked:
    """What is to be reproduced.

    Attributes:
        paper: its name.
        exhibits: its tables and figures.
        experiments: of the paper.
        given: specs by place.
        network: to be read.
        afterwards: what is made of the runs.
    """

    paper: str
    exhibits: Sequence[Exhibit]
    experiments: Sequence[Experiment]
    given: Mapping[str, str]
    network: Network
    afterwards: Sequence[Afterwards] = ()

    @property
    def made_of_runs(self) -> list[Afterwards]:
        """What is made of the runs for the exhibits."""
        names = [exhibit.name for exhibit in self.exhibits]
        return [each for each in self.afterwards if each.exhibit in names]

    def specs(self, experiment: Experiment) -> tuple[str, str | None]:
        """Of the experiment's training and test data."""
        test = None if experiment.test is None else self.given.get(experiment.test.name)
        return self.given[experiment.train.name], test

    def is_ready(self, experiment: Experiment) -> bool:
        """Whether the experiment has its data: what it is tested on, too, unless the set carries a split."""
        before = [each for each in self.experiments if each.name in experiment.after]
        if not experiment.is_ready(self.given) or not all(map(self.is_ready, before)):
            return False
        train, test = self.specs(experiment)
        return test is not None or experiment.test is None or _carries_split(train)

    def lacks(self, experiment: Experiment) -> str:
        """What has to be given for the experiment and those that it goes on with, in words."""
        before = [each for each in self.experiments if each.name in experiment.after]
        words = [each.lacks(self.given) for each in (*before, experiment)]
        return "; ".join(dict.fromkeys(each for each in words if each))

    def needed(self) -> list[Experiment]:
        """The experiments that the exhibits are made of, and those that these go on with."""
        wanted = {name for exhibit in self.exhibits for name in exhibit.experiments}
        for experiment in reversed(self.experiments):
            wanted |= set(experiment.after if experiment.name in wanted else ())
        return [experiment for experiment in self.experiments if experiment.name in wanted]


def _carries_split(spec: str) -> bool:
    """Whether a data set brings its own test part; an unknown kind is left to those who open it."""
    from vestige.datasets.opening import kind_named
    from vestige.spec import parse_data_spec

    kind = kind_named(parse_data_spec(spec).kind)
    return kind is None or kind.splits is not None


def reproduce(asked: Asked, output: Path, device: str, printing: Printing, *, dry_run: bool) -> None:
    """Perform the experiments whose data are there and write the page; or only check the data."""
    from vestige.features.reader import Reader
    from vestige.papers.reproduction import write_reproduction
    from vestige.published import paper
    from vestige.run_folders import folder_of_runs

    experiments = asked.needed()
    if dry_run:
        if printing.json:
            print_json(_places(asked))
        else:
            _check(asked)
        return
    ready = [experiment for experiment in experiments if asked.is_ready(experiment)]
    if experiments and not ready and all(exhibit.experiments for exhibit in asked.exhibits):
        lacking = "; ".join(dict.fromkeys(asked.lacks(experiment) for experiment in experiments))
        raise VestigeError(
            f"nothing can be made of the data given: add {lacking}; --dry-run tells which data belong where"
            if asked.given
            else "no data given; add --data PLACE=SPEC, or --dry-run to see which data belong where"
        )
    runs: dict[str, Run] = {}
    page = output / "report.html"
    missing = [f"{e.name} is not there: {asked.lacks(e)}" for e in experiments if e not in ready]
    with quietly(printing.quiet), keeping():
        with folder_of_runs(output), listening() as listener:
            reader = Reader(ExtractOptions(device=device), progress=listener.count)
            for experiment in ready:
                runs[experiment.name] = _run(experiment, asked, runs, reader, listener, output)
            _make(asked, runs, output, device, listener)
            write_reproduction(paper(asked.paper), asked.exhibits, runs, missing, page)
        for sentence in missing:
            console.print(sentence, markup=False, highlight=False)
        if printing.json:
            documents = {name: run.results().to_json() for name, run in runs.items()}
            print_json({"report": str(page), "runs": documents, "missing": missing})
        print_report(page, printing)


def _run(
    experiment: Experiment, asked: Asked, before: Mapping[str, Run], reader: Reader, listener: Listener, output: Path
) -> Run:
    """The experiment's run: the finished one where its folder holds it, of the same data and network.

    What it was asked is kept beside the run's folder.
    """
    from vestige.documents import Json, read_json
    from vestige.files import write_json
    from vestige.manifest import may_replace, update_manifest
    from vestige.pages import show
    from vestige.run import Run, run_folder

    run, note = Run(output / experiment.name), output / f"{experiment.name}.json"
    specs = asked.specs(experiment)
    told = {"data": list(specs), "network": json.loads(json.dumps(asdict(asked.network)))}
    if run.finished:
        if not note.exists() or read_json(note, Json, what="what a run was asked", mend="choose another -o") != told:
            raise VestigeError(f"{run.folder}: holds a run of other data, network or layers; choose another -o")
        console.print(f"{experiment.name}: kept, finished before")
        if not run.report_path.exists():
            show(run)
        return run
    console.print(experiment.name, style="bold")
    with run_folder(run.folder, command=command_line()) as made:
        write_json(note, told, overwrite=may_replace(note))
        update_manifest(output, note)
        if not made.finished:
            session = session_of(made, reader, listener)
            runs = ({name: before[name] for name in experiment.after},) if experiment.after else ()
            experiment.perform(session, specs, asked.network, *runs).record(made, command_line())
        show(made)
    return run


def _make(asked: Asked, runs: Mapping[str, Run], output: Path, device: str, listener: Listener) -> None:
    """Make what is made of the runs that an exhibit is shown with."""
    for each in asked.made_of_runs:
        (exhibit,) = (exhibit for exhibit in asked.exhibits if exhibit.name == each.exhibit)
        here = {name: runs[name] for name in exhibit.experiments if name in runs}
        specs = {e.name: asked.specs(e) for e in asked.experiments if e.name in here}
        if here:
            given = asked.given.get(each.place.name)
            each.make(here, specs, given, output / each.place.name, device, listener.say)


def _given(
    data: Sequence[str], experiments: Sequence[Experiment], afterwards: Sequence[Afterwards] = ()
) -> dict[str, str]:
    """``PLACE=SPEC`` by place.

    Raises:
        VestigeError: where a text is none, or names no place.
    """
    own = [place.name for experiment in experiments for place in experiment.places]
    places = list(dict.fromkeys((*own, *(each.place.name for each in afterwards))))
    return dict(parse_named(text, places) for text in data)


def _places(asked: Asked) -> dict[str, Any]:
    """What belongs where and what is given, as JSON; data are not opened."""
    experiments = [
        {
            "name": experiment.name,
            "exhibits": [exhibit.name for exhibit in asked.exhibits if experiment.name in exhibit.experiments],
            "places": [asdict(place) | {"given": asked.given.get(place.name)} for place in experiment.places],
            "ready": asked.is_ready(experiment),
        }
        for experiment in asked.needed()
    ]
    return {"experiments": experiments}


def _check(asked: Asked) -> None:
    """Say of every experiment what is made of it, and of its places what belongs there, is given, and is found in it.

    Raises:
        VestigeError: where something that was given cannot be used.
    """
    checked: dict[str, bool] = {}
    for experiment in asked.needed():
        shown = [exhibit.name for exhibit in asked.exhibits if experiment.name in exhibit.experiments]
        typer.echo(f"\n{experiment.name}: {', '.join(shown)}")
        for place in experiment.places:
            _check_place(place, asked.given, checked)
        if asked.is_ready(experiment) and all(checked[place.name] for place in experiment.places):
            typer.echo("  ready")
    for each in asked.made_of_runs:
        typer.echo(f"\nmade of the above: {each.exhibit}")
        _check_place(each.place, asked.given, checked)
    wrong = [name for name, fine in checked.items() if not fine]
    if wrong:
        raise VestigeError(f"{', '.join(wrong)}: cannot be used as given; see above")


def _check_place(place: DataPlace, given: Mapping[str, str], checked: dict[str, bool]) -> None:
    """Say it of one place, once, and note in ``checked`` whether what was given, if anything, can be used."""
    if place.name in checked:
        typer.echo(f"  {place.name}: as above")
        return
    checked[place.name] = True
    typer.echo(f"  {place.name}: {place.what}\n    from {place.source}")
    if place.name not in given:
        typer.echo(f"    not given; as in --data {place.name}={place.example}")
        return
    try:
        typer.echo(f"    {given[place.name]}: {_what_is_in(place, given[place.name])}")
    except VestigeError as error:
        checked[place.name] = False
        typer.echo(f"    {given[place.name]}: {error}")


def _what_is_in(place: DataPlace, spec: str) -> str:
    """What was given for a place, in words.

    Raises:
        VestigeError: where it cannot be opened.
    """
    if place.file == "answers":
        from vestige.units.annotations.source import answers_of_file

        answers = answers_of_file(Path(spec)).answers
        units = len({(each.layer, each.unit) for each in answers})
        return f"{count(len(answers), 'answer')} on {count(units, 'unit')}"
    from vestige.datasets.opening import open_dataset

    found = open_dataset(spec)
    return f"{len(found)} examples, {len(found.skipped)} left out"
