"""The simulator: its files keep the contract, its structure is the documented one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import columns
from recommender.domain import EVENT_CODES
from recommender.errors import MalformedFileError, SettingsError
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.simulate import menu_of, simulate
from recommender.simulation.blocks import Block, Plan, blocks
from recommender.simulation.course import needs
from recommender.simulation.people import Population, load_population
from recommender.simulation.policy import draw_slates, slate_probabilities
from recommender.simulation.world import METRIC_INDEX, METRICS, TASTE_RANK, Strengths

END_AT = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 60
NOTHING = Strengths(
    base=-1.5, appeal=0, need=0, profile=0, taste=0, diligence=0, habit=0, fatigue=0, unsuited=0
)


@pytest.fixture(scope="module")
def population() -> Population:
    return load_population(data_path("sample/nhanes_adults.csv"))


@pytest.fixture(scope="module")
def plan(population: Population) -> Plan:
    return Plan(population, menu_of(120, seed=5), 3000, DAYS, seed=5, end_at=END_AT)


@pytest.fixture(scope="module")
def lived(plan: Plan) -> list[Block]:
    return list(blocks(plan))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated")
    simulate(400, 260, 45, seed=3, out_dir=out, end_at=END_AT, truth=True)
    return out


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, dtype=str)


def shown(lived: list[Block]) -> pd.DataFrame:
    frames = []
    for number, block in enumerate(lived):
        log = block.impressions
        frames.append(
            pd.DataFrame(
                {
                    "block": number,
                    "person": log.person,
                    "action": log.action,
                    "day": log.day,
                    "chance": log.chance,
                    "done": ~np.isnan(log.completed_day),
                    "completed_day": log.completed_day,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


# --- the files ---


def test_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        simulate(60, 150, 20, seed, tmp_path / name, end_at=END_AT, truth=True)
    for file in ("users.csv", "actions.csv", "events.csv", "observations.csv", "truth.parquet"):
        first = (tmp_path / "one" / file).read_bytes()
        assert first == (tmp_path / "again" / file).read_bytes()
        assert file == "actions.csv" or first != (tmp_path / "other" / file).read_bytes()


def test_more_people_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    simulate(40, 100, 20, 1, tmp_path / "few", end_at=END_AT)
    simulate(1040, 100, 20, 1, tmp_path / "many", end_at=END_AT)
    for file in ("users.csv", "events.csv", "observations.csv"):
        few = (tmp_path / "few" / file).read_bytes()
        assert few.count(b"\n") > 40
        assert (tmp_path / "many" / file).read_bytes().startswith(few)


def test_files_have_the_columns_of_the_contract(files: Path) -> None:
    assert list(read(files, "users"))[:4] == ["user_id", "birth_date", "sex", "conditions"]
    assert list(read(files, "events")) == [
        "event_id",
        "user_id",
        "action_id",
        "type",
        "occurred_at",
        "propensity",
        "request_id",
        "value",
        "context",
    ]
    assert list(read(files, "observations")) == [
        "observation_id",
        "user_id",
        "metric",
        "value",
        "unit",
        "observed_at",
        "source",
    ]
    wanted = {
        columns.ACTION_ID,
        columns.TITLE,
        columns.DOMAIN,
        columns.DESCRIPTION,
        columns.EFFORT,
        columns.MINUTES,
        columns.TARGETS,
        columns.TAGS,
        columns.REPEAT_AFTER_DAYS,
        columns.EVIDENCE,
    }
    assert wanted <= set(read(files, "actions"))


def test_instants_carry_an_offset_and_lie_before_the_end(files: Path) -> None:
    for name, column in (("events", "occurred_at"), ("observations", "observed_at")):
        text = read(files, name)[column]
        assert text.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
        assert (pd.to_datetime(text) < pd.Timestamp(END_AT)).all()


def test_records_are_identified_once_and_refer_to_known_people_and_actions(files: Path) -> None:
    users, actions = read(files, "users"), read(files, "actions")
    events, observations = read(files, "events"), read(files, "observations")
    assert users["user_id"].is_unique
    assert len(users) == 400
    assert actions["action_id"].is_unique
    assert len(actions) == 260
    assert events["event_id"].is_unique
    assert observations["observation_id"].is_unique
    assert set(events["user_id"]) <= set(users["user_id"])
    assert set(events["action_id"]) <= set(actions["action_id"])
    assert set(events["type"]) == set(EVENT_CODES)


def test_only_impressions_have_a_propensity_and_only_ratings_a_value(files: Path) -> None:
    events = read(files, "events")
    impression = events["type"] == "impression"
    propensity = events.loc[impression, "propensity"].astype(float)
    assert ((propensity > 0) & (propensity <= 1)).all()
    assert (events.loc[~impression, "propensity"] == "").all()
    assert events.loc[events["type"] == "rate", "value"].astype(float).between(1, 5).all()
    assert (events.loc[events["type"] != "rate", "value"] == "").all()
    assert events.loc[impression, "context"].map(json.loads).str["position"].between(1, 4).all()


def test_a_request_is_one_persons_slate_at_one_moment(files: Path) -> None:
    events = read(files, "events")
    slates = events[events["type"] == "impression"].groupby("request_id")
    assert (slates.size() == 4).all()
    assert (slates[["user_id", "occurred_at"]].nunique() == 1).all().all()
    assert (slates["action_id"].nunique() == 4).all()


def test_most_completions_name_their_request_and_come_within_seven_days(files: Path) -> None:
    events = read(files, "events")
    events["occurred_at"] = pd.to_datetime(events["occurred_at"])
    done = events[events["type"] == "complete"]
    linked = done[done["request_id"] != ""]
    assert 0.8 < len(linked) / len(done) < 0.95
    impressions = events[events["type"] == "impression"]
    both = linked.merge(impressions, on=["request_id", "action_id"], suffixes=("", "_shown"))
    assert len(both) == len(linked)
    delay = both["occurred_at"] - both["occurred_at_shown"]
    assert delay.min() > pd.Timedelta(minutes=1)
    assert pd.Timedelta(days=5) < delay.max() <= pd.Timedelta(days=7)


def test_every_simulated_reading_is_plausible_in_the_shipped_metrics(files: Path) -> None:
    metrics = load_metrics(data_path("metrics.toml"))
    observations = read(files, "observations")
    for (name, unit), readings in observations.groupby(["metric", "unit"]):
        metric = metrics.metrics[metrics.index[name]]
        factors = {other.unit: other.factor for other in metric.accepted} | {metric.unit: 1.0}
        value = readings["value"].astype(float) * factors[unit]
        assert value.between(metric.plausible_low, metric.plausible_high).all(), name


def test_birth_dates_agree_with_ages_and_some_people_are_new(lived: list[Block]) -> None:
    for block in lived:
        born = pd.to_datetime(pd.Series(block.people.born))
        had_birthday = (born.dt.month < 11) | ((born.dt.month == 11) & (born.dt.day == 1))
        assert (2026 - born.dt.year - ~had_birthday == block.people.age).all()
    silent = sum(
        block.users.num_rows - len(set(block.events["user_id"].to_pylist())) for block in lived
    )
    assert 0.05 < silent / 3000 < 0.25


def test_truth_has_the_probability_of_every_pair(files: Path) -> None:
    truth = pd.read_parquet(files / "truth.parquet")
    assert len(truth) == 400 * 260
    assert not truth.duplicated(["user_id", "action_id"]).any()
    assert truth["p_complete"].between(0, 1, inclusive="neither").all()


@pytest.mark.parametrize(
    "wrong",
    [{"users": 0}, {"actions": 0}, {"days": 0}, {"seed": -1}, {"end_at": datetime(2026, 1, 1)}],
)
def test_impossible_wishes_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    wish: dict[str, object] = {"users": 1, "actions": 1, "days": 1, "seed": 1, "end_at": END_AT}
    with pytest.raises(SettingsError):
        simulate(out_dir=tmp_path, **(wish | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_tiny_worlds_work(tmp_path: Path, size: int) -> None:
    seen: list[tuple[int, int]] = []
    report = simulate(
        size, size, size, 1, tmp_path, lambda done, total: seen.append((done, total)), END_AT
    )
    assert (report.users, report.actions, seen) == (size, size, [(size, size)])
    assert report.events == len(read(tmp_path, "events"))


def test_memory_does_not_grow_with_people_and_many_are_written_fast(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from recommender.simulate import simulate;"
        "simulate(int(sys.argv[1]), 150, 30, 1, Path(sys.argv[2]));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(users: int) -> int:
        command = [sys.executable, "-c", script, str(users), str(tmp_path)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    few = peak(2_000)
    started = time.perf_counter()
    many = peak(10_000)
    # shown by -s, for whoever wonders
    print(f"10,000 people x 30 days in {time.perf_counter() - started:.1f} s, start included")  # noqa: T201
    assert many < 1.15 * few


# --- the slates ---


def test_actions_come_onto_slates_as_often_as_their_propensity_says() -> None:
    rng = np.random.default_rng(1)
    week = slate_probabilities(menu_of(40, seed=2), 7, seed=2)[0]
    draws = 400
    count = np.zeros(len(week))
    for _ in range(draws):
        picked, propensity = draw_slates(week, 50, rng)
        np.add.at(count, picked, 1.0)
        assert (propensity == week[picked]).all()
    spread = np.sqrt(week * (1 - week) * draws * 50).clip(1e-9)
    assert np.abs((count - week * draws * 50) / spread).max() < 4.5


@settings(max_examples=40, deadline=None)
@given(actions=st.integers(1, 60), seed=st.integers(0, 1000))
def test_slate_probabilities_are_probabilities_and_slates_hold_no_action_twice(
    actions: int, seed: int
) -> None:
    menu = menu_of(actions, seed)
    weeks = slate_probabilities(menu, 15, seed)
    assert weeks.shape == (3, actions)
    assert ((weeks >= 0) & (weeks <= 1)).all()
    assert ((weeks > 0) == menu.launched).all()
    np.testing.assert_allclose(weeks.sum(axis=1), min(4, menu.launched.sum()))
    picked, _ = draw_slates(weeks[0], 20, np.random.default_rng(seed))
    assert all(len(set(slate)) == len(slate) for slate in picked.tolist())
    assert (weeks[0][picked] > 0).all()


def test_some_actions_have_never_been_shown(plan: Plan, lived: list[Block]) -> None:
    assert 0 < (~plan.menu.launched).sum() < 0.15 * len(plan.menu)
    assert plan.menu.launched[shown(lived)["action"].unique()].all()


def test_an_actions_hidden_parameters_do_not_depend_on_the_others() -> None:
    few, many = menu_of(150, seed=9), menu_of(400, seed=9)
    places = [many.ids.index(action_id) for action_id in few.ids]
    np.testing.assert_array_equal(few.appeal, many.appeal[places])
    np.testing.assert_array_equal(few.taste, many.taste[places])


# --- the planted structure ---


def test_impressions_are_completed_as_often_as_their_odds_say(lived: list[Block]) -> None:
    log = shown(lived)
    tenth = log.groupby(pd.qcut(log["chance"], 10))[["chance", "done"]].mean()
    np.testing.assert_allclose(tenth["done"], tenth["chance"], atol=0.02)
    assert tenth["chance"].iloc[-1] > 5 * tenth["chance"].iloc[0]


def completion_by_need(plan: Plan) -> tuple[float, float]:
    """Share completed among those in no need of the action shown, and in much need."""
    shares = []
    for block in blocks(plan):
        log = block.impressions
        level = needs(block.course.levels(np.arange(len(block.people)), float(plan.days)))
        need = np.einsum("pm,pm->p", level[log.person], plan.menu.targets[log.action])
        shares.append(pd.DataFrame({"need": need, "done": ~np.isnan(log.completed_day)}))
    every = pd.concat(shares)
    return every.loc[every["need"] == 0, "done"].mean(), every.loc[
        every["need"] > 0.7, "done"
    ].mean()


def test_need_raises_completion_and_nothing_else_mimics_it(plan: Plan) -> None:
    calm, needy = completion_by_need(replace(plan, strengths=replace(NOTHING, need=1.2)))
    assert needy > calm + 0.1
    calm, needy = completion_by_need(replace(plan, strengths=NOTHING))
    assert abs(needy - calm) < 0.03


def test_taste_is_low_rank_and_no_recorded_feature_reveals_it(plan: Plan) -> None:
    def log_odds(strengths: Strengths) -> np.ndarray:
        chance = next(blocks(replace(plan, users=1000, strengths=strengths))).chance
        return np.log(chance / (1 - chance))

    taste = log_odds(replace(NOTHING, taste=0.75)) - log_odds(NOTHING)
    shares = np.linalg.svd(taste, compute_uv=False) ** 2
    assert shares[:TASTE_RANK].sum() / shares.sum() > 0.999
    assert 0.6 < taste.std() < 0.9
    people = next(blocks(plan)).people
    features = np.column_stack([people.age, people.sex, people.sessions_per_day])
    related = np.corrcoef(np.column_stack([features, people.taste]).T)[:3, 3:]
    assert np.abs(related).max() < 0.15


def test_people_alike_in_taste_complete_the_same_actions(plan: Plan) -> None:
    strengths = replace(NOTHING, taste=1.5)
    block = next(blocks(replace(plan, users=1000, strengths=strengths)))
    log = block.impressions
    surprise = np.zeros((1000, len(plan.menu)))
    rate = np.mean(~np.isnan(log.completed_day))
    np.add.at(surprise, (log.person, log.action), ~np.isnan(log.completed_day) - rate)
    alike = block.people.taste @ block.people.taste.T
    shared = surprise @ surprise.T
    pairs = np.triu_indices(1000, 1)
    assert np.corrcoef(alike[pairs], shared[pairs])[0, 1] > 0.05


def repeats(plan: Plan, strengths: Strengths) -> pd.DataFrame:
    log = shown(list(blocks(replace(plan, strengths=strengths)))).sort_values("day")
    pairs = log.groupby(["block", "person", "action"])
    log["since"] = log["day"] - pairs["day"].shift()
    log["done_before"] = pairs["completed_day"].shift() < log["day"]
    log["seldom"] = plan.menu.seldom[log["action"].to_numpy()]
    return log


def test_fatigue_lowers_completion_of_what_was_just_shown(plan: Plan) -> None:
    tired = repeats(plan, replace(NOTHING, fatigue=1.5))
    again, fresh = tired["since"] < 4, tired["since"].isna()
    assert again.sum() > 1000
    assert tired.loc[again, "done"].mean() < tired.loc[fresh, "done"].mean() - 0.05
    rested = repeats(plan, NOTHING)
    again, fresh = rested["since"] < 4, rested["since"].isna()
    assert abs(rested.loc[again, "done"].mean() - rested.loc[fresh, "done"].mean()) < 0.03


def test_habit_raises_completion_and_what_is_done_seldom_is_settled(plan: Plan) -> None:
    log = repeats(plan, replace(NOTHING, habit=1.5, unsuited=3.0))
    fresh = log["since"].isna()
    often = ~log["seldom"]
    recent = log["done_before"] & (log["since"] < 14)
    assert log.loc[often & recent, "done"].mean() > log.loc[often & fresh, "done"].mean() + 0.1
    settled = log.loc[log["seldom"] & recent, "done"].mean()
    assert settled < 0.6 * log.loc[log["seldom"] & fresh, "done"].mean()


def test_invitations_meant_for_others_are_hardly_followed(plan: Plan) -> None:
    block = next(blocks(replace(plan, menu=menu_of(180, 5), strengths=Strengths())))
    breast = [i for i, sex in enumerate(menu_of(180, 5).sex) if sex == 1]
    female = block.people.sex == 1
    assert breast
    assert block.chance[~female][:, breast].mean() < 0.4 * block.chance[female][:, breast].mean()


def test_jumped_readings_are_measured_before_and_after(lived: list[Block]) -> None:
    pressure = METRICS.index("systolic_bp")
    moved, still = [], []
    for block in lived:
        observations = block.observations.to_pandas()
        readings = observations[observations["metric"] == "systolic_bp"]
        by_person = readings.groupby("user_id")["value"]
        move = (by_person.last() - by_person.first())[by_person.size() > 1]
        person = move.index.str[1:].astype(int) - block.people.number[0]
        jump = block.course.jump[person, pressure]
        quiet = (jump == 0) & (block.course.drift[person, pressure] == 0)
        moved.append(np.column_stack([jump, move])[jump != 0])
        still.append(move[quiet])
    jumps = np.concatenate(moved)
    assert len(jumps) > 50
    assert np.corrcoef(jumps.T)[0, 1] > 0.8
    assert abs(np.concatenate(still).mean()) < 1.0


def test_changes_fall_into_the_last_ten_days(lived: list[Block]) -> None:
    for block in lived:
        day = block.course.changed_day[block.course.changed]
        assert 0.1 < len(day) / len(block.people) < 0.2
        assert ((day >= DAYS - 10) & (day < DAYS)).all()


# --- the survey ---


def test_the_survey_itself_is_written_as_measured_but_never_resampled_if_impossible(
    population: Population,
) -> None:
    zero = np.flatnonzero(population.readings[:, METRIC_INDEX["diastolic_bp"]] == 0)
    assert len(zero) > 0
    plan = Plan(population, menu_of(30, 1), len(population), 5, 1, END_AT, bootstrap=False)

    def diastolic(plan: Plan) -> pd.Series:
        frames = [block.observations.to_pandas() for block in blocks(plan)]
        every = pd.concat(frames)
        return every.loc[
            (every["metric"] == "diastolic_bp") & (every["source"] == "nhanes"), "value"
        ]

    as_measured = diastolic(plan)
    assert (as_measured == 0).sum() == len(zero)
    assert sorted(as_measured) == sorted(
        population.readings[:, METRIC_INDEX["diastolic_bp"]][
            ~np.isnan(population.readings[:, METRIC_INDEX["diastolic_bp"]])
        ]
    )
    assert diastolic(replace(plan, bootstrap=True)).min() >= 20


def test_a_survey_without_its_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("age,sex\n30,male\n")
    with pytest.raises(MalformedFileError, match="pulse"):
        load_population(path)


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_sample", data_path("build_sample.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_refusal_codes_become_missing_and_are_listed() -> None:
    table = pd.DataFrame(
        {
            "source_row": [1, 2, 3],
            "active_days": [99.0, 7.0, None],
            "alcohol_per_day": [24.0, 82.0, None],
            "diastolic_bp": [0.0, 70.0, 80.0],
        }
    )
    cleaned, taken = builder().clean(table)
    assert cleaned["active_days"].isna().tolist() == [True, False, True]
    assert cleaned["alcohol_per_day"].isna().tolist() == [False, True, True]
    assert cleaned["diastolic_bp"].tolist() == [0.0, 70.0, 80.0]
    assert taken[["source_row", "column", "value"]].values.tolist() == [
        [1, "active_days", 99.0],
        [2, "alcohol_per_day", 82.0],
    ]


def test_the_shipped_sample_is_whole() -> None:
    sample = data_path("sample")
    users = pd.read_csv(sample / "users.csv")
    events = pd.read_parquet(sample / "events.parquet")
    observations = pd.read_parquet(sample / "observations.parquet")
    actions = {json.loads(line)["action_id"] for line in data_path("actions.ndjson").open()}
    assert len(users) >= 3000
    assert len(events) > 200_000
    assert len(observations) > 140_000
    assert set(events["action_id"]) <= actions
    assert set(events["user_id"]) | set(observations["user_id"]) <= set(users["user_id"])
    assert str(events["occurred_at"].dt.tz) == "UTC"
    assert events["occurred_at"].max() < pd.Timestamp(END_AT)
    assert (
        users["conditions"]
        .dropna()
        .str.split(";")
        .explode()
        .isin(["pregnancy", "type_2_diabetes"])
        .all()
    )
    assert sum(file.stat().st_size for file in sample.iterdir()) < 12e6
