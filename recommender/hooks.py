"""Telling a command or an address how a training ended; nothing a hook does changes the training.

Addresses get a POST, signed as the Standard Webhooks specification asks (standardwebhooks.com):
``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``, HMAC-SHA-256 of
``id.timestamp.body`` in base64 after ``v1,``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
import orjson
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from recommender import __version__
from recommender.hook_settings import is_address

ATTEMPTS = 3
MOST_KEPT = 2_000
"""Bytes of a command's output that are kept; it may write as much as it likes."""
NOT_PASSED_ON = ("RECOMMENDER_ON_SUCCESS", "RECOMMENDER_ON_FAILURE", "RECOMMENDER_HOOK_SECRET")
"""Not in a command's environment: a training that a hook starts calls no hooks in turn."""

_QUOTED = 300
_TRY_AGAIN = (408, 425, 429)
_ONE_ANSWER_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 5.0


class _RefusedError(Exception):
    """The other side answered, and not with success."""


class _NotNowError(_RefusedError):
    """It may answer otherwise in a moment."""


def missing_command(target: str) -> str | None:
    """Name of the program that a command would start, if this machine has none such."""
    if not target or is_address(target):
        return None
    program = shlex.split(target)[0]
    return None if shutil.which(program) else program


def call_hook(
    target: str, summary: Mapping[str, Any], *, seconds: float, secret: bytes = b""
) -> str | None:
    """Run a command with the summary as JSON on standard input, or post it to an address.

    Parameters
    ----------
    target
        A command in words as for a shell, which none is asked to run, or an ``http(s)`` address.
    seconds
        When it is ended, whatever it is at.
    secret
        Key to sign with; unsigned if empty.

    Returns
    -------
    str or None
        What went wrong, without the address or the command line, which may hold secrets; None if
        nothing did. Nothing is raised.
    """
    body = orjson.dumps(summary, default=str, option=orjson.OPT_UTC_Z)
    try:
        if is_address(target):
            return _in_time(lambda: _post(target, body, seconds, secret), seconds)
        return _run(shlex.split(target), body, seconds)
    except KeyboardInterrupt:
        return "it was interrupted"
    except Exception as error:
        return f"it could not be called ({type(error).__name__})"


def signed(body: bytes, message_id: str, at: int, secret: bytes) -> dict[str, str]:
    """Headers that let the receiver check who sent a message, and when (seconds since 1970)."""
    headers = {"webhook-id": message_id, "webhook-timestamp": str(at)}
    if secret:
        digest = hmac.new(secret, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def _in_time(work: Callable[[], str | None], seconds: float) -> str | None:
    """Wait no longer than that: a server that answers byte by byte outlasts other limits."""
    outcome: list[str | None] = []
    worker = threading.Thread(target=lambda: outcome.append(work()), daemon=True)
    worker.start()
    worker.join(seconds)
    return outcome[0] if outcome else f"it took longer than {seconds:g} s"


def _post(address: str, body: bytes, seconds: float, secret: bytes) -> str | None:
    host, message_id = urlsplit(address).hostname, f"train-{uuid.uuid4().hex}"
    attempts = Retrying(
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(seconds),
        wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_SECONDS),
        retry=retry_if_exception_type((httpx.TransportError, _NotNowError)),
        reraise=True,
    )
    try:
        with httpx.Client(timeout=min(seconds, _ONE_ANSWER_SECONDS)) as client:
            attempts(_post_once, client, address, body, message_id, secret)
    except _RefusedError as refusal:
        return f"{host} {refusal}"
    except Exception as error:  # its words may repeat the address
        return f"{host} could not be reached ({type(error).__name__})"
    return None


def _post_once(
    client: httpx.Client, address: str, body: bytes, message_id: str, secret: bytes
) -> None:
    headers = {
        "content-type": "application/json",
        "user-agent": f"recommender/{__version__}",
        **signed(body, message_id, int(time.time()), secret),
    }
    # Streamed, and left unread: what it says may be endless. Redirects are not followed.
    with client.stream("POST", address, content=body, headers=headers) as answer:
        code = answer.status_code
    if code >= 500 or code in _TRY_AGAIN:
        raise _NotNowError(f"answered {code}, {ATTEMPTS} times at most")
    if answer.is_redirect:
        raise _RefusedError(f"answered {code}: redirects are not followed")
    if not answer.is_success:
        raise _RefusedError(f"answered {code}")


def _run(words: list[str], body: bytes, seconds: float) -> str | None:
    passed_on = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    with tempfile.TemporaryFile() as given:  # a pipe would block if it is never read
        given.write(body)
        given.seek(0)
        process = subprocess.Popen(
            words,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=passed_on,
            start_new_session=True,
        )
    assert process.stdout is not None
    said = _Said(process.stdout)
    try:
        code = process.wait(seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        _end(process)
        in_time = isinstance(error, KeyboardInterrupt)
        return "it was interrupted" if in_time else f"it took longer than {seconds:g} s"
    return f"it ended with {code}{said.quoted()}" if code else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Said:
    """The beginning of what a command writes; the rest is read and dropped."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._kept = b""
        self._pipe = pipe
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def quoted(self) -> str:
        """On one line, without what could steer a terminal; empty if it said nothing."""
        self._reader.join(1.0)  # something it left running may hold the pipe for good
        text = self._kept.decode(errors="replace")
        plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f": {plain[:_QUOTED]}" if plain else ""

    def _read(self) -> None:
        with self._pipe:
            while block := self._pipe.read1(65_536):  # type: ignore[attr-defined]
                self._kept += block[: MOST_KEPT - len(self._kept)]
