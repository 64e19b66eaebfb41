"""Answers as JSON say what the items hold, spelt out field by field."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from api.rendering import as_json
from recommender.catalogue_parts import evidence_document
from recommender.documents import answer_document
from recommender.domain import (
    Action,
    Alert,
    Contact,
    Evidence,
    Reason,
    Recommendation,
    RecommendationList,
    Verdict,
)

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MAYBE = st.none() | TEXT
EVIDENCE = st.builds(Evidence, TEXT, TEXT, MAYBE, MAYBE, MAYBE)
ACTION = st.builds(Action, TEXT, TEXT, TEXT, evidence=st.lists(EVIDENCE, max_size=3).map(tuple))
ITEM = st.builds(
    Recommendation,
    rank=st.integers(1, 1000),
    action=ACTION,
    score=NUMBER,
    p_complete=NUMBER,
    benefit=NUMBER | st.just(-0.0),
    parts=st.tuples(*[NUMBER] * 5),
    verdict=st.sampled_from(Verdict),
    rule_id=MAYBE,
    reasons=st.lists(st.builds(Reason, TEXT, TEXT, TEXT, NUMBER), max_size=3).map(tuple),
    propensity=NUMBER,
    standard_error=st.none() | NUMBER,
)
CONTACT = st.builds(Contact, TEXT, TEXT, TEXT, TEXT, TEXT)
ALERT = st.builds(
    Alert,
    rule_id=TEXT,
    severity=TEXT,
    text=TEXT,
    source=TEXT,
    alert_id=MAYBE,
    contacts=st.lists(CONTACT, max_size=2).map(tuple),
    acknowledged_at=st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)
ANSWER = st.builds(
    RecommendationList,
    request_id=TEXT,
    user_id=TEXT,
    run_id=TEXT,
    generated_at=st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),
    cold_start=st.booleans(),
    items=st.lists(ITEM, max_size=3).map(tuple),
    alerts=st.lists(ALERT, max_size=2).map(tuple),
    withheld=st.integers(0, 1000),
)


def _plainly(item: Recommendation) -> dict[str, object]:
    action, reasons = item.action, item.reasons
    return {
        "rank": item.rank,
        "action_id": action.action_id,
        "title": action.title,
        "domain": action.domain,
        "score": item.score,
        "p_complete": item.p_complete,
        "benefit": item.benefit if item.benefit else 0.0,
        "verdict": str(item.verdict),
        "reasons": [one._asdict() for one in reasons],
        "evidence": [evidence_document(entry) for entry in action.evidence],
        "propensity": item.propensity,
        "standard_error": item.standard_error,
    }


@settings(max_examples=100, deadline=None)
@given(ANSWER)
def test_the_bytes_are_those_of_every_field_spelt_out(answer: RecommendationList) -> None:
    plain = {
        "request_id": answer.request_id,
        "user_id": answer.user_id,
        "run_id": answer.run_id,
        "generated_at": answer.generated_at,
        "cold_start": answer.cold_start,
        "items": [_plainly(item) for item in answer.items],
        "alerts": [
            {
                "rule_id": one.rule_id,
                "severity": one.severity,
                "text": one.text,
                "source": one.source,
                "alert_id": one.alert_id,
                "contacts": [asdict(contact) for contact in one.contacts],
                "acknowledged_at": one.acknowledged_at,
            }
            for one in answer.alerts
        ],
        "withheld": answer.withheld,
    }
    expected = orjson.dumps(plain, option=orjson.OPT_UTC_Z)
    assert as_json(answer_document(answer)) == expected
    assert as_json(answer_document(answer)) == expected  # what is made once stays as it is
