"""Nothing that an independent oracle forbids is shown to people at random; a small sample of
``python -m tests.benchmarks.bench_safety``, which is run with ten million.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from recommender.guardrails.rules import Rules
from recommender.knowledge import load_knowledge
from tests.benchmarks.bench_safety import run

ANSWERS = 4_000
BATCH = 2_000


@pytest.mark.parametrize("seed", [1, random.randrange(2**32)], ids=["fixed", "any"])
def test_nothing_forbidden_is_shown_and_no_alert_is_missing(seed: int) -> None:
    tally = run(ANSWERS, seed, batch=BATCH)
    wrong = [*tally.violations, *(f"no alert: {name}" for name in tally.silent)]
    assert not wrong, f"seed {seed}: {wrong} {tally.examples}"
    assert tally.shown > ANSWERS  # the oracle can only object to what is let through


@pytest.mark.parametrize(
    ("rule_id", "ban"),
    [
        ("pressure_unsafe", "no_exercise_at_180_110"),
        ("glucose_recent_severe_low", "after_helped_low"),
        ("pregnancy", "pregnancy"),
        ("known_disease_vigorous", "disease_clearance"),
        ("unknown_pressure", "unknown_pressure"),
        ("screening_breast_done", "breast_done:last_breast_screening"),
        ("medicines_with_clinician_only", "medicines_for_clinicians_only"),
    ],
)
def test_a_rule_left_out_is_noticed(rule_id: str, ban: str) -> None:
    tally = run(BATCH, 1, without(rule_id), batch=BATCH)
    assert any(name.startswith(f"{ban} (") for name in tally.violations)


def test_an_alert_left_out_is_noticed() -> None:
    assert run(BATCH, 1, without("self_harm_answer"), batch=BATCH).silent["crisis"]


def without(rule_id: str) -> Rules:
    """The shipped rules but for one."""
    rules = load_knowledge().rules
    kept = [place for place, rule in enumerate(rules.rules) if rule.rule_id != rule_id]
    assert len(kept) == len(rules) - 1
    return replace(
        rules,
        rules=tuple(rules.rules[place] for place in kept),
        expressions=tuple(rules.expressions[place] for place in kept),
    )
