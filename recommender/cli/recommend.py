"""``recommender recommend USER_ID``."""

from __future__ import annotations

from datetime import datetime

import click
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from recommender.cli.operator import operator, purpose_option
from recommender.cli.options import Instant, common_options, example
from recommender.cli.output import emit
from recommender.cli.session import database, settings
from recommender.documents import answer_document
from recommender.domain import (
    Alert,
    Audience,
    Evidence,
    Objective,
    Recommendation,
    RecommendationList,
)
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, recommend_for

_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow"}


@click.command(
    "recommend",
    epilog=example("recommender recommend u0000001 --limit 5 --as-of 2026-11-01T00:00:00Z"),
)
@click.argument("user_id")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--as-of", type=Instant(), help="Answer from the records up to here; now if absent.")
@click.option("--domain", help="Only actions of this domain.")
@click.option(
    "--audience", type=click.Choice([a.value for a in Audience]), default="user", show_default=True
)
@click.option(
    "--objective",
    type=click.Choice([o.value for o in Objective]),
    default="benefit",
    show_default=True,
)
@purpose_option
@common_options
def command(
    user_id: str,
    limit: int,
    as_of: datetime | None,
    domain: str | None,
    audience: str,
    objective: str,
    purpose: str | None,
) -> None:
    """Show what to recommend to one person, why, and what to watch out for."""
    chosen = settings()
    known = load_knowledge(chosen)
    wish = Audience(audience), Objective(objective)
    ask = Ask(limit, domain, *wish, as_of, channel="cli", asker=operator(purpose))
    with database(chosen) as engine:
        published = Published(engine, known.rules, known.metrics)
        answer = recommend_for(published, user_id, ask, chosen)
    emit(answer_document(answer), lambda console: show_answer(console, answer))


def show_answer(console: Console, answer: RecommendationList) -> None:
    """Print an answer for people: alerts first, then the list with its reasons."""
    for alert in answer.alerts:
        console.print(_alert_panel(alert))
    known = "nothing is known of this person yet" if answer.cold_start else "from their own record"
    console.print(Text(f"For {answer.user_id}, {known} (run {answer.run_id})", style="dim"))
    for item in answer.items:
        console.print(_in_words(item))
    if not answer.items:
        console.print("Nothing to recommend right now.")
    console.print(
        Text(f"{answer.withheld} withheld by the guardrails · request {answer.request_id}", "dim")
    )


def _alert_panel(alert: Alert) -> Panel:
    style = _SEVERITY_STYLES.get(alert.severity, "bold")
    body = Group(Text(alert.text), Text(f"{alert.rule_id} · {alert.source}", style="dim"))
    return Panel(body, title=f"ALERT · {alert.severity}", title_align="left", border_style=style)


def _cited(basis: Evidence) -> str:
    dated = f", {basis.date}" if basis.date else ""
    return f"{basis.source} (grade {basis.grade}{dated})"


def _in_words(item: Recommendation) -> Group:
    verdict = item.verdict.value + (f" ({item.rule_id})" if item.rule_id else "")
    figures = f"{item.p_complete:.0%} likely to do it · benefit {item.benefit:.2f}"
    beneath = [
        Text(f"{item.action.domain} · {figures} · {verdict}"),
        *(Text(f"- {why.text} ({why.contribution:+.2f})", "dim") for why in item.reasons),
        *(Text(f"Evidence: {_cited(basis)}", "dim") for basis in item.action.evidence[:1]),
    ]
    return Group(
        Text(f"{item.rank:>3}  {item.action.title}", style="bold"),
        Padding(Group(*beneath), (0, 0, 0, 5)),
    )
