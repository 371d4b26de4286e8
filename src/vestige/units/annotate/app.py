"""The annotation application: what each address takes and gives.

=========================  ============================================================================================
``GET /``                  welcome; whoever has a name is led to their task. ``?key=KEY``: from whoever runs it
``GET /join/LINK``         someone's personal link: they have their name, and are led to their task
``POST /``                 form: ``csrf``, ``name``
``GET /task``              the unit in someone's hands, or the next one; a page of rest where there is none.
                           ``?again``: units that they skipped, too. ``?said=kept|failed|skipped``: the news above it
``POST /answer``           form: ``csrf``, ``ticket``, ``attempt``, ``concept``, ``group``, ``marked`` several times,
                           ``seconds`` if it is known: led to ``/task``; a script, which accepts JSON, is told by
                           ``{"next": ADDRESS}`` instead, since a browser would follow and load the page twice
``POST /skip``             form: ``csrf``, ``ticket``: likewise led to ``/task?said=skipped``
``GET /picture/ID``        a JPEG: a unit's picture as the unit segments it, 224 pixels at its longer side
``GET /picture/ID/whole``  a JPEG: the picture itself, 512 pixels at its longer side at most
``GET /concepts?q=TEXT``   JSON: at most eight earlier concepts that begin with the text, or have a word that does
``GET /overview``          progress, people and agreement (owners alone: :attr:`Session.owner`)
``GET /export``            a file with all answers, ``?form=csv`` or ``?form=json`` (owners alone)
``GET /static/NAME``       what pages link to
=========================  ============================================================================================

An id of a picture is ``UNIT-PLACE``: the unit's in the store, and the place among those shown. What is refused is a
page of trouble: 400 where a form is not what was expected, 403 without a link or with another page's form, 404, 409
where a unit was sent already, 413 where a form is too large, 421 for another machine's name, 503 where the database is
away.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol
from urllib.parse import parse_qs

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from vestige.errors import VestigeError
from vestige.units.annotate import pages
from vestige.units.annotate.access import Access, Session
from vestige.units.annotate.store import TRIES, AlreadyDoneError, Handout, NotYoursError, Progress, Said, Shown, Store
from vestige.units.annotations.answers import plain_text
from vestige.units.annotations.files import answers_csv, answers_json

LARGEST_FORM = 32_768
"""Bytes of a form; an answer with all pictures marked has about 1,500."""

_THREADS = 6
_MOST_FIELDS = 200
_SUGGESTED = 8

_NEWS = {
    "kept": "Your answer is kept. Thank you!",
    "failed": "Your answer is kept, but it does not count: not all pictures that were put in from elsewhere were "
    "marked. Someone else will be asked about that unit.",
    "skipped": "You skipped the unit; you can take it up again once you have seen the others.",
}

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_MONTH = 30 * 86_400

Form = dict[str, list[str]]


class Pictures(Protocol):
    """What people are shown."""

    def tile(self, layer: str, unit: int, place: int) -> bytes | None:
        """A JPEG of a picture as a unit segments it; None where there is none."""
        ...

    def whole(self, row: int) -> bytes | None:
        """A JPEG of a picture of the data; None where there is none."""
        ...


@dataclass(frozen=True)
class Site:
    """What the application serves.

    Attributes:
        name: of the run.
        store: of answers.
        pictures: that are shown.
        access: who may do what.
        hosts: names of this machine by which it may be asked; () for any.
    """

    name: str
    store: Store
    pictures: Pictures
    access: Access
    hosts: tuple[str, ...] = ()


class _Refused(HTTPException):
    """What is refused, with a title and advice for a page of trouble."""

    def __init__(self, status: int, title: str, advice: str) -> None:
        super().__init__(status, advice)
        self.title = title


def make_app(site: Site) -> FastAPI:
    """The application, for any server of ASGI."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_few_threads)
    app.state.site = site
    app.add_middleware(_Guard, hosts=site.hosts)
    app.include_router(_routes)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(VestigeError, _unfit)
    app.add_exception_handler(SQLAlchemyError, _away)
    return app


@asynccontextmanager
async def _few_threads(_app: FastAPI) -> AsyncIterator[None]:
    """Requests are answered by few threads: those who write wait for one another in any case."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


class _Guard:
    """Refuses to be asked by another machine's name, and says in every answer what a browser may do with it.

    A page from elsewhere can lead its own name to this machine, and would then read what is meant for it alone.
    """

    def __init__(self, app: Any, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if self._hosts and _bare(host) not in self._hosts:
            page = _trouble(421, "Not this machine", f"Open the page at {min(self._hosts)} and its port.")
            await page(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _bare(host: str) -> str:
    """A host without its port: ``[::1]:80`` as ``::1``."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


# -- what routes depend on --------------------------------------------------------------------------------------------


async def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


async def _session(request: Request) -> Session | None:
    """The session, if there is one; it ends when the link by which it came is withdrawn."""
    site: Site = request.app.state.site
    found = site.access.session(request.cookies.get(site.access.cookie, ""))
    if found is None or not found.link:
        return found
    valid = await run_in_threadpool(site.store.invitations.is_valid, found.name, found.link)
    return found if valid else None


async def _annotator(request: Request) -> Session:
    """The session of somebody with a name."""
    session = await _session(request)
    if session is None or not session.name:
        raise _Refused(403, "Who are you?", "Open your personal link, or the first page, and give your name.")
    return session


async def _owner(request: Request) -> Session:
    """The session of whoever runs the application."""
    session = await _session(request) or request.app.state.site.access.opened()
    if not session.owner:
        raise _Refused(403, "Not for you", "Only whoever runs this page sees that: open the link that it printed.")
    return session


async def _form(request: Request) -> Form:
    """The fields of a form that one of the session's own pages sent, no larger than any of them sends."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise _Refused(413, "Too much was sent", f"Expected {LARGEST_FORM:,} bytes at most.")
    try:
        form = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise _Refused(400, "That is no form", "Open the page again, and send it from there.") from error
    session = await _session(request)
    if session is None or not request.app.state.site.access.is_form_of(session, "".join(form.get("csrf", []))):
        raise _Refused(403, "Not sent from this page", "Open the page again, and send it from there.")
    return form


Here = Annotated[Site, Depends(_site)]
Known = Annotated[Session | None, Depends(_session)]
Annotator = Annotated[Session, Depends(_annotator)]
Owner = Annotated[Session, Depends(_owner)]
Sent = Annotated[Form, Depends(_form)]

_routes = APIRouter()


# -- who is there -----------------------------------------------------------------------------------------------------


@_routes.get("/")
def _welcome(site: Here, session: Known, key: str | None = None) -> Response:
    access = site.access
    if key is not None:
        if not access.is_key(key):
            raise _Refused(403, "Not the key", "Open the link as it was printed, or ask for it again.")
        known = session or access.opened()
        return _to("/", site, access.opened(name=known.name, owner=True, link=known.link))
    if session is not None and session.name:
        return _to("/task")
    session = session or access.opened()
    _check_may_choose(session)
    return _keep(HTMLResponse(pages.welcome(pages.Visitor("", access.csrf(session)))), site, session)


@_routes.get("/join/{link}")
def _join(site: Here, session: Known, link: str) -> Response:
    named = site.access.named(link)
    if named is None or not site.store.invitations.is_valid(*named):
        raise _Refused(403, "Not a link that is valid", "Open it as it was sent to you, or ask for another one.")
    name, number = named
    if session is not None and (session.name, session.link) == named:
        return _to("/task")  # forms in their other windows stay theirs
    site.store.enter(name)
    owner = session is not None and session.owner
    return _to("/task", site, site.access.opened(name=name, owner=owner, link=number))


@_routes.post("/")
def _enter(site: Here, session: Known, form: Sent) -> Response:
    assert session is not None  # or there is no form of its
    _check_may_choose(session)
    try:
        name = plain_text("name", _one(form, "name"))
    except VestigeError as error:
        visitor = pages.Visitor(_one(form, "name"), site.access.csrf(session))
        return HTMLResponse(pages.welcome(visitor, message=f"Your {error}."), 400)
    site.store.enter(name)
    return _to("/task", site, site.access.opened(name=name, owner=session.owner))


def _check_may_choose(session: Session) -> None:
    """Whoever gives a name of their own needs the key, where nobody gets in without."""
    if not session.owner:
        raise _Refused(403, "A link is needed", "Open your personal link, or ask whoever runs this page for one.")


# -- what they do -----------------------------------------------------------------------------------------------------


@_routes.get("/task")
def _task(site: Here, session: Known, again: str | None = None, said: str = "") -> Response:
    if session is None or not session.name:
        return _to("/")
    handed = site.store.take(session.name, again=again is not None)
    progress = site.store.progress(session.name)
    csrf, asked = site.access.csrf(session), progress.mine + progress.left
    visitor = pages.Visitor(session.name, csrf, progress.mine, asked, session.owner)
    page = _task_page(site, visitor, handed, progress, _NEWS.get(said, ""))
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


@_routes.post("/answer")
def _answer(request: Request, site: Here, session: Annotator, form: Sent) -> Response:
    said = Said(
        attempt=_whole(form, "attempt"),
        concept=_one(form, "concept"),
        group=_one(form, "group"),
        marked=tuple(_place(each) for each in form.get("marked", [])),
        seconds=_number(form, "seconds") if "seconds" in form else None,
    )
    outcome = site.store.submit(session.name, _whole(form, "ticket"), said)
    news = f"?said={'kept' if outcome.passed else 'failed'}" if outcome.finished else ""
    return _onward(request, f"/task{news}")


@_routes.post("/skip")
def _skip(request: Request, site: Here, session: Annotator, form: Sent) -> Response:
    site.store.skip(session.name, _whole(form, "ticket"))
    return _onward(request, "/task?said=skipped")


def _onward(request: Request, address: str) -> Response:
    """Where a form that was taken leads."""
    return JSONResponse({"next": address}) if request.headers.get("accept") == "application/json" else _to(address)


@_routes.get("/concepts")
def _concepts(site: Here, _session: Annotator, q: Annotated[str, Query(max_length=1000)] = "") -> Response:
    return JSONResponse(suggested(site.store.concepts(), q))


def suggested(concepts: Iterable[str], text: str) -> list[str]:
    """Earlier concepts for what someone has typed so far: those that begin with it, then those with such a word."""
    typed = " ".join(text.casefold().split())
    first, then = [], []
    for concept in concepts:
        folded = concept.casefold()
        if folded.startswith(typed):
            first.append(concept)
        elif f" {typed}" in folded:
            then.append(concept)
    return [*first, *then][:_SUGGESTED]


def _task_page(site: Site, visitor: pages.Visitor, handed: Handout | None, progress: Progress, news: str) -> str:
    if handed is None:
        waiting = max(progress.units - progress.complete - progress.skipped - progress.wanting, 0)
        return pages.rest(visitor, waiting=waiting, skipped=progress.skipped, wanting=progress.wanting, message=news)
    ids = [f"{handed.unit_id}-{place}" for place in range(len(handed.unit.shown))]
    draft = f"{site.access.cookie}/{visitor.name}/{handed.unit.layer}/{handed.unit.unit}"
    sheet = pages.Sheet(str(handed.id), draft, tuple(ids), handed.tries + 1, TRIES)
    if (last := handed.last) is not None:
        marked = tuple(ids[place] for place in last.marked)
        sheet = replace(sheet, concept=last.concept, group=last.group, marked=marked, seconds=last.seconds or 0.0)
    return pages.task(visitor, sheet, message=news)


# -- what they see ----------------------------------------------------------------------------------------------------


@_routes.get("/picture/{id}")
def _picture(site: Here, _session: Annotator, id: str) -> Response:
    shown, place = _shown(site, id)
    return _jpeg(site.pictures.tile(shown.layer, shown.unit, place))


@_routes.get("/picture/{id}/whole")
def _whole_picture(site: Here, _session: Annotator, id: str) -> Response:
    shown, place = _shown(site, id)
    return _jpeg(site.pictures.whole(shown.shown[place]))


def _shown(site: Site, id: str) -> tuple[Shown, int]:
    """The unit and the place that a picture's id names."""
    unit, _, place = id.partition("-")
    found = site.store.unit(int(unit)) if _is_number(unit) and _is_number(place) else None
    if found is None or int(place) >= len(found.shown):
        raise _no_picture()
    return found, int(place)


@_routes.get("/static/{name}")
def _static(name: str) -> Response:
    asset = pages.asset(name)
    if asset is None:
        raise _Refused(404, "Nothing there", "Go on with the task.")
    return Response(asset[0], media_type=asset[1], headers={"Cache-Control": "no-cache"})


# -- what whoever runs it sees ----------------------------------------------------------------------------------------


@_routes.get("/overview")
def _overview(site: Here, _session: Owner) -> Response:
    store = site.store
    seen = pages.Overview(site.name, store.workers, store.layers(), store.people(), store.answers())
    return HTMLResponse(pages.overview(seen), headers={"Cache-Control": "no-store"})


@_routes.get("/export")
def _export(site: Here, _session: Owner, form: str = "csv") -> Response:
    makers = {"csv": (answers_csv, "text/csv"), "json": (answers_json, "application/json")}
    if form not in makers:
        raise _Refused(400, "No such format", f"Expected one of {', '.join(makers)}.")
    make, kind = makers[form]
    headers = {"Content-Disposition": f'attachment; filename="annotations.{form}"', "Cache-Control": "no-store"}
    return Response(make(site.store.answers()), media_type=kind, headers=headers)


# -- what is refused --------------------------------------------------------------------------------------------------


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = error.title if isinstance(error, _Refused) else "Nothing there"
    return _trouble(error.status_code, title, str(error.detail))


async def _unreadable(_request: Request, _error: Exception) -> Response:
    return _trouble(400, "That is no address of this page", "Go on with the task.")


async def _unfit(_request: Request, error: Exception) -> Response:
    if isinstance(error, AlreadyDoneError):
        return _trouble(409, "You have sent this unit already", "What you sent first is kept. Go on with the next one.")
    if isinstance(error, NotYoursError):
        return _trouble(403, "Not your unit", "It was given to someone else. Go on with your own.")
    return _trouble(400, "That is no answer", f"{error}. Go back, and send it again.")


async def _away(_request: Request, error: Exception) -> Response:
    logging.getLogger("uvicorn.error").error("%s", str(error).splitlines()[0])
    return _trouble(503, "Not kept", "The answers cannot be stored just now. Go back, and send it again.")


def _trouble(status: int, title: str, advice: str) -> Response:
    return HTMLResponse(pages.trouble(title, advice), status, headers={"Cache-Control": "no-store"})


def _no_picture() -> _Refused:
    return _Refused(404, "No such picture", "Open the page again.")


def _to(address: str, site: Site | None = None, session: Session | None = None) -> Response:
    """Lead to another address; a session that is new is kept."""
    led = RedirectResponse(address, 303)
    return led if site is None or session is None else _keep(led, site, session)


def _keep(response: Response, site: Site, session: Session) -> Response:
    access = site.access
    response.set_cookie(access.cookie, access.sealed(session), max_age=_MONTH, httponly=True, samesite="lax")
    return response


def _jpeg(content: bytes | None) -> Response:
    if content is None:
        raise _no_picture()
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _one(form: Form, name: str) -> str:
    values = form.get(name, [])
    if len(values) != 1:
        raise _Refused(400, "That is no form", f"Expected one {name}.")
    return values[0]


def _whole(form: Form, name: str) -> int:
    text = _one(form, name)
    if not _is_number(text):
        raise _Refused(400, "That is no form", f"Expected a whole number as {name}.")
    return int(text)


def _number(form: Form, name: str) -> float:
    text = _one(form, name)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise _Refused(400, "That is no form", f"Expected a number of seconds as {name}.")
    return value


def _place(id: str) -> int:
    place = id.rpartition("-")[2]
    if not _is_number(place):
        raise _Refused(400, "That is no form", "Expected pictures that are shown.")
    return int(place)
