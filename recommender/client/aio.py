"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx
import tenacity

from recommender.client import calls
from recommender.client.alert_answers import Acknowledged, KeptAlerts
from recommender.client.answers import (
    Action,
    ActionPage,
    ChangedProfile,
    Erased,
    Profile,
    Published,
    Ranking,
    Ready,
    Recommendations,
    Retired,
    RolledBack,
    RunDetail,
    RunPage,
    Taken,
    Versions,
)
from recommender.client.attempts import Retries, checked
from recommender.client.calls import Call, Record
from recommender.client.errors import NoAnswerError

_TIMEOUT_SECONDS = 60.0
_PAGE = 1000


class AsyncClient:
    """Calls a server; each method is one operation of docs/http.md.

    A call that the server could not take just now (429, 503) is made again after the time it
    asks for, a POST under the same ``Idempotency-Key``.

    Parameters
    ----------
    address
        Such as ``https://health.example.org``.
    key
        Secret of a key, or a token; None where none is configured.
    purpose
        Why, for the access log; up to 200 plain characters.
    transport
        Another way to reach the server than the network.

    Raises
    ------
    ProblemError
        From every method: the server's answer is a problem.
    NoAnswerError
        From every method: there was no answer.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        purpose: str | None = None,
        retries: Retries | None = None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(
            base_url=address,
            headers=calls.common_headers(key, purpose),
            timeout=timeout_seconds,
            transport=transport,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def user(self, user_id: str) -> tuple[Profile, str]:
        """Read a profile and its version."""
        return _versioned(await self._send(calls.user(user_id)))

    async def change_user(
        self, user_id: str, changes: Mapping[str, Any], version: str | None = None
    ) -> tuple[ChangedProfile, str]:
        """Change the given fields; ChangedMeanwhileError if the profile is not of that version."""
        answer = await self._send(calls.change_user(user_id, changes, version))
        changed: ChangedProfile = answer.json()
        return changed, answer.headers["etag"]

    async def metrics(self) -> str:
        """Read the figures for Prometheus."""
        return (await self._send(calls.metrics())).text

    async def all_actions(self) -> AsyncIterator[Action]:
        """Yield the whole catalogue, page by page."""
        after: str | None = None
        while True:
            page = await self.actions(_PAGE, after)
            for action in page["items"]:
                yield action
            after = page["next"]
            if after is None:
                return

    async def recommendations(
        self,
        user_id: str,
        *,
        limit: int = 10,
        domain: str | None = None,
        audience: str = "user",
        objective: str = "benefit",
    ) -> Recommendations:
        """What a person should be shown now."""
        call = calls.recommendations(user_id, limit, domain, audience, objective)
        found: Recommendations = (await self._send(call)).json()
        return found

    async def rank(
        self,
        user_id: str,
        action_ids: Sequence[str] | None = None,
        *,
        objective: str = "benefit",
        audience: str = "user",
    ) -> Ranking:
        """Scores of the asked actions (all if None), withheld ones included."""
        call = calls.rank(user_id, action_ids, objective, audience)
        found: Ranking = (await self._send(call)).json()
        return found

    async def send_events(self, records: Iterable[Record]) -> Taken:
        """Tell what people did with actions."""
        found: Taken = (await self._send(calls.send("events", records))).json()
        return found

    async def send_observations(self, records: Iterable[Record]) -> Taken:
        """Send biometric readings."""
        found: Taken = (await self._send(calls.send("observations", records))).json()
        return found

    async def send_users(self, records: Iterable[Record]) -> Taken:
        """Send profiles."""
        found: Taken = (await self._send(calls.send("users", records))).json()
        return found

    async def send_actions(self, records: Iterable[Record]) -> Taken:
        """Send actions of the catalogue."""
        found: Taken = (await self._send(calls.send("actions", records))).json()
        return found

    async def erase_user(self, user_id: str) -> Erased:
        """Erase a person and return the receipt."""
        found: Erased = (await self._send(calls.erase_user(user_id))).json()
        return found

    async def export_user(self, user_id: str) -> dict[str, Any]:
        """Everything held on a person, table by table."""
        found: dict[str, Any] = (await self._send(calls.export_user(user_id))).json()
        return found

    async def alerts(self, user_id: str, *, audience: str = "user") -> KeptAlerts:
        """Every alert ever raised about a person, what holds now first."""
        found: KeptAlerts = (await self._send(calls.alerts(user_id, audience))).json()
        return found

    async def acknowledge_alert(self, user_id: str, alert_id: str) -> Acknowledged:
        """Say that an alert was seen; the first time stands."""
        found: Acknowledged = (await self._send(calls.acknowledge(user_id, alert_id))).json()
        return found

    async def actions(self, limit: int = 100, after: str | None = None) -> ActionPage:
        """One page of the catalogue; give its ``next`` as ``after`` for the following one."""
        found: ActionPage = (await self._send(calls.page("actions", limit, after))).json()
        return found

    async def action_versions(self, action_id: str) -> Versions:
        """Every version of an action, oldest first."""
        found: Versions = (await self._send(calls.versions(action_id))).json()
        return found

    async def retire_action(self, action_id: str) -> Retired:
        """Retire an action: it is recommended no more."""
        found: Retired = (await self._send(calls.retire(action_id))).json()
        return found

    async def runs(self, limit: int = 100, after: str | None = None) -> RunPage:
        """One page of the trainings, newest first."""
        found: RunPage = (await self._send(calls.page("runs", limit, after))).json()
        return found

    async def run(self, run_id: str) -> RunDetail:
        """One training with its figures."""
        found: RunDetail = (await self._send(calls.run(run_id))).json()
        return found

    async def card(self, run_id: str) -> dict[str, Any]:
        """A training's model card."""
        found: dict[str, Any] = (await self._send(calls.run(run_id, "/card"))).json()
        return found

    async def publish(self, run_id: str) -> Published:
        """Put a trained run in force."""
        found: Published = (await self._send(calls.publish(run_id))).json()
        return found

    async def roll_back(self) -> RolledBack:
        """Put the run before the present one back in force."""
        found: RolledBack = (await self._send(calls.roll_back())).json()
        return found

    async def live(self) -> dict[str, str]:
        """Whether the process is alive."""
        found: dict[str, str] = (await self._send(calls.status("live"))).json()
        return found

    async def ready(self) -> Ready:
        """Whether the server can answer; UnavailableError says what is missing."""
        found: Ready = (await self._send(calls.status("ready"))).json()
        return found

    async def _send(self, call: Call) -> httpx.Response:
        request = call.build(self._http)
        attempts = tenacity.AsyncRetrying(**self._retries.options(call.method))
        return await attempts(self._once, request)

    async def _once(self, request: httpx.Request) -> httpx.Response:
        try:
            return checked(await self._http.send(request))
        except httpx.TransportError as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error


def _versioned(answer: httpx.Response) -> tuple[Profile, str]:
    profile: Profile = answer.json()
    return profile, answer.headers["etag"]
