"""The data dictionary: every table, view and column with its meaning, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Table, make_url

from recommender.store.schema import metadata
from recommender.store.views import VIEWS, View

_INTRODUCTION = """\
# Data dictionary

Every table and view with the meaning and unit of its columns. In PostgreSQL the same words
are comments in the database (`\\d+ scores`). Instants are UTC: `timestamptz` in PostgreSQL,
ISO 8601 text in SQLite, which sorts as time does and which its date functions read. JSON is
`jsonb` in PostgreSQL and text in SQLite.

Written by `python -m recommender.store.dictionary`; a test keeps it equal to the schema."""


def data_dictionary() -> str:
    """Return the dictionary as Markdown."""
    sections = [_INTRODUCTION, "## Views", *map(_view, VIEWS), "## Tables"]
    tables = (_table(table) for table in metadata.tables.values())
    return "\n\n".join([*sections, *tables]) + "\n"


def _view(view: View) -> str:
    rows = (f"| `{name}` | {meaning} |" for name, meaning in view.columns.items())
    return _section(view.name, view.comment, ["| column | meaning |", "|---|---|", *rows])


def _table(table: Table) -> str:
    heading = ["| column | type | | meaning |", "|---|---|---|---|"]
    return _section(table.name, table.comment or "", [*heading, *map(_row, table.columns)])


def _section(name: str, comment: str, lines: list[str]) -> str:
    return "\n".join([f"### {name}", "", comment, "", *lines])


def _row(column: Column[object]) -> str:
    dialect = make_url("postgresql+psycopg://").get_dialect()()
    kind = column.type.compile(dialect).lower()
    return f"| `{column.name}` | {kind} | {', '.join(_marks(column))} | {column.comment} |"


def _marks(column: Column[object]) -> Iterator[str]:
    if column.primary_key:
        yield "key"
    elif not column.nullable:
        yield "required"
    for key in column.foreign_keys:
        yield f"→ `{key.target_fullname}`"


if __name__ == "__main__":
    print(data_dictionary(), end="")  # noqa: T201 - it is what this file is for
