"""What a list holds, with and without exploration."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import ValidationError

from recommender.assess import Assessment, Assessor
from recommender.dataset import Events, FloatArray, IntArray
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Audience, Exploration, Objective
from recommender.ranking import resting, varied_order
from recommender.recommend import Ask
from recommender.selection import Listed, chosen, eligible, lists_of
from recommender.settings import Settings

ALLOW, CAUTION, WITHHOLD = range(3)
NOW = 1_700_000_000.0


class World:
    """One person's scores and verdicts for some actions, without a database or a model."""

    def __init__(self, seed: int, n: int, unsafe: float) -> None:
        random = np.random.default_rng(seed)
        parts = random.normal(-0.4, 0.6, (1, n, 5))
        self.verdict = np.where(
            random.random((1, n)) < unsafe, random.integers(1, 3, (1, n)), ALLOW
        ).astype(np.int8)
        self.errors = random.uniform(0.1, 2.0, n)
        decisions: Any = SimpleNamespace(verdict=self.verdict)
        self.assessment = Assessment(
            parts, 1 / (1 + np.exp(-parts.sum(axis=-1))), random.random((1, n)),
            np.zeros((1, 0)), np.zeros((1, 0)), decisions,
        )  # fmt: skip
        stand_in = SimpleNamespace(
            active=random.random(n) < 0.95,
            domains=tuple("ab"[i % 2] for i in range(n)),
            domain_code=np.arange(n) % 2,
            repeat_days=np.full(n, 7.0),
            standard_error=lambda assessment, places, user: self.errors[None, places],
        )
        self.assessor = cast(Assessor, stand_in)
        self.done = np.flatnonzero(random.random(n) < 0.2)

    def events(self) -> Events:
        n = len(self.done)
        complete = np.full(n, EVENT_CODES["complete"], np.int8)
        none = np.full(n, np.nan)
        at = np.full(n, NOW - SECONDS_PER_DAY)
        return Events(
            np.zeros(n, np.int32), self.done.astype(np.int32), complete, at,
            np.full(n, -1), none, none,
        )  # fmt: skip

    def places(self, ask: Ask) -> IntArray:
        may = eligible(self.assessor, self.assessment, self.events(), NOW, Settings())
        return may.of(0, ask.domain)

    def listed(self, ask: Ask, request_id: str, **given: Any) -> Listed:
        return chosen(
            self.assessor, self.assessment, self.places(ask), ask, Settings(**given), request_id
        )


@limits(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 80),
    limit=st.integers(1, 40),
    unsafe=st.sampled_from([0.0, 0.3, 0.9]),
    kind=st.sampled_from([Exploration.EPSILON, Exploration.THOMPSON]),
    objective=st.sampled_from(list(Objective)),
    domain=st.sampled_from([None, "a"]),
    rate=st.floats(0.01, 0.5),
)
def test_exploring_is_safe_exact_and_repeatable(
    seed: int, n: int, limit: int, unsafe: float, kind: Exploration, objective: Objective,
    domain: str | None, rate: float,
) -> None:  # fmt: skip
    world = World(seed, n, unsafe)
    ask = Ask(limit=limit, objective=objective, domain=domain)
    given_: dict[str, Any] = {"exploration": kind, "exploration_rate": rate}
    places = world.places(ask)
    plain, found = world.listed(ask, "q"), world.listed(ask, f"q{seed}", **given_)
    again = world.listed(ask, f"q{seed}", **given_)
    shown = found.shown.tolist()
    verdict = world.verdict[0]
    assert (again.shown == found.shown).all()
    assert (again.propensity == found.propensity).all()
    assert len(shown) == len(set(shown)) == min(limit, len(places))
    assert not set(shown) & set(world.done.tolist())  # resting
    assert set(shown) <= set(places.tolist())
    assert (verdict[found.shown] != WITHHOLD).all()
    assert ((found.propensity > 0) & (found.propensity <= 1)).all()
    # what is cautioned against stands in the same places as in the plain list, always
    cautioned = verdict[plain.shown] == CAUTION
    assert (verdict[found.shown] == CAUTION).tolist() == cautioned.tolist()
    assert found.shown[cautioned].tolist() == plain.shown[cautioned].tolist()
    assert (found.propensity[cautioned] == 1).all()
    allowed, free = (verdict[places] == ALLOW).sum(), (~cautioned).sum()
    if free and allowed > free:
        share = free / allowed
        low, high = rate * share, 1 - rate * (1 - share)
        drawn = found.propensity[~cautioned]
        assert drawn.min() >= low - 1e-12
        assert drawn.max() <= high + 1e-12
    else:
        assert found.shown.tolist() == plain.shown.tolist()


def test_what_is_drawn_stands_in_the_order_of_scores() -> None:
    world = World(4, 60, 0.0)
    ask = Ask(limit=10, objective=Objective.COMPLETION)
    given_: dict[str, Any] = {"exploration": "epsilon", "exploration_rate": 0.5, "variety": 1.0}
    for request in range(20):
        listed = world.listed(ask, str(request), **given_)
        p = world.assessment.p_complete[0, listed.shown]
        assert (np.diff(p) <= 0).all()


@pytest.mark.parametrize(
    "ask",
    [
        Ask(limit=5, as_of=datetime(2026, 1, 1, tzinfo=UTC)),
        Ask(limit=5, audience=Audience.CLINICIAN),
    ],
    ids=["as of an earlier instant", "for a clinician"],
)
def test_only_what_a_person_is_shown_now_is_explored(ask: Ask) -> None:
    world = World(2, 60, 0.2)
    plain = world.listed(ask, "q")
    for request in range(20):
        listed = world.listed(ask, str(request), exploration="epsilon", exploration_rate=0.5)
        assert listed.shown.tolist() == plain.shown.tolist()
        assert (listed.propensity == 1).all()


@pytest.mark.parametrize("kind", [Exploration.EPSILON, Exploration.THOMPSON])
@pytest.mark.parametrize("objective", list(Objective))
def test_lists_hold_each_action_as_often_as_its_propensity_says(
    kind: Exploration, objective: Objective
) -> None:
    world, ask, requests = World(6, 40, 0.3), Ask(limit=8, objective=objective), 1500
    times, said = np.zeros(40), np.zeros(40)
    places, settings = world.places(ask), Settings(exploration=kind, exploration_rate=0.3)
    for request in range(requests):
        listed = chosen(world.assessor, world.assessment, places, ask, settings, f"{request}")
        times[listed.shown] += 1
        said[listed.shown] = listed.propensity
    assert _deviation(times, said, requests) < 80  # chi square of at most 40
    assert 12 < (said > 0).sum() <= len(places)


def _deviation(times: FloatArray, said: FloatArray, requests: int) -> float:
    by_chance = (said > 0) & (said < 1)
    assert (times[said == 1] == requests).all()
    said, times = said[by_chance], times[by_chance]
    return float(((times - requests * said) ** 2 / (requests * said * (1 - said))).sum())


def test_nothing_is_left_to_chance_by_default() -> None:
    world, ask = World(3, 40, 0.2), Ask(limit=6)
    lists = {tuple(world.listed(ask, str(request)).shown.tolist()) for request in range(10)}
    assert len(lists) == 1


def test_the_settings_come_from_the_environment_and_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().exploration is Exploration.OFF
    monkeypatch.setenv("RECOMMENDER_EXPLORATION", "thompson")
    monkeypatch.setenv("RECOMMENDER_EXPLORATION_RATE", "0.25")
    assert (Settings().exploration, Settings().exploration_rate) == (Exploration.THOMPSON, 0.25)
    for name, value in (
        ("EXPLORATION_RATE", "0"),
        ("EXPLORATION_RATE", "0.6"),
        ("EXPLORATION", "x"),
    ):
        with monkeypatch.context() as wrong:
            wrong.setenv(f"RECOMMENDER_{name}", value)
            with pytest.raises(ValidationError):
                Settings()


@limits(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(0, 60),
    kind=st.sampled_from(list(Exploration)),
    asked=st.lists(
        st.builds(
            Ask,
            limit=st.integers(1, 80),
            domain=st.sampled_from([None, "a", "no such"]),
            audience=st.sampled_from(list(Audience)),
            objective=st.sampled_from(list(Objective)),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_lists_together_are_those_of_each_alone(
    seed: int, n: int, kind: Exploration, asked: list[Ask]
) -> None:
    world, settings = World(seed, n, 0.3), Settings(exploration=kind, exploration_rate=0.3)
    of_world = (world.assessor, world.assessment)
    ids = [f"q{place}" for place in range(len(asked))]
    users = [0] * len(asked)
    found = lists_of(*of_world, world.events(), NOW, users, asked, settings, ids)
    rests = resting(
        world.events(),
        world.assessor.repeat_days,
        NOW,
        dismiss_rest_days=settings.dismiss_rest_days,
        snooze_rest_days=settings.snooze_rest_days,
    )
    start = 0
    for ask, name, size, held in zip(asked, ids, found.sizes, found.withheld, strict=True):
        of_domain = np.array([ask.domain in (None, each) for each in world.assessor.domains], bool)
        withheld = world.assessor.active & of_domain & (world.verdict[0] == WITHHOLD)
        places = np.flatnonzero(world.assessor.active & of_domain & ~withheld & ~rests)
        alone = chosen(*of_world, places, ask, settings, name)
        items = slice(start, start + size)
        score = world.assessment.score(ask.objective)[0]
        if kind is Exploration.OFF:
            order = varied_order(
                score[places], world.assessor.domain_code[places], settings.variety
            )
            assert alone.shown.tolist() == places[order][: ask.limit].tolist()
        assert found.action[items].tolist() == alone.shown.tolist()
        assert found.propensity[items].tolist() == alone.propensity.tolist()
        assert found.score[items].tolist() == score[alone.shown].tolist()
        assert held == np.count_nonzero(withheld)
        start += size
    assert start == len(found.action) == len(found.user)
    assert (found.user == 0).all()
