"""What a model would offer to people, and how often the guardrails have to step in.

A model that is trained on something broken may still predict well on average and offer everybody
the same few actions, or lean towards what has to be withheld. Rules that got lost, or a record they
no longer find, show as actions that are no longer withheld. Looked at for a sample of people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import AnyIntArray, BoolArray, FloatArray, IntArray
from recommender.drift.people import LEAST_PEOPLE

LIST_LENGTH = 10
"""Items of the lists that are looked at, as in an answer that asks for no other number."""


@dataclass(frozen=True)
class Seen:
    """What was found for some people; all arrays have one entry (or row) a person.

    Attributes
    ----------
    lists
        Places of the best allowed actions, -1 beyond the last, [n_users, LIST_LENGTH].
    near
        Index of the rule that withholds the best-scored action, -1 if it is allowed.
    unscored
        Whether any action offered has no finite score.
    rule_people, rule_pairs
        From how many people, and how many times in all, each rule withholds an action, [n_rules].
    """

    lists: IntArray
    near: NDArray[np.int16]
    unscored: BoolArray
    rule_people: IntArray
    rule_pairs: IntArray


@dataclass(frozen=True)
class Withholding:
    """One rule's part in it, as shares.

    Attributes
    ----------
    people
        Of the people: those from whom it withholds an action at all.
    pairs
        Of all actions of all people: those that it withholds.
    near
        Of the people: those whose best-scored action it withholds.
    """

    people: float
    pairs: float
    near: float


@dataclass(frozen=True)
class Offers:
    """What a model would offer, and what the guardrails withhold.

    Attributes
    ----------
    people
        How many were looked at.
    actions, listed
        How many actions are offered, and how many of them stand in anybody's list.
    top_share, top_share_se
        Share of all places that the ``LIST_LENGTH`` most listed actions take, and its standard
        error over people.
    gini
        Gini coefficient of how often each action is listed: 0 if all are equally often, near 1
        if few take all places.
    full, empty, unscored
        Shares of people with a full list, with nothing in it, and without a score somewhere.
    near
        Share of people whose best-scored action is withheld (a near miss).
    rules
        Each withholding rule's part, by id; none is left out.
    versions
        Version of every rule in force, alerts and cautions too, by id.
    switched_off
        Ids of rules that the settings name as switched off.
    """

    people: int
    actions: int
    listed: int
    top_share: float
    top_share_se: float
    gini: float
    full: float
    empty: float
    unscored: float
    near: float
    rules: Mapping[str, Withholding] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    switched_off: tuple[str, ...] = ()

    @property
    def withheld(self) -> float:
        """Share of all actions of all people that are withheld."""
        return sum(rule.pairs for rule in self.rules.values())

    @property
    def coverage(self) -> float:
        """Share of the actions offered that stand in anybody's list."""
        return self.listed / max(self.actions, 1)

    def figures(self) -> Iterator[tuple[tuple[str, str], float]]:
        """As figures of the run; what a rule does to fewer than 20 people is left out."""
        for name in (
            "people", "listed", "coverage", "top_share", "top_share_se", "gini", "full", "empty",
            "unscored", "withheld",
        ):  # fmt: skip
            yield (f"offers_{name}", "all"), float(getattr(self, name))
        yield ("near_miss", "all"), self.near
        least = LEAST_PEOPLE / max(self.people, 1)
        for rule_id, rule in self.rules.items():
            if rule.people >= least:
                yield ("rule_people", rule_id), rule.people
                yield ("rule_withheld", rule_id), rule.pairs
            if rule.near >= least:
                yield ("near_miss", rule_id), rule.near
        for rule_id, number in self.versions.items():
            yield ("rule_version", rule_id), float(number)


def seen(score: FloatArray, withheld: BoolArray, rule: NDArray[np.int16], n_rules: int) -> Seen:
    """Look at some people's scores and verdicts on the actions offered.

    Parameters
    ----------
    score, withheld, rule
        Of active actions only, [n_users, n_actions]; ``rule`` is the index of the rule behind each
        verdict.
    """
    finite = np.isfinite(score)
    usable = np.where(finite, score, -np.inf)
    people = np.arange(len(score))
    best = usable.argmax(axis=1)
    stopped = withheld[people, best] & finite[people, best]
    allowed = np.where(withheld, -np.inf, usable)
    lists = np.argsort(-allowed, axis=1, kind="stable")[:, :LIST_LENGTH]
    lists = np.where(np.take_along_axis(allowed, lists, axis=1) > -np.inf, lists, -1)
    user, action = np.nonzero(withheld)
    which = rule[user, action].astype(np.int64)
    pairs = np.bincount(which, minlength=n_rules)
    once = np.unique(user * n_rules + which) % n_rules
    return Seen(
        lists=np.pad(lists, ((0, 0), (0, LIST_LENGTH - lists.shape[1])), constant_values=-1),
        near=np.where(stopped, rule[people, best], -1),
        unscored=np.asarray(~finite.all(axis=1)),
        rule_people=np.bincount(once, minlength=n_rules),
        rule_pairs=pairs,
    )


def offers(
    found: Iterable[Seen],
    n_actions: int,
    rules: Sequence[tuple[str, int]],
    withholding: Sequence[bool],
    switched_off: tuple[str, ...] = (),
) -> Offers | None:
    """Put together what was seen of all people; None where there is nobody or no action.

    Parameters
    ----------
    n_actions
        How many actions are offered.
    rules, withholding
        Id and version of each rule, in the order of the indices seen, and whether it withholds.
    """
    every = list(found)
    people = sum(len(some.lists) for some in every)
    if not people or not n_actions:
        return None
    lists = np.concatenate([some.lists for some in every])
    near = np.bincount(np.concatenate([some.near for some in every]) + 1, minlength=len(rules) + 1)
    rule_people, rule_pairs = (
        np.sum([getattr(some, name) for some in every], axis=0)
        for name in ("rule_people", "rule_pairs")
    )
    lengths = (lists >= 0).sum(axis=1)
    times = np.bincount(lists[lists >= 0], minlength=n_actions)
    top_share, top_share_se = _top_share(lists, lengths, times)
    return Offers(
        people=people,
        actions=n_actions,
        listed=int((times > 0).sum()),
        top_share=top_share,
        top_share_se=top_share_se,
        gini=gini(times),
        full=float((lengths == min(LIST_LENGTH, n_actions)).mean()),
        empty=float((lengths == 0).mean()),
        unscored=float(np.concatenate([some.unscored for some in every]).mean()),
        near=float(near[1:].sum() / people),
        rules={
            rule_id: Withholding(
                people=float(rule_people[place] / people),
                pairs=float(rule_pairs[place] / (people * n_actions)),
                near=float(near[place + 1] / people),
            )
            for place, (rule_id, _) in enumerate(rules)
            if withholding[place]
        },
        versions=dict(rules),
        switched_off=switched_off,
    )


def gini(times: AnyIntArray) -> float:
    """Gini coefficient of some counts, 0 to 1.

    >>> gini(np.array([5, 5, 5, 5]))
    0.0
    >>> gini(np.array([0, 0, 0, 20]))
    0.75
    """
    total = times.sum()
    if not total:
        return 0.0
    n = len(times)
    ranks = np.arange(1, n + 1)
    return float((2 * ranks - n - 1) @ np.sort(times) / (n * total))


def _top_share(lists: IntArray, lengths: IntArray, times: AnyIntArray) -> tuple[float, float]:
    """Share of all places that the most listed actions take; its error with these held fixed."""
    top = np.zeros(len(times) + 1, dtype=bool)  # the last entry stands for an empty place
    top[np.argsort(-times, kind="stable")[:LIST_LENGTH]] = True
    top[-1] = False
    taken = top[lists].sum(axis=1)
    total = max(int(lengths.sum()), 1)
    share = taken.sum() / total
    return float(share), float(np.sqrt(((taken - share * lengths) ** 2).sum()) / total)
