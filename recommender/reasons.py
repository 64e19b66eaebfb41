"""Reasons in words: what moved a score most, each with its exact share.

A contribution is always a sum of terms of the score and never an estimate. What is not known of
a person moves scores too, but is no reason to give that person: it is never cited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recommender.dataset import BoolArray, FloatArray
from recommender.domain import Action, Audience, Catalogue, MetricsList, Reason
from recommender.models.base import Shares

MOST = 3
LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""

Subject = tuple[str, str]
"""Part of the score, and what within it."""

_BEHAVIOUR_WORDS: Mapping[str, str] = {
    "action": "How you got on with this one lately",
    "domain": "How you got on with things like this lately",
    "user": "How active you have been here lately",
}


@dataclass(frozen=True)
class Wording:
    """What the words need to know about the person and the audience.

    Attributes
    ----------
    readings
        Latest fresh reading of each metric, shape [n_metrics], NaN if unknown.
    needs
        Need of each metric, shape [n_metrics], 0 to 1.
    measured
        Whether there is any reading of each metric, however old, shape [n_metrics].
    has_profile
        Whether anything is known of the person's profile.
    """

    metrics: MetricsList
    catalogue: Catalogue
    audience: Audience
    readings: FloatArray
    needs: FloatArray
    measured: BoolArray
    has_profile: bool


def cite_all(
    shares: Shares, actions: Sequence[Action], wording: Wording
) -> list[tuple[Reason, ...]]:
    """Choose and word the reasons of each action; rows of ``shares`` are aligned with them.

    The needs that an action answers come first, then what else raised its score, at most
    ``MOST`` in all; with nothing to cite, the action's base rate is named.
    """
    columns = _citable(shares, wording)
    return [
        _cite(_summed(columns, row), action, wording)
        for row, action in zip(shares.amounts.tolist(), actions, strict=True)
    ]


def _citable(shares: Shares, wording: Wording) -> list[tuple[Subject, list[int]]]:
    """Subjects that may be named, and the columns that belong to each."""
    columns: dict[Subject, list[int]] = {}
    for place, (part, subject) in enumerate(shares.subjects):
        if subject.endswith(":missing"):
            continue
        if part == "biometrics" and not _is_measured(subject, wording):
            continue
        if part == "profile" and not wording.has_profile:
            continue
        if part == "profile" and wording.audience is Audience.USER:
            subject = "profile"  # its entries may name a disease
        columns.setdefault((part, subject), []).append(place)
    return list(columns.items())


def _is_measured(metric: str, wording: Wording) -> bool:
    place = wording.metrics.index.get(metric)
    return place is not None and bool(wording.measured[place])


def _summed(columns: list[tuple[Subject, list[int]]], row: Sequence[float]) -> dict[Subject, float]:
    return {subject: sum(row[place] for place in places) for subject, places in columns}


def _cite(shares: Mapping[Subject, float], action: Action, wording: Wording) -> tuple[Reason, ...]:
    raising = sorted(
        (one for one, share in shares.items() if share >= LEAST_CONTRIBUTION and one[0] != "base"),
        key=lambda one: (-shares[one], one),
    )
    chosen = list(dict.fromkeys([*_answered(action, wording), *raising]))[:MOST]
    return tuple(
        Reason(
            part, subject, _text(part, subject, action, wording), shares.get((part, subject), 0.0)
        )
        for part, subject in chosen or [("base", "base_rate")]
    )


def _answered(action: Action, wording: Wording) -> Iterator[Subject]:
    """Needs that the action answers."""
    for name in action.targets:
        place = wording.metrics.index.get(name)
        if place is not None and wording.needs[place] > 0:
            yield "biometrics", name


def _text(part: str, subject: str, action: Action, wording: Wording) -> str:
    if part == "biometrics":
        return _reading_text(subject, action, wording)
    if part == "factor":
        if subject in wording.catalogue.index:
            title = wording.catalogue.actions[wording.catalogue.index[subject]].title
            return f"Because of how you got on with “{title}”"
        return "Because of how you have responded to suggestions so far"
    if part == "behaviour":
        return _BEHAVIOUR_WORDS.get(subject, "What you have been doing lately")
    if part == "profile":
        if wording.audience is Audience.CLINICIAN:
            return f"Profile: {subject}"
        return "People with a profile like yours tend to do this"
    return "Many people do this when it is suggested"


def _reading_text(name: str, action: Action, wording: Wording) -> str:
    place = wording.metrics.index[name]
    metric, value = wording.metrics.metrics[place], wording.readings[place]
    if wording.audience is Audience.CLINICIAN:
        seen = f"{value:g} {metric.unit}" if value == value else "no fresh reading"
        return f"{metric.name}: {seen}"
    if name in action.targets and wording.needs[place] > 0:
        return f"There is room for your {metric.label} to improve, and this can help"
    return f"People whose {metric.label} is like yours tend to do this"
