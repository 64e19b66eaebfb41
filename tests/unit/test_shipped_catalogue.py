"""The shipped catalogue and its vocabularies hold together and carry what rules need."""

from __future__ import annotations

import tomllib

import pytest

from recommender.catalogue import check_actions, load_catalogue, load_conditions, load_tags
from recommender.catalogue_check import EXERCISE_TAGS, INTENSITY_TAGS
from recommender.resources import data_path

DOMAINS = {
    "activity",
    "nutrition",
    "sleep",
    "stress",
    "social",
    "monitoring",
    "screening",
    "substance_use",
}
SCREENING_DAYS = {
    "screening:blood_pressure": {365},
    "screening:colorectal": {365, 3650},
    "screening:breast": {730},
    "screening:cervical": {1095},
    "screening:lung": {365},
    "screening:diabetes": {1095},
}
ONCE = {"screening:abdominal_aortic_aneurysm", "screening:hepatitis_c"}
SAFETY_TAGS = {
    "sauna": {"heat"},
    "yoga-hot": {"heat", "moderate_exercise", "fall_risk"},
    "eating-window": {"fasting", "weight_loss"},
    "energy-budget": {"calorie_counting", "weight_loss"},
    "weekly-weigh-in": {"weight_loss"},
    "cbti-course": {"sleep_restriction"},
    "hiit-short": {"vigorous_exercise", "high_impact"},
    "football-friendly": {"vigorous_exercise", "contact_sport", "fall_risk", "high_impact"},
    "core-floor": {"moderate_exercise", "strength", "supine"},
    "box-breathing": {"breath_holding"},
    "cool-shower-finish": {"cold_exposure"},
    "drink-free-days": {"alcohol"},
    "caffeine-cutoff": {"caffeine"},
    "regular-care-review": {"medication_talk"},
    "heart-risk-visit": {"screening:statin", "medication_talk"},
}


def shipped_metrics() -> list[str]:
    entries = tomllib.loads(data_path("metrics.toml").read_text(encoding="utf-8"))["metric"]
    return [entry["name"] for entry in entries]


def test_the_shipped_catalogue_has_no_problem() -> None:
    actions = load_catalogue().actions
    assert check_actions(actions, shipped_metrics(), load_tags()) == []
    assert len(actions) >= 120
    assert {action.domain for action in actions} == DOMAINS


def test_every_shipped_action_is_complete() -> None:
    for action in load_catalogue().actions:
        assert action.description, action.action_id
        assert action.clinician_description, action.action_id
        assert None not in (action.effort, action.minutes, action.repeat_after_days)
        assert {"technique", "setting", "cost", "suits"} == set(action.attributes)
        assert not any(character.isdigit() for character in action.title + action.description)
        assert all(item.date for item in action.evidence), action.action_id


def test_every_tag_is_used_and_means_something() -> None:
    tags = load_tags()
    assert set(tags) == {tag for action in load_catalogue().actions for tag in action.tags}
    assert set(INTENSITY_TAGS) | set(EXERCISE_TAGS) <= set(tags)
    assert all(meaning.endswith(".") for meaning in (tags | load_conditions()).values())


def test_screenings_repeat_as_their_guideline_says() -> None:
    seen: dict[str, set[float | None]] = {}
    for action in load_catalogue().actions:
        for tag in action.tags:
            seen.setdefault(tag, set()).add(action.repeat_after_days)
    assert {tag: seen[tag] for tag in SCREENING_DAYS} == SCREENING_DAYS
    assert all(min(day or 0 for day in seen[tag]) > 36_000 for tag in ONCE)


def test_exercise_in_the_activity_domain_names_its_intensity() -> None:
    without = {
        action.action_id
        for action in load_catalogue().actions
        if action.domain == "activity" and not set(INTENSITY_TAGS) & set(action.tags)
    }
    assert without == {"plan-active-week", "exercise-referral"}


@pytest.mark.parametrize(("action_id", "tags"), SAFETY_TAGS.items())
def test_risky_actions_carry_the_tags_that_rules_look_at(action_id: str, tags: set[str]) -> None:
    catalogue = load_catalogue()
    assert set(catalogue.actions[catalogue.index[action_id]].tags) == tags
