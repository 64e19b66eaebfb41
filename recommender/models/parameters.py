"""Everything a trained hybrid knows: numbers about actions and features, none about a user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recommender.dataset import BoolArray, FloatArray, Int32Array, IntArray
from recommender.domain import Catalogue
from recommender.features import behaviour
from recommender.features.actions import ActionSpace
from recommender.features.space import FeatureSpace, snapshot_days
from recommender.models.feature_model import prior_mean
from recommender.models.fold_in import ActionFactors
from recommender.models.positives import Confidence
from recommender.models.ridge_spread import RidgeSpread
from recommender.models.spread import Spread
from recommender.outcomes import DelayCurve


@dataclass(frozen=True)
class Trust:
    """How much each part of the score is to be believed, learned on held-out time.

    ``features`` is for profile and readings; 0 switches a part off. ``shift`` is added to the
    log-odds of every action.
    """

    features: float = 1.0
    behaviour: float = 1.0
    factor: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class Parameters:
    """A trained hybrid.

    Attributes
    ----------
    coefficients
        Shape [n_actions, 1 + n_features + n_behaviour]: constant, user vector, behaviour
        (action, domain and user level in this order, all of their names).
    general
        What descriptions say of the coefficients, shape [n_coefficients, n_z + 1].
    factors
        Of the actions, the constant one last.
    factor_general, factor_variance
        Prior of an action's factors, for actions nobody has seen.
    domains
        Names of the domains behaviour is counted in; any other domain shares one more place.
    domain
        Place of each action's domain, ``len(domains)`` for any other.
    rate
        Overall completion rate, the yardstick of behaviour's rates.
    curve
        Weights of pending impressions.
    confidence
        Where completions came without impressions, how much each says; else None. Users' factors
        are then those of ``positives``, with no constant factor.
    idle_days
        Whole days between the last event learned from and the training's instant.
    spread
        How sure coefficients and factors are; None for a run from before this was kept.
    """

    space: FeatureSpace
    action_space: ActionSpace
    coefficients: FloatArray
    general: FloatArray
    factors: ActionFactors
    factor_general: FloatArray
    factor_variance: float
    domains: tuple[str, ...]
    domain: Int32Array
    rate: float
    curve: DelayCurve
    trust: Trust = Trust()
    confidence: Confidence | None = None
    idle_days: int = 0
    spread: Spread | RidgeSpread | None = None

    @cached_property
    def snapshots(self) -> FloatArray:
        """Ages, in days, of the snapshots that past rows see; see ``snapshot_days``."""
        return snapshot_days(self.idle_days)

    @cached_property
    def by_level(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coefficients of behaviour: with the action, with its domain, and overall.

        Those with the domain stand in its place, with zeros for other domains, shape
        [n_actions, n_domains * n]: one product then serves all domains.
        """
        sizes = [len(behaviour.names(level)) for level in behaviour.LEVELS]
        weights = self.coefficients[:, 1 + self.n_features :]
        action, domain, user = np.split(weights, np.cumsum(sizes)[:-1], axis=1)
        own = np.zeros((len(domain), self.n_domains, domain.shape[1]))
        own[np.arange(len(domain)), self.domain] = domain
        return np.ascontiguousarray(action), own.reshape(len(domain), -1), user

    @cached_property
    def tastes(self) -> FloatArray:
        """Mean factors of actions as far as they are trusted, shape [n_factors, n_actions]."""
        return np.asarray(self.trust.factor * self.factors.mean.T)

    @property
    def positives_only(self) -> bool:
        """Whether completions came without impressions, so that most refusals are unknown."""
        return self.confidence is not None

    @property
    def n_features(self) -> int:
        """Length of the user vector."""
        return len(self.space.keep)

    @property
    def n_domains(self) -> int:
        """Places that domains can have."""
        return len(self.domains) + 1

    def trusted(self, trust: Trust) -> Parameters:
        """Scale every part by its trust; sums stay exact because the coefficients carry it."""
        scale = self._scales(trust)
        coefficients, general = self.coefficients * scale, self.general * scale[:, None]
        coefficients[:, 0] += trust.shift
        general[0, 0] += trust.shift
        spread = self.spread and self.spread.trusted(scale[: 1 + self.n_features])
        return replace(self, coefficients=coefficients, general=general, trust=trust, spread=spread)

    def _scales(self, trust: Trust) -> FloatArray:
        scale = np.full(self.coefficients.shape[1], trust.behaviour)
        scale[0] = 1.0
        scale[1 : 1 + self.n_features] = trust.features
        return scale

    def aligned(self, old: Catalogue, new: Catalogue) -> Parameters:
        """Follow another catalogue; actions that were not learned get what they are like."""
        place = np.array([old.index.get(action_id, -1) for action_id in new.ids], np.int64)
        z = self.action_space.encode(new.actions)
        own = own_targets(coefficient_names(self.space), new)
        guess = prior_mean(self.general, z, own)
        known = place >= 0
        coefficients = np.where(known[:, None], self.coefficients[place], guess)
        factors = self._aligned_factors(place, z)
        return replace(
            self,
            coefficients=coefficients,
            factors=factors,
            confidence=self._aligned_confidence(place),
            domain=domain_places(self.domains, new),
            spread=self.spread and self.spread.aligned(place, own, factors.mean),
        )

    def _aligned_factors(self, place: IntArray, z: FloatArray) -> ActionFactors:
        taste = len(self.factor_general)
        if self.confidence is not None:
            described = z @ self.factor_general.T
            learned = (place >= 0)[:, None]
            return ActionFactors(
                np.where(learned, self.factors.mean[place], described),
                np.zeros((len(place), 0)),
                self.factors.precision,
            )
        mean = np.ones((len(place), taste + 1))
        mean[:, :taste] = z @ self.factor_general.T
        covariance = np.zeros((len(place), taste + 1, taste + 1))
        covariance[:, :taste, :taste] = np.eye(taste) * self.factor_variance
        guess = ActionFactors.of(mean, covariance, self.factors.precision)
        known = (place >= 0)[:, None]
        return ActionFactors(
            np.where(known, self.factors.mean[place], guess.mean),
            np.where(known, self.factors.second[place], guess.second),
            self.factors.precision,
        )

    def _aligned_confidence(self, place: IntArray) -> Confidence | None:
        known = self.confidence
        if known is None:
            return None
        return replace(known, action=np.where(place >= 0, known.action[place], known.unseen))


def behaviour_names() -> tuple[str, ...]:
    """Names of all behaviour features, in the order of their coefficients."""
    return (*behaviour.names("action"), *behaviour.names("domain"), *behaviour.names("user"))


def coefficient_names(space: FeatureSpace) -> tuple[str, ...]:
    """Names of all coefficients, the constant first."""
    return ("base", *space.names, *behaviour_names())


def own_targets(names: tuple[str, ...], catalogue: Catalogue) -> BoolArray:
    """Which coefficients are of a metric the action targets, shape [n_actions, n_names]."""
    metric = [name.split(":")[1] if name.startswith("biometrics:") else "" for name in names]
    known = {name: np.array([name == m for m in metric]) for name in set(metric) - {""}}
    out = np.zeros((len(catalogue), len(names)), np.bool_)
    for place, action in enumerate(catalogue.actions):
        for target in action.targets:
            if target in known:
                out[place] |= known[target]
    return out


def domain_places(domains: tuple[str, ...], catalogue: Catalogue) -> Int32Array:
    """Place of each action's domain among ``domains``, ``len(domains)`` for any other."""
    places = {name: place for place, name in enumerate(domains)}
    return np.array([places.get(a.domain, len(domains)) for a in catalogue.actions], np.int32)
