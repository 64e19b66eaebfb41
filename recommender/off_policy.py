"""What another policy would have achieved, from the log of the one that was in force.

A log only tells what came of what was shown. Where every shown action carries the probability
with which it was shown (its propensity), each can stand for the times it was not: three
estimators do so, each with an interval over people.

A decision shows one action or a slate of several. Propensities are then those of being on the
slate, and a slate's reward is taken as the sum of its actions' rewards, wherever they stand.

Sources: Horvitz and Thompson 1952 (inverse propensity), Swaminathan and Joachims 2015
(self-normalised), Dudik, Langford and Li 2011 (doubly robust), Kish 1965 (effective sample size).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recommender.dataset import AnyIntArray, BoolArray, FloatArray
from recommender.resampling import DRAWS, Figure, figure, grouped_sums, ratio, resampled_sums

LEAST_EFFECTIVE = 50.0
"""Fewer effective rows than this carry no estimate."""
LARGEST_UNSUPPORTED = 0.01
"""Share of what a policy shows that the log may be silent on."""
LEAST_WITH_PROPENSITY = 0.95
"""Share of decisions that must carry propensities throughout."""
LARGEST_DRIFT_SE = 5.0
"""Standard errors by which average weights may miss what exact propensities promise."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A log, and what another policy (the target) makes of it.

    Attributes
    ----------
    decision
        Decision of each shown action, 0 to n_decisions - 1.
    reward, propensity
        Of each shown action; the propensity is NaN where none was logged.
    target
        Probability that the target shows that action in that decision.
    predicted
        Reward expected of each shown action by a model that did not see it.
    person
        Who each decision was made for; decisions of one person are taken as dependent.
    expected
        Sum of target probability times predicted reward over all actions, for each decision.
    size
        How many actions the target shows in each decision (its probabilities added up).
    unsupported
        How many of them the log never shows to anybody.
    """

    decision: AnyIntArray
    reward: FloatArray
    propensity: FloatArray
    target: FloatArray
    predicted: FloatArray
    person: AnyIntArray
    expected: FloatArray
    size: FloatArray
    unsupported: FloatArray


@dataclass(frozen=True)
class Estimates:
    """Reward a decision, as logged and as estimated for the target.

    Attributes
    ----------
    refusal
        Why nothing can be said, in words; None where the estimates stand.
    decisions
        Decisions used.
    effective_rows
        Kish's effective sample size of the weights.
    largest_weight, mean_weight
        Of the shown actions; exact propensities make the mean of their sum over a decision,
        divided by the target's size, come to 1.
    unsupported
        Share of what the target shows that the log never shows.
    logged
        What really happened under the policy in force.
    ips, snips, doubly_robust
        Inverse propensity, self-normalised, and doubly robust; None where refused.
    gain
        Doubly robust minus logged, people drawn together; None where refused.
    """

    refusal: str | None
    decisions: int
    effective_rows: float
    largest_weight: float
    mean_weight: float
    unsupported: float
    logged: Figure
    ips: Figure | None = None
    snips: Figure | None = None
    doubly_robust: Figure | None = None
    gain: Figure | None = None


def estimate(logged: Logged, seed: int = 0, draws: int = DRAWS) -> Estimates:
    """Estimate the target's reward a decision, or refuse.

    Examples
    --------
    Two actions were shown by the toss of a coin, 200 times each; the first is rewarded each
    time. A policy that always shows the first would have got 1 where the log got one half:

    >>> shown = np.arange(400) % 2
    >>> log = Logged(
    ...     decision=np.arange(400), reward=1.0 - shown, propensity=np.full(400, 0.5),
    ...     target=1.0 - shown, predicted=np.zeros(400), person=np.arange(400),
    ...     expected=np.zeros(400), size=np.ones(400), unsupported=np.zeros(400),
    ... )
    >>> found = estimate(log)
    >>> found.logged.value, found.ips.value, found.effective_rows
    (0.5, 1.0, 200.0)
    """
    complete, usable = _with_propensities(logged)
    sums = _by_person(usable)
    weight = _weights(usable)
    square = float(weight @ weight)
    n = len(usable.person)
    drawn = resampled_sums(sums, seed, draws)
    outcome = Estimates(
        refusal=None,
        decisions=n,
        effective_rows=float(weight.sum()) ** 2 / square if square else 0.0,
        largest_weight=float(weight.max(initial=0.0)),
        mean_weight=_quotient(sums[:, _WEIGHT].sum(), sums[:, _SIZE].sum()),
        unsupported=_quotient(usable.unsupported.sum(), usable.size.sum()),
        logged=_figure(sums, drawn, _logged),
    )
    why = _no_propensities(complete) or _no_support(outcome) or _doubtful(sums)
    if why:
        return replace(outcome, refusal=why)
    return replace(
        outcome,
        ips=_figure(sums, drawn, _ips),
        snips=_figure(sums, drawn, _snips),
        doubly_robust=_figure(sums, drawn, _doubly_robust),
        gain=_figure(sums, drawn, lambda s: _doubly_robust(s) - _logged(s)),
    )


_DECISIONS, _REWARD, _WEIGHTED, _WEIGHT, _SIZE, _ROBUST = range(6)


def _by_person(logged: Logged) -> FloatArray:
    """Sums of each person, shape [n_people, 6]."""
    weight, n = _weights(logged), len(logged.person)
    people, person = np.unique(logged.person, return_inverse=True)

    def of_rows(values: FloatArray) -> FloatArray:
        each = grouped_sums(logged.decision, values, n)
        return grouped_sums(person, each, len(people))

    return np.stack(
        [
            grouped_sums(person, 1.0, len(people)),
            of_rows(logged.reward),
            of_rows(weight * logged.reward),
            of_rows(weight),
            grouped_sums(person, logged.size, len(people)),
            grouped_sums(person, logged.expected, len(people))
            + of_rows(weight * (logged.reward - logged.predicted)),
        ],
        axis=1,
    )


def _weights(logged: Logged) -> FloatArray:
    return np.asarray(logged.target / logged.propensity)


def _logged(sums: FloatArray) -> FloatArray:
    return ratio(sums[:, _REWARD], sums[:, _DECISIONS])


def _ips(sums: FloatArray) -> FloatArray:
    return ratio(sums[:, _WEIGHTED], sums[:, _DECISIONS])


def _snips(sums: FloatArray) -> FloatArray:
    shown = ratio(sums[:, _SIZE], sums[:, _DECISIONS])
    return np.asarray(shown * ratio(sums[:, _WEIGHTED], sums[:, _WEIGHT]))


def _doubly_robust(sums: FloatArray) -> FloatArray:
    return ratio(sums[:, _ROBUST], sums[:, _DECISIONS])


def _figure(sums: FloatArray, drawn: FloatArray, of: Callable[[FloatArray], FloatArray]) -> Figure:
    return figure(float(of(sums.sum(axis=0, keepdims=True))[0]), of(drawn))


def _with_propensities(logged: Logged) -> tuple[float, Logged]:
    """Share of decisions that carry propensities throughout, and the log of only those."""
    n = len(logged.person)
    fine: BoolArray = (logged.propensity > 0) & (logged.propensity <= 1)
    whole = np.bincount(logged.decision, ~fine, n) == 0
    rows = whole[logged.decision]
    return float(whole.mean()) if n else 0.0, Logged(
        (np.cumsum(whole) - 1)[logged.decision[rows]],
        *(getattr(logged, name)[rows] for name in ("reward", "propensity", "target", "predicted")),
        *(getattr(logged, name)[whole] for name in ("person", "expected", "size", "unsupported")),
    )


def _no_propensities(complete: float) -> str | None:
    if complete >= LEAST_WITH_PROPENSITY:
        return None
    if complete == 0:
        return "the log holds no propensities: send the probability with which each was shown"
    return f"only {complete:.0%} of the decisions carry propensities for all that was shown"


def _no_support(found: Estimates) -> str | None:
    if found.unsupported > LARGEST_UNSUPPORTED:
        return (
            f"{found.unsupported:.1%} of what it would show was never shown to anybody, "
            "so the log can't tell what would come of it"
        )
    if found.effective_rows < LEAST_EFFECTIVE:
        return (
            f"what it would show was shown too rarely: {found.effective_rows:.0f} effective "
            f"rows, at least {LEAST_EFFECTIVE:.0f} are needed"
        )
    return None


def _doubtful(sums: FloatArray) -> str | None:
    """Weights must come to the target's size on average if the propensities are right."""
    surplus = sums[:, _WEIGHT] - sums[:, _SIZE]
    error = float(np.sqrt((surplus**2).sum()))
    if abs(float(surplus.sum())) <= LARGEST_DRIFT_SE * error:
        return None
    average = sums[:, _WEIGHT].sum() / sums[:, _SIZE].sum()
    return f"the propensities contradict the log: weights average {average:.2f} instead of 1"


def _quotient(above: float, below: float) -> float:
    return float(above / below) if below else 0.0
