"""The nightly picture: the best actions of each person as rows for SQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import numpy as np

from recommender.assess import Assessment, Assessor
from recommender.dataset import Records, take_users
from recommender.domain import Audience, Objective, Verdict
from recommender.store.engine import Engine
from recommender.store.score_rows import ScoreBatch, writing_scores

VERDICTS = np.array([verdict.value for verdict in Verdict], dtype=object)


def score_everyone(
    engine: Engine,
    run_id: str,
    assessor: Assessor,
    records: Records,
    as_of: datetime,
    keep: int,
    progress: Callable[[str, float], None],
) -> None:
    """Write the nightly picture in batches; nobody sees it before the run is published."""
    total = len(records.users)
    step = assessor.model.at_once
    with writing_scores(engine, run_id) as write:
        for start in range(0, total, step):
            stop = min(start + step, total)
            some = take_users(records, start, stop)
            write(nightly_scores(assessor, some, as_of.timestamp(), keep))
            progress("score", stop / total)


def nightly_scores(assessor: Assessor, records: Records, as_of: float, keep: int) -> ScoreBatch:
    """Score some people as of an instant and keep each one's best ``keep`` allowed actions.

    Rank is by ``score`` (``objective=benefit``), ties by ``action_id``; what rests or would be
    re-ordered for variety in an answer still stands here by its score.

    Returns
    -------
    ScoreBatch
        At most ``len(records.users) * keep`` rows, and what was withheld from whom.
    """
    assessment = assessor.assess(records, as_of, Audience.USER)
    score = assessment.score(Objective.BENEFIT)
    shown = np.where(assessment.withheld | ~assessor.active, -np.inf, score)
    best = np.argsort(-shown, axis=1, kind="stable")[:, :keep]
    user, rank = np.nonzero(np.take_along_axis(shown, best, axis=1) > -np.inf)
    action = best[user, rank]
    verdict = assessment.decisions.verdict[user, action]
    rules = np.array([*assessor.guard.rule_ids, None], dtype=object)
    ids = np.array(assessor.catalogue.ids, dtype=object)
    return ScoreBatch(
        user_id=records.users.ids[user],
        rank=rank + 1,
        action_id=ids[action],
        score=score[user, action],
        p_complete=assessment.p_complete[user, action],
        benefit=assessment.benefit[user, action],
        parts=assessment.parts[user, action],
        verdict=VERDICTS[verdict],
        rule_id=rules[assessment.decisions.rule[user, action]],
        standard_error=assessor.standard_error(assessment, best)[user, rank],
        withheld=_withheld(assessor, assessment, records),
    )


def _withheld(
    assessor: Assessor, assessment: Assessment, records: Records
) -> list[tuple[str, str]]:
    """One JSON text a person: ``[[action_id, rule_id, rule_version, observation_id], ...]``.

    The observation is left null here: the reading seen is logged with every live answer.
    """
    held = assessment.withheld & assessor.active
    ids, versions = assessor.guard.rule_ids, assessor.guard.rule_versions
    texts: dict[bytes, str] = {}  # people with the same verdicts share one text
    rows = []
    for user in np.flatnonzero(held.any(axis=1)):
        rule = np.where(held[user], assessment.decisions.rule[user], -1)
        key = rule.tobytes()
        if key not in texts:
            texts[key] = json.dumps(
                [
                    [assessor.catalogue.ids[place], ids[rule[place]], versions[rule[place]], None]
                    for place in np.flatnonzero(held[user])
                ],
                separators=(",", ":"),
            )
        rows.append((str(records.users.ids[user]), texts[key]))
    return rows
