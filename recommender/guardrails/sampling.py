"""Made-up facts on and around every number of a rule, to find out whether it can ever hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from recommender.dataset import FloatArray
from recommender.domain import SEX_CODES, MetricsList
from recommender.guardrails.facts import Needs
from recommender.guardrails.terms import (
    Age,
    DaysSince,
    Defined,
    Has,
    NumberOf,
    Reading,
    SexIs,
    TextIs,
    UnknownPerson,
)

_UNKNOWN_SHARE = 0.2
_HAS_SHARES = (0.0, 0.03, 0.3)


def sampled_facts(
    needs: Needs, metrics: MetricsList, numbers: Iterable[float], count: int, seed: int = 0
) -> list[Any]:
    """Facts of ``count`` made-up people: arrays in the order of ``needs.facts``.

    Parameters
    ----------
    numbers
        What the rules compare with: values are drawn from these, from just beside them, and from
        the ends and the middle of each metric's plausible range.
    """
    random = np.random.default_rng(seed)
    near = np.unique([number + step for number in numbers for step in (-1, -0.05, 0, 0.05, 1)])
    values: list[Any] = [None] * len(needs.facts)
    words = {name: random.integers(0, 4, count) for name in _attributes(needs)}
    sex = random.integers(0, len(SEX_CODES), count)
    has = np.zeros(count, dtype=bool)
    share = random.choice(_HAS_SHARES, count)
    for place, fact in enumerate(needs.facts):
        if isinstance(fact, Reading):
            metric = metrics.metrics[metrics.index[fact.metric]]
            inside = near[(near >= metric.plausible_low) & (near <= metric.plausible_high)]
            ends = np.linspace(metric.plausible_low, metric.plausible_high, 12)
            values[place] = _draw(random, np.concatenate([inside, inside, ends]), count)
        elif isinstance(fact, Age):
            ages = np.floor(near[(near >= 0) & (near <= 110)])
            values[place] = _draw(random, np.concatenate([ages, np.arange(5.0, 95, 10)]), count)
        elif isinstance(fact, NumberOf | DaysSince):
            values[place] = _draw(random, np.concatenate([near[near >= 0], [0.0, 9000.0]]), count)
        elif isinstance(fact, Has):
            values[place] = random.random(count) < share
            has |= values[place]
        elif isinstance(fact, SexIs):
            values[place] = sex == fact.code
        elif isinstance(fact, TextIs):
            values[place] = words[fact.attribute] == _word_code(needs, fact)
    _join(needs, values, has, count)
    return values


def numbers_in(texts: Iterable[str]) -> set[float]:
    """Every number written in some expressions."""
    return {
        float(node.value)
        for text in texts
        for node in ast.walk(ast.parse(text, mode="eval"))
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    }


def names_in(text: str) -> set[str]:
    """Every bare name in an expression."""
    tree = ast.parse(text, mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _draw(random: np.random.Generator, pool: FloatArray, count: int) -> FloatArray:
    drawn: FloatArray = random.choice(pool, count)
    drawn[random.random(count) < _UNKNOWN_SHARE] = np.nan
    return drawn


def _attributes(needs: Needs) -> Mapping[str, list[str | None]]:
    """The words asked for of each attribute, in one order."""
    found: dict[str, list[str | None]] = {}
    for fact in needs.facts:
        if isinstance(fact, TextIs) and fact.word is not None:
            found.setdefault(fact.attribute, []).append(fact.word)
        elif isinstance(fact, TextIs):
            found.setdefault(fact.attribute, [])
    return found


def _word_code(needs: Needs, fact: TextIs) -> int:
    """Number of a word among those asked for; 3 stands for unknown."""
    return 3 if fact.word is None else _attributes(needs)[fact.attribute].index(fact.word) % 3


def _join(needs: Needs, values: list[Any], has: Any, count: int) -> None:
    """Fill in what follows from other facts."""
    ages = [values[place] for place, fact in enumerate(needs.facts) if isinstance(fact, Age)]
    unknown = np.isnan(ages[0]) if ages else np.ones(count, dtype=bool)
    for place, fact in enumerate(needs.facts):
        if isinstance(fact, UnknownPerson):
            values[place] = unknown & ~has
        elif isinstance(fact, Defined):
            values[place] = needs.definitions[fact.name].evaluate(values)
