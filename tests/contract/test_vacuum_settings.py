"""The migration that has new rows vacuumed in time leaves alone what the operator has set."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Engine, text

from recommender.store.engine import connect, migrating, reading, writing
from recommender.store.upgrade import migration_config

OPTIONS = (
    "SELECT relname, reloptions FROM pg_class"
    " WHERE relname IN ('users', 'events', 'observations', 'requests')"
)
SETTING = "autovacuum_vacuum_insert_scale_factor"
MADE = {
    "users": [f"{SETTING}=0.02"],
    "events": [f"{SETTING}=0.02"],
    "observations": [f"{SETTING}=0.02"],
    "requests": [f"{SETTING}=0.05"],
}


def options(engine: Engine) -> dict[str, list[str]]:
    with reading(engine) as conn:
        return {name: found or [] for name, found in conn.execute(text(OPTIONS))}


def downgrade(engine: Engine) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "0017")


def upgrade(engine: Engine) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0018")


def test_settings_come_and_go(postgres_url: str) -> None:
    engine = connect(postgres_url)
    assert options(engine) == MADE
    downgrade(engine)
    assert options(engine) == {name: [] for name in MADE}


def test_what_the_operator_has_set_stays(postgres_url: str) -> None:
    engine = connect(postgres_url)
    downgrade(engine)
    with writing(engine) as conn:
        conn.execute(text(f"ALTER TABLE events SET ({SETTING} = 0.1, fillfactor = 90)"))
    upgrade(engine)
    theirs = [f"{SETTING}=0.1", "fillfactor=90"]
    assert options(engine) == MADE | {"events": theirs}
    downgrade(engine)
    assert options(engine) == {name: [] for name in MADE} | {"events": theirs}
