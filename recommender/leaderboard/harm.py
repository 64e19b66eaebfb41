"""Who is shown what once the guardrails have spoken, and what they kept off the lists.

Everybody judged is given the list that the hybrid of the split would have given at the split,
with the rules as they are now, and the list it would have given without any rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import Catalogue, MetricsList
from recommender.guardrails.rules import SEVERITIES, Rule
from recommender.leaderboard.board import Sample
from recommender.leaderboard.curves import wilson
from recommender.leaderboard.grouped import LEAST_PEOPLE, difference, grouped_samples
from recommender.leaderboard.held_out import HeldOut, judged_records
from recommender.leaderboard.listed import LENGTH, Assess, Lists, Shelf, lists_of
from recommender.leaderboard.segments import groups
from recommender.leaderboard.tally import Tally
from recommender.resampling import Figure, figure, grouped_sums

FAMILIES = ("sex", "age", "condition")
MOST_SHOWN = 5
EVERYBODY = "everybody"
OTHER_RULES = "(rules with fewer people)"


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action on many lists of a group; ``share`` and ``elsewhere`` are shares of lists."""

    action_id: str
    title: str
    share: float
    elsewhere: float


@dataclass(frozen=True)
class GroupHarm:
    """What the guardrails do for, and to, one group of people.

    Attributes
    ----------
    impressions
        Actions a person was really shown in the held-out days.
    withheld, withheld_gap
        Share of the catalogue withheld from a person; and minus that of everybody else, where
        they are enough people.
    near_misses, near_misses_gap
        Withheld actions that the person's list of ten would hold without guardrails.
    any_near_miss
        Share of people with at least one.
    cautioned
        Share of the listed that carry a caution.
    short_list
        Share of people left with fewer than ten actions.
    most_shown
        The actions on most of the group's lists.
    """

    family: str
    group: str
    people: int
    impressions: Figure
    withheld: Figure
    withheld_gap: Figure | None
    near_misses: Figure
    near_misses_gap: Figure | None
    any_near_miss: Figure
    cautioned: Figure
    short_list: Figure
    most_shown: tuple[ShownAction, ...]


@dataclass(frozen=True, slots=True)
class RuleHarm:
    """One rule: actions it kept off lists of ten, from how many people, and how much in all.

    Rules that withhold from fewer than ``LEAST_PEOPLE`` people are added up in one line.
    """

    rule_id: str
    severity: str
    source: str
    near_misses: int
    people_near: int
    people: int


@dataclass(frozen=True)
class Harm:
    """The fairness and harm section of an evaluation.

    Attributes
    ----------
    people, near_misses
        Judged, and withheld actions in their lists of ten without guardrails, all together.
    by_severity
        The same by severity of the rule.
    groups
        Everybody first, then groups of at least ``LEAST_PEOPLE``.
    left_out
        Groups with fewer people, of which nothing is said.
    rules
        Most near misses first.
    """

    people: int
    near_misses: int
    by_severity: Mapping[str, int]
    groups: tuple[GroupHarm, ...]
    left_out: int
    rules: tuple[RuleHarm, ...]


def harm_of(
    held: HeldOut,
    catalogue: Catalogue,
    metrics: MetricsList,
    assess: Assess,
    shelf: Shelf,
    rules: Sequence[Rule],
    seed: int,
) -> Harm:
    """Make everybody's list with and without guardrails and compare groups.

    Parameters
    ----------
    assess
        The hybrid of the split and the present rules.
    rules
        What the places of rules in its answers refer to.
    """
    lists = lists_of(held, assess, shelf, len(rules))
    n = len(held.users)
    people = judged_records(held, np.arange(n))
    found = [one for one in groups(people, metrics, held.split) if one[0] in FAMILIES]
    large = [one for one in found if one[2].sum() >= LEAST_PEOPLE]
    members = [np.ones(n, np.bool_), *(each for _, _, each in large)]
    names = [(EVERYBODY, EVERYBODY), *((family, group) for family, group, _ in large)]
    samples = grouped_samples(_tallies(held, lists, shelf), members, seed)
    small = sum(0 < each.sum() < LEAST_PEOPLE for _, _, each in found)
    return Harm(
        n,
        int(lists.near.sum()),
        _by_severity(lists, rules),
        tuple(
            _group(name, lists, mine, own, rest, catalogue)
            for name, mine, (own, rest) in zip(names, members, samples, strict=True)
        ),
        small,
        _by_rule(lists, rules),
    )


def _tallies(held: HeldOut, lists: Lists, shelf: Shelf) -> dict[str, Tally]:
    n = len(held.users)
    one = np.ones(n)
    listed = (lists.shown >= 0).sum(axis=1).astype(np.float64)
    return {
        "impressions": Tally(grouped_sums(held.rows.user, 1.0, n), one),
        "withheld": Tally(lists.held.sum(axis=1), one * max(int(shelf.active.sum()), 1)),
        "near_misses": Tally(lists.near.sum(axis=1), one),
        "cautioned": Tally(lists.cautioned, listed),
    }


def _group(
    name: tuple[str, str],
    lists: Lists,
    mine: BoolArray,
    own: Mapping[str, Sample],
    rest: Mapping[str, Sample],
    catalogue: Catalogue,
) -> GroupHarm:
    some = (~mine).sum() >= LEAST_PEOPLE
    return GroupHarm(
        *name,
        people=int(mine.sum()),
        impressions=figure(*own["impressions"]),
        withheld=figure(*own["withheld"]),
        withheld_gap=difference(own["withheld"], rest["withheld"]) if some else None,
        near_misses=figure(*own["near_misses"]),
        near_misses_gap=difference(own["near_misses"], rest["near_misses"]) if some else None,
        any_near_miss=_share(lists.near.sum(axis=1)[mine] > 0),
        cautioned=figure(*own["cautioned"]),
        short_list=_share((lists.shown[mine] >= 0).sum(axis=1) < LENGTH),
        most_shown=_most_shown(lists.shown, mine, catalogue),
    )


def _share(people: BoolArray) -> Figure:
    """Share of people with Wilson's interval, which says something of shares of 0 and 1, too."""
    yes, n = int(people.sum()), len(people)
    return Figure(yes / n, *wilson(yes, n))


def _most_shown(shown: IntArray, mine: BoolArray, catalogue: Catalogue) -> tuple[ShownAction, ...]:
    def shares(lists: IntArray) -> FloatArray:
        counts = np.bincount(lists[lists >= 0], minlength=len(catalogue))
        return np.asarray(counts / max(len(lists), 1))

    own, other = shares(shown[mine]), shares(shown[~mine])
    best = np.argsort(-own, kind="stable")[:MOST_SHOWN]
    return tuple(
        ShownAction(action.action_id, action.title, float(own[place]), float(other[place]))
        for place in best[own[best] > 0]
        for action in (catalogue.actions[place],)
    )


def _by_severity(lists: Lists, rules: Sequence[Rule]) -> dict[str, int]:
    near = lists.near.sum(axis=0)
    mine = {name: [rule.severity == name for rule in rules] for name in reversed(SEVERITIES)}
    return {name: int(near[some].sum()) for name, some in mine.items()}


def _by_rule(lists: Lists, rules: Sequence[Rule]) -> tuple[RuleHarm, ...]:
    people = (lists.held > 0).sum(axis=0)
    lines = [
        RuleHarm(
            rules[place].rule_id,
            rules[place].severity,
            f"{rules[place].source} ({rules[place].date})",
            int(lists.near[:, place].sum()),
            int((lists.near[:, place] > 0).sum()),
            int(people[place]),
        )
        for place in np.flatnonzero(people >= LEAST_PEOPLE).tolist()
    ]
    few = (people > 0) & (people < LEAST_PEOPLE)
    if few.any():
        near, held = lists.near[:, few], lists.held[:, few]
        lines.append(
            RuleHarm(
                OTHER_RULES,
                "",
                "",
                int(near.sum()),
                int((near > 0).any(axis=1).sum()),
                int((held > 0).any(axis=1).sum()),
            )
        )
    return tuple(sorted(lines, key=lambda line: (-line.near_misses, -line.people, line.rule_id)))
