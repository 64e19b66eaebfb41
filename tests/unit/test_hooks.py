"""Hooks: real commands and a real server, however badly either behaves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from recommender.hooks import ATTEMPTS, call_hook, missing_command
from recommender.settings import Settings

SUMMARY = {"event": "train", "status": "published", "run_id": "r1"}


class Receiver(ThreadingHTTPServer):
    """Notes what it is sent; answers what it is told to, the last of it for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [200]
        self.place = ""
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/told?key=verysecret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        names = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.path, names, body))
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        if self.server.place:
            self.send_header("Location", self.server.place)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, *_arguments: Any) -> None: ...


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "hook with a space.py"
    path.write_text(text, encoding="utf-8")
    return f"{sys.executable} '{path}' 'two words'"


def test_a_command_gets_the_summary_and_its_words(tmp_path: Path) -> None:
    written = tmp_path / "written.json"
    text = (
        "import json, sys\nheld = [sys.argv[1:], json.load(sys.stdin)]\n"
        f"open({str(written)!r}, 'w').write(json.dumps(held))"
    )
    assert call_hook(script(tmp_path, text), SUMMARY, seconds=20) is None
    assert json.loads(written.read_text()) == [["two words"], SUMMARY]


def test_no_shell_is_asked(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    assert call_hook(f"echo hi; touch {trap}", SUMMARY, seconds=20) is None
    assert not trap.exists()


def test_a_command_that_fails_is_quoted_in_one_harmless_line(tmp_path: Path) -> None:
    text = "import sys\nprint('no\\x1b[31m mail\\nserver', file=sys.stderr)\nsys.exit(3)"
    wrong = call_hook(script(tmp_path, text), SUMMARY, seconds=20)
    assert wrong == "it ended with 3: no [31m mail server"


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    child = f"import time\ntime.sleep(3)\nopen({str(alive)!r}, 'w')"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}])"
    text = f"import subprocess, sys, time\n{start}\ntime.sleep(60)"
    began = time.monotonic()
    assert call_hook(script(tmp_path, text), SUMMARY, seconds=1) == "it took longer than 1 s"
    assert time.monotonic() - began < 3
    time.sleep(max(3.5 - (time.monotonic() - began), 0))
    assert not alive.exists()


def test_a_command_that_floods_neither_blocks_nor_is_kept(tmp_path: Path) -> None:
    text = "import sys\nfor _ in range(500):\n    sys.stdout.write('x' * 100_000)\nsys.exit(1)"
    wrong = call_hook(script(tmp_path, text), SUMMARY, seconds=20)
    assert wrong is not None
    assert wrong.startswith("it ended with 1: xxx")
    assert len(wrong) < 400


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    text = "import subprocess, sys\nsubprocess.Popen(['sleep', '5'])\nsys.exit(1)"
    began = time.monotonic()
    assert call_hook(script(tmp_path, text), SUMMARY, seconds=20) == "it ended with 1"
    assert time.monotonic() - began < 4


def test_a_command_gets_no_hooks_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_ON_FAILURE", "again")
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", "sqlite:///x.db")
    text = (
        "import os, sys\nhas = os.environ.__contains__\n"
        "sys.exit(has('RECOMMENDER_ON_FAILURE') or not has('RECOMMENDER_DATABASE_URL'))"
    )
    assert call_hook(script(tmp_path, text), SUMMARY, seconds=20) is None


def test_a_command_that_is_not_there() -> None:
    assert missing_command("no-such-program --flag") == "no-such-program"
    assert missing_command("echo hi") is None
    assert missing_command("https://example.org") is None
    wrong = call_hook("no-such-program --flag", SUMMARY, seconds=5)
    assert wrong == "it could not be called (FileNotFoundError)"


def test_an_address_gets_one_signed_post(receiver: Receiver) -> None:
    secret = b"sixteen bytes or more"
    assert call_hook(receiver.address, SUMMARY, seconds=10, secret=secret) is None
    [(path, headers, body)] = receiver.got
    assert path == "/told?key=verysecret"
    assert json.loads(body) == SUMMARY
    assert headers["content-type"] == "application/json"
    # As a receiver would check it, from the specification alone.
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    due = base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{due}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    assert call_hook(receiver.address, SUMMARY, seconds=10) is None
    assert "webhook-signature" not in receiver.got[0][1]


def test_a_server_in_trouble_is_asked_again_under_the_same_id(receiver: Receiver) -> None:
    receiver.answers = [503, 429, 200]
    assert call_hook(receiver.address, SUMMARY, seconds=20) is None
    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


@pytest.mark.parametrize(("code", "times"), [(500, ATTEMPTS), (404, 1), (400, 1)])
def test_asking_again_has_an_end_and_a_refusal_is_final(
    receiver: Receiver, code: int, times: int
) -> None:
    receiver.answers = [code]
    wrong = call_hook(receiver.address, SUMMARY, seconds=20)
    assert wrong is not None
    assert wrong.startswith(f"127.0.0.1 answered {code}")
    assert "verysecret" not in wrong
    assert len(receiver.got) == times


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers, receiver.place = [307], f"http://127.0.0.1:{receiver.server_address[1]}/other"
    wrong = call_hook(receiver.address, SUMMARY, seconds=10)
    assert wrong == "127.0.0.1 answered 307: redirects are not followed"
    assert [path for path, _, _ in receiver.got] == ["/told?key=verysecret"]


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wrong = call_hook(f"http://127.0.0.1:{port}/?key=verysecret", SUMMARY, seconds=10)
    assert wrong == "127.0.0.1 could not be reached (ConnectError)"


def test_a_server_that_answers_byte_by_byte_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    stop = threading.Event()

    def drip(server: socket.socket) -> None:
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not stop.wait(0.1):
                accepted.sendall(b"z")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        began = time.monotonic()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert call_hook(address, SUMMARY, seconds=1) == "it took longer than 1 s"
        assert time.monotonic() - began < 2
        stop.set()
        thread.join(5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_success", "ftp://example.org/x"),
        ("on_success", "https://"),
        ("on_failure", "mail 'ops"),
        ("hook_seconds", "0"),
        ("hook_secret", "short"),
        ("hook_secret", "whsec_no base64!"),
    ],
)
def test_settings_that_make_no_sense_are_refused_and_not_repeated(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RECOMMENDER_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_a_secret_is_not_shown() -> None:
    assert "sixteen bytes" not in repr(Settings(hook_secret="sixteen bytes or more"))  # type: ignore[arg-type]
