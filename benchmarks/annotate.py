"""Many annotators at once: how long a submission takes, and whether any is lost or counted twice.

    python benchmarks/annotate.py                      # 50 annotators, 1,000 submissions, SQLite
    python benchmarks/annotate.py --kills 20           # the server is killed (SIGKILL) so often in the middle of it
    python benchmarks/annotate.py --database postgresql://USER@HOST/NAME

Annotators load the page of their unit, think, and send it; one of three tries misses a planted picture and is sent
again. What was acknowledged is noted and compared with what the store holds at the end. An annotator who hears nothing
sends the same try again. The server is a process of its own on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np

from vestige.units.annotate.access import Access
from vestige.units.annotate.app import Site
from vestige.units.annotate.server import listening_at, serve
from vestige.units.annotate.store import Shown, Store, open_store

_LOOK = 0.1  # seconds between two looks at a server that is away


class Pictures:
    """Some bytes, as large as pictures are."""

    def tile(self, _layer: str, _unit: int, _place: int) -> bytes | None:
        """A picture."""
        return b"\xff\xd8" + bytes(7_000)

    def whole(self, _row: int) -> bytes | None:
        """A picture."""
        return self.tile("", 0, 0)


@dataclass
class Heard:
    """What annotators noted.

    Attributes:
        seconds: of each submission that was acknowledged, from sending it to the answer.
        kept: (annotator, unit's ticket, attempt) -> what was sent.
        away: how often nobody answered.
    """

    seconds: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    kept: dict[tuple[str, str, int], tuple[str, frozenset[str]]] = field(default_factory=dict)
    away: int = 0


def main() -> None:
    """Print how long submissions took, and what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--submissions", type=int, default=1000)
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds between the page and the submission")
    parser.add_argument("--pictures", action="store_true", help="load the 60 pictures of each page as well")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--database", default="")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8765)
    given = parser.parse_args()
    if given.serve is not None:
        _serve(given)
        return
    with tempfile.TemporaryDirectory() as folder:
        store = _store(given, Path(folder))
        store.ask([_unit(k) for k in range(given.submissions)])
        heard, took, kills = asyncio.run(_load(given, Path(folder)))
        _report(given, store, heard, took, kills)


def _unit(k: int) -> Shown:
    rows = tuple(range(60))
    return Shown("conv5", k, rows, rows[57:])


def _store(given: argparse.Namespace, folder: Path) -> Store:
    return open_store(given.database or folder / "answers.sqlite", workers=3)


def _serve(given: argparse.Namespace) -> None:
    store = _store(given, given.serve)
    with listening_at("127.0.0.1", given.port) as listening:
        serve(Site("load", store, Pictures(), Access(store.secret, guarded=False)), listening)


class Server:
    """The server, started again after each kill."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self._words = [sys.executable, __file__, "--serve", str(folder), "--port", str(given.port)]
        self._words += ["--database", given.database]
        self.start()

    def start(self) -> None:
        """Start it; it answers soon."""
        self.process = subprocess.Popen(self._words)

    def kill(self) -> None:
        """As by ``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def _load(given: argparse.Namespace, folder: Path) -> tuple[Heard, float, int]:
    """All annotators at work until enough is acknowledged; seconds that it took, and kills."""
    heard, server = Heard(), Server(given, folder)
    try:
        await _awake(given)
        began = time.perf_counter()
        names = [f"annotator {k}" for k in range(given.annotators)]
        work = asyncio.gather(*(_annotate(given, name, heard) for name in names))
        kills = await _killed(given, server, heard, work)
        await work
        return heard, time.perf_counter() - began, kills
    finally:
        server.kill()


async def _awake(given: argparse.Namespace) -> None:
    async with _browser(given) as browser:
        while True:
            try:
                await browser.get("/static/style.css")
                return
            except httpx2.TransportError:
                await asyncio.sleep(_LOOK)


async def _killed(given: argparse.Namespace, server: Server, heard: Heard, work: asyncio.Future[object]) -> int:
    """Kill the server so often, at random moments while submissions come in."""
    draw, kills = random.Random(0), 0
    while kills < given.kills and not work.done():
        before = len(heard.kept)
        wanted = given.submissions * (kills + 1) // (given.kills + 1)
        while len(heard.kept) < max(wanted, before + 1) and not work.done():
            await asyncio.sleep(0.002)
        await asyncio.sleep(draw.random() * 0.05)
        server.kill()
        kills += 1
        server.start()
    return kills


def _browser(given: argparse.Namespace) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=6)
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{given.port}", trust_env=False, timeout=30, limits=limits)


async def _annotate(given: argparse.Namespace, name: str, heard: Heard) -> None:
    draw = random.Random(name)
    async with _browser(given) as browser:
        page = await _asked(browser, heard, "GET", "/")
        await _asked(browser, heard, "POST", "/", {"csrf": _field(page, "csrf"), "name": name})
        await asyncio.sleep(draw.random() * given.think)
        while len(heard.kept) < given.submissions:
            began = time.perf_counter()
            page = await _asked(browser, heard, "GET", "/task")
            heard.pages.append(time.perf_counter() - began)
            ids = re.findall('name="marked" value="(.*?)"', page.text)
            if not ids:
                return
            if given.pictures:
                await asyncio.gather(*(_asked(browser, heard, "GET", f"/picture/{id}") for id in ids))
            await asyncio.sleep(draw.expovariate(1 / given.think) if given.think else 0)
            await _send(browser, heard, name, page, ids, draw)


async def _send(
    browser: httpx2.AsyncClient, heard: Heard, name: str, page: httpx2.Response, ids: list[str], draw: random.Random
) -> None:
    form = {key: _field(page, key) for key in ("csrf", "ticket", "attempt")}
    marked = draw.sample(ids[:57], draw.randrange(10)) + ids[57 : 60 - (draw.random() < 1 / 3)]
    concept = f"concept {draw.randrange(10**9)}"
    form |= {"concept": concept, "group": "object", "marked": marked}
    began = time.perf_counter()
    done = await _asked(browser, heard, "POST", "/answer", form)
    heard.seconds.append(time.perf_counter() - began)
    if done.status_code != 303:
        raise SystemExit(f"{name}: refused with {done.status_code}: {done.text}")
    key = name, form["ticket"], int(form["attempt"])
    if key in heard.kept:
        raise SystemExit(f"{name}: acknowledged twice: {key}")
    heard.kept[key] = concept, frozenset(marked)


async def _asked(
    browser: httpx2.AsyncClient, heard: Heard, method: str, address: str, form: dict[str, object] | None = None
) -> httpx2.Response:
    """An answer, however often it has to be asked for."""
    while True:
        try:
            return await browser.request(method, address, data=form)
        except httpx2.TransportError:
            heard.away += 1
            await asyncio.sleep(_LOOK)


def _field(page: httpx2.Response, name: str) -> str:
    found = re.search(f'name="{name}" value="(.*?)"', page.text)
    assert found, page.text
    return found[1]


def _report(given: argparse.Namespace, store: Store, heard: Heard, took: float, kills: int) -> None:
    tries = store.every_try()
    said = Counter((each.annotator, each.concept) for each in tries)
    sent = {(name, concept): marked for (name, _, _), (concept, marked) in heard.kept.items()}
    rows = {(each.annotator, each.concept): {f"-{row}" for row in each.marked} for each in tries}
    lost = [key for key in sent if key not in said]
    altered = [key for key in sent if key in rows and rows[key] != {f"-{id.rpartition('-')[2]}" for id in sent[key]}]
    numbers = [key for key, n in Counter((e.annotator, e.unit, e.tries) for e in tries).items() if n > 1]
    answers = Counter((each.annotator, each.unit) for each in store.answers())
    crowded = [unit for unit, n in Counter(e.unit for e in store.answers() if e.passed).items() if n > store.workers]
    dialect = store.database.engine.dialect.name
    print(f"{given.annotators} annotators, {os.cpu_count()} cores, {dialect}, think {given.think:g} s")
    print(f"{len(sent)} submissions acknowledged in {took:.1f} s, server killed {kills} times, {heard.away} unheard")
    for what, whose in (("the server", resource.RUSAGE_CHILDREN), ("the annotators", resource.RUSAGE_SELF)):
        used = resource.getrusage(whose)
        print(f"{what}: {used.ru_utime + used.ru_stime:.1f} s of processor time, their start included")
    for what, seconds in (("submission", heard.seconds), ("page", heard.pages)):
        median, high, most = np.quantile(np.array(seconds) * 1000, [0.5, 0.95, 1])
        print(f"{what}: median {median:.0f} ms, 95th percentile {high:.0f} ms, longest {most:.0f} ms")
    print(
        f"lost {len(lost)}, altered {len(altered)}, twice {sum(n > 1 for n in said.values()) + len(numbers)}, "
        f"in the store without an acknowledgement {len(tries) - len(sent)}, "
        f"answers {sum(answers.values())}, units with more answers than asked {len(crowded)}"
    )
    if lost or altered or numbers or crowded or max(answers.values()) > 1:
        raise SystemExit("some were lost, altered or counted twice")


if __name__ == "__main__":
    main()
