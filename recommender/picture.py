"""What the nightly picture holds of some people: their best allowed actions, what was withheld."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.assess import Assessment, Assessor
from recommender.dataset import BoolArray, FloatArray, IntArray, Records
from recommender.domain import Audience, Objective, Verdict
from recommender.store.score_rows import ScoreBatch

_TEXT = pa.string()


class Picture:
    """Draws the nightly picture of any people by one run.

    Parameters
    ----------
    keep
        How many actions of each person are kept.
    """

    def __init__(self, assessor: Assessor, keep: int) -> None:
        self._assessor = assessor
        self._keep = keep
        self._actions = pa.array(assessor.catalogue.ids, _TEXT)
        self._verdicts = pa.array([verdict.value for verdict in Verdict], _TEXT)
        # the place of no rule, -1, is found by counting from the end
        self._rules = pa.array([*assessor.guard.rule_ids, None], _TEXT)
        self._refusals = Refusals(assessor)

    def of(self, records: Records, as_of: float) -> ScoreBatch:
        """Score some people as of an instant and keep each one's best allowed actions.

        Rank is by ``score`` (``objective=benefit``), ties by ``action_id``; what rests or would
        be re-ordered for variety in an answer still stands here by its score.

        Returns
        -------
        ScoreBatch
            At most ``len(records.users) * keep`` rows, and what was withheld from whom.
        """
        assessor = self._assessor
        assessment = assessor.assess(records, as_of, Audience.USER)
        score = assessment.score(Objective.BENEFIT)
        score[assessment.withheld | ~assessor.active] = -np.inf
        best = best_first(score, self._keep)
        user, rank = np.nonzero(np.take_along_axis(score, best, axis=1) > -np.inf)
        action = best[user, rank]
        cell = user * score.shape[1] + action
        decisions = assessment.decisions
        people = pa.array(records.users.ids, _TEXT)
        return ScoreBatch(
            user_id=people.take(pa.array(user)),
            rank=rank + 1,
            action_id=self._actions.take(pa.array(action)),
            score=score.ravel()[cell],
            p_complete=assessment.p_complete.ravel()[cell],
            benefit=assessment.benefit.ravel()[cell],
            parts=np.stack([part.ravel()[cell] for part in np.moveaxis(assessment.parts, -1, 0)]).T,
            verdict=self._verdicts.take(pa.array(decisions.verdict.ravel()[cell])),
            rule_id=self._rules.take(pa.array(decisions.rule.ravel()[cell] % len(self._rules))),
            standard_error=assessor.standard_error(assessment, action, user),
            withheld=self._refusals.texts(assessment, people),
        )


class Refusals:
    """Writes down what was withheld from whom, each (action, rule) as JSON only once."""

    def __init__(self, assessor: Assessor) -> None:
        self._assessor = assessor
        self._n_rules = len(assessor.guard.rule_ids)
        self._place = np.full(len(assessor.catalogue) * self._n_rules, -1, dtype=np.int32)
        self._pieces = pa.array([], _TEXT)

    def texts(self, assessment: Assessment, people: pa.Array) -> list[tuple[str, str]]:
        """One JSON text a person: ``[[action_id, rule_id, rule_version, observation_id], ...]``.

        The observation is left null here: the reading seen is logged with every live answer.
        """
        held: BoolArray = assessment.withheld & self._assessor.active
        user, action = np.nonzero(held)
        pair = action * self._n_rules + assessment.decisions.rule[user, action]
        self._learn(np.unique(pair[self._place[pair] < 0]))
        count = np.bincount(user, minlength=len(held))
        whom = np.flatnonzero(count)
        ends = np.append(0, np.cumsum(count[whom])).astype(np.int32)
        pieces = self._pieces.take(pa.array(self._place[pair]))
        joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), pieces), ",")
        texts = pc.binary_join_element_wise("[", joined, "]", "")
        names = people.take(pa.array(whom))
        return list(zip(names.to_pylist(), texts.to_pylist(), strict=True))

    def _learn(self, pairs: IntArray) -> None:
        """Write pairs that were not seen before."""
        guard, ids = self._assessor.guard, self._assessor.catalogue.ids
        written = [
            json.dumps(
                [ids[action], guard.rule_ids[rule], guard.rule_versions[rule], None],
                separators=(",", ":"),
            )
            for action, rule in (divmod(pair, self._n_rules) for pair in pairs.tolist())
        ]
        self._place[pairs] = len(self._pieces) + np.arange(len(pairs))
        self._pieces = pa.concat_arrays([self._pieces, pa.array(written, _TEXT)])


def best_first(scores: FloatArray, keep: int) -> IntArray:
    """Places of the highest scores of each row, highest first, of equals the first.

    Parameters
    ----------
    scores
        Shape [n_rows, n_columns].

    Returns
    -------
    array of shape [n_rows, min(keep, n_columns)]

    Examples
    --------
    >>> best_first(np.array([[0.1, 0.3, 0.2, 0.3], [0.5, 0.5, 0.5, 0.5]]), 2).tolist()
    [[1, 3], [0, 1]]
    """
    if keep >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")
    least = np.partition(scores, -keep, axis=1)[:, -keep, None]
    among = scores >= least
    crowded = np.flatnonzero(np.count_nonzero(among, axis=1) > keep)
    if len(crowded):  # equals on both sides of the border
        first = np.argsort(-scores[crowded], axis=1, kind="stable")[:, :keep]
        among[crowded] = False
        among[crowded[:, None], first] = True
    place = np.nonzero(among)[1].reshape(len(scores), keep)
    order = np.argsort(-np.take_along_axis(scores, place, axis=1), axis=1, kind="stable")
    return np.take_along_axis(place, order, axis=1)
