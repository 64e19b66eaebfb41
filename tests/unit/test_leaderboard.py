"""The leaderboard's figures against sums by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from histories import (
    ACTIONS,
    CATALOGUE,
    END,
    METRICS,
    SPLIT,
    by_scores,
    history,
    random_matrix,
    relevance,
)

from recommender import quality
from recommender.dataset import Records
from recommender.domain import (
    MetricsList,
)
from recommender.leaderboard import board, held_out, tally
from recommender.leaderboard.baselines import baselines
from recommender.leaderboard.board import CALIBRATION, judge, leaderboard
from recommender.leaderboard.curves import reliability
from recommender.leaderboard.entrants import model_entrant, single_parts
from recommender.leaderboard.held_out import HeldOut, hold_out
from recommender.leaderboard.replay import replay
from recommender.leaderboard.segments import changed_readings, groups, segments
from recommender.models import hybrid


@pytest.fixture(scope="module")
def records() -> Records:
    return history()


@pytest.fixture(scope="module")
def held(records: Records) -> HeldOut:
    return hold_out(records, SPLIT, END, seed=0)


@pytest.fixture(scope="module")
def model(held: HeldOut) -> hybrid.HybridModel:
    return hybrid.fit(held.past, CATALOGUE, METRICS, SPLIT)


def test_ranking_figures_agree_with_sums_over_the_whole_matrix(held: HeldOut) -> None:
    matrix, wanted = random_matrix(held), relevance(held)
    found = tally.catalogue_tally(held, replay(held, by_scores(matrix).scores, ACTIONS, 0))
    some = wanted.sum(axis=1) > 0
    assert tally.mean(found["ndcg_at_10"]) == pytest.approx(
        quality.ndcg_at_k(wanted[some], matrix[some]).mean()
    )
    assert tally.mean(found["recall_at_10"]) == pytest.approx(
        quality.recall_at_k(wanted[some] > 0, matrix[some]).mean()
    )
    precision = []
    for row, scores in zip(wanted[some], matrix[some], strict=True):
        hits = row[np.argsort(-scores)]
        precision.append(float(np.sum(np.cumsum(hits) * hits / np.arange(1, ACTIONS + 1))))
        precision[-1] /= float(hits.sum())
    assert tally.mean(found["map"]) == pytest.approx(np.mean(precision))
    best = np.argsort(-matrix, axis=1)[:, :10]
    hit = np.take_along_axis(wanted, best, axis=1)[some].max(axis=1)
    assert tally.mean(found["hit_rate_at_10"]) == pytest.approx(hit.mean())


def test_figures_of_impressions_agree_with_quality(held: HeldOut) -> None:
    matrix, rows = random_matrix(held), held.rows
    scores = matrix[rows.user, rows.action]
    one = judge(held, by_scores(matrix, probability=True), ACTIONS, 0)
    line = board.sampled(held, one.tallies, one.replayed.row_score, 0)
    p = 1 / (1 + np.exp(-scores))
    assert one.replayed.row_score == pytest.approx(scores)
    assert line["log_loss"][0] == pytest.approx(quality.log_loss(rows.completed, p, rows.weight))
    assert line["brier"][0] == pytest.approx(quality.brier(rows.completed, p, rows.weight))
    assert line[CALIBRATION][0] == pytest.approx(
        quality.expected_calibration_error(rows.completed, p, rows.weight)
    )
    gains = quality.ndcg_by_user(rows.user, scores, rows.completed)[1]
    assert line["shown_ndcg_at_10"][0] == pytest.approx(gains.mean())


def test_uniform_propensities_leave_recall_as_it_is(held: HeldOut) -> None:
    replayed = replay(held, by_scores(random_matrix(held)).scores, ACTIONS, 0)
    found = tally.corrected_tally(held, replayed, ACTIONS)["corrected_recall_at_10"]
    done = held.rows.completed
    best = np.zeros((len(held.users), ACTIONS), bool)
    np.put_along_axis(best, replayed.top[:, :10], True, axis=1)
    hits = best[held.rows.user[done], held.rows.action[done]]
    assert tally.mean(found) == pytest.approx(hits.mean())


def test_rarely_shown_actions_count_as_much_as_often_shown_ones(held: HeldOut) -> None:
    """Two ways to the same completions: one in a hundred slates weighs ten times one in ten."""
    rare = held.rows.action == 3
    skewed = replace(held, propensity=np.where(rare, 0.01, 0.1))
    only = np.zeros((len(held.users), ACTIONS))
    only[:, 3] = 1.0
    replayed = replay(skewed, by_scores(only).scores, ACTIONS, 0)
    first = replace(replayed, ranks=np.where(held.pair_action == 3, 1, 99))
    found = tally.mean(tally.corrected_tally(skewed, first, ACTIONS)["corrected_recall_at_10"])
    done = held.rows.completed
    ours, others = (done & rare).sum() * 10.0, (done & ~rare).sum()
    assert found == pytest.approx(ours / (ours + others))


def test_completions_without_propensity_are_not_corrected(held: HeldOut) -> None:
    bare = replace(held, propensity=np.full(len(held.rows), np.nan))
    replayed = replay(bare, by_scores(random_matrix(held)).scores, ACTIONS, 0)
    assert tally.corrected_tally(bare, replayed, ACTIONS) == {}


def test_the_hybrid_beats_chance_and_comparisons_are_paired(
    held: HeldOut, model: hybrid.HybridModel
) -> None:
    parts = single_parts(model, held, CATALOGUE, METRICS, 0)
    entrants = [*parts, model_entrant(model, held)]
    twin = replace(entrants[-1], name="twin")
    chance = next(iter(baselines(held, CATALOGUE, 0)))
    judged = [judge(held, e, ACTIONS, 0) for e in (chance, twin, *entrants)]
    lines = {line.name: line for line in leaderboard(held, judged, ACTIONS, 0)}
    for name, lead in lines["twin"].hybrid_minus.items():
        assert (lead.value, lead.low, lead.high) == (0.0, 0.0, 0.0), name
    assert lines["random"].hybrid_minus["shown_ndcg_at_10"].low > 0
    assert lines["random"].hybrid_minus["log_loss"].high < 0
    assert lines["hybrid"].hybrid_minus == {}
    for line in lines.values():
        for name, value in line.figures.items():
            if np.isfinite(value.low):
                assert value.low <= value.value <= value.high, (line.name, name)


def test_more_people_narrow_the_interval() -> None:
    widths = []
    for people in (60, 240):
        held = hold_out(history(people=people), SPLIT, END, 0)
        one = judge(held, by_scores(random_matrix(held)), ACTIONS, 0)
        drawn = board.sampled(held, one.tallies, one.replayed.row_score, 0)["ndcg_at_10"][1]
        widths.append(np.quantile(drawn, 0.975) - np.quantile(drawn, 0.025))
    assert widths[1] < 0.7 * widths[0]


def test_groups_are_who_they_say(held: HeldOut) -> None:
    people = held_out.judged_records(held, np.arange(len(held.users)))
    found = {(family, name): members for family, name, members in groups(people, METRICS, SPLIT)}
    place = held.users
    np.testing.assert_array_equal(found["history", "nothing yet"], place % 10 == 0)
    changed = found["readings", "changed in the last 14 days"]
    np.testing.assert_array_equal(changed, place % 3 == 0)
    np.testing.assert_array_equal(found["condition", "type 2 diabetes"], place % 2 == 0)
    for family in ("history", "readings"):
        together = [m for (f, _), m in found.items() if f == family]
        np.testing.assert_array_equal(np.sum(together, axis=0), np.ones(len(place)))


def test_a_metric_without_a_target_changes_nothing(records: Records) -> None:
    open_ended = MetricsList((replace(METRICS.metrics[0], target_low=None),))
    repeated, changed = changed_readings(records, open_ended, SPLIT)
    assert not repeated.any()
    assert not changed.any()


def test_segments_compare_with_everybody_else(held: HeldOut) -> None:
    better = held.users % 2 == 0
    matrix = np.where(better[:, None], relevance(held), random_matrix(held))
    good = judge(held, by_scores(matrix), ACTIONS, 0)
    poor = judge(held, by_scores(random_matrix(held, 5)), ACTIONS, 0)
    found = segments(held, METRICS, good.tallies, poor.tallies, 0)
    assert all(segment.people >= 20 for segment in found)
    sick = next(s for s in found if s.group == "type 2 diabetes")
    well = next(s for s in found if s.group == "none recorded")
    assert sick.hybrid["ndcg_at_10"].value == pytest.approx(1.0)
    assert sick.gap["ndcg_at_10"].low > 0
    assert well.gap["ndcg_at_10"].value == pytest.approx(-sick.gap["ndcg_at_10"].value)
    apart = sick.hybrid["ndcg_at_10"].value - well.hybrid["ndcg_at_10"].value
    assert sick.gap["ndcg_at_10"].value == pytest.approx(apart)
    assert sick.lead["ndcg_at_10"].low > 0
    assert "nothing yet" not in {s.group for s in found}  # fourteen people


def test_reliability_adds_up_to_all_impressions(held: HeldOut) -> None:
    points = reliability(held, random_matrix(held)[held.rows.user, held.rows.action])
    assert sum(point.impressions for point in points) == len(held.rows)
    assert all(point.low <= point.observed <= point.high for point in points)
    assert [p.predicted for p in points] == sorted(p.predicted for p in points)
