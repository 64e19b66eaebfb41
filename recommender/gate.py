"""Whether a freshly trained run may be published."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recommender.drift.feeds import LEAST_A_DAY, FeedDrift
from recommender.drift.measure import Drift
from recommender.drift.outcomes import Calibration, Paired
from recommender.drift.people import FeatureDrift
from recommender.gate_offers import SURE_SE, offers_reasons, some, unscored
from recommender.settings import GateLimits

Figures = Mapping[str, float]

MARGIN_SE = 1.645
"""How many standard errors worse a candidate must be before chance is ruled out (one side, 5 %)."""
NEGLIGIBLE_LOSS = 0.001
"""Log loss that makes no difference to anyone, such as where everything shown is completed."""

WHAT_TO_DO = (
    "The run in force stays. Mend the cause and train again or, if all is as it should be, "
    "`recommender train --force`"
)

_LOG = logging.getLogger("recommender.gate")
_LEAST_FEATURES = 3
_WORTH_MISSING = 0.05


@dataclass(frozen=True)
class GateDecision:
    """Outcome: ``reasons`` is empty where the candidate may be published."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True if nothing speaks against publishing."""
        return not self.reasons

    def message(self, force: bool) -> str:
        """What the run's record keeps of it."""
        if self.passed:
            return "passed the gate"
        reasons = "; ".join(self.reasons)
        return forced_message(reasons) if force else f"{reasons}. {WHAT_TO_DO}"


def forced_message(message: str) -> str:
    """What the record keeps of a run that is published although it was held back."""
    return f"published by force: {message.removesuffix(f'. {WHAT_TO_DO}')}"


def log_overruled(run_id: str, command: str, message: str) -> None:
    """Leave a line in the log that a run was published although the gate held it back.

    Parameters
    ----------
    command
        What was given to overrule the gate; that no account is named keeps the log free of people.
    message
        ``forced_message``.
    """
    _LOG.warning("gate overruled by `%s`, run %s: %s", command, run_id, message)


def decide(
    candidate: Figures,
    published: Figures | None,
    drift: Drift | None = None,
    limits: GateLimits | None = None,
) -> GateDecision:
    """Compare a candidate with popularity and with the published run, and today with then.

    Parameters
    ----------
    candidate
        Held-out figures of this run: ``hybrid_log_loss``, ``popularity_log_loss``,
        ``log_loss_gain_se`` (standard error of the mean difference popularity - hybrid over
        people), ``hybrid_ndcg_at_10``, ``popularity_ndcg_at_10``, ``hybrid_ece``. Empty if
        there was too little data to hold any out.
    published
        The same of the run in force, each measured on its own last days, or None.
    drift
        What changed since the run in force was trained; only looked at if there is one, but for
        people without a score.
    limits
        The settings' defaults if None.
    """
    limits = limits or GateLimits.model_construct()
    reasons = [*_against_popularity(candidate, limits)]
    offers = drift.offers if drift else None
    if offers is not None:
        reasons += unscored(offers, limits)
    if published is not None:
        reasons += _against_published(candidate, published, drift, limits)
        if drift is not None:
            reasons += _outcomes(drift, limits)
            reasons += _features(drift.features, limits)
            reasons += _feeds(drift, limits)
            if offers is not None:
                reasons += offers_reasons(offers, drift.before, limits, drift.days)
    return GateDecision(tuple(reasons))


def _against_popularity(candidate: Figures, limits: GateLimits) -> Iterator[str]:
    if not candidate:
        return
    worse = candidate["hybrid_log_loss"] - candidate["popularity_log_loss"]
    chance = MARGIN_SE * candidate.get("log_loss_gain_se", 0.0)
    tolerated = min(chance, limits.gate_log_loss * candidate["popularity_log_loss"])
    if worse > max(tolerated, NEGLIGIBLE_LOSS):
        yield (
            f"log loss on held-out days {candidate['hybrid_log_loss']:.4f} is worse than "
            f"popularity's {candidate['popularity_log_loss']:.4f}"
        )
    if candidate["hybrid_ece"] > limits.gate_calibration_error:
        yield (
            f"calibration error on held-out days {candidate['hybrid_ece']:.3f} is above "
            f"{limits.gate_calibration_error:g}"
        )


def _against_published(
    candidate: Figures, published: Figures, drift: Drift | None, limits: GateLimits
) -> Iterator[str]:
    """On the same rows where there are enough that both have not seen, else by gains.

    Without them two runs' held-out days differ, and the newer days may simply be harder. Each run
    is then compared by its gain over popularity on its own days, which cancels most of that.
    """
    early, late = (drift.early, drift.late) if drift else (None, None)
    worse = next((pair for pair in (early, late) if pair and _clearly_worse(pair, limits)), None)
    if worse:
        yield (
            f"log loss on the days since the published run is {worse.change:.4f} (standard error "
            f"{worse.change_se:.4f}) above the published run's {worse.before:.4f} on the same rows"
        )
    if early or not candidate or "hybrid_log_loss" not in published:
        return
    chance = MARGIN_SE * candidate.get("log_loss_gain_se", 0.0)
    lost = (_gain(published) - _gain(candidate)) * candidate["popularity_log_loss"]
    tolerated = limits.gate_log_loss * candidate["popularity_log_loss"]
    if lost > max(tolerated, chance, NEGLIGIBLE_LOSS):
        yield f"gain over popularity fell from {_gain(published):.1%} to {_gain(candidate):.1%}"


def _clearly_worse(pair: Paired, limits: GateLimits) -> bool:
    chance = MARGIN_SE * pair.change_se
    return pair.change > max(limits.gate_log_loss * pair.before, chance, NEGLIGIBLE_LOSS)


def _gain(figures: Figures) -> float:
    """Share of popularity's log loss that the hybrid removes."""
    return 1.0 - figures["hybrid_log_loss"] / max(figures["popularity_log_loss"], NEGLIGIBLE_LOSS)


def _outcomes(drift: Drift, limits: GateLimits) -> Iterator[str]:
    checked: tuple[tuple[str, Calibration | None], ...] = (
        ("on held-out days people complete", drift.own),
        ("since the published run people complete", drift.published),
    )
    for words, found in checked:
        if found is None or abs(found.shift) <= limits.gate_calibration_shift:
            continue
        sure = abs(found.shift) > SURE_SE * found.shift_se
        if sure and not _known("calibration_shift", "all", found.shift, drift, limits):
            side = "less" if found.shift < 0 else "more"
            yield (
                f"{words} far {side} than expected: calibration is off by {found.shift:+.2f} in "
                f"log-odds (limit {limits.gate_calibration_shift:g}); do completions arrive, and "
                "arrive once?"
            )
            return


def _known(name: str, group: str, shift: float, drift: Drift, limits: GateLimits) -> bool:
    """Whether the published run had such a shift, too, and so was published in spite of it."""
    largest = {
        "calibration_shift": limits.gate_calibration_shift,
        "feed_shift": limits.gate_feed_shift,
    }
    before = drift.before.get((name, group), 0.0)
    return abs(before) > largest[name] and before * shift > 0


def _fell_silent(feed: FeedDrift, drift: Drift, limits: GateLimits) -> bool:
    """Whether the last day brought far less than the published run's, which may be little.

    Where records arrive late, the last day is never complete; but as late on every night.
    """
    arrived = min(drift.before.get(("feed_day", feed.name), 0.0), 1.0)
    enough = feed.usual_day * arrived >= LEAST_A_DAY
    return feed.day is not None and enough and feed.day < limits.gate_feed_ratio * arrived


def _features(features: tuple[FeatureDrift, ...], limits: GateLimits) -> Iterator[str]:
    shifted = sorted(
        (one for one in features if one.beyond_chance and one.psi > limits.gate_psi),
        key=lambda one: -one.psi,
    )
    extreme = [one for one in shifted if one.psi > limits.gate_psi_single]
    many = max(limits.gate_psi_share * len(features), _LEAST_FEATURES)
    if extreme or len(shifted) >= many:
        named = some(f"{one.name} ({one.psi:.2f})" for one in shifted)
        yield (
            f"people look unlike those the published run was trained on: {len(shifted)} of "
            f"{len(features)} features have a stability index above {limits.gate_psi:g}: {named}; "
            "was a unit or a coding changed?"
        )
    gone = [
        one
        for one in features
        if one.present_before >= _WORTH_MISSING
        and one.present_now < (1.0 - limits.gate_vanished) * one.present_before
    ]
    if gone:
        named = some(
            f"{one.name} (of {one.present_before:.0%} of people, now of {one.present_now:.0%})"
            for one in gone
        )
        yield f"values have vanished: {named}; was a column renamed or dropped?"


def _feeds(drift: Drift, limits: GateLimits) -> Iterator[str]:
    """Feeds that were as usual when the published run was trained, and are no longer."""
    large = [feed for feed in drift.feeds if feed.share >= limits.gate_feed_share]
    meant_to_go_on = [feed for feed in large if not limits.expects_stop(feed.name)]
    silent = [
        feed
        for feed in meant_to_go_on
        if feed.ratio < limits.gate_feed_ratio
        and drift.before.get(("feed_ratio", feed.name), 0.0) >= limits.gate_feed_ratio
    ]
    if silent:
        named = some(f"{feed.name} ({feed.ratio:.0%})" for feed in silent)
        yield f"feeds stopped, records of the last 7 days against a usual week: {named}"
    gone = [feed for feed in meant_to_go_on if _fell_silent(feed, drift, limits)]
    if newly := [feed for feed in gone if feed not in silent]:
        named = some(f"{feed.name} ({feed.day or 0.0:.0%})" for feed in newly)
        yield f"feeds fell silent, records of the last day against the same day of a week: {named}"
    moved = [
        feed
        for feed in large
        if feed.shift is not None
        and abs(feed.shift) > limits.gate_feed_shift
        and not _known("feed_shift", feed.name, feed.shift, drift, limits)
    ]
    if moved:
        named = some(f"{feed.name} ({feed.shift:+.1f} standard deviations)" for feed in moved)
        yield f"new readings are unlike those before: {named}; was a unit changed?"
