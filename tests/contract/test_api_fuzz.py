"""Random requests made from the API's own description: no fault, nothing undocumented."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from asgi import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from trained import (  # noqa: F401  # pytest finds fixtures by name
    simulated,
    trained_postgres,
    trained_postgres_url,
    trained_sqlite,
    trained_sqlite_url,
    trained_url,
)

from api.app import create_app
from api.schemas import AnswerOut
from recommender.settings import Settings

OPERATIONS = (
    ("GET", "/v1/users/{user_id}/recommendations"),
    ("POST", "/v1/users/{user_id}/rank"),
    ("GET", "/v1/users/{user_id}/alerts"),
    ("POST", "/v1/users/{user_id}/alerts/{alert_id}/acknowledge"),
    ("POST", "/v1/events"),
    ("POST", "/v1/observations"),
    ("POST", "/v1/users"),
    ("POST", "/v1/actions"),
    ("GET", "/v1/users/{user_id}"),
    ("PATCH", "/v1/users/{user_id}"),
    ("DELETE", "/v1/users/{user_id}"),
    ("GET", "/v1/users/{user_id}/export"),
    ("GET", "/v1/actions"),
    ("GET", "/v1/actions/{action_id}/versions"),
    ("DELETE", "/v1/actions/{action_id}"),
    ("GET", "/v1/runs"),
    ("GET", "/v1/runs/{run_id}"),
    ("GET", "/v1/runs/{run_id}/card"),
    ("POST", "/v1/runs/rollback"),
    ("POST", "/v1/runs/{run_id}/publish"),
    ("GET", "/status/live"),
    ("GET", "/status/ready"),
    ("GET", "/metrics"),
)
NOTHING_TO_GET_WRONG = (
    ("GET", "/v1/runs"),
    ("POST", "/v1/runs/rollback"),
    ("GET", "/status/live"),
    ("GET", "/status/ready"),
    ("GET", "/metrics"),
)
EXAMPLES = 20
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def description(
    trained_sqlite: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> schemathesis.BaseSchema:
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.db"
    shutil.copyfile(trained_sqlite, path)
    app = create_app(Settings(database_url=f"sqlite:///{path}"))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_random_requests(description: schemathesis.BaseSchema, method: str, path: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=description[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def as_described(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=description[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def against_the_description(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    as_described()
    if (method, path) not in NOTHING_TO_GET_WRONG:
        against_the_description()


def test_every_operation_is_tried(description: schemathesis.BaseSchema) -> None:
    paths = description.raw_schema["paths"]
    assert set(OPERATIONS) == {(method.upper(), path) for path in paths for method in paths[path]}


FIELDS = {
    "events": (
        "event_id", "user_id", "action_id", "type", "occurred_at", "propensity", "request_id",
        "value", "context", "more",
    ),
    "observations": (
        "observation_id", "user_id", "metric", "value", "unit", "observed_at", "source", "more",
    ),
    "users": ("user_id", "birth_date", "sex", "conditions", "more"),
    "actions": (
        "action_id", "title", "domain", "description", "effort", "minutes", "targets", "tags",
        "repeat_after_days", "evidence", "retired", "more",
    ),
}  # fmt: skip
SENSIBLE = {
    "event_id": "e", "observation_id": "o", "user_id": "u0000001", "action_id": "balance-practice",
    "type": "rate", "occurred_at": "2026-06-01T08:00:00Z", "observed_at": "2026-06-01T08:00:00Z",
    "metric": "glucose", "value": 5, "unit": "mmol/L", "title": "T", "domain": "sleep",
    "evidence": [{"source": "A trial", "grade": "trial"}],
}  # fmt: skip
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["\x00", "9" * 300, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1e999"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def odd_records(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    """Records that are sensible but for some of their fields."""
    records = []
    for number in range(draw(st.integers(1, 3))):
        record = {name: SENSIBLE[name] for name in FIELDS[kind] if name in SENSIBLE}
        record[FIELDS[kind][0]] = f"fuzz-{number}"
        for name in draw(st.lists(st.sampled_from(FIELDS[kind]), max_size=3)):
            record[name] = draw(ODD)
        records.append(record)
    return records


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_odd_records_are_taken_or_rejected_and_break_nothing(
    trained_url: str,  # noqa: F811
    kind: str,
) -> None:
    with TestClient(create_app(Settings(database_url=trained_url, poll_seconds=0.01))) as client:

        @settings(
            max_examples=60, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(records=odd_records(kind))
        def send(records: list[dict[str, Any]]) -> None:
            answer = client.post(
                f"/v1/{kind}",
                content=json.dumps(records).encode(),
                headers={"Content-Type": "application/json"},
            )
            if (
                answer.status_code == 422
            ):  # an integer or a half character that JSON has no room for
                assert "not valid JSON" in answer.json()["detail"]
                return
            assert answer.status_code == 200, answer.text
            taken = answer.json()
            counted = taken["accepted"] + taken["duplicates"] + taken["corrected"]
            assert counted + len(taken["rejected"]) == len(records)

        send()
        answer = client.get("/v1/users/u0000001/recommendations?limit=1000")
        assert answer.status_code == 200, answer.text
        AnswerOut.model_validate(answer.json())
