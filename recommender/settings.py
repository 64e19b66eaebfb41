"""Settings, read from the environment (``RECOMMENDER_*``) when asked for, never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from recommender.domain import Exploration


class GateLimits(BaseSettings):
    """Limits beyond which the gate keeps the run in force."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    gate_log_loss: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.02, description="Largest relative loss against popularity or the published run."
    )
    gate_calibration_error: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.10, description="Largest calibration error on held-out days."
    )
    gate_calibration_shift: Annotated[float, Field(ge=0, le=20)] = Field(
        default=0.7,
        description="Largest distance, in log-odds, of what people do from what was expected.",
    )
    gate_psi: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.25, description="Population stability index above which a feature has shifted."
    )
    gate_psi_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.25, description="Share of features that may not shift at once."
    )
    gate_psi_single: Annotated[float, Field(ge=0, le=100)] = Field(
        default=1.0, description="Stability index that is too much even for one feature."
    )
    gate_vanished: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.8, description="Share of a feature's known values that may go missing."
    )
    gate_feed_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.25, description="A feed with less than this share of a usual week has stopped."
    )
    gate_feed_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.02, description="Share of all readings, or events, that makes a feed count."
    )
    gate_feed_shift: Annotated[float, Field(ge=0, le=100)] = Field(
        default=1.0,
        description="Largest distance of a feed's new mean from the old, standard deviations.",
    )


class Settings(GateLimits):
    """Everything an operator may set; each has a sane default and a range that is checked."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    database_url: str = Field(
        default="sqlite:///recommender.db",
        description="SQLAlchemy URL; SQLite file or postgresql://user@host/name.",
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Seed of everything random in a training."
    )
    scores_per_user: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50, description="How many of each person's best actions the nightly picture keeps."
    )
    keep_runs: Annotated[int, Field(ge=2, le=365)] = Field(
        default=7, description="How many trained runs are kept for rollback."
    )
    keep_evaluations: Annotated[int, Field(ge=1, le=365)] = Field(
        default=3, description="How many saved evaluations are kept."
    )
    search_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=20.0,
        description="Computing time for trying settings on held-out time in a training; 0 = none.",
    )
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=2.0, description="How often a server looks for a newly published run, seconds."
    )
    variety: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.85,
        description="Each further item of a domain counts this much of the one before; 1 = off.",
    )
    exploration: Exploration = Field(
        default=Exploration.OFF,
        description="Vary people's lists by chance, among allowed actions only: off, epsilon "
        "(a share of the list is drawn evenly) or thompson (unsure scores get a chance as well).",
    )
    exploration_rate: Annotated[float, Field(ge=0.01, le=0.5)] = Field(
        default=0.1,
        description="Share of a list that is drawn evenly from all allowed actions.",
    )
    rules: Path | None = Field(
        default=None, description="A TOML file of your own guardrail rules, beside the core ones."
    )
    rules_disabled: str = Field(
        default="", description="Ids of guardrail rules to switch off, with commas; logged."
    )
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = Field(
        default="", description="Country of the crisis contacts (ISO 3166 alpha-2), e.g. GB."
    )
    dismiss_rest_days: Annotated[float, Field(ge=0, le=365)] = Field(
        default=30.0, description="A dismissed action rests this many days."
    )
    snooze_rest_days: Annotated[float, Field(ge=0, le=365)] = Field(
        default=3.0, description="A snoozed action rests this many days."
    )
