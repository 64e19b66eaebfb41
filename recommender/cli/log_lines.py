"""Log lines of a command on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from recommender.logs import FORMATTERS
from recommender.settings import LogSettings


@contextmanager
def logging_to_stderr(log: LogSettings) -> Iterator[None]:
    """Write our own log lines of one command to standard error: for people on a terminal,
    elsewhere as the settings say.
    """
    logger = logging.getLogger("recommender")
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS["console" if sys.stderr.isatty() else log.log_format]())
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(log.log_level.upper())
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
