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

Bytes = NDArray[np.uint8]

_OPEN, _CLOSE, _COMMA = b"[],"
_NO_READING = b"]]"


class _Texts(NamedTuple):
    """Texts one behind the other: their bytes, and where each begins, [n_texts + 1]."""

    text: Bytes
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
        names = [self._names[rule] for rule in rules]
        each = ((names[a:b], many[a:b]) for a, b in pairwise(bounds))
        return [dict(zip(*both, strict=True)) for both in each]

    def texts(self, grounds: Grounds) -> list[str]:
        """JSON of what was not simply allowed to each person; see ``requests.verdicts``."""
        tails, which = _tails(grounds)
        made = _log(
            grounds.first_of,
            grounds.rule,
            grounds.first,
            grounds.action,
            self._heads,
            self._ids,
            _texts(tails),
            which,
        )
        text, bounds = made[0].tobytes(), made[1].tolist()
        return [text[a:b].decode() for a, b in pairwise(bounds)]


def _tails(grounds: Grounds) -> tuple[list[bytes], IntArray]:
    """What may stand behind the ids of an entry, and which of these stands behind each."""
    tails, which = [_NO_READING], np.zeros(len(grounds.rule), np.int64)
    if grounds.ids is not None:
        for at in (grounds.reading >= 0).nonzero()[0].tolist():
            which[at] = len(tails)
            ids = [each for each in grounds.observation_ids(at) if each]
            tails.append(f"],{json_text(ids)[1:]}".encode())
    return tails, which


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
    which: IntArray,
) -> tuple[Bytes, IntArray]:
    """One text a person, and where each begins, [n_users + 1].

    The first four arrays are those of ``Grounds``; heads are by rule, ids by action;
    ``which`` tail stands behind each entry, [n_grounds].
    """
    (head, head_at), (named, named_at), (tail, tail_at) = heads, ids, tails
    size = 2 * len(first_of) + len(rule) + len(action)
    for entry in range(len(rule)):
        size += head_at[rule[entry] + 1] - head_at[rule[entry]]
        size += tail_at[which[entry] + 1] - tail_at[which[entry]]
    for at in action:
        size += named_at[at + 1] - named_at[at]
    text, begins = np.empty(size, np.uint8), np.zeros(len(first_of), np.int64)
    end = 0
    for user in range(len(first_of) - 1):
        text[end] = _OPEN
        end += 1
        for entry in range(first_of[user], first_of[user + 1]):
            if entry > first_of[user]:
                text[end] = _COMMA
                end += 1
            end = _write(text, end, head, head_at, rule[entry])
            for at in range(first[entry], first[entry + 1]):
                if at > first[entry]:
                    text[end] = _COMMA
                    end += 1
                end = _write(text, end, named, named_at, action[at])
            end = _write(text, end, tail, tail_at, which[entry])
        text[end] = _CLOSE
        end += 1
        begins[user + 1] = end
    return text[:end], begins


@compiled
def _write(text: Bytes, end: int, texts: Bytes, first: IntArray, which: int) -> int:
    """Put one of some texts behind the first ``end`` bytes; where it ends."""
    for at in range(first[which], first[which + 1]):
        text[end] = texts[at]
        end += 1
    return end
