"""Whoever else asks at the same moment changes nobody's answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from recommender.domain import Audience, Objective, RecommendationList
from recommender.errors import StoreError
from recommender.knowledge import load_knowledge
from recommender.models.hybrid import HybridModel
from recommender.published import Published
from recommender.recommend import Ask, Question, recommend_each, recommend_for
from recommender.settings import Settings
from recommender.store.access import Asker
from recommender.store.engine import connect, reading, writing
from recommender.store.queries import run_query


def _asks(at: datetime) -> list[Ask]:
    return [
        Ask(as_of=at),
        Ask(as_of=at, limit=25, objective=Objective.COMPLETION),
        Ask(as_of=at, limit=5, audience=Audience.CLINICIAN),
        Ask(as_of=at, limit=7, domain="activity"),
    ]


def _same(one: RecommendationList, other: RecommendationList) -> None:
    assert (one.user_id, one.cold_start, one.withheld, one.decided) == (
        other.user_id,
        other.cold_start,
        other.withheld,
        other.decided,
    )
    assert [each.rule_id for each in one.alerts] == [each.rule_id for each in other.alerts]
    assert len(one.items) == len(other.items)
    for mine, theirs in zip(one.items, other.items, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=1e-9)
        if mine.action != theirs.action:  # equal scores may stand in either order
            continue
        assert mine.parts == pytest.approx(theirs.parts, abs=1e-9)
        assert mine.standard_error == pytest.approx(theirs.standard_error, abs=1e-9)
        assert (mine.verdict, mine.rule_id) == (theirs.verdict, theirs.rule_id)
        for why, same in zip(mine.reasons, theirs.reasons, strict=True):
            assert (why.part, why.feature, why.text) == (same.part, same.feature, same.text)
            assert why.contribution == pytest.approx(same.contribution, abs=1e-9)


def test_together_is_as_alone_and_all_is_logged(trained_url: str) -> None:
    known, settings = load_knowledge(), Settings(database_url=trained_url)
    engine = connect(trained_url)
    published = Published(engine, known.rules, known.metrics)
    with reading(engine) as connection:
        _, rows = run_query(connection, "SELECT user_id FROM users ORDER BY user_id LIMIT 40")
    asks = _asks(published.current().run.as_of)
    people = [*(str(row[0]) for row in rows), "nobody known", str(rows[0][0])]
    questions = [
        Question(who, replace(asks[place % 4], asker=Asker(None, "http", f"c{place}", "care")))
        for place, who in enumerate(people[::-1])
    ]
    together = recommend_each(published, questions, settings)
    alone = [
        recommend_for(published, question.user_id, question.ask, settings) for question in questions
    ]
    with reading(engine) as connection:
        _, rows = run_query(connection, "SELECT request_id, user_id, verdicts FROM requests")
        _, seen = run_query(connection, "SELECT user_id, caller, purpose, at FROM access_log")
    log = {row[0]: (row[1], _parsed(row[2])) for row in rows}
    for one, other in zip(together, alone, strict=True):
        _same(one, other)
        assert log[one.request_id] == log[other.request_id]
        assert log[one.request_id][0] == one.user_id
    assert len(log.keys() & {answer.request_id for answer in together}) == len(questions)
    for answer in together:
        entries = log[answer.request_id][1]
        assert {(kind, rule): len(ids) for kind, rule, _, ids, *_ in entries} == answer.decided
    assert sum(len(answer.items) for answer in together) > 200
    assert sum(sum(answer.decided.values()) for answer in together) > 100
    asked = [(each.user_id, f"c{place}", "care") for place, each in enumerate(questions)]
    mine = sorted(tuple(row[:3]) for row in seen if row[2] == "care")
    assert mine == sorted([*asked, *asked])  # once together, once alone
    engine.dispose()


def _parsed(verdicts: Any) -> list[Any]:
    found = json.loads(verdicts) if isinstance(verdicts, str) else verdicts
    assert all(len(entry) in (4, 5, 6) for entry in found)
    return list(found)


def test_groups_are_no_larger_than_the_model_looks_at_together(
    trained_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, settings = load_knowledge(), Settings(database_url=trained_url)
    engine = connect(trained_url)
    published = Published(engine, known.rules, known.metrics)
    monkeypatch.setattr(HybridModel, "at_once", 2)
    at = published.current().run.as_of
    questions = [Question(f"p{place}", Ask(as_of=at)) for place in range(5)]
    answers = recommend_each(published, questions, settings)
    assert [answer.user_id for answer in answers] == [f"p{place}" for place in range(5)]
    assert all(answer.items for answer in answers)
    engine.dispose()


def test_nothing_is_answered_that_could_not_be_logged(trained_url: str) -> None:
    known, settings = load_knowledge(), Settings(database_url=trained_url)
    engine = connect(trained_url)
    published = Published(engine, known.rules, known.metrics)
    questions = [Question("u0000001"), Question("nobody known")]
    with writing(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE requests RENAME TO elsewhere")
    with pytest.raises(StoreError):
        recommend_each(published, questions, settings)
    with reading(engine) as connection:
        assert run_query(connection, "SELECT count(*) FROM access_log")[1][0][0] == 0
    with writing(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO requests")
    assert len(recommend_each(published, questions, settings)) == 2
    engine.dispose()
