"""Column types that mean the same in SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

_ISO = "%Y-%m-%dT%H:%M:%S.%fZ"


class UtcInstant(TypeDecorator[datetime]):
    """An aware instant: ``timestamptz`` in PostgreSQL, fixed-width ISO 8601 UTC text in SQLite.

    The text sorts as time does and SQLite's date functions read it.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive datetimes; store UTC."""
        return None if value is None else instant_value(dialect.name, value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware UTC datetime."""
        return instant_read(value)


def instant_read(value: Any) -> datetime | None:
    """An instant as a driver gives it -> aware, in UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.strptime(value, _ISO).replace(tzinfo=UTC)
    return value.astimezone(UTC)  # type: ignore[no-any-return]


def instant_value(dialect: str, instant: datetime) -> str | datetime:
    """An instant as the driver of a database takes it.

    Raises
    ------
    ValueError
        It has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    utc = instant.astimezone(UTC)
    return utc.strftime(_ISO) if dialect == "sqlite" else utc


Json = JSON().with_variant(JSONB(), "postgresql")
BigId = BigInteger().with_variant(Integer(), "sqlite")
