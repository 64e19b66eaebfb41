"""What the server answers about alerts, field by field; instants are RFC 3339 text in UTC."""

from __future__ import annotations

from typing import TypedDict


class Contact(TypedDict):
    """Who can help now; ``country`` and ``phone`` are empty in the international wording."""

    country: str
    name: str
    phone: str
    url: str
    emergency: str


class Alert(TypedDict):
    """Something the person should see whatever is recommended."""

    rule_id: str
    severity: str
    text: str
    source: str
    alert_id: str
    contacts: list[Contact]
    acknowledged_at: str | None


class KeptAlert(Alert):
    """An alert with its history; ``holds`` tells whether its cause holds on today's record."""

    rule_version: int
    observation_id: str | None
    first_raised_at: str
    last_raised_at: str
    acknowledged_by: str | None
    holds: bool


class KeptAlerts(TypedDict):
    """Every alert ever raised about a person, what holds now first."""

    user_id: str
    items: list[KeptAlert]


class Acknowledged(TypedDict):
    """An alert that was said to be seen."""

    alert_id: str
    user_id: str
    rule_id: str
    acknowledged_at: str
    acknowledged_by: str | None
