"""The oracle through HTTP alone: people are posted, answers are got, every item is judged.

A database with a small simulated population and the shipped catalogue is made in a temporary
folder, a run is trained, and the application is asked in process. Readings are posted in no order,
from two sources, under names and LOINC codes, with some yet to come and some
implausible; conditions by any of their names.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from api.app import create_app
from recommender.dataset import Observations, Records, select_observations
from recommender.domain import EVENT_CODES, SEX_CODES, Action, Audience, Catalogue, Eligibility, Sex
from recommender.ingest import ingest_files
from recommender.knowledge import load_knowledge
from recommender.resources import data_path
from recommender.settings import Settings
from recommender.simulate import simulate
from recommender.store.engine import connect
from recommender.store.upgrade import upgrade
from recommender.train import train_and_publish
from tests.benchmarks.oracle import judge
from tests.benchmarks.oracle_record import limits
from tests.benchmarks.people_at_random import people_at_random
from tests.benchmarks.safety_tally import describe

POSTED = 1_000
LOINC = {"systolic_bp": "8480-6", "diastolic_bp": "8462-4", "glucose": "41653-7"}
LISTS: tuple[Mapping[str, str | int], ...] = (
    {"limit": 50},
    {"limit": 1000},
    {"limit": 1000, "objective": "completion"},
    {"limit": 1000, "audience": "clinician"},
    {"limit": 1000, "audience": "clinician", "objective": "completion", "domain": "activity"},
    {"limit": 50, "domain": "screening"},
    {"limit": 1000, "domain": "nutrition", "objective": "benefit"},
)


@dataclass
class Walk:
    """What was seen on the way."""

    answers: int = 0
    items: int = 0
    verdicts: int = 0
    alerts: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


def walk(people: int, seed: int) -> Walk:
    """Post ``people`` people and judge what HTTP answers about them."""
    rng = np.random.default_rng([seed, 7])
    seen = Walk()
    with served() as client:
        catalogue = catalogue_of(client)
        started = float(int(datetime.now(UTC).timestamp()))
        records = people_at_random(people, rng, started, catalogue)
        records = in_whole_seconds(records)
        rejected = post(client, records, catalogue, rng, seen)
        readings = records.observations
        kept = ~np.isin(np.arange(len(readings)), rejected)
        records = replace(records, observations=select_observations(readings, kept))
        answers = [
            ask(client, user_id, LISTS[rng.integers(len(LISTS))]) for user_id in ids(records)
        ]
        ended = datetime.now(UTC).timestamp()
        compare(records, catalogue, answers, (started, ended), seen)
    return seen


Answered = tuple[Audience, dict[str, Any], dict[str, Any]]
"""The audience of a list, the list, and the ranking of every action for the same audience."""


def compare(
    records: Records,
    catalogue: Catalogue,
    answers: list[Answered],
    span: tuple[float, float],
    seen: Walk,
) -> None:
    """Judge everything shown; only what was forbidden from first to last counts as wrong."""
    for audience in Audience:
        judged = [judge(records, at, audience, catalogue) for at in span]
        forbidden = judged[0].forbidden & judged[1].forbidden
        crisis = judged[0].warned["crisis"] & judged[1].warned["crisis"]
        for person, (asked, answer, ranking) in enumerate(answers):
            if asked is not audience:
                continue
            seen.answers += 1
            banned = {catalogue.ids[place] for place in np.flatnonzero(forbidden[person])}
            faults = [*_faults(answer, ranking, banned, bool(crisis[person]))]
            seen.items += len(answer["items"])
            seen.verdicts += len(ranking["items"])
            seen.alerts += len(answer["alerts"])
            for fault in faults:
                seen.wrong[fault] += 1
                seen.examples.setdefault(fault, describe(records, person, span[1]))


def _faults(
    answer: dict[str, Any], ranking: dict[str, Any], banned: set[str], crisis: bool
) -> Iterator[str]:
    for item in answer["items"]:
        if item["action_id"] in banned or item["verdict"] == "withhold":
            yield f"shown: {item['action_id']}"
    for item in ranking["items"]:
        if item["action_id"] in banned and item["verdict"] != "withhold":
            yield f"ranked and not withheld: {item['action_id']}"
    for body in (answer, ranking) if crisis else ():
        if not (body["alerts"] and body["alerts"][0]["contacts"]):
            yield "no crisis contact first"


def ask(client: TestClient, user_id: str, asked: Mapping[str, str | int]) -> Answered:
    """A list and a ranking for one person."""
    path = f"/v1/users/{user_id}"
    audience = str(asked.get("audience", "user"))
    answer = client.get(f"{path}/recommendations", params=dict(asked))
    ranking = client.post(f"{path}/rank", json={"audience": audience})
    assert (answer.status_code, ranking.status_code) == (200, 200), answer.text + ranking.text
    return Audience(audience), answer.json(), ranking.json()


@contextmanager
def served() -> Iterator[TestClient]:
    """The application on a database with a published run and the shipped catalogue."""
    known = load_knowledge()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/safety.db"
        engine = connect(url)
        upgrade(engine)
        now = datetime.now(UTC)
        simulate(80, 40, 20, 3, Path(folder), end_at=now - timedelta(hours=1))
        shipped = str(data_path("actions.ndjson"))
        ingest_files(engine, "actions", [shipped], metrics=known.metrics, now=now)
        for kind in ("actions", "users", "events", "observations"):
            path = f"{folder}/{kind}.csv"
            ingest_files(engine, kind, [path], metrics=known.metrics, now=now)
        settings = Settings(database_url=url)
        train_and_publish(
            engine, rules=known.rules, metrics=known.metrics, settings=settings, force=True
        )
        engine.dispose()
        near = ("127.0.0.1", 1)
        with TestClient(create_app(settings), "http://localhost", client=near) as client:
            yield client


def catalogue_of(client: TestClient) -> Catalogue:
    """The catalogue as HTTP tells it."""
    page: dict[str, Any] = client.get("/v1/actions", params={"limit": 1000}).json()
    assert page["next"] is None
    return Catalogue(
        tuple(
            Action(
                one["action_id"],
                one["title"],
                one["domain"],
                tags=tuple(one["tags"]),
                eligible=_eligible(one["eligible"]),
            )
            for one in sorted(page["items"], key=lambda one: str(one["action_id"]))
        )
    )


def _eligible(told: dict[str, Any]) -> Eligibility:
    known = {key: tuple(each) if isinstance(each, list) else each for key, each in told.items()}
    if known.get("sex"):
        known["sex"] = Sex(known["sex"])
    return Eligibility(**known)


def in_whole_seconds(records: Records) -> Records:
    """Instants as they survive a time stamp, however it is written."""
    events, readings = records.events, records.observations
    return replace(
        records,
        events=replace(events, at=np.floor(events.at)),
        observations=replace(readings, at=np.floor(readings.at)),
    )


def ways_to_say() -> Mapping[str, list[str]]:
    """The names by which each condition may come in."""
    entries = tomllib.loads(data_path("conditions.toml").read_text())["condition"]
    return {one["name"]: [one["name"], *one.get("aliases", ())] for one in entries}


def ids(records: Records) -> list[str]:
    return [str(user_id) for user_id in records.users.ids]


def post(
    client: TestClient,
    records: Records,
    catalogue: Catalogue,
    rng: np.random.Generator,
    seen: Walk,
) -> list[int]:
    """Post profiles, events and readings, and say which readings were rejected, by their place.

    People of whom nothing is known are not posted.
    """
    rows = {
        "users": [*_users(records, rng)],
        "events": [*_events(records, catalogue)],
        "observations": [*_observations(records.observations, ids(records))],
    }
    rejected = []
    for kind, all_rows in rows.items():
        shuffled = [all_rows[place] for place in rng.permutation(len(all_rows))]
        for start in range(0, len(shuffled), POSTED):
            batch = shuffled[start : start + POSTED]
            taken = client.post(f"/v1/{kind}", json=batch)
            assert taken.status_code == 200, taken.text
            for refused in taken.json()["rejected"]:
                seen.rejected[_kind_of(kind, refused["reason"])] += 1
                if kind == "observations":
                    rejected.append(int(batch[refused["index"]]["observation_id"][1:]))
    return rejected


def _kind_of(kind: str, reason: str) -> str:
    why = "implausible" if "plausible" in reason else reason.split(":")[0]
    return f"{kind}: {why}"


def _users(records: Records, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    users, spoken = records.users, ways_to_say()
    sexes = {code: name for name, code in SEX_CODES.items()}
    for place, user_id in enumerate(ids(records)):
        born = users.born_at[place]
        row = {
            "user_id": user_id,
            "birth_date": str(np.datetime64(int(born), "s"))[:10] if born == born else None,
            "sex": sexes[int(users.sex[place])],
            "conditions": [
                str(rng.choice(spoken.get(name, [name])))
                for name in users.condition_name[users.condition_user == place]
            ],
        }
        says = {name: column[place] for name, column in users.attributes.items()}
        row |= {name: value for name, value in says.items() if value is not None}
        if row["birth_date"] or row["sex"] != "unknown" or row["conditions"] or len(row) > 4:
            yield row


def _events(records: Records, catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    kinds = {code: name for name, code in EVENT_CODES.items()}
    events, names = records.events, ids(records)
    columns = (events.user, events.action, events.kind, events.at)
    for number, (user, action, kind, at) in enumerate(zip(*columns, strict=True)):
        row = {
            "event_id": f"e{number}",
            "user_id": names[user],
            "action_id": catalogue.ids[action],
            "type": kinds[int(kind)],
            "occurred_at": datetime.fromtimestamp(at, UTC).isoformat(),
        }
        yield row | ({"value": 4} if row["type"] == "rate" else {})


def _observations(readings: Observations, names: list[str]) -> Iterator[dict[str, Any]]:
    metrics = list(limits())
    columns = (readings.user, readings.metric, readings.value, readings.at)
    for number, (user, metric, value, at) in enumerate(zip(*columns, strict=True)):
        name = metrics[metric]
        yield {
            "observation_id": f"o{number}",
            "user_id": names[user],
            "metric": LOINC.get(name, name) if number % 3 else name,
            "value": float(value),
            "observed_at": datetime.fromtimestamp(at, UTC).isoformat(),
            "source": ("watch", "cuff")[number % 2],
        }
