"""Off-policy estimates beside what really happened, on two logged policies over 80 items.

``python -m tests.benchmarks.bench_open_bandit [FOLDER]`` where FOLDER holds ``random/all.csv`` and
``bts/all.csv`` of the Open Bandit sample (Saito et al. 2020): 10,000 decisions each of a uniform
and of a Thompson sampling policy, with the probability of what was shown, and clicks. Each
policy's click rate is estimated from the other's log and compared with its own. Without FOLDER
the sample is looked for beside the project, and skipped if it is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recommender.dataset import FloatArray, IntArray
from recommender.off_policy import Estimates, Logged, estimate
from recommender.resampling import Figure, figure, ratio, resampled_sums

BESIDE = Path(__file__).parents[3] / "shared" / "data" / "open_bandit"
ITEMS, POSITIONS = 80, 3
FOLDS = 5
PRIOR_CLICKS = 20.0
"""Decisions at the overall rate that every item is credited with in the reward model."""


def read(path: Path) -> pd.DataFrame:
    """Item, position (from 0), click and propensity of each decision."""
    log = pd.read_csv(path, usecols=["item_id", "position", "click", "propensity_score"])
    log["position"] = log["position"].rank(method="dense").astype(int) - 1
    return log


def policy_of(log: pd.DataFrame, name: str) -> FloatArray:
    """Probability of each item at each position, shape [POSITIONS, ITEMS].

    Exact for the uniform policy. Thompson sampling moved with time, and the log tells its
    probabilities for the shown items only, so its average is taken: how often it showed each.
    """
    if name == "random":
        return np.full((POSITIONS, ITEMS), 1.0 / ITEMS)
    cell = log["position"].to_numpy() * ITEMS + log["item_id"].to_numpy()
    shown = np.bincount(cell, minlength=POSITIONS * ITEMS).reshape(POSITIONS, ITEMS)
    return np.asarray(shown / shown.sum(axis=1, keepdims=True))


def predicted_clicks(log: pd.DataFrame, fold: IntArray) -> FloatArray:
    """Shrunk click rate of each item from the other folds, shape [FOLDS, ITEMS]."""
    item, click = log["item_id"].to_numpy(), log["click"].to_numpy(np.float64)
    out = np.empty((FOLDS, ITEMS))
    for own in range(FOLDS):
        other = fold != own
        shown = np.bincount(item[other], minlength=ITEMS)
        clicked = np.bincount(item[other], click[other], ITEMS)
        rate = clicked.sum() / shown.sum()
        out[own] = (clicked + PRIOR_CLICKS * rate) / (shown + PRIOR_CLICKS)
    return out


def question(log: pd.DataFrame, target: FloatArray, seed: int = 0) -> Logged:
    """The log as an off-policy question about the target policy."""
    n = len(log)
    item, position = log["item_id"].to_numpy(), log["position"].to_numpy()
    fold = np.random.default_rng(seed).integers(0, FOLDS, n)
    predicted = predicted_clicks(log, fold)
    everything = predicted @ target.T
    shown = np.bincount(item, minlength=ITEMS) > 0
    return Logged(
        decision=np.arange(n),
        reward=log["click"].to_numpy(np.float64),
        propensity=log["propensity_score"].to_numpy(np.float64),
        target=target[position, item],
        predicted=predicted[fold, item],
        person=np.arange(n),  # the sample does not say who was who
        expected=everything[fold, position],
        size=np.ones(n),
        unsupported=(target * ~shown).sum(axis=1)[position],
    )


def click_rate(log: pd.DataFrame) -> Figure:
    """What really happened, with its interval."""
    values = np.stack([log["click"].to_numpy(np.float64), np.ones(len(log))], axis=1)
    drawn = resampled_sums(values, seed=0)
    return figure(float(values[:, 0].mean()), ratio(drawn[:, 0], drawn[:, 1]))


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    folder = Path(arguments[0]) if arguments else BESIDE
    if not arguments and not folder.is_dir():
        sys.stdout.write(f"skipped: the Open Bandit sample is not at {folder}\n")
        return
    logs = {name: read(folder / name / "all.csv") for name in ("random", "bts")}
    heads = ("log", "policy", "really", "IPS", "SNIPS", "doubly robust", "effective", "weights")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for source, target in (("random", "bts"), ("bts", "random")):
        found = estimate(question(logs[source], policy_of(logs[target], target)))
        lines.append(_line(source, target, click_rate(logs[target]), found))
    sys.stdout.write("\n".join(lines) + "\n")


def _line(source: str, target: str, real: Figure, found: Estimates) -> str:
    cells = [source, target, _per_thousand(real)]
    if found.refusal:
        cells += [f"refused: {found.refusal}", "", ""]
    else:
        cells += [_per_thousand(v) for v in (found.ips, found.snips, found.doubly_robust)]
    cells += [f"{found.effective_rows:,.0f}", f"{found.mean_weight:.2f}"]
    return "| " + " | ".join(cells) + " |"


def _per_thousand(value: Figure | None) -> str:
    if value is None:
        return ""
    return f"{1000 * value.value:.1f} ({1000 * value.low:.1f} to {1000 * value.high:.1f})"


if __name__ == "__main__":
    main(sys.argv[1:])
