"""Personal links: which of them let their owner in, so that each can be withdrawn by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, bindparam, insert, select, update

from vestige.errors import VestigeError
from vestige.text import listed
from vestige.units.annotate.database import Database

TABLES = MetaData()

_links = Table(
    "links",
    TABLES,
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("valid", Boolean, nullable=False),
)

_VALID = select(_links.c.number).where(_links.c.name == bindparam("whose"), _links.c.valid)
_CHANGE = update(_links).where(_links.c.name == bindparam("whose"))


@dataclass(frozen=True)
class Invitations:
    """Who was invited.

    A link is named by its owner and a number, which grows with each new link of theirs.

    Attributes:
        database: in which it is kept.
    """

    database: Database

    def invite(self, name: str) -> int:
        """The number of someone's link: the one that they have, or a new one."""
        with self.database.writing() as connection:
            here = {"whose": name}
            found = connection.execute(select(_links).where(_links.c.name == bindparam("whose")), here).one_or_none()
            if found is None:
                connection.execute(insert(_links).values(name=name, number=1, valid=True))
                return 1
            if not found.valid:
                connection.execute(_CHANGE.values(number=found.number + 1, valid=True), here)
                return int(found.number) + 1
            return int(found.number)

    def withdraw(self, names: Iterable[str]) -> None:
        """Let nobody in any more by these people's links; their answers stay.

        Raises:
            VestigeError: where somebody has none; all others stay as they are then.
        """
        with self.database.writing() as connection:
            for name in names:
                if connection.scalar(_VALID, {"whose": name}) is None:
                    valid = connection.scalars(select(_links.c.name).where(_links.c.valid).order_by(_links.c.name))
                    there = [repr(each) for each in valid]
                    mend = f"those who have one: {listed(there)}" if there else "nobody has one"
                    raise VestigeError(f"{name!r}: has no link to withdraw; {mend}")
                connection.execute(_CHANGE.values(valid=False), {"whose": name})

    def is_valid(self, name: str, number: int) -> bool:
        """Whether someone's link of a number lets them in."""
        with self.database.reading() as connection:
            return connection.scalar(_VALID, {"whose": name}) == number

    def all(self) -> dict[str, int | None]:
        """By name, the number of the link of everybody who was ever invited; None where it was withdrawn."""
        with self.database.reading() as connection:
            rows = connection.execute(select(_links).order_by(_links.c.name))
            return {row.name: row.number if row.valid else None for row in rows}
