"""What ``rules check`` finds: each kind of mistake, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from guardrail_people import conditions, metrics, tags

from recommender.errors import RuleError
from recommender.guardrails.review import Flaw, Vocabulary, review
from recommender.guardrails.rules import Rules, load_rules
from recommender.resources import data_path

CORE = data_path("guardrails.toml")
RULE = """
[definitions]
very_warm = "body_temperature >= 38.5"

[[rule]]
rule_id = "our_heat"
version = 1
verdict = "withhold"
severity = "warning"
tags = ["heat"]
when = "very_warm"
text_user = "Not today."
text_clinician = "Warm."
source = "Our own board"
date = "2026-01"
"""


def vocabulary(beside: Path | None = CORE) -> Vocabulary:
    return Vocabulary(metrics(), tags(), conditions(), beside)


def flaws(folder: Path, text: str) -> list[Flaw]:
    path = folder / "own.toml"
    path.write_text(text)
    return review(path, vocabulary())


def load(own: Path | None = None, disabled: tuple[str, ...] = ()) -> Rules:
    return load_rules(CORE, metrics(), tags(), conditions(), own, disabled)


def test_the_shipped_rules_are_in_order() -> None:
    assert review(CORE, vocabulary(None)) == []


def test_a_good_file_has_no_flaw_and_loads(tmp_path: Path) -> None:
    assert flaws(tmp_path, RULE) == []
    assert load(tmp_path / "own.toml").own == ("our_heat",)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"very_warm"', '"very_warn"', 11, "'very_warn' is neither"),
        ("body_temperature", "body_temp", 3, "'body_temp' is neither"),
        ("very_warm = ", "pregnant = ", 3, "the name is taken"),
        ('tags = ["heat"]', 'tags = ["hot"]', 10, "unknown tag among hot"),
        ('verdict = "withhold"', 'verdict = "allow"', 8, "verdict is one of"),
        ('severity = "warning"\n', "", 5, "lacks severity"),
        ('rule_id = "our_heat"', 'rule_id = "pregnancy"', 5, "a rule of this id already"),
        ("Not today.", "No sauna with insulin.", 5, "must not name insulin"),
        ("Not today.", "Not with heart failure.", 5, "must not name heart failure"),
        ("Not today.", "Below 38 only.", 5, "must not give numbers"),
        ("Not today.", "Not today. " * 40, 5, "longer than"),
        ("2026-01", "2999-01", 5, "lies in the future"),
        (">= 38.5", ">= 46", 5, "ever holds"),
        ('"very_warm"', '"age < 20 and age > 30"', 5, "ever holds"),
        ('"very_warm"', '"age > 20"', 3, "no rule uses this definition"),
        ("[[rule]]", "[[rule]", 5, "own.toml: "),
        ('when = "very_warm"', 'when = "very_warm and"', 11, "is not an expression"),
    ],
)
def test_a_mistake_is_found_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert RULE.count(old) == 1
    found = flaws(tmp_path, RULE.replace(old, new))
    assert [(flaw.line, message in flaw.message) for flaw in found if message in flaw.message] == [
        (line, True)
    ], found


def test_all_mistakes_are_shown_at_once(tmp_path: Path) -> None:
    second = RULE[RULE.index("[[rule]]") :].replace("our_heat", "other").replace('"heat"', '"hot"')
    found = flaws(tmp_path, RULE.replace("very_warm and", "") + second.replace("2026-01", "soon"))
    assert [flaw.where for flaw in found] == ["other"]
    found = flaws(tmp_path, RULE.replace("Not today.", "7") + second)
    assert {flaw.where for flaw in found} == {"our_heat", "other"}


def test_a_rule_that_another_always_comes_before_is_found(tmp_path: Path) -> None:
    rule = RULE[RULE.index("[[rule]]") :]
    milder = rule.replace("our_heat", "milder").replace('"withhold"', '"caution"')
    found = flaws(tmp_path, RULE + milder.replace('"very_warm"', '"body_temperature >= 39"'))
    assert [(flaw.where, flaw.message) for flaw in found] == [
        ("milder", "never decides: our_heat comes first")
    ]
    wider = milder.replace('"very_warm"', '"body_temperature >= 38"')
    assert flaws(tmp_path, RULE + wider) == []


def test_own_rules_stand_beside_the_core_and_never_replace_it(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(RULE)
    core, both = load(), load(own)
    assert both.rules[: len(core)] == core.rules
    assert [rule.rule_id for rule in both.rules[len(core) :]] == ["our_heat"]
    assert core.label != both.label
    own.write_text(RULE.replace("our_heat", "pregnancy"))
    with pytest.raises(RuleError, match="given twice: pregnancy"):
        load(own)
    own.write_text(RULE.replace("very_warm", "always"))
    with pytest.raises(RuleError, match="definition always"):
        load(own)


def test_a_rule_is_switched_off_by_name_alone() -> None:
    without = load(disabled=("stimulant_care", "older_care"))
    assert without.disabled == ("older_care", "stimulant_care")
    assert len(without) == len(load()) - 2
    assert "disabled:older_care,stimulant_care" in without.label
    with pytest.raises(RuleError, match="no rule typo"):
        load(disabled=("typo",))
