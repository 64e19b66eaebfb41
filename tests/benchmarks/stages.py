"""Where a live answer's time goes: processor time of each stage, alone and sixteen at a time."""

from __future__ import annotations

import cProfile
import pstats
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from recommender.assess import FEW
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Question, recommend_each
from recommender.settings import Settings
from recommender.store.engine import connect

_STAGES = {
    "load_user_records": "record out of the database",
    "view": "model: what it sees of people",
    "score_view": "model: parts of all actions",
    "standard_error": "model: standard errors",
    "decide": "guardrails",
    "lists_of": "which may be shown, in which order",
    "shown_of": "items",
    "items_as_json": "reasons, and items as JSON",
    "grounds": "what decided about what",
    "texts": "verdict log",
    "alerts_of": "alerts",
    "log_requests": "log of requests",
}
_PEOPLE = 640


def show_stages(url: str, people: Sequence[str]) -> None:
    """Print microseconds of processor time an answer; the stages are measured under a profiler."""
    settings = Settings(database_url=url)
    known = load_knowledge()
    published = Published(connect(url), known.rules, known.metrics, settings.poll_seconds)
    asked = random.Random(0).choices(people, k=_PEOPLE)

    def answer(together: int) -> None:
        for start in range(0, len(asked), together):
            questions = [Question(user_id) for user_id in asked[start : start + together]]
            recommend_each(published, questions, settings)

    for together in (1, 4, FEW):
        least = min(_spent(partial(answer, together)) for _ in range(4))
        print(f"{together:3} at a time: {least / _PEOPLE * 1e6:6.0f} us an answer")
        profile = cProfile.Profile(time.thread_time)
        profile.runcall(answer, together)
        _show(profile)


def _spent(run: Callable[[], None]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _show(profile: cProfile.Profile) -> None:
    stats = pstats.Stats(profile)
    found = stats.stats  # type: ignore[attr-defined]
    whole = max(row[3] for row in found.values())
    for name, label in _STAGES.items():
        spent = sum(
            row[3] for (file, _, at), row in found.items() if at == name and "<" not in file
        )
        print(f"      {label:<32} {spent / whole:6.1%}")
