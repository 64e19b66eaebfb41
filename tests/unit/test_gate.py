from __future__ import annotations

from recommender.gate import decide

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
