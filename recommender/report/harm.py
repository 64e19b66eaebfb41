"""Fairness and harm: what the guardrails kept off lists, whose, and what is shown instead."""

from __future__ import annotations

from html import escape
from itertools import groupby

from recommender.evaluate import EvaluationReport
from recommender.leaderboard.grouped import LEAST_PEOPLE
from recommender.leaderboard.harm import EVERYBODY, GroupHarm, Harm
from recommender.report import svg
from recommender.report.html import cell, difference, paragraph, table
from recommender.report.words import interval
from recommender.resampling import Figure

_HEADS = (
    "group", "people", "shown in the held-out days, a person", "catalogue withheld",
    "minus all others", "near misses a person", "minus all others", "people with any",
    "listed with a caution", "fewer than ten left",
)  # fmt: skip


def fairness_and_harm(found: EvaluationReport) -> str:
    """Near misses, what is withheld and what is shown, by group and by rule."""
    harm = found.harm
    return (
        "<h2>Fairness and harm: what the guardrails keep off people's lists</h2>"
        + paragraph(
            "Everybody judged is given the list of ten that the hybrid would have given them on "
            f"{found.window.split_at:%d %B %Y}, with the safety rules as they are today; and the "
            "list it would have given without any rule. A <strong>near miss</strong> is an action "
            "that a rule withheld and that would have stood among the ten without it: what a "
            "score alone would have told someone to do against the rules. Near misses are not "
            "shown to anyone. Many of them say that the score knows little of what is unsafe, "
            "and how much depends on the rules."
        )
        + _headline(harm)
        + "<h3>Near misses a person, by group</h3>"
        + _plot(harm)
        + _by_group(harm)
        + paragraph(_how_to_read(harm), "soft")
        + _by_rule(harm)
        + "<h3>What is shown most, and to whom</h3>"
        + paragraph(
            "The five actions on most of a group's lists after the rules, with the share of the "
            "group's lists that hold each and, in brackets, of everybody else's."
        )
        + _most_shown(harm)
    )


def in_one_sentence(harm: Harm) -> str:
    """The headline, for the summary."""
    everybody = harm.groups[0]
    return (
        f"Without the safety rules, {interval(_percent(everybody.any_near_miss), 0)} in 100 people "
        "would have had something on their list of ten that the rules withhold "
        f"({harm.near_misses:,} such places in all); with them, none did."
    )


def _headline(harm: Harm) -> str:
    everybody = harm.groups[0]
    kinds = ", ".join(f"{count:,} {name}" for name, count in harm.by_severity.items())
    return paragraph(
        f"<strong>{in_one_sentence(harm)}</strong> By severity of the rule: {kinds} (information: "
        "not meant for this person, or a reading is missing). Of 100 people, "
        f"{interval(_percent(everybody.short_list), 1)} are left with fewer than ten actions. On "
        f"average {everybody.withheld.value:.1%} of the catalogue is withheld from a person."
    )


def _plot(harm: Harm) -> str:
    dots = [(_label(one), one.near_misses) for one in harm.groups]
    return svg.intervals(
        dots,
        describe="Near misses a person by group",
        strong=EVERYBODY,
        reference=harm.groups[0].near_misses.value,
        show=lambda value: f"{value:.2f}",
    )


def _by_group(harm: Harm) -> str:
    rows: list[tuple[str, list[str]]] = [("strong", _cells(harm.groups[0]))]
    for family, some in groupby(harm.groups[1:], key=lambda one: one.family):
        rows.append(("family", [escape(family.capitalize()), *[""] * (len(_HEADS) - 1)]))
        rows += [("", _cells(one)) for one in some]
    return table(_HEADS, rows, kind="wide")


def _cells(one: GroupHarm) -> list[str]:
    return [
        escape(one.group),
        f"{one.people:,}",
        cell(one.impressions, 1),
        cell(_percent(one.withheld), 1, "%"),
        difference(_percent(one.withheld_gap), 1),
        cell(one.near_misses, 2),
        difference(one.near_misses_gap, 2),
        cell(_percent(one.any_near_miss), 0, "%"),
        cell(_percent(one.cautioned), 1, "%"),
        cell(_percent(one.short_list), 1, "%"),
    ]


def _how_to_read(harm: Harm) -> str:
    left = (
        f" {harm.left_out} smaller groups are left out (fewer than {LEAST_PEOPLE} people)."
        if harm.left_out
        else ""
    )
    return (
        "A group from which more is withheld is not wronged by that alone: the rules are meant to "
        "treat pregnancy, illness and age differently, and a reading that nobody took withholds "
        "too. Look for groups that differ without a clinical reason, and for groups with few "
        "actions left. Shares of people have Wilson's interval, means that of people drawn anew. "
        f"How well the same groups are predicted stands in the section before.{left}"
    )


def _by_rule(harm: Harm) -> str:
    near = [one for one in harm.rules if one.near_misses]
    rest = len(harm.rules) - len(near)
    if not near:
        return paragraph("No rule kept anything off a list of ten.")
    rows = [
        (
            "",
            [
                escape(one.rule_id.replace("_", " ")),
                escape(one.severity) or "-",
                f"{one.near_misses:,}",
                f"{one.people_near:,}",
                f"{one.people:,}",
                escape(one.source) or "-",
            ],
        )
        for one in near
    ]
    heads = ("rule", "severity", "near misses", "people with any", "withholds from", "source")
    more = (
        f"{rest} more rules withheld something from somebody, but nothing that the score would "
        "have put among anyone's ten. "
        if rest
        else ""
    )
    return (
        "<h3>Which rules did it</h3>"
        + table(heads, rows, words=(1, 5))
        + paragraph(
            f"{more}An action that several rules withhold counts for the first of them. Rules "
            f"that withhold from fewer than {LEAST_PEOPLE} people stand in one line.",
            "soft",
        )
    )


def _most_shown(harm: Harm) -> str:
    rows = [
        (
            "strong" if one.group == EVERYBODY else "",
            [
                escape(_label(one)),
                "<br>".join(
                    f"{escape(action.title)}: {action.share:.0%}"
                    + ("" if one.group == EVERYBODY else f" ({action.elsewhere:.0%})")
                    for action in one.most_shown
                ),
            ],
        )
        for one in harm.groups
    ]
    return table(("group", "on most lists"), rows, words=(1,))


def _label(one: GroupHarm) -> str:
    return one.group if one.group == EVERYBODY else f"{one.family}: {one.group}"


def _percent(value: Figure | None) -> Figure | None:
    if value is None:
        return None
    return Figure(*(100.0 * end for end in (value.value, value.low, value.high)))
