"""What comes in and goes out over HTTP, field by field."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    field_validator,
)

from recommender.domain import Audience, Objective, Sex, Verdict
from recommender.intake.users import spelled_conditions


def _storable(text: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("must not hold NUL or half characters")
    return text


Word = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
Text = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
EARLIEST_BIRTH_YEAR = 1900
Scalar = bool | int | FiniteFloat | Text
WholeNumber = Annotated[int, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
StandardError = Annotated[
    float | None,
    Field(ge=0, description="Of the log-odds of p_complete; null for a run of an older version."),
]


class Out(BaseModel):
    """What goes out: nothing but the fields that are described."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="null")


class In(BaseModel):
    """What comes in: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class EvidenceOut(Out):
    """Why an action is in the catalogue."""

    source: str
    grade: str
    url: str | None
    date: str | None
    verified: Annotated[
        str | None, Field(description="primary if the source itself was read, else secondary.")
    ] = None


class ReasonOut(Out):
    """One cited term of a score; ``contribution`` is its exact share of the log-odds."""

    part: Literal["base", "profile", "biometrics", "behaviour", "factor"]
    feature: str
    text: str
    contribution: float


class ItemOut(Out):
    """One recommended action."""

    rank: Annotated[int, Field(ge=1)]
    action_id: str
    title: str
    domain: str
    score: Probability
    p_complete: Annotated[
        Probability, Field(description="Probability of completing it within 7 days if shown now.")
    ]
    benefit: Annotated[
        Probability, Field(description="How much the person's own readings call for it.")
    ]
    verdict: Literal["allow", "caution"]
    reasons: list[ReasonOut]
    evidence: list[EvidenceOut]
    propensity: Annotated[
        float, Field(gt=0, le=1, description="Probability with which it stands in this list.")
    ]
    standard_error: StandardError


class ContactOut(Out):
    """Who can help now; ``country`` is empty and ``phone`` too in the international wording."""

    country: str
    name: str
    phone: str
    url: str
    emergency: str


class AlertOut(Out):
    """Something the person should see whatever is recommended."""

    rule_id: str
    severity: str
    text: str
    source: str
    alert_id: Annotated[str, Field(description="The same for the same rule on the same reading.")]
    contacts: Annotated[
        list[ContactOut], Field(description="Whom to turn to; given with a crisis alone.")
    ]
    acknowledged_at: Annotated[
        datetime | None,
        Field(description="When it was said to be seen; it is sent while its cause holds."),
    ]


class KeptAlertOut(AlertOut):
    """An alert with its history."""

    rule_version: int
    observation_id: str | None
    first_raised_at: datetime
    last_raised_at: datetime
    acknowledged_by: Annotated[str | None, Field(description="Id of the key that said so.")]
    holds: Annotated[bool, Field(description="Whether its cause holds on today's record.")]


class KeptAlertsOut(Out):
    """Every alert ever raised about a person, what holds now first."""

    user_id: str
    items: list[KeptAlertOut]


class AcknowledgedOut(Out):
    """An alert that was said to be seen."""

    alert_id: str
    user_id: str
    rule_id: str
    acknowledged_at: datetime
    acknowledged_by: str | None


class AnswerOut(Out):
    """Recommendations for one person."""

    request_id: str
    user_id: str
    run_id: str
    generated_at: datetime
    cold_start: Annotated[bool, Field(description="True if nothing is known of the person.")]
    items: list[ItemOut]
    alerts: list[AlertOut]
    withheld: Annotated[WholeNumber, Field(description="How many actions the guardrails withheld.")]


class RankIn(In):
    """What to score; nothing given scores every action."""

    action_ids: Annotated[list[Word], Field(max_length=10_000)] | None = None
    objective: Objective = Objective.BENEFIT
    audience: Audience = Audience.USER
    as_of: Annotated[
        AwareDatetime | None, Field(description="Score from the records up to here.")
    ] = None


class PartsOut(Out):
    """The parts of a score; they add up to the log-odds of ``p_complete``."""

    base: float
    profile: float
    biometrics: float
    behaviour: float
    factor: float


class RankedOut(Out):
    """One scored action, whatever its verdict."""

    rank: Annotated[int, Field(ge=1)]
    action_id: str
    title: str
    domain: str
    score: Probability
    p_complete: Probability
    benefit: Probability
    parts: PartsOut
    verdict: Verdict
    rule_id: str | None
    standard_error: StandardError


class RankOut(Out):
    """Every asked action for one person, best first; nothing is left out."""

    user_id: str
    run_id: str
    items: list[RankedOut]
    alerts: list[AlertOut]


class RejectionOut(Out):
    """A record that was not taken; ``index`` is its place in what was sent, from zero."""

    index: WholeNumber
    reason: str


class TakenOut(Out):
    """What became of the records sent."""

    accepted: WholeNumber
    duplicates: WholeNumber
    corrected: WholeNumber
    rejected: list[RejectionOut]


class UserOut(Out):
    """A person's profile."""

    user_id: str
    birth_date: date | None
    sex: Sex
    conditions: list[str]
    attributes: dict[str, Any]


class ChangedOut(Out):
    """A profile that was changed by who may not read it."""

    user_id: str


class UserPatch(In):
    """Fields to change; those left out stay. An attribute set to null is taken away."""

    birth_date: date | None = None
    sex: Sex | None = None
    conditions: Annotated[list[Word], Field(max_length=200)] | None = None
    attributes: (
        Annotated[
            dict[Word, Scalar | Annotated[list[Scalar], Field(max_length=200)] | None],
            Field(max_length=200),
        ]
        | None
    ) = None

    @field_validator("birth_date")
    @classmethod
    def _alive(cls, value: date | None) -> date | None:
        if value is not None and value.year < EARLIEST_BIRTH_YEAR:
            raise ValueError(f"must not be before {EARLIEST_BIRTH_YEAR}")
        return value

    def given(self) -> dict[str, Any]:
        """The fields that were sent, with null as what it means: unknown, none."""
        nothing: dict[str, Any] = {"sex": Sex.UNKNOWN, "conditions": [], "attributes": {}}
        changes: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        changes = {name: nothing.get(name) if v is None else v for name, v in changes.items()}
        if "conditions" in changes:
            changes["conditions"] = spelled_conditions(changes["conditions"])
        return changes


class ErasedOut(Out):
    """Receipt of an erasure: table -> rows erased, and how the access log calls it."""

    user_id: str
    deleted: dict[str, int]
    receipt: str


class ActionOut(Out):
    """An action of the catalogue, every field."""

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
    evidence: list[EvidenceOut]
    attributes: dict[str, Any]
    retired: bool
    intensity: str | None
    technique: Annotated[str | None, Field(description="BCT Taxonomy v1: code and label.")]
    eligible: Annotated[dict[str, Any], Field(description="Whom it is for; see data/README.md.")]
    reviewed_on: date | None
    review_by: date | None


class ActionPage(Out):
    """One page of the catalogue; give ``next`` as ``after`` to go on, null at the end."""

    items: list[ActionOut]
    next: str | None


class VersionOut(Out):
    """One version of an action."""

    action_id: str
    version: Annotated[int, Field(description="1 for the first, growing by one.")]
    revision: Annotated[int, Field(description="Number of the change of the catalogue.")]
    valid_from: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the content.")]
    content: Annotated[dict[str, Any], Field(description="The whole action as it was.")]
    changed_by: Annotated[str, Field(description="The way it came by.")]


class VersionsOut(Out):
    """Every version of an action, oldest first."""

    items: list[VersionOut]


class RetiredOut(Out):
    """An action that is recommended no more."""

    action_id: str
    changed: Annotated[bool, Field(description="False if it was retired already.")]


class CheckOut(Out):
    """One thing that was looked at; ``fix`` is empty where all is well."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    fix: str


class FlawOut(Out):
    """One field at fault."""

    field: str
    code: str
    message: str


class ProblemOut(Out):
    """RFC 9457 problem."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FlawOut] = []
    checks: Annotated[list[CheckOut], Field(description="Of /status/ready alone.")] = []
