"""Answers written out of pieces are, to the byte, those written field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

from orjson import Fragment

from api.rendering import as_json
from recommender.documents import answer_document
from recommender.domain import Audience, Exploration, Objective
from recommender.items import Draft
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, Question, answer_each
from recommender.settings import Settings
from recommender.store.engine import connect, json_text, reading
from recommender.store.queries import run_query

_LIMITS = (1, 3, 10, 200)
_DOMAINS = (None, "activity", "no such domain")


def _both(draft: Draft) -> list[tuple[bytes, bytes]]:
    written = zip(draft.logged, draft.items_as_json(), strict=True)
    pieces = [as_json(answer_document(each.answer, Fragment(items))) for each, items in written]
    answers = draft.finished()
    whole = [as_json(answer_document(answer)) for answer in answers]
    for each, answer in zip(draft.logged, answers, strict=True):
        assert json.loads(json_text(each.items)) == json.loads(json_text(list(each.items)))
        assert len(each.items) == len(answer.items)
        assert [one[:4] for one in each.items[:2]] == [
            (one.rank, one.action.action_id, one.score, one.p_complete) for one in answer.items[:2]
        ]
    return list(zip(pieces, whole, strict=True))


def test_pieces_are_the_whole_to_the_byte(trained_url: str) -> None:
    known = load_knowledge()
    settings = Settings(
        database_url=trained_url, exploration=Exploration.EPSILON, exploration_rate=0.3
    )
    engine = connect(trained_url)
    published = Published(engine, known.rules, known.metrics)
    with reading(engine) as connection:
        _, rows = run_query(connection, "SELECT user_id FROM users ORDER BY user_id LIMIT 30")
    asks = [Ask(*each) for each in product(_LIMITS, _DOMAINS, Audience, Objective)]
    past = [replace(each, as_of=published.current().run.as_of) for each in asks]
    people = [*(str(row[0]) for row in rows), "nobody known"]
    questions = [
        Question(people[place % len(people)], ask) for place, ask in enumerate([*asks, *past])
    ]
    items = []
    for pieces, whole in answer_each(published, questions, settings, _both):
        assert pieces == whole
        items += json.loads(pieces)["items"]
    assert {each["verdict"] for each in items} == {"allow", "caution"}
    assert {len(each["reasons"]) for each in items} == {1, 2, 3}
    assert min(each["propensity"] for each in items) < 1.0
    engine.dispose()
