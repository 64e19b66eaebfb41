"""Training the hybrid: settings chosen, then everything learned twice.

First on what was known before a cut, to see on the time after it how much each part is worth,
then on everything, starting from the first. Logs of completions alone go to ``interactions``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from recommender.dataset import Records, sample_of, select_users, until
from recommender.domain import SECONDS_PER_DAY, Catalogue, MetricsList
from recommender.errors import NothingToLearnError
from recommender.models import holdout
from recommender.models.choosing import SEARCHED, Choice, chosen_by, sample_for_search
from recommender.models.fitting import Plan, train_once
from recommender.models.holdout import HeldOut
from recommender.models.interactions import learn_positives
from recommender.models.model_settings import ModelSettings
from recommender.models.parameters import Parameters, Trust
from recommender.models.prepared import idle_days
from recommender.models.single_parts import nameless
from recommender.models.warm import WarmStart
from recommender.outcomes import HORIZON_DAYS, Impressions, outcomes_of, unprompted_share

Progress = Callable[[str, float], None]

_MOST_UNPROMPTED = 0.5
"""Share of completions without impression above which the log is one of completions."""


@dataclass(frozen=True)
class Learned:
    """Outcome of a training; ``held_out`` is None where no impression could be held out."""

    parameters: Parameters
    holdout: dict[str, float]
    facts: dict[str, Any]
    held_out: HeldOut | None


def learn(
    records: Records,
    catalogue: Catalogue,
    metrics: MetricsList,
    as_of: float,
    settings: ModelSettings,
    seed: int,
    progress: Progress | None,
    start: Mapping[str, float] | None = None,
    warm: WarmStart | None = None,
) -> Learned:
    """Train on everything up to ``as_of``; see ``hybrid.fit``.

    Linear algebra keeps to one thread: the matrices are small, and threads that wait for each
    other cost several times the work itself as soon as anything else runs on the machine.
    """
    tell = progress or (lambda stage, share: None)
    with threadpool_limits(1, "blas"):
        tell("settings", 0.0)
        records = until(_sampled(records, settings, seed), as_of)
        records = records if settings.use_features else nameless(records)
        if len(catalogue) and unprompted_share(records.events, as_of) > _MOST_UNPROMPTED:
            task = _Task(records, catalogue, metrics, as_of, as_of, None, seed)
            return _learn_from_completions(task.plan(settings), records, as_of, tell)
        rows = holdout.training_rows(records, catalogue, as_of)
        if not len(rows) or not len(catalogue):
            raise NothingToLearnError("no impression or completion to learn from")
        end = as_of - idle_days(records, as_of) * SECONDS_PER_DAY
        cut = holdout.choose_cut(rows, end, settings.holdout_days)
        task = _Task(records, catalogue, metrics, as_of, end, cut, seed)
        choice = _choose(task, rows, settings, start) if warm is None else Choice(warm.settings)
        settings = replace(settings, **_typed(choice.settings, settings))
        return _learn(task, rows, settings, choice, tell, warm)


@dataclass(frozen=True)
class _Task:
    """What is to be learned from; ``end`` of the log, ``cut`` before the time held out."""

    records: Records
    catalogue: Catalogue
    metrics: MetricsList
    as_of: float
    end: float
    cut: float | None
    seed: int

    def plan(self, settings: ModelSettings) -> Plan:
        return Plan.of(self.records, self.catalogue, self.metrics, self.as_of, settings, self.seed)


def _choose(
    task: _Task,
    rows: Impressions,
    settings: ModelSettings,
    start: Mapping[str, float] | None,
) -> Choice:
    """Try settings on some people: train before the cut, judge by the log loss after it."""
    known = {name: float(getattr(settings, name)) for name in SEARCHED}
    users = sample_for_search(rows, len(task.records.users), task.seed)
    cut = task.cut
    if cut is None or not len(users) or not settings.search_seconds:
        return Choice(known)
    some = replace(task, records=select_users(task.records, users))
    before = until(some.records, cut)
    labelled = holdout.training_rows(some.records, some.catalogue, some.as_of)

    def losses(tried: Mapping[str, float]) -> holdout.Losses:
        plan = some.plan(replace(settings, **_typed(tried, settings)))
        early, _ = train_once(plan, before, cut, None)
        return holdout.losses(early, some.records, labelled, cut, some.end)

    return chosen_by(losses, known, start, settings.search_seconds)


def _typed(values: Mapping[str, float], settings: ModelSettings) -> dict[str, Any]:
    return {name: type(getattr(settings, name))(value) for name, value in values.items()}


def _learn(
    task: _Task,
    rows: Impressions,
    settings: ModelSettings,
    choice: Choice,
    tell: Progress,
    begin: WarmStart | None,
) -> Learned:
    tell("held-out time", 0.3)
    plan = task.plan(settings)
    records, as_of, cut = task.records, task.as_of, task.cut
    trust, warm = Trust(), None
    figures: dict[str, float] = {}
    held: HeldOut | None = None
    if cut is not None:
        early, warm = train_once(plan, until(records, cut), cut, None)
        trust, figures, held = holdout.judge(early, records, rows, cut, task.end)
    tell("all data", 0.65)
    parameters, _ = train_once(plan, records, as_of, warm, begin)
    tell("done", 1.0)
    facts = _facts(plan, records, rows, as_of, cut)
    return Learned(
        parameters.trusted(trust),
        {**figures, **choice.figures()},
        {**facts, "search": choice.facts(), "warm": begin is not None},
        held,
    )


def _learn_from_completions(plan: Plan, records: Records, as_of: float, tell: Progress) -> Learned:
    """Train where most completions have no impression."""
    seconds = plan.settings.search_seconds
    learned = learn_positives(
        plan.frame,
        records,
        as_of,
        seconds,
        plan.seed,
        tell,
        use_factors=plan.settings.use_factors,
    )
    tell("done", 1.0)
    facts = _facts(plan, records, outcomes_of(records.events, as_of), as_of, learned.cut)
    chosen = {"chosen": learned.chosen}
    return Learned(learned.parameters, learned.holdout, facts | chosen, None)


def _sampled(records: Records, settings: ModelSettings, seed: int) -> Records:
    most = settings.most_users(len(records.users), len(records.events))
    if len(records.users) <= most:
        return records
    return select_users(records, sample_of(records.users.ids, most, seed))


def _facts(
    plan: Plan, records: Records, rows: Impressions, as_of: float, cut: float | None
) -> dict[str, Any]:
    return {
        "settings": asdict(plan.settings),
        "seed": plan.seed,
        "as_of": as_of,
        "first_event_at": float(records.events.at.min()) if len(records.events) else None,
        "cut_at": cut,
        "horizon_days": HORIZON_DAYS,
        "users": len(records.users),
        "events": len(records.events),
        "observations": len(records.observations),
        "impressions": len(rows),
        "completed": int(rows.completed.sum()),
        "actions": len(plan.frame.catalogue),
    }
