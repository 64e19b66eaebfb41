"""The leaderboard: figures of every entrant with intervals, and the hybrid's lead over each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recommender.dataset import FloatArray
from recommender.leaderboard.entrants import HYBRID, Entrant
from recommender.leaderboard.held_out import HeldOut
from recommender.leaderboard.replay import Replayed, replay
from recommender.leaderboard.tally import (
    BINS,
    Tally,
    calibration_sums,
    catalogue_tally,
    corrected_tally,
    coverage,
    equally_full,
    inter_user_distance,
    joined,
    mean,
    novelty_tally,
    shown_tally,
)
from recommender.resampling import Figure, figure, ratio, resampled_sums

CALIBRATION = "expected_calibration_error"

Sample = tuple[float, FloatArray]
"""A figure and its values for people drawn anew."""

_CHANCE_DRAWS = 50


@dataclass(frozen=True)
class Judged:
    """An entrant with its answers and what they come to, a person apart."""

    entrant: Entrant
    replayed: Replayed
    tallies: Mapping[str, Tally]


@dataclass(frozen=True)
class Line:
    """One line of the leaderboard.

    Attributes
    ----------
    figures
        By name; what has no interval by people (coverage, distance) has NaN ends.
    hybrid_minus
        The hybrid's figure minus this one, the same people drawn for both; empty for the hybrid.
    """

    name: str
    label: str
    settings: Mapping[str, float]
    figures: Mapping[str, Figure]
    hybrid_minus: Mapping[str, Figure]


def judge(held: HeldOut, entrant: Entrant, n_actions: int, seed: int) -> Judged:
    """Replay an entrant and add up its figures."""
    replayed = replay(held, entrant.scores, n_actions, seed)
    tallies = joined(
        catalogue_tally(held, replayed),
        corrected_tally(held, replayed, n_actions),
        {"novelty": novelty_tally(held, replayed, n_actions)},
        shown_tally(held, replayed.row_score, entrant.gives_probability) if len(held.rows) else {},
    )
    return Judged(entrant, replayed, tallies)


def leaderboard(
    held: HeldOut, entrants: Sequence[Judged], n_actions: int, seed: int
) -> tuple[Line, ...]:
    """Put intervals on everyone's figures and compare them with the hybrid's."""
    samples = [sampled(held, one.tallies, one.replayed.row_score, seed) for one in entrants]
    best = samples[[one.entrant.name for one in entrants].index(HYBRID)]
    return tuple(
        _line(one, own, best if one.entrant.name != HYBRID else {}, n_actions)
        for one, own in zip(entrants, samples, strict=True)
    )


def kept_up_to_date(held: HeldOut, row_score: FloatArray, seed: int) -> dict[str, Figure]:
    """Figures of predicting impressions by the log-odds given for each row."""
    tallies = shown_tally(held, row_score, gives_probability=True)
    own = sampled(held, tallies, row_score, seed)
    return {name: figure(*sample) for name, sample in own.items()}


def sampled(
    held: HeldOut, tallies: Mapping[str, Tally], row_score: FloatArray, seed: int
) -> dict[str, Sample]:
    """Each figure with its values for people drawn anew, the same people for every entrant."""
    columns = [side for tally in tallies.values() for side in (tally.above, tally.below)]
    sums = resampled_sums(np.stack(columns, axis=1), seed)
    out = {
        name: (mean(tally), ratio(sums[:, 2 * place], sums[:, 2 * place + 1]))
        for place, (name, tally) in enumerate(tallies.items())
    }
    if "log_loss" in out:
        surplus, weight = calibration_sums(held, row_score)
        error = float(np.abs(surplus.sum(axis=0)).sum() / weight.sum())
        sums = resampled_sums(np.concatenate([surplus, weight[:, None]], axis=1), seed)
        drawn = ratio(np.abs(sums[:, :-1]).sum(axis=1), sums[:, -1])
        # Drawing people adds chance, which only ever adds to distances: put the centre back.
        out[CALIBRATION] = (error, np.maximum(drawn - np.nanmean(drawn) + error, 0.0))
    return out


def chance_calibration_error(held: HeldOut, row_score: FloatArray, seed: int) -> float:
    """Calibration error that exact probabilities would show on these rows, by chance alone."""
    random, rows = np.random.default_rng([seed, 76]), held.rows
    p, bins = 1.0 / (1.0 + np.exp(-row_score)), equally_full(row_score, BINS)
    errors = [
        np.abs(np.bincount(bins, rows.weight * (p - (random.random(len(p)) < p)), BINS)).sum()
        for _ in range(_CHANCE_DRAWS)
    ]
    return float(np.mean(errors) / max(rows.weight.sum(), 1e-12))


def _line(one: Judged, own: Mapping[str, Sample], best: Mapping[str, Sample], n: int) -> Line:
    listed = one.replayed.listed
    figures = {name: figure(*sample) for name, sample in own.items()}
    figures["coverage"] = Figure(coverage(listed, n), np.nan, np.nan)
    figures["inter_user_distance"] = Figure(inter_user_distance(listed), np.nan, np.nan)
    lead = {
        name: figure(best[name][0] - value, best[name][1] - drawn)
        for name, (value, drawn) in own.items()
        if name in best
    }
    return Line(one.entrant.name, one.entrant.label, one.entrant.settings, figures, lead)
