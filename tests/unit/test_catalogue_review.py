"""A reviewer's eye: each thing that is wrong with an entry is found, and says where."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from recommender.catalogue_parts import eligibility_document, eligibility_of
from recommender.catalogue_review import ERROR, WARNING, Vocabulary, review
from recommender.condition_codes import conditions_of_code
from recommender.curate import check_file, place_word
from recommender.domain import Action, Eligibility, Evidence, MetricsList
from recommender.errors import CatalogueError, MalformedFileError
from recommender.intake.users import spelled_conditions

TODAY = date(2026, 11, 23)
KNOWN = Vocabulary(["glucose"], ["moderate_exercise", "heat"], ["asthma"], ["1.4 Action planning"])
SOUND = Action(
    "walk",
    "Take a walk",
    "activity",
    description="Walk a little each day. It lifts your mood.",
    clinician_description="For: adults.",
    tags=("moderate_exercise",),
    evidence=(Evidence("WHO", "guideline", None, "2020", "secondary"),),
    intensity="moderate",
    technique="1.4 Action planning",
    reviewed_on=date(2026, 1, 1),
    review_by=date(2027, 1, 1),
)
HARD = "Individualised multidisciplinary rehabilitation facilitates cardiorespiratory adaptation."
FLAWS: list[tuple[dict[str, Any], str]] = [
    ({"description": ""}, "description is missing"),
    ({"clinician_description": ""}, "clinician_description is missing"),
    ({"description": HARD}, "ask for school grade"),
    ({"description": "It heals your asthma."}, "description holds 'asthma'"),
    ({"intensity": None}, "intensity is missing"),
    ({"intensity": "hard"}, "'hard' is not one of"),
    ({"intensity": "light"}, "does not agree with tags"),
    ({"tags": ()}, "does not agree with tags"),
    ({"tags": ("moderate_exercise", "swim")}, "unknown tag 'swim'"),
    ({"targets": ("mood",)}, "unknown metric 'mood'"),
    ({"technique": None}, "technique is missing"),
    ({"technique": "prompts"}, "unknown technique 'prompts'"),
    ({"eligible": Eligibility(conditions_any=("gout",))}, "unknown condition 'gout'"),
    ({"eligible": Eligibility(conditions_none=("gout",))}, "unknown condition 'gout'"),
    ({"evidence": ()}, "evidence is missing"),
    ({"evidence": (Evidence("WHO", "A", None, None, "primary"),)}, "has no date"),
    ({"evidence": (Evidence("WHO", "A", None, "2020"),)}, "verified must be primary or"),
    ({"evidence": (Evidence("W", "A", "who.int", "2020", "primary"),)}, "is not a web address"),
    ({"reviewed_on": None}, "reviewed_on or review_by is missing"),
    ({"review_by": date(2026, 1, 1)}, "review_by must be after reviewed_on"),
]


def test_a_sound_entry_has_no_problem() -> None:
    assert review([SOUND], KNOWN, TODAY) == [[]]
    still = replace(SOUND, action_id="sit", title="Sit", tags=("heat",), intensity="none")
    assert review([SOUND, still], KNOWN, TODAY) == [[], []]


@pytest.mark.parametrize(("change", "words"), FLAWS, ids=[words for _, words in FLAWS])
def test_every_flaw_is_an_error_of_its_own(change: dict[str, Any], words: str) -> None:
    (found,) = review([replace(SOUND, **change)], KNOWN, TODAY)
    assert any(words in problem.text for problem in found), found
    assert {problem.level for problem in found if "due by" not in problem.text} == {ERROR}


def test_the_same_title_and_the_same_id_are_found() -> None:
    again = replace(SOUND, action_id="stroll", title=" take a  WALK ")
    assert [[p.text for p in found] for found in review([SOUND, again], KNOWN, TODAY)] == [
        [],
        ["has the title of walk"],
    ]
    found = review([SOUND, replace(SOUND, title="Other")], KNOWN, TODAY)
    assert [len(problems) for problems in found] == [1, 1]


def test_an_overdue_review_warns_from_the_day_after() -> None:
    assert review([SOUND], KNOWN, date(2027, 1, 1)) == [[]]
    ((late,),) = review([SOUND], KNOWN, date(2027, 1, 2))
    assert (late.level, late.text) == (WARNING, "its review was due by 2027-01-01")
    assert review([replace(SOUND, retired=True)], KNOWN, date(2027, 1, 2)) == [[]]


def test_a_file_is_checked_to_its_end_with_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "mine.ndjson"
    lines = ['{"action_id": "a"', "", "[]", '{"action_id": "b", "title": "B"}']
    path.write_text("\n".join([*lines, json.dumps({"action_id": "c"} | _SHORT)]))
    entries, flaws = check_file(str(path), MetricsList(()), TODAY)
    assert entries == 4
    found = {(flaw.place, flaw.action_id) for flaw in flaws}
    assert found == {(1, ""), (3, ""), (4, "b"), (5, "c")}
    assert next(flaw.text for flaw in flaws if flaw.place == 4) == "domain: missing"


_SHORT = {"title": "C", "domain": "sleep"}


def test_csv_counts_records(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("action_id,title,domain,eligible\na,A,sleep,\nb,B,sleep,{\n")
    _, flaws = check_file(str(path), MetricsList(()), TODAY)
    assert "eligible: not JSON" in next(f.text for f in flaws if f.place == 2)
    assert (place_word(str(path)), place_word("mine.ndjson")) == ("record", "line")
    with pytest.raises(MalformedFileError):
        check_file(str(tmp_path / "none.ndjson"), MetricsList(()), TODAY)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[]", "must be an object"),
        ({"age": 50}, "unknown field age"),
        ({"min_age": 50, "max_age": 40}, "no age is in between"),
        ({"min_age": -1}, "no age is in between"),
        ({"min_age": 1.5}, "whole number"),
        ({"sex": "other"}, "female or male"),
        ({"not_done_within_days": -1}, "0 or more"),
        ({"conditions_any": ["asthma"], "conditions_none": ["asthma"]}, "both needed and excluded"),
    ],
)
def test_an_eligible_that_would_not_bind_is_refused(value: object, words: str) -> None:
    with pytest.raises(CatalogueError, match=f"eligible: .*{words}"):
        eligibility_of({"eligible": value})


def test_eligible_is_spelled_as_it_is_read() -> None:
    asked = {"max_age": 60, "sex": "male", "conditions_none": ["asthma"]}
    assert eligibility_document(eligibility_of({"eligible": json.dumps(asked)})) == asked
    assert eligibility_document(eligibility_of({})) == {}


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("I10", ("hypertension",)),
        ("icd10:I10", ("hypertension",)),
        ("ICD-10-CM: e11.65", ("type_2_diabetes",)),
        ("http://hl7.org/fhir/sid/icd-10-cm|J44.9", ("copd",)),
        ("I11.0", ("heart_failure", "hypertension")),
        ("I110", ("heart_failure", "hypertension")),
        ("snomed:38341003", ("hypertension",)),
        ("SNOMED CT: 44054006", ("type_2_diabetes",)),
        ("http://snomed.info/sct|77386006", ("pregnancy",)),
        ("38341003", ("hypertension",)),
        ("383410031", ()),
        ("loinc:38341003", ()),
        ("I1", ()),
        ("E12", ()),
        ("T1D", ()),
        ("R73.0", ()),
    ],
)
def test_codes_of_conditions(said: str, means: tuple[str, ...]) -> None:
    assert conditions_of_code(said) == means


def test_names_win_over_codes_and_unknown_codes_are_kept() -> None:
    assert spelled_conditions(["T1D", "I11.0", "Z99.9", "Knee pain"]) == [
        "heart_failure",
        "hypertension",
        "knee_pain",
        "type_1_diabetes",
        "z99.9",
    ]
