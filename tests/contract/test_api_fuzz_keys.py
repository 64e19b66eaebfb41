"""Random requests with a key of each kind: nothing undocumented, and no way past a scope."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from test_api_fuzz import CHECKS, OPERATIONS
from trained import simulated, trained_sqlite  # noqa: F401  # pytest finds fixtures by name

from api.app import create_app
from recommender.settings import Settings
from recommender.store.engine import writing
from recommender.store.keys import create_key

OWN = "u0000002"
EXAMPLES = 6
READ = {
    ("GET", "/v1/users/{user_id}/recommendations"),
    ("POST", "/v1/users/{user_id}/rank"),
    ("GET", "/v1/users/{user_id}/alerts"),
    ("GET", "/v1/users/{user_id}"),
    ("GET", "/v1/actions"),
    ("GET", "/v1/actions/{action_id}/versions"),
    ("GET", "/v1/runs"),
}
WRITE = {
    ("POST", "/v1/events"),
    ("POST", "/v1/observations"),
    ("POST", "/v1/users"),
    ("POST", "/v1/actions"),
    ("PATCH", "/v1/users/{user_id}"),
    ("POST", "/v1/users/{user_id}/alerts/{alert_id}/acknowledge"),
    ("DELETE", "/v1/actions/{action_id}"),
}
PERSONAL = {operation for operation in OPERATIONS if "{user_id}" in operation[1]} - {
    ("GET", "/v1/users/{user_id}/recommendations")
}
"""Random people are not found here."""
OPEN = {("GET", "/status/live")}
UNBOUND = {("GET", "/status/ready"), ("GET", "/metrics")}
EVERYTHING = set(OPERATIONS)
KEYS: dict[str, tuple[tuple[str, ...], str | None, set[tuple[str, str]]]] = {
    "read": (("read",), None, READ | UNBOUND),
    "write": (("write",), None, WRITE | UNBOUND),
    "admin": (("admin",), None, EVERYTHING),
    # Random ids name other people: of what a bound key may do only this touches nobody.
    "bound": (("admin",), OWN, {("GET", "/v1/actions")}),
    "no scope": ((), None, UNBOUND),
    "no key": ((), None, set()),
}
HARMLESS = {"/v1/events", "/v1/observations", "/v1/users"}
"""Where a bound key may send nothing at all: an empty list is no one's."""


@pytest.fixture(scope="module")
def locked(
    trained_sqlite: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[schemathesis.BaseSchema, dict[str, str]]:
    """The API's description, and a secret of each kind."""
    path = tmp_path_factory.mktemp("fuzz-keys") / "fuzz.db"
    shutil.copyfile(trained_sqlite, path)
    app = create_app(Settings(database_url=f"sqlite:///{path}"), keyless=False)
    now = datetime.now(UTC)
    with writing(app.state.recommender.engine) as connection:
        secrets = {
            name: create_key(connection, name, scopes, user, now + timedelta(days=1), now)[1]
            for name, (scopes, user, _) in KEYS.items()
        }
    return schemathesis.openapi.from_asgi("/openapi.json", app), secrets


def tried(
    description: schemathesis.BaseSchema, method: str, path: str, headers: dict[str, str]
) -> list[tuple[int, bool]]:
    """Statuses of random requests, and whether each carried an empty list."""
    seen: list[tuple[int, bool]] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=description[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def ask(case: schemathesis.Case) -> None:
        case.headers = {**(case.headers or {}), **headers}
        answer = case.call_and_validate(checks=CHECKS)
        seen.append((answer.status_code, case.body == []))

    ask()
    return seen


@pytest.mark.parametrize("kind", KEYS)
def test_no_key_reaches_past_its_scope(
    locked: tuple[schemathesis.BaseSchema, dict[str, str]], kind: str
) -> None:
    description, secrets = locked
    allowed = KEYS[kind][2] | OPEN
    headers = {} if kind == "no key" else {"Authorization": f"Bearer {secrets[kind]}"}
    succeeded = set()
    for method, path in OPERATIONS:
        for status, nothing_sent in tried(description, method, path, headers):
            if status >= 300:
                continue
            succeeded.add((method, path))
            harmless = kind == "bound" and path in HARMLESS and nothing_sent
            assert harmless or (method, path) in allowed, (kind, method, path)
    # A test of closed doors shows nothing if the open ones stayed shut too.
    named = {o for o in OPERATIONS if "{run_id}" in o[1] or "{action_id}" in o[1]}
    never = {("POST", "/v1/runs/rollback")} | named
    assert succeeded >= allowed - never - {("DELETE", "/v1/users/{user_id}")} - PERSONAL
