"""A page of trainings is legible with one run, a few, and a month of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from recommender.report.runs import runs_page
from recommender.store.stages import RunHistory

STAGES = {"prepare": 0.001, "read": 60.0, "fit": 200.0, "judge": 10.0, "score": 300.0}


def run(place: int, status: str = "trained", hours: float = 24.0) -> RunHistory:
    at = datetime(2026, 11, 1, 2, 15, tzinfo=UTC) + timedelta(hours=hours * place)
    if status == "failed":
        took = {"read": 60.0}
        return RunHistory(f"r{place}", status, at, 60.0, None, None, *[None] * 4, 90.0, took)
    figures = (0.3, 0.4, 0.7, 0.6)
    return RunHistory(f"r{place}", status, at, 570.0, 9, 99, *figures, 3100.0, dict(STAGES))


def svgs(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", page, re.S)]


def words(picture: ElementTree.Element) -> list[tuple[float, str]]:
    return [(float(one.attrib["x"]), one.text or "") for one in picture.iter("text")]


@pytest.mark.parametrize("hours", [24.0, 3.0])
@pytest.mark.parametrize("count", [1, 5, 30])
def test_dates_never_overlap_and_the_newest_is_there(count: int, hours: float) -> None:
    page = runs_page([run(place, hours=hours) for place in range(count)])
    pictures = svgs(page)
    assert len(pictures) == 4
    for picture in pictures:
        dates = [(x, text) for x, text in words(picture) if re.match(r"\d\d \w{3}", text)]
        width = 7.0 * max(len(text) for _, text in dates)
        assert all(right - left >= width for (left, _), (right, _) in pairwise(sorted(dates)))
        newest = run(count - 1, hours=hours).started_at
        assert max(dates)[1].startswith(f"{newest:%d %b}")
        assert all(0.0 <= x <= 720.0 for x, _ in words(picture))


def test_bars_are_as_high_as_the_time_and_stand_on_one_another() -> None:
    bars = [one for one in svgs(runs_page([run(0)]))[0].iter("rect") if one.attrib["width"] != "12"]
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert [height / sum(heights) for height in heights] == pytest.approx(
        [60 / 570, 200 / 570, 10 / 570, 300 / 570], abs=0.005
    )  # what can't be seen is left out
    edges = [
        (float(b.attrib["y"]), float(b.attrib["y"]) + h) for b, h in zip(bars, heights, strict=True)
    ]
    assert all(upper[1] == pytest.approx(lower[0], abs=0.2) for lower, upper in pairwise(edges))


def test_runs_that_came_to_nothing_are_marked_and_break_the_lines() -> None:
    page = runs_page([run(0), run(1, "failed"), run(2, "held_back"), run(3)])
    assert "○ held back by the gate; ✗ failed" in page
    time, loss, _, memory = svgs(page)
    assert [text for _, text in words(time) if text in "✗○"] == ["✗", "○"]
    assert len([one for one in loss.iter("line") if one.attrib["class"] == "curve"]) == 2
    assert len([one for one in memory.iter("line") if one.attrib["class"] == "curve"]) == 3
    assert "minutes" in [text for _, text in words(time)]
    assert "GB" in [text for _, text in words(memory)]


def test_runs_of_older_versions_have_no_time_but_their_quality() -> None:
    old = RunHistory(
        "old", "trained", datetime(2026, 1, 1, tzinfo=UTC), None, 9, 9, 0.3, 0.4, 0.7, 0.6, None, {}
    )
    page = runs_page([old])
    assert len(svgs(page)) == 2
    assert "<h3>Time by stage</h3>" not in page
