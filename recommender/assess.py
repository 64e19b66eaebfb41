"""What one run says about some people: scores, benefit and verdicts, always together.

Nightly scores, live answers, the ranking endpoint and the command line all come through
``Assessor.assess``, so no path can show a score without the guardrails' verdict on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.benefit import Benefits, expected_gain
from recommender.dataset import BoolArray, FloatArray, IntArray, Records
from recommender.domain import VERDICT_CODES, Audience, Catalogue, MetricsList, Objective, Verdict
from recommender.guardrails.check import Decisions, Guard
from recommender.guardrails.rules import Rules
from recommender.item_json import ItemJson
from recommender.models.base import log_odds
from recommender.models.hybrid import HybridModel
from recommender.models.live import View
from recommender.phrases import Phrases
from recommender.verdict_log import VerdictLog

FEW = 16
"""People who are answered at once, at most."""


@dataclass(frozen=True)
class Assessment:
    """Everything known about every action for some people.

    Attributes
    ----------
    parts
        Log-odds parts in the order of ``columns.PARTS``, shape [n_users, n_actions, 5].
    p_complete, benefit
        Shape [n_users, n_actions].
    readings, needs
        Latest fresh reading of each metric and how far it is off, shape [n_users, n_metrics];
        see ``Benefits``.
    decisions
        The guardrails' verdicts, rules and alerts.
    view
        What the scores were worked out from, to explain them and for their errors; only kept for
        as many people as ``HybridModel.at_once``.
    """

    parts: FloatArray
    p_complete: FloatArray
    benefit: FloatArray
    readings: FloatArray
    needs: FloatArray
    decisions: Decisions
    view: View | None = None

    def score(self, objective: Objective) -> FloatArray:
        """What a list is ordered by, shape [n_users, n_actions], 0 to 1."""
        if objective is Objective.COMPLETION:
            return self.p_complete
        return self._gain

    @cached_property
    def _gain(self) -> FloatArray:
        return expected_gain(self.p_complete, self.benefit)

    @cached_property
    def withheld(self) -> BoolArray:
        """Which actions must not be shown, shape [n_users, n_actions]."""
        held: BoolArray = self.decisions.verdict == VERDICT_CODES[Verdict.WITHHOLD]
        return held


class Assessor:
    """A trained model and the guardrails, aligned to one catalogue.

    Parameters
    ----------
    model
        Any published run's model; new actions are scored by their attributes.
    rules, metrics, catalogue
        Today's, whatever the run was trained with.

    Attributes
    ----------
    active, domains, domain_code, repeat_days
        One entry an action: whether it is not retired, its domain and a number for that, its
        repeat interval (0 for none).
    phrases
        The words of reasons for each audience.
    verdict_log
        Writes down what was not simply allowed.
    written
        Writes items as JSON.
    """

    def __init__(
        self, model: HybridModel, rules: Rules, metrics: MetricsList, catalogue: Catalogue
    ) -> None:
        self.model = model.aligned_to(catalogue, metrics)
        self.guard = Guard(rules, catalogue, metrics)
        self.benefits = Benefits(catalogue, metrics)
        self.catalogue = catalogue
        self.metrics = metrics
        self.active = np.array([not action.retired for action in catalogue.actions], dtype=bool)
        self.domains = tuple(action.domain for action in catalogue.actions)
        self.domain_code = np.unique(self.domains, return_inverse=True)[1]
        self.phrases = {who: Phrases(catalogue, metrics, who) for who in Audience}
        self.verdict_log = VerdictLog(self.guard.cited, catalogue.ids)
        self.written = ItemJson(catalogue, self.guard.rule_ids)
        self.repeat_days = np.array([one.repeat_after_days or 0.0 for one in catalogue.actions])

    def assess(self, records: Records, as_of: float, audience: Audience) -> Assessment:
        """Assess every action for every user of ``records`` as of an instant."""
        few = len(records.users) <= self.model.at_once
        view = self.model.view(records, as_of) if few else None
        parts = self.model.score_view(view) if view else self.model.score(records, as_of)
        readings = self.benefits.readings(records.observations, len(records.users), as_of)
        needs = self.benefits.needs(readings)
        return Assessment(
            parts=parts,
            p_complete=_chance(log_odds(parts)),
            benefit=self.benefits.benefit(needs),
            readings=readings,
            needs=needs,
            decisions=self.guard.decide(records, as_of, audience),
            view=view,
        )

    def standard_error(
        self,
        assessment: Assessment,
        actions: IntArray | None = None,
        user: int | IntArray | None = None,
    ) -> FloatArray:
        """Standard error of the log-odds of the asked actions (all if None).

        Answers and the nightly picture ask for what they show only: with many actions and factors
        the errors of all would cost more than the scores.

        Parameters
        ----------
        assessment
            Of at most ``HybridModel.at_once`` people.
        actions
            Shape [n_asked].
        user
            The only one asked about, by place among those assessed, or the one that each action
            is asked for, shape [n_asked]; everybody if None.

        Returns
        -------
        array of shape [n_users, n_asked], or [n_asked] where each action has its own person
            NaN throughout if the run is from before standard errors were kept.
        """
        assert assessment.view is not None  # few enough people were assessed
        return self.model.standard_error(assessment.view, actions, user)


def _chance(odds: FloatArray) -> FloatArray:
    """Probabilities of log-odds, written over them."""
    np.negative(odds, out=odds)
    np.exp(odds, out=odds)
    odds += 1.0
    return np.divide(1.0, odds, out=odds)
