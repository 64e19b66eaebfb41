"""What people would otherwise pick: chance, popularity in three forms, iALS and EASE.

Settings are chosen on the days before the split, by the same replay one window earlier, so that
a baseline that loses does not lose for want of tuning. Who has completed nothing yet gets
popularity from the models that need a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

import numpy as np
import scipy.sparse as sp

from recommender.dataset import FloatArray, IntArray, select_users
from recommender.domain import EVENT_CODES, SECONDS_PER_DAY, Catalogue
from recommender.errors import NothingToLearnError
from recommender.leaderboard.entrants import Entrant, Scores
from recommender.leaderboard.held_out import HeldOut, hold_out, most_judged
from recommender.leaderboard.replay import replay
from recommender.leaderboard.tally import catalogue_tally, mean
from recommender.models.factors import completion_factors
from recommender.models.popularity import log_odds_of
from recommender.outcomes import Impressions, labelled_impressions
from recommender.resampling import grouped_sums

Setting = Mapping[str, float]
Build = Callable[[HeldOut, Setting, int, int], Scores]

HALF_LIVES = tuple({"half_life_days": days} for days in (2.0, 7.0, 14.0, 28.0, 56.0))
RIDGES = tuple({"ridge": value} for value in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0))
FACTORS = tuple(
    {"rank": rank, "alpha": alpha, "regularization": ridge}
    for rank, alpha, ridge in product((4.0, 16.0, 48.0), (1.0, 10.0), (1.0, 10.0, 50.0))
)

MOST_EASE = 4_000
"""EASE inverts a matrix of actions by actions: with this many it takes 0.4 GB, with 17,000 7 GB."""

_MOST_TUNED = 20_000
_MOST_SCORED = 10_000_000
_COMPLETE = EVENT_CODES["complete"]


def baselines(held: HeldOut, catalogue: Catalogue, seed: int) -> Iterator[Entrant]:
    """Fit every baseline on the past, weakest first; yields each as it is ready."""
    n_actions = len(catalogue)
    inner = _window_before(held, n_actions, seed)
    rows = labelled_impressions(held.past, catalogue, held.split)
    yield _chance(rows, n_actions, seed)
    yield Entrant("popularity_count", "popularity (count)", _alike(_counts(held, n_actions)))
    if len(rows):
        yield Entrant(
            "popularity_rate", "popularity (rate)", _alike(log_odds_of(rows, n_actions)), True
        )
    for name, label, grid, build in _TUNED:
        if name == "ease" and n_actions > MOST_EASE:
            continue
        chosen = _best(inner, grid, build, n_actions, seed)
        scores = build(held, chosen, n_actions, seed)
        yield Entrant(name, label, scores, settings=chosen)


def left_out(n_actions: int) -> tuple[str, ...]:
    """Baselines that can't take part on a catalogue of this size, in words."""
    if n_actions <= MOST_EASE:
        return ()
    return (
        f"EASE takes no part: it inverts a matrix of actions by actions, too large for the "
        f"memory of most machines with {n_actions:,} actions (at most {MOST_EASE:,}).",
    )


def completions(held: HeldOut, n_actions: int) -> sp.csr_matrix:
    """How often each user completed each action before the split, shape [n_users, n_actions]."""
    events = held.past.events
    done = events.kind == _COMPLETE
    return sp.csr_matrix(
        (np.ones(int(done.sum())), (events.user[done], events.action[done])),
        shape=(len(held.past.users), n_actions),
    )


def _window_before(held: HeldOut, n_actions: int, seed: int) -> HeldOut | None:
    """The same question one window earlier; None if too little was known then."""
    past, n = held.past, len(held.past.users)
    if n > _MOST_TUNED:
        chosen = np.random.default_rng([seed, 73]).choice(n, _MOST_TUNED, replace=False)
        past = select_users(past, np.sort(chosen))
    try:
        before, most = held.split - (held.end - held.split), most_judged(n_actions, _MOST_SCORED)
        return hold_out(past, before, held.split, seed, most)
    except NothingToLearnError:
        return None


def _best(
    inner: HeldOut | None, grid: tuple[Setting, ...], build: Build, n_actions: int, seed: int
) -> Setting:
    """The setting with the best NDCG@10 one window earlier; the middle one if there is none."""
    if inner is None:
        return grid[len(grid) // 2]
    gains = []
    for setting in grid:
        replayed = replay(inner, build(inner, setting, n_actions, seed), n_actions, seed)
        gains.append(mean(catalogue_tally(inner, replayed)["ndcg_at_10"]))
    return grid[int(np.argmax(gains))]


def _chance(rows: Impressions, n_actions: int, seed: int) -> Entrant:
    """A random order for everyone; as probability, the overall rate."""
    done = float(rows.weight @ rows.completed) + 0.5
    level = float(np.log(done) - np.log(float(rows.weight.sum()) + 1.0 - done))

    def scores(users: IntArray) -> FloatArray:
        draws = [np.random.default_rng([seed, 74, user]).random(n_actions) for user in users]
        return level + 1e-9 * np.stack(draws)  # small enough to decide the order and nothing else

    return Entrant("random", "random", scores, gives_probability=len(rows) > 0)


def _alike(scores: FloatArray) -> Scores:
    """The same scores for everyone."""
    return lambda users: np.broadcast_to(scores, (len(users), len(scores)))


def _counts(held: HeldOut, n_actions: int) -> FloatArray:
    done = held.past.events.action[held.past.events.kind == _COMPLETE]
    return grouped_sums(done, 1.0, n_actions)


def _recent(held: HeldOut, setting: Setting, n_actions: int, seed: int) -> Scores:
    del seed
    events = held.past.events
    done = events.kind == _COMPLETE
    age = (held.split - events.at[done]) / SECONDS_PER_DAY
    weight = 0.5 ** (age / setting["half_life_days"])
    return _alike(grouped_sums(events.action[done], weight, n_actions))


def _ials(held: HeldOut, setting: Setting, n_actions: int, seed: int) -> Scores:
    counts = completions(held, n_actions)
    users, actions = completion_factors(
        counts, int(setting["rank"]), setting["alpha"], setting["regularization"], seed
    )
    return _or_popular(held, counts, lambda places: users[places] @ actions.T)


def _ease(held: HeldOut, setting: Setting, n_actions: int, seed: int) -> Scores:
    """Closed-form linear model without self-similarity (Steck 2019), on who completed what."""
    del seed
    counts = completions(held, n_actions)
    once = (counts > 0).astype(np.float64)
    inverse = np.linalg.inv((once.T @ once).toarray() + setting["ridge"] * np.eye(n_actions))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return _or_popular(held, counts, lambda places: np.asarray(once[places] @ weights))


def _or_popular(
    held: HeldOut, counts: sp.csr_matrix, known: Callable[[IntArray], FloatArray]
) -> Scores:
    popular = np.asarray(counts.sum(axis=0)).ravel()
    some = np.asarray(counts.sum(axis=1)).ravel() > 0

    def scores(users: IntArray) -> FloatArray:
        places = held.users[users]
        return np.asarray(np.where(some[places][:, None], known(places), popular))

    return scores


_TUNED: tuple[tuple[str, str, tuple[Setting, ...], Build], ...] = (
    ("popularity_recent", "popularity (recent)", HALF_LIVES, _recent),
    ("ials", "iALS (implicit)", FACTORS, _ials),
    ("ease", "EASE", RIDGES, _ease),
)
