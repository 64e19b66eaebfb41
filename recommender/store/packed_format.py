"""How a person's records are packed into bytes: fixed-width, little-endian, ordered by time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import Events, Int32Array, Observations
from recommender.store.record_arrays import ordered_events, ordered_observations

EVENT = np.dtype(
    [
        ("at", "<f8"),
        ("request", "<i8"),
        ("propensity", "<f8"),
        ("value", "<f8"),
        ("action", "<i4"),
        ("kind", "i1"),
    ]
)
OBSERVATION = np.dtype([("at", "<f8"), ("value", "<f8"), ("metric", "<i4")])


def pack_events(events: Events, n_users: int) -> Iterator[bytes]:
    """Yield each user's events; ``action`` holds codes of ``packed_names``."""
    return _pieces(_packed(events, EVENT), events.user, n_users)


def pack_observations(observations: Observations, n_users: int) -> Iterator[bytes]:
    """Yield each user's readings; ``metric`` holds codes of ``packed_names``.

    They are told apart by user first, so that those of one person may be in any order.
    """
    return _pieces(_packed(observations, OBSERVATION), observations.user, n_users)


def unpack_events(pieces: Sequence[bytes], places: Int32Array, until: float) -> Events:
    """Put users' events together again.

    Parameters
    ----------
    pieces
        One entry a user.
    places
        For each code the place in the catalogue; what is -1 there is left out.
    until
        Only events up to here, seconds since 1970.
    """
    user, row = _unpacked(pieces, EVENT)
    action = places[row["action"]]
    user, action, row = _kept((action >= 0) & (row["at"] <= until), user, action, row)
    return ordered_events(
        user,
        action,
        row["kind"].astype(np.int8),
        row["at"].astype(np.float64),
        row["request"].astype(np.int64),
        row["propensity"].astype(np.float64),
        row["value"].astype(np.float64),
    )


def unpack_observations(pieces: Sequence[bytes], places: Int32Array, until: float) -> Observations:
    """Put users' readings together again; as ``unpack_events``, places in the metrics list."""
    user, row = _unpacked(pieces, OBSERVATION)
    metric = places[row["metric"]]
    user, metric, row = _kept((metric >= 0) & (row["at"] <= until), user, metric, row)
    return ordered_observations(
        user, metric, row["value"].astype(np.float64), row["at"].astype(np.float64)
    )


def _packed(records: Events | Observations, layout: np.dtype[Any]) -> NDArray[Any]:
    rows = np.empty(len(records), layout)
    for name in layout.names or ():
        rows[name] = getattr(records, name)
    return rows


def _pieces(rows: NDArray[Any], user: Int32Array, n_users: int) -> Iterator[bytes]:
    edges = np.searchsorted(user, np.arange(n_users + 1)) * rows.itemsize
    whole, bounds = rows.tobytes(), edges.tolist()
    return (whole[start:stop] for start, stop in pairwise(bounds))


def _unpacked(pieces: Sequence[bytes], layout: np.dtype[Any]) -> tuple[Int32Array, NDArray[Any]]:
    counts = np.fromiter(map(len, pieces), np.int64, len(pieces)) // layout.itemsize
    user = np.repeat(np.arange(len(pieces), dtype=np.int32), counts)
    return user, np.frombuffer(b"".join(pieces), layout)


def _kept(
    keep: NDArray[np.bool_], user: Int32Array, place: Int32Array, row: NDArray[Any]
) -> tuple[Int32Array, Int32Array, NDArray[Any]]:
    return (user, place, row) if keep.all() else (user[keep], place[keep], row[keep])
