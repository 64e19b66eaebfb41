"""Groups of people, each judged alone and beside everybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, Records
from recommender.domain import SECONDS_PER_DAY, SEX_CODES, MetricsList
from recommender.features.profile import AGE_BANDS, age_years
from recommender.leaderboard.board import Sample
from recommender.leaderboard.grouped import LEAST_PEOPLE, difference, grouped_samples
from recommender.leaderboard.held_out import HeldOut, judged_records
from recommender.leaderboard.tally import Tally
from recommender.resampling import Figure, figure, grouped_sums, ratio

RECENT_DAYS = 14.0
_HISTORY = ((0, 1, "nothing yet"), (1, 50, "1-49 events"), (50, 150, "50-149 events"))
_HISTORY_MOST = 150
_COMPARED = ("ndcg_at_10", "corrected_recall_at_10", "shown_ndcg_at_10", "log_loss", "brier")
_RATES = ("predicted", "observed")


@dataclass(frozen=True)
class Segment:
    """Figures of one group of people.

    Attributes
    ----------
    family, group
        What people are grouped by, and which of the groups this is.
    people
        How many of the judged are in it.
    hybrid, baseline
        Figures of the hybrid and of popularity in this group.
    lead
        The hybrid's figure minus the baseline's.
    gap
        The hybrid's figure in this group minus its figure in everybody else; empty where they
        are fewer than ``LEAST_PEOPLE``.
    surplus
        Completion rate predicted by the hybrid minus observed.
    predicted, observed
        The rates themselves, over the impressions of the group.
    """

    family: str
    group: str
    people: int
    hybrid: Mapping[str, Figure]
    baseline: Mapping[str, Figure]
    lead: Mapping[str, Figure]
    gap: Mapping[str, Figure]
    surplus: Figure | None
    predicted: Figure | None
    observed: Figure | None


def segments(
    held: HeldOut,
    metrics: MetricsList,
    hybrid: Mapping[str, Tally],
    baseline: Mapping[str, Tally],
    seed: int,
) -> tuple[Segment, ...]:
    """Judge every group of at least ``LEAST_PEOPLE``."""
    people = judged_records(held, np.arange(len(held.users)))
    large = [
        (family, group, members)
        for family, group, members in groups(people, metrics, held.split)
        if members.sum() >= LEAST_PEOPLE
    ]
    tallies = {("hybrid", name): hybrid[name] for name in (*_COMPARED, *_RATES) if name in hybrid}
    tallies |= {("baseline", name): baseline[name] for name in _COMPARED if name in baseline}
    samples = grouped_samples(tallies, [members for _, _, members in large], seed)
    return tuple(
        _segment(family, group, members, own, rest)
        for (family, group, members), (own, rest) in zip(large, samples, strict=True)
    )


def groups(
    people: Records, metrics: MetricsList, at: float
) -> Iterator[tuple[str, str, BoolArray]]:
    """Family, group and members (one truth value a person), as of an instant."""
    users, n = people.users, len(people.users)
    events = np.bincount(people.events.user, minlength=n)
    for fewest, most, name in _HISTORY:
        yield "history", name, (events >= fewest) & (events < most)
    yield "history", f"{_HISTORY_MOST} events or more", events >= _HISTORY_MOST
    repeated, changed = changed_readings(people, metrics, at)
    yield "readings", f"changed in the last {RECENT_DAYS:.0f} days", changed
    yield "readings", "read again, not changed", repeated & ~changed
    yield "readings", "not read again", ~repeated
    for name, code in SEX_CODES.items():
        yield "sex", name, users.sex == code
    age = age_years(users, np.array([at]))[0]
    yield "age", f"under {AGE_BANDS[0]:.0f}", age < AGE_BANDS[0]
    ends = (*AGE_BANDS[1:], np.inf)
    for low, high in zip(AGE_BANDS, ends, strict=True):
        name = f"{low:.0f}-{high - 1:.0f}" if np.isfinite(high) else f"{low:.0f} and over"
        yield "age", name, (age >= low) & (age < high)
    yield "age", "unknown", np.isnan(age)
    for condition in sorted(set(map(str, users.condition_name))):
        members = np.zeros(n, np.bool_)
        members[users.condition_user[users.condition_name == condition]] = True
        yield "condition", condition.replace("_", " "), members
    none = np.bincount(users.condition_user, minlength=n) == 0
    yield "condition", "none recorded", none


def changed_readings(
    people: Records, metrics: MetricsList, at: float
) -> tuple[BoolArray, BoolArray]:
    """Who was read both lately and before, and whose mean moved by a step of a metric's target.

    Only metrics with a target range count; lately is the last ``RECENT_DAYS``.
    """
    read, n, m = people.observations, len(people.users), max(len(metrics), 1)
    cell = read.user.astype(np.int64) * m + read.metric
    late = read.at > at - RECENT_DAYS * SECONDS_PER_DAY

    def means(chosen: BoolArray) -> FloatArray:
        total = grouped_sums(cell[chosen], read.value[chosen], n * m)
        return ratio(total, grouped_sums(cell[chosen], 1.0, n * m)).reshape(n, m)

    steps = [
        np.nan if metric.target_low is None and metric.target_high is None else metric.target_scale
        for metric in metrics.metrics
    ]
    moved = np.abs(means(late) - means(~late)) / np.array(steps)
    return np.isfinite(moved).any(axis=1), (np.nan_to_num(moved) >= 1.0).any(axis=1)


def _segment(
    family: str,
    group: str,
    members: BoolArray,
    own: Mapping[tuple[str, str], Sample],
    rest: Mapping[tuple[str, str], Sample],
) -> Segment:
    names = [name for name in _COMPARED if ("hybrid", name) in own]
    both = [name for name in names if ("baseline", name) in own]
    rates = [own["hybrid", name] for name in _RATES if ("hybrid", name) in own]
    shown = [figure(*rate) for rate in rates]
    others = (~members).sum() >= LEAST_PEOPLE
    return Segment(
        family,
        group,
        int(members.sum()),
        hybrid={name: figure(*own["hybrid", name]) for name in names},
        baseline={name: figure(*own["baseline", name]) for name in both},
        lead={name: difference(own["hybrid", name], own["baseline", name]) for name in both},
        gap={name: difference(own["hybrid", name], rest["hybrid", name]) for name in names}
        if others
        else {},
        surplus=difference(*rates) if rates else None,
        predicted=shown[0] if shown else None,
        observed=shown[1] if shown else None,
    )
