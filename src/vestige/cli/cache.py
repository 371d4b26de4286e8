"""``vestige cache``: what features are stored, and how to be rid of them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from vestige import bounds as b
from vestige.cli.commands import command_of
from vestige.cli.console import console, print_json
from vestige.cli.help import ENVIRONMENT, examples
from vestige.cli.parts import Printing
from vestige.errors import VestigeError
from vestige.options import option

if TYPE_CHECKING:
    from vestige.features.cache import FieldsInfo, StoreInfo
    from vestige.object_stores import Copy


@dataclass(frozen=True)
class Pruning:
    """Which stores are removed.

    Attributes:
        prune: whether any are.
        older_than: days since they were last used.
        larger_than: megabytes on disk.
        unfinished: only those that a stopped run left.
        everything: every store.
        copies: only copies on this machine, of a cache in an object store.
    """

    prune: bool = option(False, "Remove the stores that meet all conditions given.", names=("--prune",))
    older_than: float | None = option(
        None, "With --prune: those not used for so many days.", bounds=b.DAYS, metavar="DAYS"
    )
    larger_than: float | None = option(
        None, "With --prune: those larger than so many megabytes.", bounds=b.MEGABYTES, metavar="MB"
    )
    unfinished: bool = option(False, "With --prune: those left by a stopped run.", names=("--unfinished",))
    everything: bool = option(False, "With --prune: every store.", names=("--all",))
    copies: bool = option(
        False, "Of stores in an object store, their copies on this machine alone.", names=("--copies",)
    )

    def check(self) -> None:
        """Refuse what would not be heeded.

        Raises:
            VestigeError: naming the option.
        """
        from vestige.features.cache import cache_root
        from vestige.features.remote import remote_of

        if self._given and not self.prune:
            raise VestigeError(f"{self._given[0]}: says which stores are removed; add --prune")
        if self.copies and remote_of(cache_root()) is None:
            raise VestigeError("--copies: the cache is in no object store (VESTIGE_CACHE=s3://...)")

    @property
    def _given(self) -> list[str]:
        """The options that say which stores."""
        given = {
            "--older-than": self.older_than is not None,
            "--larger-than": self.larger_than is not None,
            "--unfinished": self.unfinished,
            "--all": self.everything,
        }
        return [name for name, asked in given.items() if asked]

    @property
    def conditions(self) -> dict[str, Any]:
        """As :func:`vestige.features.cache.prune` takes them.

        Raises:
            VestigeError: where there are none.
        """
        if not self._given:
            raise VestigeError(
                "--prune: add --older-than DAYS, --larger-than MB or --unfinished, or --all for every store"
            )
        return {
            "older_than": None if self.older_than is None else self.older_than * 86400,
            "larger_than": None if self.larger_than is None else int(self.larger_than * 1e6),
            "unfinished": self.unfinished,
            "everything": self.everything,
            "copies": self.copies,
        }


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    doc = (
        "What features are stored, of which data, and how large, and of which networks receptive fields are; with "
        "--prune, remove some, and copies of data from object stores that meet the same conditions. Where the cache is "
        "in an object store, they are removed there, for all machines, unless --copies is given. No run ever removes "
        "any."
    )
    shown = examples("vestige cache", "vestige cache --prune --older-than 30")
    app.command("cache", epilog=f"{shown}\n\n{ENVIRONMENT}")(command_of(cache, (Pruning, Printing), doc))


def cache(pruning: Pruning, printing: Printing) -> None:
    """List the stores, or remove some."""
    from vestige.features.cache import list_fields, list_stores
    from vestige.object_stores import list_copies

    pruning.check()
    if pruning.prune:
        _prune(pruning, printing)
        return
    stores, fields, data = list_stores(copies=pruning.copies), list_fields(), list_copies()
    if printing.json:
        listed: dict[str, Sequence[StoreInfo | FieldsInfo | Copy]] = {"stores": stores, "receptive_fields": fields}
        if data:
            listed["data"] = data
        shown = {name: [_to_json(info) for info in infos] for name, infos in listed.items()}
        print_json({"cache": _place(pruning.copies), **shown})
        return
    _list(stores, _place(pruning.copies))
    _list_fields(fields)
    if data:
        _list_data(data)


def _place(copies: bool) -> str:
    """Where the stores are that are listed, as the user knows the place."""
    from vestige.features.cache import cache_root
    from vestige.features.remote import remote_of

    remote = None if copies else remote_of(cache_root())
    return str(cache_root()) if remote is None else remote.place.url


def _prune(pruning: Pruning, printing: Printing) -> None:
    from vestige.features.cache import prune
    from vestige.text import count

    pruned = prune(**pruning.conditions)
    if printing.json:
        removed, left = ([info.url or str(info.path) for info in infos] for infos in (pruned.removed, pruned.in_use))
        fields, data = ([str(info.path) for info in infos] for infos in (pruned.fields, pruned.data))
        done = {"removed": removed, "receptive_fields": fields, "bytes": pruned.bytes, "in_use": left}
        print_json(done | ({"data": data} if data else {}))
        return
    beside = f" and the receptive fields of {count(len(pruned.fields), 'network')}" if pruned.fields else ""
    beside += f" and {count(len(pruned.data), 'copy', 'copies')} of data" if pruned.data else ""
    typer.echo(f"removed {count(len(pruned.removed), 'store')}{beside}, {decimal(pruned.bytes)}")
    if pruned.in_use:
        typer.echo(f"left {len(pruned.in_use)} that a run is using")


def _to_json(info: StoreInfo | FieldsInfo | Copy) -> dict[str, Any]:
    used = datetime.datetime.fromtimestamp(info.used).astimezone().isoformat(timespec="seconds")
    known = {name: value for name, value in asdict(info).items() if name != "about" and (name != "url" or value)}
    return {**known, "path": str(info.path), "used": used}


def _list_data(data: list[Copy]) -> None:
    """The copies of data, which are made again when they are wanted."""
    typer.echo("\ncopies of data")
    for copy in data:
        typer.echo(f"  {copy.url}  {decimal(copy.bytes)}  {_when(copy.used)}")


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _list(stores: list[StoreInfo], place: str) -> None:
    """The stores by the data and the network that they are of, those used last first; fits into 80 columns."""
    from vestige.text import count

    typer.echo(f"{place}: {count(len(stores), 'store')}, {decimal(sum(info.bytes for info in stores))}")
    groups: dict[tuple[str, str], list[StoreInfo]] = {}
    for info in stores:
        groups.setdefault((info.source, info.backbone), []).append(info)
    for (source, backbone), group in groups.items():
        typer.echo(f"\n{source or '(data not known)'}\nthrough {backbone or '(network not known)'}")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("  layer", "readout", "rows", "numbers", "size", "last used", ""):
            table.add_column(name, justify="right" if name in ("rows", "numbers", "size") else "left", overflow="fold")
        for info in group:
            table.add_row(*_cells(info))
        Console(emoji=False, width=None if console.is_terminal else 120, highlight=False, markup=False).print(table)


def _list_fields(infos: list[FieldsInfo]) -> None:
    """Of which networks receptive fields are kept."""
    from vestige.text import count

    if not infos:
        return
    typer.echo(f"\nreceptive fields of {count(len(infos), 'network')}, {decimal(sum(info.bytes for info in infos))}")
    for info in infos:
        state = "" if info.state == "complete" else f", {info.state}"
        typer.echo(f"  {info.backbone or '(network not known)'}: {count(info.layers, 'layer')}{state}")


def _cells(info: StoreInfo) -> tuple[str, ...]:
    rows = f"{info.rows}" if info.rows == info.n else f"{info.rows} of {info.n}"
    state = "" if info.state == "complete" else info.state
    return f"  {info.layer}", info.readout, rows, str(info.d), decimal(info.bytes), _when(info.used), state
