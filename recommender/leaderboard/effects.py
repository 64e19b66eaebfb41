"""What the hybrid learned, as odds: the coefficients that move scores most."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.dataset import BoolArray, FloatArray
from recommender.models.hybrid import HybridModel
from recommender.models.parameters import coefficient_names, own_targets

MOST = 12
"""Effects listed of each kind."""

MOST_OF_ONE = 2
"""Domains named of one feature."""

LEAST_ACTIONS = 3

_WINDOWS = ("last_days", "recent", "month", "all")


@dataclass(frozen=True, slots=True)
class Effect:
    """Mean effect of a feature on the actions of one kind.

    Attributes
    ----------
    part, feature
        As in ``models.base.Term``.
    about
        ``domain`` or ``target``: whether ``kind`` names a domain or actions that improve the
        feature's own metric; ``all`` for behaviour, whose effect is shared.
    log_odds
        Mean over those actions, other things equal: for a yes instead of a no, for one standard
        deviation more of a number or reading, for the first event of a kind within a window
        (wider windows, which hold it too, included), or for twice the usual completion rate.
    actions
        How many actions it is a mean of.
    """

    part: str
    feature: str
    about: str
    kind: str
    log_odds: float
    actions: int


def feature_effects(model: HybridModel) -> tuple[Effect, ...]:
    """The largest mean effects of profile, readings and behaviour, largest first in each."""
    names = coefficient_names(model.parameters.space)
    weights = model.parameters.coefficients
    own = own_targets(names, model.catalogue)
    domains = np.array([action.domain for action in model.catalogue.actions])
    found: dict[str, list[Effect]] = {"profile": [], "biometrics": [], "behaviour": []}
    for place, name in enumerate(names):
        part = name.partition(":")[0]
        if part == "profile" and not name.endswith((":missing", "=no")):
            found[part] += _by_domain(name, weights[:, place], domains)
        elif part == "biometrics" and not name.endswith(":missing"):
            found[part] += _on_targets(name, weights[:, place], own[:, place])
        elif part == "behaviour":
            log_odds = _of_first(name, names, weights.mean(axis=0))
            found[part].append(Effect(part, name, "all", "", log_odds, len(weights)))
    return tuple(effect for effects in found.values() for effect in _largest(effects))


def _largest(effects: list[Effect]) -> list[Effect]:
    """The ``MOST`` largest, at most ``MOST_OF_ONE`` of a feature."""
    taken: Counter[str] = Counter()
    out = []
    for effect in sorted(effects, key=lambda e: -abs(e.log_odds)):
        taken[effect.feature] += 1
        if taken[effect.feature] <= MOST_OF_ONE:
            out.append(effect)
    return out[:MOST]


def _of_first(name: str, names: tuple[str, ...], mean: FloatArray) -> float:
    """Effect of a first event within a window: it stands in every wider window, too."""
    stem = next((window for window in _WINDOWS if f":{window}_" in name), None)
    same = [name]
    if stem is not None:
        wider = _WINDOWS[_WINDOWS.index(stem) :]
        same = [name.replace(f":{stem}_", f":{window}_") for window in wider]
    # Counts enter as log(1 + n), rates as logarithms: a first event, or a doubling, is log 2.
    return float(np.log(2.0) * sum(mean[names.index(n)] for n in same if n in names))


def _by_domain(name: str, weight: FloatArray, domains: NDArray[np.str_]) -> list[Effect]:
    return [
        Effect("profile", name, "domain", str(domain), float(weight[mine].mean()), int(mine.sum()))
        for domain in np.unique(domains)
        if (mine := domains == domain).sum() >= LEAST_ACTIONS
    ]


def _on_targets(name: str, weight: FloatArray, own: BoolArray) -> list[Effect]:
    if own.sum() < LEAST_ACTIONS:
        return []
    mean = float(weight[own].mean())
    return [Effect("biometrics", name, "target", name.split(":")[1], mean, int(own.sum()))]
