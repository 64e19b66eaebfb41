"""The user vector: profile and readings as one named, scaled row.

``user_matrix`` is the only way from a record to a vector. Training asks for it at instants in
the past, nightly scores and live answers now; none of them gets to see a reading after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.compiled import compiled
from recommender.dataset import FloatArray, IntArray, Records, take_users
from recommender.domain import SECONDS_PER_DAY, MetricsList
from recommender.features import biometrics
from recommender.features.biometrics import MetricSlots
from recommender.features.profile import ProfileColumns, fit_columns
from recommender.features.scaling import centre_and_scale

SNAPSHOT_DAYS = np.array(
    [0, 1, 3, 7, 14, 21, 28, 42, 56, 70, 84, 98, 112, 140, 182, 273, 365, 548, 730, 1460, 36500],
    np.float64,
)
"""Ages of the snapshots; an impression sees the latest one at or before it."""

_SCALED_AT = np.array([0.0, 28.0])
"""Ages, counted from the end of the log, of the records that scaling is learned from."""

_LEVEL = biometrics.SUMMARIES.index("level")
_CHANGES = tuple(biometrics.SUMMARIES.index(name) for name in ("trend", "change"))
CLIP = 4.0
SEEN_SHARE = 0.01
"""A metric, a missing flag or a yes-or-no column needs this share of users to be learned from."""

_CHUNK = 4096
_SAMPLE = 20_000


@dataclass(frozen=True)
class FeatureSpace:
    """How raw columns become the vector: arrays only, learned once per run.

    Attributes
    ----------
    mean, scale, knee
        Of each raw number: centre, spread, and the median after scaling, where the hinge bends.
    keep
        Which of [numbers, hinges, missing flags, yes-or-no columns] are in the vector.
    centre
        Mean of each kept column, subtracted so that the average person's parts are 0.
    """

    columns: ProfileColumns
    slots: MetricSlots
    mean: FloatArray
    scale: FloatArray
    knee: FloatArray
    keep: IntArray
    centre: FloatArray

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names, in the order of the vector."""
        every = _expanded_names(self.columns, self.slots)
        return tuple(every[place] for place in self.keep)

    @cached_property
    def n_profile(self) -> int:
        """How many of the features, the first ones, are of the profile; the rest are readings."""
        return sum(name.startswith("profile:") for name in self.names)

    def apply(self, numbers: FloatArray, flags: FloatArray) -> FloatArray:
        """Scale raw columns into vectors, shape [..., n_features]."""
        shape = (*numbers.shape[:-1], len(self.keep))
        out = np.empty((math.prod(shape[:-1]), shape[-1]))
        _vectors(
            numbers.reshape(-1, numbers.shape[-1]),
            flags.reshape(-1, flags.shape[-1]),
            (self.mean, self.scale, self.knee, self.centre),
            self.keep,
            CLIP,
            out,
        )
        return out.reshape(shape)


def user_matrix(
    space: FeatureSpace,
    records: Records,
    instants: FloatArray,
    dtype: type[np.float32] | type[np.float64] = np.float64,
) -> FloatArray:
    """Vectors of all users as of each instant.

    Parameters
    ----------
    instants
        Seconds since 1970, shape [n_instants].
    dtype
        Of the result where there are many users; training saves memory with less precision.

    Returns
    -------
    array of shape [n_instants, n_users, n_features]
        Aligned with ``space.names``.
    """
    n = len(records.users)
    if n <= _CHUNK:
        return space.apply(*_raw(space.columns, space.slots, records, instants))
    out: FloatArray = np.empty((len(instants), n, len(space.keep)), dtype)
    for start in range(0, n, _CHUNK):
        part = take_users(records, start, min(start + _CHUNK, n))
        raw = _raw(space.columns, space.slots, part, instants)
        out[:, start : start + _CHUNK] = space.apply(*raw)
    return out


def fit_space(
    records: Records,
    metrics: MetricsList,
    as_of: float,
    idle_days: int = 0,
    level_half_life_days: float = biometrics.LEVEL_HALF_LIFE_DAYS,
) -> FeatureSpace:
    """Learn which columns there are and how they are scaled, from everybody as of an instant.

    Parameters
    ----------
    idle_days
        Whole days between the last event and ``as_of``.
    level_half_life_days
        See ``MetricSlots.half_life_days``.
    """
    step = max(1, -(-len(records.users) // _SAMPLE))
    columns = fit_columns(records.users)
    slots = MetricSlots.of(_seen_metrics(records, metrics), metrics, level_half_life_days)
    instants = as_of - (idle_days + _SCALED_AT) * SECONDS_PER_DAY
    parts = [
        _raw(columns, slots, take_users(records, start, start + _CHUNK // step), instants)
        for start in range(0, len(records.users), _CHUNK)
    ]
    numbers = np.concatenate([part[0].reshape(-1, part[0].shape[-1]) for part in parts])
    flags = np.concatenate([part[1].reshape(-1, part[1].shape[-1]) for part in parts])
    mean, scale, knee = _scaling(numbers)
    scale = _changes_like_levels(scale, len(columns.number_names), len(slots.names))
    every = _expand(numbers, flags, mean, scale, knee)
    keep = _worth_keeping(every, _expanded_names(columns, slots))
    return FeatureSpace(columns, slots, mean, scale, knee, keep, every[:, keep].mean(axis=0))


def raw_columns(
    space: FeatureSpace, records: Records, at: float, most: int = _SAMPLE
) -> tuple[tuple[str, ...], FloatArray]:
    """Unscaled columns as of an instant, of everybody or of an even sample.

    Returns
    -------
    names, values
        Numbers in their own units (NaN if unknown), then yes-or-no columns; values of shape
        [n_users, n_columns] with at most about ``most`` users.
    """
    step = max(1, -(-len(records.users) // most))
    instants = np.array([at])
    parts = [
        np.concatenate(_raw(space.columns, space.slots, people, instants), axis=2)[0]
        for start in range(0, len(records.users), _CHUNK)
        for people in [take_users(records, start, start + max(_CHUNK // step, 1))]
    ]
    names = (*_number_names(space.columns, space.slots), *space.columns.flag_names)
    return names, np.concatenate(parts) if parts else np.empty((0, len(names)))


def _changes_like_levels(scale: FloatArray, first: int, n_metrics: int) -> FloatArray:
    """Scale trends and changes by the spread of the metric's level between people.

    A unit of change then weighs what a unit of level does. Scaled by their own small spread the
    noise of daily readings would weigh as much, and hide a change that matters.
    """
    out = scale.copy()
    by_summary = out[first:].reshape(len(biometrics.SUMMARIES), n_metrics)
    for place in _CHANGES:
        by_summary[place] = np.maximum(by_summary[place], by_summary[_LEVEL])
    return out


def snapshot_days(idle_days: int) -> FloatArray:
    """Ages of the snapshots, ascending, where the log was idle at the training's end.

    Snapshots are close together near the instant they are counted back from. Where the log ended
    long before it, they stand close together near the log's end, too.

    >>> snapshot_days(0) is SNAPSHOT_DAYS
    True
    >>> snapshot_days(200)[12:18].tolist()
    [112.0, 140.0, 182.0, 200.0, 201.0, 203.0]
    """
    return np.union1d(SNAPSHOT_DAYS, SNAPSHOT_DAYS + idle_days) if idle_days else SNAPSHOT_DAYS


def snapshot_of(age_days: FloatArray, snapshots: FloatArray) -> IntArray:
    """Place in ``snapshots`` (ages in days) of the latest one at or before each age."""
    place = np.searchsorted(snapshots, age_days, side="left")
    return np.minimum(place, len(snapshots) - 1)


def _raw(
    columns: ProfileColumns, slots: MetricSlots, records: Records, instants: FloatArray
) -> tuple[FloatArray, FloatArray]:
    n = len(records.users)
    readings = biometrics.summarise(records.observations, n, slots, instants)
    numbers = columns.numbers(records.users, instants)
    flat = readings.reshape(len(instants), n, -1)
    return np.concatenate([numbers, flat], axis=2), columns.flags(records.users, instants)


def _number_names(columns: ProfileColumns, slots: MetricSlots) -> tuple[str, ...]:
    return columns.number_names + tuple(
        f"biometrics:{metric}:{summary}"
        for summary in biometrics.SUMMARIES
        for metric in slots.names
    )


def _expanded_names(columns: ProfileColumns, slots: MetricSlots) -> tuple[str, ...]:
    numbers = _number_names(columns, slots)
    stems = tuple(name.removesuffix(":level") for name in numbers)
    return (
        *numbers,
        *(f"{name}:above_median" for name in stems),
        *(f"{name}:missing" for name in stems),
        *columns.flag_names,
    )


def _expand(
    numbers: FloatArray, flags: FloatArray, mean: FloatArray, scale: FloatArray, knee: FloatArray
) -> FloatArray:
    """Every column there could be of rows of people, shape [n, 3 * n_numbers + n_flags]."""
    every = np.arange(3 * len(mean) + flags.shape[1])
    nothing = np.zeros(len(every))
    out = np.empty((len(numbers), len(every)))
    _vectors(numbers, flags, (mean, scale, knee, nothing), every, CLIP, out)
    return out


@compiled
def _vectors(
    numbers: FloatArray,
    flags: FloatArray,
    scaling: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    keep: IntArray,
    clip: float,
    out: FloatArray,
) -> None:
    """Fill in columns ``keep`` of [numbers, hinges, missing flags, yes-or-no columns], centred.

    ``numbers`` and ``flags`` have a row a person, as ``out``.
    """
    mean, scale, knee, centre = scaling
    n = len(mean)
    for row in range(len(out)):
        for place in range(len(keep)):
            column = keep[place]
            if column >= 3 * n:
                out[row, place] = flags[row, column - 3 * n] - centre[place]
                continue
            number = column % n
            z = (numbers[row, number] - mean[number]) / scale[number]
            missing = np.isnan(z)
            z = 0.0 if missing else min(max(z, -clip), clip)
            if column >= 2 * n:
                z = 1.0 if missing else 0.0
            elif column >= n:
                z = max(z - knee[number], 0.0)
            out[row, place] = z - centre[place]


def _scaling(numbers: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    mean, scale = centre_and_scale(numbers)
    known = ~np.isnan(numbers)
    middle = [
        np.median(numbers[known[:, j], j]) if known[:, j].any() else 0.0
        for j in range(numbers.shape[1])
    ]
    return mean, scale, np.clip((np.array(middle) - mean) / scale, -CLIP, CLIP)


def _worth_keeping(every: FloatArray, names: tuple[str, ...]) -> IntArray:
    """Columns that vary, for enough people, and repeat no earlier column.

    Hinges are for levels and other plain numbers: what is already a distance or a difference
    has its bend at 0.
    """
    derived = tuple(f":{name}:above_median" for name in biometrics.SUMMARIES[1:])
    bent = tuple(f":{name}" for name in biometrics.SUMMARIES[1:])
    moved = np.abs(every - np.median(every, axis=0)) > 1e-9
    share = moved.mean(axis=0) * (every.std(axis=0) > 1e-6)
    kept: list[int] = []
    seen: set[bytes] = set()
    for place, name in enumerate(names):
        if share[place] < SEEN_SHARE or name.endswith(derived):
            continue
        if name.endswith(":missing") and name.removesuffix(":missing").endswith(bent):
            continue
        mark = np.round(every[:, place], 6).tobytes()
        if mark not in seen:
            seen.add(mark)
            kept.append(place)
    kept.sort(key=lambda place: not names[place].startswith("profile:"))
    return np.array(kept, np.int64)


def _seen_metrics(records: Records, metrics: MetricsList) -> tuple[str, ...]:
    readings, n_metrics = records.observations, len(metrics)
    key = readings.user.astype(np.int64) * max(n_metrics, 1) + readings.metric
    first = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, bool)
    people = np.bincount(readings.metric[first], minlength=n_metrics)
    enough = people >= max(SEEN_SHARE * len(records.users), 1)
    return tuple(name for name, seen in zip(metrics.names, enough, strict=True) if seen)
