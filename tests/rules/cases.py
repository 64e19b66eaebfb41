"""For every rule, people for whom it holds and people for whom it does not.

Written from the facts the rules stand for, not from the rule file: both sides of every threshold,
every condition that counts, and where it matters a stale or a missing reading.
"""

from __future__ import annotations

from guardrail_people import Person
from guardrail_people import person as p
from intervals import ABNORMAL, INTERVALS, Cases, ago

DAY = 24.0
YEAR = 365.25 * DAY
ASIAN = {"ethnicity": "asian"}
EXACTLY_18_5 = {"body_height": 200.0, "body_weight": 74.0}
BELOW_18_5 = {"body_height": 200.0, "body_weight": 73.9}


def each(conditions: str, **known: object) -> list[Person]:
    return [p(condition, **known) for condition in conditions.split()]  # type: ignore[arg-type]


def smoker(word: str | None, **known: object) -> Person:
    return p(attributes={"smoking_status": word}, **known)  # type: ignore[arg-type]


PLAIN = p()
PREGNANT_BARRED = (
    "cervical_insufficiency placenta_praevia preeclampsia multiple_pregnancy pregnancy_bleeding "
    "preterm_labour ruptured_membranes"
)
PREGNANT = f"pregnancy gestational_diabetes {PREGNANT_BARRED}"
DIABETES = "type_1_diabetes type_2_diabetes gestational_diabetes insulin_use"
HEART = "coronary_artery_disease heart_failure arrhythmia"
DISEASE = f"{HEART} stroke peripheral_artery_disease chronic_kidney_disease {DIABETES}"
NOT_DISEASE = each("hypertension prediabetes asthma copd depression osteoarthritis")
CRISIS = [p(systolic_bp=181), p(diastolic_bp=121), p(systolic_bp=181, diastolic_bp=60)]
NO_CRISIS = [PLAIN, p(systolic_bp=180, diastolic_bp=120), p(systolic_bp=(240, 30 * DAY + 1))]
OXYGEN = [p(oxygen_saturation=92), p(oxygen_saturation=80), p("copd", oxygen_saturation=87.9)]
NO_OXYGEN = [
    PLAIN,
    p(oxygen_saturation=92.1),
    p("copd", oxygen_saturation=88),
    p(oxygen_saturation=(85, 7 * DAY + 1)),
]
PULSE = [p(resting_heart_rate=40), p(resting_heart_rate=131)]
NO_PULSE = [PLAIN, p(resting_heart_rate=41), p(resting_heart_rate=130), p(heart_rate=150)]
BREATHING = [p(respiratory_rate=8), p(respiratory_rate=25)]
NO_BREATHING = [PLAIN, p(respiratory_rate=9), p(respiratory_rate=24)]
TEMPERATURE = [p(body_temperature=35.0), p(body_temperature=39.1)]
NO_TEMPERATURE = [PLAIN, p(body_temperature=35.1), p(body_temperature=39.0)]
SYMPTOMS = each("chest_pain_on_exertion syncope")
PREGNANT_SEVERE = [p("pregnancy", systolic_bp=160), p("preeclampsia", diastolic_bp=110)]
NO_PREGNANT_SEVERE = [
    p(systolic_bp=160, diastolic_bp=110),
    p("pregnancy", systolic_bp=159, diastolic_bp=109),
]
UNCONTROLLED = [p(systolic_bp=160), p(diastolic_bp=100)]
NO_UNCONTROLLED = [PLAIN, p(systolic_bp=159, diastolic_bp=99)]
NO_PRESSURE = [
    PLAIN,
    p(systolic_bp=120),
    p(diastolic_bp=80),
    p(systolic_bp=(120, 30 * DAY + 1), diastolic_bp=80),
]
PRESSURE = [
    p(systolic_bp=120, diastolic_bp=80),
    p(systolic_bp=(120, 30 * DAY), diastolic_bp=(80, 30 * DAY)),
]
THIN = [
    p(body_mass_index=18.4),
    p(**BELOW_18_5),
    p(body_mass_index=22, **BELOW_18_5),
    p("eating_disorder", body_mass_index=30),
]
NOT_THIN = [PLAIN, p(body_mass_index=18.5), p(**EXACTLY_18_5)]
NO_WEIGHT = [PLAIN, p(body_weight=70), p(body_height=170), p(body_mass_index=(22, 180 * DAY + 1))]
WEIGHT = [p(body_mass_index=22), p(body_weight=70, body_height=170)]
INSULIN_BELOW_90 = [
    p("insulin_use", glucose=89),
    p("type_1_diabetes", glucose=(89, DAY)),
    p("type_2_diabetes", glucose=89),
]
INSULIN_ABOVE_90 = [
    p(glucose=89),
    p("insulin_use", glucose=90),
    p("insulin_use", glucose=(89, DAY + 1)),
]
NO_GLUCOSE_TODAY = (
    [p("insulin_use"), p("type_1_diabetes", glucose=(100, DAY + 1))],
    [PLAIN, p("insulin_use", glucose=(100, DAY)), p("type_2_diabetes")],
)
SUGAR = [p(hba1c=6.5), p(fasting_glucose=126), p("prediabetes", hba1c=7)]
NO_SUGAR = [PLAIN, p(hba1c=6.4, fasting_glucose=125), p("type_2_diabetes", hba1c=9)]
BELOW_54 = (
    [p(glucose=53), p(glucose=(53, DAY))],
    [PLAIN, p(glucose=54), p(glucose=(53, DAY + 1))],
)
BELOW_70 = (
    [p(glucose=69), p(glucose=(69, DAY))],
    [
        PLAIN,
        p(glucose=70),
        p(glucose=(69, DAY + 1)),
        Person(readings=(("glucose", 60, 3), ("glucose", 120, 1))),
    ],
)
RISKY_DRINKING = (
    [p(audit_c=3), p(audit_c=3, sex="unknown"), p(audit_c=4, sex="male")],
    [PLAIN, p(audit_c=2), p(audit_c=3, sex="male")],
)
STAGE_TWO = [p(systolic_bp=140), p(diastolic_bp=90)]
NO_STAGE_TWO = [PLAIN, p(systolic_bp=139, diastolic_bp=89)]


def cleared(word: str, days: float, has: str = "stroke", **known: float) -> Person:
    attributes = {"exercise_clearance": word, "exercise_clearance_on": ago(days)}
    return p(has, attributes=attributes, **known)


ACTIVE = {"moderate_minutes_per_week": 90.0}
NOT_ACTIVE = [
    *each(DISEASE),
    p("stroke", moderate_minutes_per_week=89),
    p("stroke", active_minutes=12),
    p("stroke", active_minutes=(60, 14 * DAY + 1)),
    cleared("light", 1),
    cleared("moderate", 365.5),
    cleared("moderate", -1),
]
ACTIVE_OR_CLEARED = [
    PLAIN,
    *NOT_DISEASE,
    p("stroke", moderate_minutes_per_week=90),
    p("stroke", active_minutes=13),
    cleared("moderate", 365),
    cleared("vigorous", 1),
]

GLUCOSE_250 = [p(glucose=250), p(glucose=(250, DAY))]
NO_GLUCOSE_250 = [PLAIN, p(glucose=249), p(glucose=(250, DAY + 1))]
GLUCOSE_350 = [p(glucose=350), p(glucose=(350, DAY))]
NO_GLUCOSE_350 = [PLAIN, p(glucose=349), p(glucose=(350, DAY + 1))]

ALERTS: Cases = {
    "self_harm_answer": (
        [p(phq9_item9=1), p(phq9_item9=(3, 30 * DAY))],
        [PLAIN, p(phq9_item9=0), p(phq9_item9=(3, 30 * DAY + 1)), p(phq9=19)],
    ),
    "pressure_crisis": (CRISIS, NO_CRISIS),
    "pregnancy_pressure_severe": (PREGNANT_SEVERE, NO_PREGNANT_SEVERE),
    "pregnancy_pressure_raised": (
        [p("pregnancy", systolic_bp=140), p("pregnancy", diastolic_bp=90)],
        [p(systolic_bp=140), p("pregnancy", systolic_bp=139, diastolic_bp=89), p("pregnancy")],
    ),
    "glucose_very_low": BELOW_54,
    "glucose_low": (
        [p(glucose=69), p(glucose=54), p(glucose=(53, DAY + 1)), p(glucose=(69, 90 * DAY))],
        [PLAIN, p(glucose=70), p(glucose=53), p(glucose=(53, DAY)), p(glucose=(69, 91 * DAY))],
    ),
    "glucose_very_high": (GLUCOSE_350, NO_GLUCOSE_350),
    "ketones_very_high": (
        [p(blood_ketones=3), p(blood_ketones=(3, DAY))],
        [PLAIN, p(blood_ketones=2.9), p(blood_ketones=(3, DAY + 1))],
    ),
    "ketones_high": (
        [p(blood_ketones=1.5), p(blood_ketones=2.9)],
        [PLAIN, p(blood_ketones=1.4), p(blood_ketones=3)],
    ),
    "sugar_high": (SUGAR, NO_SUGAR),
    "sugar_raised": (
        [p(hba1c=5.7), p(hba1c=6.4), p(fasting_glucose=100), p(fasting_glucose=125)],
        [
            PLAIN,
            *SUGAR,
            p(hba1c=5.6, fasting_glucose=99),
            p("prediabetes", hba1c=6),
            p("type_1_diabetes", hba1c=6),
            p(hba1c=(6, 181 * DAY)),
        ],
    ),
    "pressure_high": (
        [*STAGE_TWO, p(systolic_bp=180, diastolic_bp=120)],
        [*NO_STAGE_TWO, p(systolic_bp=181), p("pregnancy", systolic_bp=150)],
    ),
    "screening_result_open": ABNORMAL,
    "oxygen_very_low": (OXYGEN, NO_OXYGEN),
    "oxygen_low": (
        [p(oxygen_saturation=92.1), p(oxygen_saturation=94.9)],
        [PLAIN, p(oxygen_saturation=92), p(oxygen_saturation=95), p("copd", oxygen_saturation=93)],
    ),
    "pulse_very_fast": (
        [p(resting_heart_rate=131)],
        [PLAIN, p(resting_heart_rate=130), p(heart_rate=140), p(resting_heart_rate=(131, 169))],
    ),
    "pulse_very_slow": ([p(resting_heart_rate=40)], [PLAIN, p(resting_heart_rate=41)]),
    "pulse_fast": (
        [p(resting_heart_rate=111), p(resting_heart_rate=130)],
        [PLAIN, p(resting_heart_rate=110), p(resting_heart_rate=131)],
    ),
    "breathing_severe": (BREATHING, NO_BREATHING),
    "pressure_low": ([p(systolic_bp=90)], [PLAIN, p(systolic_bp=91)]),
    "temperature_low": ([p(body_temperature=35.0)], [PLAIN, p(body_temperature=35.1)]),
    "temperature_high": (
        [p(body_temperature=39.1), p(body_temperature=(39.1, 3 * DAY))],
        [PLAIN, p(body_temperature=39.0), p(body_temperature=(39.1, 3 * DAY + 1))],
    ),
    "exertion_symptoms": (SYMPTOMS, [PLAIN, p("arrhythmia")]),
    "mood_very_low": ([p(phq9=20)], [PLAIN, p(phq9=19), p(phq9=(20, 30 * DAY + 1))]),
    "mood_low": ([p(phq9=10), p(phq9=19)], [PLAIN, p(phq9=9), p(phq9=20)]),
    "worry_severe": ([p(gad7=15)], [PLAIN, p(gad7=14)]),
    "worry_raised": ([p(gad7=10), p(gad7=14)], [PLAIN, p(gad7=9), p(gad7=15)]),
    "drinking_risky": RISKY_DRINKING,
}

UNKNOWN_AND_AGE: Cases = {
    "unknown_person": (
        [p(age=None), p(age=None, sex="male", step_count=9000)],
        [PLAIN, p("asthma", age=None), p(age=0)],
    ),
    "unknown_age": ([p(age=None), p("asthma", age=None)], [PLAIN, p(age=0)]),
    "unknown_pressure": (NO_PRESSURE, PRESSURE),
    "unknown_weight": (NO_WEIGHT, WEIGHT),
    "minor": ([p(age=17), p(age=5)], [p(age=18), p(age=None)]),
}

EXERCISE: Cases = {
    "pressure_unsafe": (
        [p(systolic_bp=180), p(diastolic_bp=110), p(systolic_bp=(180, 30 * DAY))],
        [PLAIN, p(systolic_bp=179, diastolic_bp=109), p(systolic_bp=(180, 30 * DAY + 1))],
    ),
    "pressure_uncontrolled": (UNCONTROLLED, NO_UNCONTROLLED),
    "pressure_low_exercise": ([p(systolic_bp=90)], [PLAIN, p(systolic_bp=91)]),
    "known_disease_moderate": (NOT_ACTIVE, ACTIVE_OR_CLEARED),
    "known_disease_vigorous": (
        [
            *each(DISEASE),
            p("stroke", **ACTIVE),
            cleared("vigorous", 1),
            cleared("moderate", 1, **ACTIVE),
            cleared("vigorous", 365.5, **ACTIVE),
            cleared("vigorous", 1, moderate_minutes_per_week=89),
        ],
        [PLAIN, *NOT_DISEASE, cleared("vigorous", 365, **ACTIVE)],
    ),
    "exertion_symptoms_exercise": (SYMPTOMS, [PLAIN, p("arrhythmia")]),
    "glucose_recent_severe_low": (
        [
            p(glucose=51),
            p(glucose=(51, DAY)),
            Person(readings=(("glucose", 51, 20), ("glucose", 120, 1))),
            p(attributes={"severe_low_glucose_on": ago(0)}),
            p(attributes={"severe_low_glucose_on": ago(1.99)}),
        ],
        [
            PLAIN,
            p(glucose=52),
            p(glucose=(51, DAY + 1)),
            Person(readings=(("glucose", 51, DAY + 1), ("glucose", 120, 1))),
            p(attributes={"severe_low_glucose_on": ago(2)}),
            p(attributes={"severe_low_glucose_on": "some day"}),
        ],
    ),
    "glucose_low_exercise": BELOW_70,
    "glucose_very_low_exercise": BELOW_54,
    "insulin_glucose_unknown_vigorous": NO_GLUCOSE_TODAY,
    "ketones_exercise": (
        [p(blood_ketones=1.5), p(blood_ketones=(1.5, DAY))],
        [PLAIN, p(blood_ketones=1.4), p(blood_ketones=(1.5, DAY + 1))],
    ),
    "insulin_glucose_below_start": (INSULIN_BELOW_90, INSULIN_ABOVE_90),
    "glucose_high_exercise": (GLUCOSE_250, NO_GLUCOSE_250),
    "glucose_very_high_exercise": (GLUCOSE_350, NO_GLUCOSE_350),
    "oxygen_very_low_exercise": (OXYGEN, NO_OXYGEN),
    "oxygen_low_exercise": (
        [p(oxygen_saturation=94), p("copd", oxygen_saturation=90)],
        [PLAIN, p(oxygen_saturation=95)],
    ),
    "pulse_severe_exercise": (PULSE, NO_PULSE),
    "pulse_fast_exercise": ([p(resting_heart_rate=111)], [PLAIN, p(resting_heart_rate=110)]),
    "breathing_severe_exercise": (BREATHING, NO_BREATHING),
    "temperature_severe_exercise": (TEMPERATURE, NO_TEMPERATURE),
    "temperature_raised_exercise": ([p(body_temperature=38.1)], [PLAIN, p(body_temperature=38.0)]),
}

CONDITIONS: Cases = {
    "pregnancy": (each(PREGNANT), [PLAIN, p("postpartum")]),
    "pregnancy_exercise_contraindicated": (
        [
            *[
                p(f"pregnancy {condition}")
                for condition in f"{HEART} copd restrictive_lung_disease".split()
            ],
            *each(PREGNANT_BARRED),
            *PREGNANT_SEVERE,
        ],
        [
            PLAIN,
            p("pregnancy"),
            *each(f"{HEART} copd restrictive_lung_disease"),
            *NO_PREGNANT_SEVERE,
        ],
    ),
    "postpartum": ([p("postpartum")], [PLAIN, p("pregnancy")]),
    "recent_surgery": ([p("recent_surgery")], [PLAIN]),
    "fragile_bones": ([p("osteoporosis")], [PLAIN, p("osteoarthritis")]),
    "unsteady": (each("balance_disorder dementia"), [PLAIN]),
    "bleeding_risk": ([p("anticoagulant_use")], [PLAIN]),
    "seizure_risk": ([p("epilepsy")], [PLAIN]),
    "heart_heat_cold": (
        each(f"{HEART} stroke peripheral_artery_disease"),
        [PLAIN, *each("hypertension type_2_diabetes")],
    ),
    "lungs_breath": ([p("copd")], [PLAIN, p("asthma")]),
    "restricted_eating": (THIN, NOT_THIN),
    "insulin_eating": (each("insulin_use type_1_diabetes"), [PLAIN, p("type_2_diabetes")]),
    "treatment_frailty": ([p("cancer_in_treatment")], [PLAIN]),
    "no_alcohol": (each("alcohol_use_disorder liver_disease"), [PLAIN]),
    "heavy_drinking": ([p(audit_c=8)], [PLAIN, p(audit_c=7)]),
    "sleep_short": ([p(sleep_duration=4.9)], [PLAIN, p(sleep_duration=5)]),
    "weight_high_impact": (
        [p(body_mass_index=40), p(body_height=200, body_weight=160)],
        [PLAIN, p(body_mass_index=39.9), p(body_height=200, body_weight=159.9)],
    ),
    "sleep_loss_risk": (each("bipolar_disorder dementia"), [PLAIN, p("depression")]),
    "mood_crisis": (
        [p(phq9_item9=1), p(phq9=20)],
        [PLAIN, p(phq9_item9=0, phq9=19)],
    ),
    "dementia_fasting": ([p("dementia")], [PLAIN]),
    "medicines_with_clinician_only": ([PLAIN, p(age=None), p("asthma")], []),
}


def ages(low: int, high: int | None = None, **known: object) -> tuple[list[Person], list[Person]]:
    """Withheld outside the ages and where the age is unknown; not inside."""
    outside = [low - 1, None] + ([] if high is None else [high + 1])
    inside = [low] if high is None else [low, high]
    return (
        [p(age=age, **known) for age in outside],  # type: ignore[arg-type]
        [p(age=age, **known) for age in inside],  # type: ignore[arg-type]
    )


def both(*parts: tuple[list[Person], list[Person]]) -> tuple[list[Person], list[Person]]:
    return ([who for part in parts for who in part[0]], [who for part in parts for who in part[1]])


def not_women(age: int) -> tuple[list[Person], list[Person]]:
    return [p(age=age, sex=sex) for sex in ("male", "other", "unknown")], []


EXACTLY_25 = {"body_height": 200.0, "body_weight": 100.0}
UNDER_25 = {"body_height": 200.0, "body_weight": 99.9}
EXACTLY_30 = {"body_height": 200.0, "body_weight": 120.0}
UNDER_30 = {"body_height": 200.0, "body_weight": 119.9}
RISK = f"{DISEASE} copd asthma liver_disease alcohol_use_disorder tobacco_use"

SCREENING: Cases = {
    "screening_blood_pressure_eligibility": ages(18),
    "screening_colorectal_eligibility": ages(45, 75),
    "screening_breast_eligibility": both(ages(40, 74), not_women(50)),
    "screening_cervical_eligibility": both(ages(21, 65), not_women(40)),
    "screening_lung_eligibility": both(
        ages(50, 80, has="tobacco_use", pack_years=20),
        (
            [
                p("tobacco_use", age=60, pack_years=19),
                p("tobacco_use", age=60),
                p(age=60, pack_years=30),
                smoker("never", age=60, pack_years=30),
                smoker("former", age=60, pack_years=30),
                p(age=60, pack_years=30, attributes={"years_since_quitting": 16}),
                p(age=60, pack_years=30, attributes={"years_since_quitting": "unsure"}),
            ],
            [
                smoker("current", age=60, pack_years=20),
                p(age=60, pack_years=20, attributes={"years_since_quitting": 15}),
                p(age=60, pack_years=20, attributes={"years_since_quitting": "15"}),
            ],
        ),
    ),
    "screening_abdominal_aortic_aneurysm_eligibility": both(
        ages(65, 75, sex="male", has="tobacco_use"),
        (
            [
                p(age=70, sex="male"),
                p(age=70, sex="male", pack_years=0),
                smoker("never", age=70, sex="male"),
                smoker("current", age=70, sex="female"),
                smoker("current", age=70, sex="unknown"),
            ],
            [
                smoker("current", age=70, sex="male"),
                smoker("former", age=70, sex="male"),
                p(age=70, sex="male", pack_years=0.5),
            ],
        ),
    ),
    "screening_diabetes_eligibility": both(
        ages(35, 70, body_mass_index=25),
        (
            [
                PLAIN,
                p(body_mass_index=24.9),
                p(**UNDER_25),
                *each(DIABETES, body_mass_index=31),
                p(body_mass_index=22.9, attributes=ASIAN),
                p(body_height=200, body_weight=91.9, attributes=ASIAN),
            ],
            [
                p(**EXACTLY_25),
                p("prediabetes", body_mass_index=25),
                p(body_mass_index=23, attributes=ASIAN),
                p(body_height=200, body_weight=92, attributes=ASIAN),
            ],
        ),
    ),
    "screening_osteoporosis_eligibility": both(
        ages(65), not_women(70), ([p("osteoporosis", age=70)], [])
    ),
    "screening_hepatitis_c_eligibility": ages(18, 79),
    "screening_hiv_eligibility": ages(15, 65),
    "screening_alcohol_eligibility": ages(18),
    "screening_tobacco_eligibility": ages(18),
    "tobacco_not_used": (
        [smoker("never"), smoker("former")],
        [
            smoker("current"),
            smoker(None),
            p("tobacco_use", attributes={"smoking_status": "former"}),
        ],
    ),
    "screening_depression_eligibility": ages(18),
    "screening_anxiety_eligibility": ages(19, 64),
    "screening_obesity_eligibility": both(
        ages(18, body_mass_index=30),
        (
            [
                PLAIN,
                p(body_mass_index=29.9),
                p(**UNDER_30),
                p(body_mass_index=27.4, attributes=ASIAN),
                p(body_height=200, body_weight=109.9, attributes=ASIAN),
            ],
            [
                p(**EXACTLY_30),
                p(body_mass_index=27.5, attributes=ASIAN),
                p(body_height=200, body_weight=110, attributes=ASIAN),
            ],
        ),
    ),
    "screening_falls_eligibility": both(
        ages(65, has="balance_disorder"),
        ([p(age=80)], each("osteoporosis stroke dementia", age=70)),
    ),
    "screening_folic_acid_eligibility": both(ages(18, 49), not_women(30)),
    "screening_statin_eligibility": both(
        ages(40, 75, has="hypertension"),
        (
            [p(age=50), p(age=50, ldl_cholesterol=130), p(age=50, hdl_cholesterol=40)],
            [
                *each(f"{DIABETES} tobacco_use", age=50),
                smoker("current", age=50),
                p(age=50, ldl_cholesterol=131),
                p(age=50, hdl_cholesterol=39),
            ],
        ),
    ),
    "screening_lipids_eligibility": ages(20),
    "vaccination_influenza_eligibility": ages(18),
    "vaccination_covid_19_eligibility": ages(18),
    "vaccination_tetanus_eligibility": ages(18),
    "vaccination_shingles_eligibility": ages(50),
    "vaccination_pneumococcal_eligibility": both(
        ages(50),
        ages(19, has="asthma"),
        ([PLAIN], [*each(RISK), smoker("current")]),
    ),
    "vaccination_hpv_eligibility": ages(18, 26),
    "vaccination_hepatitis_b_eligibility": ages(18, 59),
    "vaccination_rsv_eligibility": both(
        ages(75),
        ages(60, has="copd"),
        ([p(age=74)], each(f"{HEART} {DIABETES} chronic_kidney_disease", age=65)),
    ),
    "vaccination_mmr_eligibility": ages(18, 64),
}

CAUTIONS: Cases = {
    "unwell_light": (
        [*PULSE, *BREATHING, *TEMPERATURE, *SYMPTOMS],
        [*NO_PULSE, *NO_BREATHING, *NO_TEMPERATURE, *CRISIS, *OXYGEN],
    ),
    "known_disease_inactive": (NOT_ACTIVE, ACTIVE_OR_CLEARED),
    "restricted_eating_exercise": (THIN, NOT_THIN),
    "glucose_low_light": BELOW_70,
    "pressure_stage_two_care": (STAGE_TWO, NO_STAGE_TWO),
    "risky_drinking_care": RISKY_DRINKING,
    "sleep_short_care": (
        [p(sleep_duration=6.9), p(age=18, sleep_duration=5)],
        [PLAIN, p(sleep_duration=7), p(age=17, sleep_duration=6), p(age=None, sleep_duration=6)],
    ),
    "unknown_age_exercise": ([p(age=None)], [PLAIN]),
    "insulin_glucose_snack": (INSULIN_BELOW_90, INSULIN_ABOVE_90),
    "insulin_glucose_unknown": NO_GLUCOSE_TODAY,
    "glucose_high_moderate": (GLUCOSE_250, NO_GLUCOSE_250),
    "pressure_uncontrolled_care": (UNCONTROLLED, NO_UNCONTROLLED),
    "unknown_pressure_care": (NO_PRESSURE, PRESSURE),
    "hypertension_care": ([p("hypertension")], [PLAIN]),
    "heart_care": (each(HEART), [PLAIN, p("stroke")]),
    "pregnancy_care": (each(PREGNANT), [PLAIN]),
    "postpartum_care": ([p("postpartum")], [PLAIN]),
    "surgery_care": ([p("recent_surgery")], [PLAIN]),
    "unknown_weight_care": (NO_WEIGHT, WEIGHT),
    "diabetes_eating": (each(DIABETES), [PLAIN, p("prediabetes")]),
    "kidney_care": ([p("chronic_kidney_disease")], [PLAIN]),
    "joint_care": (
        [
            *each("osteoarthritis rheumatoid_arthritis low_back_pain"),
            p(body_mass_index=35),
            p(body_height=200, body_weight=140),
        ],
        [PLAIN, p(body_mass_index=34.9), p(body_height=200, body_weight=139.9)],
    ),
    "airway_care": (each("asthma copd"), [PLAIN]),
    "seizure_care": ([p("epilepsy")], [PLAIN]),
    "bleeding_care": ([p("anticoagulant_use")], [PLAIN]),
    "apnea_care": ([p("sleep_apnea")], [PLAIN]),
    "stimulant_care": (each("anxiety insomnia"), [PLAIN]),
    "older_care": ([p(age=65)], [p(age=64), p(age=None)]),
    "young_adult_alcohol": ([p(age=18), p(age=20)], [p(age=17), p(age=21), p(age=None)]),
}

CASES: Cases = ALERTS | UNKNOWN_AND_AGE | EXERCISE | CONDITIONS | SCREENING | CAUTIONS | INTERVALS
