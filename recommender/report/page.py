"""The page: sections put into the template, in the order a sceptical reader asks."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from recommender.domain import MetricsList
from recommender.evaluate import EvaluationReport
from recommender.report import harm, method, over_time, people, ranking, summary

_TEMPLATE = Path(__file__).with_name("template.html")


def evaluation_page(found: EvaluationReport, metrics: MetricsList) -> str:
    """Lay out an evaluation as one HTML page.

    Parameters
    ----------
    metrics
        For naming readings in words.
    """
    title = f"Evaluation of {found.window.end_at:%d %B %Y}"
    sections = (
        f"<h1>{escape(title)}</h1>",
        summary.what_was_evaluated(found.window),
        summary.in_short(found),
        method.purposes(),
        ranking.shown(found),
        ranking.whole_catalogue(found),
        ranking.policies(found),
        ranking.reliability_curve(found),
        people.lists(found),
        people.groups(found),
        harm.fairness_and_harm(found),
        over_time.days(found),
        over_time.history(found),
        people.learned(found, metrics),
        method.method(found),
        summary.limits(found),
        summary.definitions(),
    )
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(title), body="\n".join(section for section in sections if section)
    )
