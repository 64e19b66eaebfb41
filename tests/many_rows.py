"""Rows enough that a plan which reads a whole table shows: made by the database itself."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from recommender.store.engine import writing

PEOPLE = 3_000
EACH = 12

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {0}) ",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, {0})) ",
}
_AT = {
    "sqlite": "'2026-01-01T00:00:00.000000Z'",
    "postgresql": "timestamptz '2026-01-01T00:00:00Z'",
}
_JSON = {"sqlite": "'{0}'", "postgresql": "CAST('{0}' AS jsonb)"}
_ITEM = '[[1,"a",0.5,0.5,0.5,0,0,0,0,0,"allow",null,1,0.1]]'
_SCORED = (
    "score, p_complete, benefit, base_part, profile_part, biometrics_part, behaviour_part, "
    "factor_part, verdict, rule_id, standard_error"
)


def add_many(engine: Engine) -> None:
    """Give three thousand more people records, answers and rows of every run; then ANALYZE."""
    with writing(engine) as conn:
        for table, columns, values, count in _rows(conn):
            numbers = _NUMBERS[conn.dialect.name].format(count)
            if conn.dialect.name == "postgresql":
                statement = f"{numbers}INSERT INTO {table} ({columns}) SELECT {values} FROM n"
            else:
                statement = f"INSERT INTO {table} ({columns}) {numbers}SELECT {values} FROM n"
            conn.exec_driver_sql(statement)
        conn.execute(
            text(
                f"INSERT INTO scores (run_id, user_id, rank, action_id, {_SCORED}) "
                f"SELECT s.run_id, u.user_id, s.rank, s.action_id, {_SCORED} "
                "FROM users u, scores s WHERE u.user_id LIKE 'many-%' "
                f"AND s.rank <= {EACH} AND s.user_id = (SELECT min(user_id) FROM scores)"
            )
        )
        conn.execute(
            text(
                "INSERT INTO nightly_withheld (run_id, user_id, withheld) "
                "SELECT DISTINCT s.run_id, u.user_id, "
                f"{_JSON[conn.dialect.name].format('[]')} FROM users u, runs s "
                "WHERE u.user_id LIKE 'many-%'"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("ANALYZE")


def _rows(conn: Connection) -> list[tuple[str, str, str, int]]:
    """Table, columns, values from a number ``i``, rows."""
    at, json, kind = _AT[conn.dialect.name], _JSON[conn.dialect.name], conn.dialect.name
    number = f"(i - {PEOPLE} * (i / {PEOPLE}))"
    who = f"'many-' || CAST({number} AS text)"
    action = conn.exec_driver_sql("SELECT min(action_id) FROM actions").scalar()
    name = "'many-' || CAST(i AS text)"
    empty, nothing = json.format("[]"), json.format("{}")
    return [
        ("users", "user_id, sex, conditions, attributes, created_at, updated_at",
         f"{who}, 'female', {empty}, {nothing}, {at}, {at}", PEOPLE),
        ("events", "event_id, user_id, action_id, type, occurred_at",
         f"{name}, {who}, '{action}', 'complete', {at}", PEOPLE * EACH),
        ("observations",
         "observation_id, user_id, metric, value, unit, raw_value, raw_unit, observed_at",
         f"{name}, {who}, 'steps', 1, '1', 1, '1', {at}", PEOPLE * EACH),
        ("requests", "request_id, user_id, run_id, generated_at, as_of, channel, objective, "
         "audience, item_limit, cold_start, withheld, items, verdicts, alerts",
         f"{name}, {who}, 'r', {at}, {at}, 'http', 'benefit', 'user', 1, "
         f"{'0' if kind == 'sqlite' else 'false'}, 0, {json.format(_ITEM)}, {empty}, {empty}",
         PEOPLE * EACH),
        ("access_log", "at, operation, what, user_id, channel",
         f"{at}, 'read', 'recommendations', {who}, 'http'", PEOPLE * EACH),
        ("alerts", "alert_id, user_id, rule_id, rule_version, severity, first_raised_at, "
         "last_raised_at", f"{name}, {who}, 'r', '1', 'info', {at}, {at}", PEOPLE * EACH),
    ]  # fmt: skip
