"""``recommender demo``: the main job on the shipped sample, from an empty database to answers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax

from recommender.cli.ingest import in_words
from recommender.cli.operator import operator
from recommender.cli.options import common_options, example
from recommender.cli.output import console, table
from recommender.cli.progress import stages
from recommender.cli.recommend import show_answer
from recommender.cli.session import database, settings
from recommender.cli.train import train_in_words
from recommender.errors import ConflictError
from recommender.ingest import ingest_files
from recommender.knowledge import Knowledge, load_knowledge
from recommender.published import Published
from recommender.recommend import Ask, recommend_for
from recommender.resources import data_path
from recommender.settings import Settings
from recommender.store.engine import Engine, reading
from recommender.store.queries import run_query
from recommender.store.read import user_exists
from recommender.store.upgrade import upgrade
from recommender.train import train_and_publish

SAMPLE_END = datetime(2026, 11, 1, tzinfo=UTC)
"""Midnight at which the shipped sample's 90 days end."""

FIRST_PERSON = "u0000001"

PEOPLE: Sequence[tuple[str, str]] = (
    ("u0002319", "three months of history"),
    ("u0002196", "a worrying reading, so alerts come first"),
    ("u0000909", "expecting a child"),
)

QUERIES: Sequence[tuple[str, str]] = (
    (
        "What does the published run make of one person, and why?",
        """SELECT rank, action_id, p_complete AS p, benefit, base_part AS base,
       profile_part AS profile, biometrics_part AS readings,
       behaviour_part AS behaviour, factor_part AS factor
FROM current_scores WHERE user_id = '{person}' ORDER BY rank LIMIT 5""",
    ),
    (
        "What do the guardrails withhold, by which rule, from how many people?",
        """SELECT rule_id, count(DISTINCT user_id) AS people, count(*) AS withheld
FROM withheld_actions WHERE request_id IS NULL
GROUP BY rule_id ORDER BY people DESC, rule_id LIMIT 6""",
    ),
    (
        "What was really shown, to whom?",
        """SELECT user_id, rank, title, p_complete AS p, verdict
FROM served_recommendations WHERE rank <= 2 ORDER BY generated_at, rank LIMIT 6""",
    ),
)


@click.command("demo", epilog=example("recommender demo --database-url sqlite:///demo.db"))
@common_options
def command() -> None:
    """Load the shipped sample, train, and show what comes out.

    Leaves a database that `recommender serve` answers from. The sample's dates are moved so that
    its last day is yesterday.
    """
    chosen = settings(search_seconds=0)  # a quick look needs no search
    knowledge = load_knowledge(chosen)
    screen = console()
    with database(chosen, migrated=False) as engine:
        _, version = upgrade(engine)
        screen.print(Rule(f"1. Database ready (schema {version})", align="left"))
        _refuse_other_people(engine)
        screen.print(Rule("2. Take in the sample", align="left"))
        _ingest(screen, engine, knowledge)
        screen.print(Rule("3. Train and publish", align="left"))
        _train(screen, engine, knowledge, chosen)
        screen.print(Rule("4. Three people", align="left"))
        _answers(screen, engine, knowledge, chosen)
        screen.print(Rule("5. The same in SQL", align="left"))
        _queries(screen, engine)
    screen.print(Rule("What next", align="left"))
    screen.print(_next_steps(chosen), soft_wrap=True)


def _refuse_other_people(engine: Engine) -> None:
    """The sample is made-up behaviour: keep it out of a database that holds real people."""
    with reading(engine) as connection:
        _, rows = run_query(connection, "SELECT user_id FROM users LIMIT 1")
        if rows and not user_exists(connection, FIRST_PERSON):
            raise ConflictError(
                "this database holds other records; give the demo one of its own: "
                "recommender demo --database-url sqlite:///demo.db"
            )


def _ingest(screen: Console, engine: Engine, knowledge: Knowledge) -> None:
    now = datetime.now(UTC)
    with _moved_to_yesterday(now) as moved:
        for kind, path in (
            ("actions", data_path("actions.ndjson")),
            ("users", data_path("sample") / "users.csv"),
            ("events", moved / "events.parquet"),
            ("observations", moved / "observations.parquet"),
        ):
            report = ingest_files(
                engine,
                kind,
                [str(path)],
                metrics=knowledge.metrics,
                now=now,
                asker=operator("demo"),
            )
            screen.print(in_words(kind, report), soft_wrap=True)


@contextmanager
def _moved_to_yesterday(now: datetime) -> Iterator[Path]:
    """Copies of the sample's dated files, moved by whole days to end last midnight."""
    days = (now - SAMPLE_END) // timedelta(days=1)
    with tempfile.TemporaryDirectory() as folder:
        for name, column in (("events", "occurred_at"), ("observations", "observed_at")):
            sample = pq.read_table(data_path("sample") / f"{name}.parquet")
            place = sample.schema.get_field_index(column)
            shift = pa.scalar(timedelta(days=days), pa.duration("us"))
            moved = pc.add(sample[column].cast(pa.timestamp("us", "UTC")), shift)
            pq.write_table(
                sample.set_column(place, column, moved), Path(folder) / f"{name}.parquet"
            )
        yield Path(folder)


def _train(screen: Console, engine: Engine, knowledge: Knowledge, chosen: Settings) -> None:
    with stages() as progress:
        report = train_and_publish(
            engine,
            rules=knowledge.rules,
            metrics=knowledge.metrics,
            settings=chosen,
            progress=progress,
        )
    screen.print(train_in_words(report), soft_wrap=True)


def _answers(screen: Console, engine: Engine, knowledge: Knowledge, chosen: Settings) -> None:
    published = Published(engine, knowledge.rules, knowledge.metrics)
    for user_id, who in PEOPLE:
        screen.print(f"\n[bold]{user_id}[/bold]: {who}")
        show_answer(screen, recommend_for(published, user_id, Ask(limit=5, channel="cli"), chosen))


def _queries(screen: Console, engine: Engine) -> None:
    with reading(engine) as connection:
        for question, query in QUERIES:
            statement = query.format(person=PEOPLE[0][0])
            names, rows = run_query(connection, statement)
            screen.print(f"\n[bold]{question}[/bold]")
            screen.print(Syntax(statement, "sql", background_color="default", word_wrap=True))
            screen.print(table(dict.fromkeys(names, "left"), rows))


def _next_steps(chosen: Settings) -> str:
    run = "recommender" if Path(sys.argv[0]).parent.as_posix() in {"", "."} else sys.argv[0]
    return f"""\
[bold]make serve[/bold], then
  curl 'http://127.0.0.1:8000/v1/users/{PEOPLE[0][0]}/recommendations?limit=3'
[bold]sqlite3 recommender.db[/bold] 'SELECT * FROM withheld_actions LIMIT 5'
[bold]{run} recommend {PEOPLE[2][0]} --audience clinician[/bold]
[bold]15 2 * * * recommender train[/bold]   in a crontab retrains every night"""
