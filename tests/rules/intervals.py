"""People who were screened or vaccinated at some time, on both sides of every interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from guardrail_people import NOW, Person
from guardrail_people import person as p

Cases = dict[str, tuple[list[Person], list[Person]]]

DAY = 24.0
PLAIN = p()
NAMES = (
    "blood_pressure", "colorectal", "breast", "cervical", "lung", "abdominal_aortic_aneurysm",
    "diabetes", "osteoporosis", "hepatitis_c", "hiv",
)  # fmt: skip


def ago(days: float) -> str:
    """The instant so many days before the tests' present."""
    return (datetime.fromtimestamp(NOW, UTC) - timedelta(days=days)).isoformat()


def had(attribute: str, days: float, has: str = "", **known: float) -> Person:
    return p(has, attributes={attribute: ago(days)}, **known)  # type: ignore[arg-type]


def result(name: str, word: str) -> Person:
    return p(attributes={f"{name}_screening_result": word})


def within(attribute: str, days: float) -> tuple[list[Person], list[Person]]:
    """Done inside the interval; and not done, done before it, or dated tomorrow or not at all."""
    inside = [had(attribute, 0), had(attribute, days - 0.01)]
    outside = [PLAIN, had(attribute, days), had(attribute, -1), p(attributes={attribute: "2020"})]
    return inside, outside


def once(attribute: str) -> tuple[list[Person], list[Person]]:
    inside = [had(attribute, 0), had(attribute, 9000), p(attributes={attribute: "2001-02-03"})]
    return inside, [PLAIN, had(attribute, -1), p(attributes={attribute: "2001"})]


def also(*parts: tuple[list[Person], list[Person]]) -> tuple[list[Person], list[Person]]:
    return ([who for part in parts for who in part[0]], [who for part in parts for who in part[1]])


def open_result(name: str) -> tuple[list[Person], list[Person]]:
    return [result(name, "abnormal")], [result(name, "normal"), result("other", "abnormal")]


def on_record(metric: str, value: float, days: float) -> tuple[list[Person], list[Person]]:
    inside: list[Person] = [p(**{metric: (value, days * DAY)})]
    return inside, [p(**{metric: (value, days * DAY + 1)})]


ABNORMAL = ([result(name, "abnormal") for name in NAMES], [PLAIN, result("breast", "normal")])

SCREENING: Cases = {
    "blood_pressure": also(
        within("last_blood_pressure_screening", 365),
        (
            [p(age=39, attributes={"last_blood_pressure_screening": ago(1094)})],
            [p(age=39, attributes={"last_blood_pressure_screening": ago(1095)})],
        ),
    ),
    "colorectal": also(
        within("last_colonoscopy", 3652),
        within("last_colorectal_stool_test", 365),
        within("last_colorectal_screening", 365),
    ),
    "breast": within("last_breast_screening", 730),
    "cervical": also(
        within("last_cervical_screening", 1095),
        (
            [
                p(age=30, attributes={"last_hpv_test": ago(1825)}),
                p(attributes={"cervix_removed": "yes"}),
                p(attributes={"cervix_removed": True}),
            ],
            [
                p(age=29, attributes={"last_hpv_test": ago(100)}),
                p(age=30, attributes={"last_hpv_test": ago(1826)}),
                p(attributes={"cervix_removed": "no"}),
                p(attributes={"cervix_removed": False}),
            ],
        ),
    ),
    "lung": within("last_lung_screening", 365),
    "abdominal_aortic_aneurysm": once("last_abdominal_aortic_aneurysm_screening"),
    "diabetes": also(
        within("last_diabetes_screening", 1095),
        on_record("hba1c", 5, 1095),
        on_record("fasting_glucose", 90, 1095),
    ),
    "osteoporosis": within("last_osteoporosis_screening", 1461),
    "hepatitis_c": once("last_hepatitis_c_screening"),
    "hiv": also(once("last_hiv_screening"), ([], [had("last_hiv_screening", 10, has="pregnancy")])),
    "alcohol": also(within("last_alcohol_screening", 365), on_record("audit_c", 1, 365)),
    "tobacco": within("last_tobacco_screening", 365),
    "depression": also(
        within("last_depression_screening", 365),
        on_record("phq9", 1, 365),
        on_record("phq2", 1, 365),
    ),
    "anxiety": also(within("last_anxiety_screening", 365), on_record("gad7", 1, 365)),
    "lipids": also(
        within("last_lipids_screening", 1826),
        on_record("ldl_cholesterol", 90, 1826),
        on_record("total_cholesterol", 180, 1826),
    ),
}

VACCINATION: Cases = {
    "influenza": within("last_influenza_vaccination", 270),
    "covid_19": within("last_covid_19_vaccination", 270),
    "tetanus": within("last_tetanus_vaccination", 3652),
    **{
        name: once(f"last_{name}_vaccination")
        for name in ("shingles", "pneumococcal", "hpv", "hepatitis_b", "rsv", "mmr")
    },
}

INTERVALS: Cases = {
    **{
        f"screening_{name}_done": also(people, open_result(name)) if name in NAMES else people
        for name, people in SCREENING.items()
    },
    **{f"vaccination_{name}_done": people for name, people in VACCINATION.items()},
}
