"""What ships with the product and every answer needs: metrics and guardrail rules, checked."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from recommender.catalogue import load_conditions, load_tags
from recommender.domain import MetricsList
from recommender.guardrails.rules import Rules, load_rules
from recommender.metrics_list import load_metrics
from recommender.resources import data_path
from recommender.settings import Settings

_LOG = logging.getLogger("recommender.rules")


@dataclass(frozen=True)
class Knowledge:
    """Metrics and the rules that speak of them."""

    metrics: MetricsList
    rules: Rules


def load_knowledge(settings: Settings | None = None) -> Knowledge:
    """Read and check the shipped metrics and rules, and the team's own rules.

    Parameters
    ----------
    settings
        Say where the team's own rules are and what is disabled; read from the environment if None,
        so that no caller can forget them. What is disabled is logged each time.

    Raises
    ------
    MetricError, RuleError
        If an entry breaks the rules of its file; names the entry.
    """
    metrics = load_metrics(data_path("metrics.toml"))
    chosen = settings or Settings()
    disabled = [name.strip() for name in chosen.rules_disabled.split(",") if name.strip()]
    core, own = data_path("guardrails.toml"), chosen.rules
    rules = load_rules(core, metrics, load_tags(), load_conditions(), own, disabled)
    if rules.disabled:
        _LOG.warning("guardrail rules are switched off: %s", ", ".join(rules.disabled))
    return Knowledge(metrics, rules)
