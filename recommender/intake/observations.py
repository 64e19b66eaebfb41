"""Checks of biometric records; values leave in the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender import columns
from recommender.dataset import BoolArray, FloatArray, IntArray
from recommender.domain import MetricsList
from recommender.errors import MetricError
from recommender.formats.chunk import Chunk
from recommender.intake import fields
from recommender.intake.checked import Checked, Shape, begin, finish
from recommender.intake.failures import Failures, ReasonCode
from recommender.metrics_list import conversion

OBSERVATIONS = Shape(
    kind="observations",
    key=columns.OBSERVATION_ID,
    required=(
        columns.OBSERVATION_ID,
        columns.USER_ID,
        columns.METRIC,
        columns.VALUE,
        columns.OBSERVED_AT,
    ),
    optional=(columns.UNIT, columns.SOURCE),
)


@dataclass(frozen=True, slots=True)
class _Conversions:
    """One entry a record; factor is NaN where metric and unit don't go together."""

    metric: IntArray
    factor: FloatArray
    offset: FloatArray


def check_observations(chunk: Chunk, path: str, metrics: MetricsList, now: datetime) -> Checked:
    """Check biometric records and convert their values.

    Columns without a meaning are not kept; ``Checked.ignored`` names them.

    Parameters
    ----------
    now
        Readings more than five minutes later are in the future.

    Raises
    ------
    MalformedFileError
        A file lacks a required column.
    """
    failures = begin(chunk, OBSERVATIONS, path)
    own = fields.ids(chunk.column(columns.OBSERVATION_ID), columns.OBSERVATION_ID, failures)
    user = fields.ids(chunk.column(columns.USER_ID), columns.USER_ID, failures)
    place = _metric(chunk, metrics, failures)
    unit = fields.texts(chunk.column(columns.UNIT), columns.UNIT, failures)
    raw = fields.numbers(chunk.column(columns.VALUE), columns.VALUE, failures)
    fields.require(raw, columns.VALUE, failures)
    at = fields.instants(chunk.column(columns.OBSERVED_AT), columns.OBSERVED_AT, now, failures)
    fields.require(at, columns.OBSERVED_AT, failures)
    source = fields.texts(chunk.column(columns.SOURCE), columns.SOURCE, failures)
    value = _converted(place, unit, raw, metrics, failures)
    own_units = pa.array([metric.unit for metric in metrics.metrics], pa.string()).take(place)
    clean = {
        columns.OBSERVATION_ID: own,
        columns.USER_ID: user,
        columns.METRIC: pa.array(metrics.names, pa.string()).take(place),
        columns.VALUE: value,
        columns.UNIT: own_units,
        columns.RAW_VALUE: raw,
        columns.RAW_UNIT: pc.coalesce(unit, own_units),
        columns.OBSERVED_AT: at,
        columns.SOURCE: source,
    }
    ignored = OBSERVATIONS.others(chunk)
    return finish(chunk, OBSERVATIONS, failures, clean, user_ids=user, ignored=ignored)


def _metric(chunk: Chunk, metrics: MetricsList, failures: Failures) -> pa.Array:
    """Places in the metric list, null where unknown."""
    given = fields.texts(chunk.column(columns.METRIC), columns.METRIC, failures)
    fields.require(given, columns.METRIC, failures)
    codes = list(metrics.by_code)
    places = pa.array([metrics.index[metrics.by_code[code]] for code in codes], pa.int64())
    found = places.take(pc.index_in(given, value_set=pa.array(codes, pa.string())))
    failures.add(
        fields.mask_of(pc.and_(given.is_valid(), found.is_null())),
        ReasonCode.UNKNOWN_METRIC,
        lambda row: f"no metric has the name or LOINC code {given[row].as_py()!r}",
    )
    return found


def _converted(
    place: pa.Array, unit: pa.Array, raw: pa.Array, metrics: MetricsList, failures: Failures
) -> pa.Array:
    """Values in the metrics' units; fails units that don't fit and implausible values."""
    how = _conversions(place, unit, metrics)
    known = how.metric >= 0
    failures.add(
        known & np.isnan(how.factor),
        ReasonCode.UNKNOWN_UNIT,
        lambda row: (
            f"{metrics.names[how.metric[row]]} is not measured in {unit[row].as_py()!r}, "
            f"its unit is {metrics.metrics[how.metric[row]].unit}"
        ),
    )
    value = how.factor * pc.fill_null(raw, np.nan).to_numpy() + how.offset
    failures.add(
        known & _implausible(value, how.metric, metrics),
        ReasonCode.IMPLAUSIBLE,
        lambda row: _plausible_range(metrics, int(how.metric[row])),
    )
    return pa.array(value, pa.float64())


def _conversions(place: pa.Array, unit: pa.Array, metrics: MetricsList) -> _Conversions:
    """Look up each distinct pair of metric and unit once."""
    encoded = unit.dictionary_encode()
    units = [*encoded.dictionary.to_pylist(), None]
    which = pc.fill_null(encoded.indices, len(units) - 1).to_numpy().astype(np.int64)
    metric = pc.fill_null(place, -1).to_numpy()
    pairs, inverse = np.unique((metric + 1) * len(units) + which, return_inverse=True)
    table = np.array([_factor_offset(int(pair), units, metrics) for pair in pairs])
    factor, offset = table.reshape(-1, 2)[inverse].T
    return _Conversions(metric, factor, offset)


def _factor_offset(pair: int, units: list[str | None], metrics: MetricsList) -> tuple[float, float]:
    place, which = divmod(pair, len(units))
    if place == 0:
        return np.nan, np.nan
    try:
        return conversion(metrics.metrics[place - 1], units[which])
    except MetricError:
        return np.nan, np.nan


def _implausible(value: FloatArray, metric: IntArray, metrics: MetricsList) -> BoolArray:
    low = np.array([each.plausible_low for each in metrics.metrics])[metric]
    high = np.array([each.plausible_high for each in metrics.metrics])[metric]
    # A value that is NaN has failed for another reason already.
    outside: BoolArray = (value < low) | (value > high)
    return outside


def _plausible_range(metrics: MetricsList, place: int) -> str:
    metric = metrics.metrics[place]
    return (
        f"{metric.name} outside {metric.plausible_low:g} to {metric.plausible_high:g} "
        f"{metric.unit}, its plausible range"
    )
