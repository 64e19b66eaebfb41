"""When a call is tried again, and how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import tenacity

from recommender.client.errors import NoAnswerError, ProblemError, problem_of

_SAFE = frozenset({"GET", "POST"})
"""What may be sent again without knowing whether it was done: a POST carries its key."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient a client is.

    Attributes
    ----------
    attempts
        Times a call is made at most.
    first_wait_seconds, longest_wait_seconds
        Wait before the second attempt where the server names none; it doubles up to the longest,
        with chance mixed in. A server that asks for more than the longest is not waited for.
    """

    attempts: int = 4
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 10.0

    def options(self, method: str) -> Mapping[str, Any]:
        """What tenacity needs to know for a call."""
        by_chance = tenacity.wait_random_exponential(
            multiplier=self.first_wait_seconds, max=self.longest_wait_seconds
        )

        def wait(state: tenacity.RetryCallState) -> float:
            asked = _asked_to_wait(state.outcome.exception() if state.outcome else None)
            return by_chance(state) if asked is None else asked

        return {
            "stop": tenacity.stop_after_attempt(self.attempts),
            "wait": wait,
            "retry": tenacity.retry_if_exception(lambda error: self._again(method, error)),
            "reraise": True,
        }

    def _again(self, method: str, error: BaseException) -> bool:
        if isinstance(error, NoAnswerError):
            return method in _SAFE
        # The server says when trying again helps; without that it would answer the same.
        seconds = _asked_to_wait(error)
        return seconds is not None and seconds <= self.longest_wait_seconds


def _asked_to_wait(error: BaseException | None) -> float | None:
    return error.retry_after_seconds if isinstance(error, ProblemError) else None


def checked(answer: httpx.Response) -> httpx.Response:
    """Give an answer back, or raise the problem that it is."""
    if answer.is_success:
        return answer
    raise problem_of(answer)
