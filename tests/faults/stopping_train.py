"""The command line, stopping itself (SIGSTOP) when a training comes to a moment.

``python tests/faults/stopping_train.py MOMENT train …``. Whoever started it does what is to
happen just then, and lets it go on or kills it. Moments, in their order: before the records are
read, before the fit, before the gate, before and amid the scoring, in the last transaction.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import recommender.train as flow
from recommender.cli import main

MOMENTS = ("read", "fit", "judge", "score", "scored", "commit")
_TIMES = iter((1,))


def stop_at(moment: str) -> None:
    """Wrap what the training calls at a moment."""
    wraps = {
        "read": (flow, "read_material", _stopping_before),
        "fit": (flow.hybrid, "fit", _stopping_before),
        "judge": (flow, "judge", _stopping_before),
        "score": (flow, "score_everyone", _stopping_before),
        "scored": (flow, "score_everyone", _stopping_amid),
        "commit": (flow, "publish", _stopping_after),
    }
    owner, name, wrap = wraps[moment]
    setattr(owner, name, wrap(getattr(owner, name)))


def _stopping_before(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        _stop()
        return call(*arguments, **named)

    return wrapped


def _stopping_after(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        _stop()
        return result

    return wrapped


def _stopping_amid(call: Callable[..., Any]) -> Callable[..., Any]:
    # The last argument is told of every batch.
    def wrapped(*arguments: Any) -> Any:
        return call(*arguments[:-1], _stopping_before(arguments[-1]))

    return wrapped


def _stop() -> None:
    if next(_TIMES, 0):
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    stop_at(sys.argv[1])
    main(sys.argv[2:])
