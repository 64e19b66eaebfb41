"""Which reading counts: the latest, disputed ones, spikes."""

from __future__ import annotations

import numpy as np
import pytest
from guardrail_people import (
    NOW,
    Person,
    metrics,
    one_action_a_tag,
    person,
    records_of,
    shipped_guard,
    tags,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.domain import VERDICT_CODES, Audience

MINUTE = 1 / 60
GUARD = shipped_guard()
WELL = (("systolic_bp", 118, 2), ("diastolic_bp", 76, 2))


def series(metric: str, *readings: tuple[float, float], has: str = "", rest: tuple = ()) -> Person:  # type: ignore[type-arg]
    """Value and minutes ago of each reading."""
    told = tuple((metric, value, minutes * MINUTE) for value, minutes in readings)
    return Person(has=tuple(has.split()), readings=(*told, *rest))


def alerts(who: Person) -> set[str]:
    decisions = GUARD.decide(records_of(who), NOW)
    return {alert.rule_id for alert in GUARD.alerts(decisions, 0, Audience.USER)}


def withheld(who: Person, tag: str) -> bool:
    decisions = GUARD.decide(records_of(who), NOW)
    return bool(decisions.verdict[0, tags().index(tag)] == VERDICT_CODES["withhold"])


@pytest.mark.parametrize(
    ("readings", "holds"),
    [
        ([(190, 60), (120, 1)], False),  # the latest wins an hour later
        ([(190, 15), (120, 0)], True),  # together, to the second
        ([(190, 15.1), (120, 0)], False),
        ([(120, 10), (190, 1)], True),  # whichever came first
        ([(190, 1), (120, 1)], True),
        ([(181, 5), (161, 1)], False),  # as near as two cuffs come: the latest
        ([(182, 5), (161, 1)], True),
        ([(190, 200), (195, 100), (120, 1)], True),  # a lone good one clears nothing
        ([(190, 200), (195, 100), (120, 20), (118, 1)], False),  # a second one does
        ([(190, 362), (195, 100), (120, 1)], False),  # hours later one is enough
        ([(190, 361), (195, 100), (120, 1)], True),
        ([(120, 200), (190, 100), (120, 20)], False),  # the one before was good as well
        ([(120, 200), (118, 100), (190, 20)], True),  # a crisis counts even alone
    ],
)
def test_crisis_by_readings_of_the_last_hours(
    readings: list[tuple[float, float]], holds: bool
) -> None:
    who = series("systolic_bp", *readings)
    assert ("pressure_crisis" in alerts(who)) is holds


def test_the_safer_of_two_devices_decides_and_both_are_named() -> None:
    rest = (("diastolic_bp", 76, 1.0),)
    who = series("systolic_bp", (185, 6), (118, 1), rest=rest)
    records = records_of(who)
    decisions = GUARD.decide(records, NOW)
    (grounds,) = GUARD.grounds(decisions, records)
    place = one_action_a_tag().index["do-vigorous_exercise"]
    (cited,) = (cited for cited, actions in grounds if place in actions)
    values = records.observations.value
    ids = records.observations.ids
    assert ids is not None
    assert cited.rule_id == "pressure_unsafe"
    assert (cited.reading, cited.rival) == (ids[values == 185][0], ids[values == 118][0])
    assert not withheld(series("systolic_bp", (118, 6), (118, 1), rest=rest), "vigorous_exercise")


def test_a_dispute_in_either_direction_is_safe() -> None:
    low_then_fine = series("glucose", (60, 5), (110, 1), has="type_2_diabetes")
    high_then_fine = series("glucose", (400, 5), (110, 1))
    assert withheld(low_then_fine, "moderate_exercise")
    assert withheld(high_then_fine, "moderate_exercise")
    assert not withheld(series("glucose", (110, 5), (112, 1)), "moderate_exercise")


def test_a_spike_of_weight_neither_condemns_nor_clears() -> None:
    steady = [(30.0, 5000.0), (30.5, 3000.0)]
    spike = series("body_mass_index", *steady, (15, 10))
    assert not withheld(spike, "weight_loss")
    assert withheld(series("body_mass_index", (15, 10)), "weight_loss")
    confirmed = series("body_mass_index", *steady, (15, 100), (15.2, 10))
    assert withheld(confirmed, "weight_loss")
    thin = [(16.0, 5000.0), (16.5, 3000.0)]
    assert withheld(series("body_mass_index", *thin, (24, 10)), "weight_loss")
    assert not withheld(series("body_mass_index", *thin, (24, 100), (24.5, 10)), "weight_loss")


def test_a_spike_needs_two_readings_that_agree_and_little_time() -> None:
    assert withheld(series("body_mass_index", (30, 3000), (15, 10)), "weight_loss")
    assert withheld(series("body_mass_index", (20, 5000), (30, 3000), (15, 10)), "weight_loss")
    long_ago = [(30.0, 60 * 24 * 30.0), (30.0, 60 * 24 * 14.0 + 11)]
    assert withheld(series("body_mass_index", *long_ago, (15, 10)), "weight_loss")
    less_than_a_fifth = [(22.9, 5000.0), (22.9, 3000.0)]
    assert withheld(series("body_mass_index", *less_than_a_fifth, (18.4, 10)), "weight_loss")
    more_than_a_fifth = [(23.1, 5000.0), (23.1, 3000.0)]
    assert not withheld(series("body_mass_index", *more_than_a_fifth, (18.4, 10)), "weight_loss")


def test_of_two_readings_of_one_instant_neither_is_the_later() -> None:
    assert "glucose_very_low" in alerts(series("glucose", (53, 1), (55, 1)))
    assert "glucose_very_low" not in alerts(series("glucose", (53, 2), (55, 1)))
    assert "glucose_very_high" in alerts(series("glucose", (349, 1), (350, 1)))


def test_disputed_weight_and_height_are_combined_to_the_strictest() -> None:
    """60.5 kg at 184 cm is underweight, whatever else was read in the same hour."""
    weights = tuple(
        ("body_weight", kg, hours) for kg, hours in ((60.5, 1), (60.5, 0.9), (68.5, 0.5))
    )
    heights = tuple(("body_height", cm, hours) for cm, hours in ((170, 1), (170, 0.9), (184, 0.5)))
    assert withheld(Person(readings=(*weights, *heights)), "weight_loss")
    assert withheld(Person(readings=(*weights, heights[-1])), "weight_loss")
    assert not withheld(Person(readings=(*weights, heights[0])), "weight_loss")


def test_vital_signs_have_no_spikes() -> None:
    steady = [(120.0, 5000.0), (121.0, 3000.0)]
    assert "pressure_crisis" in alerts(series("systolic_bp", *steady, (230, 10)))


def test_an_answer_about_self_harm_is_not_undone_in_the_same_hour() -> None:
    assert "self_harm_answer" in alerts(series("phq9_item9", (2, 10), (0, 1)))
    assert "self_harm_answer" not in alerts(series("phq9_item9", (2, 100), (0, 1)))


PAIRS = st.sampled_from(
    ["systolic_bp", "diastolic_bp", "glucose", "oxygen_saturation", "body_temperature", "phq9"]
)


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(["", "insulin_use", "pregnancy"]))
def test_two_readings_together_are_at_least_as_strict_as_either(
    name: str, first: float, second: float, has: str
) -> None:
    metric = metrics().metrics[metrics().index[name]]
    span = metric.plausible_high - metric.plausible_low
    values = [metric.plausible_low + share * span for share in (first, second)]
    rest = tuple(row for row in WELL if row[0] != name)
    # The facts hold a latest reading either way, so that what is unknown is the same.
    alone = [series(name, (value, 1), has=has, rest=rest) for value in values]
    together = series(name, (values[0], 6), (values[1], 1), has=has, rest=rest)
    verdicts = [GUARD.decide(records_of(who), NOW) for who in (*alone, together)]
    agree = metric.agree_within or 0
    if abs(values[0] - values[1]) > agree:
        strictest = np.maximum(verdicts[0].verdict, verdicts[1].verdict)
        assert (verdicts[2].verdict >= strictest).all()
        assert (verdicts[2].alerts >= (verdicts[0].alerts | verdicts[1].alerts)).all()
    else:
        assert (verdicts[2].verdict == verdicts[1].verdict).all()


def test_disputes_of_some_are_not_those_of_others() -> None:
    disputed = series("systolic_bp", (190, 5), (120, 1))
    calm = person(systolic_bp=120, diastolic_bp=76)
    decisions = GUARD.decide(records_of(calm, disputed, calm, disputed), NOW)
    crisis = [GUARD.alerts(decisions, user, Audience.USER) for user in range(4)]
    found = [{alert.rule_id for alert in each} >= {"pressure_crisis"} for each in crisis]
    assert found == [False, True, False, True]
