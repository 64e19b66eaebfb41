"""The page: sections put into the template, in the order a sceptical reader asks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recommender.domain import MetricsList
from recommender.evaluate import EvaluationReport
from recommender.report import harm, method, over_time, people, ranking, summary
from recommender.report.layout import laid_out
from recommender.report.runs import trainings
from recommender.store.stages import RunHistory


def evaluation_page(
    found: EvaluationReport, metrics: MetricsList, runs: Sequence[RunHistory] = ()
) -> str:
    """Lay out an evaluation as one HTML page.

    Parameters
    ----------
    metrics
        For naming readings in words.
    runs
        The last trainings, oldest first.
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
        trainings(runs),
        people.learned(found, metrics),
        method.method(found),
        summary.limits(found),
        summary.definitions(),
    )
    return laid_out(title, sections)
