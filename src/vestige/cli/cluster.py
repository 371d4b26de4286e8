"""``vestige cluster check``: whether the machines of a cluster have what is needed, before anything starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import typer
from rich.console import Console
from rich.table import Table

from vestige.cli.commands import command_of
from vestige.cli.console import print_json
from vestige.cli.help import Group, examples
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
        (), "Data that the machines will read; repeat for several.", metavar="SPEC", repeats=True
    )


def add_to(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Work on many machines, with Ray.", no_args_is_help=True)
    shown = examples("vestige cluster check local", "vestige cluster check HOST:6379 --data 300w:/data/300w")
    doc = """Say what each machine of a cluster lacks: versions, GPUs, the cache, data, its clock.

    Each machine writes a small file into the cache, which the others read; the files are removed afterwards. The exit
    status is 1 where one lacks anything."""
    group.command("check", epilog=shown)(command_of(check, (Asked, Printing), doc))
    group.callback()(lambda: None)  # a group, though it has one command
    app.add_typer(group, name="cluster", cls=Group, epilog=shown)


def check(asked: Asked, printing: Printing) -> None:
    """Look at the machines."""
    from vestige.cluster.check import check as check_machines
    from vestige.cluster.cluster import Cluster
    from vestige.datasets.opening import open_dataset
    from vestige.features.cache import cache_root
    from vestige.features.remote import remote_of

    sets = [open_dataset(spec) for spec in asked.data]
    pictures = [each[i].image for each in sets for i in range(0, len(each), max(1, len(each) // _LOOKED_AT))]
    remote = remote_of(cache_root())
    cache = cache_root() if remote is None else remote.place
    with Cluster.open(asked.address) as cluster:
        found = check_machines(cluster, cache, pictures)
    if printing.json:
        print_json({"cache": str(cache), "machines": [asdict(each) for each in found]})
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("machine", "cores", "GPUs", "Python", "vestige", "torch", "clock", "lacks"):
            table.add_column(name, overflow="fold", justify="right" if name in ("cores", "GPUs", "clock") else "left")
        for each in found:
            versions = {} if each.seen is None else each.seen.versions
            python = "" if each.seen is None else each.seen.python
            table.add_row(
                f"{each.node.name} {each.node.id[:8]}",
                str(each.node.cpus),
                str(each.node.gpus),
                python,
                versions.get("vestige", ""),
                versions.get("torch", ""),
                f"{each.clock:+.3f} s",
                "; ".join(each.lacks) or "nothing",
            )
        Console(emoji=False, highlight=False, markup=False).print(table)
    if any(each.lacks for each in found):
        raise typer.Exit(1)
