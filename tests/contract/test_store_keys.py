"""Keys open what they should, as long as they should, and their secrets are not kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import Engine, text
from store_rows import NOW

from recommender.errors import ConflictError, NotFoundError
from recommender.store.access import Asker
from recommender.store.column_types import UtcInstant
from recommender.store.engine import migrating, reading, writing
from recommender.store.keys import (
    any_key,
    create_key,
    find_key,
    list_keys,
    note_use,
    revoke_key,
    use_is_noted,
)
from recommender.store.upgrade import migration_config
from recommender.store.write import erase_user

SECOND = timedelta(seconds=1)


def test_key_is_found_by_its_secret_alone(engine: Engine) -> None:
    with writing(engine) as conn:
        assert not any_key(conn)
        key_id, secret = create_key(conn, "phone", ["read", "write"], "ann", None, NOW)
        other_id, other = create_key(conn, "ops", ["admin"], None, None, NOW)
        assert any_key(conn)
    assert secret != other
    assert secret.startswith("rk_")
    assert len(secret) >= 3 + 43
    with reading(engine) as conn:
        key = find_key(conn, secret, NOW)
        assert key is not None
        assert (key.key_id, key.name, key.scopes, key.user_id) == (
            key_id, "phone", ("read", "write"), "ann",
        )  # fmt: skip
        for wrong in ("", "rk_", secret[:-1], secret + "x", key_id, secret.upper()):
            assert find_key(conn, wrong, NOW) is None
        assert {each.key_id for each in list_keys(conn)} == {key_id, other_id}
        stored = str(conn.execute(text("SELECT * FROM api_keys")).all())
    assert secret not in stored
    assert secret.removeprefix("rk_") not in stored


def test_key_ends_when_it_expires(engine: Engine) -> None:
    with writing(engine) as conn:
        _, secret = create_key(conn, "phone", ["read"], None, NOW + SECOND, NOW)
        assert find_key(conn, secret, NOW) is not None
        assert find_key(conn, secret, NOW + SECOND) is None


def test_key_ends_when_revoked(engine: Engine) -> None:
    with writing(engine) as conn:
        key_id, secret = create_key(conn, "phone", ["read"], None, None, NOW)
        revoke_key(conn, key_id, NOW)
        assert find_key(conn, secret, NOW) is None
        assert list_keys(conn)[0].revoked_at == NOW
        assert any_key(conn)
        with pytest.raises(ConflictError):
            revoke_key(conn, key_id, NOW)
        with pytest.raises(NotFoundError):
            revoke_key(conn, "none", NOW)


def test_use_is_noted_once_a_minute(engine: Engine) -> None:
    with writing(engine) as conn:
        key_id, secret = create_key(conn, "phone", ["read"], None, None, NOW)
        for seconds, noted in ((0, 0), (59, 0), (60, 60), (61, 60)):
            now = NOW + seconds * SECOND
            key = find_key(conn, secret, now)
            assert key is not None
            assert use_is_noted(key, now) == (noted != seconds)
            note_use(conn, key_id, now)
            assert list_keys(conn)[0].last_used_at == NOW + noted * SECOND


def test_a_key_that_is_gone_with_its_person_was_made_all_the_same(engine: Engine) -> None:
    with writing(engine) as conn:
        create_key(conn, "phone", ["read"], "ann", None, NOW)
    with writing(engine) as conn:
        erase_user(conn, "ann", NOW, Asker(None, "cli"))
        assert list_keys(conn) == []
        assert any_key(conn)


@pytest.mark.parametrize("left", ["nothing", "a key", "an entry of the access log"])
def test_an_upgrade_knows_of_keys_made_before(empty_engine: Engine, left: str) -> None:
    at = UtcInstant().process_bind_param(NOW, empty_engine.dialect)
    rows = {
        "a key": "INSERT INTO api_keys (key_id, name, key_hash, scopes, created_at) "
        f"VALUES ('k', 'old', 'h', '[]', '{at}')",
        "an entry of the access log": "INSERT INTO access_log "
        f"(at, key_id, operation, user_id, channel) VALUES ('{at}', 'k', 'read', 'ann', 'http')",
    }
    _go(empty_engine, "0018")
    if left in rows:
        with writing(empty_engine) as conn:
            conn.execute(text(rows[left]))
    _go(empty_engine, "0019")
    with writing(empty_engine) as conn:
        assert any_key(conn) == (left in rows)
        # As the version before, which may still be at work, makes one.
        conn.execute(text(rows["a key"].replace("'k', 'old', 'h'", "'l', 'new', 'i'")))
        conn.execute(text("DELETE FROM api_keys"))
        assert any_key(conn)
    _go(empty_engine, "0018", down=True)
    with writing(empty_engine) as conn:
        conn.execute(text(rows["a key"]))


def _go(engine: Engine, revision: str, down: bool = False) -> None:
    config = migration_config()
    with migrating(engine) as conn:
        config.attributes["connection"] = conn
        (command.downgrade if down else command.upgrade)(config, revision)
