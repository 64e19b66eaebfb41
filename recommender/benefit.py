"""How much a person's own readings call for an action, and how that joins ``p_complete``.

A metric's need is the distance of its latest fresh reading from its target range, in steps of
``Metric.target_scale``, cut at one. An action answers every need it targets; needs join like
independent chances, ``1 - prod(1 - need)``, and the result is weighted by the best grade of
the action's evidence. An unknown reading calls for nothing.
"""

from __future__ import annotations

import numpy as np

from recommender.dataset import FloatArray, Observations
from recommender.domain import SECONDS_PER_DAY, Action, Catalogue, MetricsList

GRADE_WEIGHTS = {
    "A": 1.0, "B": 0.85, "C": 0.6, "D": 0.0, "I": 0.3,
    "1A": 1.0, "1B": 0.9, "1C": 0.8, "2A": 0.8, "2B": 0.7, "2C": 0.6,
    "3A": 0.0, "3B": 0.0, "3C": 0.0,
    "guideline": 0.85, "trial": 0.75, "observational": 0.5, "consensus": 0.4,
}  # fmt: skip
"""Weight of an evidence grade; USPSTF D and ACC/AHA class 3 speak against an action."""

UNGRADED = 0.4
CALL_SHARE = 0.75
"""Share of the score that hangs on benefit; the rest ranks healthy people by what they do."""


def evidence_weight(action: Action) -> float:
    """Weight of an action's best evidence, 0 to 1.

    >>> from recommender.domain import Evidence
    >>> evidence_weight(Action("a", "Walk", "activity", evidence=(Evidence("WHO 2020", "B"),)))
    0.85
    """
    grades = (item.grade for item in action.evidence)
    return max((GRADE_WEIGHTS.get(grade, UNGRADED) for grade in grades), default=UNGRADED)


class Benefits:
    """Benefit of every action of a catalogue for any people.

    Parameters
    ----------
    catalogue, metrics
        What the action and metric indices of later calls refer to.
    """

    def __init__(self, catalogue: Catalogue, metrics: MetricsList) -> None:
        listed = metrics.metrics
        self._fresh = np.array([metric.fresh_days for metric in listed]) * SECONDS_PER_DAY
        self._low = np.array([-np.inf if m.target_low is None else m.target_low for m in listed])
        self._high = np.array([np.inf if m.target_high is None else m.target_high for m in listed])
        self._scale = np.array([metric.target_scale for metric in listed])
        self._weights = np.array([evidence_weight(action) for action in catalogue.actions])
        self._targets = np.zeros((len(metrics), len(catalogue)))
        for place, action in enumerate(catalogue.actions):
            for name in action.targets:
                if name in metrics.index:
                    self._targets[metrics.index[name], place] = 1.0

    def readings(self, observations: Observations, n_users: int, as_of: float) -> FloatArray:
        """Latest fresh reading of each metric.

        Returns
        -------
        array of shape [n_users, n_metrics]
            In each metric's unit; NaN where there is no reading younger than its freshness.
        """
        latest = np.full((n_users, len(self._fresh)), np.nan)
        user, metric, value = observations.user, observations.metric, observations.value
        age = as_of - observations.at
        usable = (age >= 0) & (age <= self._fresh[metric])
        # Sorted by (user, metric, at): the last assignment to a cell is its latest reading.
        latest[user[usable], metric[usable]] = value[usable]
        return latest

    def needs(self, readings: FloatArray) -> FloatArray:
        """Distance of readings from their target range, in steps, cut to 0..1; unknown is 0.

        Both have shape [n_users, n_metrics].

        >>> from recommender.domain import Metric
        >>> bp = Metric("systolic_bp", "blood pressure", (), "mm[Hg]", 50, 300, 30,
        ...             target_low=90, target_high=120, target_scale=40)
        >>> of_bp = Benefits(Catalogue(()), MetricsList((bp,)))
        >>> of_bp.needs(np.array([[140.0], [110.0], [np.nan]])).ravel().tolist()
        [0.5, 0.0, 0.0]
        """
        outside = np.maximum(self._low - readings, readings - self._high) / self._scale
        needs: FloatArray = np.fmin(np.fmax(outside, 0.0), 1.0)
        return needs

    def benefit(self, needs: FloatArray) -> FloatArray:
        """Benefit, shape [n_users, n_actions], 0 to 1, of answering these needs."""
        unmet = np.log1p(-np.minimum(needs, 1 - 1e-12))
        called: FloatArray = np.abs(np.expm1(unmet @ self._targets)) * self._weights
        return called


def expected_gain(p_complete: FloatArray, benefit: FloatArray) -> FloatArray:
    """Score of ``objective=benefit``: chance of doing it times what doing it is worth."""
    return p_complete * ((1.0 - CALL_SHARE) + CALL_SHARE * benefit)
