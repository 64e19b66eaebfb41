"""``recommender evaluate``: what the engine is worth on one's own history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console, RenderableType
from rich.text import Text

from recommender.cli.options import Instant, common_options, example
from recommender.cli.output import emit, table
from recommender.cli.progress import stages
from recommender.cli.session import database, settings
from recommender.evaluate import DAYS, EvaluationReport, keep, replay_history
from recommender.knowledge import load_knowledge
from recommender.leaderboard.board import Line
from recommender.leaderboard.entrants import HYBRID
from recommender.report.page import evaluation_page
from recommender.report.runs import MOST_RUNS
from recommender.resampling import Figure
from recommender.store.engine import reading
from recommender.store.stages import run_history

_CATALOGUE = {
    "ndcg_at_10": "NDCG@10",
    "recall_at_10": "R@10",
    "recall_at_20": "R@20",
    "map": "MAP",
    "hit_rate_at_10": "hit@10",
}
_LISTS = {
    "corrected_recall_at_10": "corrected R@10",
    "coverage": "coverage",
    "inter_user_distance": "distance",
    "novelty": "novelty",
}
_LEADS = {
    "shown_ndcg_at_10": "NDCG@10 of what was shown",
    "corrected_recall_at_10": "corrected R@10",
    "ndcg_at_10": "NDCG@10 of the catalogue",
}
_SHOWN = {
    "shown_ndcg_at_10": "NDCG@10",
    "log_loss": "log loss",
    "brier": "Brier",
    "expected_calibration_error": "calibr. error",
}


@click.command(
    "evaluate",
    epilog=example("recommender evaluate --report evaluation.html\nrecommender evaluate --json"),
)
@click.option(
    "--report", type=click.Path(dir_okay=False, path_type=Path), help="Write one HTML page."
)
@click.option(
    "--days",
    type=click.FloatRange(1, 365),
    default=DAYS,
    show_default=True,
    help="Hold out the last days.",
)
@click.option("--as-of", type=Instant(), help="Use the records up to here; all if absent.")
@click.option("--seed", type=int, help="Seed of everything random.")
@click.option("--quick", is_flag=True, help="Leave out the learning curve.")
@click.option(
    "--per-user",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what each person adds to each figure, as CSV.",
)
@click.option("--save", is_flag=True, help="Keep what the figures are made of, for SQL.")
@common_options
def command(
    report: Path | None,
    days: float,
    as_of: datetime | None,
    seed: int | None,
    quick: bool,
    per_user: Path | None,
    save: bool,
) -> None:
    """Replay history: train up to a split, judge on the days after it, beside the baselines.

    Nothing is written to the database without --save.
    """
    chosen = settings(seed=seed)
    known = load_knowledge(chosen)
    with database(chosen) as engine, stages() as progress:
        evaluation = replay_history(
            engine,
            rules=known.rules,
            metrics=known.metrics,
            settings=chosen,
            days=days,
            as_of=as_of,
            quick=quick,
            progress=progress,
        )
        number = keep(engine, evaluation, chosen.keep_evaluations) if save else None
        with reading(engine) as connection:
            runs = run_history(connection, MOST_RUNS)
    found = evaluation.report
    if report is not None:
        report.write_text(evaluation_page(found, known.metrics, runs), encoding="utf-8")
    if per_user is not None:
        evaluation.people.write(per_user)
    emit(asdict(found) | {"evaluation_id": number}, lambda console: show(console, found))


def show(console: Console, found: EvaluationReport) -> None:
    """Print the leaderboard for people."""
    seen = found.window
    console.print(
        f"Trained on {seen.known_days:.0f} days up to {seen.split_at:%Y-%m-%d %H:%M} UTC, judged "
        f"on the {seen.days:.0f} days after it: {seen.judged:,} people, "
        f"{seen.completed_pairs:,} completed actions, {seen.impressions:,} impressions."
    )
    console.print(_board("Ranking the whole catalogue", found.leaderboard, _CATALOGUE))
    console.print(_board("Lists of ten", found.leaderboard, _LISTS))
    if found.prediction is not None:
        console.print(_board("Predicting what was shown", found.leaderboard, _SHOWN))
    console.print(_leads(found.leaderboard))
    console.print(Text(_policy(found), "dim"), soft_wrap=True)


def _policy(found: EvaluationReport) -> str:
    """What the hybrid's lists would have brought, or why that can't be said."""
    line = next((line for line in found.policies if line.name == HYBRID), None)
    if line is None:
        return "Nothing was shown, so there is no telling what other lists would have brought."
    best = line.estimates if line.estimates.refusal is None else line.among_shown
    if best is None or best.doubly_robust is None:
        return f"What its lists would have brought can't be told: {line.estimates.refusal}."
    value, logged = best.doubly_robust, best.logged
    return (
        f"Its best {line.slate} would have brought {value.value:.2f} ({value.low:.2f} to "
        f"{value.high:.2f}) completions a request, as logged {logged.value:.2f} (doubly robust)."
    )


def _board(title: str, lines: Sequence[Line], columns: dict[str, str]) -> RenderableType:
    used = {name: head for name, head in columns.items() if any(name in x.figures for x in lines)}
    heads = {"model": "left", **dict.fromkeys(used.values(), "right")}
    rows = [[line.label, *(_value(line.figures.get(name)) for name in used)] for line in lines]
    return table(heads, rows, title)


def _leads(lines: Sequence[Line]) -> RenderableType:
    names = [name for name in _LEADS if name in lines[-1].figures][:2]
    rows = [
        [line.label, *(_interval(line.hybrid_minus.get(name)) for name in names)]
        for line in lines
        if line.hybrid_minus
    ]
    heads = {_LEADS[name]: "right" for name in names}
    return table({"hybrid minus": "left", **heads}, rows, "Lead of the hybrid, 95% intervals")


def _value(figure: Figure | None) -> object:
    return None if figure is None else Text(f"{figure.value:.4f}")


def _interval(figure: Figure | None) -> object:
    if figure is None:
        return None
    return Text(f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})")
