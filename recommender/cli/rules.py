"""``recommender rules check|list|explain``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from recommender.catalogue import load_conditions, load_tags
from recommender.cli.failures import DONE, FAILED
from recommender.cli.operator import operator, purpose_option
from recommender.cli.options import Instant, common_options, example
from recommender.cli.output import emit, table
from recommender.cli.session import database, settings
from recommender.documents import alert_document
from recommender.domain import Audience
from recommender.guardrails.review import Flaw, Vocabulary, review
from recommender.guardrails.rules import SEVERITIES, VERDICTS, Rule
from recommender.knowledge import load_knowledge
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.why import ActionExplained, Explanation, ReadingSeen, explain


@click.group("rules", epilog=example("recommender rules list --tag heat"))
@common_options
def command() -> None:
    """Check, list or explain the guardrail rules."""


@command.command("check", epilog=example("recommender rules check our-rules.toml"))
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@common_options
def check_command(file: Path | None) -> int:
    """Show everything wrong with the rules, each with its line.  Ends with 1 if anything is.

    Without FILE the core rules are checked, and the file of RECOMMENDER_RULES if that is set; a
    FILE is checked as one that stands beside the core rules.
    """
    core = data_path("guardrails.toml")
    own = [file] if file is not None else [path for path in (settings().rules,) if path]
    found = [] if file is not None else _flaws(core, None)
    found += [each for path in own for each in _flaws(path, core)]
    emit(
        [{"file": str(path), **asdict(flaw)} for path, flaw in found],
        lambda console: _show_flaws(console, found),
    )
    return FAILED if found else DONE


def _flaws(path: Path, beside: Path | None) -> list[tuple[Path, Flaw]]:
    metrics = load_metrics(data_path("metrics.toml"))
    known = Vocabulary(metrics, load_tags(), load_conditions(), beside)
    return [(path, flaw) for flaw in review(path, known)]


def _show_flaws(console: Console, found: list[tuple[Path, Flaw]]) -> None:
    for path, flaw in found:
        words = f"{path.name}:{flaw.line}: {flaw.where}: {flaw.message}"
        console.print(Text(words), soft_wrap=True)
    if not found:
        console.print("The rules are in order.")


@command.command("list", epilog=example("recommender rules list --tag vigorous_exercise"))
@click.option("--tag", help="Only rules that look at this tag.")
@click.option("--severity", type=click.Choice(SEVERITIES))
@click.option("--verdict", type=click.Choice(VERDICTS))
@common_options
def list_command(tag: str | None, severity: str | None, verdict: str | None) -> None:
    """List the rules in force, the team's own among them."""
    known = load_knowledge(settings())
    found = [
        rule
        for rule in known.rules.rules
        if (tag is None or rule.touches([tag]))
        and severity in (None, rule.severity)
        and verdict in (None, rule.verdict)
    ]
    emit([_document(rule, known.rules.own) for rule in found], lambda c: _show_rules(c, found))


def _document(rule: Rule, own: tuple[str, ...]) -> dict[str, object]:
    return {**asdict(rule), "own": rule.rule_id in own}


def _show_rules(console: Console, found: list[Rule]) -> None:
    headings = dict.fromkeys(("rule", "verdict", "severity", "when", "source"), "left")
    rows = [
        (f"{r.rule_id} v{r.version}", r.verdict, r.severity, r.when, f"{r.source} ({r.date})")
        for r in found
    ]
    console.print(table(headings, rows) if rows else "No such rules.")


@command.command(
    "explain", epilog=example("recommender rules explain u0000001 --action walk-brisk-30")
)
@click.argument("user_id")
@click.option("--action", "action_id", help="Only this action.")
@click.option("--as-of", type=Instant(), help="From the records up to here; now if absent.")
@click.option(
    "--audience", type=click.Choice([a.value for a in Audience]), default="user", show_default=True
)
@purpose_option
@common_options
def explain_command(
    user_id: str,
    action_id: str | None,
    as_of: datetime | None,
    audience: str,
    purpose: str | None,
) -> None:
    """Say why each action was allowed, cautioned or withheld, with the readings seen.

    Leaves a line in the access log: it shows a person's data.
    """
    chosen = settings()
    known = load_knowledge(chosen)
    with database(chosen) as engine:
        found = explain(
            engine,
            known.rules,
            known.metrics,
            user_id,
            action_id=action_id,
            as_of=as_of,
            audience=Audience(audience),
            country=chosen.country,
            asker=operator(purpose),
        )
    alerts = [alert_document(alert) for alert in found.alerts]
    emit(asdict(found) | {"alerts": alerts}, lambda console: _show(console, found))


def _show(console: Console, found: Explanation) -> None:
    console.print(Text(f"For {found.user_id}, rules {found.rules}", style="dim"))
    for alert in found.alerts:
        console.print(Text(f"ALERT {alert.severity} {alert.rule_id}: {alert.text}", style="bold"))
    headings = {"reading": "left", "value": "right", "age": "right", "counts": "left"}
    rows = [_reading_row(each) for each in found.readings]
    console.print(table(headings | {"source": "left"}, rows) if rows else "No readings.", "")
    names = {each.observation_id: each for each in found.readings}
    shown = dict.fromkeys(("action", "verdict", "rule", "because"), "left")
    console.print(table(shown, [_action_row(each, names) for each in found.actions]))


def _reading_row(seen: ReadingSeen) -> tuple[object, ...]:
    counts = {"stands": "yes", "disputes": "disputes, the safer decides", "set_aside": "set aside"}
    age = f"{seen.age_hours:,.1f} h" if seen.age_hours < 48 else f"{seen.age_hours / 24:,.0f} d"
    said = counts[seen.part] if seen.fresh else "too old: unknown"
    return seen.metric, f"{seen.value:g} {seen.unit}", age, said, seen.source


def _action_row(each: ActionExplained, names: dict[str, ReadingSeen]) -> tuple[object, ...]:
    read = [names[name] for name in each.observation_ids if name in names]
    because = "; ".join(f"{seen.metric} {seen.value:g} {seen.unit}" for seen in read)
    also = f" (also {', '.join(each.also)})" if each.also else ""
    rule = f"{each.rule_id} v{each.rule_version}" if each.rule_id else None
    return each.action_id, each.verdict, rule, f"{because or each.text}{also}" or None
