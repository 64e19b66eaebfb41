from __future__ import annotations

import numpy as np
import pytest

from recommender.domain import Action, Audience, Catalogue, Metric, MetricsList
from recommender.models.base import Shares
from recommender.phrases import Phrases
from recommender.reasons import Wording, cite_all

METRICS = MetricsList(
    (
        Metric("systolic_bp", "upper blood pressure", (), "mm[Hg]", 50, 300, 30),
        Metric("hba1c", "long-term sugar", (), "%", 3, 25, 180),
    )
)
WALK = Action("walk", "Take a walk", "activity", targets=("systolic_bp",))
SING = Action("sing", "Sing", "social")
SHARES = Shares(
    (
        ("base", "base_rate"),
        ("profile", "age"),
        ("profile", "type_2_diabetes"),
        ("biometrics", "systolic_bp"),
        ("biometrics", "systolic_bp:missing"),
        ("biometrics", "hba1c"),
    ),
    np.array([[-1.0, 0.2, 0.3, -0.1, 0.9, 0.4], [-2.0, 0.0, 0.0, 0.01, 0.0, 0.0]]),
    past=np.array([[0, -1], [0, -1]]),
    past_amounts=np.array([[0.25, 0.0], [-0.5, 0.0]]),
)
BOTH = np.zeros(2, np.int64)


def _wording(**changes: object) -> Wording:
    audience = changes.pop("audience", Audience.USER)
    known: dict[str, object] = {
        "phrases": Phrases(Catalogue((SING, WALK)), METRICS, Audience(audience)),
        "readings": np.array([[150.0, np.nan]]),
        "needs": np.array([[0.5, 0.0]]),
        "measured": np.array([[True, False]]),
        "has_profile": np.array([True]),
    }
    return Wording(**(known | changes))  # type: ignore[arg-type]


def test_an_answered_need_comes_first_and_contributions_are_exact_sums() -> None:
    walk, _ = cite_all(SHARES, BOTH, np.array([1, 0]), _wording())
    assert [(one.part, one.feature) for one in walk] == [
        ("biometrics", "systolic_bp"),
        ("profile", "profile"),
        ("factor", "sing"),
    ]
    assert [one.contribution for one in walk] == pytest.approx([-0.1, 0.5, 0.25])


def test_what_is_not_known_is_never_a_reason() -> None:
    wording = _wording(
        measured=np.array([[False, False]]),
        needs=np.zeros((1, 2)),
        has_profile=np.array([False]),
    )
    walk, _ = cite_all(SHARES, BOTH, np.array([1, 0]), wording)
    assert [(one.part, one.feature) for one in walk] == [("factor", "sing")]


def test_with_nothing_to_cite_the_base_rate_is_named() -> None:
    _, sing = cite_all(SHARES, BOTH, np.array([1, 0]), _wording())
    assert [(one.part, one.contribution) for one in sing] == [("base", -2.0)]


def test_the_person_reads_no_disease_name_and_the_clinician_the_basis() -> None:
    walk, _ = cite_all(SHARES, BOTH, np.array([1, 0]), _wording())
    assert all("diabetes" not in one.text + one.feature for one in walk)
    clinical, _ = cite_all(SHARES, BOTH, np.array([1, 0]), _wording(audience=Audience.CLINICIAN))
    assert clinical[0].text == "systolic_bp: 150 mm[Hg]"
    assert ("profile", "type_2_diabetes") in [(one.part, one.feature) for one in clinical]
