"""The catalogue: records become actions, and every mistake is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue import (
    action_from_mapping,
    check_actions,
    load_catalogue,
    load_tags,
)
from recommender.catalogue_check import (
    action_problems,
    forbidden_words,
    wording_problems,
)
from recommender.domain import Action, Evidence
from recommender.errors import CatalogueError, MalformedFileError

METRICS = ("systolic_bp", "step_count")
TAGS = ("light_exercise", "moderate_exercise", "strength", "screening:breast")
RECORD: dict[str, Any] = {
    "action_id": "walk",
    "title": "Take a walk",
    "domain": "activity",
    "description": "A walk does you good.",
    "clinician_description": "Adults; WHO 2020.",
    "effort": 2,
    "minutes": 30,
    "targets": ["systolic_bp", "step_count"],
    "tags": ["moderate_exercise"],
    "repeat_after_days": 1,
    "evidence": [{"source": "WHO", "grade": "guideline", "url": None, "date": "2020-11"}],
    "setting": "outdoors",
}
WALK = Action(
    action_id="walk",
    title="Take a walk",
    domain="activity",
    description="A walk does you good.",
    clinician_description="Adults; WHO 2020.",
    effort=2,
    minutes=30.0,
    targets=("systolic_bp", "step_count"),
    tags=("moderate_exercise",),
    repeat_after_days=1.0,
    evidence=(Evidence("WHO", "guideline", None, "2020-11"),),
    attributes={"setting": "outdoors"},
)


# Records


def test_a_typed_record_becomes_an_action() -> None:
    assert action_from_mapping(RECORD) == WALK


def test_a_text_record_becomes_the_same_action() -> None:
    text = RECORD | {
        "effort": "2",
        "minutes": " 30 ",
        "targets": "systolic_bp; step_count;",
        "tags": "moderate_exercise",
        "repeat_after_days": "1.0",
        "evidence": json.dumps(RECORD["evidence"]),
    }
    assert action_from_mapping(text) == WALK


def test_a_record_of_numpy_cells_becomes_the_same_action() -> None:
    cells = RECORD | {
        "effort": np.float64(2.0),
        "minutes": np.int64(30),
        "targets": np.array(["systolic_bp", "step_count"], dtype=object),
        "evidence": np.array(RECORD["evidence"], dtype=object),
    }
    assert action_from_mapping(cells) == WALK


@pytest.mark.parametrize("blank", [None, "", "  ", float("nan"), np.float64("nan")])
def test_blank_cells_are_absent(blank: object) -> None:
    optional = [key for key in RECORD if key not in ("action_id", "title", "domain")]
    bare = action_from_mapping(RECORD | dict.fromkeys(optional, blank))
    assert bare == Action("walk", "Take a walk", "activity")


def test_a_numeric_id_stays_an_id() -> None:
    assert action_from_mapping(RECORD | {"action_id": np.int64(17)}).action_id == "17"


def test_names_are_listed_once_in_their_order() -> None:
    record = RECORD | {"tags": ["strength", "light_exercise", "strength"]}
    assert action_from_mapping(record).tags == ("strength", "light_exercise")


@pytest.mark.parametrize(("cell", "retired"), [(True, True), ("1", True), ("false", False)])
def test_an_action_can_be_retired(cell: object, retired: bool) -> None:
    action = action_from_mapping(RECORD | {"retired": cell})
    assert action.retired is retired
    assert "retired" not in action.attributes


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("action_id", None),
        ("action_id", ["walk"]),
        ("title", ""),
        ("domain", "  "),
        ("title", True),
        ("description", 1.5),
        ("effort", "much"),
        ("effort", 2.5),
        ("effort", True),
        ("minutes", [30]),
        ("minutes", "inf"),
        ("minutes", "nan"),
        ("repeat_after_days", {}),
        ("targets", 7),
        ("tags", [1]),
        ("tags", {"a": 1}),
        ("retired", "perhaps"),
        ("evidence", "WHO"),
        ("evidence", {"source": "WHO"}),
        ("evidence", ["WHO"]),
        ("evidence", [{"grade": "A"}]),
        ("evidence", [{"source": "WHO"}]),
        ("evidence", [{"source": "WHO", "grade": "A", "link": "x"}]),
    ],
)
def test_a_malformed_field_is_named(field: str, cell: object) -> None:
    with pytest.raises(CatalogueError, match=f"^{field}: "):
        action_from_mapping(RECORD | {field: cell})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text('aB1;. {["', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["source", "grade", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(RECORD)), JSON))
def test_any_record_is_taken_or_refused_with_a_reason(cells: dict[str, Any]) -> None:
    refused = ""
    try:
        check_actions([action_from_mapping(RECORD | cells)], METRICS, TAGS)
    except CatalogueError as error:
        refused = str(error).split(":")[0]
    assert not refused or refused in cells


# Checks


def test_a_sound_action_has_no_problem() -> None:
    assert check_actions([WALK], METRICS, TAGS) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"targets": ("mood",)}, "unknown metric 'mood'"),
        ({"tags": ("running",)}, "unknown tag 'running'"),
        ({"tags": ("screening:cervical",)}, "unknown tag 'screening:cervical'"),
        ({"domain": ""}, "domain is empty"),
        ({"title": " "}, "title is empty"),
        ({"effort": 0}, "effort must be from 1 to 5"),
        ({"effort": 6}, "effort must be from 1 to 5"),
        ({"minutes": -1.0}, "minutes must be from 0 to 1440"),
        ({"minutes": 1441.0}, "minutes must be from 0 to 1440"),
        ({"repeat_after_days": 0.0}, "repeat_after_days must be above 0"),
        ({"evidence": ()}, "evidence is missing"),
        ({"evidence": (Evidence("WHO", "strong"),)}, "unknown evidence grade 'strong'"),
        ({"evidence": (Evidence("WHO", "4A"),)}, "unknown evidence grade '4A'"),
        (
            {"evidence": (Evidence("WHO", "A", date="2020-13"),)},
            "evidence date '2020-13' is not YYYY, YYYY-MM or YYYY-MM-DD",
        ),
        (
            {"evidence": (Evidence("WHO", "A", url="who.int"),)},
            "evidence url 'who.int' is not a web address",
        ),
        (
            {"tags": ("light_exercise", "moderate_exercise")},
            "more than one intensity: light_exercise, moderate_exercise",
        ),
        ({"tags": ("strength",)}, "strength needs an intensity tag such as light_exercise"),
        ({"title": "Beat diabetes"}, "title holds 'diabetes', which is not for users"),
        (
            {"description": "Ask for a lower dose."},
            "description holds 'dose', which is not for users",
        ),
    ],
)
def test_each_mistake_is_reported(change: dict[str, Any], problem: str) -> None:
    assert check_actions([replace(WALK, **change)], METRICS, TAGS) == [f"walk: {problem}"]


@pytest.mark.parametrize(
    "change",
    [
        {"effort": 1},
        {"effort": 5},
        {"minutes": 0.0},
        {"minutes": 1440.0},
        {"repeat_after_days": 0.5},
        {"effort": None, "minutes": None, "repeat_after_days": None},
        {"tags": ("light_exercise", "strength")},
        {"tags": ()},
        {"domain": "pets"},
        {"evidence": (Evidence("ACC/AHA", "1A", "https://doi.org/10.1/x", "2017-11-13"),)},
    ],
)
def test_values_at_the_border_are_fine(change: dict[str, Any]) -> None:
    assert action_problems(replace(WALK, **change), METRICS, TAGS) == []


def test_every_mistake_of_every_action_is_listed() -> None:
    other = replace(WALK, action_id="run", effort=9, evidence=())
    assert check_actions([WALK, other, WALK], METRICS, TAGS) == [
        "walk: more than one action has this id",
        "run: effort must be from 1 to 5",
        "run: evidence is missing",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Prediabetes and Hypertension", ["Prediabetes", "Hypertension"]),
        ("a STROKE, two pills", ["STROKE", "pills"]),
        ("heart attack", ["heart attack"]),
        ("keep below 130 mmHg or 5,5 mmol", ["130 mmHg", "5,5 mmol"]),
        ("BMI > 30", ["BMI", "> 3"]),
        ("prescribed medication", ["prescribed", "medication"]),
        ("Get your heart, blood pressure and mood checked, stating your name.", []),
        ("Walk 30 minutes, drink 2 glasses of water", []),
    ],
)
def test_words_that_are_not_for_users(text: str, words: list[str]) -> None:
    assert forbidden_words(text) == words


def test_the_clinician_text_may_name_diseases() -> None:
    assert wording_problems(replace(WALK, clinician_description="Hypertension, 130 mmHg")) == []


# Files


def write(path: Path, *records: object) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def test_a_file_is_read_in_the_order_of_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", RECORD, RECORD | {"action_id": "run"})
    catalogue = load_catalogue(path)
    assert catalogue.ids == ("run", "walk")
    assert catalogue.actions[catalogue.index["walk"]] == WALK


def test_blank_lines_and_line_separators_in_text_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    line = json.dumps(RECORD | {"description": "one\u2028two"}, ensure_ascii=False)
    path.write_text(f"\n{line}\r\n\n", encoding="utf-8")
    assert load_catalogue(path).actions[0].description == "one\u2028two"


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", RECORD)
    path.write_text(path.read_text() + '\n{"action_id": }\n')
    with pytest.raises(MalformedFileError) as caught:
        load_catalogue(path)
    assert (caught.value.line, caught.value.column) == (2, 15)


def test_a_line_that_is_no_object_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedFileError, match="line 1"):
        load_catalogue(write(tmp_path / "a.ndjson", ["walk"]))


def test_a_malformed_action_is_named_by_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", RECORD, RECORD | {"title": ""})
    with pytest.raises(CatalogueError, match=r"line 2: title: missing"):
        load_catalogue(path)


def test_two_actions_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="more than one action is called walk"):
        load_catalogue(write(tmp_path / "a.ndjson", RECORD, RECORD))


def test_a_missing_file_is_a_malformed_one(tmp_path: Path) -> None:
    with pytest.raises(MalformedFileError):
        load_catalogue(tmp_path / "none.ndjson")
    with pytest.raises(MalformedFileError):
        load_tags(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[tag]]\nname = "heat"\n', "tag 1 needs a name and a meaning"),
        ('[[tag]]\nname = "heat"\nmeaning = "x"\n' * 2, "tag 'heat' is listed twice"),
    ],
)
def test_a_broken_vocabulary_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "tags.toml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=reason):
        load_tags(path)
