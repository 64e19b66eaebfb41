"""Figures of groups are those of their people alone, and small groups are not there."""

from __future__ import annotations

import numpy as np
import pytest
from histories import CATALOGUE, END, METRICS, history

from recommender import quality
from recommender.model_card.groups import GroupFigures, figures_by_segment, group_figures
from recommender.models import hybrid
from recommender.models.holdout import HeldOut


@pytest.fixture(scope="module")
def held() -> HeldOut:
    found = hybrid.fit(history(), CATALOGUE, METRICS, END).held_out
    assert found is not None
    return found


@pytest.fixture(scope="module")
def judged(held: HeldOut) -> dict[str, GroupFigures]:
    return {one.segment: one for one in group_figures(held, METRICS)}


def test_everybody_has_the_figures_of_the_run(
    held: HeldOut, judged: dict[str, GroupFigures]
) -> None:
    p = 1 / (1 + np.exp(-held.log_odds))
    loss = quality.log_loss(held.rows.completed, p, held.rows.weight)
    everybody = judged["all"].figures
    assert everybody["hybrid_log_loss"][0] == pytest.approx(loss)
    _, gain = quality.ndcg_by_user(held.rows.user, held.log_odds, held.rows.completed)
    assert everybody["hybrid_ndcg_at_10"] == pytest.approx(
        (gain.mean(), quality.standard_error(gain)), rel=1e-6
    )
    error = quality.clustered_se(
        held.rows.user,
        quality.pointwise_log_loss(held.rows.completed, p) * held.rows.weight,
        held.rows.weight,
    )
    assert everybody["hybrid_log_loss"][1] == pytest.approx(error)


def test_a_group_has_the_figures_of_its_rows(
    held: HeldOut, judged: dict[str, GroupFigures]
) -> None:
    mine = held.rows.user % 2 == 0  # who has the condition, see histories.py
    group = judged["condition: type 2 diabetes"]
    assert group.rows == mine.sum()
    assert group.people == len(np.unique(held.rows.user[mine]))
    weight = held.rows.weight[mine]
    observed = (weight @ held.rows.completed[mine]) / weight.sum()
    assert group.figures["observed_rate"][0] == pytest.approx(observed)


def test_small_groups_are_left_out(judged: dict[str, GroupFigures]) -> None:
    # One in ten came after the split only: fourteen people, too few to be shown.
    assert "history: nothing yet" not in judged
    assert all(one.people >= 20 for one in judged.values())
    assert {"sex: female", "sex: male", "condition: none recorded"} <= set(judged)
    assert {segment for _, segment in figures_by_segment(judged.values())} == set(judged)
