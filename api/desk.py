"""Where questions wait a moment for each other, to be answered together.

A single answer is mostly the price of calling things; the price of sixteen answers is about that
of five. Whatever has arrived by the time the event loop has nothing more to read is answered in one
go, by a thread of its own, so that a slow database holds up nobody who does not ask it. A question
that comes alone is answered alone and at once. Only right after several were answered is there a
wait, short beside the time that took, for as many to come again: else those who are quick to ask
again would be answered by themselves, and everybody else after them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from recommender.assess import FEW
from recommender.errors import RefusedError, StoreError
from recommender.recommend import Question

Given = TypeVar("Given")
PATIENCE = 0.125
"""How long those who were answered together are waited for, of the time that their answers took."""
MOST_PATIENCE_S = 0.005


class Desk(Generic[Given]):
    """Gathers the questions of one event loop.

    Parameters
    ----------
    answer
        Answers some questions, in order; called in one thread, never twice at once.
    most
        How many are answered in one go.
    """

    def __init__(
        self, answer: Callable[[Sequence[Question]], Sequence[Given]], most: int = FEW
    ) -> None:
        self._answer = answer
        self._most = most
        self._thread: ThreadPoolExecutor | None = None
        self._open_in(None)

    def _open_in(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Begin with nobody waiting: what an earlier loop left undone died with it."""
        self._loop = loop
        self._waiting: list[tuple[Question, asyncio.Future[Given]]] = []
        self._seen = 0
        self._busy = self._looking = False
        self._expected = 1
        self._patient_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, question: Question) -> Given:
        """Wait for the answer to a question; raises what answering it alone would raise."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._open_in(loop)
        future: asyncio.Future[Given] = loop.create_future()
        self._waiting.append((question, future))
        self._came(loop)
        return await future

    def close(self) -> None:
        """Let the thread end once it has answered what it was given."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _came(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to look for more: now, or when those have come who are likely to."""
        if self._busy or self._looking:
            return
        left = self._patient_until - loop.time()
        if len(self._waiting) >= self._expected or left <= 0:
            self._begin_looking(loop)
        elif self._timer is None:
            self._timer = loop.call_later(left, self._begin_looking, loop)

    def _begin_looking(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._looking, self._seen = None, True, 0
        loop.call_soon(self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer if the loop brought no further question since the last look, else look again."""
        waiting = len(self._waiting)
        if waiting > self._seen and waiting < self._most:
            self._seen = waiting
            loop.call_soon(self._look, loop)
            return
        self._looking = False
        now, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        now = [each for each in now if not each[1].done()]
        if now:
            self._busy = True
            self._thread = self._thread or ThreadPoolExecutor(1, "answers")
            self._thread.submit(self._work, loop, loop.time(), now)
        elif self._waiting:
            self._begin_looking(loop)

    def _work(
        self,
        loop: asyncio.AbstractEventLoop,
        began: float,
        group: Sequence[tuple[Question, asyncio.Future[Given]]],
    ) -> None:
        """Answer a group; in the thread."""
        outcomes: Sequence[Given | BaseException]
        try:
            outcomes = self._outcomes([question for question, _ in group])
        except BaseException as fault:  # whatever it is, nobody may be left waiting
            outcomes = [fault] * len(group)
        # Closed while at work: nobody is left who could be told.
        if not loop.is_closed():
            took = loop.time() - began
            loop.call_soon_threadsafe(self._settle, loop, took, group, outcomes)

    def _outcomes(self, questions: Sequence[Question]) -> Sequence[Given | BaseException]:
        try:
            return self._answer(questions)
        except Exception as error:
            # What the database does not do now, it does for nobody: each would wait as long again.
            out_of_order = isinstance(error, StoreError) and not isinstance(error, RefusedError)
            if len(questions) == 1 or out_of_order:
                return [error] * len(questions)
            # Nobody is refused for what is wrong with another's question.
            return [self._outcomes([question])[0] for question in questions]

    def _settle(
        self,
        loop: asyncio.AbstractEventLoop,
        took: float,
        group: Sequence[tuple[Question, asyncio.Future[Given]]],
        outcomes: Sequence[Given | BaseException],
    ) -> None:
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if future.done():  # who asked went away
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(_tellable(outcome))
            else:
                future.set_result(outcome)
        # After those who were just told: nobody can ask again before the answers are sent.
        loop.call_soon(self._next, loop, took, len(group))

    def _next(self, loop: asyncio.AbstractEventLoop, took: float, answered: int) -> None:
        """Be there for the next group."""
        self._busy = False
        self._expected = min(answered + len(self._waiting), self._most)
        self._patient_until = loop.time() + min(PATIENCE * took, MOST_PATIENCE_S)
        if self._waiting:
            self._came(loop)


def _tellable(fault: BaseException) -> Exception:
    """What would end the process, or a generator, as something that only ends a request."""
    if isinstance(fault, Exception) and not isinstance(fault, StopIteration):
        return fault
    told = RuntimeError(f"{type(fault).__name__} while answering")
    told.__cause__ = fault
    return told
