"""What operators are told over HTTP, field by field: trainings and the state of the server."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from .schemas import CheckOut, Out


class RunOut(Out):
    """One training."""

    run_id: str
    status: Literal["training", "trained", "held_back", "failed"]
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    message: str | None
    published: Annotated[bool, Field(description="True for the run in force.")]


class RunsOut(Out):
    """One page of the runs, newest first; give ``next`` as ``after`` to go on, null at the end."""

    items: list[RunOut]
    next: str | None


class FigureOut(Out):
    """One figure of a run."""

    name: str
    segment: Annotated[str, Field(description="all, a group of people, a feature or a feed.")]
    value: float


class StageOut(Out):
    """What a stage of a training took; ``part_of`` names the stage that a step belongs to."""

    stage: str
    part_of: str | None
    place: int
    started_at: datetime
    seconds: Annotated[float | None, Field(description="Null if it did not come to its end.")]
    cpu_seconds: float | None
    peak_mb: Annotated[
        float | None, Field(description="Most memory that the process ever held up to its end.")
    ]
    resident_mb: float | None
    rows: Annotated[int | None, Field(description="Records read or people scored.")]


class RunDetailOut(RunOut):
    """One training in full."""

    seed: int
    code_version: str
    published_at: Annotated[list[datetime], Field(description="Every time it came into force.")]
    figures: list[FigureOut]
    manifest: dict[str, Any] | None
    stages: list[StageOut]


class CardOut(Out):
    """A run's model card; it names no person, and no group that is small."""

    format: int
    run_id: str
    intended_use: list[str]
    limits: list[str]
    versions: dict[str, Any]
    data: dict[str, Any]
    actions: dict[str, Any]
    features: dict[str, Any]
    settings: dict[str, Any]
    figures: dict[str, float]
    least_people: Annotated[int, Field(description="No smaller group is shown.")]
    groups: list[dict[str, Any]]
    drift: dict[str, Any]
    gate: dict[str, Any]
    guardrails: dict[str, Any]
    offers: Annotated[
        dict[str, Any] | None,
        Field(description="What it would offer, and what is withheld; null in older cards."),
    ] = None


class RolledBackOut(Out):
    """A run that has just been put back in force."""

    run_id: str
    instead_of: Annotated[str | None, Field(description="Run that was in force until now.")]


class PublishedOut(Out):
    """A run that has just been put in force."""

    run_id: str
    publication_id: int


class LiveOut(Out):
    """The process is alive."""

    status: Literal["live"]


class RulesOut(Out):
    """The guardrail rules in force."""

    label: Annotated[str, Field(description="Changes with any rule; kept with every answer.")]
    count: int
    own: Annotated[list[str], Field(description="Ids of the team's own rules.")]
    disabled: Annotated[list[str], Field(description="Ids of rules that were switched off.")]


class ReadyOut(Out):
    """The server can answer; a warning among the checks is no reason not to."""

    status: Literal["ready"]
    run_id: str
    rules: RulesOut
    checks: list[CheckOut]
