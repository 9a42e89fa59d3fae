"""
The revisions of the schema, and what a database tells of its own.

Revisions follow one another in a line, and change in two steps, so that runners of the version before go on while a
database is upgraded: a release *expands* (new tables, new columns that are NULL or have a default in the database, new
indexes), and a later one *contracts* (takes away what no supported version reads any more). So that a version can tell
whether it may work with a schema that is newer than itself, each revision writes ``compatible_from`` into the database:
the oldest revision whose version can work with it. An expansion keeps that of the revision before; a contraction raises
it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
from sqlalchemy import BigInteger, Column, MetaData, String, Table, inspect, select

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["OURS", "Course", "Found", "Standing", "found_in", "history", "version_table_name"]


@attrs.frozen
class Revision:
    """
    One step of the schema.

    Args:
        id: Four digits; a later one is greater.
        compatible_from: The oldest revision whose version of taskwarden works with this one.
        since: The version of taskwarden that brought it.
    """

    id: str
    compatible_from: str
    since: str


@attrs.frozen
class Course:
    """The revisions that a version of taskwarden knows, in order, and the folder that holds their ``versions``."""

    revisions: Sequence[Revision]
    folder: Path

    @property
    def head(self) -> Revision:
        """The one that this version works with."""
        return self.revisions[-1]

    def standing(self, found: Found | None) -> Standing:
        """Return what a database, in which *found* was found, is to this version."""
        if found is None:
            return Standing.MISSING
        if found.revision == self.head.id:
            return Standing.CURRENT
        if any(found.revision == each.id for each in self.revisions):
            return Standing.OLDER
        # Unknown here, so a later version brought it.
        return Standing.EXPANDED if found.compatible_from <= self.head.id else Standing.NEWER


class Standing(enum.Enum):
    """What the schema of a database is to this version of taskwarden."""

    MISSING = "missing"
    OLDER = "older"
    """It has to be upgraded first."""
    CURRENT = "current"
    EXPANDED = "expanded"
    """Newer, and has all that this version knows."""
    NEWER = "newer"
    """Newer, and something that this version needs is gone."""


OURS: Final = Course(revisions=(Revision("0001", compatible_from="0001", since="0.1.0"),), folder=Path(__file__).parent)
"""Those of this version."""


@attrs.frozen
class Found:
    """
    The schema of a database.

    Args:
        needed: The version of taskwarden from which on it can be used; empty: it does not tell.
    """

    revision: str
    compatible_from: str
    needed: str


def found_in(conn: Connection, prefix: str, schema: str | None) -> Found | None:
    """Return what *conn* finds in its database; None: no tables of ours."""
    name = version_table_name(prefix)
    if not inspect(conn).has_table(name, schema=schema):
        return None
    version = Table(name, MetaData(schema=schema), Column("version_num", String(32)))
    revision = conn.execute(select(version.c.version_num)).scalars().first()
    if revision is None:
        return None
    past = history(prefix, schema)
    told = {row.revision: row for row in conn.execute(select(past))}
    compatible_from = told[revision].compatible_from if revision in told else revision
    return Found(revision, compatible_from, told[compatible_from].since if compatible_from in told else "")


def version_table_name(prefix: str) -> str:
    """Return the name of the table in which Alembic keeps the revision of the schema."""
    return f"{prefix}schema_version"


def history(prefix: str, schema: str | None) -> Table:
    """
    Return the table with a row for each revision that a database went through: ours, not Alembic's.

    It belongs to no revision, and must never change: every version reads it before it knows which schema it meets.
    """
    return Table(
        f"{prefix}schema_history",
        MetaData(schema=schema),
        Column("revision", String(32), primary_key=True),
        Column("compatible_from", String(32), nullable=False),
        Column("since", String(32), nullable=False),
        Column("applied_at", BigInteger(), nullable=False),
    )
