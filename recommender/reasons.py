"""Reasons in words: what moved a score most, each with its exact share.

A contribution is always a sum of terms of the score and never an estimate. What is not known of
a person moves scores too, but is no reason to give that person: it is never cited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.dataset import BoolArray, FloatArray
from recommender.domain import Action, Audience, Catalogue, MetricsList, Reason
from recommender.models.base import Shares

MOST = 3
LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""

Subject = tuple[str, str]
"""Part of the score, and what within it."""

_BASE: Subject = ("base", "base_rate")

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
    subjects, amounts = _citable(shares, wording)
    place_of = {subject: place for place, subject in enumerate(subjects)}
    # More than these can't be cited: one may be the base, and needs only come before them.
    first = np.argsort(-amounts, axis=1, kind="stable")[:, : MOST + 1]
    rows = zip(actions, amounts.tolist(), first.tolist(), strict=True)
    cited = []
    for action, row, best in rows:
        raising = (subjects[at] for at in best if row[at] >= LEAST_CONTRIBUTION)
        worth_saying = (one for one in raising if one != _BASE)
        chosen = list(dict.fromkeys([*_answered(action, wording), *worth_saying]))[:MOST]
        reasons = [_reason(one, row, place_of, action, wording) for one in chosen or [_BASE]]
        cited.append(tuple(reasons))
    return cited


def _reason(
    subject: Subject,
    row: Sequence[float],
    place_of: Mapping[Subject, int],
    action: Action,
    wording: Wording,
) -> Reason:
    place = place_of.get(subject)
    amount = 0.0 if place is None else row[place]
    return Reason(*subject, _text(*subject, action, wording), amount)


def _citable(shares: Shares, wording: Wording) -> tuple[list[Subject], FloatArray]:
    """Subjects that may be named, and what each adds, [n_actions, n_subjects]."""
    place_of: dict[Subject, int] = {}
    columns, group = [], []
    for column, (part, subject) in enumerate(shares.subjects):
        if part == "profile":
            if not wording.has_profile or subject.endswith(":missing"):
                continue
            if wording.audience is Audience.USER:
                subject = "profile"  # its entries may name a disease
        elif part == "biometrics" and not _is_measured(subject, wording):
            continue
        columns.append(column)
        group.append(place_of.setdefault((part, subject), len(place_of)))
    belongs = np.zeros((len(columns), len(place_of)))
    belongs[np.arange(len(columns)), group] = 1.0
    return list(place_of), shares.amounts[:, columns] @ belongs


def _is_measured(metric: str, wording: Wording) -> bool:
    place = wording.metrics.index.get(metric)
    return place is not None and bool(wording.measured[place])


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
