"""What the server answers, field by field; instants are RFC 3339 text in UTC."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from recommender.client.alert_answers import Alert


class Evidence(TypedDict):
    """Why an action is in the catalogue."""

    source: str
    grade: str
    url: str | None
    date: str | None
    verified: str | None


class Reason(TypedDict):
    """One cited term of a score; ``contribution`` is its exact share of the log-odds."""

    part: str
    feature: str
    text: str
    contribution: float


class Item(TypedDict):
    """One recommended action."""

    rank: int
    action_id: str
    title: str
    domain: str
    score: float
    p_complete: float
    benefit: float
    verdict: str
    reasons: list[Reason]
    evidence: list[Evidence]
    propensity: float
    standard_error: float | None


class Recommendations(TypedDict):
    """What a person should be shown."""

    request_id: str
    user_id: str
    run_id: str
    generated_at: str
    cold_start: bool
    items: list[Item]
    alerts: list[Alert]
    withheld: int


class Parts(TypedDict):
    """The parts of a score; they add up to the log-odds of ``p_complete``."""

    base: float
    profile: float
    biometrics: float
    behaviour: float
    factor: float


class Ranked(TypedDict):
    """One scored action, whatever its verdict."""

    rank: int
    action_id: str
    title: str
    domain: str
    score: float
    p_complete: float
    benefit: float
    parts: Parts
    verdict: str
    rule_id: str | None
    standard_error: float | None


class Ranking(TypedDict):
    """Every asked action for one person, best first."""

    user_id: str
    run_id: str
    items: list[Ranked]
    alerts: list[Alert]


class Rejection(TypedDict):
    """A record that was not taken; ``index`` is its place in what was sent, from zero."""

    index: int
    reason: str


class Taken(TypedDict):
    """What became of the records sent."""

    accepted: int
    duplicates: int
    corrected: int
    rejected: list[Rejection]


class Profile(TypedDict):
    """A person's profile."""

    user_id: str
    birth_date: str | None
    sex: str
    conditions: list[str]
    attributes: dict[str, Any]


class ChangedProfile(TypedDict):
    """A profile as it is now; ``user_id`` alone for a key that may not read it."""

    user_id: str
    birth_date: NotRequired[str | None]
    sex: NotRequired[str]
    conditions: NotRequired[list[str]]
    attributes: NotRequired[dict[str, Any]]


class Erased(TypedDict):
    """Receipt of an erasure: table -> rows erased, and how the access log calls it."""

    user_id: str
    deleted: dict[str, int]
    receipt: str


class Action(TypedDict):
    """An action of the catalogue."""

    action_id: str
    title: str
    domain: str
    description: str
    clinician_description: str
    effort: int | None
    minutes: float | None
    targets: list[str]
    tags: list[str]
    repeat_after_days: float | None
    evidence: list[Evidence]
    attributes: dict[str, Any]
    retired: bool
    intensity: str | None
    technique: str | None
    eligible: dict[str, Any]
    reviewed_on: str | None
    review_by: str | None


class ActionPage(TypedDict):
    """One page of the catalogue; ``next`` is null at the end."""

    items: list[Action]
    next: str | None


class Version(TypedDict):
    """One version of an action; ``content`` is the whole action as it was."""

    action_id: str
    version: int
    revision: int
    valid_from: str
    content_hash: str
    content: dict[str, Any]
    changed_by: str


class Versions(TypedDict):
    """Every version of an action, oldest first."""

    items: list[Version]


class Retired(TypedDict):
    """An action that is recommended no more; ``changed`` is false if it was retired already."""

    action_id: str
    changed: bool


class Run(TypedDict):
    """One training."""

    run_id: str
    status: str
    as_of: str
    started_at: str
    finished_at: str | None
    message: str | None
    published: bool


class RunPage(TypedDict):
    """One page of the runs, newest first; ``next`` is null at the end."""

    items: list[Run]
    next: str | None


class Figure(TypedDict):
    """One figure of a run."""

    name: str
    segment: str
    value: float


class Stage(TypedDict):
    """What a stage of a training took."""

    stage: str
    part_of: str | None
    place: int
    started_at: str
    seconds: float | None
    cpu_seconds: float | None
    peak_mb: float | None
    resident_mb: float | None
    rows: int | None


class RunDetail(Run):
    """One training in full."""

    seed: int
    code_version: str
    published_at: list[str]
    figures: list[Figure]
    manifest: dict[str, Any] | None
    stages: list[Stage]


class Published(TypedDict):
    """A run that has just been put in force."""

    run_id: str
    publication_id: int


class RolledBack(TypedDict):
    """A run that has just been put back in force."""

    run_id: str
    instead_of: str | None


class Rules(TypedDict):
    """The guardrail rules in force."""

    label: str
    count: int
    own: list[str]
    disabled: list[str]


class Check(TypedDict):
    """One thing that was looked at; ``fix`` is empty where all is well."""

    name: str
    status: str
    found: str
    fix: str


class Ready(TypedDict):
    """The server can answer; a warning among the checks is no reason not to."""

    status: str
    run_id: str
    rules: Rules
    checks: list[Check]
