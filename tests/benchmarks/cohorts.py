"""Cohorts with known true probabilities, to measure models against the truth.

People's measurements come from the NHANES table where it is at hand (``RECOMMENDER_NHANES``), else
from normal distributions. What people do follows a logistic model of need, profile, shared taste,
and (as asked) their own level, fatigue and habit. Impressions are logged day by day, by
popularity and by chance, with propensities.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recommender.dataset import (
    BoolArray,
    Events,
    FloatArray,
    IntArray,
    Observations,
    Records,
    Users,
    until,
)
from recommender.domain import EVENT_CODES, SEX_CODES, Action, Catalogue, Metric, MetricsList

DAY = 86_400.0
BEGIN = 1_700_000_000.0
DOMAINS = (
    "activity",
    "nutrition",
    "sleep",
    "stress",
    "social",
    "monitoring",
    "screening",
    "substance",
)
#         name, unit, mean, sd, target low, target high, step
MEASURED = (
    ("systolic_bp", "mm[Hg]", 122.0, 17.0, None, 120.0, 20.0),
    ("diastolic_bp", "mm[Hg]", 71.0, 12.0, None, 80.0, 10.0),
    ("bmi", "kg/m2", 28.8, 6.6, None, 25.0, 5.0),
    ("resting_heart_rate", "/min", 73.0, 12.0, None, 80.0, 15.0),
    ("total_cholesterol", "mmol/L", 5.0, 1.1, None, 5.2, 1.0),
    ("hdl_cholesterol", "mmol/L", 1.36, 0.4, 1.0, None, 0.4),
    ("sleep_duration", "h", 6.9, 1.4, 7.0, 9.0, 1.0),
    ("steps", "{steps}/d", 7000.0, 3000.0, 8000.0, None, 3000.0),
)
_NHANES_COLUMNS = (
    "systolic_bp", "diastolic_bp", "bmi", "pulse", "total_cholesterol", "hdl_cholesterol",
    "sleep_hours", "",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """What kind of world: standard deviations in log-odds, and the kind of log.

    Attributes
    ----------
    noise, gaps, age_curve
        Of readings, in standard deviations; whether some are missing; whether age bends smoothly.
    tastes
        Hidden dimensions of taste.
    drift
        How far actions and people's levels move over the log.
    telling, whims
        Chance of dismissing where it tells of dislike, or tells nothing.
    personal
        How much people are shown what they like; 0 shows everybody the same.
    """

    users: int = 4000
    actions: int = 150
    days: int = 90
    impressions_per_day: float = 0.7
    taste: float = 0.9
    profile: float = 0.35
    need: float = 0.5
    level: float = 0.0
    fatigue: float = 0.0
    habit: float = 0.0
    base: float = -2.4
    popularity: float = 1.0
    none_share: float = 0.2
    changed_share: float = 0.15
    impressions_logged: bool = True
    noise: float = 0.15
    gaps: bool = True
    age_curve: bool = True
    tastes: int = 6
    drift: float = 0.0
    telling: float = 0.0
    whims: float = 0.0
    personal: float = 0.0


VARIANTS: dict[str, Variant] = {
    "plain": Variant(),
    "level": Variant(level=0.7),
    "habit": Variant(level=0.4, fatigue=0.5, habit=0.8),
    "sparse": Variant(impressions_per_day=0.15, level=0.4),
    "strong": Variant(
        impressions_per_day=0.3, base=-1.9, popularity=1.1, taste=1.0, profile=0.45, need=0.65
    ),
    "prototype": Variant(
        impressions_per_day=0.3,
        base=-1.9,
        popularity=1.1,
        taste=1.0,
        profile=0.45,
        need=0.65,
        noise=0.0,
        gaps=False,
        age_curve=False,
        tastes=3,
    ),
    "noisy": Variant(noise=0.8, need=0.8, impressions_per_day=0.4),
    "rich": Variant(users=3000, tastes=16, taste=1.6, impressions_per_day=1.5),
    "drift": Variant(drift=1.0, impressions_per_day=0.4),
    "dismissals": Variant(telling=0.6, impressions_per_day=0.3),
    "whims": Variant(whims=0.2, impressions_per_day=0.3),
    "personal": Variant(personal=1.0, impressions_per_day=0.3),
    "small": Variant(users=300, actions=40, level=0.4),
    "positives": Variant(impressions_logged=False, level=0.4, impressions_per_day=1.5),
}


@dataclass(frozen=True)
class Cohort:
    """Records, and the truth as of ``as_of``.

    ``p`` and ``expected`` (log-odds at the end but for taste and level) have shape
    [n_users, n_actions]; ``loadings`` are the true factors of the actions, the user's own level
    last, for users' factors of variance 1.
    """

    records: Records
    catalogue: Catalogue
    metrics: MetricsList
    as_of: float
    p: FloatArray
    segment: IntArray
    expected: FloatArray
    loadings: FloatArray
    segments: tuple[str, ...] = ("history", "none", "changed")


def metrics_list() -> MetricsList:
    """The measured metrics as a metrics list."""
    return MetricsList(
        tuple(
            Metric(name, name, (), unit, -1e9, 1e9, 30.0, (), low, high, step)
            for name, unit, _, _, low, high, step in MEASURED
        )
    )


def cohort(variant: Variant, seed: int) -> Cohort:
    """Draw one cohort."""
    draws = np.random.default_rng(seed)
    catalogue = _catalogue(variant, draws)
    people = _people(variant, draws)
    world = _world(variant, catalogue, people, draws)
    log, p = _lived(variant, people, world, draws)
    records = Records(_users(people), _events(log, variant), _observations(variant, people, draws))
    as_of = BEGIN + variant.days * DAY
    return Cohort(
        until(records, as_of), catalogue, metrics_list(), as_of, p, people.segment, *world.known(p)
    )


def _catalogue(variant: Variant, draws: np.random.Generator) -> Catalogue:
    actions = []
    for place in range(variant.actions):
        count = int(draws.integers(0, 3))
        targets = draws.choice([row[0] for row in MEASURED], count, replace=False)
        actions.append(
            Action(
                f"a{place:04d}",
                f"Action {place}",
                DOMAINS[int(draws.integers(len(DOMAINS)))],
                effort=int(draws.integers(1, 6)),
                minutes=float(draws.choice([5, 10, 20, 30, 60])),
                targets=tuple(sorted(map(str, targets))),
                tags=(f"tag{int(draws.integers(6))}",),
            )
        )
    return Catalogue(tuple(actions))


@dataclass
class _People:
    born_at: FloatArray
    sex: IntArray
    smoker: BoolArray
    level: FloatArray
    known: BoolArray
    segment: IntArray
    change: FloatArray
    change_day: IntArray
    z_age: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        age = (BEGIN - self.born_at) / (365.2425 * DAY)
        self.z_age = (age - age.mean()) / age.std()

    def z_at(self, day: int) -> FloatArray:
        mean, sd = np.array([[row[2], row[3]] for row in MEASURED]).T
        z: FloatArray = (self.level - mean) / sd
        return z + self.change * (self.change_day <= day)[:, None]


def _people(variant: Variant, draws: np.random.Generator) -> _People:
    n, m = variant.users, len(MEASURED)
    age, sex, smoker, level, known = _measured(n, draws)
    segment = draws.choice(
        3,
        n,
        p=[
            1 - variant.none_share - variant.changed_share,
            variant.none_share,
            variant.changed_share,
        ],
    )
    change = draws.normal(0, 1.3, (n, m)) * (draws.random((n, m)) < 0.5)
    change[segment != 2] = 0.0
    change_day = np.where(segment == 2, variant.days - draws.integers(2, 11, n), variant.days + 99)
    known |= not variant.gaps
    born = np.floor((BEGIN - age * 365.2425 * DAY) / DAY) * DAY
    return _People(born, sex, smoker, level, known, segment, change, change_day)


def _measured(
    n: int, draws: np.random.Generator
) -> tuple[FloatArray, IntArray, BoolArray, FloatArray, BoolArray]:
    mean, sd = np.array([[row[2], row[3]] for row in MEASURED]).T
    level = draws.normal(mean, sd, (n, len(MEASURED)))
    known = draws.random(level.shape) < 0.9
    path = Path(os.environ.get("RECOMMENDER_NHANES", "nhanes_adults.csv"))
    if not path.is_file():
        age = draws.uniform(18, 80, n)
        return age, draws.integers(1, 3, n), draws.random(n) < 0.2, level, known
    with path.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    rows = [table[i] for i in draws.integers(0, len(table), n)]
    for place, column in enumerate(_NHANES_COLUMNS):
        if column:
            real = np.array([float(row[column] or "nan") for row in rows])
            sane = np.abs(real - mean[place]) < 6 * sd[place]
            known[:, place] = sane
            level[sane, place] = real[sane]
    return (
        np.array([float(row["age"]) for row in rows]),
        np.array([SEX_CODES[row["sex"]] for row in rows]),
        np.array([row["smoke_now"] == "Yes" for row in rows]),
        level,
        known,
    )


@dataclass
class _World:
    base: FloatArray
    static: FloatArray
    need: FloatArray
    hinge: FloatArray
    hidden: FloatArray
    loadings: FloatArray
    moved: FloatArray | float

    def known(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.log(p / (1 - p)) - self.hidden, self.loadings

    def log_odds(self, z: FloatArray) -> FloatArray:
        return self.base + self.static + z @ self.need.T + np.maximum(z, 0) @ self.hinge.T


def _world(
    variant: Variant, catalogue: Catalogue, people: _People, draws: np.random.Generator
) -> _World:
    n, a, m, k = variant.users, variant.actions, len(MEASURED), variant.tastes
    domain = np.array([DOMAINS.index(action.domain) for action in catalogue.actions])
    effort = np.array([float(action.effort or 3) for action in catalogue.actions])
    names = [row[0] for row in MEASURED]
    target = np.array([[name in action.targets for name in names] for action in catalogue.actions])
    own = draws.normal(0, 0.5, len(DOMAINS))[domain] - 0.15 * (effort - 3)
    base = variant.base + variant.popularity * (own + draws.normal(0, 0.6, a))
    bend = people.z_age**2 / 2 - 0.5 if variant.age_curve else np.maximum(people.z_age, 0) - 0.4
    x = np.stack([people.z_age, bend, people.sex - 1.5, people.smoker - 0.2], axis=1)
    alpha = variant.profile * (
        draws.normal(0, 0.8, (len(DOMAINS), x.shape[1]))[domain]
        + draws.normal(0, 0.6, (a, x.shape[1]))
    )
    tastes = draws.normal(0, 1, (n, k))
    loadings = draws.normal(0, 0.6, (len(DOMAINS), k))[domain] + draws.normal(0, 0.8, (a, k))
    loadings *= variant.taste / np.sqrt(k)
    own = draws.normal(0, variant.level, (n, 1)) if variant.level else np.zeros((n, 1))
    hidden = tastes @ loadings.T + own
    static = x @ alpha.T + hidden
    sign = np.array([-1.0 if row[4] is not None and row[5] is None else 1.0 for row in MEASURED])
    need = draws.normal(0, 0.06, (a, m)) + target * sign * variant.need * draws.normal(
        0.6, 0.4, (a, m)
    )
    hinge = target * variant.need * draws.normal(0.5, 0.5, (a, m)) * (sign > 0)
    loadings = np.concatenate([loadings, np.full((a, 1), variant.level)], axis=1)
    moved: FloatArray | float = 0.0
    if variant.drift:
        moved = variant.drift * (draws.normal(0, 1, a) + draws.normal(0, 0.5, (n, 1)))
    return _World(base, static, need, hinge, hidden, loadings, moved)


@dataclass
class _Log:
    user: list[IntArray] = field(default_factory=list)
    action: list[IntArray] = field(default_factory=list)
    kind: list[IntArray] = field(default_factory=list)
    at: list[FloatArray] = field(default_factory=list)
    request: list[IntArray] = field(default_factory=list)
    propensity: list[FloatArray] = field(default_factory=list)

    def add(
        self, user: IntArray, action: IntArray, kind: str, at: FloatArray, request: IntArray,
        propensity: FloatArray | None = None,
    ) -> None:  # fmt: skip
        self.user.append(user)
        self.action.append(action)
        self.kind.append(np.full(len(user), EVENT_CODES[kind]))
        self.at.append(at)
        self.request.append(request)
        self.propensity.append(np.full(len(user), np.nan) if propensity is None else propensity)


def _lived(
    variant: Variant, people: _People, world: _World, draws: np.random.Generator
) -> tuple[_Log, FloatArray]:
    """Live through the days; the truth is what would come of an impression at the end."""
    log = _Log()
    shown, done = np.zeros((2, variant.users, variant.actions))
    popular = np.exp(1.2 * (world.base - world.base.mean()))
    chance = 0.5 * popular / popular.sum() + 0.5 / variant.actions
    picks = _picks(variant, world, people, chance)
    for day in range(variant.days):
        logit = _now(variant, world, people.z_at(day), shown, done, day / variant.days)
        count = draws.poisson(variant.impressions_per_day, variant.users) * (people.segment != 1)
        user = np.repeat(np.arange(variant.users), count)
        action = _drawn(picks, user, draws)
        p = 1 / (1 + np.exp(-logit[user, action]))
        at = BEGIN + (day + draws.random(len(user))) * DAY
        request = np.arange(len(user)) + day * 1_000_000
        log.add(user, action, "impression", at, request, picks[user % len(picks), action])
        completed = draws.random(len(user)) < p
        later = at + np.minimum(draws.exponential(1.2, len(user)), 6.9) * DAY
        log.add(
            user[completed], action[completed], "complete", later[completed], request[completed]
        )
        away = ~completed & (draws.random(len(user)) < _turned_away(variant, p))
        log.add(user[away], action[away], "dismiss", at[away] + 60, request[away])
        shown *= np.exp(-1 / 5)
        done *= np.exp(-1 / 20)
        np.add.at(shown, (user, action), 1.0)
        np.add.at(done, (user[completed], action[completed]), 1.0)
    end = _now(variant, world, people.z_at(variant.days), shown, done, 1.0)
    return log, 1 / (1 + np.exp(-end))


def _picks(variant: Variant, world: _World, people: _People, chance: FloatArray) -> FloatArray:
    """Chance of every action for everybody alike, [1, n_actions], or for each person."""
    if not variant.personal:
        return chance[None, :]
    liked = np.exp(variant.personal * world.log_odds(people.z_at(0)))
    return np.asarray(0.8 * liked / liked.sum(axis=1, keepdims=True) + 0.2 / variant.actions)


def _drawn(picks: FloatArray, user: IntArray, draws: np.random.Generator) -> IntArray:
    n = picks.shape[1]
    if len(picks) == 1:
        return np.asarray(draws.choice(n, len(user), p=picks[0]))
    below = picks.cumsum(axis=1)[user] < draws.random((len(user), 1))
    return np.minimum(below.sum(axis=1), n - 1)


def _turned_away(variant: Variant, p: FloatArray) -> FloatArray:
    """Chance of a dismissal where nothing is completed: it tells of dislike, or of nothing."""
    if variant.telling:
        return np.asarray(variant.telling / (1 + (p / (1 - p) / 0.05) ** 1.5))
    return np.full(len(p), variant.whims) if variant.whims else np.asarray(0.08 * (1 - p) ** 4)


def _now(
    variant: Variant,
    world: _World,
    z: FloatArray,
    shown: FloatArray,
    done: FloatArray,
    share: float,
) -> FloatArray:
    logit = world.log_odds(z) + share * world.moved
    if variant.fatigue or variant.habit:
        logit = logit - variant.fatigue * shown + variant.habit * np.tanh(done)
    return logit


def _users(people: _People) -> Users:
    n = len(people.born_at)
    smoker = np.array(["yes" if yes else "no" for yes in people.smoker], dtype=object)
    return Users(
        np.array([f"u{i:06d}" for i in range(n)], dtype=object),
        people.born_at,
        people.sex.astype(np.int8),
        np.zeros(0, np.int32),
        np.zeros(0, object),
        {"smoker": smoker},
    )


def _events(log: _Log, variant: Variant) -> Events:
    user, action, kind = (np.concatenate(part) for part in (log.user, log.action, log.kind))
    request = np.concatenate(log.request)
    at, propensity = np.concatenate(log.at), np.concatenate(log.propensity)
    if not variant.impressions_logged:
        kept = kind == EVENT_CODES["complete"]
        user, action, kind, at = user[kept], action[kept], kind[kept], at[kept]
        request, propensity = np.full(len(at), -1), propensity[kept]
    order = np.lexsort((at, user))
    return Events(
        user[order].astype(np.int32),
        action[order].astype(np.int32),
        kind[order].astype(np.int8),
        at[order],
        request[order],
        propensity[order],
        np.full(len(order), np.nan),
    )


def _observations(variant: Variant, people: _People, draws: np.random.Generator) -> Observations:
    """One early reading of everything, weekly ones for devices, and some after a change."""
    n, m = people.level.shape
    sd = np.array([row[3] for row in MEASURED])
    mean = np.array([row[2] for row in MEASURED])
    days = [draws.integers(-20, 1, (n, m)) + 0.0]
    days += [
        np.where(draws.random((n, m)) < 0.5, week + draws.random((n, m)), np.nan)
        for week in range(0, variant.days, 7)
    ]
    for _ in range(3):
        after = np.minimum(
            people.change_day[:, None] + draws.random((n, m)) * 4, variant.days - 0.01
        )
        days.append(np.where(people.change != 0, after, np.nan))
    device = np.array([True, True, False, True, False, False, True, True])
    day = np.stack(days)
    day[1:-3, :, ~device] = np.nan
    _, user, metric = np.nonzero(~np.isnan(day) & people.known)
    when = day[~np.isnan(day) & people.known]
    z = (people.level - mean) / sd
    shifted = z[user, metric] + people.change[user, metric] * (people.change_day[user] <= when)
    value = mean[metric] + sd[metric] * (shifted + draws.normal(0, variant.noise, len(when)))
    order = np.lexsort((when, metric, user))
    return Observations(
        user[order].astype(np.int32),
        metric[order].astype(np.int32),
        value[order],
        BEGIN + when[order] * DAY,
    )
