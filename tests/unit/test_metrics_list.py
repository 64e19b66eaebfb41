"""The metric list: shipped entries, unit conversions, and every kind of mistake."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from recommender.domain import Metric, MetricsList
from recommender.errors import MetricError
from recommender.metrics_list import conversion, load_metrics, ucum_conversion
from recommender.resources import data_path

NOT_DIMENSIONAL = {
    # mass from moles needs the substance; HbA1c has its own master equation
    ("glucose", "mmol/L"), ("hba1c", "mmol/mol"), ("total_cholesterol", "mmol/L"),
    ("fasting_glucose", "mmol/L"),
    ("hdl_cholesterol", "mmol/L"), ("ldl_cholesterol", "mmol/L"), ("triglycerides", "mmol/L"),
    # minutes a day and a count a day against the same as a plain total
    ("active_minutes", "min/d"), ("step_count", "{steps}"),
    ("moderate_minutes_per_week", "min"), ("vigorous_minutes_per_week", "min"),
    # {score} against 1: annotations alone have no dimension
    ("phq9", "1"), ("phq9_item9", "1"), ("gad7", "1"), ("audit_c", "1"), ("phq2", "1"),
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> MetricsList:
    return load_metrics(data_path("metrics.toml"))


def given_units() -> list[tuple[str, str, str, float, float]]:
    document = tomllib.loads(data_path("metrics.toml").read_text())
    return [
        (entry["name"], unit["unit"], entry["unit"], unit["factor"], unit.get("offset", 0.0))
        for entry in document["metric"]
        for unit in entry.get("accepted", ())
    ]


def metric(shipped: MetricsList, name: str) -> Metric:
    return shipped.metrics[shipped.index[name]]


def test_written_factors_are_those_of_dimensional_analysis() -> None:
    checked = 0
    for name, unit, own, factor, offset in given_units():
        if (name, unit) not in NOT_DIMENSIONAL:
            assert (factor, offset) == pytest.approx(ucum_conversion(unit, own), rel=1e-9), name
            checked += 1
    assert checked > 20


def test_exceptions_from_dimensional_analysis_are_real() -> None:
    written = {(name, unit) for name, unit, *_ in given_units()}
    assert not NOT_DIMENSIONAL - written


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("systolic_bp", 16.0, "kPa", 120.01),
        ("systolic_bp", 120, "mmHg", 120),
        ("systolic_bp", 120, "MMHG", 120),
        ("systolic_bp", 120, None, 120),
        ("systolic_bp", 120, "", 120),
        ("resting_heart_rate", 60, "bpm", 60),
        ("oxygen_saturation", 0.97, "1", 97),
        ("body_temperature", 98.6, "[degF]", 37.0),
        ("body_temperature", 98.6, "°F", 37.0),
        ("body_weight", 154.0, "lbs", 69.853),
        ("body_weight", 70_000, "g", 70),
        ("body_height", 1.75, "m", 175),
        ("body_height", 70, "[in_i]", 177.8),
        ("glucose", 5.5, "mmol/L", 99.088),
        ("glucose", 99, "MG/DL", 99),
        ("hba1c", 48, "mmol/mol", 6.543),
        ("ldl_cholesterol", 3.0, "mmol/L", 116.01),
        ("triglycerides", 1.7, "mmol/L", 150.569),
        ("sleep_duration", 450, "min", 7.5),
        ("sleep_duration", 27_000, "s", 7.5),
        ("step_count", 8_000, "steps", 8_000),
        ("active_energy", 418.4, "kJ", 100),
        ("moderate_minutes_per_week", 2.5, "h/wk", 150),
    ],
)
def test_conversion(
    shipped: MetricsList, name: str, value: float, unit: str | None, expected: float
) -> None:
    factor, offset = conversion(metric(shipped, name), unit)
    assert factor * value + offset == pytest.approx(expected, abs=0.005)


def test_an_unlisted_unit_of_the_same_dimension_is_worked_out(shipped: MetricsList) -> None:
    assert conversion(metric(shipped, "body_weight"), "mg") == pytest.approx((1e-6, 0.0))
    assert conversion(metric(shipped, "systolic_bp"), "Pa")[0] == pytest.approx(
        0.00750062, rel=1e-5
    )


def test_a_score_takes_no_other_number_without_dimension(shipped: MetricsList) -> None:
    with pytest.raises(MetricError):
        conversion(metric(shipped, "phq9"), "%")


@pytest.mark.parametrize("unit", ["mg/dL", "m", "foo", "%"])
def test_foreign_unit_is_refused(shipped: MetricsList, unit: str) -> None:
    with pytest.raises(MetricError, match="systolic_bp is not measured in"):
        conversion(metric(shipped, "systolic_bp"), unit)


def test_spellings_of_a_metric_never_contradict_each_other(shipped: MetricsList) -> None:
    for each in shipped.metrics:
        known: dict[str, tuple[float, float]] = {each.unit.casefold(): (1.0, 0.0)}
        for unit in each.accepted:
            meant = known.setdefault(unit.unit.casefold(), (unit.factor, unit.offset))
            assert meant == (unit.factor, unit.offset), (each.name, unit.unit)


def test_codes_lead_to_metrics(shipped: MetricsList) -> None:
    assert shipped.by_code["8480-6"] == "systolic_bp"
    for code in ("41653-7", "99504-3", "2345-7", "2339-0"):
        assert shipped.by_code[code] == "glucose"
    assert shipped.by_code["44260-8"] == "phq9_item9"


def test_loinc_check_digits(shipped: MetricsList) -> None:
    """The last digit of a LOINC code is a Luhn check of the others."""
    for code in {code for each in shipped.metrics for code in each.loinc}:
        digits, check = code.split("-")
        total = sum(
            sum(divmod(int(digit) * (2 - place % 2), 10))
            for place, digit in enumerate(reversed(digits))
        )
        assert (10 - total % 10) % 10 == int(check), code


ENTRY = """
[[metric]]
name = "grip"
label = "grip strength"
loinc = ["1234-5"]
unit = "kg"
accepted = [{ unit = "[lb_av]" }]
plausible = [0, 100]
fresh_days = 30
target_low = 20
source = "A guideline"
date = "2020"
"""


def load(tmp_path: Path, text: str) -> MetricsList:
    path = tmp_path / "metrics.toml"
    path.write_text(text)
    return load_metrics(path)


def test_factor_left_out_is_worked_out(tmp_path: Path) -> None:
    found = load(tmp_path, ENTRY)
    assert conversion(found.metrics[0], "[lb_av]") == pytest.approx((0.45359237, 0.0))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('name = "grip"', 'name = "Grip"', "metric Grip: name must be"),
        ('name = "grip"', "", "metric number 1: lacks name"),
        ('unit = "kg"', "", "metric grip: lacks unit"),
        ('label = "grip strength"', 'label = " "', "metric grip: a text is empty"),
        ('"1234-5"', '"grip"', "metric grip: loinc is not"),
        ('"1234-5"', '"1234-5", "1234-5"', "LOINC code given twice: 1234-5"),
        ("[0, 100]", "[100, 0]", "metric grip: plausible: low end"),
        ("[0, 100]", "[0]", "metric grip: plausible: expected"),
        ("[0, 100]", '[0, "x"]', "metric grip: plausible: 'x' is not a number"),
        ("fresh_days = 30", "fresh_days = 0", "metric grip: fresh_days"),
        ("target_low = 20", "target_low = 200", "metric grip: target lies outside"),
        ("target_low = 20", "target = [30, 20]", "metric grip: target: low end"),
        ("target_low = 20", "target_scale = 0", "metric grip: target_scale"),
        ("target_low = 20", "agree_within = -1", "metric grip: agree_within and jump"),
        ("target_low = 20", "jump = -0.1", "metric grip: agree_within and jump"),
        ("target_low = 20", 'jump = "big"', "metric grip: jump: 'big' is not a number"),
        ("target_low = 20", "aim = 20", "metric grip: does not know aim"),
        ('date = "2020"', "", "metric grip: lacks date"),
        ('date = "2020"', 'date = "2020"\nverified = "no"', "metric grip: verified"),
        ('"[lb_av]"', '"mmol/L"', "no UCUM conversion from 'mmol/L' to 'kg'"),
        ('"[lb_av]"', '"lb", factor = 0', "metric grip: factor of lb"),
        ('"[lb_av]"', '"lb", factr = 1', "metric grip: accepted takes"),
        ("[[metric]]", "[[metrics]]", "holds no"),
        ("[[metric]]", "[[metric", "metrics.toml:"),
    ],
)
def test_mistake_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in ENTRY
    with pytest.raises(MetricError) as caught:
        load(tmp_path, ENTRY.replace(old, new))
    assert complaint in str(caught.value)


def test_name_given_twice(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="name given twice: grip"):
        load(tmp_path, ENTRY + ENTRY.replace("1234-5", "1234-6"))


def test_missing_file_is_a_metric_error(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=r"none\.toml"):
        load_metrics(tmp_path / "none.toml")
