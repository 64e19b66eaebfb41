"""Whether everyone gets a list of their own, whether every group is served, what was learned."""

from __future__ import annotations

from html import escape
from itertools import groupby

from recommender.domain import MetricsList
from recommender.evaluate import EvaluationReport
from recommender.leaderboard.entrants import HYBRID
from recommender.leaderboard.segments import Segment
from recommender.report import svg
from recommender.report.html import cell, difference, lead, paragraph, table
from recommender.report.words import effect_in_words

_PARTS = {
    "profile": "Who a person is",
    "biometrics": "What was measured (one standard deviation more)",
    "behaviour": "What they did before",
}


def lists(found: EvaluationReport) -> str:
    """Coverage, distance and novelty of everyone's first ten."""
    rows = [(line.label, line.figures) for line in found.leaderboard]
    covered = [(label, figures["coverage"].value) for label, figures in rows]
    apart = [(label, figures["inter_user_distance"].value) for label, figures in rows]
    novel = [(label, figures["novelty"]) for label, figures in rows]
    return (
        "<h2>Does everyone get the same list?</h2>"
        + paragraph(
            "First ten of the whole catalogue, before safety rules and variety. A list that is "
            "the same for all needs no model; one that is different for all is not therefore good "
            "(see random)."
        )
        + "<h3>Coverage: share of the catalogue on anyone's first ten</h3>"
        + svg.bars(covered, describe="Coverage", strong="hybrid")
        + "<h3>Inter-user distance: share of a list that another person's lacks</h3>"
        + svg.bars(apart, describe="Inter-user distance", strong="hybrid")
        + "<h3>Novelty: bits of surprise of what is listed</h3>"
        + svg.intervals(
            novel, describe="Novelty", strong="hybrid", show=lambda value: f"{value:.2f}"
        )
    )


def groups(found: EvaluationReport) -> str:
    """Every group: how well it is served, beside everyone else."""
    if not found.segments:
        return ""
    name = next(n for n in ("shown_ndcg_at_10", "ndcg_at_10") if n in found.segments[0].hybrid)
    dots = [(_label(segment), segment.hybrid[name]) for segment in found.segments]
    overall = next(x for x in found.leaderboard if x.name == HYBRID).figures[name].value
    heads = ("group", "people", "NDCG@10", "lead over popularity", "gap to all others",
             "rate predicted", "rate observed", "predicted minus observed")  # fmt: skip
    rows: list[tuple[str, list[str]]] = []
    for family, some in groupby(found.segments, key=lambda segment: segment.family):
        rows.append(("family", [escape(family.capitalize()), *[""] * (len(heads) - 1)]))
        rows += [("", _segment_cells(segment, name)) for segment in some]
    where = "what each was shown" if name.startswith("shown") else "the whole catalogue"
    return (
        "<h2>Is every group served?</h2>"
        + paragraph(
            f"NDCG@10 of the hybrid over {where}. The gap compares a group with all other "
            "people; shown lists differ in length and difficulty between groups, so a gap with a "
            "lead as large as elsewhere speaks of the lists, not of the model. The last columns "
            "are the fairness of the probabilities: where predicted minus observed is above 0, "
            "the group does less than it was credited with. The dashed line is everybody."
        )
        + svg.intervals(dots, describe="NDCG@10 by group", reference=overall)
        + table(heads, rows)
    )


def learned(found: EvaluationReport, metrics: MetricsList) -> str:
    """Largest effects, in words."""
    parts = []
    for part, title in _PARTS.items():
        listed = "".join(
            f"<li>{escape(effect_in_words(effect, metrics))}</li>"
            for effect in found.effects
            if effect.part == part
        )
        if listed:
            parts.append(f"<h3>{title}</h3><ul>{listed}</ul>")
    return (
        "<h2>What the model learned</h2>"
        + paragraph(
            "The largest average effects on the odds of completing, other things equal. They are "
            "associations in this log, pulled towards nothing where data are few, and causes of "
            "nothing. Features overlap (a level, its distance from the target, its median), so "
            "each is only part of a reading's effect. The factors, tastes beyond all this, have "
            "no words."
        )
        + "".join(parts)
    )


def _segment_cells(segment: Segment, name: str) -> list[str]:
    return [
        escape(segment.group),
        f"{segment.people:,}",
        cell(segment.hybrid[name]),
        lead(segment.lead.get(name)),
        lead(segment.gap.get(name)),
        cell(segment.predicted),
        cell(segment.observed),
        difference(segment.surplus),
    ]


def _label(segment: Segment) -> str:
    words = f"{segment.family}: {segment.group}"
    return words if len(words) < 38 else f"{words[:36]}…"
