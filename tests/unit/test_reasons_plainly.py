"""Reasons of many rows at once are those that choosing one by one comes to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.domain import Action, Audience, Catalogue, Metric, MetricsList, Reason
from recommender.models.base import Shares
from recommender.phrases import Phrases
from recommender.reasons import LEAST_CONTRIBUTION, MOST, Wording, cite_all

NAMES = ("systolic_bp", "hba1c", "steps", "sleep_hours", "ldl")
METRICS = MetricsList(tuple(Metric(name, f"your {name}", (), "u", 0, 300, 30) for name in NAMES))
SUBJECTS = (
    ("base", "base_rate"),
    *(("profile", name) for name in ("age", "asthma", "asthma:missing")),
    # Of the last metric the model knows nothing, and of one thing it knows the list has no metric.
    *(("biometrics", name) for name in (*NAMES[:-1], "hba1c:missing", "unheard_of")),
    *(("behaviour", level) for level in ("action", "domain", "user")),
)


class World(NamedTuple):
    """Some rows, and what they are worded from."""

    shares: Shares
    users: np.ndarray
    actions: np.ndarray
    wording: Wording


def _world(seed: int, audience: Audience) -> World:
    chance = np.random.default_rng(seed)
    n_users, n_rows, most = chance.integers(1, 4), chance.integers(0, 12), chance.integers(0, 4)
    catalogue = Catalogue(
        tuple(
            Action(f"a{i}", f"Do {i}", "d", targets=(*chance.permutation(NAMES)[: i % 5], "other"))
            for i in range(8)
        )
    )
    past = np.array([chance.permutation(8)[:most] for _ in range(n_rows)], np.int64)
    past = past.reshape(n_rows, most)
    steps = chance.choice([4, 1000])  # many equal amounts, or few
    amounts = chance.integers(-steps, steps, (n_rows, len(SUBJECTS) + most)) / steps * 0.5
    amounts[chance.random(amounts.shape) < chance.choice([0.1, 0.9])] = 0.0
    past[:, 2:][chance.random(past[:, 2:].shape) < 0.7] = -1
    own = len(SUBJECTS)
    shares = Shares(SUBJECTS, amounts[:, :own], past, amounts[:, own:] * (past >= 0))
    metrics = (n_users, len(NAMES))
    wording = Wording(
        Phrases(catalogue, METRICS, audience),
        np.where(chance.random(metrics) < 0.7, chance.random(metrics) * 200, np.nan),
        np.where(chance.random(metrics) < 0.5, chance.random(metrics), 0.0),
        chance.random(metrics) < 0.7,
        chance.random(n_users) < 0.7,
    )
    users, actions = chance.integers(0, n_users, n_rows), chance.integers(0, 8, n_rows)
    return World(shares, users, actions, wording)


def _text(world: World, user: int, part: str, name: str, *, needed: bool) -> str:
    clinician = world.wording.phrases.audience is Audience.CLINICIAN
    if part == "biometrics" and clinician:
        value = world.wording.readings[user, NAMES.index(name)]
        return f"{name}: no fresh reading" if np.isnan(value) else f"{name}: {value:g} u"
    if part == "biometrics":
        return (
            f"There is room for your your {name} to improve, and this can help"
            if needed
            else f"People whose your {name} is like yours tend to do this"
        )
    return world.wording.phrases.of_other(part, name)


def _plainly(world: World, catalogue_targets: list[list[str]], row: int) -> tuple[Reason, ...]:
    """Reasons of one row, one after the other."""
    shares, wording = world.shares, world.wording
    user, action = int(world.users[row]), int(world.actions[row])
    of_user = wording.phrases.audience is Audience.USER
    added: dict[tuple[str, str], float] = {}
    for (part, name), amount in zip(SUBJECTS, shares.amounts[row].tolist(), strict=True):
        if name.endswith(":missing") or name == "unheard_of":
            continue
        named = (part, "profile" if part == "profile" and of_user else name)
        added[named] = added.get(named, 0.0) + amount
    reasons = [
        Reason(
            "biometrics",
            name,
            _text(world, user, "biometrics", name, needed=True),
            added.get(("biometrics", name), 0.0),
        )
        for name in catalogue_targets[action]
        if name in NAMES and wording.needs[user, NAMES.index(name)] > 0
    ]
    metric = {name: place for place, name in enumerate(NAMES)}
    known = {
        ("base", "base_rate"): False,
        **{("profile", name): wording.has_profile[user] for _, name in added},
        **{("biometrics", name): wording.measured[user, place] for name, place in metric.items()},
    }
    needed = {one.feature for one in reasons if one.part == "biometrics"}
    others = [
        Reason(part, name, _text(world, user, part, name, needed=False), amount)
        for (part, name), amount in added.items()
        if known.get((part, name), True) and not (part == "biometrics" and name in needed)
    ]
    others += [
        Reason("factor", f"a{place}", f"Because of how you got on with “Do {place}”", amount)
        for place, amount in zip(
            shares.past[row].tolist(), shares.past_amounts[row].tolist(), strict=True
        )
        if place >= 0
    ]
    others = [one for one in others if one.contribution >= LEAST_CONTRIBUTION]
    reasons += sorted(others, key=lambda one: -one.contribution)
    base = Reason("base", "base_rate", _text(world, user, "base", "base_rate", needed=False),
                  added["base", "base_rate"])  # fmt: skip
    return tuple(reasons[:MOST]) or (base,)


@pytest.mark.parametrize("audience", Audience)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 100_000))
def test_reasons_are_those_of_choosing_one_by_one(audience: Audience, seed: int) -> None:
    world = _world(seed, audience)
    phrases = world.wording.phrases
    targets = [[NAMES[m] for m in row if m >= 0] for row in phrases.targets.tolist()]
    found = cite_all(world.shares, world.users, world.actions, world.wording)
    assert len(found) == len(world.users)
    for row, reasons in enumerate(found):
        expected = _plainly(world, targets, row)
        assert [one[:3] for one in reasons] == [one[:3] for one in expected]
        assert [one.contribution for one in reasons] == pytest.approx(
            [one.contribution for one in expected], abs=1e-12
        )


def test_targets_are_those_of_the_actions_in_order() -> None:
    walk = Action("walk", "Walk", "activity", targets=("ldl", "unheard_of", "steps", "ldl"))
    phrases = Phrases(Catalogue((Action("sing", "Sing", "social"), walk)), METRICS, Audience.USER)
    assert phrases.targets.tolist() == [[-1, -1], [4, 2]]
