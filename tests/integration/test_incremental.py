"""Trainings that do not begin from nothing: records packed before, and warm starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text
from trained import PEOPLE, SETTINGS

from recommender.cli.train import train_in_words
from recommender.dataset import Records
from recommender.ingest import record_events
from recommender.knowledge import load_knowledge
from recommender.models.artifact import unpack
from recommender.models.warm import WarmStart, warm_start
from recommender.store import bulk, packed
from recommender.store.engine import connect, reading, writing
from recommender.store.read import load_catalogue
from recommender.store.runs import load_artifact
from recommender.train import TrainReport, train_and_publish

KNOWN = load_knowledge()
QUICK = SETTINGS.model_copy(update={"search_seconds": 0.0})


@pytest.fixture
def engine(trained_url: str) -> Any:
    """Engine of a database with a published run."""
    opened = connect(trained_url)
    yield opened
    opened.dispose()


@pytest.fixture
def quick(trained_sqlite_url: str) -> Any:
    """As ``engine``, SQLite only: for what does not depend on the database."""
    opened = connect(trained_sqlite_url)
    yield opened
    opened.dispose()


def _train(engine: Engine, as_of: datetime | None = None, **more: Any) -> TrainReport:
    return train_and_publish(
        engine,
        rules=KNOWN.rules,
        metrics=KNOWN.metrics,
        settings=QUICK,
        as_of=as_of,
        force=True,
        **more,
    )


def _scores(engine: Engine, run_id: str) -> dict[tuple[str, str], float]:
    query = text("SELECT user_id, action_id, score FROM scores WHERE run_id = :run")
    with reading(engine) as conn:
        return {
            (user, action): score for user, action, score in conn.execute(query, {"run": run_id})
        }


def _arrays(engine: Engine, run_id: str) -> dict[str, Any]:
    with reading(engine) as conn:
        return dict(unpack(*load_artifact(conn, run_id)).arrays())


def _come_in(engine: Engine) -> None:
    with reading(engine) as conn:
        person, action = conn.execute(
            text("SELECT min(user_id), min(action_id) FROM users, actions")
        ).one()
    at = datetime.now(UTC).isoformat()
    event = {"user_id": person, "action_id": action, "type": "view", "occurred_at": at}
    record_events(
        engine,
        [event | {"event_id": "late 1"}, event | {"event_id": "late 2", "user_id": "somebody new"}],
        metrics=KNOWN.metrics,
        now=datetime.now(UTC),
        source="test",
    )


def test_a_full_rebuild_gives_the_same_answer(engine: Engine) -> None:
    _come_in(engine)
    as_of = datetime.now(UTC)
    kept = _train(engine, as_of)
    anew = _train(engine, as_of, rebuild=True)
    assert kept.users == anew.users == PEOPLE + 1
    first, second = _arrays(engine, kept.run_id), _arrays(engine, anew.run_id)
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)
    before, after = _scores(engine, kept.run_id), _scores(engine, anew.run_id)
    assert before.keys() == after.keys()
    assert max(abs(before[key] - after[key]) for key in before) <= 1e-6
    assert {user for user, _ in before} >= {"somebody new"}


def test_what_a_training_reads_is_what_the_tables_hold(engine: Engine) -> None:
    _come_in(engine)
    as_of = datetime.now(UTC)
    _train(engine, as_of)
    with reading(engine) as conn:
        catalogue = load_catalogue(conn)
        stored = bulk.load_records(conn, as_of, catalogue, KNOWN.metrics)
        read = packed.load_records(conn, as_of, catalogue, KNOWN.metrics)
    for part in ("events", "observations"):
        left, right = getattr(stored, part), getattr(read, part)
        for name in type(left).__slots__[: -1 if part == "observations" else None]:
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert list(stored.users.ids) == list(read.users.ids)
    assert {n: list(v) for n, v in stored.users.attributes.items()} == {
        n: list(v) for n, v in read.users.attributes.items()
    }


def test_everybody_is_scored_where_a_sample_is_learned_from(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender import train

    seen: list[Records] = []
    real = train.hybrid.fit

    def fit(records: Records, *rest: Any, **more: Any) -> Any:
        seen.append(records)
        return real(records, *rest, **more)

    few = replace(train.hybrid.ModelSettings(), search_seconds=0.0, max_users=60)
    monkeypatch.setattr(train.hybrid, "ModelSettings", lambda **_: few)
    monkeypatch.setattr(train.hybrid, "fit", fit)
    monkeypatch.setattr(train, "PEOPLE_AT_ONCE", 50)
    report = _train(engine)
    assert len(seen[0].users) == 60
    assert report.users == PEOPLE
    assert len({user for user, _ in _scores(engine, report.run_id)}) == PEOPLE


def test_warm_begins_from_the_run_in_force(quick: Engine) -> None:
    as_of = datetime.now(UTC)
    full = _train(quick, as_of)
    warm = _train(quick, as_of, warm=True)
    assert (full.warm, warm.warm) == (None, "warm")
    # Held-out days are judged by what was learned from nothing, so they can't flatter.
    assert {n: v for n, v in warm.figures.items() if not n.startswith("setting_")} == {
        n: v for n, v in full.figures.items() if not n.startswith("setting_")
    }
    with reading(quick) as conn:
        models = [unpack(*load_artifact(conn, one.run_id)) for one in (full, warm)]
    settings = [model.facts["settings"] for model in models]
    assert settings[0] == settings[1]
    assert [model.facts["warm"] for model in models] == [False, True]
    left, right = (model.parameters.factors.mean for model in models)
    assert np.abs(left - right).max() > 1e-9
    # Factors can be turned without a change of any score: only scores compare.
    before, after = _scores(quick, full.run_id), _scores(quick, warm.run_id)
    both = before.keys() & after.keys()
    assert len(both) > 0.8 * len(before)
    gap = [abs(before[key] - after[key]) for key in both]
    assert np.mean(gap) < 0.02


def test_settings_are_kept_and_not_tried(quick: Engine) -> None:
    with reading(quick) as conn:
        run_id = conn.execute(text("SELECT max(run_id) FROM runs")).scalar_one()
        model = unpack(*load_artifact(conn, run_id))
    begin = warm_start(model.parameters, model.catalogue, model.facts, model.catalogue)
    assert isinstance(begin, WarmStart)
    assert begin.settings["rank"] == model.facts["settings"]["rank"]
    assert begin.factors.mean.shape[0] == len(model.catalogue)
    # The covariance that comes out is the one that went in.
    taste = begin.taste(3, 5)
    assert (np.linalg.eigvalsh(taste.covariance) > -1e-9).all()
    assert taste.users.shape == (3, begin.factors.mean.shape[1])


@pytest.mark.parametrize("why", ["no run", "unreadable", "actions"])
def test_warm_is_full_where_there_is_nothing_to_begin_from(quick: Engine, why: str) -> None:
    with writing(quick) as conn:
        if why == "no run":
            conn.execute(text("DELETE FROM publications"))
        elif why == "unreadable":
            conn.execute(text("UPDATE runs SET artifact = :junk"), {"junk": b"junk"})
        else:
            rows = "SELECT 'more ' || action_id, title, domain, updated_at FROM actions"
            columns = "action_id, title, domain, updated_at"
            conn.execute(text(f"INSERT INTO actions ({columns}) {rows}"))
    report = _train(quick, warm=True)
    words = {
        "no run": "no run is in force",
        "unreadable": "the model of the run in force can't be read",
        "actions": "the run in force knows 70 of 140 actions",
    }
    assert report.warm == words[why]
    assert report.published
    assert f"a full training: {words[why]}" in train_in_words(report)
