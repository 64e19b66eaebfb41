"""Who takes part: every entrant gives a score for every action of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.domain import Catalogue, MetricsList
from recommender.leaderboard.held_out import HeldOut, judged_records
from recommender.models import hybrid
from recommender.models.hybrid import HybridModel, ModelSettings

Scores = Callable[[IntArray], FloatArray]
"""Places of judged people -> scores of every action, shape [n_people, n_actions]."""

HYBRID = "hybrid"

AT_ONCE = 512
"""People scored at once: with 17,000 actions and five parts a person, 350 MB."""


@dataclass(frozen=True)
class Entrant:
    """A line of the leaderboard.

    Attributes
    ----------
    name, label
        For machines and for people.
    scores
        Log-odds of completing where ``gives_probability``, else any number that orders actions.
    settings
        What was chosen for it on the days before the split.
    """

    name: str
    label: str
    scores: Scores
    gives_probability: bool = False
    settings: Mapping[str, float] = field(default_factory=dict)


def single_parts(
    model: HybridModel, held: HeldOut, catalogue: Catalogue, metrics: MetricsList, seed: int
) -> Iterator[Entrant]:
    """The feature model and the factors, each trained alone with the hybrid's settings."""
    settings = chosen_settings(model)
    if not model.parameters.positives_only:
        settings = replace(settings, search_seconds=0)  # what the hybrid chose is theirs
    for name, label, switched in (
        ("features", "feature model alone", {"use_factors": False}),
        ("factors", "factors alone", {"use_features": False}),
    ):
        alone = hybrid.fit(
            held.past,
            catalogue,
            metrics,
            held.split,
            settings=replace(settings, **switched),
            seed=seed,
        )
        yield model_entrant(alone, held, name, label)


def model_entrant(
    model: HybridModel, held: HeldOut, name: str = HYBRID, label: str = "hybrid"
) -> Entrant:
    """A trained model as of the split, with what was chosen in its training."""

    def scores(users: IntArray) -> FloatArray:
        some = judged_records(held, users)
        return np.asarray(model.score(some, held.split).sum(axis=2))

    return Entrant(name, label, scores, True, _settings_shown(model))


def chosen_settings(model: HybridModel) -> ModelSettings:
    """Settings that a model was trained with."""
    known = {field.name for field in fields(ModelSettings)}
    kept = {k: v for k, v in model.facts.get("settings", {}).items() if k in known}
    return ModelSettings(**kept)


def expected_completions(scores: Scores, lists: Sequence[IntArray]) -> list[FloatArray]:
    """Probabilities added up over each person's list, for several sets of lists.

    Parameters
    ----------
    scores
        Log-odds of completing.
    lists
        Each of shape [n_people, k]; k may differ.
    """
    n_people = len(lists[0]) if lists else 0
    out = [np.zeros(n_people) for _ in lists]
    for start in range(0, n_people, AT_ONCE):
        users = np.arange(start, min(start + AT_ONCE, n_people))
        p = 1.0 / (1.0 + np.exp(-scores(users)))
        for each, listed in zip(out, lists, strict=True):
            each[users] = np.take_along_axis(p, listed[users], axis=1).sum(axis=1)
    return out


def _settings_shown(model: HybridModel) -> dict[str, float]:
    """Numbers chosen in training, and how far each part is trusted."""
    kept = {
        name: float(value)
        for name, value in model.facts.get("settings", {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    trust = model.parameters.trust
    return kept | {
        "trust_in_features": trust.features,
        "trust_in_behaviour": trust.behaviour,
        "trust_in_factors": trust.factor,
    }
