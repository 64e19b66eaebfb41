"""Public interaction data as records: lists of items, and ratings with instants and features."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.dataset import AnyIntArray, Events, FloatArray, Observations, Records, Users
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Action, Catalogue, MetricsList

AS_OF = 1_600_000_000.0
NO_METRICS = MetricsList(())


@dataclass(frozen=True)
class Split:
    """What is learned from, and what is asked for after it.

    Attributes
    ----------
    test
        What users did after, shape [n_users, n_actions].
    """

    records: Records
    catalogue: Catalogue
    as_of: float
    test: sp.csr_matrix

    @property
    def known(self) -> sp.csr_matrix:
        """What users did before, of the same shape."""
        events = self.records.events
        ones = np.ones(len(events))
        return sp.csr_matrix((ones, (events.user, events.action)), shape=self.test.shape)


def load(name: str, folder: Path) -> Split:
    """Read one data set: ``ml-100k`` is split in time 90/10, the lists as they come."""
    return _ratings(folder / name) if name == "ml-100k" else _lists(folder / name)


def completions(
    user: AnyIntArray, action: AnyIntArray, at: FloatArray, n_users: int, **attributes: Any
) -> Records:
    """Records of people who completed actions, with nothing known of them but attributes."""
    order = np.lexsort((at, user))
    n = len(order)
    events = Events(
        user[order].astype(np.int32),
        action[order].astype(np.int32),
        np.full(n, EVENT_CODES["complete"], np.int8),
        at[order],
        np.full(n, -1),
        np.full(n, np.nan),
        np.full(n, np.nan),
    )
    users = Users(
        np.array([f"u{place:06}" for place in range(n_users)], dtype=object),
        np.full(n_users, np.nan),
        np.zeros(n_users, np.int8),
        np.zeros(0, np.int32),
        np.zeros(0, object),
        attributes,
    )
    none = np.zeros(0)
    index = none.astype(np.int32)
    return Records(users, events, Observations(index, index, none, none))


def _lists(folder: Path) -> Split:
    """Learn from ``train.txt``, all at one instant; ``valid.txt`` is not used at all."""
    user, action = _pairs(folder / "train.txt")
    test_user, test_action = _pairs(folder / "test.txt")
    n_users = int(max(user.max(), test_user.max())) + 1
    n_actions = int(max(_pairs(folder / f"{p}.txt")[1].max() for p in ("train", "valid", "test")))
    at = np.full(len(user), AS_OF - SECONDS_PER_DAY)
    catalogue = Catalogue(
        tuple(Action(f"a{i:06}", f"Action {i}", "any") for i in range(n_actions + 1))
    )
    test = _matrix(test_user, test_action, (n_users, n_actions + 1))
    return Split(completions(user, action, at, n_users), catalogue, AS_OF, test)


def _pairs(path: Path) -> tuple[AnyIntArray, AnyIntArray]:
    rows = [np.array(line.split(), np.int64) for line in path.read_text().splitlines()]
    user = np.concatenate([np.full(len(row) - 1, row[0]) for row in rows])
    return user, np.concatenate([row[1:] for row in rows])


def _ratings(folder: Path) -> Split:
    """Every rating is a completion; the last tenth is asked for."""
    rows = _table(folder / "ml-100k.inter")
    people, things = _table(folder / "ml-100k.user"), _table(folder / "ml-100k.item")
    user_of = {row["user_id:token"]: place for place, row in enumerate(people)}
    action_of = {row["item_id:token"]: place for place, row in enumerate(things)}
    user = np.array([user_of[row["user_id:token"]] for row in rows])
    action = np.array([action_of[row["item_id:token"]] for row in rows])
    at = np.array([float(row["timestamp:float"]) for row in rows])
    order = np.argsort(at, kind="stable")
    past, later = np.split(order, [int(0.9 * len(order))])
    records = completions(
        user[past],
        action[past],
        at[past],
        len(people),
        age=np.array([float(row["age:token"]) for row in people], dtype=object),
        gender=np.array([row["gender:token"] for row in people], dtype=object),
        occupation=np.array([row["occupation:token"] for row in people], dtype=object),
    )
    catalogue = Catalogue(tuple(_film(row) for row in things))
    test = _matrix(user[later], action[later], (len(people), len(things)))
    return Split(records, catalogue, float(at[past].max()) + 1.0, test)


def _film(row: dict[str, str]) -> Action:
    year = row["release_year:token"]
    return Action(
        f"a{row['item_id:token']:>06}",
        row["movie_title:token_seq"] or "untitled",
        "film",
        tags=tuple(sorted(row["class:token_seq"].split())),
        attributes={"year": float(year)} if year.isdigit() else {},
    )


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _matrix(user: AnyIntArray, action: AnyIntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(user)), (user, action)), shape=shape)
