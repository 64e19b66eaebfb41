"""Settings of the gate."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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
    gate_expected_stops: str = Field(
        default="",
        description="Feeds that are meant to stop, with commas, * for anything: "
        "step_count/spring-*, event/rate.",
    )
    gate_coverage: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.5,
        description="Share of the actions in people's lists, or of the places beside the ten most "
        "listed, that may go.",
    )
    gate_lists: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05, description="Largest rise of the share of people with an empty or short list."
    )
    gate_unscored: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="Largest share of people with an action without a score."
    )
    gate_near_miss: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05,
        description="Largest rise of the share of people whose best-scored action is withheld.",
    )
    gate_rule_rise: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.2,
        description="Largest rise of the share of people from whom a rule withholds anything.",
    )

    def expects_stop(self, feed: str) -> bool:
        """Whether a feed is meant to stop."""
        patterns = (one.strip() for one in self.gate_expected_stops.split(","))
        return any(fnmatchcase(feed, pattern) for pattern in patterns if pattern)
