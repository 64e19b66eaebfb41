"""Findings about how it is run: keys, trainings that ended without a word, what is kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from recommender.checks.finding import FAIL, OK, WARN, Finding
from recommender.settings import Settings
from recommender.store.engine import Connection, Engine
from recommender.store.health import unfinished_runs
from recommender.store.keys import list_keys
from recommender.store.lock import train_is_under_way

_SOON = timedelta(days=14)
_RETENTION = "retain_"


def keys(connection: Connection, now: datetime) -> Finding:
    """Who can get in."""
    every = list_keys(connection)
    if not every:
        found = "none was ever made: only this machine is answered, and anyone on it"
        return Finding("keys", OK, found)
    live = [k for k in every if not k.revoked_at and not (k.expires_at and k.expires_at <= now)]
    if not live:
        fix = "recommender key create --name app --scope read"
        return Finding("keys", FAIL, f"all {len(every)} are revoked or expired", fix)
    soon = [k.key_id for k in live if k.expires_at and k.expires_at - now < _SOON]
    found = f"{len(live)} in force, {sum('admin' in k.scopes for k in live)} with admin"
    if soon:
        fix = "recommender key create, then change it where it is used"
        ends = f"{found}; within {_SOON.days} days end {', '.join(soon[:5])}"
        return Finding("keys", WARN, ends, fix)
    return Finding("keys", OK, found)


def trainings(engine: Engine, connection: Connection) -> Finding:
    """Whether a training lost its process."""
    unfinished = unfinished_runs(connection)
    if not unfinished:
        return Finding("training", OK, "none is under way")
    if train_is_under_way(engine):
        return Finding("training", OK, f"{unfinished[-1]} is under way")
    found = f"{', '.join(unfinished[:3])} ended without a word; nothing anyone sees has changed"
    fix = "look for why in the log of that night (memory?); the next recommender train tidies up"
    return Finding("training", WARN, found, fix)


def retention(settings: Settings) -> Finding:
    """What is deleted by age."""
    limits = {
        name.removeprefix(_RETENTION): getattr(settings, name)
        for name in sorted(type(settings).model_fields)
        if name.startswith(_RETENTION)
    }
    chosen = [f"{name.replace('_', ' ')} {value}" for name, value in limits.items() if value]
    models = f"models of {settings.keep_runs} runs"
    found = f"{models}; {', '.join(chosen) if chosen else 'records and answers for good'}"
    return Finding("retention", OK, found)
