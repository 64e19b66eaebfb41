"""Questions that arrive together are answered together, each as if alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from api.desk import Desk
from recommender.domain import RecommendationList
from recommender.errors import RefusedError, StoreError
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


def test_what_the_database_does_not_do_it_is_asked_once_for_all() -> None:
    asked: list[int] = []

    def locked(questions: Sequence[Question]) -> list[RecommendationList]:
        asked.append(len(questions))
        raise StoreError("locked")

    answers = asyncio.run(_ask(Desk(locked), ["ann", "bob", "cyd"]))
    assert asked == [3]
    assert all(isinstance(each, StoreError) for each in answers)


def test_what_the_database_refuses_of_one_it_may_take_of_another() -> None:
    def picky(questions: Sequence[Question]) -> list[RecommendationList]:
        if any(question.user_id == "odd" for question in questions):
            raise RefusedError("no such value")
        return Office().answer(questions)

    answers = asyncio.run(_ask(Desk(picky), ["ann", "odd", "bob"]))
    assert _people(answers) == ["ann", "-", "bob"]


def test_the_loop_goes_on_and_gathers_while_a_group_is_answered() -> None:
    office, at_work, may_end = Office(), threading.Event(), threading.Event()

    def slow(questions: Sequence[Question]) -> list[RecommendationList]:
        at_work.set()
        assert may_end.wait(5)
        return office.answer(questions)

    async def meanwhile() -> None:
        desk = Desk(slow)
        first = asyncio.ensure_future(desk.ask(Question("first")))
        while not at_work.is_set():
            await asyncio.sleep(0.001)  # would never be reached by a loop that answers itself
        others = [asyncio.ensure_future(desk.ask(Question(who))) for who in ("ann", "bob")]
        await asyncio.sleep(0.01)
        may_end.set()
        assert _people(await asyncio.gather(first, *others)) == ["first", "ann", "bob"]

    asyncio.run(asyncio.wait_for(meanwhile(), 10))
    assert office.together == [["first"], ["ann", "bob"]]


def test_those_who_were_answered_together_are_waited_for() -> None:
    office = Office()

    def slow(questions: Sequence[Question]) -> list[RecommendationList]:
        time.sleep(0.04)
        return office.answer(questions)

    async def again_and_again() -> None:
        desk = Desk(slow)

        async def one(who: str, seconds: float) -> None:
            for _ in range(2):
                await desk.ask(Question(who))
                await asyncio.sleep(seconds)  # comes back a little after the others

        await asyncio.gather(*(one(f"p{number}", number / 2000) for number in range(3)))

    asyncio.run(asyncio.wait_for(again_and_again(), 10))
    assert [len(group) for group in office.together] == [3, 3]


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), StopIteration()])
def test_whatever_ends_a_group_its_people_are_told_and_the_next_are_answered(
    fault: BaseException,
) -> None:
    office = Office()

    def answer(questions: Sequence[Question]) -> list[RecommendationList]:
        if any(question.user_id == "broken" for question in questions):
            raise fault
        return office.answer(questions)

    async def twice() -> None:
        desk = Desk(answer)
        failed = await _ask(desk, ["broken"])
        assert [str(each) for each in failed] == [f"{type(fault).__name__} while answering"]
        assert _people(await _ask(desk, ["ann", "bob"])) == ["ann", "bob"]

    asyncio.run(asyncio.wait_for(twice(), 10))


def test_patience_begins_once_the_answers_are_sent() -> None:
    """Else sending sixteen answers would use it up, and the first to ask again went alone."""
    office = Office()

    def slow(questions: Sequence[Question]) -> list[RecommendationList]:
        time.sleep(0.04)
        return office.answer(questions)

    async def again() -> None:
        desk = Desk(slow)

        async def one(number: int) -> None:
            await desk.ask(Question(f"p{number}"))
            time.sleep(0.003)  # three of them send for longer than the patience of 5 ms
            await asyncio.sleep(number / 2000)
            await desk.ask(Question(f"p{number}"))

        await asyncio.gather(*(one(number) for number in range(3)))

    asyncio.run(asyncio.wait_for(again(), 10))
    assert [len(group) for group in office.together] == [3, 3]
