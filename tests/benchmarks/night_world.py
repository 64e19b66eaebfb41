"""A made-up service of any size, drawn with numpy alone: for timing the nightly training.

What people do depends on what their readings call for, on age and on a taste that nothing reveals;
what they are shown depends on popularity and chance, and the propensities say so. Twenty events and
twenty readings a person on average, over ninety days; one person in twenty never did anything.
Drawn apart from ``recommender simulate``, so that neither copies the other's mistakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.domain import Catalogue, MetricsList

DAYS = 90
DAY = 86_400.0
METRICS = (
    "systolic_bp", "diastolic_bp", "step_count", "sleep_duration",
    "body_mass_index", "resting_heart_rate", "total_cholesterol", "glucose",
)  # fmt: skip
KINDS = ("impression", "complete", "dismiss", "view")
SOURCES = ("clinic", "cuff", "watch", "phone")
CONDITIONS = (
    "hypertension", "type_2_diabetes", "asthma", "osteoarthritis", "depression", "low_back_pain",
)  # fmt: skip
SEXES = ("female", "male", "other", "unknown")
REGIONS = ("north", "east", "south", "west")

_REQUESTS, _SLOTS = 4, 4
_READ_METRICS, _READINGS = 4, 5
_TASTES = 4
_AT_ONCE = 20_000
_IDLE = 0.05

Array = NDArray[Any]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class People:
    """Profiles; ``conditions`` are bits in the order of ``CONDITIONS``."""

    born_day: Array
    sex: Array
    conditions: Array
    region: Array


@dataclass(frozen=True)
class Happenings:
    """Events in the order of time; ``request`` numbers answers, ``propensity`` may be NaN."""

    user: Array
    action: Array
    kind: Array
    at: Array
    request: Array
    propensity: Array


@dataclass(frozen=True)
class Readings:
    """Observations in the order of time; ``metric`` is a place in ``METRICS``."""

    user: Array
    metric: Array
    value: Array
    at: Array
    source: Array


@dataclass(frozen=True)
class World:
    """Everything about everybody, 20 bytes an event: it is drawn whole, and sorted by time."""

    people: People
    events: Happenings
    readings: Readings


@dataclass(frozen=True)
class _Menu:
    """Hidden parameters of the actions."""

    base: Array
    effort: Array
    targets: Array
    taste: Array
    chances: Array
    slot: Array


def draw_world(
    users: int,
    catalogue: Catalogue,
    metrics: MetricsList,
    end_at: float,
    seed: int,
    progress: Progress = lambda stage, share: None,
) -> World:
    """Draw a world whose log ends at an instant (seconds since 1970)."""
    rng = np.random.default_rng(seed)
    menu = _menu(catalogue, rng)
    parts = []
    for start in range(0, users, _AT_ONCE):
        n = min(_AT_ONCE, users - start)
        parts.append(_block(start, n, menu, metrics, end_at, rng))
        progress("draw", (start + n) / users)
    people, events, readings = zip(*parts, strict=True)
    return World(
        _joined(People, people),
        _in_order(_joined(Happenings, events)),
        _in_order(_joined(Readings, readings)),
    )


def _menu(catalogue: Catalogue, rng: np.random.Generator) -> _Menu:
    n = len(catalogue)
    targets = np.array(
        [[name in action.targets for name in METRICS] for action in catalogue.actions], np.float64
    )
    effort = np.array([action.effort or 2 for action in catalogue.actions], np.float64)
    popularity = np.exp(rng.normal(0, 0.8, n))
    slot = np.array_split(rng.permutation(n), _SLOTS)
    width = max(len(places) for places in slot)
    chances = np.zeros((_SLOTS, width))
    padded = np.zeros((_SLOTS, width), np.int64)
    for place, actions in enumerate(slot):
        chances[place, : len(actions)] = popularity[actions] / popularity[actions].sum()
        padded[place, : len(actions)] = actions
    return _Menu(
        base=rng.normal(-2.0, 0.7, n) - 0.2 * (effort - 2),
        effort=effort,
        targets=targets / np.maximum(targets.sum(axis=1, keepdims=True), 1.0),
        taste=rng.normal(0, 0.45, (n, _TASTES)),
        chances=chances,
        slot=padded,
    )


def _block(
    first: int,
    n: int,
    menu: _Menu,
    metrics: MetricsList,
    end_at: float,
    rng: np.random.Generator,
) -> tuple[People, Happenings, Readings]:
    age = rng.uniform(18, 85, n)
    has = rng.random((n, len(CONDITIONS))) < 0.08
    people = People(
        born_day=np.floor((end_at - age * 365.25 * DAY) / DAY).astype(np.int32),
        sex=rng.choice(len(SEXES), n, p=[0.5, 0.44, 0.02, 0.04]).astype(np.int8),
        conditions=(has @ (1 << np.arange(len(CONDITIONS)))).astype(np.int8),
        region=rng.choice(len(REGIONS) + 1, n).astype(np.int8),
    )
    need, readings = _readings(first, n, metrics, end_at, rng)
    events = _events(first, age, need, menu, end_at, rng)
    return people, events, readings


def _readings(
    first: int, n: int, metrics: MetricsList, end_at: float, rng: np.random.Generator
) -> tuple[Array, Readings]:
    """What everybody's readings call for, shape [n, n_metrics], and the readings."""
    listed = [metrics.metrics[metrics.index[name]] for name in METRICS]
    # steps of need above (or, where only a lower side is set, below) the target range
    steps = rng.normal(-0.3, 1.0, (n, len(METRICS)))
    chosen = np.argsort(rng.random(steps.shape), axis=1)[:, :_READ_METRICS]
    metric = np.repeat(chosen, _READINGS, axis=1)
    off = np.take_along_axis(steps, metric, axis=1) + rng.normal(0, 0.15, metric.shape)
    high = np.array([np.nan if m.target_high is None else m.target_high for m in listed])
    low = np.array([np.nan if m.target_low is None else m.target_low for m in listed])
    scale = np.array([m.target_scale for m in listed])
    above = ~np.isnan(high)
    edge, sign = np.where(above, high, low), np.where(above, 1.0, -1.0)
    value = edge[metric] + sign[metric] * scale[metric] * off
    bounds = np.array([(m.plausible_low, m.plausible_high) for m in listed])
    # well inside what is plausible, with a decimal
    value = np.clip(value, bounds[metric, 0] + 1.0, bounds[metric, 1] * 0.9)
    return np.clip(steps, 0.0, 3.0), Readings(
        user=np.repeat(np.arange(first, first + n, dtype=np.int32), metric.shape[1]),
        metric=metric.ravel().astype(np.int8),
        value=np.round(value, 1).ravel().astype(np.float32),
        at=end_at - rng.uniform(60, DAYS * DAY, metric.size),
        source=rng.choice(len(SOURCES), metric.size, p=[0.1, 0.2, 0.4, 0.3]).astype(np.int8),
    )


def _events(
    first: int, age: Array, need: Array, menu: _Menu, end_at: float, rng: np.random.Generator
) -> Happenings:
    active = np.flatnonzero(rng.random(len(age)) >= _IDLE)
    shape = (len(active), _REQUESTS, _SLOTS)
    action, propensity = _shown(shape, menu, rng)
    user = np.broadcast_to(active[:, None, None], shape)
    at = end_at - rng.uniform(60, DAYS * DAY, shape[:2])[:, :, None] + np.arange(_SLOTS) * 1e-3
    request = (first + active)[:, None, None] * _REQUESTS + np.arange(_REQUESTS)[None, :, None]
    shown = Happenings(
        *(np.ravel(each) for each in (user, action, np.zeros(shape, np.int8), at)),
        np.broadcast_to(request, shape).ravel(),
        propensity.ravel(),
    )
    taste = rng.normal(0, 1, (len(age), _TASTES))
    odds = _log_odds(shown, age, need, taste, menu)
    every = _joined(Happenings, (shown, _reactions(shown, odds, end_at, rng)))
    return Happenings(
        (every.user + first).astype(np.int32),
        every.action.astype(np.int16),
        every.kind.astype(np.int8),
        every.at,
        every.request.astype(np.int32),
        every.propensity.astype(np.float32),
    )


def _shown(
    shape: tuple[int, int, int], menu: _Menu, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Each slot of an answer draws from its own part of the catalogue: nothing comes twice."""
    action, propensity = np.empty(shape, np.int64), np.empty(shape)
    for slot in range(shape[2]):
        edges = np.cumsum(menu.chances[slot])
        place = np.searchsorted(edges, rng.random(shape[:2]) * edges[-1], side="right")
        action[:, :, slot] = menu.slot[slot][place]
        propensity[:, :, slot] = menu.chances[slot][place]
    return action, propensity


def _log_odds(shown: Happenings, age: Array, need: Array, taste: Array, menu: _Menu) -> Array:
    """Of completing what was shown."""
    user, action = shown.user, shown.action
    called_for = np.einsum("ij,ij->i", need[user], menu.targets[action])
    liked = np.einsum("ij,ij->i", taste[user], menu.taste[action])
    strain = -0.25 * (age[user] - 50) / 20 * (menu.effort[action] - 2)
    return np.asarray(menu.base[action] + 0.8 * called_for + liked + strain)


def _reactions(
    shown: Happenings, odds: Array, end_at: float, rng: np.random.Generator
) -> Happenings:
    done = rng.random(len(odds)) < 1 / (1 + np.exp(-odds))
    other = rng.random(len(odds))
    kind = np.select([done, other < 0.085, other < 0.17], [1, 2, 3], 0)
    delay = np.where(
        done, rng.exponential(1.2, len(odds)) * DAY + 600, rng.exponential(600, len(odds)) + 5
    )
    at = shown.at + delay
    there = (kind > 0) & (at < end_at - 1) & (delay < 7 * DAY)
    return Happenings(
        shown.user[there],
        shown.action[there],
        kind[there],
        at[there],
        shown.request[there],
        np.full(int(there.sum()), np.nan),
    )


def _joined(kind: Any, parts: Any) -> Any:
    names = [field.name for field in fields(kind)]
    return kind(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _in_order(rows: Any) -> Any:
    order = np.argsort(rows.at, kind="stable").astype(np.int32)
    return type(rows)(*(getattr(rows, field.name)[order] for field in fields(rows)))
