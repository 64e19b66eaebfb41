"""The words of reasons, made ready for a catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recommender.dataset import IntArray
from recommender.domain import Audience, Catalogue, MetricsList

_BEHAVIOUR_WORDS: Mapping[str, str] = {
    "action": "How you got on with this one lately",
    "domain": "How you got on with things like this lately",
    "user": "How active you have been here lately",
}


class Phrases:
    """The words for one audience, made ready for a catalogue.

    Attributes
    ----------
    ids
        Of the actions.
    targets
        Places in the metric list of the metrics that each action improves, -1 where it has fewer
        than others, shape [n_actions, most].
    of_past
        Text for a past action that speaks for another, one an action.
    of_need, of_likeness
        Text for a metric that an action answers a need of, and for one that it does not; empty
        where it depends on the reading (``of_reading``).
    """

    def __init__(self, catalogue: Catalogue, metrics: MetricsList, audience: Audience) -> None:
        self.audience, self._metrics = audience, metrics
        self.names = metrics.names
        self.ids = catalogue.ids
        self.targets = _padded(
            [
                [metrics.index[name] for name in dict.fromkeys(one.targets) if name in self.names]
                for one in catalogue.actions
            ]
        )
        self.of_past = [
            f"Because of how you got on with “{action.title}”" for action in catalogue.actions
        ]
        plain = audience is Audience.USER
        self.of_need = [
            f"There is room for your {metric.label} to improve, and this can help" if plain else ""
            for metric in metrics.metrics
        ]
        self.of_likeness = [
            f"People whose {metric.label} is like yours tend to do this" if plain else ""
            for metric in metrics.metrics
        ]

    def of_reading(self, metric: int, value: float) -> str:
        """Text for a clinician: the metric and its reading, NaN if there is no fresh one."""
        named = self._metrics.metrics[metric]
        seen = f"{value:g} {named.unit}" if value == value else "no fresh reading"
        return f"{named.name}: {seen}"

    def of_other(self, part: str, subject: str) -> str:
        """Text for what is neither a reading nor a past action."""
        if part == "behaviour":
            return _BEHAVIOUR_WORDS.get(subject, "What you have been doing lately")
        if part == "profile":
            if self.audience is Audience.CLINICIAN:
                return f"Profile: {subject}"
            return "People with a profile like yours tend to do this"
        return "Many people do this when it is suggested"


def _padded(rows: Sequence[Sequence[int]]) -> IntArray:
    padded = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int64)
    for row, values in enumerate(rows):
        padded[row, : len(values)] = values
    return padded
