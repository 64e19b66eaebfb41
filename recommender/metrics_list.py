"""The metrics a deployment knows: names, codes, units, plausible and target ranges.

``data/metrics.toml`` describes them; operators may point to a file of their own. Conversions are
written out there as ``value_in_unit = factor * value + offset``, so that loading needs no units
library; a unit without a factor is worked out from its UCUM code, which takes about half a second
once.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from recommender.domain import AcceptedUnit, Metric, MetricsList
from recommender.errors import MetricError

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOINC = re.compile(r"\d{1,7}-\d")
_RANGE_KEYS = {"plausible", "target"}
_KEYS = {field.name for field in fields(Metric)} - {"plausible_low", "plausible_high"}
_TEXTS = ("name", "label", "unit", "source", "date")

Aliases = Mapping[str, tuple[str, ...]]


def load_metrics(path: Path) -> MetricsList:
    """Read and check a metric list.

    Returns
    -------
    MetricsList
        In the file's order. ``accepted`` of each metric holds every spelling a reading's unit may
        have, everyday ones included.

    Raises
    ------
    MetricError
        The file can't be read or an entry is wrong; names the entry and what is wrong with it.
    """
    document = _read(path)
    aliases = {unit: tuple(names) for unit, names in document.get("unit_aliases", {}).items()}
    entries = document.get("metric", [])
    metrics = tuple(_metric(entry, place, aliases) for place, entry in enumerate(entries, 1))
    if not metrics:
        raise MetricError(f"{path.name}: holds no [[metric]]")
    _check_unique("name", [metric.name for metric in metrics])
    _check_unique("LOINC code", [code for metric in metrics for code in metric.loinc])
    return MetricsList(metrics)


def conversion(metric: Metric, unit: str | None) -> tuple[float, float]:
    """Factor and offset that turn a value in ``unit`` into one in the metric's own unit.

    An absent or empty unit is the metric's own. The listed units are matched exactly first, then
    regardless of case; any other UCUM unit of the same physical dimension is worked out. Counts
    and scores have no dimension, so for them the list is all there is.

    Raises
    ------
    MetricError
        The metric does not come in this unit.
    """
    if not unit or unit == metric.unit:
        return 1.0, 0.0
    folded = unit.strip().casefold()
    for accepted in metric.accepted:
        if accepted.unit == unit:
            return accepted.factor, accepted.offset
    for accepted in metric.accepted:
        if accepted.unit.casefold() == folded:
            return accepted.factor, accepted.offset
    if folded == metric.unit.casefold():
        return 1.0, 0.0
    try:
        return _worked_out(unit.strip(), metric.unit)
    except MetricError:
        raise MetricError(
            f"{metric.name} is not measured in {unit!r} (its unit is {metric.unit})"
        ) from None


@lru_cache(maxsize=1024)
def _worked_out(unit: str, into: str) -> tuple[float, float]:
    """Like ``ucum_conversion``, for physical quantities only: a percentage is no score."""
    factor, offset = ucum_conversion(unit, into)
    if _ucum_registry().from_ucum(into).units.dimensionless:
        raise MetricError(f"{into!r} has no dimension")
    return factor, offset


def ucum_conversion(unit: str, into: str) -> tuple[float, float]:
    """Factor and offset between two UCUM units, from dimensional analysis alone.

    Raises
    ------
    MetricError
        A code is not UCUM, or the two measure different things.
    """
    registry = _ucum_registry()
    try:
        here, there = registry.from_ucum(unit).units, registry.from_ucum(into).units
        offset = float(registry.Quantity(0.0, here).to(there).magnitude)
        factor = float(registry.Quantity(1.0, here).to(there).magnitude) - offset
    except Exception as error:  # pint, lark and ucumvert raise without a common root
        raise MetricError(f"no UCUM conversion from {unit!r} to {into!r}") from error
    return factor, offset


@cache
def _ucum_registry() -> Any:
    # Slow to load (0.5 s), and needed only for units that the list does not spell out.
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MetricError(f"{path.name}: {error}") from error


def _metric(entry: Mapping[str, Any], place: int, aliases: Aliases) -> Metric:
    where = f"metric {entry.get('name', f'number {place}')}"
    _check_keys(entry, where)
    plausible_low, plausible_high = _bounds(entry["plausible"], f"{where}: plausible")
    target_low, target_high = _target(entry, where)
    metric = Metric(
        **{key: str(entry[key]) for key in _TEXTS},
        loinc=tuple(entry.get("loinc", ())),
        plausible_low=plausible_low,
        plausible_high=plausible_high,
        fresh_days=_number(entry["fresh_days"], f"{where}: fresh_days"),
        accepted=_accepted(entry, where, aliases),
        target_low=target_low,
        target_high=target_high,
        target_scale=_number(entry.get("target_scale", 1.0), f"{where}: target_scale"),
        verified=str(entry.get("verified", "secondary")),
        agree_within=_optional(entry, "agree_within", where),
        jump=_optional(entry, "jump", where),
    )
    _check_values(metric, where)
    return metric


def _check_keys(entry: Mapping[str, Any], where: str) -> None:
    required = {*_TEXTS, "plausible", "fresh_days"}
    if missing := sorted(required - set(entry)):
        raise MetricError(f"{where}: lacks {', '.join(missing)}")
    if unknown := sorted(set(entry) - _KEYS - _RANGE_KEYS):
        raise MetricError(f"{where}: does not know {', '.join(unknown)}")


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MetricError(f"{where}: {value!r} is not a number")
    return float(value)


def _optional(entry: Mapping[str, Any], key: str, where: str) -> float | None:
    return _number(entry[key], f"{where}: {key}") if key in entry else None


def _bounds(value: object, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise MetricError(f"{where}: expected [low, high]")
    low, high = (_number(bound, where) for bound in value)
    if low >= high:
        raise MetricError(f"{where}: low end {low:g} is not below high end {high:g}")
    return low, high


def _target(entry: Mapping[str, Any], where: str) -> tuple[float | None, float | None]:
    if "target" in entry:
        return _bounds(entry["target"], f"{where}: target")
    return _optional(entry, "target_low", where), _optional(entry, "target_high", where)


def _accepted(entry: Mapping[str, Any], where: str, aliases: Aliases) -> tuple[AcceptedUnit, ...]:
    own = str(entry["unit"])
    given = [_accepted_unit(item, own, where) for item in entry.get("accepted", ())]
    spelled = {unit.unit: unit for unit in given} | {own: AcceptedUnit(own, 1.0)}
    for unit in list(spelled.values()):
        for alias in aliases.get(unit.unit, ()):
            # A code the entry gives itself beats an everyday spelling of another of its units.
            spelled.setdefault(alias, AcceptedUnit(alias, unit.factor, unit.offset))
    del spelled[own]
    return tuple(spelled.values())


def _accepted_unit(item: Mapping[str, Any], own: str, where: str) -> AcceptedUnit:
    if not item.get("unit") or not set(item) <= {"unit", "factor", "offset"}:
        raise MetricError(f"{where}: accepted takes unit, factor and offset, not {dict(item)}")
    unit = str(item["unit"])
    if "factor" not in item:
        return AcceptedUnit(unit, *ucum_conversion(unit, own))
    factor = _number(item["factor"], f"{where}: factor of {unit}")
    if factor <= 0:
        raise MetricError(f"{where}: factor of {unit} must be above 0")
    return AcceptedUnit(unit, factor, _number(item.get("offset", 0.0), f"{where}: offset"))


def _check_values(metric: Metric, where: str) -> None:
    problems = {
        "name must be lower case letters, digits and _": not _NAME.fullmatch(metric.name),
        "a text is empty": not all(getattr(metric, key).strip() for key in _TEXTS),
        "loinc is not a LOINC code": not all(_LOINC.fullmatch(code) for code in metric.loinc),
        "fresh_days must be above 0": metric.fresh_days <= 0,
        "target_scale must be above 0": metric.target_scale <= 0,
        "agree_within and jump must not be below 0": min(metric.agree_within or 0, metric.jump or 0)
        < 0,
        "target lies outside the plausible range": not _target_is_plausible(metric),
        "verified is primary or secondary": metric.verified not in ("primary", "secondary"),
    }
    for problem, found in problems.items():
        if found:
            raise MetricError(f"{where}: {problem}")


def _target_is_plausible(metric: Metric) -> bool:
    ends = [end for end in (metric.target_low, metric.target_high) if end is not None]
    return all(metric.plausible_low <= end <= metric.plausible_high for end in ends)


def _check_unique(what: str, values: list[str]) -> None:
    if repeated := [value for value, count in Counter(values).items() if count > 1]:
        raise MetricError(f"{what} given twice: {', '.join(repeated)}")
