"""What the gate makes of the lists a candidate would give, and of what guardrails withhold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from recommender.drift.offers import LIST_LENGTH, Offers, Withholding
from recommender.drift.people import LEAST_PEOPLE
from recommender.gate_limits import GateLimits

Before = Mapping[tuple[str, str], float]
"""Figures of the published run by (name, segment)."""
Rules = Mapping[str, Withholding]

SURE_SE = 3.0
"""How many standard errors rule chance out in what is looked at every night."""

_NAMED = 3
_LEAST_SPREAD = 0.05
_WORTH_MISSING = 0.01
_MADE_UP = 0.5
_DAYS_TO_CHANGE = 3.0
_LEAST_PEOPLE = 0.5


def some(words: Iterable[str]) -> str:
    """The first few, and how many more."""
    every = list(words)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


def unscored(now: Offers, limits: GateLimits) -> Iterator[str]:
    """People for whom the model has no score, whatever is in force."""
    if now.unscored > limits.gate_unscored:
        yield f"{now.unscored:.2%} of people have actions without a score"


def offers_reasons(
    now: Offers, before: Before, limits: GateLimits, days: float = 1.0
) -> Iterator[str]:
    """What speaks against a candidate, against the figures of the published run if it has any.

    Parameters
    ----------
    days
        How much later the candidate stands.
    """
    if ("offers_people", "all") not in before:
        return
    yield from _lists(now, before, limits)
    if now.people >= _LEAST_PEOPLE * before["offers_people", "all"]:
        yield from _variety(now, before, limits)
    yield from _rules(now, before)
    same = {
        rule_id: rule
        for rule_id, rule in now.rules.items()
        if before.get(("rule_version", rule_id), 0) == now.versions.get(rule_id, -1)
    }
    yield from _no_longer_withheld(now, same, before, limits, days)
    yield from _suddenly_withheld(now, same, before, limits, days)
    yield from _near_misses(now, same, before, limits)


def _lists(now: Offers, before: Before, limits: GateLimits) -> Iterator[str]:
    for name, share, side in (("empty", now.empty, 1), ("full", now.full, -1)):
        was = before[f"offers_{name}", "all"]
        if _moved(side * share, side * was, limits.gate_lists, now, before):
            fewer = (
                "more people have an empty list" if side > 0 else "fewer people have a full list"
            )
            yield f"{fewer}: {share:.1%}, it was {was:.1%}"


def _variety(now: Offers, before: Before, limits: GateLimits) -> Iterator[str]:
    """Both measures of each pair, so that no larger or smaller catalogue counts as a fault."""
    left = 1.0 - limits.gate_coverage
    listed, coverage = before["offers_listed", "all"], before["offers_coverage", "all"]
    if now.listed < left * listed and now.coverage < left * coverage:
        yield (
            f"of {now.actions} actions only {now.listed} stand in anybody's first {LIST_LENGTH}, "
            f"it was {listed:.0f}"
        )
    was = before["offers_top_share", "all"]
    chance = SURE_SE * float(
        (now.top_share_se**2 + before["offers_top_share_se", "all"] ** 2) ** 0.5
    )
    fewer = now.top_share - was
    halved = 1.0 - now.top_share < left * (1.0 - was)
    if halved and fewer > max(chance, _LEAST_SPREAD) and now.gini > before["offers_gini", "all"]:
        yield (
            f"the {LIST_LENGTH} most listed actions take {now.top_share:.0%} of all places, "
            f"it was {was:.0%}"
        )


def _rules(now: Offers, before: Before) -> Iterator[str]:
    then = {rule_id: value for (name, rule_id), value in before.items() if name == "rule_version"}
    lost = [one for one in sorted(then) if one not in now.versions and one not in now.switched_off]
    if lost:
        yield (
            f"guardrail rules of the published run are no longer in force: {some(lost)} "
            f"({len(now.versions)} rules, it was {len(then)}); was a rule file lost? Rules are "
            "switched off by name, RECOMMENDER_RULES_DISABLED"
        )
    older = [one for one in sorted(then) if now.versions.get(one, then[one]) < then[one]]
    if older:
        yield f"guardrail rules are older than those of the published run: {some(older)}"


def _no_longer_withheld(
    now: Offers, same: Rules, before: Before, limits: GateLimits, days: float
) -> Iterator[str]:
    """Rules that stopped, unless others withhold the same in their place.

    What is withheld because something is unknown dwindles by itself while people measure, so that
    more of it may go the longer ago the published run is.
    """
    left = (1.0 - limits.gate_vanished) ** max(days / _DAYS_TO_CHANGE, 1.0)
    less = before["offers_withheld", "all"] - now.withheld
    stopped = []
    for rule_id, rule in same.items():
        was = before.get(("rule_people", rule_id), 0.0)
        gone = before.get(("rule_withheld", rule_id), 0.0) - rule.pairs
        if (
            was >= _WORTH_MISSING
            and rule.people < left * was
            and _moved(-rule.people, -was, 0.0, now, before)
            and less > _MADE_UP * gone
        ):
            stopped.append(f"{rule_id} (from {was:.1%} of people, now from {rule.people:.1%})")
    if stopped:
        yield (
            f"guardrail rules hardly withhold any more: {some(stopped)}; do the conditions, "
            "readings and tags of actions that they look at still arrive, in the same words?"
        )


def _suddenly_withheld(
    now: Offers, same: Rules, before: Before, limits: GateLimits, days: float
) -> Iterator[str]:
    """Rules that withhold something from far more people at once."""
    limit = limits.gate_rule_rise * max(days / _DAYS_TO_CHANGE, 1.0)
    fewest = LEAST_PEOPLE / before["offers_people", "all"]  # what concerns fewer is no figure
    risen = []
    for rule_id, rule in same.items():
        was = before.get(("rule_people", rule_id), fewest)
        if _moved(rule.people, was, limit, now, before):
            risen.append(f"{rule_id} (from {rule.people:.1%} of people, it was {was:.1%})")
    if risen:
        yield (
            f"guardrail rules withhold from far more people: {some(risen)}; was a unit, a coding "
            "or a tag changed?"
        )


def _near_misses(now: Offers, same: Rules, before: Before, limits: GateLimits) -> Iterator[str]:
    """Only by rules that the published run knew: a new rule is no fault of the model."""
    was = before["near_miss", "all"]
    share = sum(rule.near for rule in same.values())
    if _moved(share, was, limits.gate_near_miss, now, before):
        named = some(f"{one} ({rule.near:.1%})" for one, rule in _most_more(same, before))
        yield (
            f"the model's first choice is withheld for {share:.1%} of people, it was {was:.1%}, "
            f"mostly by {named}"
        )


def _most_more(rules: Rules, before: Before) -> list[tuple[str, Withholding]]:
    more = {one: rule.near - before.get(("near_miss", one), 0.0) for one, rule in rules.items()}
    risen = [one for one in sorted(more, key=lambda one: -more[one]) if more[one] > 0]
    return [(one, rules[one]) for one in risen]


def _moved(share: float, was: float, limit: float, now: Offers, before: Before) -> bool:
    """Whether a share of people (or minus one) rose by more than the limit, and than chance."""
    spread = 0.0
    for value, people in ((share, float(now.people)), (was, before["offers_people", "all"])):
        # Two more people, one of each kind: a share of 0 or 1 in a sample is not certain.
        p = (abs(value) * people + 1.0) / (people + 2.0)
        spread += p * (1.0 - p) / (people + 2.0)
    return bool(share - was > max(limit, SURE_SE * spread**0.5))
