"""Whether people look as they did when the published run was trained, feature by feature.

Each run keeps a picture of the people it saw: how many fall between which values of each feature.
A picture holds no one's values: its bins hold at least ``LEAST_PEOPLE`` where it was taken, counts
are rounded to tens, and edges to three digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from recommender.dataset import FloatArray, IntArray, Records
from recommender.features.space import FeatureSpace, raw_columns

LEAST_PEOPLE = 20
_ROUNDED_TO = 10
_MOST_BINS = 10
_CHANCE = 0.001
_DERIVED = (":deviation", ":trend", ":change")
_FORMS = ("", ":above_median", ":missing")


@dataclass(frozen=True)
class Column:
    """How the people of one instant spread over the values of one feature.

    Attributes
    ----------
    edges
        Between bins, in the feature's unit, ascending; a value on an edge is below it.
    counts
        People in each bin, one more than edges.
    missing
        People of whom it is not known.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int

    @property
    def known(self) -> int:
        """People of whom it is known."""
        return sum(self.counts)

    @property
    def is_flag(self) -> bool:
        """Whether it is a yes-or-no column."""
        return "=" in self.name

    @property
    def present(self) -> float:
        """Share of people of whom it is known, or for whom a yes-or-no column says yes."""
        have = self.counts[-1] if self.is_flag else self.known
        return have / max(self.known + self.missing, 1)


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature then and now.

    Attributes
    ----------
    psi
        Population stability index of the known values.
    beyond_chance
        Whether so large an index would come of chance alone less than once in a thousand times.
    present_before, present_now
        Share of people of whom it is known (for whom it says yes, for a yes-or-no column).
    """

    name: str
    psi: float
    beyond_chance: bool
    present_before: float
    present_now: float


def picture(space: FeatureSpace, records: Records, at: float) -> tuple[Column, ...]:
    """Take the picture of the people as of an instant, with bins of its own.

    Readings count by their level: its trend, change and distance from the target follow from it.
    Yes-or-no columns that say yes for fewer than ``LEAST_PEOPLE`` are left out.
    """
    names, values = raw_columns(space, records, at)
    kept = set(space.names)
    return tuple(
        _column(name, values[:, place], _edges(name, values[:, place]))
        for place, name in enumerate(names)
        if _used(name, kept) and ("=" not in name or values[:, place].sum() >= LEAST_PEOPLE)
    )


def compare(
    before: Iterable[Column], space: FeatureSpace, records: Records, at: float
) -> list[FeatureDrift]:
    """Compare an earlier picture with the people as of an instant.

    Parameters
    ----------
    space
        That of the run the picture was taken with.
    """
    names, values = raw_columns(space, records, at)
    place = {name: number for number, name in enumerate(names)}
    return [
        _drift(column, _column(column.name, values[:, place[column.name]], column.edges))
        for column in before
        if column.name in place
    ]


def population_stability(before: Sequence[int], now: Sequence[int]) -> float:
    """Population stability index of two histograms over the same bins.

    The sum of ``(now - before) * ln(now / before)`` of the shares; half a person is added to each
    bin, so that an empty one is not infinitely surprising. Below .1 is called stable, above .25 a
    shift (Siddiqi, Credit Risk Scorecards, 2006).

    >>> round(population_stability([50, 50], [50, 50]), 4)
    0.0
    >>> round(population_stability([500, 500], [250, 750]), 2)
    0.27
    """
    one, two = (np.asarray(counts, np.float64) + 0.5 for counts in (before, now))
    one, two = one / one.sum(), two / two.sum()
    return float(((two - one) * np.log(two / one)).sum())


def picture_document(columns: Iterable[Column]) -> list[dict[str, Any]]:
    """A picture as JSON."""
    return [
        {
            "feature": column.name,
            "edges": list(column.edges),
            "people": list(column.counts),
            "unknown": column.missing,
        }
        for column in columns
    ]


def picture_from(document: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """A picture back from JSON."""
    return tuple(
        Column(entry["feature"], tuple(entry["edges"]), tuple(entry["people"]), entry["unknown"])
        for entry in document
    )


def _used(name: str, kept: set[str]) -> bool:
    stem = name.removesuffix(":level")
    return not name.endswith(_DERIVED) and (
        name in kept or any(f"{stem}{form}" in kept for form in _FORMS)
    )


def _edges(name: str, values: FloatArray) -> tuple[float, ...]:
    if "=" in name:
        return (0.5,)
    known = values[~np.isnan(values)]
    bins = min(_MOST_BINS, len(known) // LEAST_PEOPLE)
    if bins < 2:
        return ()
    inner = np.quantile(known, np.arange(1, bins) / bins)
    # Half a digit is not what tells populations apart, and no one's own value is an edge.
    return tuple(dict.fromkeys(float(f"{edge:.3g}") for edge in inner))


def _column(name: str, values: FloatArray, edges: tuple[float, ...]) -> Column:
    known = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    missing = np.array([len(values) - len(known)])
    return Column(name, edges, tuple(_rounded(counts).tolist()), int(_rounded(missing)[0]))


def _rounded(counts: IntArray) -> IntArray:
    return np.asarray(np.rint(counts / _ROUNDED_TO) * _ROUNDED_TO, np.int64)


def _drift(before: Column, now: Column) -> FeatureDrift:
    psi = population_stability(before.counts, now.counts)
    bins = len(before.counts)
    # Between samples of one population the index times 1 / (1/n + 1/m) is about chi-squared
    # (Yurdakul & Naranjo, Journal of Risk Model Validation, 2020).
    rareness = 1.0 / max(before.known, 1) + 1.0 / max(now.known, 1)
    by_chance = float(chi2.isf(_CHANCE, bins - 1)) * rareness if bins > 1 else np.inf
    return FeatureDrift(before.name, psi, psi > by_chance, before.present, now.present)
