"""All that the leaderboard's figures are made of, as rows for the database.

With these rows anyone can work out every figure again in SQL; ``docs/evaluation.md`` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from recommender.dataset import FloatArray, IntArray, ObjectArray
from recommender.domain import Catalogue
from recommender.leaderboard.board import Judged, Line
from recommender.leaderboard.people import People
from recommender.resampling import Figure

LISTED = 20
"""Places of each list that are kept."""

_AT_ONCE = 2_000

Row = tuple[str, pa.Table]
"""Name of a table and rows for it."""


def rows_of(people: People, lines: Sequence[Line], catalogue: Catalogue) -> Iterator[Row]:
    """Yield rows of every table of an evaluation, some people at a time."""
    entrants = sorted(people.entrants, key=lambda one: one.entrant.name)
    models = np.array([one.entrant.name for one in entrants], dtype=object)
    actions = np.array(catalogue.ids, dtype=object)
    ids = people.held.past.users.ids[people.held.users]
    held = people.held
    yield "evaluation_figures", _figures(lines)
    for some in _blocks(len(held.users)):
        yield "evaluation_lists", _lists(entrants, models, some, ids, actions)
    for some in _blocks(len(held.pair_user)):
        user, action = ids[held.pair_user[some]], actions[held.pair_action[some]]
        yield (
            "evaluation_relevant",
            _crossed(models, user_id=user, action_id=action).append_column(
                "rank", _beside(entrants, some, lambda one: one.replayed.ranks)
            ),
        )
    for some in _blocks(len(held.rows)):
        number = np.arange(some.start, some.stop)
        yield "evaluation_impressions", _impressions(people, some, number, ids, actions)
        user = ids[held.rows.user[some]]
        yield (
            "evaluation_predictions",
            _crossed(models, user_id=user, impression=number)
            .append_column("score", _beside(entrants, some, lambda one: one.replayed.row_score))
            .append_column(
                "p_complete",
                _beside(entrants, some, lambda one: _chance(one, one.replayed.row_score)),
            ),
        )


def _figures(lines: Sequence[Line]) -> pa.Table:
    rows = [
        {
            "model": line.name,
            "figure": name,
            **_ends("value", "low", "high", found),
            **_ends(
                "hybrid_minus",
                "hybrid_minus_low",
                "hybrid_minus_high",
                line.hybrid_minus.get(name),
            ),
        }
        for line in lines
        for name, found in line.figures.items()
        if np.isfinite(found.value)
    ]
    return pa.Table.from_pylist(rows)


def _ends(value: str, low: str, high: str, found: Figure | None) -> dict[str, float | None]:
    ends = (None,) * 3 if found is None else (found.value, found.low, found.high)
    return {
        name: None if end is None or not np.isfinite(end) else float(end)
        for name, end in zip((value, low, high), ends, strict=True)
    }


def _lists(
    entrants: Sequence[Judged],
    models: ObjectArray,
    some: slice,
    ids: ObjectArray,
    actions: ObjectArray,
) -> pa.Table:
    """Rows by person, model and rank."""
    top = np.stack([one.replayed.top[some, :LISTED] for one in entrants], axis=1)
    score = np.stack([one.replayed.top_score[some, :LISTED] for one in entrants], axis=1)
    n, m, k = top.shape
    p = np.stack([_chance(one, score[:, place]) for place, one in enumerate(entrants)], axis=1)
    return pa.table(
        {
            "user_id": _texts(np.repeat(ids[some], m * k)),
            "model": _texts(np.tile(np.repeat(models, k), n)),
            "rank": np.tile(np.arange(1, k + 1), n * m),
            "action_id": _texts(actions[top.ravel()]),
            "score": score.ravel(),
            "p_complete": _or_null(p.ravel()),
        }
    )


def _impressions(
    people: People, some: slice, number: IntArray, ids: ObjectArray, actions: ObjectArray
) -> pa.Table:
    rows = people.held.rows
    instants = np.round(rows.at[some] * 1e6).astype("datetime64[us]")
    return pa.table(
        {
            "user_id": _texts(ids[rows.user[some]]),
            "impression": number,
            "action_id": _texts(actions[rows.action[some]]),
            "shown_at": pa.array(np.char.add(np.datetime_as_string(instants, "us"), "Z")),
            "propensity": _or_null(people.held.propensity[some]),
            "completed": rows.completed[some].astype(np.int64),
            "weight": rows.weight[some],
        }
    )


def _crossed(models: ObjectArray, **columns: Any) -> pa.Table:
    """Each row once for every model, models beside one another."""
    repeated = {name: np.repeat(values, len(models)) for name, values in columns.items()}
    n = len(next(iter(columns.values())))
    return pa.table(
        {name: _texts(v) if v.dtype == object else v for name, v in repeated.items()}
        | {"model": _texts(np.tile(models, n))}
    )


def _beside(
    entrants: Sequence[Judged], some: slice, of: Callable[[Judged], FloatArray | IntArray]
) -> pa.Array:
    return pa.array(np.stack([of(one)[some] for one in entrants], axis=1).ravel(), from_pandas=True)


def _chance(one: Judged, score: FloatArray) -> FloatArray:
    """Probability of each score, NaN where the entrant gives none."""
    if not one.entrant.gives_probability:
        return np.full(score.shape, np.nan)
    return np.asarray(1.0 / (1.0 + np.exp(-score)))


def _or_null(values: FloatArray) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)


def _texts(values: ObjectArray) -> pa.Array:
    return pa.array(values, pa.string())


def _blocks(n: int) -> Iterator[slice]:
    edges = [*range(0, n, _AT_ONCE), n]
    return (slice(a, b) for a, b in pairwise(edges))
