"""From a dissection to the application: what is asked, what is shown, and where answers go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vestige.errors import VestigeError
from vestige.run import Run
from vestige.spelling import spelled
from vestige.text import count
from vestige.units.annotate.access import Access, is_loopback
from vestige.units.annotate.app import Site
from vestige.units.annotate.store import Shown, Store, open_store, store_path
from vestige.units.annotate.tiles import TileFile, in_random_order, make_tiles, shown_of, tiles_of
from vestige.units.annotations.source import check_about
from vestige.units.dissect.run import DissectRun, dissection_results, read_dissection
from vestige.units.dissected import Units, reader_of, units_of
from vestige.units.rules import Rule

if TYPE_CHECKING:
    from vestige.contract.session import Session


def store_of(run: Run, database: str = "", *, workers: int = 1, time_out: float = 1800.0) -> Store:
    """The answers about a dissection; a run that was made anew with the same strongest pictures keeps them.

    Args:
        run: the dissection.
        database: its URL; "" for a file in the run's folder.
        workers, time_out: as of :class:`Store`.

    Raises:
        VestigeError: where the run is no dissection, or the store cannot be opened, or holds answers about another run.
    """
    dissection_results(run)  # before anything is made in its folder
    store = open_store(database or store_path(run.folder), workers=workers, time_out=time_out)
    if answers := store.every_try():
        try:
            check_about(read_dissection(run), answers, store.name)
        except VestigeError as error:
            raise VestigeError(f"{error}; choose another {spelled('database')}, or move that one away") from error
    return store


def site_of(
    run: Run,
    store: Store,
    session: Session,
    *,
    host: str = "127.0.0.1",
    layers: Sequence[str] = (),
    units: Sequence[str] = (),
    rule: Rule = "smooth",
    data: str = "",
    backbone: str = "",
) -> Site:
    """The application of a dissection, with all pictures made and its units asked.

    Args:
        run: the dissection.
        store: of answers.
        session: what pictures are made with.
        host: that it will listen on; nobody else's is let in without a link.
        layers: whose units are asked; () for all.
        units: as ``LAYER:NUMBER`` or ``LAYER:FIRST-LAST``; () for all of the layers.
        rule: by which a unit's map becomes what is bright.
        data: spec of the run's pictures, where it is another now; "" for the run's.
        backbone: likewise of its network.

    Raises:
        VestigeError: where there are no such units, or the run's pictures or network are not there any more.
    """
    read = read_dissection(run)
    asked = asked_units(read, layers, units)
    found = [shown_of(read, layer, unit) for layer, unit in asked]
    shown = in_random_order(each for each in found if each is not None)
    if len(shown) < len(asked):
        session.say(f"{count(len(asked) - len(shown), 'unit')} of {len(asked)} active in no picture: not asked")
    if not shown:
        raise VestigeError(f"{run.folder}: none of the units asked for is active in any picture; ask for others")
    tiles = tiles_of(run.folder)
    tiles.begin(f"{_mark(run)} {rule}")
    if tiles.lacks(shown):
        _draw(tiles, read, shown, session, rule, data, backbone)
    store.ask(shown)
    guarded = not is_loopback(host)
    hosts = () if guarded else ("127.0.0.1", "localhost", "::1", host)
    return Site(run.name, store, tiles, Access(store.secret, guarded), hosts)


def asked_units(run: DissectRun, layers: Sequence[str], units: Sequence[str]) -> Units:
    """Units that are asked for, by layer and number.

    Raises:
        VestigeError: where the run has no such layer or unit.
    """
    for layer in layers:
        if layer not in run.layers:
            raise VestigeError(
                f"{spelled('layers', layer)}: the run has none of that name; it has {', '.join(run.layers)}"
            )
    if not units:
        found = [(layer, unit) for layer in layers or run.layers for unit in range(len(run.of(layer, "threshold")))]
    else:
        found = list(units_of(run, [name for each in units for name in _names(each)]))
    return tuple(dict.fromkeys(each for each in found if not layers or each[0] in layers))


def _names(text: str) -> Iterator[str]:
    """``fire9:3-5`` as ``fire9:3``, ``fire9:4`` and ``fire9:5``; anything else as it is."""
    layer, _, numbers = text.rpartition(":")
    first, dash, last = numbers.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and 0 <= int(last) - int(first) <= 10**6):
        yield text
    else:
        yield from (f"{layer}:{number}" for number in range(int(first), int(last) + 1))


def _draw(
    tiles: TileFile, run: DissectRun, shown: Sequence[Shown], session: Session, rule: Rule, data: str, backbone: str
) -> None:
    from vestige.datasets.opening import open_dataset

    spec = data or str(run.results.data["test"]["spec"])
    session.say(f"what {count(len(shown), 'unit')} show of their pictures, from {spec}")
    opened = open_dataset(spec)
    layers = [layer for layer in run.layers if any(layer == each.layer for each in shown)]
    reader = reader_of(run, backbone, layers, session)
    make_tiles(tiles, run, opened, shown, reader, rule, session.counting("pictures"))


def _mark(run: Run) -> str:
    """A text that is the same for no two runs, wherever their folders lie."""
    run.results()  # refuses what is no finished run
    return hashlib.sha256(run.results_path.read_bytes()).hexdigest()
