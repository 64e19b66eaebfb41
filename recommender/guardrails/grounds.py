"""Why actions were not simply allowed: rule by rule, of all people at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recommender.domain import Verdict

NO_RULE = -1


class Citation(NamedTuple):
    """A rule that decided about some actions of one user.

    Attributes
    ----------
    verdict
        ``caution`` or ``withhold``.
    reading
        Id of the reading that made it hold (the first if it needed several), or None.
    rival
        Id of a reading that disputes that one, or None.
    """

    verdict: Verdict
    rule_id: str
    version: int
    reading: str | None
    rival: str | None = None


Ground: TypeAlias = tuple[Citation, list[int]]
"""A rule and what it decided about for one user: places in the catalogue, ascending."""


def grounds_by_rule(
    rule: NDArray[np.int16], cite: Callable[[int, int], Citation]
) -> list[list[Ground]]:
    """Group each user's actions by the rule behind them, rules ascending.

    Parameters
    ----------
    rule
        ``Decisions.rule``, [n_users, n_actions].
    cite
        What to cite for a user and a rule.
    """
    found: list[list[Ground]] = [[] for _ in rule]
    user, action = (rule != NO_RULE).nonzero()
    if not len(user):
        return found
    group = user * (int(rule.max()) + 1) + rule[user, action]
    order = group.argsort(kind="stable")
    action, group = action[order], group[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    of_user, of_rule = np.divmod(group[starts], int(rule.max()) + 1)
    actions, begins = action.tolist(), starts.tolist()
    ends = [*begins[1:], len(actions)]
    for who, place, begin, end in zip(
        of_user.tolist(), of_rule.tolist(), begins, ends, strict=True
    ):
        found[who].append((cite(who, place), actions[begin:end]))
    return found
