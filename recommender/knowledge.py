"""What ships with the product and every answer needs: metrics and guardrail rules, checked."""

from __future__ import annotations

from dataclasses import dataclass

from recommender.catalogue import load_conditions, load_tags
from recommender.domain import MetricsList
from recommender.guardrails.rules import Rules, load_rules
from recommender.metrics_list import load_metrics
from recommender.resources import data_path


@dataclass(frozen=True)
class Knowledge:
    """Metrics and the rules that speak of them."""

    metrics: MetricsList
    rules: Rules


def load_knowledge() -> Knowledge:
    """Read and check the shipped metrics and rules.

    Raises
    ------
    MetricError, RuleError
        If an entry breaks the rules of its file; names the entry.
    """
    metrics = load_metrics(data_path("metrics.toml"))
    rules = load_rules(data_path("guardrails.toml"), metrics, load_tags(), load_conditions())
    return Knowledge(metrics, rules)
