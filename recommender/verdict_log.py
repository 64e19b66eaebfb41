"""What was not simply allowed, as the log and the counters take it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from recommender.guardrails.grounds import Citation, Ground
from recommender.store.engine import json_text


def decided(grounds: Sequence[Ground]) -> dict[tuple[str, str], int]:
    """How many actions each rule decided about."""
    return {(cited.verdict, cited.rule_id): len(actions) for cited, actions in grounds}


def verdict_log(quoted_ids: Sequence[str], grounds: Sequence[Ground]) -> str:
    """JSON of what was not simply allowed to a person; see the column ``requests.verdicts``.

    Parameters
    ----------
    quoted_ids
        Id of each action of the catalogue, as JSON.
    """
    entries = []
    for cited, actions in grounds:
        head, end = _around(cited) if cited.reading else _around_bare(cited)
        ids = [quoted_ids[action] for action in actions]
        entries.append(f"{head}{','.join(ids)}{end}")
    return f"[{','.join(entries)}]"


def _around(cited: Citation) -> tuple[str, str]:
    """What stands before and behind the ids in an entry; readings only where there are."""
    readings = json_text([each for each in cited[3:] if each])[1:]
    return f"{json_text(cited[:3])[:-1]},[", f"],{readings}" if cited.reading else "]]"


_around_bare = lru_cache(maxsize=1024)(_around)
"""Of citations without a reading, which are the same for everybody."""
