"""How rules become verdicts and alerts: precedence, freshness, the unknown, audiences, the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guardrail_people import (
    HOUR,
    NOW,
    Person,
    conditions,
    metrics,
    one_action_a_tag,
    person,
    records_of,
    shipped_guard,
    shipped_rules,
    tags,
)

from recommender.dataset import Observations, Records
from recommender.domain import VERDICT_CODES, Action, Audience, Catalogue, Verdict
from recommender.errors import RuleError
from recommender.guardrails.check import Citation, Decisions, Guard
from recommender.guardrails.rules import load_rules

DAY = 24.0
WELL = {"systolic_bp": 118, "diastolic_bp": 76}
DISEASES = {name.replace("_", " ") for name in conditions()} | {"diabetes", "hypoglycemia", "bmi"}


def verdicts(who: Person, audience: Audience = Audience.USER) -> dict[str, str]:
    """Verdict on an action that carries this tag alone."""
    decisions = shipped_guard().decide(records_of(who), NOW, audience)
    names = list(Verdict)
    return {
        tag: names[code].value
        for tag, code in zip(tags(), decisions.verdict[0].tolist(), strict=False)
    }


def alerts(who: Person) -> list[str]:
    guard = shipped_guard()
    decisions = guard.decide(records_of(who), NOW)
    return [alert.rule_id for alert in guard.alerts(decisions, 0, Audience.USER)]


NEEDS_NO_KNOWLEDGE = {"light_exercise", "tobacco_cessation"}


def test_nothing_known_leaves_only_what_needs_no_knowledge() -> None:
    stranger = verdicts(person(age=None, sex="unknown"))
    assert {tag for tag, verdict in stranger.items() if verdict == "allow"} == NEEDS_NO_KNOWLEDGE
    assert {tag for tag, verdict in stranger.items() if verdict == "caution"} == set()


def test_one_reading_does_not_make_a_stranger_known() -> None:
    measured = verdicts(person(age=None, sex="unknown", **WELL, glucose=95))
    assert {tag for tag, verdict in measured.items() if verdict == "allow"} == NEEDS_NO_KNOWLEDGE


def test_healthy_adult_with_fresh_pressure_may_go_hard() -> None:
    assert verdicts(person(**WELL))["vigorous_exercise"] == "allow"


@pytest.mark.parametrize(
    "readings",
    [
        {},
        {"systolic_bp": 118},
        {"diastolic_bp": 76},
        {"systolic_bp": (118, 30 * DAY + 0.1), "diastolic_bp": 76},
        {"systolic_bp": 49, "diastolic_bp": 76},  # not plausible
    ],
)
def test_missing_stale_or_implausible_pressure_never_clears_vigorous(
    readings: dict[str, float],
) -> None:
    assert verdicts(person(**readings))["vigorous_exercise"] == "withhold"


def test_unknown_readings_alone_never_block_light_or_moderate() -> None:
    unread = verdicts(person())
    assert unread["light_exercise"] == unread["moderate_exercise"] == "allow"


def test_unknown_age_clears_no_vigorous_action_whatever_else_is_known() -> None:
    assert verdicts(person("asthma", age=None, **WELL))["vigorous_exercise"] == "withhold"


def test_withhold_beats_caution_and_the_first_withhold_is_named() -> None:
    guard, catalogue = shipped_guard(), one_action_a_tag()
    who = person("pregnancy asthma hypertension", **WELL)
    decisions = guard.decide(records_of(who), NOW)
    place = catalogue.index["do-breath_holding"]
    assert decisions.verdict[0, place] == VERDICT_CODES["withhold"]
    assert guard.rule_id(int(decisions.rule[0, place])) == "pregnancy"
    place = catalogue.index["do-cold_exposure"]
    calmer = guard.decide(records_of(person("asthma hypertension", **WELL)), NOW)
    assert calmer.verdict[0, place] == VERDICT_CODES["caution"]
    assert guard.rule_id(int(calmer.rule[0, place])) == "hypertension_care"


def test_strictest_tag_of_an_action_decides() -> None:
    walk = Action("walk", "Walk", "activity", tags=("light_exercise", "fasting"))
    guard = Guard(shipped_rules(), Catalogue((walk,)), metrics())
    decisions = guard.decide(records_of(person("insulin_use")), NOW)
    assert guard.rule_id(int(decisions.rule[0, 0])) == "unknown_weight"
    decisions = guard.decide(records_of(person("insulin_use", body_mass_index=25)), NOW)
    assert guard.rule_id(int(decisions.rule[0, 0])) == "insulin_eating"


def test_latest_reading_wins_over_an_older_worse_one() -> None:
    better = Person(readings=(("systolic_bp", 200, 5), ("systolic_bp", 130, 1)))
    worse = Person(readings=(("systolic_bp", 130, 5), ("systolic_bp", 200, 1)))
    assert "pressure_crisis" not in alerts(better)
    assert "pressure_crisis" in alerts(worse)


def test_implausible_reading_neither_clears_nor_condemns() -> None:
    spike = Person(readings=(("systolic_bp", 130, 5), ("systolic_bp", 900, 1)))
    assert "pressure_crisis" not in alerts(spike)
    hidden = Person(readings=(("systolic_bp", 200, 5), ("systolic_bp", 1, 1)))
    assert "pressure_crisis" in alerts(hidden)


def test_future_reading_is_not_seen() -> None:
    later = person(systolic_bp=(118, -1), diastolic_bp=(76, -1))
    assert verdicts(later)["vigorous_exercise"] == "withhold"
    masked = Person(readings=(("systolic_bp", 200, 1), ("systolic_bp", 118, -1)))
    assert "pressure_crisis" in alerts(masked)


def test_self_harm_outranks_every_other_alert() -> None:
    found = alerts(person("syncope", phq9_item9=1, systolic_bp=230, phq9=22))
    assert found[0] == "self_harm_answer"
    assert {"pressure_crisis", "mood_very_low", "exertion_symptoms"} <= set(found)
    assert found.index("pressure_crisis") < found.index("mood_very_low")


def test_a_crisis_comes_first_wherever_its_rule_stands() -> None:
    rules = shipped_rules()
    turned = replace(rules, rules=rules.rules[::-1], expressions=rules.expressions[::-1])
    guard = Guard(turned, one_action_a_tag(), metrics())
    decisions = guard.decide(records_of(person(phq9_item9=1, systolic_bp=230)), NOW)
    found = [alert.rule_id for alert in guard.alerts(decisions, 0, Audience.USER)]
    assert found[0] == "self_harm_answer"
    assert "pressure_crisis" in found


def test_medicines_are_for_clinicians_only() -> None:
    who = person("hypertension", age=60, **WELL)
    for tag in ("medication_talk", "screening:statin"):
        assert verdicts(who, Audience.USER)[tag] == "withhold"
        assert verdicts(who, Audience.CLINICIAN)[tag] == "allow"


def test_audience_changes_words_and_never_what_is_safe() -> None:
    guard, who = shipped_guard(), records_of(person("pregnancy", systolic_bp=200))
    for_user = guard.decide(who, NOW, Audience.USER)
    for_clinician = guard.decide(who, NOW, Audience.CLINICIAN)
    differs = np.flatnonzero(for_user.verdict[0] != for_clinician.verdict[0])
    assert {one_action_a_tag().ids[place] for place in differs} <= {
        "do-medication_talk",
        "do-screening:statin",
    }
    spoken = guard.alerts(for_user, 0, Audience.USER)
    noted = guard.alerts(for_clinician, 0, Audience.CLINICIAN)
    assert [alert.rule_id for alert in spoken] == [alert.rule_id for alert in noted]
    assert not {alert.text for alert in spoken} & {alert.text for alert in noted}


def test_log_names_rule_version_and_the_reading_that_counted() -> None:
    guard = shipped_guard()
    records = records_of(
        Person(readings=(("diastolic_bp", 112, 2), ("systolic_bp", 150, 2), ("glucose", 90, 1)))
    )
    decisions = guard.decide(records, NOW)
    logged = _logged(guard, decisions, records, 0)
    hit = logged["do-moderate_exercise"]
    diastolic = int(np.flatnonzero(records.observations.value == 112)[0])
    assert hit == ("withhold", "pressure_unsafe", 2, f"o{diastolic}", None)
    decided = int(decisions.rule[0, one_action_a_tag().index["do-moderate_exercise"]])
    assert guard.readings_seen(decisions, 0, decided) == (diastolic,)
    assert logged["do-fasting"][1:4] == ("unknown_weight", 1, None)
    assert "do-untagged" not in logged


def test_log_of_one_of_many_is_that_of_one_alone() -> None:
    guard = shipped_guard()
    many = records_of(person(glucose=45), person("stroke", systolic_bp=185), person(age=None))
    alone = records_of(person("stroke", systolic_bp=185))
    among = _logged(guard, guard.decide(many, NOW), many, 1)
    single = _logged(guard, guard.decide(alone, NOW), alone, 0)
    assert {name: hit[:3] for name, hit in among.items()} == {
        name: hit[:3] for name, hit in single.items()
    }
    observed = many.observations.ids
    assert observed is not None
    cited = {hit.rule_id: hit.reading for hit in among.values()}
    assert cited["pressure_unsafe"] == observed[many.observations.value == 185][0]


def _logged(guard: Guard, decisions: Decisions, records: Records, user: int) -> dict[str, Citation]:
    return {
        one_action_a_tag().ids[action]: cited
        for cited, actions in guard.grounds(decisions, records)[user]
        for action in actions
    }


def test_nobody_and_no_ids() -> None:
    guard = shipped_guard()
    assert guard.decide(records_of(), NOW).verdict.shape == (0, len(one_action_a_tag()))
    full = records_of(person(systolic_bp=200))
    seen = full.observations
    bare = Records(
        full.users, full.events, Observations(seen.user, seen.metric, seen.value, seen.at)
    )
    hits = _logged(guard, guard.decide(bare, NOW), bare, 0)
    assert hits
    assert {hit.reading for hit in hits.values()} == {None}


def test_user_texts_name_no_disease_threshold_or_medicine() -> None:
    for rule in shipped_rules().rules:
        words = rule.text_user.lower()
        assert not any(character.isdigit() for character in words), rule.rule_id
        assert not {disease for disease in DISEASES if disease in words}, rule.rule_id
        assert not {"dose", "tablet", "insulin", "mg"} & set(words.split()), rule.rule_id


def test_every_vocabulary_tag_is_looked_at_by_a_rule() -> None:
    touched = {tag for tag in tags() for rule in shipped_rules().rules if rule.touches([tag])}
    assert touched == set(tags())


RULE = """
[[rule]]
rule_id = "too_high"
version = 1
verdict = "withhold"
severity = "warning"
tags = ["heat"]
when = "systolic_bp >= 180"
text_user = "Not now."
text_clinician = "High."
source = "A guideline"
date = "2020"
"""


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    load_rules(path, metrics(), tags(), conditions())


def test_plain_rule_loads(tmp_path: Path) -> None:
    load(tmp_path, RULE)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('rule_id = "too_high"', 'rule_id = "Too high"', "rule_id must be"),
        ("version = 1", "version = 0", "version must be"),
        ("version = 1", "", "lacks version"),
        ('date = "2020"', 'date = "last year"', "date must look"),
        ('date = "2020"', "", "lacks date"),
        ('source = "A guideline"', 'source = " "', "a text is empty"),
        ('text_user = "Not now."', "", "lacks text_user"),
        ('verdict = "withhold"', 'verdict = "forbid"', "verdict is one of"),
        ('severity = "warning"', 'severity = "bad"', "severity is one of"),
        ('tags = ["heat"]', 'tags = ["heats"]', "unknown tag among heats"),
        ('tags = ["heat"]', 'tags = ["vitamin:*"]', "unknown tag"),
        ('tags = ["heat"]', "", "an alert has no tags"),
        ('verdict = "withhold"', 'verdict = "alert"', "an alert has no tags"),
        ("[[rule]]", '[[rule]]\naudience = "robot"', "audience is one of"),
        ("[[rule]]", '[[rule]]\nverified = "maybe"', "verified is"),
        ("[[rule]]", "[[rule]]\nurgent = true", "does not know urgent"),
        ("[[rule]]", "[[rule]]\ncrisis = true", "only a critical alert can be a crisis"),
        ("systolic_bp >= 180", "days_since(heat) < 1", "a quoted name is needed"),
        ("systolic_bp >= 180", "days_since('x', hours=1) < 1", "days_since takes one argument"),
        ("[[rule]]", "[[rules]]", "does not know rules"),
        ("[[rule]]", '[definitions]\nage = "age < 1"\n[[rule]]', "definition age"),
        (">= 180", ">= ", "is not an expression"),
        ("systolic_bp >= 180", "sistolic_bp >= 180", "'sistolic_bp' is neither"),
        ("systolic_bp >= 180", "systolic_bp", "a truth is needed"),
        ("systolic_bp >= 180", "has('pregnant')", "not a known condition"),
        ("systolic_bp >= 180", "lowest('glucose') < 5", "lowest needs hours="),
        ("systolic_bp >= 180", "latest('glucose', days=2) < 5", "only hours="),
        ("systolic_bp >= 180", "latest('glucos') < 5", "not a known metric"),
        ("systolic_bp >= 180", "sex == 'woman'", "is not a sex"),
        ("systolic_bp >= 180", "sex < 'male'", "words are compared"),
        ("systolic_bp >= 180", "systolic_bp == 'high'", "words are compared"),
        ("systolic_bp >= 180", "age / 0 < 1", "only division by a number"),
        ("systolic_bp >= 180", "age / systolic_bp < 1", "only division by a number"),
        ("systolic_bp >= 180", "age ** 9 < 1", "not part of the language"),
        ("systolic_bp >= 180", "age in (1, 2)", "not part of the language"),
        ("systolic_bp >= 180", "age.real < 1", "not part of the language"),
        ("systolic_bp >= 180", "(lambda: 1)() < 1", "not a function"),
        ("systolic_bp >= 180", "__import__('os') == 1", "not a function"),
        ("systolic_bp >= 180", "[age for age in ()] == 1", "not part of the language"),
        ("systolic_bp >= 180", "True", "neither a number nor a word"),
        ("systolic_bp >= 180", "age < True", "neither a number nor a word"),
        ("systolic_bp >= 180", "age < 1e999", "neither a number nor a word"),
        ("systolic_bp >= 180", "(age < 1) < 1", "not part of the language"),
        ("systolic_bp >= 180", "has('pregnancy', hours=2)", "has takes one argument"),
        ("systolic_bp >= 180", "unknown(has('pregnancy'))", "a number is needed"),
    ],
)
def test_malformed_rule_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in RULE
    with pytest.raises(RuleError) as caught:
        load(tmp_path, RULE.replace(old, new))
    assert complaint in str(caught.value)
    if "[definitions]" not in new and "rules]]" not in new:
        assert "rule " in str(caught.value)


def test_rule_file_problems(tmp_path: Path) -> None:
    for text, complaint in (
        (RULE + RULE, "given twice: too_high"),
        ("", "no [[rule]]"),
        ("[[rule", "rules.toml: "),
    ):
        with pytest.raises(RuleError) as caught:
            load(tmp_path, text)
        assert complaint in str(caught.value)


def test_day_of_birthday_counts() -> None:
    assert verdicts(person(age=18, **WELL, body_mass_index=24))["fasting"] == "allow"
    adult_tomorrow = records_of(person(age=18, **WELL, body_mass_index=24))
    decisions = shipped_guard().decide(adult_tomorrow, NOW - 24 * HOUR)
    assert decisions.verdict[0, tags().index("fasting")] == VERDICT_CODES["withhold"]


def test_more_rules_than_a_verdict_can_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommender.guardrails.check.MOST_RULES", 3)
    with pytest.raises(RuleError, match="more than 3"):
        Guard(shipped_rules(), Catalogue(()), metrics())
