"""Questions that arrive together are answered together, each as if alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from api.desk import Desk
from recommender.domain import RecommendationList
from recommender.recommend import Question

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Office:
    """Answers questions and remembers who was answered together."""

    def __init__(self) -> None:
        self.together: list[list[str]] = []

    def answer(self, questions: Sequence[Question]) -> list[RecommendationList]:
        people = [question.user_id for question in questions]
        self.together.append(people)
        if "broken" in people:
            raise ValueError("one of these can't be answered")
        return [RecommendationList("", who, "", NOW, False, (), (), 0) for who in people]


async def _ask(desk: Desk, people: Sequence[str]) -> list[RecommendationList | BaseException]:
    asked = [desk.ask(Question(who)) for who in people]
    return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)


def _people(answers: Sequence[RecommendationList | BaseException]) -> list[str]:
    return [each.user_id if isinstance(each, RecommendationList) else "-" for each in answers]


def test_each_gets_the_own_answer_and_no_group_is_too_large() -> None:
    office, people = Office(), [f"p{number}" for number in range(11)]
    answers = asyncio.run(_ask(Desk(office.answer, most=4), people))
    assert _people(answers) == people
    assert [len(each) for each in office.together] == [4, 4, 3]


def test_a_question_alone_waits_for_nobody() -> None:
    office = Office()
    assert _people(asyncio.run(_ask(Desk(office.answer), ["ann"]))) == ["ann"]
    assert office.together == [["ann"]]


def test_one_that_fails_fails_alone() -> None:
    office = Office()
    answers = asyncio.run(_ask(Desk(office.answer), ["ann", "broken", "bob"]))
    assert _people(answers) == ["ann", "-", "bob"]
    with pytest.raises(ValueError, match="one of these"):
        raise answers[1]  # type: ignore[misc]


def test_who_went_away_holds_nobody_up() -> None:
    office = Office()

    async def impatient() -> list[str]:
        desk = Desk(office.answer)
        gone = asyncio.ensure_future(desk.ask(Question("gone")))
        stays = asyncio.ensure_future(desk.ask(Question("stays")))
        await asyncio.sleep(0)
        gone.cancel()
        return _people([await asyncio.wait_for(stays, 5)])

    assert asyncio.run(impatient()) == ["stays"]
    assert office.together == [["stays"]]
