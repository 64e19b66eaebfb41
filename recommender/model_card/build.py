"""Putting a model card together; it names no person, and no group that is small."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson

from recommender import __version__
from recommender.domain import Catalogue
from recommender.drift.measure import Drift
from recommender.drift.people import Column
from recommender.guardrails.rules import Rules
from recommender.leaderboard.grouped import LEAST_PEOPLE
from recommender.model_card.groups import GroupFigures
from recommender.models.hybrid import HybridModel

FORMAT = 1
LIBRARIES = ("implicit", "numpy", "pandas", "scikit-learn", "scipy", "sqlalchemy")

INTENDED_USE = (
    "Ranks the health actions of the catalogue for one person, from that person's own behaviour, "
    "profile and readings, for an app or portal that shows them as suggestions.",
    "p_complete is the calibrated probability that the person completes the action within 7 days "
    "if it is recommended now.",
)
LIMITS = (
    "Not a medical device: it neither diagnoses nor treats, and replaces no professional's advice.",
    "What is safe to show is decided by the guardrail rules alone, never by a score of this model.",
    "It learned from what was shown to the people below. For other people, and for actions that "
    "were hardly ever shown, its probabilities are guesses from descriptions.",
    "Completing an action is not the same as gaining from it: no effect on health was estimated.",
    "Figures on held-out days are of a model trained before them; what weight each part gets was "
    "learned on those days.",
)


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run beside its model.

    Attributes
    ----------
    users, events, observations
        How many records were read.
    compared_with
        Run in force when this one was trained, or None.
    reasons, forced
        What the gate had against it, and whether it was published all the same.
    """

    run_id: str
    as_of: datetime
    finished_at: datetime
    seed: int
    users: int
    events: int
    observations: int
    compared_with: str | None
    reasons: tuple[str, ...]
    forced: bool


def model_card(
    facts: RunFacts,
    model: HybridModel,
    catalogue: Catalogue,
    rules: Rules,
    drift: Drift,
    groups: Sequence[GroupFigures],
) -> dict[str, Any]:
    """Everything about a run as JSON."""
    trained = model.facts
    return {
        "format": FORMAT,
        "run_id": facts.run_id,
        "intended_use": list(INTENDED_USE),
        "limits": list(LIMITS),
        "versions": versions() | {"seed": facts.seed},
        "data": {
            "as_of": _instant(facts.as_of.timestamp()),
            # To the day: the instant is one person's.
            "first_event_on": (_instant(trained.get("first_event_at")) or "")[:10] or None,
            "held_out_from": _instant(trained.get("cut_at")),
            "finished_at": _instant(facts.finished_at.timestamp()),
            "users": facts.users,
            "events": facts.events,
            "observations": facts.observations,
            "rows_learned_from": trained.get("impressions"),
            "completed": trained.get("completed"),
        },
        "actions": _actions(catalogue),
        "features": _features(model, drift.people),
        "settings": trained.get("settings", {}),
        "figures": {name: _short(value) for name, value in sorted(model.holdout.items())},
        "least_people": LEAST_PEOPLE,
        "groups": [_group(one) for one in groups],
        "drift": _drift(drift, facts.compared_with),
        "offers": _offers(drift),
        "gate": {
            "passed": not facts.reasons,
            "forced": facts.forced,
            "forced_by": "train --force" if facts.forced else None,
            "forced_at": _instant(facts.finished_at.timestamp()) if facts.forced else None,
            "reasons": list(facts.reasons),
        },
        "guardrails": _guardrails(rules),
    }


def versions() -> dict[str, str]:
    """Versions of the product, of Python and of the libraries that figures depend on."""
    return {
        "recommender": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _actions(catalogue: Catalogue) -> dict[str, Any]:
    offered = [action for action in catalogue.actions if not action.retired]
    return {
        "offered": len(offered),
        "retired": len(catalogue) - len(offered),
        "by_domain": dict(sorted(Counter(action.domain for action in offered).items())),
    }


def _features(model: HybridModel, people: Iterable[Column]) -> dict[str, Any]:
    """Names by group; yes-or-no columns only where enough people have them."""
    common = {column.name for column in people}
    every = model.parameters.space.names
    named = [name for name in every if "=" not in name or name in common]
    by_group: dict[str, list[str]] = {"profile": [], "biometrics": []}
    for name in named:
        group, _, rest = name.partition(":")
        by_group[group].append(rest)
    return {**by_group, "rare": len(every) - len(named)}


def _group(one: GroupFigures) -> dict[str, Any]:
    """Counts are rounded to tens and figures short, so that no difference shows a person."""
    return {
        "family": one.family,
        "group": one.group,
        "people": round(one.people, -1),
        "rows": round(one.rows, -1),
        "figures": {
            name: {"value": _short(value), "standard_error": _short(error)}
            for name, (value, error) in one.figures.items()
        },
    }


def _drift(drift: Drift, compared_with: str | None) -> dict[str, Any]:
    return {
        "compared_with": compared_with,
        "features": [_rounded(asdict(one)) for one in drift.features],
        "feeds": [_rounded(asdict(one)) for one in drift.feeds],
        "outcomes": {
            name: _short(value)
            for (name, group), value in sorted(replace(drift, offers=None).figures().items())
            if group == "all"
        },
    }


def _offers(drift: Drift) -> dict[str, Any] | None:
    """What would be offered and what is withheld, of rules that concern enough people."""
    if drift.offers is None:
        return None
    every = dict(drift.offers.figures())
    return {
        "people": round(drift.offers.people, -1),
        "figures": {
            name: _short(value)
            for (name, segment), value in every.items()
            if segment == "all" and name != "offers_people"
        },
        "rules": [
            {
                "rule_id": rule_id,
                "people": _short(value),
                "near_misses": _short(every.get(("near_miss", rule_id), 0.0)),
            }
            for (name, rule_id), value in every.items()
            if name == "rule_people"
        ],
    }


def _guardrails(rules: Rules) -> dict[str, Any]:
    stated = [asdict(rule) for rule in rules.rules]
    digest = hashlib.sha256(orjson.dumps(stated, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return {
        "rules": len(rules),
        "sha256": digest,
        "versions": {rule.rule_id: rule.version for rule in rules.rules},
    }


def _rounded(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: _short(v) if isinstance(v, float) else v for key, v in entry.items()}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _instant(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
