"""Reasons in words: the terms of a score that moved it most, each with its exact share.

Terms of one subject (a reading, a profile entry, a past action) are added up and cited once,
so a contribution is always a sum of terms of the score and never an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender.dataset import FloatArray
from recommender.domain import Action, Audience, Catalogue, MetricsList, Reason
from recommender.models.base import Term

MOST = 3
LEAST_CONTRIBUTION = 0.02
"""Log-odds below which a term is not worth a person's attention."""

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
    """

    metrics: MetricsList
    catalogue: Catalogue
    audience: Audience
    readings: FloatArray
    needs: FloatArray


def cite(terms: Sequence[Term], action: Action, wording: Wording) -> tuple[Reason, ...]:
    """Choose and word the reasons of one item.

    The needs that the action answers come first, then what else raised the score, at most
    ``MOST`` in all; with nothing to cite, the action's base rate is named.
    """
    shares = _by_subject(terms, wording.audience)
    answered = [
        ("biometrics", name)
        for name in action.targets
        if name in wording.metrics.index and wording.needs[wording.metrics.index[name]] > 0
    ]
    raising = sorted(
        (key for key, share in shares.items() if share >= LEAST_CONTRIBUTION and key[0] != "base"),
        key=lambda key: (-shares[key], key),
    )
    chosen = list(dict.fromkeys([*answered, *raising]))[:MOST] or [("base", "base_rate")]
    return tuple(
        Reason(key[0], key[1], _text(*key, action, wording), shares.get(key, 0.0)) for key in chosen
    )


def _by_subject(terms: Sequence[Term], audience: Audience) -> dict[tuple[str, str], float]:
    shares: dict[tuple[str, str], float] = {}
    for term in terms:
        key = (term.part, _subject(term, audience))
        shares[key] = shares.get(key, 0.0) + term.contribution
    return shares


def _subject(term: Term, audience: Audience) -> str:
    """What a term is about: ``biometrics:systolic_bp:level`` is about ``systolic_bp``.

    A person's profile is one subject to that person: its entries may name a disease.
    """
    if term.part == "base":
        return "base_rate"
    if term.part == "profile" and audience is Audience.USER:
        return "profile"
    _, _, name = term.feature.partition(":")
    if term.part == "factor":
        return name
    return name.partition(":")[0].partition("=")[0]


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
    place = wording.metrics.index.get(name)
    if place is None:
        return "Your readings point this way"
    metric = wording.metrics.metrics[place]
    value = wording.readings[place]
    if wording.audience is Audience.CLINICIAN:
        seen = f"{value:g} {metric.unit}" if value == value else "no fresh reading"
        return f"{metric.name}: {seen}"
    if name in action.targets and wording.needs[place] > 0:
        return f"Your {metric.label} has room to improve, and this can help"
    return f"Your {metric.label} points this way"
