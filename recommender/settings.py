"""Settings, read from the environment (``RECOMMENDER_*``) when asked for, never at import."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from recommender.domain import Exploration


class Settings(BaseSettings):
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
    dismiss_rest_days: Annotated[float, Field(ge=0, le=365)] = Field(
        default=30.0, description="A dismissed action rests this many days."
    )
    snooze_rest_days: Annotated[float, Field(ge=0, le=365)] = Field(
        default=3.0, description="A snoozed action rests this many days."
    )
