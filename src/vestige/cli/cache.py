"""``vestige cache``: what features are stored, and how to be rid of them."""

from __future__ import annotations

import datetime
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from vestige import bounds as b
from vestige.cli import options as o
from vestige.cli.console import console
from vestige.cli.help import examples
from vestige.errors import VestigeError

if TYPE_CHECKING:
    from vestige.features.cache import StoreInfo


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=examples("vestige cache", "vestige cache --prune --older-than 30"))(cache)


def cache(
    remove: Annotated[bool, typer.Option("--prune", help="Remove the stores that meet all conditions given.")] = False,
    older_than: Annotated[
        float | None, o.number(b.DAYS, "--older-than", "DAYS", "With --prune: those not used for so long.")
    ] = None,
    larger_than: Annotated[
        float | None, o.number(b.MEGABYTES, "--larger-than", "MB", "With --prune: those larger than that.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="With --prune: those left by a stopped run.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --prune: every store.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What features are stored, of which data, and how large; with --prune, remove some. No run ever removes one."""
    from vestige.features.cache import cache_root, list_stores, prune
    from vestige.text import count

    if not remove:
        stores = list_stores()
        if as_json:
            typer.echo(
                json.dumps({"cache": str(cache_root()), "stores": [_to_json(info) for info in stores]}, indent=1)
            )
        else:
            _list(stores)
        return
    if older_than is None and larger_than is None and not unfinished and not everything:
        raise VestigeError("--prune: add --older-than DAYS, --larger-than MB or --unfinished, or --all for every store")
    pruned = prune(
        older_than=None if older_than is None else older_than * 86400,
        larger_than=None if larger_than is None else int(larger_than * 1e6),
        unfinished=unfinished,
        everything=everything,
    )
    typer.echo(f"removed {count(len(pruned.removed), 'store')}, {decimal(pruned.bytes)}")
    if pruned.in_use:
        typer.echo(f"left {len(pruned.in_use)} that a run is using")


def _to_json(info: StoreInfo) -> dict[str, Any]:
    used = datetime.datetime.fromtimestamp(info.used).astimezone().isoformat(timespec="seconds")
    return {**asdict(info), "path": str(info.path), "used": used}


def _list(stores: list[StoreInfo]) -> None:
    """The stores by the data and the network that they are of, those used last first; fits into 80 columns."""
    from vestige.features.cache import cache_root
    from vestige.text import count

    typer.echo(f"{cache_root()}: {count(len(stores), 'store')}, {decimal(sum(info.bytes for info in stores))}")
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


def _cells(info: StoreInfo) -> tuple[str, ...]:
    used = datetime.datetime.fromtimestamp(info.used).astimezone().strftime("%Y-%m-%d %H:%M")
    rows = f"{info.rows}" if info.rows == info.n else f"{info.rows} of {info.n}"
    state = "" if info.state == "complete" else info.state
    return f"  {info.layer}", info.readout, rows, str(info.d), decimal(info.bytes), used, state
