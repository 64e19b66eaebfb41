"""A command of ours in a process of its own, ended in order when this one is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

_KILL_AFTER_S = 30.0
_LOOK_S = 0.2
"""How soon a signal is noticed."""


class Stop:
    """Whether we are to end; set by a signal, so that it is no more than a flag."""

    def __init__(self) -> None:
        self.asked = False

    def wait(self, seconds: float) -> bool:
        """Wait, in short steps, and tell whether to stop."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0.0:
            time.sleep(min(left, _LOOK_S))
        return self.asked


@contextmanager
def told_to_stop() -> Iterator[Stop]:
    """Give what SIGTERM and SIGINT set."""
    stop = Stop()

    def heard(_number: int, _frame: FrameType | None) -> None:
        stop.asked = True

    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, heard) for each in signals]
    try:
        yield stop
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def run_child(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stop: Stop,
    kill_after_s: float = _KILL_AFTER_S,
) -> int:
    """Run a command line of ours to its end and return its exit code.

    When told to stop, the child is interrupted, so that it can say how it ended; if it does not
    end in time it is killed, which a training survives: the published run stays in force.
    A child that a signal ended has 128 and the signal's number, as in a shell.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "recommender.cli", *arguments],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches us alone, and the child once
    ) as child:
        while child.poll() is None:
            if stop.asked:
                return _ended(child, kill_after_s)
            _wait(child, _LOOK_S)
        return _code(child.returncode)


def _ended(child: subprocess.Popen[bytes], kill_after_s: float) -> int:
    child.send_signal(signal.SIGINT)
    if not _wait(child, kill_after_s):
        child.kill()
    return _code(child.wait())


def _wait(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _code(returned: int) -> int:
    return returned if returned >= 0 else 128 - returned
