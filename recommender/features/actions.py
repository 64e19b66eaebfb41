"""What an action is, as numbers: how a new action gets a score before anybody did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender.dataset import FloatArray
from recommender.domain import Action, Catalogue
from recommender.features.scaling import centre_and_scale

MOST_LEVELS = 40
CLIP = 4.0
_LEAST_ACTIONS = 2
_LARGEST = 1e12
"""Numbers are cut here, so that one absurd entry can't overflow the scaling of the rest."""


@dataclass(frozen=True)
class ActionSpace:
    """Names and scaling of the action vector.

    Attributes
    ----------
    names
        ``domain=activity``, ``targets=systolic_bp``, ``effort``, ``<attribute>=<level>``, …
    centre, scale
        Mean and spread of each column over the catalogue that was learned from.
    """

    names: tuple[str, ...]
    centre: FloatArray
    scale: FloatArray

    def encode(self, actions: Iterable[Action]) -> FloatArray:
        """Vectors of actions, shape [n_actions, 1 + n_names]; the first column is 1."""
        rows = [described(action) for action in actions]
        z = np.nan_to_num((_table(rows, self.names) - self.centre) / self.scale, nan=0.0)
        # A number far outside what was trained on says no more than the farthest that was.
        numbers = np.array(["=" not in name for name in self.names], dtype=bool)
        z[:, numbers] = np.clip(z[:, numbers], -CLIP, CLIP)
        return np.concatenate([np.ones((len(rows), 1)), z], axis=1)


def fit_action_space(catalogue: Catalogue) -> ActionSpace:
    """Choose the columns that at least two actions differ in."""
    rows = [described(action) for action in catalogue.actions]
    used = Counter(name for row in rows for name in row)
    levels = Counter(name.partition("=")[0] for name in used if "=" in name)
    names = sorted(
        name
        for name, n in used.items()
        if n >= _LEAST_ACTIONS
        and (_built_in(name) or levels[name.partition("=")[0]] <= MOST_LEVELS)
    )
    raw = _table(rows, names)
    varied = np.flatnonzero([len(np.unique(some[~np.isnan(some)])) > 1 for some in raw.T])
    centre, scale = centre_and_scale(raw)
    return ActionSpace(tuple(names[i] for i in varied), centre[varied], scale[varied])


def _table(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> FloatArray:
    """Columns of some rows, [n_rows, n_names]; a number that is not there is NaN."""
    absent = [0.0 if "=" in name else np.nan for name in names]
    raw = [[row.get(n, gap) for n, gap in zip(names, absent, strict=True)] for row in rows]
    table = np.array(raw, dtype=np.float64).reshape(len(rows), len(names))
    return np.clip(table, -_LARGEST, _LARGEST)


def described(action: Action) -> dict[str, float]:
    """Every column an action has a value for; levels it lacks are left out.

    >>> sorted(described(Action("a", "Walk", "activity", effort=2, tags=("light_exercise",))))
    ['domain=activity', 'effort', 'tags=light_exercise']
    """
    row = {f"domain={action.domain}": 1.0}
    row |= {f"targets={name}": 1.0 for name in action.targets}
    row |= {f"tags={name}": 1.0 for name in action.tags}
    if action.effort is not None:
        row["effort"] = float(action.effort)
    if action.minutes is not None:
        row["minutes"] = float(np.log1p(max(action.minutes, 0.0)))
    if action.repeat_after_days is not None:
        row["repeat_after_days"] = float(np.log1p(max(action.repeat_after_days, 0.0)))
    if action.technique:
        row[f"technique={action.technique}"] = 1.0
    for name, value in action.attributes.items():
        row |= _attribute(f"attribute:{name}", value)
    return row


def _attribute(name: str, value: Any) -> dict[str, float]:
    if value is None or value != value:
        return {}
    convert: Callable[[Any], dict[str, float]] = {
        bool: lambda v: {f"{name}={v}": 1.0},
        int: lambda v: {name: float(v)},
        float: lambda v: {name: float(v)},
        list: lambda v: {f"{name}={item}": 1.0 for item in v},
        tuple: lambda v: {f"{name}={item}": 1.0 for item in v},
    }.get(type(value), lambda v: {f"{name}={v}": 1.0})
    return convert(value)


def _built_in(name: str) -> bool:
    return not name.startswith("attribute:")
