"""``vestige cluster check``: whether the machines of a cluster have what is needed, before anything starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.table import Table

from vestige.cli.commands import command_of
from vestige.cli.console import listening, print_json, quietly
from vestige.cli.help import ENVIRONMENT, Group, examples
from vestige.cli.parts import Printing
from vestige.options import needed, option

_LOOKED_AT = 20  # pictures of each data set, from its first to its last


@dataclass(frozen=True)
class Asked:
    """Which cluster is looked at.

    Attributes:
        address: of the cluster.
        data: specs of data that its machines are to read.
    """

    address: str = needed("Of the cluster: local, auto, or HOST:PORT.", metavar="ADDRESS", argument=True)
    data: tuple[str, ...] = option(
        (),
        f"Data of which each machine reads some {_LOOKED_AT} pictures; repeat for several.",
        metavar="SPEC",
        repeats=True,
    )


def add_to(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Work on many machines, with Ray.", no_args_is_help=True)
    local, many = "vestige cluster check local", "vestige cluster check HOST:6379 --data 300w:/data/300w"
    doc = """Say what each machine of a cluster lacks: versions, GPUs, the cache, data, its clock.

    Each machine writes a small file into the cache, which the others read; the files are removed afterwards. The exit
    status is 1 where one lacks anything."""
    group.command("check", epilog=f"{examples(local, many)}\n\n{ENVIRONMENT}")(
        command_of(check, (Asked, Printing), doc)
    )
    group.callback()(lambda: None)  # a group, though it has one command
    app.add_typer(group, name="cluster", cls=Group, epilog=examples(local))


def check(asked: Asked, printing: Printing) -> None:
    """Look at the machines."""
    from vestige.cluster.check import check as check_machines
    from vestige.cluster.cluster import Cluster
    from vestige.datasets.opening import open_dataset
    from vestige.features.cache import cache_root
    from vestige.features.remote import remote_of
    from vestige.text import count

    remote = remote_of(cache_root())
    cache = cache_root() if remote is None else remote.place
    pictures = []
    with quietly(printing.quiet), listening() as listener:
        for spec in asked.data:
            listener.say(f"opening {spec}")
            examples = open_dataset(spec)
            looked_at = [examples[i].image for i in range(0, len(examples), max(1, -(-len(examples) // _LOOKED_AT)))]
            listener.say(f"{len(looked_at)} of its {count(len(examples), 'picture')} are read on each machine")
            pictures += looked_at
        listener.say(f"connecting to {asked.address}")
        with Cluster.open(asked.address) as cluster:
            listener.say(f"asking {count(len(cluster.nodes), 'machine')}, and writing into {cache}")
            found = check_machines(cluster, cache, pictures)
    if printing.json:
        print_json({"cache": str(cache), "machines": [asdict(each) for each in found]})
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("machine", "cores", "GPUs", "Python", "vestige", "torch", "clock", "lacks"):
            table.add_column(name, overflow="fold", justify="right" if name in ("cores", "GPUs", "clock") else "left")
        names = [f"{each.node.name} {each.node.id[:8]}" for each in found]
        for name, each in zip(names, found, strict=True):
            versions = {} if each.seen is None else each.seen.versions
            python = "" if each.seen is None else each.seen.python
            table.add_row(
                name,
                str(each.node.cpus),
                str(each.node.gpus),
                python,
                versions.get("vestige", ""),
                versions.get("torch", ""),
                f"{each.clock:+.3f} s",
                f"{len(each.lacks)}, see below" if each.lacks else "nothing",
            )
        out = Console(emoji=False, highlight=False, markup=False)
        out.print(table)
        for name, each in zip(names, found, strict=True):
            for lack in each.lacks:
                out.print(f"{name}: {lack}", soft_wrap=True)
    if any(each.lacks for each in found):
        raise typer.Exit(1)
