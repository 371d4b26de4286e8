"""Where people's answers lie: units that are asked, who has which, every try, and what counts as an answer.

SQLite in the run's folder, or PostgreSQL. A submission that was acknowledged is on the disk: it is committed, and the
commit is synchronised, before anybody is told. All that writes goes one after the other, so that no unit is handed out
too often, and two people who send at once are both kept.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Row,
    ScalarSelect,
    Select,
    String,
    Subquery,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    create_engine,
    event,
    exists,
    false,
    func,
    insert,
    make_url,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from vestige.errors import VestigeError
from vestige.files import disk_errors
from vestige.spelling import spelled
from vestige.units.annotations.answers import GROUPS, Answer

TRIES = 3
"""How often someone may look again before an answer without all planted pictures marked is kept as failed."""

OPEN, DONE, FAILED, SKIPPED = "open", "done", "failed", "skipped"
"""What a unit in someone's hands may be."""

_FRESH = 0.97  # of the time-out: as long as so much of it is left, looking at a page again writes nothing
_LOCK = 0x76657374  # of all writers of a PostgreSQL database: "vest"
_SCHEMA = "1"

_TABLES = MetaData()

_settings = Table("settings", _TABLES, Column("name", String, primary_key=True), Column("value", String))

_units = Table(
    "units",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("layer", String, nullable=False),
    Column("unit", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("asked", Boolean, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("planted", JSON, nullable=False),
    UniqueConstraint("layer", "unit"),
)

_annotators = Table(
    "annotators", _TABLES, Column("id", Integer, primary_key=True), Column("name", String, nullable=False, unique=True)
)

_handouts = Table(
    "handouts",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("unit", ForeignKey("units.id"), nullable=False, index=True),
    Column("annotator", ForeignKey("annotators.id"), nullable=False, index=True),
    Column("began", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("planted", JSON, nullable=False),
    UniqueConstraint("unit", "annotator"),
)

_tries = Table(
    "tries",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("handout", ForeignKey("handouts.id"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("concept", String, nullable=False),
    Column("group", String, nullable=False),
    Column("marked", JSON, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("seconds", Float),
    Column("at", String, nullable=False),
    Column("stated", Float),
    UniqueConstraint("handout", "number"),
)

# -- what is asked of the tables; made once, for making a query takes longer than answering it ------------------------

_ME, _NOW, _WORKERS = bindparam("me", type_=Integer), bindparam("now", type_=Float), bindparam("workers", type_=Integer)

_OWN_NAME = select(_annotators.c.id).where(_annotators.c.name == bindparam("name"))

_HANDED = (
    select(_handouts, _units.c.layer, _units.c.unit.label("number"))
    .select_from(_handouts)
    .join(_units, _units.c.id == _handouts.c.unit)
)
"""Hand-outs with the layer and the number of their units."""

_THEIRS = _HANDED.join(_annotators, _annotators.c.id == _handouts.c.annotator).where(
    _handouts.c.id == bindparam("handout"), _annotators.c.name == bindparam("name")
)

_TRY = select(_tries).where(_tries.c.handout == bindparam("handout"), _tries.c.number == bindparam("number"))

_LAST_TRY = and_(_tries.c.handout == _handouts.c.id, _tries.c.number == _handouts.c.tries)


def _by_unit(*counted: ColumnElement[bool]) -> Subquery:
    """How many hand-outs of each unit are one of some kinds."""
    return select(_handouts.c.unit, func.count().label("n")).where(or_(*counted)).group_by(_handouts.c.unit).subquery()


_IS_DONE = _handouts.c.state == DONE
_DONE = _by_unit(_IS_DONE)
_COMPLETE = select(_units.c.id).join(_DONE, _DONE.c.unit == _units.c.id).where(_units.c.asked, _DONE.c.n >= _WORKERS)

_TAKEN = _by_unit(_IS_DONE, and_(_handouts.c.state == OPEN, _handouts.c.until > _NOW, _handouts.c.annotator != _ME))
"""By unit, how many answers there are, and how many others have it in hand."""

_TAKERS = func.coalesce(_TAKEN.c.n, 0)

_FREE = (
    select(_units)
    .outerjoin(_TAKEN, _TAKEN.c.unit == _units.c.id)
    .where(
        _units.c.asked,
        ~exists().where(_handouts.c.unit == _units.c.id, _handouts.c.annotator == _ME),
        _TAKERS < _WORKERS,
    )
)
"""Units for someone."""

_NEXT = _FREE.order_by(_TAKERS, _units.c.place).limit(1)
"""The one that fewest have or had."""


def _mine(state: str, wanted: ColumnElement[bool]) -> Select[Any]:
    """What someone has, in the order of the last look at it."""
    return (
        _HANDED.outerjoin(_TAKEN, _TAKEN.c.unit == _units.c.id)
        .where(_handouts.c.annotator == _ME, _handouts.c.state == state, _units.c.asked, wanted)
        .order_by(_handouts.c.until.desc(), _handouts.c.id)
    )


_HELD = _mine(OPEN, or_(_handouts.c.until > _NOW, _TAKERS < _WORKERS))
"""In someone's hands and not timed out, or timed out and still needed."""

_SKIPPED = _mine(SKIPPED, _TAKERS < _WORKERS)
"""Skipped by someone, and still needed."""


def _count(query: Select[Any]) -> ScalarSelect[int]:
    return select(func.count()).select_from(query.order_by(None).subquery()).scalar_subquery()


def _had(*states: str) -> Select[Any]:
    return _HANDED.where(_handouts.c.annotator == _ME, _units.c.asked, _handouts.c.state.in_(states))


_PROGRESS = select(
    _count(_had(DONE, FAILED)).label("mine"),
    (_count(_FREE) + _count(_HELD)).label("left"),
    _count(_had(SKIPPED)).label("skipped"),
    _count(_COMPLETE).label("complete"),
    _count(select(_units.c.id).where(_units.c.asked)).label("units"),
    _count(_had(DONE, FAILED).where(_units.c.id.not_in(_COMPLETE))).label("wanting"),
)


@dataclass(frozen=True)
class Shown:
    """A unit with the pictures that people see of it.

    Attributes:
        layer: of the unit.
        unit: its number.
        shown: rows of the dissection's data, in the order in which they are shown.
        planted: those among them that are not the unit's.
    """

    layer: str
    unit: int
    shown: tuple[int, ...]
    planted: tuple[int, ...]


@dataclass(frozen=True)
class Said:
    """What someone sends of a unit.

    Attributes:
        attempt: which try of theirs at this unit, from 1; one that is sent twice counts once.
        concept: in words.
        group: one of :data:`vestige.units.annotations.answers.GROUPS`.
        marked: places among the pictures shown that do not fit.
        seconds: that it took; None for the time since the unit was first shown.
    """

    attempt: int
    concept: str
    group: str
    marked: tuple[int, ...]
    seconds: float | None = None


@dataclass(frozen=True)
class Handout:
    """A unit in someone's hands.

    Attributes:
        id: of the hand-out.
        unit_id: of the unit in the store.
        unit: what is shown.
        tries: how often it was sent so far.
        last: what was sent last; None before the first time.
    """

    id: int
    unit_id: int
    unit: Shown
    tries: int
    last: Said | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a try.

    Attributes:
        passed: whether all planted pictures are marked.
        tries: how many it were.
        finished: whether the unit is done with: passed, or failed.
    """

    passed: bool
    tries: int
    finished: bool

    @property
    def tries_left(self) -> int:
        """How often it may be sent again."""
        return 0 if self.finished else TRIES - self.tries


@dataclass(frozen=True)
class Progress:
    """How far someone, and everybody, is.

    Attributes:
        mine: units that this person has answered, failed ones included.
        left: units that this person can still be given; the one in hand included.
        skipped: units that they skipped.
        complete: units with as many answers as are asked for.
        units: that are asked.
        wanting: units that this person has answered and that still need other people's answers.
    """

    mine: int
    left: int
    skipped: int
    complete: int
    units: int
    wanting: int = 0


@dataclass(frozen=True)
class Person:
    """How someone fared: units answered, failed, skipped, all tries, and the mean of their seconds a unit."""

    name: str
    answered: int
    failed: int
    skipped: int
    tries: int
    seconds: float | None


class NotYoursError(VestigeError):
    """A hand-out is not that person's."""


class AlreadyDoneError(VestigeError):
    """A unit is answered already by that person."""


@dataclass(frozen=True)
class Store:
    """Answers and who has which unit.

    Attributes:
        engine: of the database.
        workers: answers asked of each unit, from different people.
        time_out: seconds after which a unit that is in someone's hands is given to others, too.
        clock: the time in seconds since 1970.
    """

    engine: Engine
    workers: int = 1
    time_out: float = 1800.0
    clock: Any = time.time
    _writers: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that no other one that writes runs beside; committed and on the disk when the block ends."""
        with self._writers, self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            if self.engine.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            yield connection

    # -- what is asked ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The database, as messages name it: without its password."""
        return _shown(self.engine)

    @property
    def secret(self) -> bytes:
        """What personal links and forms are signed with."""
        return bytes.fromhex(self._setting("secret", secrets.token_hex(32)))

    def _setting(self, name: str, value: str) -> str:
        """A setting; where there is none yet, from now on the value given."""
        with self._writing() as connection:
            found = connection.scalar(select(_settings.c.value).where(_settings.c.name == name))
            if found is None:
                connection.execute(insert(_settings).values(name=name, value=value))
                return value
            return str(found)

    def ask(self, units: Sequence[Shown]) -> None:
        """Ask people about these units, in this order, and about no others; answers to others stay."""
        with self._writing() as connection:
            known = {(row.layer, row.unit): row.id for row in connection.execute(select(_units))}
            connection.execute(update(_units).values(asked=False))
            for place, each in enumerate(units):
                values = {"place": place, "asked": True, "shown": list(each.shown), "planted": list(each.planted)}
                if (each.layer, each.unit) in known:
                    here = _units.c.id == known[each.layer, each.unit]
                    connection.execute(update(_units).where(here).values(values))
                else:
                    connection.execute(insert(_units).values(layer=each.layer, unit=each.unit, **values))

    def unit(self, id: int) -> Shown | None:
        """A unit that is or was asked, by its id in the store."""
        with self.engine.connect() as connection:
            row = connection.execute(select(_units).where(_units.c.id == id)).one_or_none()
        return None if row is None else Shown(row.layer, row.unit, tuple(row.shown), tuple(row.planted))

    # -- who has what -------------------------------------------------------------------------------------------------

    def enter(self, name: str) -> None:
        """Someone is here."""
        with self._writing() as connection:
            self._annotator(connection, name)

    def take(self, name: str, *, again: bool = False) -> Handout | None:
        """The unit that someone has in their hands, or the next one for them; None where there is none.

        Args:
            name: of the person.
            again: whether units that they skipped are given, too, once there are no others.
        """
        now = self.clock()
        with self._writing() as connection:
            me = self._annotator(connection, name)
            known = {"me": me, "now": now, "workers": self.workers}
            found = connection.execute(_HELD, known).first()
            if found is None:
                unit = connection.execute(_NEXT, known).first()
                found = None if unit is None else self._hand_out(connection, me, unit, now)
            if found is None and again:
                found = connection.execute(_SKIPPED, known).first()
            if found is None:
                return None
            if found.state != OPEN or found.until < now + _FRESH * self.time_out:
                here = _handouts.c.id == found.id
                connection.execute(update(_handouts).where(here).values(until=now + self.time_out, state=OPEN))
            last = _try(connection, found.id, found.tries) if found.tries else None
        shown = _unit_of(found)
        return Handout(found.id, found.unit, shown, found.tries, None if last is None else _said(last, shown))

    def skip(self, name: str, handout: int) -> None:
        """Someone passes over a unit; others are given it.

        Raises:
            NotYoursError: where it is not in their hands.
        """
        with self._writing() as connection:
            found = self._theirs(connection, name, handout)
            if found.state == OPEN:
                connection.execute(update(_handouts).where(_handouts.c.id == found.id).values(state=SKIPPED))

    def submit(self, name: str, handout: int, said: Said) -> Outcome:
        """Keep a try. It counts once, however often it is sent, and late ones are kept like others.

        Raises:
            NotYoursError: where the unit was never given to that person.
            AlreadyDoneError: where they have answered it, or sent another try of that number, as from a second window.
            VestigeError: where what is said is no answer, naming the field.
        """
        now = self.clock()
        with self._writing() as connection:
            found = self._theirs(connection, name, handout)
            answer = _answer_of(name, _unit_of(found), said, found, now)
            before = _try(connection, found.id, said.attempt)
            if before is not None and _is_same(before, answer):
                return _outcome(before)
            if before is not None or found.state in (DONE, FAILED):
                raise AlreadyDoneError(f"{name} has sent this unit already, from another window or earlier")
            passed, number = answer.passed, answer.tries
            connection.execute(
                insert(_tries).values(
                    handout=found.id,
                    number=number,
                    concept=answer.concept,
                    group=answer.group,
                    marked=list(answer.marked),
                    passed=passed,
                    seconds=answer.seconds,
                    at=answer.at,
                )
            )
            state = DONE if passed else FAILED if number >= TRIES else OPEN
            here = _handouts.c.id == found.id
            connection.execute(
                update(_handouts).where(here).values(tries=number, state=state, until=now + self.time_out)
            )
        return Outcome(passed, number, state != OPEN)

    def _annotator(self, connection: Connection, name: str) -> int:
        found = connection.scalar(_OWN_NAME, {"name": name})
        if found is None:
            found = connection.execute(insert(_annotators).values(name=name)).inserted_primary_key[0]  # type: ignore[index]
        return int(found)

    def _theirs(self, connection: Connection, name: str, handout: int) -> Row[Any]:
        found = connection.execute(_THEIRS, {"handout": handout, "name": name}).one_or_none()
        if found is None:
            raise NotYoursError(f"hand-out {handout}: is not one of {name}")
        return found

    def _hand_out(self, connection: Connection, me: int, unit: Row[Any], now: float) -> Row[Any]:
        made = connection.execute(
            insert(_handouts).values(
                unit=unit.id,
                annotator=me,
                began=now,
                until=now + self.time_out,
                tries=0,
                state=OPEN,
                shown=unit.shown,
                planted=unit.planted,
            )
        ).inserted_primary_key
        assert made is not None
        return connection.execute(_HANDED.where(_handouts.c.id == made[0])).one()

    # -- what there is ------------------------------------------------------------------------------------------------

    def progress(self, name: str) -> Progress:
        """How far someone, and everybody, is."""
        with self.engine.connect() as connection:
            me = connection.scalar(_OWN_NAME, {"name": name}) or 0
            row = connection.execute(_PROGRESS, {"me": me, "now": self.clock(), "workers": self.workers}).one()
        return Progress(row.mine, row.left, row.skipped, row.complete, row.units, row.wanting)

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """By layer: units asked, those with as many answers as are asked for, and answers to them in all."""
        found: dict[str, tuple[int, int, int]] = {}
        with self.engine.connect() as connection:
            joined = select(_units.c.layer, _DONE.c.n).outerjoin(_DONE, _DONE.c.unit == _units.c.id)
            for layer, n in connection.execute(joined.where(_units.c.asked).order_by(_units.c.layer)):
                units, complete, answers = found.get(layer, (0, 0, 0))
                found[layer] = units + 1, complete + ((n or 0) >= self.workers), answers + (n or 0)
        return found

    def people(self) -> tuple[Person, ...]:
        """How everybody fared, by name."""
        totals: dict[str, dict[str, Any]] = {}
        query = (
            select(_annotators.c.name, _handouts.c.state, _handouts.c.tries, _tries.c.seconds)
            .outerjoin(_handouts, _handouts.c.annotator == _annotators.c.id)
            .outerjoin(_tries, _LAST_TRY)
            .order_by(_annotators.c.name)
        )
        with self.engine.connect() as connection:
            for name, state, tries, seconds in connection.execute(query):
                one = totals.setdefault(name, {DONE: 0, FAILED: 0, SKIPPED: 0, OPEN: 0, "tries": 0, "seconds": []})
                if state is not None:
                    one[state] += 1
                    one["tries"] += tries
                if state in (DONE, FAILED) and seconds is not None:
                    one["seconds"].append(seconds)
        return tuple(
            Person(
                name,
                one[DONE] + one[FAILED],
                one[FAILED],
                one[SKIPPED],
                one["tries"],
                sum(one["seconds"]) / len(one["seconds"]) if one["seconds"] else None,
            )
            for name, one in totals.items()
        )

    def concepts(self, limit: int = 1000) -> tuple[str, ...]:
        """The concepts given so far, those given most often first."""
        query = (
            select(_tries.c.concept, func.count().label("n"))
            .join(_handouts, _handouts.c.id == _tries.c.handout)
            .where(_handouts.c.state.in_((DONE, FAILED)), _tries.c.number == _handouts.c.tries)
            .group_by(_tries.c.concept)
            .order_by(func.count().desc(), _tries.c.concept)
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return tuple(str(concept) for concept, _ in connection.execute(query))

    def answers(self) -> tuple[Answer, ...]:
        """All answers, failed ones included, by layer, unit and annotator."""
        return self._read(_handouts.c.state.in_((DONE, FAILED)), _tries.c.number == _handouts.c.tries)

    def every_try(self) -> tuple[Answer, ...]:
        """Every try as an answer, also those after which someone looked again."""
        return self._read()

    def _read(self, *where: ColumnElement[bool]) -> tuple[Answer, ...]:
        query = (
            select(_tries, _handouts.c.shown, _handouts.c.planted, _units.c.layer, _units.c.unit, _annotators.c.name)
            .join(_handouts, _handouts.c.id == _tries.c.handout)
            .join(_units, _units.c.id == _handouts.c.unit)
            .join(_annotators, _annotators.c.id == _handouts.c.annotator)
            .where(*where)
            .order_by(_units.c.layer, _units.c.unit, _annotators.c.name, _tries.c.number)
        )
        with self.engine.connect() as connection:
            return tuple(
                Answer(
                    layer=row.layer,
                    unit=row.unit,
                    annotator=row.name,
                    concept=row.concept,
                    group=row.group,
                    shown=tuple(row.shown),
                    planted=tuple(row.planted),
                    marked=tuple(row.marked),
                    tries=row.number,
                    passed=row.passed,
                    seconds=row.seconds,
                    at=row.at,
                    stated=row.stated,
                )
                for row in connection.execute(query)
            )

    def add(self, answers: Sequence[Answer]) -> int:
        """Take in answers that were given elsewhere; how many are new. One that is there already is left as it is.

        Raises:
            VestigeError: where someone has answered a unit in another way than here; nothing is taken in then.
        """
        new, now = 0, self.clock()
        known = {(each.layer, each.unit, each.annotator): each for each in self.answers()}
        with self._writing() as connection:
            units = {(row.layer, row.unit): row.id for row in connection.execute(select(_units))}
            for answer in answers:
                before = known.get((answer.layer, answer.unit, answer.annotator))
                if before is not None and replace(before, tries=answer.tries) != answer:
                    raise VestigeError(
                        f"{answer.layer}:{answer.unit}: {answer.annotator!r} has answered otherwise here; rename one "
                        "of the two"
                    )
                if before is None:
                    _take_in(connection, units, self._annotator(connection, answer.annotator), answer, now)
                    known[answer.layer, answer.unit, answer.annotator] = answer
                    new += 1
        return new


def open_store(database: str | Path, *, workers: int = 1, time_out: float = 1800.0) -> Store:
    """A store in a SQLite file, made where it is missing, or in a PostgreSQL database by its URL.

    Raises:
        VestigeError: where it cannot be opened, or is of another version.
    """
    if isinstance(database, Path):
        with disk_errors(database, "the store of answers"):
            database.parent.mkdir(parents=True, exist_ok=True)
        database = f"sqlite:///{database.resolve()}"
    engine = _engine(database)
    try:
        store = Store(engine, workers, time_out)
        with store._writing() as connection:
            _TABLES.create_all(connection)
        if store._setting("schema", _SCHEMA) != _SCHEMA:
            raise VestigeError(f"{_shown(engine)}: was made by another version of vestige; use that one")
    except SQLAlchemyError as error:
        raise VestigeError(
            f"{_shown(engine)}: cannot be used as a store of answers: {_reason(error)}; expected a file that can be "
            "written, or a PostgreSQL database that can be reached"
        ) from error
    return store


def store_path(run: Path) -> Path:
    """Where a run's answers lie unless there is another database."""
    return run / "annotate" / "answers.sqlite"


def _engine(database: str) -> Engine:
    try:
        url = make_url(database)
    except ArgumentError as error:
        raise VestigeError(
            f"{spelled('database', word='URL')}: is no address of a database; expected postgresql://USER@HOST/NAME"
        ) from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        url = url.set(drivername="postgresql+psycopg")
        return create_engine(url, pool_size=20, max_overflow=30, pool_pre_ping=True)
    if url.drivername != "sqlite" or not url.database:
        raise VestigeError(
            f"{spelled('database', word='URL')}: {url.drivername!r} is no database that is known; expected "
            "postgresql://USER@HOST/NAME, or sqlite:///FILE"
        )
    engine = create_engine(url, pool_size=20, max_overflow=30, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Each commit is on the disk before it is acknowledged; those who read do not wait for those who write."""
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Those who will write wait here, not in the middle, where SQLite would refuse them."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shown(engine: Engine) -> str:
    """A database as messages name it, without its password."""
    return engine.url.database or "" if engine.dialect.name == "sqlite" else engine.url.render_as_string()


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def _unit_of(handout: Row[Any]) -> Shown:
    """The unit of a hand-out, with what was shown of it when it was given."""
    return Shown(handout.layer, handout.number, tuple(handout.shown), tuple(handout.planted))


def _outcome(row: Row[Any]) -> Outcome:
    return Outcome(row.passed, row.number, row.passed or row.number >= TRIES)


def _try(connection: Connection, handout: int, number: int) -> Row[Any] | None:
    return connection.execute(_TRY, {"handout": handout, "number": number}).one_or_none()


def _said(row: Row[Any], unit: Shown) -> Said:
    marked = tuple(place for place, shown in enumerate(unit.shown) if shown in set(row.marked))
    return Said(row.number, row.concept, row.group, marked, row.seconds)


def _is_same(row: Row[Any], answer: Answer) -> bool:
    """Whether a try says the same as one that is kept: what was acknowledged, but not heard of, is sent again."""
    return (row.concept, row.group, set(row.marked)) == (answer.concept, answer.group, set(answer.marked))


def _answer_of(name: str, unit: Shown, said: Said, handout: Row[Any], now: float) -> Answer:
    """What someone said, checked.

    Raises:
        VestigeError: naming the field.
    """
    if said.group not in GROUPS:
        raise VestigeError(f"group {said.group!r}: expected one of {', '.join(GROUPS)}")
    if not 1 <= said.attempt <= handout.tries + 1:
        raise VestigeError(f"attempt {said.attempt}: expected 1 to {handout.tries + 1}")
    for place in said.marked:
        if not 0 <= place < len(unit.shown):
            raise VestigeError(f"marked: has picture {place}; expected 0 to {len(unit.shown) - 1}")
    marked = tuple(unit.shown[place] for place in sorted(set(said.marked)))
    since = max(now - handout.began, 0.0)
    return Answer(
        layer=unit.layer,
        unit=unit.unit,
        annotator=name,
        concept=said.concept,
        group=said.group,
        shown=unit.shown,
        planted=unit.planted,
        marked=marked,
        tries=said.attempt,
        passed=set(unit.planted) <= set(marked),
        seconds=round(since if said.seconds is None else min(said.seconds, since), 1),
        at=datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
    )


def _take_in(
    connection: Connection, units: dict[tuple[str, int], int], annotator: int, answer: Answer, now: float
) -> None:
    """Keep an answer that was given elsewhere, as that person's last try."""
    shown: Mapping[str, Any] = {"shown": list(answer.shown), "planted": list(answer.planted)}
    if (answer.layer, answer.unit) not in units:
        values = {"layer": answer.layer, "unit": answer.unit, "place": 0, "asked": false(), **shown}
        made = connection.execute(insert(_units).values(**values)).inserted_primary_key
        assert made is not None
        units[answer.layer, answer.unit] = made[0]
    unit = units[answer.layer, answer.unit]
    here = and_(_handouts.c.unit == unit, _handouts.c.annotator == annotator)
    held = connection.execute(select(_handouts).where(here)).one_or_none()
    number = answer.tries if held is None else max(answer.tries, held.tries + 1)
    values = {"tries": number, "state": DONE if answer.passed else FAILED, **shown}
    if held is None:
        made = connection.execute(
            insert(_handouts).values(unit=unit, annotator=annotator, began=now, until=now, **values)
        ).inserted_primary_key
        assert made is not None
        found = made[0]
    else:
        found = held.id
        connection.execute(update(_handouts).where(here).values(values))
    connection.execute(
        insert(_tries).values(
            handout=found,
            number=number,
            concept=answer.concept,
            group=answer.group,
            marked=list(answer.marked),
            passed=answer.passed,
            seconds=answer.seconds,
            at=answer.at,
            stated=answer.stated,
        )
    )
