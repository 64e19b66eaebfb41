"""What the product talks about: frozen, plain types with the field's names.

No SQL, HTTP, clock or third-party import. Instants are aware datetimes, or float
seconds since 1970-01-01T00:00Z where arrays of them are computed with (``at``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

SECONDS_PER_DAY = 86_400.0


class EventType(StrEnum):
    """What a person did with an action; the order is that of the stored codes."""

    IMPRESSION = "impression"
    VIEW = "view"
    ACCEPT = "accept"
    COMPLETE = "complete"
    DISMISS = "dismiss"
    SNOOZE = "snooze"
    RATE = "rate"


EVENT_CODES: dict[str, int] = {kind.value: code for code, kind in enumerate(EventType)}


class Sex(StrEnum):
    """Sex as recorded; the order is that of the stored codes, unknown first."""

    UNKNOWN = "unknown"
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


SEX_CODES: dict[str, int] = {sex.value: code for code, sex in enumerate(Sex)}


class Verdict(StrEnum):
    """What the guardrails decided for one action; later in this order beats earlier."""

    ALLOW = "allow"
    CAUTION = "caution"
    WITHHOLD = "withhold"


VERDICT_CODES: dict[str, int] = {verdict.value: code for code, verdict in enumerate(Verdict)}


class Audience(StrEnum):
    """Who reads the answer; decides wording, never what is safe."""

    USER = "user"
    CLINICIAN = "clinician"


class Objective(StrEnum):
    """What the list is ordered by."""

    BENEFIT = "benefit"
    COMPLETION = "completion"


class Exploration(StrEnum):
    """How lists are varied by chance, to learn what would come of actions that rank low."""

    OFF = "off"
    EPSILON = "epsilon"
    THOMPSON = "thompson"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an action is in the catalogue.

    Attributes
    ----------
    source
        Guideline, trial or review, in words.
    grade
        USPSTF ``A B C D I``, ACC/AHA ``1``-``3`` with ``A``-``C`` (such as ``1A``),
        ``guideline``, ``trial``, ``observational`` or ``consensus``.
    url
        Where to read it, or None.
    date
        Date of the edition (``2020``, ``2020-11`` or ``2020-11-25``), or None.
    verified
        ``primary`` if the source itself was read, ``secondary`` if a repetition of it, or None
        if nobody said.
    """

    source: str
    grade: str
    url: str | None = None
    date: str | None = None
    verified: str | None = None


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whom an action is for; whoever is not known to meet it does not get it.

    Attributes
    ----------
    min_age, max_age
        Completed years, both included; None for no bound. An unknown age meets no bound.
    sex
        The recorded sex it is for, or None for any.
    conditions_any
        At least one of these must be on record; empty for none needed.
    conditions_none
        None of these may be on record.
    not_done_within_days
        How long having completed it covers a person: it is not for who completed it, or another
        action with a ``screening:`` or ``vaccination:`` tag in common, within that one's own days.
    """

    min_age: int | None = None
    max_age: int | None = None
    sex: Sex | None = None
    conditions_any: tuple[str, ...] = ()
    conditions_none: tuple[str, ...] = ()
    not_done_within_days: float | None = None


EVERYBODY = Eligibility()
"""Asks nothing of a person."""


@dataclass(frozen=True)
class Action:
    """One entry of the catalogue.

    Attributes
    ----------
    effort
        1 (hardly any) to 5 (a lot), or None if unknown.
    minutes
        Time it takes, in minutes, or None.
    targets
        Metrics that it improves.
    tags
        What guardrail rules look at; the vocabulary is ``data/tags.toml``.
    repeat_after_days
        Days before it makes sense again once completed, or None for at any time.
    retired
        True if it is kept for its history only and never recommended.
    intensity
        ``none``, ``light``, ``moderate`` or ``vigorous``; None if nobody said.
    technique
        Behaviour-change technique, such as ``1.4 Action planning`` (``data/techniques.toml``).
    eligible
        Whom it is for; the guardrails hold everybody to it.
    reviewed_on, review_by
        When its content was last read against its sources, and when it has to be again.
    """

    action_id: str
    title: str
    domain: str
    description: str = ""
    clinician_description: str = ""
    effort: int | None = None
    minutes: float | None = None
    targets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    repeat_after_days: float | None = None
    evidence: tuple[Evidence, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    retired: bool = False
    intensity: str | None = None
    technique: str | None = None
    eligible: Eligibility = EVERYBODY
    reviewed_on: date | None = None
    review_by: date | None = None

    @cached_property
    def evidence_documents(self) -> list[dict[str, Any]]:
        """Its evidence as JSON spells it, made once for all answers; not to be changed."""
        return [asdict(entry) for entry in self.evidence]


@dataclass(frozen=True)
class Catalogue:
    """All actions, in the order that every action index refers to (by ``action_id``)."""

    actions: tuple[Action, ...]

    def __len__(self) -> int:
        return len(self.actions)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Action ids, in order."""
        return tuple(action.action_id for action in self.actions)

    @cached_property
    def index(self) -> dict[str, int]:
        """Action id -> its place in ``actions``."""
        return {action_id: place for place, action_id in enumerate(self.ids)}


@dataclass(frozen=True, slots=True)
class AcceptedUnit:
    """A unit readings may arrive in: ``value_in_metric_unit = factor * value + offset``."""

    unit: str
    factor: float
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Metric:
    """A named biometric.

    Attributes
    ----------
    loinc
        LOINC codes that name it, the preferred one first.
    unit
        UCUM unit its values are stored in.
    accepted
        Other units it may arrive in, with the exact conversion.
    plausible_low, plausible_high
        Values outside (in ``unit``) are rejected as implausible.
    fresh_days
        A reading older than this many days is unknown to the guardrails.
    target_low, target_high
        Range worth being in (in ``unit``); None where that side is open.
    target_scale
        Distance from the range (in ``unit``) that counts as one full step of need.
    label
        The metric in a layperson's words, to stand after "your".
    source, date, verified
        Where range and target come from, its edition, and whether the primary was read.
    agree_within
        Readings of the same moment that differ by no more than this (in ``unit``) agree; None if
        they are never compared.
    jump
        A change by more than this share within two weeks is not believed until it is measured
        again; None if any change is.
    """

    name: str
    label: str
    loinc: tuple[str, ...]
    unit: str
    plausible_low: float
    plausible_high: float
    fresh_days: float
    accepted: tuple[AcceptedUnit, ...] = ()
    target_low: float | None = None
    target_high: float | None = None
    target_scale: float = 1.0
    source: str = ""
    date: str = ""
    verified: str = "secondary"
    agree_within: float | None = None
    jump: float | None = None


@dataclass(frozen=True)
class MetricsList:
    """All metrics, in the order that every metric index refers to."""

    metrics: tuple[Metric, ...]

    def __len__(self) -> int:
        return len(self.metrics)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Metric names, in order."""
        return tuple(metric.name for metric in self.metrics)

    @cached_property
    def index(self) -> dict[str, int]:
        """Metric name -> its place in ``metrics``."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def by_code(self) -> dict[str, str]:
        """Name or LOINC code -> metric name."""
        codes = {code: metric.name for metric in self.metrics for code in metric.loinc}
        return codes | {name: name for name in self.names}


class Reason(NamedTuple):
    """One cited term of a score, in words.

    ``contribution`` is in log-odds and is exactly that term's share of the sum.
    """

    part: str
    feature: str
    text: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Contact:
    """Who can help now: a crisis line, and the number of the emergency services.

    ``country`` is an ISO 3166-1 alpha-2 code, empty for the international wording, which has no
    ``phone``.
    """

    country: str
    name: str
    phone: str
    url: str
    emergency: str

    def in_words(self) -> str:
        """One sentence or two that a person can act on."""
        reach = self.phone or self.url
        return f"{self.name}: {reach}. In an emergency: {self.emergency}."


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person should see whatever is recommended; never ranked.

    Attributes
    ----------
    alert_id
        The same for the same rule on the same reading.
    observation_id
        The reading that led to it, None if none did.
    contacts
        Whom to turn to, for alerts that outrank every other.
    acknowledged_at
        When somebody said that it was seen; it is delivered nevertheless while its cause holds.
    """

    rule_id: str
    severity: str
    text: str
    source: str
    alert_id: str = ""
    rule_version: int = 0
    observation_id: str | None = None
    contacts: tuple[Contact, ...] = ()
    acknowledged_at: datetime | None = None


class Recommendation(NamedTuple):
    """One item of an answer; ``standard_error`` is of the log-odds, None from an older run."""

    rank: int
    action: Action
    score: float
    p_complete: float
    benefit: float
    parts: tuple[float, ...]
    verdict: Verdict
    rule_id: str | None
    reasons: tuple[Reason, ...]
    propensity: float
    standard_error: float | None = None


@dataclass(frozen=True)
class RecommendationList:
    """An answer: what to show, what to warn of, how much was withheld.

    Attributes
    ----------
    decided
        (verdict, rule) -> actions of the whole catalogue that were not simply allowed by it.
    """

    request_id: str
    user_id: str
    run_id: str
    generated_at: datetime
    cold_start: bool
    items: tuple[Recommendation, ...]
    alerts: tuple[Alert, ...]
    withheld: int
    decided: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """A person's profile as stored."""

    user_id: str
    birth_date: date | None = None
    sex: Sex = Sex.UNKNOWN
    conditions: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
