from __future__ import annotations

from recommender.cli.withholding_table import withholding_rows


def test_rules_stand_by_how_many_first_choices_they_withhold() -> None:
    figures = {
        ("near_miss", "all"): 0.3,
        ("near_miss", "few"): 0.1,
        ("near_miss", "many"): 0.2,
        ("rule_people", "many"): 0.7,
        ("rule_people", "none"): 0.9,
        ("rule_people", "few"): 0.1,
    }
    assert withholding_rows(figures) == [("many", 0.2, 0.7), ("few", 0.1, 0.1)]
    assert withholding_rows({}) == []
