"""Verdicts kept rule by rule: what older versions wrote stays readable, so does the way back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect, text
from store_rows import NOW, log_request
from test_store_write import Ask, answer

from recommender.domain import Verdict
from recommender.guardrails.grounds import Citation, Grounds, Looks, Sight, grouped
from recommender.store.access import Asker
from recommender.store.column_types import UtcInstant
from recommender.store.direct import direct
from recommender.store.engine import migrating, reading, writing
from recommender.store.upgrade import migration_config, upgrade
from recommender.verdict_log import VerdictLog

IDS = ("a", "b", 'c "d"', "é")
CITED = (
    Citation(Verdict.CAUTION, "knee", 2, None),
    Citation(Verdict.WITHHOLD, "bp", 1, None),
    Citation(Verdict.WITHHOLD, 'q"r', 1, None),
)
LOG = VerdictLog(CITED, IDS)
GROUNDS = Grounds(
    first_of=np.array([0, 3, 3]),  # of somebody, and of one of whom nothing is to be said
    rule=np.array([0, 1, 2]),
    first=np.array([0, 2, 3, 4]),
    action=np.array([0, 2, 1, 3]),
    reading=np.array([-1, 0, 2]),
    rival=np.array([-1, 1, -1]),
    cited=CITED,
    ids=np.array(["o1", "o2", "o3"], dtype=object),
)
SEEN = [
    ("a", "caution", "knee", "2", None),
    ("b", "withhold", "bp", "1", "o1"),
    ('c "d"', "caution", "knee", "2", None),
    ("é", "withhold", 'q"r', "1", "o3"),
]
OLD = [
    ["a", "caution", "knee", 2, None],
    ["b", "withhold", "bp", 1, "o1", "o2"],
    ['c "d"', "caution", "knee", 2, None],
    ["é", "withhold", 'q"r', 1, "o3"],
]


def _go(engine: Engine, revision: str, down: bool = False) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        (command.downgrade if down else command.upgrade)(config, revision)


def _seen(engine: Engine, request_id: str) -> list[tuple[Any, ...]]:
    with reading(engine) as conn:
        rows = conn.execute(
            text(
                "SELECT action_id, verdict, rule_id, rule_version, observation_id"
                f" FROM verdicts WHERE request_id = '{request_id}'"
            )
        )
        return sorted(tuple(row) for row in rows)


def _kept(engine: Engine, request_id: str) -> list[Any]:
    with reading(engine) as conn:
        query = f"SELECT verdicts FROM requests WHERE request_id = '{request_id}'"
        found = conn.execute(text(query)).scalar_one()
    return list(json.loads(found) if isinstance(found, str) else found)


def _definition(engine: Engine) -> str | None:
    with reading(engine) as conn:
        return inspect(conn).get_view_definition("verdicts")


def test_both_forms_are_read_and_the_way_back_keeps_them(empty_engine: Engine) -> None:
    _go(empty_engine, "0014")
    stood = _definition(empty_engine)
    at = UtcInstant().process_bind_param(NOW, empty_engine.dialect)
    with writing(empty_engine) as conn:
        conn.execute(
            text(
                "INSERT INTO requests (request_id, user_id, run_id, generated_at, as_of, channel,"
                " objective, audience, item_limit, cold_start, withheld, items, verdicts, alerts)"
                " VALUES ('old', 'ann', 'r1', :at, :at, 'http', 'benefit', 'user', 10, false, 2,"
                " '[]', :verdicts, '[]')"
            ),
            {"at": at, "verdicts": json.dumps(OLD)},
        )
    upgrade(empty_engine)
    with direct(empty_engine) as store:
        asker = Asker(None, "http")
        new, none = LOG.texts(GROUNDS)
        log_request(store, answer("new", "ann"), Ask(), new, asker)
        log_request(store, answer("none", "ann"), Ask(), none, asker)
    assert _seen(empty_engine, "old") == _seen(empty_engine, "new") == SEEN
    assert len(_kept(empty_engine, "new")) == 3
    _go(empty_engine, "0014", down=True)
    assert _definition(empty_engine) == stood
    assert _seen(empty_engine, "old") == _seen(empty_engine, "new") == SEEN
    assert sorted(_kept(empty_engine, "new")) == _kept(empty_engine, "old") == OLD
    assert _kept(empty_engine, "none") == []


def test_what_is_counted_is_what_is_kept() -> None:
    assert LOG.decided(GROUNDS) == [
        {("caution", "knee"): 2, ("withhold", "bp"): 1, ("withhold", 'q"r'): 1},
        {},
    ]
    assert [json.loads(text) for text in LOG.texts(GROUNDS)] == [
        [
            ["caution", "knee", 2, ["a", 'c "d"']],
            ["withhold", "bp", 1, ["b"], "o1", "o2"],
            ["withhold", 'q"r', 1, ["é"], "o3"],
        ],
        [],
    ]


NO_LOOKS = Looks(np.full(4, -1), np.zeros(5, np.int64), *np.zeros((3, 0), np.int64))


def _nothing_seen(n_users: int) -> Sight:
    nobody = np.full((2, n_users), -1)
    nothing = np.zeros((0, n_users), np.int64)
    places = np.full((4, 0, n_users), -1)
    return Sight(np.zeros((n_users, 0), bool), nobody, nothing, places, np.zeros(0, np.int64))


@given(
    st.integers(0, 4).flatmap(
        lambda actions: st.lists(
            st.lists(st.integers(-1, 3), min_size=actions, max_size=actions), max_size=4
        ).map(lambda rows: np.array(rows, np.int16).reshape(len(rows), actions))
    )
)
def test_grouping_is_what_a_loop_would_find(rule: np.ndarray) -> None:
    cited = [Citation(Verdict.CAUTION, f"r{place}", 1, None) for place in range(4)]
    grounds = Grounds(*grouped(rule, _nothing_seen(len(rule)), NO_LOOKS), cited, None)
    expected = [
        [
            (cited[place], [at for at, each in enumerate(row) if each == place])
            for place in sorted(set(row) - {-1})
        ]
        for row in rule.tolist()
    ]
    assert list(grounds) == expected
    ids = ["x", "yy", "zzz", ""]
    log = VerdictLog(cited, ids)
    assert [json.loads(text) for text in log.texts(grounds)] == [
        [[*each[:3], [ids[at] for at in actions]] for each, actions in entries]
        for entries in expected
    ]
    assert log.decided(grounds) == [
        {each[:2]: len(actions) for each, actions in entries} for entries in expected
    ]
