"""Where people's answers lie: units that are asked, who has which, every try, and what counts as an answer.

A submission that was acknowledged is on the disk. All that writes goes one after the other, so that no unit is handed
out too often, and two people who send at once are both kept.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    FromClause,
    Index,
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
    delete,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from vestige.errors import VestigeError
from vestige.units.annotate import invitations
from vestige.units.annotate.database import Database, open_database
from vestige.units.annotations.answers import GROUPS, Answer

TRIES = 3
"""How often someone may look again before an answer without all planted pictures marked is kept as failed."""

OPEN, DONE, FAILED, SKIPPED = "open", "done", "failed", "skipped"
"""What a unit in someone's hands may be."""

_FRESH = 0.97  # of the time-out: as long as so much of it is left, looking at a page again writes nothing
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
    Index("units_in_order", "asked", "place"),
)

_annotators = Table(
    "annotators", _TABLES, Column("id", Integer, primary_key=True), Column("name", String, nullable=False, unique=True)
)

_handouts = Table(
    "handouts",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("unit", ForeignKey("units.id"), nullable=False),
    Column("annotator", ForeignKey("annotators.id"), nullable=False, index=True),
    Column("began", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("planted", JSON, nullable=False),
    UniqueConstraint("unit", "annotator"),
    Index("handouts_by_unit", "unit", "state", "annotator", "until"),
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


def _is_taken(handouts: FromClause) -> ColumnElement[bool]:
    """Whether a hand-out stands for an answer, or somebody else has it in hand."""
    in_hand = and_(handouts.c.state == OPEN, handouts.c.until > _NOW, handouts.c.annotator != _ME)
    return or_(handouts.c.state == DONE, in_hand)


_IS_MINE = exists().where(_handouts.c.unit == _units.c.id, _handouts.c.annotator == _ME).correlate(_units)


def _by_unit(counted: ColumnElement[bool]) -> Subquery:
    """How many hand-outs of each unit are of a kind, where there are any."""
    return select(_handouts.c.unit, func.count().label("n")).where(counted).group_by(_handouts.c.unit).subquery()


_DONE, _TAKEN = _by_unit(_handouts.c.state == DONE), _by_unit(_is_taken(_handouts))
_TAKERS = func.coalesce(_TAKEN.c.n, 0)

_NEXT = select(_units).where(
    _units.c.id
    == select(_units.c.id)
    .outerjoin(_TAKEN, _TAKEN.c.unit == _units.c.id)
    .where(_units.c.asked, ~_IS_MINE, _TAKERS < _WORKERS)
    .order_by(_TAKERS, _units.c.place)
    .limit(1)
    .scalar_subquery()
)
"""For someone, the unit that fewest have or had."""

_others = _handouts.alias()
_IS_NEEDED = (
    select(func.count()).where(_is_taken(_others), _others.c.unit == _units.c.id).correlate(_units).scalar_subquery()
    < _WORKERS
)
_IS_HELD = and_(_handouts.c.state == OPEN, or_(_handouts.c.until > _NOW, _IS_NEEDED))


def _mine(wanted: ColumnElement[bool]) -> Select[Any]:
    """What someone has, in the order of the last look at it."""
    return _HANDED.where(_handouts.c.annotator == _ME, _units.c.asked, wanted).order_by(
        _handouts.c.until.desc(), _handouts.c.id
    )


_HELD = _mine(_IS_HELD)
"""In someone's hands and not timed out, or timed out and still needed."""

_SKIPPED = _mine(and_(_handouts.c.state == SKIPPED, _IS_NEEDED))
"""Skipped by someone, and still needed."""


def _count(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many asked units are such."""
    return select(func.count(_units.c.id)).where(_units.c.asked, *where).scalar_subquery()


def _count_mine(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    """How many hand-outs of someone, of units that are asked, are such."""
    mine = select(func.count()).select_from(_handouts).join(_units, _units.c.id == _handouts.c.unit)
    return mine.where(_handouts.c.annotator == _ME, _units.c.asked, *where).scalar_subquery()


def _full(counted: Subquery) -> Select[Any]:
    """Units of which there are as many as are asked for."""
    return select(counted.c.unit).where(counted.c.n >= _WORKERS)


_IS_ANSWERED = _handouts.c.state.in_((DONE, FAILED))
_PROGRESS = select(
    _count_mine(_IS_ANSWERED).label("mine"),
    _count_mine().label("had"),
    _count_mine(_IS_HELD).label("held"),
    _count_mine(_handouts.c.state == SKIPPED).label("skipped"),
    _count_mine(_IS_ANSWERED, _units.c.id.not_in(_full(_DONE))).label("wanting"),
    _count().label("units"),
    _count(_units.c.id.in_(_full(_DONE))).label("complete"),
    _count(_units.c.id.in_(_full(_TAKEN)), ~_IS_MINE).label("taken"),
)

_KEEP_TRY = insert(_tries)
_HAND_OUT = insert(_handouts)
_RENEW = update(_handouts).where(_handouts.c.id == bindparam("handout")).values(state=OPEN, until=bindparam("later"))
_SENT = _RENEW.values(state=bindparam("now_is"), tries=bindparam("number"))


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
        database: where all of it lies.
        workers: answers asked of each unit, from different people.
        time_out: seconds after which a unit that is in someone's hands is given to others, too.
        clock: the time in seconds since 1970.
    """

    database: Database
    workers: int = 1
    time_out: float = 1800.0
    clock: Any = time.time

    # -- what is asked ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The database, as messages name it: without its password."""
        return self.database.name

    @property
    def invitations(self) -> invitations.Invitations:
        """Whose personal links are valid."""
        return invitations.Invitations(self.database)

    @property
    def secret(self) -> bytes:
        """What personal links and forms are signed with."""
        return bytes.fromhex(self._setting("secret", secrets.token_hex(32)))

    def _setting(self, name: str, value: str) -> str:
        """A setting; where there is none yet, from now on the value given."""
        with self.database.writing() as connection:
            found = connection.scalar(select(_settings.c.value).where(_settings.c.name == name))
            if found is None:
                connection.execute(insert(_settings).values(name=name, value=value))
                return value
            return str(found)

    @property
    def address(self) -> str:
        """The start of the links to the page where it was served last; "" before it was."""
        with self.database.reading() as connection:
            return str(connection.scalar(select(_settings.c.value).where(_settings.c.name == "address")) or "")

    def serve_at(self, address: str) -> None:
        """The page is served there from now on."""
        with self.database.writing() as connection:
            connection.execute(delete(_settings).where(_settings.c.name == "address"))
            connection.execute(insert(_settings).values(name="address", value=address))

    def ask(self, units: Sequence[Shown]) -> None:
        """Ask people about these units, in this order, and about no others; answers to others stay."""
        with self.database.writing() as connection:
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
        with self.database.reading() as connection:
            row = connection.execute(select(_units).where(_units.c.id == id)).one_or_none()
        return None if row is None else Shown(row.layer, row.unit, tuple(row.shown), tuple(row.planted))

    # -- who has what -------------------------------------------------------------------------------------------------

    def enter(self, name: str) -> None:
        """Someone is here."""
        with self.database.writing() as connection:
            self._annotator(connection, name)

    def take(self, name: str, *, again: bool = False) -> Handout | None:
        """The unit that someone has in their hands, or the next one for them; None where there is none.

        Args:
            name: of the person.
            again: whether units that they skipped are given, too, once there are no others.
        """
        now = self.clock()
        with self.database.writing() as connection:
            me = self._annotator(connection, name)
            known = {"me": me, "now": now, "workers": self.workers}
            found = connection.execute(_HELD, known).first()
            if found is None and (unit := connection.execute(_NEXT, known).first()) is not None:
                return self._hand_out(connection, me, unit, now)
            if found is None and again:
                found = connection.execute(_SKIPPED, known).first()
            if found is None:
                return None
            if found.state != OPEN or found.until < now + _FRESH * self.time_out:
                connection.execute(_RENEW, {"handout": found.id, "later": now + self.time_out})
            last = _try(connection, found.id, found.tries) if found.tries else None
        shown = _unit_of(found)
        return Handout(found.id, found.unit, shown, found.tries, None if last is None else _said(last, shown))

    def skip(self, name: str, handout: int) -> None:
        """Someone passes over a unit; others are given it.

        Raises:
            NotYoursError: where it is not in their hands.
        """
        with self.database.writing() as connection:
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
        with self.database.writing() as connection:
            found = self._theirs(connection, name, handout)
            answer = _answer_of(name, _unit_of(found), said, found, now)
            before = _try(connection, found.id, said.attempt)
            if before is not None and _is_same(before, answer):
                return _outcome(before)
            if before is not None or found.state in (DONE, FAILED):
                raise AlreadyDoneError(f"{name} has sent this unit already, from another window or earlier")
            passed, number = answer.passed, answer.tries
            connection.execute(_KEEP_TRY, _row_of(answer, found.id, number))
            state = DONE if passed else FAILED if number >= TRIES else OPEN
            later = now + self.time_out
            connection.execute(_SENT, {"handout": found.id, "number": number, "now_is": state, "later": later})
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

    def _hand_out(self, connection: Connection, me: int, unit: Row[Any], now: float) -> Handout:
        """Put a unit in someone's hands."""
        values = {"unit": unit.id, "annotator": me, "began": now, "until": now + self.time_out, "tries": 0}
        shown = {"shown": unit.shown, "planted": unit.planted}
        made = connection.execute(_HAND_OUT, {**values, **shown, "state": OPEN}).inserted_primary_key
        assert made is not None
        return Handout(made[0], unit.id, Shown(unit.layer, unit.unit, tuple(unit.shown), tuple(unit.planted)), 0)

    # -- what there is ------------------------------------------------------------------------------------------------

    def progress(self, name: str) -> Progress:
        """How far someone, and everybody, is."""
        with self.database.reading() as connection:
            me = connection.scalar(_OWN_NAME, {"name": name}) or 0
            row = connection.execute(_PROGRESS, {"me": me, "now": self.clock(), "workers": self.workers}).one()
        left = row.units - row.had - row.taken + row.held
        return Progress(row.mine, left, row.skipped, row.complete, row.units, row.wanting)

    def layers(self) -> dict[str, tuple[int, int, int]]:
        """By layer: units asked, those with as many answers as are asked for, and answers to them in all."""
        found: dict[str, tuple[int, int, int]] = {}
        with self.database.reading() as connection:
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
        with self.database.reading() as connection:
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
        with self.database.reading() as connection:
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
        with self.database.reading() as connection:
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
        with self.database.writing() as connection:
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
    there = open_database(database)
    store = Store(there, workers, time_out)
    try:
        with there.writing() as connection:
            for tables in (_TABLES, invitations.TABLES):
                tables.create_all(connection)
        if store._setting("schema", _SCHEMA) != _SCHEMA:
            raise VestigeError(f"{store.name}: was made by another version of vestige; use that one")
    except SQLAlchemyError as error:
        raise VestigeError(
            f"{store.name}: cannot be used as a store of answers: {_reason(error)}; expected a file that can be "
            "written, or a PostgreSQL database that can be reached"
        ) from error
    return store


def store_path(run: Path) -> Path:
    """Where a run's answers lie unless there is another database."""
    return run / "annotate" / "answers.sqlite"


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
    connection.execute(_KEEP_TRY, _row_of(answer, found, number))


def _row_of(answer: Answer, handout: int, number: int) -> dict[str, Any]:
    """An answer as a row of tries."""
    names = ("concept", "group", "passed", "seconds", "at", "stated")
    values = {name: getattr(answer, name) for name in names}
    return {**values, "handout": handout, "number": number, "marked": list(answer.marked)}
