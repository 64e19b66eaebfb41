"""Settings, read from the environment (``RECOMMENDER_*``) when asked for, never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from recommender.domain import Exploration
from recommender.gate_limits import GateLimits as GateLimits
from recommender.hook_settings import HookSettings

_ALGORITHM = "(RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512|EdDSA)"
Days = Annotated[int, Field(ge=1, le=36_500)]


class Retention(BaseSettings):
    """How long records are kept; ``recommender purge`` deletes what is older."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    retain_events_days: Days | None = Field(
        default=None, description="Events older than this are purged; none by default."
    )
    retain_observations_days: Days | None = Field(
        default=None, description="Readings older than this are purged; none by default."
    )
    retain_requests_days: Days | None = Field(
        default=None, description="Answers older than this are purged; none by default."
    )
    retain_access_log_days: Days | None = Field(
        default=None,
        description="Entries of the access log older than this are purged, receipts of erasures "
        "excepted; none by default.",
    )
    retain_rejected_days: Days | None = Field(
        default=None, description="Rejected records older than this are purged; none by default."
    )


class TokenSettings(BaseSettings):
    """Bearer tokens of an identity provider; off unless issuer, audience and keys are set."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    jwt_issuer: str | None = Field(default=None, description="Claim `iss` that tokens must have.")
    jwt_audience: str | None = Field(
        default=None, description="Value that their claim `aud` must hold."
    )
    jwt_jwks: str | None = Field(
        default=None, description="The provider's public keys (JWKS): https URL or a file's path."
    )
    jwt_jwks_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=300.0, description="How long keys count before they are read again, seconds."
    )
    jwt_jwks_timeout: Annotated[float, Field(gt=0, le=60)] = Field(
        default=5.0, description="How long to wait for the URL, seconds."
    )
    jwt_algorithms: Annotated[str, Field(pattern=f"^{_ALGORITHM}([ ,]+{_ALGORITHM})*$")] = Field(
        default="RS256 ES256 EdDSA", description="Signatures that are taken, public-key ones only."
    )
    jwt_leeway: Annotated[float, Field(ge=0, le=300)] = Field(
        default=30.0, description="How far clocks may differ, seconds."
    )
    jwt_user_claim: Annotated[str, Field(min_length=1)] = Field(
        default="sub", description="Claim with the id of the only person a token reaches."
    )
    jwt_scope_claim: Annotated[str, Field(min_length=1)] = Field(
        default="scope", description="Claim with scopes: words in a text, or a list."
    )
    jwt_read_scope: str = Field(default="recommender:read", description="Means `read`.")
    jwt_write_scope: str = Field(default="recommender:write", description="Means `write`.")
    jwt_admin_scope: str = Field(default="recommender:admin", description="Means `admin`.")
    jwt_everyone_scope: str = Field(
        default="recommender:everyone", description="Lets a token reach everyone, not one person."
    )

    @property
    def tokens_taken(self) -> bool:
        """Whether tokens are taken at all."""
        return self.jwt_issuer is not None

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        given = (self.jwt_issuer, self.jwt_audience, self.jwt_jwks)
        if any(given) and not all(given):
            raise ValueError("JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS go together")
        if "://" in (self.jwt_jwks or "") and not _safe_to_fetch(self.jwt_jwks or ""):
            raise ValueError("JWT_JWKS must be an https URL (http on this machine), or a file")
        return self


def _safe_to_fetch(url: str) -> bool:
    # Whoever stands between could put keys of their own into a plain answer.
    parsed = urlsplit(url)
    near = parsed.hostname in ("127.0.0.1", "::1", "localhost")
    return parsed.scheme == "https" or (parsed.scheme == "http" and near)


class LogSettings(BaseSettings):
    """How a server writes its log."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="What a server logs: info is one line an answer, warning only trouble.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or lines for people to read."
    )


class HttpSettings(BaseSettings):
    """What a server's worker does at once, waits for, and lets through."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    rate_limit: Annotated[str, Field(pattern=r"^$|^[1-9]\d{0,8}/(second|minute|hour|day)$")] = (
        Field(default="", description="Requests of a key to a worker: 600/minute; empty = any.")
    )
    http_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=16, description="Requests that a worker handles at once."
    )
    ingest_concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="Of these, batches of records."
    )
    http_queue: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=256, description="Further requests that wait for a place; more are sent away."
    )
    http_queue_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=2.0, description="How long a request waits for a place, seconds."
    )
    http_body_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="How long a body may take to arrive, seconds."
    )
    http_database_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=5.0,
        description="How long a request waits for a lock or a connection of the database, seconds; "
        "a statement may take four times that.",
    )
    cors_origins: str = Field(
        default="",
        description="Web origins whose pages may call, such as https://app.example.org, "
        "separated by commas; empty = none.",
    )


class LockSettings(BaseSettings):
    """How long a training that has vanished keeps the next one out."""

    model_config = SettingsConfigDict(env_prefix="RECOMMENDER_", extra="ignore")

    train_lease_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        default=120.0,
        description="PostgreSQL: a training whose machine is gone, or that is stopped, loses the "
        "lock after so long without a sign of life, seconds.",
    )


class Settings(
    GateLimits, Retention, TokenSettings, LogSettings, HttpSettings, HookSettings, LockSettings
):
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
