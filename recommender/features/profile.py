"""Who a person is: age, sex, conditions and whatever further columns users come with.

Which columns matter is learned once from everybody; applying it to one person or to a million
is the same array arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from recommender.dataset import FloatArray, IntArray, ObjectArray, Users
from recommender.domain import SECONDS_PER_DAY, SEX_CODES

DAYS_PER_YEAR = 365.2425
AGE_BANDS = (18.0, 30.0, 45.0, 60.0, 75.0)
"""Lower ends, in years, of the age bands that are crossed with sex."""

RARE_SHARE = 0.01
MOST_LEVELS = 30
_ABSURD = 1e100
_BANDED_SEX = ("female", "male")
_BAND_OF_SEX = np.full(len(SEX_CODES), -1, np.int64)
for _place, _sex in enumerate(_BANDED_SEX):
    _BAND_OF_SEX[SEX_CODES[_sex]] = _place * len(AGE_BANDS)


@dataclass(frozen=True)
class ProfileColumns:
    """Which columns a profile has; numbers first, then yes-or-no columns.

    Attributes
    ----------
    numeric
        Names of numeric attributes, after age.
    levels
        Attribute -> its levels worth a column; an attribute with lists has several at once.
    conditions
        Conditions worth a column.
    """

    numeric: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    conditions: tuple[str, ...]

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numeric columns."""
        return ("profile:age", *(f"profile:{name}" for name in self.numeric))

    @cached_property
    def flag_names(self) -> tuple[str, ...]:
        """Names of the yes-or-no columns."""
        return (
            *(f"profile:sex={sex}" for sex in SEX_CODES if sex != "unknown"),
            *(f"profile:age_from={low:.0f}*sex={sex}" for sex in _BANDED_SEX for low in AGE_BANDS),
            *(f"profile:condition={name}" for name in self.conditions),
            *(
                f"profile:{name}={level}"
                for name, levels in self.levels.items()
                for level in levels
            ),
        )

    def numbers(self, users: Users, at: FloatArray) -> FloatArray:
        """Numeric columns as of each instant, shape [n_instants, n_users, n]; NaN if unknown."""
        out = np.empty((len(at), len(users), 1 + len(self.numeric)))
        out[:, :, 0] = age_years(users, at)
        for place, name in enumerate(self.numeric, start=1):
            values = users.attributes.get(name)
            out[:, :, place] = np.nan if values is None else as_numbers(values)
        return out

    def flags(self, users: Users, at: FloatArray) -> FloatArray:
        """Yes-or-no columns as of each instant, shape [n_instants, n_users, n]."""
        out = np.zeros((len(at), len(users), len(self.flag_names)))
        known = np.flatnonzero(users.sex)
        out[:, known, users.sex[known] - 1] = 1.0
        place = len(SEX_CODES) - 1
        moment, person, column = _age_bands(users, at)
        out[moment, person, place + column] = 1.0
        place += len(_BANDED_SEX) * len(AGE_BANDS)
        place = self._set_conditions(users, out, place)
        for name, levels in self.levels.items():
            values = users.attributes.get(name)
            if values is not None:
                user, level = membership(values, levels)
                out[:, user, place + level] = 1.0
            place += len(levels)
        return out

    def _set_conditions(self, users: Users, out: FloatArray, place: int) -> int:
        if self.conditions and len(users.condition_user):
            code = level_codes(users.condition_name, self.conditions)
            found = code >= 0
            out[:, users.condition_user[found], place + code[found]] = 1.0
        return place + len(self.conditions)


def fit_columns(users: Users) -> ProfileColumns:
    """Decide which columns the profiles of these users deserve."""
    numeric: list[str] = []
    levels: dict[str, tuple[str, ...]] = {}
    for name in sorted(users.attributes):
        values = users.attributes[name]
        if is_numeric(values):
            numeric.append(name)
        else:
            levels[name] = frequent_levels(values, len(users))
    conditions = _frequent(list(map(str, users.condition_name)), len(users))
    return ProfileColumns(tuple(numeric), levels, conditions)


def age_years(users: Users, at: FloatArray) -> FloatArray:
    """Age as of each instant, shape [n_instants, n_users]; NaN if unknown."""
    return (at[:, None] - users.born_at) / (SECONDS_PER_DAY * DAYS_PER_YEAR)


def _age_bands(users: Users, at: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Instants, users and columns of the age band, crossed with sex, that each user is in."""
    first = _BAND_OF_SEX[users.sex]
    # Fills of NaN ages compare as below every band.
    band = np.searchsorted(AGE_BANDS, np.fmax(age_years(users, at), 0.0), side="right") - 1
    moment, person = np.nonzero((band >= 0) & (first >= 0))
    return moment, person, first[person] + band[moment, person]


def as_numbers(values: ObjectArray) -> FloatArray:
    """Numbers of an attribute, NaN where there is none.

    >>> as_numbers(np.array([1, None, "2", "many"], dtype=object)).tolist()
    [1.0, nan, 2.0, nan]
    """
    try:
        numbers: FloatArray = values.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.fromiter(map(_number, values), np.float64, len(values))
    return np.where(np.abs(numbers) < _ABSURD, numbers, np.nan)


def is_numeric(values: ObjectArray) -> bool:
    """Tell whether an attribute holds numbers and nothing else (yes and no are not numbers)."""
    kinds = set(map(type, values)) - {type(None)}
    return bool(kinds) and all(
        issubclass(kind, (int, float, np.integer, np.floating)) and kind is not bool
        for kind in kinds
    )


def frequent_levels(values: ObjectArray, n_users: int) -> tuple[str, ...]:
    """Levels of a categorical or list attribute that are neither rare nor shared by all."""
    return _frequent(list(chain.from_iterable(map(_levels_of, values))), n_users)


def membership(values: ObjectArray, levels: tuple[str, ...]) -> tuple[IntArray, IntArray]:
    """Pairs (row, level place) for every level that a row has."""
    rows = np.arange(len(values))
    flat = values
    if any(isinstance(value, (list, tuple)) for value in values):
        lists = list(map(_levels_of, values))
        rows = np.repeat(rows, np.fromiter(map(len, lists), np.int64, len(lists)))
        flat = np.array(list(chain.from_iterable(lists)), dtype=object)
    code = level_codes(flat, levels)
    found = code >= 0
    return rows[found], code[found]


def level_codes(values: ObjectArray, levels: tuple[str, ...]) -> IntArray:
    """Place of each value among the levels, -1 for any other."""
    places = dict(zip(levels, range(len(levels)), strict=True))
    named = map(str, values.tolist())
    return np.fromiter((places.get(each, -1) for each in named), np.int64, len(values))


def _frequent(found: list[str], total: int) -> tuple[str, ...]:
    """Levels that are not rare, ascending; of too many the most frequent."""
    if not found:
        return ()
    # needed for training only; importing it would cost a server most of a second
    from sklearn.preprocessing import OneHotEncoder

    least = math.ceil(max(RARE_SHARE * total, min(5, total)))
    # all that is rare counts as one more level
    encoder = OneHotEncoder(min_frequency=least, max_categories=MOST_LEVELS + 1)
    encoder.fit(np.array(found, dtype=object)[:, None])
    rare = encoder.infrequent_categories_[0]
    return tuple(map(str, np.setdiff1d(encoder.categories_[0], [] if rare is None else rare)))


def _levels_of(value: Any) -> tuple[str, ...]:
    if value is None or value != value:
        return ()
    return tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
