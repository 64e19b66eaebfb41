"""What there is to do in the simulated world, and how strongly each cause acts.

An action's hidden parameters (its appeal, its taste vector) are drawn from the seed and
its id alone, so adding or removing other actions does not change them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recommender.dataset import BoolArray, FloatArray, Int8Array
from recommender.domain import SEX_CODES

ActionRow = Mapping[str, Any]

DOMAINS = (
    "activity",
    "nutrition",
    "sleep",
    "stress",
    "social",
    "monitoring",
    "screening",
    "substance_use",
)
TASTE_RANK = 4
SLATE_SIZE = 4
_SELDOM_DAYS = 21.0
_HABIT_HALF_LIFE_DAYS = 14.0
_NEW_ACTION_SHARE = 0.04
_FEWEST_ACTIONS_WITH_NEW_ONES = 25


@dataclass(frozen=True, slots=True)
class Measure:
    """How one metric behaves in the simulated people (not how the engine judges it).

    Attributes
    ----------
    low, high
        Range in which nobody feels a need to act, in ``unit``; infinite where open.
    scale
        Distance from the range, in ``unit``, that makes one step of need.
    noise
        Standard deviation between two measurements of the same level.
    shift
        Size of a change for the worse, in ``unit``, signed.
    theme
        Metrics of one theme change together.
    digits
        Decimals that the device shows.
    floor, ceiling
        Limits that simulated values and bootstrapped readings stay within.
    """

    name: str
    unit: str
    low: float
    high: float
    scale: float
    noise: float
    shift: float
    theme: str
    digits: int
    floor: float
    ceiling: float


_INF = float("inf")
MEASURES: tuple[Measure, ...] = (
    Measure("systolic_bp", "mm[Hg]", -_INF, 130, 15, 5, 16, "pressure", 0, 50, 300),
    Measure("diastolic_bp", "mm[Hg]", -_INF, 82, 10, 3, 8, "pressure", 0, 20, 200),
    Measure("heart_rate", "/min", 50, 88, 12, 4, 6, "pulse", 0, 25, 200),
    Measure("body_weight", "kg", -_INF, _INF, 10, 0.4, 4, "weight", 1, 25, 300),
    Measure("body_height", "cm", -_INF, _INF, 10, 0, 0, "none", 1, 100, 230),
    Measure("body_mass_index", "kg/m2", 18.5, 26, 5, 0, 0, "weight", 2, 10, 100),
    Measure("hdl_cholesterol", "mmol/L", 1.15, _INF, 0.3, 0, 0, "none", 2, 0.52, 6),
    Measure("total_cholesterol", "mmol/L", -_INF, 5.2, 1, 0, 0, "none", 2, 1, 20),
    Measure("phq2", "{score}", -_INF, 1, 1.5, 0.4, 2, "mood", 0, 0, 6),
    Measure("sleep_duration", "h", 7, 9, 1, 0.8, -1.4, "sleep", 1, 2, 14),
    Measure("step_count", "{steps}/d", 7500, _INF, 3000, 1800, -2600, "steps", 0, 200, 60000),
    Measure("resting_heart_rate", "/min", 45, 72, 10, 2.5, 7, "pulse", 0, 35, 130),
)
METRICS = tuple(measure.name for measure in MEASURES)
METRIC_INDEX = {name: place for place, name in enumerate(METRICS)}
THEMES = ("pressure", "pulse", "weight", "mood", "sleep", "steps")

_SUITED: dict[str, tuple[int, int, str | None]] = {
    "screening:abdominal_aortic_aneurysm": (65, 75, "male"),
    "screening:breast": (40, 74, "female"),
    "screening:cervical": (21, 65, "female"),
    "screening:colorectal": (45, 75, None),
    "screening:falls": (65, 120, None),
    "screening:folic_acid": (18, 50, "female"),
    "screening:lung": (50, 80, None),
    "screening:osteoporosis": (65, 120, "female"),
}
"""Ages and sex that an invitation makes sense for; others hardly ever follow it."""


@dataclass(frozen=True, slots=True)
class Strengths:
    """How strongly each cause moves the log-odds of completing; 0 switches it off.

    Attributes
    ----------
    base
        Log-odds of an average person and action.
    appeal
        Standard deviation between actions.
    need
        Log-odds for each step of distance from the targets of the action.
    profile
        Scale of what follows from age, sex, lifestyle and the action's kind.
    taste
        Standard deviation of the low-rank taste that no recorded feature reveals.
    diligence
        Standard deviation between people in doing anything at all.
    habit
        Gain for each e-fold of recent completions.
    fatigue
        Loss for each e-fold of recent impressions.
    unsuited
        Loss where the action is not meant for this age, sex, or was done not long ago.
    """

    base: float = -2.75
    appeal: float = 0.6
    need: float = 1.2
    profile: float = 1.0
    taste: float = 0.75
    diligence: float = 0.6
    habit: float = 0.55
    fatigue: float = 0.45
    unsuited: float = 2.5


@dataclass(frozen=True)
class Menu:
    """Actions and what the simulated people see in them; every array has one row an action.

    Attributes
    ----------
    rows
        The catalogue entries themselves, to be written down.
    appeal
        Hidden popularity, standard normal.
    taste
        [n_actions, TASTE_RANK] hidden taste vectors, standard normal.
    traits
        [n_actions, 3 + len(DOMAINS)]: effort, log minutes, aims at blood sugar, domain.
    targets
        [n_actions, len(METRICS)] share of each metric among the targets.
    memory_days
        Half-life of the memory of having done it.
    seldom
        True if doing it once settles it for a while.
    min_age, max_age, sex
        Whom it suits; sex is a code of ``domain.SEX_CODES``, 0 for anybody.
    launched
        False for an action that the log has never shown.
    """

    ids: tuple[str, ...]
    rows: tuple[ActionRow, ...]
    appeal: FloatArray
    taste: FloatArray
    traits: FloatArray
    targets: FloatArray
    memory_days: FloatArray
    seldom: BoolArray
    min_age: FloatArray
    max_age: FloatArray
    sex: Int8Array
    launched: BoolArray

    def __len__(self) -> int:
        return len(self.ids)


def read_actions(path: Path) -> list[ActionRow]:
    """Read catalogue entries, one JSON object a line; none if the file does not exist."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def choose_actions(shipped: Sequence[ActionRow], count: int, seed: int) -> list[ActionRow]:
    """``count`` actions: shipped ones first (domains in turn), then made-up ones."""
    turns: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for place, row in enumerate(shipped):
        turn = turns.get(row["domain"], 0)
        turns[row["domain"]] = turn + 1
        order.append((turn, place))
    chosen = [shipped[place] for _, place in sorted(order)][:count]
    made_up = [_made_up_action(number, seed) for number in range(1, count - len(chosen) + 1)]
    return sorted([*chosen, *made_up], key=lambda row: str(row["action_id"]))


def _made_up_action(number: int, seed: int) -> ActionRow:
    rng = np.random.default_rng([seed, 11, number])
    effort = int(rng.integers(1, 6))
    domain = DOMAINS[int(rng.integers(len(DOMAINS)))]
    intensity = "light" if effort < 3 else "moderate" if effort < 5 else "vigorous"
    wanted = rng.choice(len(METRICS), size=int(rng.integers(0, 4)), replace=False)
    return {
        "action_id": f"simulated-{number:05d}",
        "title": f"Simulated action {number}",
        "domain": domain,
        "description": "Made up by the simulator.",
        "effort": effort,
        "minutes": int(rng.choice([2, 5, 10, 15, 20, 30, 45, 60])),
        "targets": sorted(METRICS[place] for place in wanted if METRICS[place] != "body_height"),
        "tags": [f"{intensity}_exercise"] if domain == "activity" else [],
        "repeat_after_days": int(rng.choice([1, 1, 1, 2, 7, 30])),
        "evidence": [{"source": "Simulator", "grade": "consensus", "url": None, "date": None}],
        "technique": str(rng.choice(["goal setting", "self-monitoring", "prompts", "information"])),
        "setting": str(rng.choice(["home", "outdoors", "work", "anywhere"])),
    }


def make_menu(rows: Sequence[ActionRow], seed: int) -> Menu:
    """Give each action its hidden parameters."""
    hidden = np.array([_hidden(str(row["action_id"]), seed) for row in rows])
    hidden = hidden.reshape(len(rows), TASTE_RANK + 2)
    repeat = np.array([float(row.get("repeat_after_days") or 1.0) for row in rows])
    seldom = repeat >= _SELDOM_DAYS
    suited = [_suited(row) for row in rows]
    launched = hidden[:, 1] >= (
        _NEW_ACTION_SHARE if len(rows) >= _FEWEST_ACTIONS_WITH_NEW_ONES else 0.0
    )
    return Menu(
        ids=tuple(str(row["action_id"]) for row in rows),
        rows=tuple(rows),
        appeal=hidden[:, 0],
        taste=hidden[:, 2:],
        traits=np.array([_traits(row) for row in rows]),
        targets=np.array([_target_shares(row) for row in rows]),
        memory_days=np.where(seldom, repeat, _HABIT_HALF_LIFE_DAYS),
        seldom=seldom,
        min_age=np.array([ages[0] for ages in suited], dtype=np.float64),
        max_age=np.array([ages[1] for ages in suited], dtype=np.float64),
        sex=np.array([SEX_CODES[sex] if sex else 0 for _, _, sex in suited], dtype=np.int8),
        launched=launched if launched.sum() >= SLATE_SIZE else np.ones(len(rows), dtype=np.bool_),
    )


def _hidden(action_id: str, seed: int) -> FloatArray:
    rng = np.random.default_rng([seed, 12, zlib.crc32(action_id.encode())])
    return np.concatenate([[rng.normal(), rng.random()], rng.normal(size=TASTE_RANK)])


def _suited(row: ActionRow) -> tuple[int, int, str | None]:
    found = [_SUITED[tag] for tag in row.get("tags") or () if tag in _SUITED]
    return found[0] if found else (0, 200, None)


def _traits(row: ActionRow) -> list[float]:
    effort = (float(row.get("effort") or 3) - 3.0) / 1.4
    minutes = (np.log1p(float(row.get("minutes") or 10.0)) - 2.5) / 1.0
    sugar = float(not {"glucose", "hba1c"}.isdisjoint(row.get("targets") or ()))
    return [effort, float(minutes), sugar, *(float(row["domain"] == name) for name in DOMAINS)]


def _target_shares(row: ActionRow) -> FloatArray:
    shares = np.zeros(len(METRICS))
    known = [METRIC_INDEX[name] for name in row.get("targets") or () if name in METRIC_INDEX]
    shares[known] = 1.0 / max(len(known), 1)
    return shares
