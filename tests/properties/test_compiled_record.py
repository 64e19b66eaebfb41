"""What is compiled gives what the same thing, said plainly, gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.dataset import Events, FloatArray, Observations
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY
from recommender.features import biometrics
from recommender.features.biometrics import MetricSlots, summarise
from recommender.models.fold_in import ITERATIONS, ActionFactors, Outcomes, fold_in
from recommender.outcomes import credit

DAYS = st.integers(0, 40).map(float)
readings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), DAYS, st.floats(1.0, 300.0)), max_size=25
)
deeds = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from(["impression", "complete", "view"]),
        DAYS,
        st.integers(-1, 2),
    ),
    max_size=30,
)
_SLOT = np.array([1, -1, 0, 2], np.int32)
_SLOTS = MetricSlots(
    ("a", "b", "c"), _SLOT, np.array([0.0, 90.0, -np.inf]), np.array([9.0, np.inf, 5.0]),
    np.array([2.0, 10.0, 1.0]), 3.0,
)  # fmt: skip


def _decayed(at: FloatArray, value: FloatArray, half_life_days: float) -> float:
    weight = 2.0 ** ((at - at[-1]) / half_life_days)
    return float((weight * value).sum() / weight.sum())


@settings(max_examples=150, deadline=None)
@given(readings, st.lists(DAYS, min_size=1, max_size=4))
def test_readings_are_summed_up_as_each_instant_saw_them(
    read: list[tuple[int, int, float, float]], instants: list[float]
) -> None:
    read.sort(key=lambda row: row[:3])
    user, metric, day, value = (np.array([row[i] for row in read]) for i in range(4))
    found = summarise(
        Observations(
            user.astype(np.int32), metric.astype(np.int32), value.astype(float),
            day.astype(float) * SECONDS_PER_DAY,
        ),
        3, _SLOTS, np.array(instants) * SECONDS_PER_DAY,
    )  # fmt: skip
    for moment, instant in enumerate(instants):
        for who in range(3):
            for which, slot in enumerate(_SLOT.tolist()):
                mine = [i for i, row in enumerate(read) if row[:2] == (who, which)]
                seen = [i for i in mine if read[i][2] <= instant]
                if slot < 0:
                    continue
                cell = found[moment, who, :, slot]
                if not seen:
                    assert np.isnan(cell[0])
                    assert not cell[1:].any()
                    continue
                level = _decayed(day[seen], value[seen], 3.0)
                slow = _decayed(day[seen], value[seen], biometrics.SLOW_HALF_LIFE_DAYS)
                old = [i for i in seen if read[i][2] < instant - biometrics.CHANGE_DAYS]
                change = level - value[old].mean() if old else 0.0
                np.testing.assert_allclose(
                    cell[[0, 2, 3]], [level, level - slow, change], rtol=1e-9, atol=1e-9
                )
    np.testing.assert_allclose(found[:, :, 1], _SLOTS.deviation(found[:, :, 0]))


@settings(max_examples=200, deadline=None)
@given(deeds, DAYS)
def test_each_completion_is_due_to_one_impression(
    done: list[tuple[int, int, str, float, int]], now: float
) -> None:
    done.sort(key=lambda row: (row[0], row[3], row[1], EVENT_CODES[row[2]]))
    n = len(done)
    events = Events(
        np.array([row[0] for row in done], np.int32),
        np.array([row[1] for row in done], np.int32),
        np.array([EVENT_CODES[row[2]] for row in done], np.int8),
        np.array([row[3] for row in done], float) * SECONDS_PER_DAY,
        np.array([row[4] for row in done], np.int64),
        np.full(n, np.nan), np.full(n, np.nan),
    )  # fmt: skip

    def due(row: int) -> int:
        user, action, kind, day, request = done[row]
        if kind != "complete" or day > now:
            return -1
        shown = [
            i for i, other in enumerate(done)
            if other[:3] == (user, action, "impression") and other[3] <= now
        ]  # fmt: skip
        own = [i for i in shown if request >= 0 and done[i][4] == request]
        before = [i for i in shown if done[i][3] <= day]
        chosen = own[0] if own else before[-1] if before else -1
        return chosen if chosen >= 0 and 0 <= day - done[chosen][3] <= 7 else -1

    assert credit(events, now * SECONDS_PER_DAY).tolist() == [due(row) for row in range(n)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 5))
def test_factors_are_those_of_the_closed_form(seed: int, n_rows: int, n: int) -> None:
    draws = np.random.default_rng(seed)
    half = draws.normal(size=(6, n, n)) * 0.3
    covariance, mean = half @ half.transpose(0, 2, 1), draws.normal(size=(6, n))
    factors = ActionFactors.of(mean, covariance, 1.0 + draws.random(n))
    user = np.sort(draws.integers(0, 4, n_rows))
    action, done = draws.integers(0, 6, n_rows), draws.random(n_rows) < 0.4
    weight, offset = draws.random(n_rows), draws.normal(size=n_rows)
    found = fold_in(Outcomes(user, action, done * 1.0, weight, offset), 4, factors)
    second = covariance + mean[:, :, None] * mean[:, None, :]
    for who in range(4):
        m, s = np.zeros(n), np.diag(1.0 / factors.precision)
        mine = np.flatnonzero(user == who)
        for _ in range(ITERATIONS if len(mine) else 0):
            moments = np.einsum("rij,ij->r", second[action[mine]], s + np.outer(m, m))
            c = np.sqrt(offset[mine] * (offset[mine] + 2 * mean[action[mine]] @ m) + moments)
            omega = weight[mine] * np.tanh(c / 2) / (2 * c)
            pull = weight[mine] * (done[mine] - 0.5) - omega * offset[mine]
            s = np.linalg.inv(
                np.diag(factors.precision) + np.einsum("r,rij->ij", omega, second[action[mine]])
            )
            m = s @ (pull @ mean[action[mine]])
            np.testing.assert_array_less(0.0, c)
        np.testing.assert_allclose(found.mean[who], m, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.covariance[who], s, rtol=1e-9, atol=1e-12)
        if len(mine):
            np.testing.assert_allclose(found.pull[mine], pull, rtol=1e-9, atol=1e-12)
