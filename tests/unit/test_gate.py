from __future__ import annotations

from dataclasses import replace

import pytest

from recommender.drift.feeds import FeedDrift
from recommender.drift.measure import Drift
from recommender.drift.outcomes import Calibration, Paired
from recommender.drift.people import FeatureDrift
from recommender.gate import GateDecision, decide, forced_message
from recommender.settings import GateLimits

GOOD = {
    "hybrid_log_loss": 0.30,
    "popularity_log_loss": 0.34,
    "log_loss_gain_se": 0.005,
    "hybrid_ndcg_at_10": 0.6,
    "popularity_ndcg_at_10": 0.5,
    "hybrid_ece": 0.01,
}


def test_a_first_run_better_than_popularity_is_published() -> None:
    assert decide(GOOD, None).passed


def test_a_run_worse_than_popularity_is_held_back() -> None:
    decision = decide(GOOD | {"hybrid_log_loss": 0.36}, None)
    assert not decision.passed
    assert "popularity" in decision.reasons[0]


def test_a_tie_within_chance_is_no_reason_to_hold_back() -> None:
    assert decide(GOOD | {"hybrid_log_loss": 0.3405}, None).passed


def test_a_run_that_lost_what_the_published_one_gained_is_held_back() -> None:
    decision = decide(GOOD | {"hybrid_log_loss": 0.339}, GOOD)
    assert not decision.passed
    assert "fell from" in decision.reasons[0]


def test_harder_days_alone_do_not_hold_a_run_back() -> None:
    harder = GOOD | {"hybrid_log_loss": 0.45, "popularity_log_loss": 0.51}
    assert decide(harder, GOOD).passed


def test_bad_calibration_is_held_back() -> None:
    assert not decide(GOOD | {"hybrid_ece": 0.2}, None).passed


def test_without_anything_held_out_there_is_nothing_to_compare() -> None:
    assert decide({}, GOOD).passed


def test_where_everything_is_completed_a_negligible_loss_is_no_reason() -> None:
    trivial = GOOD | {
        "hybrid_log_loss": 0.0002,
        "popularity_log_loss": 0.0,
        "log_loss_gain_se": 0.0,
    }
    assert decide(trivial, None).passed
    assert decide(trivial, trivial).passed


STILL = tuple(FeatureDrift(f"profile:f{i}", 0.01, False, 1.0, 1.0) for i in range(20))
NO_DRIFT = Drift(
    (),
    STILL,
    (FeedDrift("steps/watch", 0.5, 1.0, 0.0), FeedDrift("event/complete", 0.1, 1.1, None)),
    {("feed_ratio", "steps/watch"): 1.0, ("feed_ratio", "event/complete"): 1.0},
    Calibration(0.1, 0.05, 0.9),
    Calibration(-0.1, 0.05, 1.1),
    Paired(0.001, 0.001, 0.3),
)


def shifted(psi: float, how_many: int = 1) -> tuple[FeatureDrift, ...]:
    moved = (replace(one, psi=psi, beyond_chance=True) for one in STILL[:how_many])
    return (*moved, *STILL[how_many:])


def feed(ratio: float = 1.0, shift: float | None = 0.0, share: float = 0.5) -> Drift:
    return replace(NO_DRIFT, feeds=(FeedDrift("steps/watch", share, ratio, shift),))


def test_small_changes_hold_nothing_back() -> None:
    assert decide(GOOD, GOOD, NO_DRIFT).passed


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (replace(NO_DRIFT, features=shifted(1.1)), "profile:f0 (1.10)"),
        (replace(NO_DRIFT, features=shifted(0.3, 5)), "5 of 20 features"),
        (
            replace(NO_DRIFT, features=(replace(STILL[0], present_now=0.1),)),
            "profile:f0 (of 100% of people, now of 10%)",
        ),
        (feed(ratio=0.2), "steps/watch (20%)"),
        (feed(shift=-1.5), "steps/watch (-1.5 standard deviations)"),
        (replace(NO_DRIFT, own=Calibration(-0.9, 0.1, None)), "far less than expected"),
        (replace(NO_DRIFT, published=Calibration(0.9, 0.1, None)), "far more than expected"),
        (replace(NO_DRIFT, late=Paired(0.02, 0.005, 0.3)), "on the same rows"),
        (replace(NO_DRIFT, early=Paired(0.02, 0.005, 0.3)), "on the same rows"),
    ],
)
def test_each_kind_of_drift_holds_back(drift: Drift, said: str) -> None:
    [reason] = decide(GOOD, GOOD, drift).reasons
    assert said in reason
    assert decide(GOOD, None, drift).passed


@pytest.mark.parametrize(
    "drift",
    [
        replace(NO_DRIFT, features=shifted(0.9)),
        replace(NO_DRIFT, features=shifted(0.3, 4)),
        replace(NO_DRIFT, features=(replace(STILL[0], psi=9.0),)),
        replace(NO_DRIFT, features=(replace(STILL[0], present_before=0.04, present_now=0.0),)),
        feed(ratio=0.3),
        feed(ratio=0.0, share=0.01),
        feed(shift=0.9),
        replace(feed(ratio=0.0), before={("feed_ratio", "steps/watch"): 0.1}),
        replace(feed(ratio=0.0), before={}),
        replace(feed(shift=3.0), before={("feed_shift", "steps/watch"): 2.0}),
        replace(NO_DRIFT, own=Calibration(-0.9, 0.6, None)),
        replace(
            NO_DRIFT, own=Calibration(-0.9, 0.1, None), before={("calibration_shift", "all"): -0.8}
        ),
        replace(NO_DRIFT, late=Paired(0.02, 0.02, 0.3)),
        replace(NO_DRIFT, late=Paired(0.005, 0.001, 0.3)),
    ],
)
def test_what_is_within_limits_chance_or_accepted_passes(drift: Drift) -> None:
    assert decide(GOOD, GOOD, drift).reasons == ()


def test_what_is_shown_again_but_the_other_way_round_is_no_longer_accepted() -> None:
    drift = replace(feed(shift=3.0), before={("feed_shift", "steps/watch"): -2.0})
    assert not decide(GOOD, GOOD, drift).passed


def test_same_rows_tell_more_than_gains() -> None:
    lost = GOOD | {"hybrid_log_loss": 0.339}
    fair = replace(NO_DRIFT, early=Paired(-0.01, 0.001, 0.3))
    assert decide(lost, GOOD, fair).passed
    assert not decide(lost, GOOD, NO_DRIFT).passed


def test_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMMENDER_GATE_FEED_RATIO", "0.1")
    assert not decide(GOOD, GOOD, feed(ratio=0.2)).passed
    assert decide(GOOD, GOOD, feed(ratio=0.2), GateLimits()).passed


def test_a_message_says_what_to_do_until_it_was_done() -> None:
    held = GateDecision(("worse",)).message(force=False)
    assert held.startswith("worse. ")
    assert "train --force" in held
    assert forced_message(held) == GateDecision(("worse",)).message(force=True)
    assert forced_message(held) == "published by force: worse"
