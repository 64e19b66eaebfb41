"""What the shipped rules withhold of the shipped catalogue from people a reader can picture.

The lists in ``verdicts.json`` were read and agreed to. A change of a rule, a tag or the catalogue
shows here as a difference to be read again; ``python tests/golden/test_shipped_verdicts.py``
writes the file anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guardrail_people import NOW, Person, metrics, person, records_of, shipped_rules

from recommender.catalogue import load_catalogue
from recommender.domain import Audience, Verdict
from recommender.guardrails.check import Guard

GOLDEN = Path(__file__).with_name("verdicts.json")
WELL = {"systolic_bp": 118.0, "diastolic_bp": 76.0}

PEOPLE: dict[str, Person] = {
    "a stranger": person(age=None, sex="unknown"),
    "a well woman of 40": person(**WELL, active_minutes=60),
    "the same without a fresh blood pressure": person(),
    "pregnant at 30": person("pregnancy", age=30, **WELL),
    "a man of 58 in a pressure crisis": person(
        "hypertension", age=58, sex="male", systolic_bp=192, diastolic_bp=124
    ),
    "type 1 diabetes, low an hour ago": person("type_1_diabetes", age=25, **WELL, glucose=50),
    "an eating disorder": person("eating_disorder", age=22, **WELL, body_mass_index=17.2),
    "chest pain on exertion": person("chest_pain_on_exertion", age=66, sex="male", **WELL),
    "thoughts of self-harm": person("depression", age=35, **WELL, phq9=21, phq9_item9=2),
    "a boy of 15": person(age=15, sex="male", **WELL),
    "two cuffs that disagree": Person(
        age=50,
        sex="male",
        readings=(
            ("systolic_bp", 186, 0.1),
            ("systolic_bp", 122, 0.05),
            ("diastolic_bp", 78, 0.05),
        ),
    ),
    "heart disease, active and cleared": person(
        "coronary_artery_disease",
        age=60,
        sex="male",
        **WELL,
        active_minutes=40,
        attributes={"exercise_clearance": "vigorous", "exercise_clearance_on": "2026-05-01"},
    ),
    "screened and vaccinated lately": person(
        age=66,
        **WELL,
        attributes={
            "last_colonoscopy": "2020-03-01",
            "last_breast_screening": "2026-01-10",
            "last_influenza_vaccination": "2026-02-01",
            "lung_screening_result": "abnormal",
        },
    ),
}


def _verdicts(who: Person) -> dict[str, object]:
    catalogue = load_catalogue()
    guard = Guard(shipped_rules(), catalogue, metrics())
    records = records_of(who)
    decisions = guard.decide(records, NOW)
    found: dict[str, dict[str, list[str]]] = {"withhold": {}, "caution": {}}
    (grounds,) = guard.grounds(decisions, records)
    pairs = [(action, cited) for cited, actions in grounds for action in actions]
    for action, cited in sorted(pairs):
        kind = list(Verdict)[decisions.verdict[0, action]].value
        found[kind].setdefault(cited.rule_id, []).append(catalogue.ids[action])
    alerts = [alert.rule_id for alert in guard.alerts(decisions, 0, Audience.USER)]
    return {"alerts": alerts, **found}


@pytest.mark.parametrize("who", PEOPLE)
def test_verdicts_are_those_agreed_to(who: str) -> None:
    assert _verdicts(PEOPLE[who]) == json.loads(GOLDEN.read_text())[who]


if __name__ == "__main__":
    written = {name: _verdicts(who) for name, who in PEOPLE.items()}
    GOLDEN.write_text(json.dumps(written, indent=1) + "\n")
