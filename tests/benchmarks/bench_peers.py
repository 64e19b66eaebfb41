"""The hybrid beside the field's other models, on worlds whose true probabilities are known.

``python -m tests.benchmarks.bench_peers --worlds plain strong --seeds 21 22 --budget 60``

Every model learns from the same records and is asked for everyone and every action. NDCG@10 has
the true probabilities as gains; log loss, Brier score and calibration error are against them as
well. Intervals are of people drawn anew, all of a person's seeds and models together.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recommender.dataset import FloatArray, IntArray
from recommender.models.hybrid import fit
from recommender.quality import ndcg_at_k
from recommender.resampling import Figure, figure, ratio, resampled_sums
from recommender.resources import data_path
from tests.benchmarks import peer_lightfm, peer_lightgbm, peers
from tests.benchmarks.bench_quality import calibration, ceiling
from tests.benchmarks.cohorts import VARIANTS, Cohort
from tests.benchmarks.peer_task import sigmoid, task_of
from tests.benchmarks.peer_worlds import SIMULATED, world_of
from tests.benchmarks.peers import Answer

HYBRID, CEILING = "**hybrid**", "true parameters"
NEEDED = ("lightfm", "lightgbm")
WORLDS = (*(name for name, variant in VARIANTS.items() if variant.impressions_logged), SIMULATED)
FIGURES = ("log_loss", "brier", "calibration", "search_seconds", "fit_seconds")
COLUMNS = (
    "model", "all", "history", "no history", "changed", "log loss", "Brier", "calibration",
    "search s", "fit s", "hybrid is better by",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """One model in one world: NDCG@10 of each person, and figures of the whole."""

    gain: FloatArray
    log_loss: float
    brier: float
    calibration: float
    search_seconds: float
    fit_seconds: float


@dataclass(frozen=True)
class Outcome:
    """All models in one world: segment of each person, and figures by name."""

    segment: IntArray
    judged: dict[str, Judged]

    def write(self, path: Path) -> None:
        arrays = {f"gain:{name}": one.gain for name, one in self.judged.items()}
        rest = [[getattr(one, f) for f in FIGURES] for one in self.judged.values()]
        np.savez_compressed(path, segment=self.segment, rest=np.array(rest), **arrays)

    @classmethod
    def read(cls, path: Path) -> Outcome:
        with np.load(path) as kept:
            names = [name[5:] for name in kept.files if name.startswith("gain:")]
            rest = kept["rest"].tolist()
            judged = {
                name: Judged(kept[f"gain:{name}"], *row)
                for name, row in zip(names, rest, strict=True)
            }
            return cls(kept["segment"], judged)


def missing() -> list[str]:
    """Packages of the peers that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def hybrid(world: Cohort) -> Answer:
    """The engine's own model, settings and all as ``recommender train`` has them."""
    began = time.process_time()
    model = fit(world.records, world.catalogue, world.metrics, world.as_of)
    seconds = time.process_time() - began
    scores = model.score(world.records, world.as_of).sum(axis=2)
    return Answer(HYBRID, scores, sigmoid(scores), {}, 0, 0.0, seconds)


def entrants(world: Cohort, name: str, budget: float) -> list[Answer]:
    """Answers of all models; what each chose goes to standard error."""
    task = task_of(world)
    taking_part = [peers.POPULARITY, peers.IALS, peers.EASE]
    if not missing():
        taking_part += [peer_lightfm.warp(), peer_lightfm.logistic(), peer_lightgbm.boosting()]
    answers = []
    for peer in taking_part:
        answers.append(peers.answer(peer, task, budget))
        _tell(answers[-1])
    answers.append(hybrid(world))
    if name != SIMULATED:
        scores = ceiling(world)
        answers.append(Answer(CEILING, scores, sigmoid(scores), {}, 0, 0.0, 0.0))
    return answers


def judge(world: Cohort, answer: Answer) -> Judged:
    """Figures of an answer against the truth."""
    gain, p = ndcg_at_k(world.p, answer.scores), answer.p
    search, fitted = answer.search_seconds, answer.fit_seconds
    if p is None:
        return Judged(gain, np.nan, np.nan, np.nan, search, fitted)
    sure = np.clip(p, 1e-12, 1 - 1e-12)
    nats = -(world.p * np.log(sure) + (1 - world.p) * np.log1p(-sure)).mean()
    brier = float(((p - world.p) ** 2).mean())
    return Judged(gain, float(nats), brier, calibration(p, world.p), search, fitted)


def table(outcomes: Sequence[Outcome]) -> str:
    """Means over seeds, and how much better the hybrid is than each in NDCG@10 over all people."""
    segment = np.concatenate([one.segment for one in outcomes])
    ours = gains(outcomes, HYBRID)
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for name in outcomes[0].judged:
        all_of = [one.judged[name] for one in outcomes]
        gain = np.concatenate([one.gain for one in all_of])
        cells = [name, f"{gain.mean():.4f}"]
        cells += [f"{gain[segment == place].mean():.4f}" for place in range(3)]
        cells += [_number(np.mean([getattr(one, f) for one in all_of])) for f in FIGURES[:3]]
        cells += [f"{np.mean([one.search_seconds for one in all_of]):.0f}"]
        cells += [f"{np.mean([one.fit_seconds for one in all_of]):.1f}"]
        cells += ["" if name == HYBRID else _percent(better(ours, gain))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def better(ours: FloatArray, theirs: FloatArray) -> Figure:
    """By which share our mean is above theirs, people drawn anew."""
    drawn = resampled_sums(np.stack([ours, theirs], axis=1), seed=0)
    return figure(float(ours.mean() / theirs.mean() - 1.0), ratio(drawn[:, 0], drawn[:, 1]) - 1.0)


def gains(outcomes: Sequence[Outcome], name: str) -> FloatArray:
    """NDCG@10 of everyone in all seeds."""
    return np.concatenate([one.judged[name].gain for one in outcomes])


def best_peer(outcomes: Sequence[Outcome]) -> str:
    """Name of the peer with the highest mean NDCG@10."""
    names = [name for name in outcomes[0].judged if name not in (HYBRID, CEILING)]
    return max(names, key=lambda name: float(gains(outcomes, name).mean()))


def measure(name: str, seed: int, budget: float) -> Outcome:
    """All models in one world."""
    sys.stderr.write(f"{name} {seed}\n")
    world = world_of(name, seed)
    judged = {one.name: judge(world, one) for one in entrants(world, name, budget)}
    return Outcome(world.segment, judged)


def measured(name: str, seed: int, budget: float, keep: Path | None) -> Outcome:
    """As ``measure``, unless the folder has it already; a long run can be taken up again."""
    path = None if keep is None else keep / f"{name}-{seed}-{budget:g}.npz"
    if path is not None and path.is_file():
        return Outcome.read(path)
    outcome = measure(name, seed, budget)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        outcome.write(path)
    return outcome


def report(outcomes: Sequence[Outcome]) -> str:
    """Table and verdict of one world."""
    best = best_peer(outcomes)
    found = better(gains(outcomes, HYBRID), gains(outcomes, best))
    verdict = f"Best peer: {best}. The hybrid is {_percent(found)} above it."
    return f"{table(outcomes)}\n\n{verdict}\n"


def _tell(answer: Answer) -> None:
    chosen = " ".join(f"{key}={value:g}" for key, value in answer.settings.items())
    sys.stderr.write(f"  {answer.name}: {answer.tried} settings tried; {chosen}\n")
    sys.stderr.flush()


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _percent(value: Figure) -> str:
    shares = (value.value, value.low, value.high)
    middle, low, high = (f"{100 * share:+.1f}" for share in shares)
    return f"{middle} % ({low} to {high})"


def main(arguments: Sequence[str]) -> None:
    """Print a table a world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[21, 22])
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a model and world")
    parser.add_argument("--keep", type=Path, help="folder to keep outcomes in, and take up from")
    given = parser.parse_args(arguments)
    # before anything is loaded that reads it: on a busy machine LightGBM's threads wait for each
    # other a hundred times as long as they work
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("RECOMMENDER_NHANES", str(data_path("sample/nhanes_adults.csv")))
    if missing():
        sys.stdout.write(f"Not installed, so left out: {', '.join(missing())}\n")
    for name in given.worlds:
        found = [measured(name, seed, given.budget, given.keep) for seed in given.seeds]
        seeds = " ".join(map(str, given.seeds))
        sys.stdout.write(f"\n### {name}, seeds {seeds}\n\n{report(found)}")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
