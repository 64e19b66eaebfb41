"""Where questions wait a moment for each other, to be answered together.

A single answer is mostly the price of calling things; the price of sixteen answers is about that
of five. Whatever has arrived by the time the event loop has nothing more to read is answered in one
go: nobody waits on a timer, and a question that comes alone is answered alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from recommender.assess import FEW
from recommender.domain import RecommendationList
from recommender.recommend import Question

Answer = Callable[[Sequence[Question]], list[RecommendationList]]
_Waiting = tuple[Question, "asyncio.Future[RecommendationList]"]


class Desk:
    """Gathers the questions of one event loop.

    Parameters
    ----------
    answer
        Answers some questions, in order.
    most
        How many are answered in one go.
    """

    def __init__(self, answer: Answer, most: int = FEW) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[_Waiting] = []
        self._seen = 0

    async def ask(self, question: Question) -> RecommendationList:
        """Wait for the answer to a question; raises what answering it alone would raise."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[RecommendationList] = loop.create_future()
        self._waiting.append((question, future))
        if len(self._waiting) == 1:
            self._seen = 0
            loop.call_soon(self._look, loop)
        return await future

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer if the loop brought no further question since the last look, else look again."""
        waiting = len(self._waiting)
        if waiting > self._seen and waiting < self._most:
            self._seen = waiting
            loop.call_soon(self._look, loop)
            return
        now, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if self._waiting:
            self._seen = 0
            loop.call_soon(self._look, loop)
        self._settle([each for each in now if not each[1].done()])

    def _settle(self, waiting: Sequence[_Waiting]) -> None:
        try:
            answers = self._answer([question for question, _ in waiting]) if waiting else []
        except Exception as error:
            if len(waiting) == 1:
                waiting[0][1].set_exception(error)
                return
            # Nobody is refused for what is wrong with another's question.
            for each in waiting:
                self._settle([each])
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            future.set_result(answer)
