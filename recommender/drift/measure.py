"""Everything that changed since the published run, measured once a training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from recommender.dataset import Records, select_users
from recommender.domain import SECONDS_PER_DAY
from recommender.drift.feeds import FeedDrift, event_feeds, reading_feeds
from recommender.drift.offers import Offers
from recommender.drift.outcomes import Calibration, Paired, calibration, paired
from recommender.drift.people import Column, FeatureDrift, compare, picture
from recommender.models.holdout import HeldOut, expected
from recommender.models.hybrid import HybridModel
from recommender.store.feeds import FeedCount

MOST_PEOPLE = 20_000
"""People on whose rows two runs are compared; of more, a sample is enough."""

Figures = Mapping[tuple[str, str], float]
"""(name, group) -> figure, as ``run_metrics`` keeps them."""


@dataclass(frozen=True)
class LastRun:
    """The run in force while another is trained.

    Attributes
    ----------
    figures
        All that ``run_metrics`` holds of it.
    model
        Aligned with today's catalogue and metrics; None if it can't be read any more.
    people
        Its picture of the people; empty if it kept none.
    """

    run_id: str
    as_of: datetime
    figures: Figures
    model: HybridModel | None
    people: tuple[Column, ...]


@dataclass(frozen=True)
class Drift:
    """What changed since the run in force; the parts that compare are empty without one.

    Attributes
    ----------
    people
        Today's picture, kept for the next run.
    features
        Then and now.
    feeds
        Now, against what is usual.
    before
        Figures of the run in force.
    own
        How the candidate, as trained before the held-out days, predicts them.
    published
        How the run in force predicts what came after it was trained.
    late, early
        The candidate against the run in force on those rows: as trained on everything, which
        favours it, and as trained before the held-out days, where the run in force has seen no
        more than it.
    offers
        What the candidate would offer, and what the guardrails withhold.
    days
        How much later than the run in force the candidate stands.
    """

    people: tuple[Column, ...]
    features: tuple[FeatureDrift, ...] = ()
    feeds: tuple[FeedDrift, ...] = ()
    before: Figures = field(default_factory=dict)
    own: Calibration | None = None
    published: Calibration | None = None
    late: Paired | None = None
    early: Paired | None = None
    offers: Offers | None = None
    days: float = 1.0

    def figures(self) -> dict[tuple[str, str], float]:
        """Everything as figures of the run."""
        return dict(self._figures())

    def _figures(self) -> Iterator[tuple[tuple[str, str], float]]:
        for feature in self.features:
            yield ("drift_psi", feature.name), feature.psi
            yield ("drift_beyond_chance", feature.name), float(feature.beyond_chance)
            yield ("drift_present_before", feature.name), feature.present_before
            yield ("drift_present_now", feature.name), feature.present_now
        for feed in self.feeds:
            yield ("feed_ratio", feed.name), feed.ratio
            yield ("feed_share", feed.name), feed.share
            if feed.day is not None:
                yield ("feed_day", feed.name), feed.day
            if feed.shift is not None:
                yield ("feed_shift", feed.name), feed.shift
        for prefix, found in (("", self.own), ("published_", self.published)):
            if found is not None:
                yield (f"{prefix}calibration_shift", "all"), found.shift
                yield (f"{prefix}calibration_shift_se", "all"), found.shift_se
                if found.slope is not None:
                    yield (f"{prefix}calibration_slope", "all"), found.slope
        for name, pair in (("late", self.late), ("early", self.early)):
            if pair is not None:
                yield (f"log_loss_change_{name}", "all"), pair.change
                yield (f"log_loss_change_{name}_se", "all"), pair.change_se
                yield ("published_log_loss", "all"), pair.before
        if self.offers is not None:
            yield from self.offers.figures()


def measure(
    model: HybridModel,
    last: LastRun | None,
    records: Records,
    counts: Iterable[FeedCount],
    as_of: datetime,
) -> Drift:
    """Measure a freshly trained model and today's records against the run in force."""
    at = as_of.timestamp()
    people = picture(model.parameters.space, records, at)
    feeds = (*reading_feeds(counts), *event_feeds(records.events, at))
    held = model.held_out
    own = calibration(held.rows, held.plain) if held else None
    if last is None:
        return Drift(people, feeds=feeds, own=own)
    features: list[FeatureDrift] = []
    if last.model is not None:
        features = compare(last.people, last.model.parameters.space, records, at)
    published, late, early = _compared(model, last, held)
    days = (at - last.as_of.timestamp()) / SECONDS_PER_DAY
    return Drift(
        people, tuple(features), feeds, last.figures, own, published, late, early, days=days
    )


def _compared(
    model: HybridModel, last: LastRun, held: HeldOut | None
) -> tuple[Calibration | None, Paired | None, Paired | None]:
    """Both runs on the held-out rows that the run in force can't have seen either."""
    if held is None or last.model is None:
        return None, None, None
    there = last.model.parameters
    if there.positives_only != model.parameters.positives_only:
        return None, None, None
    new = since(held, last.as_of.timestamp())
    if not len(new.rows):
        return None, None, None
    before = expected(there, new)
    late = paired(new.rows, expected(model.parameters, new), before)
    seen_no_more = last.as_of.timestamp() <= held.cut
    early = paired(new.rows, new.log_odds, before) if seen_no_more else None
    return calibration(new.rows, before), late, early


def since(held: HeldOut, at: float) -> HeldOut:
    """The held-out rows after an instant, of ``MOST_PEOPLE`` at most."""
    new = held.rows.at > at
    people = np.unique(held.rows.user[new])
    chosen = people[:: max(-(-len(people) // MOST_PEOPLE), 1)].astype(np.int64)
    places = np.flatnonzero(new & np.isin(held.rows.user, chosen))
    rows = held.rows.select(places)
    return replace(
        held,
        records=select_users(held.records, chosen),
        rows=replace(rows, user=np.searchsorted(chosen, rows.user).astype(np.int32)),
        plain=held.plain[places],
        log_odds=held.log_odds[places],
        popular=held.popular[places],
    )
