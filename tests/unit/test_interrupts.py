from __future__ import annotations

import os
import signal

import pytest

from recommender.cli.interrupts import terminated_as_interrupted


def test_sigterm_ends_the_work_as_ctrl_c_does_and_only_there() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
