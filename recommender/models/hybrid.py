"""The model: features first, then factors on what they leave unexplained, as one exact sum.

``logit p = base + profile + biometrics + behaviour + factor``. The first four come from
``feature_model``, the last from ``factors``; ``training`` puts them together and learns on held-out
time how much to trust each. A score is worked out from the run's parameters and the person's own
record alone, so live and nightly answers are the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommender.columns import PARTS
from recommender.dataset import FloatArray, IntArray, Records, take_users
from recommender.domain import Catalogue, MetricsList
from recommender.models import state
from recommender.models.base import Shares, Term
from recommender.models.explain import shares_of, terms_of
from recommender.models.holdout import HeldOut
from recommender.models.live import View, candidate_parts, look
from recommender.models.model_settings import ModelSettings
from recommender.models.parameters import Parameters
from recommender.models.state import Arrays
from recommender.models.training import learn
from recommender.models.uncertainty import standard_error
from recommender.models.warm import WarmStart

__all__ = ["HybridModel", "ModelSettings", "fit"]

_CHUNK_ROWS = 250_000
_CHUNK_MOMENTS = 4_000_000
"""Scores, and entries of users' covariances, worked out at once: bounds memory.

500 people x 500 actions x 5 parts x 8 bytes is 10 MB. Four times as many take a quarter more
time for each, because less of it stays in the processor's cache."""


@dataclass(frozen=True)
class HybridModel:
    """A trained hybrid, aligned to a catalogue.

    Attributes
    ----------
    catalogue
        The actions, in the order of every score.
    holdout
        Figures on held-out time, keys such as ``hybrid_log_loss``; empty if too little data.
    facts
        What is worth knowing about the training: data window, counts, settings, seed.
    held_out
        The rows behind ``holdout``, right after training; never stored.
    """

    catalogue: Catalogue
    parameters: Parameters
    holdout: dict[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    held_out: HeldOut | None = field(default=None, compare=False, repr=False)

    def score(self, records: Records, as_of: float) -> FloatArray:
        """Log-odds of completing each action if recommended at ``as_of``; see ``base.Scorer``."""
        out = np.empty((len(records.users), len(self.catalogue), len(PARTS)))
        for people, view in self._views(records, as_of):
            out[people] = candidate_parts(self.parameters, view)
        return out

    def score_with_error(self, records: Records, as_of: float) -> tuple[FloatArray, FloatArray]:
        """As ``score``, with the standard error of the log-odds, shape [n_users, n_actions]."""
        parts = np.empty((len(records.users), len(self.catalogue), len(PARTS)))
        errors = np.empty(parts.shape[:2])
        for people, view in self._views(records, as_of):
            parts[people] = candidate_parts(self.parameters, view)
            errors[people] = self.standard_error(view)
        return parts, errors

    @property
    def at_once(self) -> int:
        """How many people can be looked at together without much memory."""
        moments = int(self.parameters.factors.mean.shape[1] ** 2)
        return max(1, min(_CHUNK_ROWS // max(len(self.catalogue), 1), _CHUNK_MOMENTS // moments))

    def _views(self, records: Records, as_of: float) -> Iterator[tuple[slice, View]]:
        n_users, step = len(records.users), self.at_once
        if n_users <= step:
            yield slice(0, n_users), look(self.parameters, records, as_of)
            return
        for start in range(0, n_users, step):
            part = take_users(records, start, min(start + step, n_users))
            yield slice(start, start + step), look(self.parameters, part, as_of)

    def view(self, records: Records, as_of: float) -> View:
        """What the model sees of some people at an instant; worked out once for score and why."""
        return look(self.parameters, records, as_of)

    def score_view(self, view: View) -> FloatArray:
        """As ``score``, of people looked at already."""
        return candidate_parts(self.parameters, view)

    def standard_error(
        self, view: View, actions: IntArray | None = None, user: int | IntArray | None = None
    ) -> FloatArray:
        """Standard error of the log-odds, of people looked at already.

        See ``uncertainty.standard_error``.
        """
        return standard_error(self.parameters, view, actions, user)

    def shares(self, view: View, user: IntArray, action: IntArray) -> Shares:
        """What each subject adds to the scores of rows (user of the view, action)."""
        return shares_of(self.parameters, view, user, action)

    def explain(
        self, records: Records, as_of: float, user: int, actions: Sequence[int]
    ) -> list[list[Term]]:
        """Terms of the asked actions' scores for one user.

        Parameters
        ----------
        user
            Index into ``records.users``.
        actions
            Indices into the catalogue.

        Returns
        -------
        list of lists
            For each asked action all terms that are not 0; those of a part add up to the part.
        """
        alone = take_users(records, user, user + 1)
        view = look(self.parameters, alone, as_of)
        return terms_of(self.parameters, self.catalogue, view, 0, actions)

    def aligned_to(self, catalogue: Catalogue, metrics: MetricsList | None = None) -> HybridModel:
        """Follow another catalogue, and another order of metrics where given.

        Actions that were not learned get what their descriptions suggest.
        """
        parameters = self.parameters
        if catalogue.actions != self.catalogue.actions:
            parameters = parameters.aligned(self.catalogue, catalogue)
        if metrics is not None:
            space = replace(parameters.space, slots=parameters.space.slots.renumbered(metrics))
            parameters = replace(parameters, space=space)
        return replace(self, catalogue=catalogue, parameters=parameters)

    def manifest(self) -> dict[str, Any]:
        """What the run is, as JSON; names no person."""
        described = state.described(self.parameters, self.catalogue)
        return {**described, "holdout": dict(self.holdout), "training": dict(self.facts)}

    def arrays(self) -> Arrays:
        """Every number of the model, by name; nothing about any user."""
        return state.arrays(self.parameters)

    @classmethod
    def from_parts(cls, manifest: Mapping[str, Any], arrays: Arrays) -> HybridModel:
        """Rebuild a model from its manifest and arrays.

        Raises
        ------
        DataError
            If something is missing or does not fit together.
        """
        parameters, catalogue = state.restored(manifest, arrays)
        return cls(catalogue, parameters, dict(manifest["holdout"]), dict(manifest["training"]))


def fit(
    records: Records,
    catalogue: Catalogue,
    metrics: MetricsList,
    as_of: float,
    *,
    settings: ModelSettings = ModelSettings(),  # noqa: B008  frozen, so sharing it is safe
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
    start: Mapping[str, float] | None = None,
    warm: WarmStart | None = None,
) -> HybridModel:
    """Train on everything up to ``as_of``.

    Parameters
    ----------
    progress
        Called with the name of each stage and the share of the work done before it.
    start
        Settings that a search chose before, by name: where this one begins, too.
    warm
        What to take over from an earlier run instead of searching and starting from nothing;
        of no account where only completions are logged.

    Raises
    ------
    NothingToLearnError
        If nobody was shown, and nobody completed, anything.
    """
    learned = learn(records, catalogue, metrics, as_of, settings, seed, progress, start, warm)
    return HybridModel(
        catalogue, learned.parameters, learned.holdout, learned.facts, learned.held_out
    )
