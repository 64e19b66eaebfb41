"""People's records as aligned arrays: the one form that features and models read.

A live answer builds one with a single user, training one with everybody; the code
that reads them is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Int32Array = NDArray[np.int32]
Int8Array = NDArray[np.int8]
AnyIntArray = NDArray[np.int32] | NDArray[np.int64]
BoolArray = NDArray[np.bool_]
ObjectArray = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Users:
    """Profiles; every array has one entry a user.

    Attributes
    ----------
    ids
        User ids, ascending.
    born_at
        Midnight UTC of the birth date in seconds since 1970 (negative before), NaN if unknown.
    sex
        Codes of ``domain.SEX_CODES``.
    condition_user, condition_name
        Aligned pairs (user index, condition), one for each condition a user has.
    attributes
        Further columns: name -> one value a user (str, float, bool, list or None).
    """

    ids: ObjectArray
    born_at: FloatArray
    sex: Int8Array
    condition_user: Int32Array
    condition_name: ObjectArray
    attributes: dict[str, ObjectArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Events:
    """Behaviour, sorted by (user, at); every array has one entry an event.

    Attributes
    ----------
    user, action
        Indices into ``Users.ids`` and ``Catalogue.actions``.
    kind
        Codes of ``domain.EVENT_CODES``.
    at
        Seconds since 1970, UTC.
    request
        Equal non-negative numbers mark events of one request; -1 where none is recorded.
    propensity
        Probability with which the impression was shown, NaN if not recorded.
    value
        Rating 1-5, NaN if none.
    """

    user: Int32Array
    action: Int32Array
    kind: Int8Array
    at: FloatArray
    request: IntArray
    propensity: FloatArray
    value: FloatArray

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True, slots=True)
class Observations:
    """Biometric readings, sorted by (user, metric, at); one entry a reading.

    Attributes
    ----------
    metric
        Indices into ``MetricsList.metrics``.
    value
        In the metric's unit.
    ids
        Observation ids, or None where a caller has no use for them (training).
    """

    user: Int32Array
    metric: Int32Array
    value: FloatArray
    at: FloatArray
    ids: ObjectArray | None = None

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True, slots=True)
class Records:
    """Everything known about some people up to an instant."""

    users: Users
    events: Events
    observations: Observations


def take_users(records: Records, start: int, stop: int) -> Records:
    """Return the records of users ``start`` to ``stop`` (exclusive), numbered anew from zero.

    Arrays are views where they can be; nothing about the other users remains.
    """
    events, observations = records.events, records.observations
    ends = np.array([start, stop], np.int32)  # as the users are, or all of them would be converted
    rows = slice(*np.searchsorted(events.user, ends))
    readings = slice(*np.searchsorted(observations.user, ends))
    return Records(
        _slice_users(records.users, start, stop),
        Events(
            events.user[rows] - np.int32(start),
            *(getattr(events, name)[rows] for name in _EVENT_FIELDS),
        ),
        Observations(
            observations.user[readings] - np.int32(start),
            observations.metric[readings],
            observations.value[readings],
            observations.at[readings],
            None if observations.ids is None else observations.ids[readings],
        ),
    )


def select_users(records: Records, chosen: IntArray) -> Records:
    """Return the records of the chosen users (ascending places), numbered anew from zero."""
    users = records.users
    new = np.full(len(users), -1, np.int32)
    new[chosen] = np.arange(len(chosen), dtype=np.int32)
    events = select_events(records.events, new[records.events.user] >= 0)
    readings = select_observations(records.observations, new[records.observations.user] >= 0)
    pairs = new[users.condition_user] >= 0
    return Records(
        Users(
            users.ids[chosen],
            users.born_at[chosen],
            users.sex[chosen],
            new[users.condition_user[pairs]],
            users.condition_name[pairs],
            {name: values[chosen] for name, values in users.attributes.items()},
        ),
        replace(events, user=new[events.user]),
        replace(readings, user=new[readings.user]),
    )


def sample_of(ids: ObjectArray, most: int, seed: int) -> IntArray:
    """Choose at most so many people by chance: the places of their ids, ascending.

    Whether somebody is chosen depends on the id, the seed and how many others there are, not on
    the order of ids: from one night to the next nearly the same people are.
    """
    if len(ids) <= most:
        return np.arange(len(ids))
    # needed for training only; servers start without it
    from pandas.util import hash_array

    drawn = hash_array(ids, hash_key=f"{seed:016d}"[-16:], categorize=False)
    return np.sort(np.argpartition(drawn, most)[:most])


def until(records: Records, at: float) -> Records:
    """Return what was known at the instant ``at`` (seconds since 1970, inclusive)."""
    return Records(
        records.users,
        select_events(records.events, records.events.at <= at),
        select_observations(records.observations, records.observations.at <= at),
    )


def select_events(events: Events, chosen: BoolArray | IntArray) -> Events:
    """Return the chosen events, in the order given by the mask or the ascending places."""
    return Events(events.user[chosen], *(getattr(events, name)[chosen] for name in _EVENT_FIELDS))


def select_observations(observations: Observations, chosen: BoolArray | IntArray) -> Observations:
    """Return the chosen readings, in the order given by the mask or the ascending places."""
    return Observations(
        observations.user[chosen],
        observations.metric[chosen],
        observations.value[chosen],
        observations.at[chosen],
        None if observations.ids is None else observations.ids[chosen],
    )


_EVENT_FIELDS = ("action", "kind", "at", "request", "propensity", "value")


def _slice_users(users: Users, start: int, stop: int) -> Users:
    pairs = (users.condition_user >= start) & (users.condition_user < stop)
    return Users(
        users.ids[start:stop],
        users.born_at[start:stop],
        users.sex[start:stop],
        users.condition_user[pairs] - np.int32(start),
        users.condition_name[pairs],
        {name: values[start:stop] for name, values in users.attributes.items()},
    )
