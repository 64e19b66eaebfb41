"""Held-out figures of everybody and of groups of people, none smaller than ``LEAST_PEOPLE``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from recommender import quality
from recommender.dataset import AnyIntArray, BoolArray, FloatArray, select_users, until
from recommender.domain import MetricsList
from recommender.leaderboard.grouped import LEAST_PEOPLE
from recommender.leaderboard.segments import groups
from recommender.model_card import FIGURES
from recommender.models.holdout import HeldOut
from recommender.resampling import grouped_sums


@dataclass(frozen=True)
class GroupFigures:
    """Figures of one group on the held-out rows.

    Attributes
    ----------
    family, group
        What people are grouped by, and which of the groups this is.
    people, rows
        How many people were shown something in the held-out time, and how often.
    figures
        Name -> figure and its standard error, people taken as independent; only what there is.
    """

    family: str
    group: str
    people: int
    rows: int
    figures: dict[str, tuple[float, float]]

    @property
    def segment(self) -> str:
        """Name in ``run_metrics``."""
        return "all" if self.family == "all" else f"{self.family}: {self.group}"


def figures_by_segment(judged: Iterable[GroupFigures]) -> dict[tuple[str, str], float]:
    """Everything as figures of the run, by (name, segment)."""
    out: dict[tuple[str, str], float] = {}
    for one in judged:
        out["users", one.segment], out["impressions", one.segment] = one.people, one.rows
        for name, (value, error) in one.figures.items():
            out[name, one.segment], out[f"{name}_se", one.segment] = value, error
    return out


@dataclass(frozen=True)
class _Sums:
    """A figure is ``above.sum() / below.sum()`` over people."""

    above: FloatArray
    below: FloatArray


def group_figures(held: HeldOut, metrics: MetricsList) -> list[GroupFigures]:
    """Judge everybody and every group that is large enough, as they were at the cut.

    Groups that are left out are not even named.
    """
    shown = np.unique(held.rows.user)
    people = select_users(until(held.records, held.cut), shown.astype(np.int64))
    place = np.searchsorted(shown, held.rows.user)
    sums, rows = _sums(held, place, len(shown)), np.bincount(place, minlength=len(shown))
    everybody = ("all", "all", np.ones(len(shown), np.bool_))
    return [
        GroupFigures(
            family,
            name,
            int(members.sum()),
            int(rows[members].sum()),
            dict(_figures(sums, members)),
        )
        for family, name, members in (everybody, *groups(people, metrics, held.cut))
        if members.sum() >= LEAST_PEOPLE
    ]


def _sums(held: HeldOut, place: AnyIntArray, n: int) -> dict[str, _Sums]:
    rows = held.rows
    weight = grouped_sums(place, rows.weight, n)
    out = {}
    for name, log_odds in (("hybrid", held.log_odds), ("popularity", held.popular)):
        p = 1.0 / (1.0 + np.exp(-log_odds))
        loss = quality.pointwise_log_loss(rows.completed, p) * rows.weight
        out[f"{name}_log_loss"] = _Sums(grouped_sums(place, loss, n), weight)
        who, gain = quality.ndcg_by_user(place, log_odds, rows.completed)
        gains, judged = np.zeros(n), np.zeros(n)
        gains[who], judged[who] = gain, 1.0
        out[f"{name}_ndcg_at_10"] = _Sums(gains, judged)
        if name == "hybrid":
            out["predicted_rate"] = _Sums(grouped_sums(place, p * rows.weight, n), weight)
    done = grouped_sums(place, rows.completed * rows.weight, n)
    out["observed_rate"] = _Sums(done, weight)
    return {name: out[name] for name in FIGURES}


def _figures(
    sums: dict[str, _Sums], members: BoolArray
) -> Iterator[tuple[str, tuple[float, float]]]:
    for name, one in sums.items():
        above, below = one.above[members], one.below[members]
        about = int((below > 0).sum())
        if about < LEAST_PEOPLE:
            continue
        mean = above.sum() / below.sum()
        spread = ((above - mean * below) ** 2).sum() * about / (about - 1)
        yield name, (float(mean), float(np.sqrt(spread) / below.sum()))
