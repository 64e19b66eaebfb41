"""Who lives in the simulated world: adults drawn from the shipped NHANES subset."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from recommender.dataset import BoolArray, FloatArray, Int8Array, IntArray
from recommender.domain import SEX_CODES
from recommender.errors import MalformedFileError
from recommender.simulation.world import MEASURES, METRIC_INDEX, METRICS, TASTE_RANK

COLUMN_OF_METRIC = {
    "systolic_bp": "systolic_bp",
    "diastolic_bp": "diastolic_bp",
    "heart_rate": "pulse",
    "body_weight": "weight_kg",
    "body_height": "height_cm",
    "body_mass_index": "bmi",
    "hdl_cholesterol": "hdl_cholesterol",
    "total_cholesterol": "total_cholesterol",
    "phq2": "phq2",
    "sleep_duration": "sleep_hours",
}
"""Metric -> column of the survey it was measured as."""

ATTRIBUTES = (
    "general_health",
    "sleep_trouble",
    "physically_active",
    "active_days",
    "alcohol_per_day",
    "alcohol_days_per_year",
    "smoking_status",
    "diabetes",
    "survey_year",
)
"""Columns of ``users.csv`` beyond the contract's own, in the order they are written."""

TOP_CODED_AGE = 80
_TYPE_KNOWN_FROM_AGE = 30
_WEARABLE_SHARE = 0.4
_NEWCOMER_SHARE = 0.08
_LATE_JOINER_SHARE = 0.3
_SESSIONS_PER_DAY = 0.135


@dataclass(frozen=True)
class Population:
    """The survey rows that people are drawn from; all arrays have one entry a row.

    Attributes
    ----------
    readings
        [n_rows, len(METRICS)] as measured, NaN where not measured.
    attributes
        [n_rows] columns of ``ATTRIBUTES``, None where not answered.
    """

    age: IntArray
    sex: Int8Array
    pregnant: BoolArray
    readings: FloatArray
    attributes: pd.DataFrame

    def __len__(self) -> int:
        return len(self.age)


@dataclass(frozen=True)
class People:
    """Some people of the simulated world; all arrays have one entry a person.

    Attributes
    ----------
    number
        Running number, from one.
    row
        Their row in the population.
    born
        Birth date (datetime64[D]); ``age`` is in whole years at the end of the log.
    readings
        [n_people, len(METRICS)] current level of each metric, NaN if nobody knows it.
    measured
        [n_people, len(METRICS)] survey values to be written down, NaN if there are none.
    wearable
        True if they wear a device that counts steps, sleep and resting pulse.
    sessions_per_day
        How often they open the app; 0 for newcomers, who have no history at all.
    joined_day
        Day of the log on which they start.
    diligence
        Standard normal.
    taste
        [n_people, TASTE_RANK] standard normal.
    """

    number: IntArray
    row: IntArray
    age: IntArray
    born: np.ndarray
    sex: Int8Array
    pregnant: BoolArray
    readings: FloatArray
    measured: FloatArray
    attributes: pd.DataFrame
    wearable: BoolArray
    sessions_per_day: FloatArray
    joined_day: FloatArray
    diligence: FloatArray
    taste: FloatArray

    def __len__(self) -> int:
        return len(self.number)


def load_population(path: Path) -> Population:
    """Read the survey subset that is shipped as ``data/sample/nhanes_adults.csv``.

    Raises
    ------
    MalformedFileError
        If a column is missing.
    """
    table = pd.read_csv(path)
    missing = sorted({*COLUMN_OF_METRIC.values(), "age", "sex", "pregnant"} - set(table.columns))
    if missing:
        raise MalformedFileError(str(path), f"columns missing: {', '.join(missing)}")
    readings = np.full((len(table), len(METRICS)), np.nan)
    for metric, column in COLUMN_OF_METRIC.items():
        readings[:, METRIC_INDEX[metric]] = table[column]
    return Population(
        age=table["age"].to_numpy(np.int64),
        sex=np.array([SEX_CODES[word] for word in table["sex"]], dtype=np.int8),
        pregnant=(table["pregnant"] == "Yes").to_numpy(np.bool_),
        readings=readings,
        attributes=_attributes(table),
    )


def _attributes(table: pd.DataFrame) -> pd.DataFrame:
    words = {"Yes": "yes", "No": "no"}
    health = {"Vgood": "very good"}
    frame = pd.DataFrame(
        {
            "general_health": table["general_health"].replace(health).str.lower(),
            "sleep_trouble": table["sleep_trouble"].map(words),
            "physically_active": table["active"].map(words),
            "active_days": table["active_days"].astype("Int64"),
            "alcohol_per_day": table["alcohol_per_day"].astype("Int64"),
            "alcohol_days_per_year": table["alcohol_days_per_year"].astype("Int64"),
            "smoking_status": _smoking_status(table),
            "diabetes": table["diabetes"].map(words),
            "survey_year": table["survey_year"].str.replace("_", "-"),
        }
    )
    return frame[list(ATTRIBUTES)]


def _smoking_status(table: pd.DataFrame) -> pd.Series:
    status = pd.Series(None, index=table.index, dtype="object")
    status[table["smoked_100"] == "No"] = "never"
    status[(table["smoked_100"] == "Yes") & (table["smoke_now"] == "No")] = "former"
    status[table["smoke_now"] == "Yes"] = "current"
    return status


def draw_people(
    population: Population, first: int, count: int, end_at: datetime, days: int, seed: int
) -> People:
    """Draw people ``first + 1`` to ``first + count``: survey rows with the age shaken.

    Impossible readings are left out. The same seed gives the same person under the same
    number as long as ``first`` and ``count`` cut the population at the same places.
    """
    rng = np.random.default_rng([seed, 21, first])
    row = rng.integers(len(population), size=count)
    age = np.clip(population.age[row] + rng.integers(-2, 3, size=count), 18, 110)
    age = age + (population.age[row] >= TOP_CODED_AGE) * rng.integers(0, 10, size=count)
    return _settle(population, first, row, age, end_at, days, rng)


def every_person_once(
    population: Population, first: int, count: int, end_at: datetime, days: int, seed: int
) -> People:
    """People ``first + 1`` to ``first + count``: the survey rows themselves, as measured."""
    rng = np.random.default_rng([seed, 22, first])
    row = np.arange(first, first + count)
    people = _settle(population, first, row, population.age[row], end_at, days, rng)
    people.measured[:] = population.readings[row]
    return people


def _settle(
    population: Population,
    first: int,
    row: IntArray,
    age: IntArray,
    end_at: datetime,
    days: int,
    rng: np.random.Generator,
) -> People:
    count = len(row)
    measured = _possible(population.readings[row])
    wearable = rng.random(count) < _WEARABLE_SHARE
    late = rng.random(count) < _LATE_JOINER_SHARE
    newcomer = rng.random(count) < _NEWCOMER_SHARE
    attributes = population.attributes.iloc[row].reset_index(drop=True)
    return People(
        number=np.arange(first + 1, first + count + 1),
        row=row,
        age=age,
        born=_birth_dates(age, end_at, rng),
        sex=population.sex[row],
        pregnant=population.pregnant[row],
        readings=_with_device_levels(measured, age, attributes, wearable, rng),
        measured=measured,
        attributes=attributes,
        wearable=wearable,
        sessions_per_day=np.where(newcomer, 0.0, rng.gamma(2.0, _SESSIONS_PER_DAY / 2, count)),
        joined_day=np.where(late, rng.uniform(0, days * 0.8, count), 0.0),
        diligence=rng.normal(size=count),
        taste=rng.normal(size=(count, TASTE_RANK)),
    )


def _possible(readings: FloatArray) -> FloatArray:
    floor = np.array([measure.floor for measure in MEASURES])
    ceiling = np.array([measure.ceiling for measure in MEASURES])
    return np.where((readings >= floor) & (readings <= ceiling), readings, np.nan)


def _birth_dates(age: IntArray, end_at: datetime, rng: np.random.Generator) -> np.ndarray:
    """Birth dates that make people ``age`` years old on the day the log ends."""
    month = np.datetime64(f"{end_at.year:04d}-{end_at.month:02d}", "M") - 12 * age
    birthday_today = month.astype("datetime64[D]") + (min(end_at.day, 28) - 1)
    return np.asarray(birthday_today - rng.integers(0, 360, size=len(age)))


def _with_device_levels(
    measured: FloatArray,
    age: IntArray,
    attributes: pd.DataFrame,
    wearable: BoolArray,
    rng: np.random.Generator,
) -> FloatArray:
    levels = measured.copy()
    count = len(age)
    bmi = np.nan_to_num(measured[:, METRIC_INDEX["body_mass_index"]], nan=28.0)
    pulse = np.nan_to_num(measured[:, METRIC_INDEX["heart_rate"]], nan=72.0)
    active = (attributes["physically_active"] == "yes").to_numpy(np.float64)
    steps = 7200 + 1700 * active - 45 * (age - 45) - 90 * (bmi - 28) + rng.normal(0, 2200, count)
    resting = pulse - 6 + rng.normal(0, 3, count)
    levels[:, METRIC_INDEX["step_count"]] = np.where(wearable, np.maximum(steps, 800), np.nan)
    levels[:, METRIC_INDEX["resting_heart_rate"]] = np.where(
        wearable, np.clip(resting, 38, 120), np.nan
    )
    return levels


def condition_lists(people: People) -> list[str]:
    """Conditions of each person, joined by ``;``.

    The survey does not tell the type of diabetes: from 30 years it is written down as type 2,
    below that only the answer itself is kept, as an attribute.
    """
    old_enough = people.age >= _TYPE_KNOWN_FROM_AGE
    diabetes = (people.attributes["diabetes"] == "yes").to_numpy(np.bool_) & old_enough
    pregnant = np.where(people.pregnant, "pregnancy", "")
    joined = np.where(people.pregnant & diabetes, ";", "")
    named = np.where(diabetes, "type_2_diabetes", "")
    return [a + b + c for a, b, c in zip(pregnant, joined, named, strict=True)]
