"""Which rules stand between a run and its first choices, for ``runs show``."""

from __future__ import annotations

from collections.abc import Mapping

WITHHOLDING_HEADINGS = {
    "rule that withholds a first choice": "left",
    "share of people": "right",
    "anything from": "right",
}


def withholding_rows(figures: Mapping[tuple[str, str], float]) -> list[tuple[str, float, float]]:
    """Rules by how many people's best-scored action they withhold, the most first."""
    near = [
        (rule_id, share, figures.get(("rule_people", rule_id), share))
        for (name, rule_id), share in figures.items()
        if name == "near_miss" and rule_id != "all"
    ]
    return sorted(near, key=lambda row: (-row[1], row[0]))
