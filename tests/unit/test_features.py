from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recommender.dataset import Events, Observations, Records, Users
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Action, Catalogue, Metric, MetricsList
from recommender.features import behaviour, biometrics
from recommender.features.actions import fit_action_space
from recommender.features.space import fit_space, snapshot_days, snapshot_of, user_matrix

NOW = 1_700_000_000.0
METRICS = MetricsList(
    (
        Metric("weight", "weight", (), "kg", 20, 400, 30),
        Metric("systolic_bp", "pressure", (), "mm[Hg]", 50, 300, 30, (), None, 120.0, 20.0),
    )
)


def readings(*rows: tuple[int, int, float, float]) -> Observations:
    """Rows of (user, metric, value, days ago)."""
    user, metric, value, ago = (np.array(column) for column in zip(*rows, strict=True))
    at = NOW - ago * SECONDS_PER_DAY
    return Observations(user.astype(np.int32), metric.astype(np.int32), value.astype(float), at)


def events(*rows: tuple[int, int, str, float]) -> Events:
    """Rows of (user, action, kind, days ago)."""
    user, action, kind, ago = zip(*rows, strict=True)
    n = len(rows)
    return Events(
        np.array(user, np.int32),
        np.array(action, np.int32),
        np.array([EVENT_CODES[k] for k in kind], np.int8),
        NOW - np.array(ago) * SECONDS_PER_DAY,
        np.full(n, -1),
        np.full(n, np.nan),
        np.full(n, np.nan),
    )


def people(n: int, **attributes: list[object]) -> Users:
    columns = {}
    for name, values in attributes.items():
        columns[name] = np.empty(n, object)
        columns[name][:] = values
    return Users(
        np.array([f"u{i:03d}" for i in range(n)], object),
        NOW - np.linspace(20, 70, n) * 365.25 * SECONDS_PER_DAY,
        np.arange(n, dtype=np.int8) % 3,
        np.zeros(0, np.int32),
        np.zeros(0, object),
        columns,
    )


def crowd(n: int = 40, **attributes: list[object]) -> Records:
    rows = [(i, 1, 100.0 + i * 17 % 41, ago) for i in range(n) for ago in (40.0, 9.0, 1.0)]
    return Records(people(n, **attributes), events((0, 0, "impression", 1.0)), readings(*rows))


def test_readings_of_nobody_are_refused() -> None:
    slots = biometrics.MetricSlots.of(("systolic_bp",), METRICS)
    for user in (-1, 1):
        with pytest.raises(IndexError, match="of nobody"):
            biometrics.summarise(readings((user, 1, 120.0, 1.0)), 1, slots, np.array([NOW]))


class TestReadings:
    slots = biometrics.MetricSlots.of(("systolic_bp",), METRICS)

    def summary(self, observations: Observations, at: float = NOW) -> dict[str, float]:
        out = biometrics.summarise(observations, 1, self.slots, np.array([at]))
        return dict(zip(biometrics.SUMMARIES, out[0, 0, :, 0].tolist(), strict=True))

    def test_level_halves_the_weight_of_a_reading_two_days_before_the_latest(self) -> None:
        seen = self.summary(readings((0, 1, 100.0, 12.0), (0, 1, 130.0, 10.0)))
        assert seen["level"] == pytest.approx((130 + 100 / 2) / 1.5)

    def test_deviation_is_in_steps_beyond_the_target(self) -> None:
        assert self.summary(readings((0, 1, 150.0, 1.0)))["deviation"] == pytest.approx(1.5)
        assert self.summary(readings((0, 1, 119.0, 1.0)))["deviation"] == 0

    def test_change_compares_with_what_was_before_the_last_fortnight(self) -> None:
        seen = self.summary(readings((0, 1, 100.0, 60.0), (0, 1, 150.0, 1.0)))
        assert seen["change"] == pytest.approx(seen["level"] - 100)
        assert self.summary(readings((0, 1, 100.0, 5.0), (0, 1, 150.0, 1.0)))["change"] == 0

    def test_nothing_after_the_instant_counts(self) -> None:
        both = readings((0, 1, 100.0, 5.0), (0, 1, 180.0, 1.0))
        assert self.summary(both, NOW - 2 * SECONDS_PER_DAY)["level"] == 100

    def test_a_level_nobody_measured_is_unknown(self) -> None:
        assert np.isnan(self.summary(readings((0, 0, 80.0, 1.0)))["level"])


class TestUserVector:
    def test_levels_and_attributes_become_features_by_themselves(self) -> None:
        n = 40
        space = fit_space(
            crowd(
                n,
                steps_goal=[float(i) for i in range(n)],
                plan=["gold" if i % 2 else "free" for i in range(n)],
                hobbies=[["chess", "golf"] if i % 3 else ["golf"] for i in range(n)],
                smoker=[i % 2 == 0 for i in range(n)],
                note=[f"free text {i}" for i in range(n)],
            ),
            METRICS,
            NOW,
        )
        assert {
            "profile:age", "profile:sex=female", "profile:steps_goal", "profile:plan=free",
            "profile:hobbies=chess", "biometrics:systolic_bp:level",
            "biometrics:systolic_bp:deviation",
        } <= set(space.names)  # fmt: skip
        assert not any("note" in name or "weight" in name for name in space.names)

    def test_one_person_alone_has_the_same_vector(self) -> None:
        from recommender.dataset import take_users

        records = crowd(plan=["gold" if i % 2 else None for i in range(40)])
        space = fit_space(records, METRICS, NOW)
        instants = NOW - np.array([0.0, 20.0]) * SECONDS_PER_DAY
        every = user_matrix(space, records, instants)
        for user in (0, 7, 39):
            alone = user_matrix(space, take_users(records, user, user + 1), instants)
            np.testing.assert_allclose(alone[:, 0], every[:, user], atol=1e-12)

    def test_values_far_out_are_clipped(self) -> None:
        records = crowd()
        space = fit_space(records, METRICS, NOW)
        wild = replace(records.observations, value=records.observations.value * 1e6)
        calm = user_matrix(space, records, np.array([NOW]))
        far = user_matrix(space, replace(records, observations=wild), np.array([NOW]))
        assert np.abs(far - calm).max() <= 8

    @pytest.mark.parametrize("idle_days", [0, 5, 200])
    def test_a_snapshot_is_never_later_than_the_row(self, idle_days: int) -> None:
        ages = np.array([0.0, 0.5, 1.0, 6.0, 29.0, 201.5, 2000.0])
        snapshots = snapshot_days(idle_days)
        assert (snapshots[snapshot_of(ages, snapshots)] >= ages).all()

    def test_snapshots_are_dense_where_the_log_ended(self) -> None:
        snapshots = snapshot_days(200)
        ages = np.array([0.5, 203.0, 210.0])
        assert snapshots[snapshot_of(ages, snapshots)].tolist() == [1.0, 203.0, 214.0]


class TestBehaviour:
    domain = np.array([0, 0, 1], np.int32)

    def at(self, history: Events, user: int, action: int, ago: float) -> dict[str, float]:
        past = behaviour.history(history, self.domain, 3, NOW)
        row = behaviour.row_features(
            past,
            np.array([user]),
            np.array([action]),
            past.clock(np.array([NOW - ago * SECONDS_PER_DAY])),
            0.2,
        )
        names = [n for level in ("action", "domain", "user") for n in behaviour.names(level)]
        return dict(zip(names, row[0].tolist(), strict=True))

    def test_counts_are_strictly_before_and_within_the_window(self) -> None:
        seen = self.at(
            events((0, 0, "impression", 9.9), (0, 0, "impression", 5.5), (0, 0, "impression", 3.0)),
            0, 0, 3.0,
        )  # fmt: skip
        assert seen["behaviour:action:recent_impressions"] == pytest.approx(np.log(3))
        assert seen["behaviour:action:last_days_impressions"] == 0

    def test_levels_are_kept_apart(self) -> None:
        log = events((0, 0, "complete", 2.0), (0, 2, "complete", 2.0), (1, 1, "complete", 2.0))
        seen = self.at(log, 0, 1, 0.0)
        assert seen["behaviour:action:recent_completions"] == 0
        assert seen["behaviour:domain:recent_completions"] == pytest.approx(np.log(2))
        assert seen["behaviour:user:recent_completions"] == pytest.approx(np.log(3))

    def test_whoever_did_nothing_has_none(self) -> None:
        assert set(self.at(events((1, 0, "complete", 2.0)), 0, 0, 0.0).values()) == {0.0}

    def test_completion_rate_rises_above_the_overall_one_with_completions(self) -> None:
        log = events((0, 0, "impression", 3.0), (0, 0, "complete", 2.0))
        name = "behaviour:action:completion_rate"
        assert self.at(log, 0, 0, 0.0)[name] == pytest.approx(np.log((1 / 0.2 + 3) / (1 + 3)))


def test_action_space_learns_attributes_and_reads_new_actions() -> None:
    actions = [
        Action(f"a{i}", "t", "sleep" if i % 2 else "diet", effort=1 + i % 3,
               attributes={"intensity": "high" if i < 4 else "low", "cost": float(i)})
        for i in range(8)
    ]  # fmt: skip
    space = fit_action_space(Catalogue(tuple(actions)))
    assert {"domain=sleep", "attribute:intensity=high", "attribute:cost", "effort"} <= set(
        space.names
    )
    new = space.encode([Action("new", "t", "unheard-of"), actions[0]])
    assert np.isfinite(new).all()
    assert (new[:, 0] == 1).all()
    assert not np.allclose(new[0], new[1])


def test_an_absurd_number_of_an_action_counts_as_the_farthest_that_counts() -> None:
    def priced(action_id: str, price: float) -> Action:
        return Action(action_id, "Walk", "activity", attributes={"price": price})

    catalogue = Catalogue(tuple(priced(f"a{i}", float(i)) for i in range(10)))
    space = fit_action_space(catalogue)
    far, absurd, usual = space.encode([priced("x", 1e3), priced("y", 1e300), priced("z", 5.0)])
    assert np.array_equal(far, absurd)
    assert not np.array_equal(far, usual)
    absurdly_trained = fit_action_space(Catalogue((*catalogue.actions, priced("z", 1e300))))
    assert np.isfinite(absurdly_trained.encode(catalogue.actions)).all()
