"""What was not simply allowed, as the log and the counters take it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.compiled import compiled
from recommender.dataset import IntArray
from recommender.guardrails.grounds import Citation, Grounds
from recommender.store.engine import json_text

_OPEN, _CLOSE, _COMMA = b"[],"
_NO_READING = b"]]"


class _Texts(NamedTuple):
    """Texts one behind the other: their bytes, and where each begins, [n_texts + 1]."""

    text: NDArray[np.uint8]
    first: IntArray


class VerdictLog:
    """What rules and actions look like in the log, made ready.

    Parameters
    ----------
    cited
        What is cited of each rule by itself.
    ids
        Id of each action of the catalogue.
    """

    def __init__(self, cited: Sequence[Citation], ids: Sequence[str]) -> None:
        self._names = [(each.verdict, each.rule_id) for each in cited]
        self._heads = _texts([f"{json_text(each[:3])[:-1]},[".encode() for each in cited])
        self._ids = _texts([json_text(each).encode() for each in ids])

    def decided(self, grounds: Grounds) -> list[dict[tuple[str, str], int]]:
        """How many actions each rule decided about, by person."""
        rules, many = grounds.rule.tolist(), np.diff(grounds.first).tolist()
        bounds = grounds.first_of.tolist()
        counted = [(self._names[rule], n) for rule, n in zip(rules, many, strict=True)]
        return [dict(counted[a:b]) for a, b in pairwise(bounds)]

    def texts(self, grounds: Grounds) -> list[str]:
        """JSON of what was not simply allowed to each person; see ``requests.verdicts``."""
        made = _log(
            grounds.first_of,
            grounds.rule,
            grounds.first,
            grounds.action,
            self._heads,
            self._ids,
            _texts(_tails(grounds)),
        )
        text, bounds = made[0].tobytes(), made[1].tolist()
        return [text[a:b].decode() for a, b in pairwise(bounds)]


def _tails(grounds: Grounds) -> list[bytes]:
    """What stands behind the ids of each entry; readings only where there are."""
    tails = [_NO_READING] * len(grounds.rule)
    if grounds.ids is not None:
        for at in np.flatnonzero(grounds.reading >= 0).tolist():
            pair = (grounds.observation_id(each[at]) for each in (grounds.reading, grounds.rival))
            tails[at] = f"],{json_text([each for each in pair if each])[1:]}".encode()
    return tails


def _texts(texts: Sequence[bytes]) -> _Texts:
    first = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return _Texts(np.frombuffer(b"".join(texts), dtype=np.uint8), first)


@compiled
def _log(
    first_of: IntArray,
    rule: IntArray,
    first: IntArray,
    action: IntArray,
    heads: _Texts,
    ids: _Texts,
    tails: _Texts,
) -> tuple[NDArray[np.uint8], IntArray]:
    """One text a person, and where each begins, [n_users + 1].

    The first four arrays are those of ``Grounds``; heads are by rule, ids by action, tails by
    entry.
    """
    size = 2 * len(first_of) + len(tails.text) + 2 * len(rule) + len(action)
    for named in rule:
        size += heads.first[named + 1] - heads.first[named]
    for at in action:
        size += ids.first[at + 1] - ids.first[at]
    text, begins = np.empty(size, np.uint8), np.zeros(len(first_of), np.int64)
    end = 0
    for user in range(len(first_of) - 1):
        text[end] = _OPEN
        end += 1
        for entry in range(first_of[user], first_of[user + 1]):
            if entry > first_of[user]:
                text[end] = _COMMA
                end += 1
            end = _write(text, end, heads, rule[entry])
            for at in range(first[entry], first[entry + 1]):
                if at > first[entry]:
                    text[end] = _COMMA
                    end += 1
                end = _write(text, end, ids, action[at])
            end = _write(text, end, tails, entry)
        text[end] = _CLOSE
        end += 1
        begins[user + 1] = end
    return text[:end], begins


@compiled
def _write(text: NDArray[np.uint8], end: int, texts: _Texts, which: int) -> int:
    """Put one of some texts behind the first ``end`` bytes; where it ends."""
    for at in range(texts.first[which], texts.first[which + 1]):
        text[end] = texts.text[at]
        end += 1
    return end
