"""How the hybrid does with less history: what more days of records are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from recommender.dataset import BoolArray, select_events
from recommender.domain import SECONDS_PER_DAY, Catalogue, MetricsList
from recommender.errors import NothingToLearnError
from recommender.leaderboard.board import judge, sampled
from recommender.leaderboard.entrants import model_entrant
from recommender.leaderboard.held_out import HeldOut
from recommender.models import hybrid
from recommender.resampling import Figure, figure

LENGTHS = (7.0, 14.0, 28.0, 56.0, 112.0, 224.0)
"""Days of history that are tried, as far as there are more."""

_PLAIN = hybrid.ModelSettings(search_seconds=0)
"""Lengths are compared under the same settings."""


@dataclass(frozen=True)
class Length:
    """Figures of the hybrid trained and asked with this many days of behaviour."""

    days: float
    figures: Mapping[str, Figure]


def learning_curve(
    held: HeldOut,
    catalogue: Catalogue,
    metrics: MetricsList,
    seed: int,
    progress: Callable[[float], None],
) -> tuple[Length, ...]:
    """Forget all but the last days before the split, train, and judge on the same days."""
    lengths = list(history_lengths(held))
    out = []
    for done, days in enumerate(lengths):
        progress(done / len(lengths))
        short = recent_only(held, days)
        try:
            model = hybrid.fit(
                short.past, catalogue, metrics, held.split, seed=seed, settings=_PLAIN
            )
        except NothingToLearnError:
            continue
        one = judge(short, model_entrant(model, short), len(catalogue), seed)
        own = sampled(short, one.tallies, one.replayed.row_score, seed)
        out.append(Length(days, {name: figure(*sample) for name, sample in own.items()}))
    progress(1.0)
    return tuple(out)


def history_lengths(held: HeldOut) -> Iterator[float]:
    """Days of history worth trying: clearly fewer than there are."""
    return (days for days in LENGTHS if days < 0.9 * known_days(held))


def known_days(held: HeldOut) -> float:
    """Days from the first event to the split."""
    return (held.split - float(held.past.events.at.min())) / SECONDS_PER_DAY


def recent_only(held: HeldOut, days: float) -> HeldOut:
    """Forget behaviour older than the days before the split; readings and profiles stay."""
    events = held.past.events
    known: BoolArray = events.at > held.split - days * SECONDS_PER_DAY
    return replace(held, past=replace(held.past, events=select_events(events, known)))
