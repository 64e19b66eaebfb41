"""Ids of answers are UUIDs of version 7: in order of time, and never the same twice."""

from __future__ import annotations

import time
import uuid

from recommender.request_ids import request_ids


def test_they_are_version_7_of_the_standard() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid.UUID(each) for each in request_ids(500)]
    after = time.time_ns() // 1_000_000
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in made)


def test_later_ones_sort_behind_earlier_ones() -> None:
    first = request_ids(50)
    time.sleep(0.002)
    assert max(first) < min(request_ids(50))


def test_74_bits_are_drawn() -> None:
    made = request_ids(20_000)
    assert len(set(made)) == len(made)
    numbers = [int(each, 16) for each in made]
    always, ever = numbers[0], 0
    for number in numbers:
        always, ever = always & number, ever | number
    varied = (always ^ ever) & ((1 << 80) - 1)
    assert varied.bit_count() == 74
