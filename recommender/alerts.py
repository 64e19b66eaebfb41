"""Alerts: worked out with every answer, kept once for each rule and reading, never ranked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from recommender.contacts import contact_for
from recommender.dataset import Records
from recommender.domain import Alert, Audience, Catalogue, Contact, MetricsList
from recommender.guardrails.check import Decisions, Guard, Raised
from recommender.store.alerts import AlertRow, KeptAlert, keep_alerts, kept_alerts
from recommender.store.direct import Direct
from recommender.store.engine import Connection
from recommender.store.read import load_user_record


@dataclass(frozen=True)
class StoredAlert:
    """An alert as kept, in words, and whether its cause still holds."""

    alert: Alert
    kept: KeptAlert
    holds: bool


@dataclass(frozen=True)
class Today:
    """Ids of the alerts that hold now, most urgent first, and the person's crisis contact."""

    holding: tuple[str, ...]
    contact: Contact


def alerts_of(
    guard: Guard, decisions: Decisions, records: Records, audience: Audience, country: str | None
) -> dict[str, tuple[Alert, ...]]:
    """Alerts of each person in ``records`` who has any, crisis first, then most pressing first.

    Parameters
    ----------
    country
        Where crisis contacts are taken from; the person's attribute ``country`` comes before it.
    """
    found = {}
    for user, raised in guard.raised(decisions, records).items():
        user_id, contact = str(records.users.ids[user]), _contact(records, country, user)
        found[user_id] = tuple(_in_words(each, user_id, audience, contact) for each in raised)
    return found


def acknowledged_as(
    alerts: tuple[Alert, ...], acknowledged: Mapping[str, datetime]
) -> tuple[Alert, ...]:
    """Alerts with what is known of their acknowledgement, by id."""
    if not acknowledged:
        return alerts
    return tuple(replace(a, acknowledged_at=acknowledged.get(a.alert_id)) for a in alerts)


def rows_of(raised: Mapping[str, tuple[Alert, ...]], now: datetime) -> list[AlertRow]:
    """Alerts of people by id as ``store.alerts`` keeps them.

    The same rule on the same reading is one alert, however often it is raised.
    """
    return [
        AlertRow(a.alert_id, user_id, a.rule_id, a.rule_version, a.observation_id, a.severity, now)
        for user_id, alerts in raised.items()
        for a in alerts
    ]


def raise_today(
    store: Direct,
    guard: Guard,
    metrics: MetricsList,
    user_id: str,
    audience: Audience,
    country: str | None,
    now: datetime,
) -> Today:
    """Check a person's record as of now, and keep what is raised."""
    records = load_user_record(store, user_id, now, Catalogue(()), metrics).records
    decisions = guard.decide(records, now.timestamp(), audience)
    raised = alerts_of(guard, decisions, records, audience, country)
    keep_alerts(store, rows_of(raised, now))
    holding = tuple(alert.alert_id for alert in raised.get(user_id, ()))
    return Today(holding, _contact(records, country))


def every_alert(
    connection: Connection,
    guard: Guard,
    user_id: str,
    today: Today,
    audience: Audience,
) -> list[StoredAlert]:
    """Return all that was ever raised: what holds by urgency, then the rest, newest first."""
    found = []
    for kept in kept_alerts(connection, user_id):
        rule = guard.rule_named(kept.rule_id)
        raised = None if rule is None else Raised(rule, kept.observation_id)
        alert = _in_words(raised, user_id, audience, today.contact) if raised else _gone(kept)
        alert = replace(alert, alert_id=kept.alert_id, acknowledged_at=kept.acknowledged_at)
        found.append(StoredAlert(alert, kept, kept.alert_id in today.holding))
    urgency = {alert_id: place for place, alert_id in enumerate(today.holding)}
    return sorted(found, key=lambda each: urgency.get(each.kept.alert_id, len(urgency)))


def _contact(records: Records, country: str | None, user: int = 0) -> Contact:
    column = records.users.attributes.get("country")
    return contact_for(None if column is None else column[user], country)


def _in_words(raised: Raised, user_id: str, audience: Audience, contact: Contact) -> Alert:
    rule = raised.rule
    text = rule.text(audience)
    return Alert(
        rule_id=rule.rule_id,
        severity=rule.severity,
        text=f"{text} {contact.in_words()}" if rule.crisis else text,
        source=f"{rule.source} ({rule.date})",
        alert_id=_alert_id(user_id, rule.rule_id, raised.observation_id),
        rule_version=rule.version,
        observation_id=raised.observation_id,
        contacts=(contact,) if rule.crisis else (),
    )


def _gone(kept: KeptAlert) -> Alert:
    """An alert of a rule that is no longer in force."""
    return Alert(kept.rule_id, kept.severity, "", "")


def _alert_id(user_id: str, rule_id: str, observation_id: str | None) -> str:
    cause = "\0".join((user_id, rule_id, observation_id or ""))
    return hashlib.sha256(cause.encode("utf-8", "surrogatepass")).hexdigest()[:32]
