"""``vestige units annotate``: a page on which people say what the units of a dissection are about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from vestige import bounds as b
from vestige.bounds import check_bounds
from vestige.cli.commands import command_of
from vestige.cli.console import console, listening, quietly
from vestige.cli.help import examples
from vestige.cli.parts import DEVICE_ALONE
from vestige.cli.stopping import keeping
from vestige.errors import VestigeError
from vestige.extraction import ExtractOptions
from vestige.options import needed, option
from vestige.spelling import spelled
from vestige.units.annotate import installed
from vestige.units.rules import Rule
from vestige.units.segment.task import DISSECTION, run_backbone_option

if TYPE_CHECKING:
    from vestige.run import Run
    from vestige.units.annotate.app import Site
    from vestige.units.annotate.store import Store

_HOST, _PORT = "127.0.0.1", 8000
_KEPT = "every answer that was sent is kept, and the same command goes on"
_QUESTION = (
    "What are units about? A page on which people say it: they name what a unit's strongest pictures have in common, "
    "mark those that do not fit, and put it in one of six groups."
)


@dataclass(frozen=True)
class Asked:
    """What people are asked, and shown.

    Attributes:
        run: folder of a dissection.
        layers: whose units are asked.
        units: that are asked.
        workers_per_unit: answers asked of each unit, from different people.
        rule: by which a map becomes what is bright.
        data: spec of the run's pictures.
        backbone: spec of the run's network.
    """

    run: Path = needed("A finished run of `vestige units dissect`.", metavar="RUN", argument=True)
    layers: tuple[str, ...] = option(
        (), "A layer whose units are asked; repeat for several.", names=("--layer",), metavar="NAME", default_text="all"
    )
    units: tuple[str, ...] = option(
        (),
        "A unit, as LAYER:NUMBER or LAYER:FIRST-LAST; repeat for several.",
        names=("--units", "--unit"),
        metavar="LAYER:NUMBERS",
        default_text="all of the layers",
    )
    workers_per_unit: int = option(1, "Answers asked of each unit, from different people.", bounds=b.COUNT)
    rule: Rule = option("smooth", "What of a picture is bright: quantile, relative, smooth or fields.", last=True)
    data: str = option(
        "",
        "The run's pictures, where they are at another place now.",
        metavar="SPEC",
        default_text="the run's",
        last=True,
    )
    backbone: str = run_backbone_option()

    def __post_init__(self) -> None:
        check_bounds(self)


@dataclass(frozen=True)
class Served:
    """Where the page is, and where answers go.

    Attributes:
        host: address that is listened on, and that links lead to; "" for this machine's own, or of links the last one.
        port: likewise; None for :data:`_PORT`.
        database: URL of a database; "" for a file in the run's folder.
        time_out: minutes.
        invite: names of people.
        withdraw: likewise.
        links: whether everybody's are told.
        quiet: print links and errors alone.
    """

    host: str = option(
        "",
        "Listen on this address; any but this machine's own needs links.",
        metavar="ADDRESS",
        default_text=f"{_HOST}; for links, where the page was last",
    )
    port: int | None = option(
        None,
        "Listen on this port; 0 for a free one.",
        bounds=b.PORT,
        default_text=f"{_PORT}; for links, where the page was last",
    )
    database: str = option(
        "",
        "Where answers go, for many people: postgresql://USER@HOST/NAME.",
        metavar="URL",
        default_text="a file in RUN",
    )
    time_out: float = option(
        30.0,
        "Minutes after which a unit that someone has not sent is given to others, too.",
        bounds=b.MINUTES,
        last=True,
    )
    invite: tuple[str, ...] = option(
        (), "Print this person's own link, and stop; repeat for several.", names=("--invite",), metavar="NAME"
    )
    withdraw: tuple[str, ...] = option(
        (),
        "Let nobody in by this person's link any more, and stop; repeat for several.",
        names=("--withdraw",),
        metavar="NAME",
        last=True,
    )
    links: bool = option(False, "Print everybody's own link, and stop.", names=("--links",), last=True)
    quiet: bool = option(False, "Print links and errors alone.", names=("--quiet",), last=True)

    def __post_init__(self) -> None:
        check_bounds(self)


def add_to(app: typer.Typer) -> None:
    """Add the command to the group of units."""
    command = command_of(annotate, (Asked, Served, ExtractOptions), _QUESTION, DEVICE_ALONE)
    shown = examples(DISSECTION, "vestige units annotate runs/units --invite Ada", "vestige units annotate runs/units")
    app.command("annotate", epilog=shown)(command)


def annotate(asked: Asked, served: Served, extraction: ExtractOptions) -> None:
    """Make the pictures, and serve the page until it is stopped; or print links."""
    from vestige.run import Run

    with installed():
        from vestige.units.annotate.server import address_of, listening_at, serve
        from vestige.units.annotate.serving import store_of

    run = Run(asked.run)
    store = store_of(run, served.database, workers=asked.workers_per_unit, time_out=60 * served.time_out)
    if served.invite or served.withdraw or served.links:
        _let_in(served, store)
        return
    host, port = served.host or _HOST, _PORT if served.port is None else served.port
    with quietly(served.quiet), keeping(_KEPT), listening_at(host, port) as socket:
        site = _site(run, asked, host, extraction, store)
        address = address_of(host, socket.getsockname()[1])
        store.serve_at(address)
        print(f"{address}/?key={site.access.key}" if site.access.guarded else f"{address}/", flush=True)
        console.print("people's own links: the same command with --invite NAME; Ctrl-C stops it", highlight=False)
        serve(site, socket)


def _site(run: Run, asked: Asked, host: str, extraction: ExtractOptions, store: Store) -> Site:
    from vestige.contract.session import Session
    from vestige.trained_run import reader_of
    from vestige.units.annotate.serving import site_of

    with listening() as listener:
        session = Session(reader_of(run, extraction.device, listener.count), listener.say)
        return site_of(
            run,
            store,
            session,
            host=host,
            layers=asked.layers,
            units=asked.units,
            rule=asked.rule,
            data=asked.data,
            backbone=asked.backbone,
        )


def _let_in(served: Served, store: Store) -> None:
    """Withdraw and make people's own links, and print those of who was named, one a line behind the name."""
    from vestige.units.annotate.access import Access
    from vestige.units.annotations.answers import plain_text

    access, start = Access(store.secret, guarded=True), _start_of_links(served, store)
    store.invitations.withdraw(dict.fromkeys(served.withdraw))
    asked: dict[str, int | None] = dict.fromkeys(served.withdraw)
    asked |= {name: store.invitations.invite(name) for name in (plain_text("--invite", each) for each in served.invite)}
    for name, number in (store.invitations.all() if served.links else asked).items():
        print(f"{name}: {'withdrawn' if number is None else f'{start}/join/{access.personal(name, number)}'}")
    if not served.quiet:
        console.print(f"links lead to {start}: give --host and --port where the page is at another", highlight=False)


def _start_of_links(served: Served, store: Store) -> str:
    """Where links lead: to the page as it is named, or as it was served last.

    Raises:
        VestigeError: where any free port is named: which it is will be known when the page is served.
    """
    from vestige.units.annotate.server import address_of

    if served.port == 0:
        raise VestigeError(
            f"{spelled('port', 0)}: links lead to one port; name the page's, or leave it out for the one where it was "
            "served last"
        )
    last = urlsplit(store.address or address_of(_HOST, _PORT))
    return address_of(served.host or last.hostname or _HOST, served.port or last.port or _PORT)
