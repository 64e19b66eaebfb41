"""Exploration from the setting to SQL: what is answered, what is logged, what stays plain."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from recommender import recommend
from recommender.domain import Exploration, RecommendationList, Verdict
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, Question, rank_for, recommend_each, recommend_for
from recommender.settings import Settings
from recommender.store.engine import connect, reading
from recommender.store.queries import run_query
from recommender.store.runs import published_run

PEOPLE = ("u0000001", "u0000004", "u0000009", "somebody new")
PLAIN = Settings()
RATE = 0.3


@pytest.fixture
def opened(trained_url: str) -> Iterator[Engine]:
    engine = connect(trained_url)
    yield engine
    engine.dispose()


@pytest.fixture
def published(opened: Engine) -> Published:
    known = load_knowledge()
    return Published(opened, known.rules, known.metrics)


def ids(answer: RecommendationList) -> list[str]:
    return [item.action.action_id for item in answer.items]


@pytest.mark.parametrize("kind", [Exploration.EPSILON, Exploration.THOMPSON])
def test_explored_answers_are_safe_and_logged_as_given(
    opened: Engine, published: Published, kind: Exploration
) -> None:
    chance = Settings(exploration=kind, exploration_rate=RATE)
    differing, answers = 0, []
    for person in PEOPLE:
        plain = recommend_for(published, person, Ask(), PLAIN)
        everything = recommend_for(published, person, Ask(limit=1000), chance)
        may_stand = {item.action.action_id: item.verdict for item in everything.items}
        assert ids(everything) == ids(recommend_for(published, person, Ask(limit=1000), PLAIN))
        assert {item.propensity for item in [*plain.items, *everything.items]} == {1.0}
        for _ in range(6):
            answer = recommend_for(published, person, Ask(), chance)
            answers.append(answer)
            differing += set(ids(answer)) != set(ids(plain))
            assert len(answer.items) == len(plain.items)
            for item, usual in zip(answer.items, plain.items, strict=True):
                assert may_stand[item.action.action_id] is item.verdict
                cautioned = Verdict.CAUTION in (item.verdict, usual.verdict)
                assert not cautioned or item.action == usual.action
                assert item.propensity == 1.0 if cautioned else 0 < item.propensity <= 1
    assert differing > len(PEOPLE) * 3
    with reading(opened) as connection:
        for answer in answers:
            _, rows = run_query(
                connection,
                "SELECT action_id, propensity, standard_error FROM served_recommendations "
                f"WHERE request_id = '{answer.request_id}' ORDER BY rank",
            )
            assert [tuple(row) for row in rows] == [
                (item.action.action_id, item.propensity, item.standard_error)
                for item in answer.items
            ]


def test_replays_rankings_and_nightly_scores_are_plain(
    opened: Engine, published: Published
) -> None:
    chance = Settings(exploration="epsilon", exploration_rate=0.5)
    with reading(opened) as connection:
        run = published_run(connection)
        assert run is not None
        _, nightly = run_query(
            connection, "SELECT action_id, standard_error FROM current_scores "
            f"WHERE user_id = '{PEOPLE[0]}'",
        )  # fmt: skip
    replay = Ask(as_of=run.as_of)
    plain = recommend_for(published, PEOPLE[0], replay, PLAIN)
    for _ in range(8):
        again = recommend_for(published, PEOPLE[0], replay, chance)
        assert ids(again) == ids(plain)
        assert {item.propensity for item in again.items} == {1.0}
    _, ranked = rank_for(published, PEOPLE[0], None, replay)
    errors = {one.action.action_id: one.standard_error for one in ranked}
    assert len(nightly) > 5
    for action_id, error in nightly:
        assert error == pytest.approx(errors[action_id], abs=1e-6)


@pytest.mark.parametrize("kind", [Exploration.EPSILON, Exploration.THOMPSON])
def test_chance_depends_on_the_request_and_not_on_who_else_asks(
    published: Published, kind: Exploration, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Settings(exploration=kind, exploration_rate=RATE)
    questions = [Question(person) for person in PEOPLE * 3]
    numbers = [f"{9_000 + place:032x}" for place in range(len(questions))]

    def numbered(*given: str) -> None:
        numbers = iter(given)
        monkeypatch.setattr(
            recommend, "request_ids", lambda count: [next(numbers) for _ in range(count)]
        )

    monkeypatch.setattr(recommend, "log_requests", lambda *given: given[-1]())
    numbered(*numbers)
    together = recommend_each(published, questions, chance)
    for number, question, one in zip(numbers, questions, together, strict=True):
        numbered(number)
        (alone,) = recommend_each(published, [question], chance)
        assert ids(alone) == ids(one)
        for mine, theirs in zip(alone.items, one.items, strict=True):
            assert mine.propensity == pytest.approx(theirs.propensity, abs=1e-9)
    # And it has a say: the same person is answered differently under another number.
    assert len({(answer.user_id, *ids(answer)) for answer in together}) > len(PEOPLE)
