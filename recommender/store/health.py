"""Small questions about the state of the database, for operators."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, true

from recommender.store.schema import actions, rejected_records, users


def count_active_actions(conn: Connection) -> int:
    """How many actions are in the catalogue and not retired."""
    query = select(func.count()).where(actions.c.retired_at.is_(None))
    return int(conn.execute(query).scalar_one())


def rejected_by_reason(conn: Connection) -> list[tuple[str, str, int]]:
    """What waits in quarantine: (kind, reason code, records), most first."""
    many = func.count()
    kind, code = rejected_records.c.kind, rejected_records.c.reason_code
    query = select(kind, code, many).group_by(kind, code).order_by(many.desc(), kind, code)
    return [(str(kind), str(code), int(many)) for kind, code, many in conn.execute(query)]


def people_by_condition(conn: Connection) -> dict[str, int]:
    """Condition -> how many people have it; reads every user, so not for the path of an answer."""
    unfold = func.jsonb_array_elements_text if conn.dialect.name == "postgresql" else func.json_each
    each = unfold(users.c.conditions).table_valued("value")
    query = select(each.c.value, func.count()).join_from(users, each, true()).group_by(each.c.value)
    return {str(name): int(many) for name, many in conn.execute(query)}
