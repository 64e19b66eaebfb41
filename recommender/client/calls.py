"""Every operation as a request to be sent: what both clients share."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

Record = Mapping[str, Any]
_KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes
    ----------
    body
        What is sent as JSON; None for nothing.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def build(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Make the request that a client sends, as often as it takes."""
        options = {} if self.body is None else {"json": self.body}
        headers = {**self.headers}
        if self.method == "POST":
            # The same for every attempt, so that none is done twice.
            headers.setdefault(_KEY, str(uuid.uuid4()))
        params = {name: value for name, value in self.params.items() if value is not None}
        return client.build_request(
            self.method, self.path, params=params, headers=headers, **options
        )


def common_headers(key: str | None, purpose: str | None) -> dict[str, str]:
    """What every request carries."""
    found = {"Authorization": f"Bearer {key}"} if key else {}
    return found if purpose is None else {**found, "X-Purpose": purpose}


def _of(user_id: str, rest: str = "") -> str:
    return f"/v1/users/{quote(user_id, safe='')}{rest}"


def recommendations(
    user_id: str, limit: int, domain: str | None, audience: str, objective: str
) -> Call:
    """What a person should be shown."""
    asked = {"limit": limit, "domain": domain, "audience": audience, "objective": objective}
    return Call("GET", _of(user_id, "/recommendations"), asked)


def rank(user_id: str, action_ids: Sequence[str] | None, objective: str, audience: str) -> Call:
    """Scores of the asked actions."""
    body: dict[str, Any] = {"objective": objective, "audience": audience}
    if action_ids is not None:
        body["action_ids"] = list(action_ids)
    return Call("POST", _of(user_id, "/rank"), body=body)


def send(kind: str, records: Iterable[Record]) -> Call:
    """Records in; ``kind`` is events, observations, users or actions."""
    return Call("POST", f"/v1/{kind}", body=list(records))


def user(user_id: str) -> Call:
    """A profile."""
    return Call("GET", _of(user_id))


def change_user(user_id: str, changes: Mapping[str, Any], version: str | None) -> Call:
    """Changes of a profile, only if it is of a version where one is given."""
    headers = {} if version is None else {"If-Match": version}
    return Call("PATCH", _of(user_id), body=dict(changes), headers=headers)


def erase_user(user_id: str) -> Call:
    """Erasure."""
    return Call("DELETE", _of(user_id))


def export_user(user_id: str) -> Call:
    """Everything held on a person."""
    return Call("GET", _of(user_id, "/export"))


def alerts(user_id: str, audience: str) -> Call:
    """Every alert about a person."""
    return Call("GET", _of(user_id, "/alerts"), {"audience": audience})


def acknowledge(user_id: str, alert_id: str) -> Call:
    """Say that an alert was seen."""
    return Call("POST", _of(user_id, f"/alerts/{quote(alert_id, safe='')}/acknowledge"))


def versions(action_id: str) -> Call:
    """Every version of an action."""
    return Call("GET", f"/v1/actions/{quote(action_id, safe='')}/versions")


def retire(action_id: str) -> Call:
    """Recommend an action no more."""
    return Call("DELETE", f"/v1/actions/{quote(action_id, safe='')}")


def page(kind: str, limit: int, after: str | None) -> Call:
    """A page of ``actions`` or ``runs``."""
    return Call("GET", f"/v1/{kind}", {"limit": limit, "after": after})


def run(run_id: str, rest: str = "") -> Call:
    """One training, or its card."""
    return Call("GET", f"/v1/runs/{quote(run_id, safe='')}{rest}")


def publish(run_id: str) -> Call:
    """Put a run in force."""
    return Call("POST", f"/v1/runs/{quote(run_id, safe='')}/publish")


def roll_back() -> Call:
    """Put the run before the present one back in force."""
    return Call("POST", "/v1/runs/rollback")


def status(what: str) -> Call:
    """``live`` or ``ready``."""
    return Call("GET", f"/status/{what}")


def metrics() -> Call:
    """Figures for Prometheus."""
    return Call("GET", "/metrics")
