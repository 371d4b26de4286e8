"""A database for answers: SQLite in a file, or PostgreSQL.

What is written is on the disk before anybody is told: committed, and the commit is synchronised. All that writes goes
one after the other, across processes, too. Whoever comes while another one writes shares that one's commit, for a disk
takes as long to keep many as to keep one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from vestige.errors import VestigeError
from vestige.files import disk_errors
from vestige.spelling import spelled

_LOCK = 0x76657374  # of all writers of a PostgreSQL database: "vest"
_MOST = 32  # that share a commit


class Database:
    """A database that several threads and processes write to.

    Attributes:
        engine: of SQLAlchemy.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._waiting = 0  # for their turn
        self._group: _Group | None = None  # that the next one to write belongs to

    @property
    def name(self) -> str:
        """As messages name it, without its password."""
        url = self.engine.url
        return url.database or "" if self.engine.dialect.name == "sqlite" else url.render_as_string()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """What was committed before the block."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A block that no other one that writes runs beside; what it wrote is on the disk when it has ended.

        A block that ends in a :class:`VestigeError` has written nothing. After any other error nothing of those who
        would have shared its commit is written, and all of them are told.

        Raises:
            SQLAlchemyError: where it could not be written.
        """
        refused: VestigeError | None = None
        with self._in_turn():
            group = self._group = self._group or _Group(self.engine)
            try:
                group.begin_one()
                yield group.connection
            except VestigeError as error:
                refused = error
                group.undo_one()
            except BaseException as error:
                group.failure = error
                raise
            finally:
                if group.failure is not None or group.size >= _MOST or not self._waiting:
                    self._group = None
                    group.end()
        group.ended.wait()
        if group.failure is not None:
            raise SQLAlchemyError(f"not kept: {group.failure}") from group.failure
        if refused is not None:
            raise refused

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        with self._counting:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let go of it."""
        self.engine.dispose()


class _Group:
    """Blocks that share a transaction: all of them are kept, or none.

    Attributes:
        connection: that they write to, one after the other.
        size: how many there are.
        failure: why none is kept.
        ended: whether it is known what became of them.
    """

    def __init__(self, engine: Engine) -> None:
        self.connection = engine.connect().execution_options(writes=True)
        self.size = 0
        self.failure: BaseException | None = None
        self.ended = threading.Event()

    def begin_one(self) -> None:
        """Another block begins."""
        self.size += 1
        if self.size == 1 and self.connection.dialect.name == "postgresql":
            self.connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        self.connection.exec_driver_sql("SAVEPOINT one")

    def undo_one(self) -> None:
        """The block that began last has written nothing."""
        try:
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
        except SQLAlchemyError as error:
            self.failure = error

    def end(self) -> None:
        """Keep all of them, unless there was a failure."""
        try:
            with self.connection as connection:  # what is not committed is undone when it closes
                if self.failure is None:
                    connection.commit()
        except SQLAlchemyError as error:
            self.failure = self.failure or error
        finally:
            self.ended.set()


def open_database(place: str | Path) -> Database:
    """A file, whose folder is made where it is missing, or the database of a URL; nothing is asked of it yet.

    Raises:
        VestigeError: where it is no address, or the folder cannot be made.
    """
    if isinstance(place, Path):
        with disk_errors(place, "the store of answers"):
            place.parent.mkdir(parents=True, exist_ok=True)
        place = f"sqlite:///{place.resolve()}"
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise VestigeError(
            f"{spelled('database', word='URL')}: is no address of a database; expected postgresql://USER@HOST/NAME"
        ) from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        url = url.set(drivername="postgresql+psycopg")
        return Database(create_engine(url, pool_size=20, max_overflow=30, pool_pre_ping=True))
    if url.drivername != "sqlite" or not url.database:
        raise VestigeError(
            f"{spelled('database', word='URL')}: {url.drivername!r} is no database that is known; expected "
            "postgresql://USER@HOST/NAME, or sqlite:///FILE"
        )
    engine = create_engine(url, pool_size=20, max_overflow=30, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Each commit is on the disk before it is acknowledged; those who read do not wait for those who write."""
    connection.isolation_level = None  # transactions are begun by _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Those who will write wait here, not in the middle, where SQLite would refuse them."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
