"""The command line from outside: help, exit codes, one JSON document, no tracebacks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from recommender import __version__
from recommender.cli import main
from recommender.cli.root import COMMANDS

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "recommender.cli"]


def call(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=given)


def spawn(*arguments: str, **options: object) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [*COMMAND, *arguments],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # a suite run in the background would pass on that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += [(*path, name), *leaves(inner, (*path, name))]
    return found


@pytest.mark.parametrize("path", sorted(set(leaves(main))), ids=" ".join)
def test_every_command_has_help_with_an_example_and_the_common_options(
    path: tuple[str, ...],
) -> None:
    shown = call(*path, "--help")
    assert shown.exit_code == 0
    for expected in ("Example:", f"recommender {path[0]}", "--database-url", "--json"):
        assert expected in shown.output


def test_the_table_of_commands_is_true() -> None:
    for name, (module, _) in COMMANDS.items():
        assert import_module(module).command.name == name


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom recommender.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'sqlalchemy', 'pandas', 'numpy', 'sklearn', 'pydantic', 'fastapi', 'rich'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version() -> None:
    assert __version__ in call("--version").output


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("recommend",),
        ("recommend", "u1", "--limit", "0"),
        ("recommend", "u1", "--as-of", "2026-11-01T00:00:00"),
        ("ingest", "events", "/no/such/file.csv"),
        ("key", "create", "--name", "x", "--scope", "everything"),
        ("upgrade", "--database-url", "mysql://somewhere"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_a_setting_that_makes_no_sense_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECOMMENDER_KEEP_RUNS", "secret-number")
    done = call("doctor")
    assert done.exit_code == 2
    assert "RECOMMENDER_KEEP_RUNS" in done.stderr
    assert "secret-number" not in done.output


def test_a_database_that_is_not_set_up_says_what_to_do(empty_database_url: str) -> None:
    done = call("runs", "list", "--database-url", empty_database_url)
    assert done.exit_code == 1
    assert done.stderr.strip().splitlines() == [done.stderr.strip()]
    assert done.stderr.startswith("error: ")
    assert "recommender upgrade" in done.stderr


def test_errors_are_one_json_document_too(sqlite_empty_url: str) -> None:
    done = call("runs", "list", "--json", "--database-url", sqlite_empty_url)
    assert json.loads(done.stdout)["error"]["exit_code"] == done.exit_code == 1
    assert done.stderr.startswith("error: ")


def test_an_unreachable_server_shows_no_password() -> None:
    url = "postgresql://someone:hidden-word@127.0.0.1:1/nothing"
    done = call("doctor", "--database-url", url)
    assert done.exit_code == 1
    assert "hidden-word" not in done.output


def test_the_database_may_be_named_before_or_after_the_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    other = f"sqlite:///{tmp_path / 'b.db'}"
    assert call("--database-url", url, "upgrade").exit_code == 0
    assert call("--database-url", other, "upgrade", "--database-url", url).exit_code == 0
    assert (tmp_path / "a.db").exists()
    assert not (tmp_path / "b.db").exists()
    after = json.loads(call("--json", "upgrade", "--database-url", url).stdout)
    assert after["before"] == after["after"]


def test_the_database_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMMENDER_DATABASE_URL", f"sqlite:///{tmp_path / 'env.db'}")
    assert call("upgrade").exit_code == 0
    assert (tmp_path / "env.db").exists()


def test_an_unexpected_error_shows_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(_url: str) -> None:
        raise ValueError("the reading of u0000001 was 195")

    monkeypatch.setattr("recommender.cli.doctor.examine", explode)
    done = call("doctor")
    assert done.exit_code == 1
    assert "ValueError" in done.stderr
    assert "u0000001" not in done.output
    assert "Traceback" not in done.output
    monkeypatch.setenv("RECOMMENDER_DEBUG", "1")
    assert "Traceback" in call("doctor").stderr


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    arguments = ("simulate", "--users", "2000000", "--days", "90", "--out", str(tmp_path / "out"))
    process = spawn(*arguments)
    for _ in range(200):
        if (tmp_path / "out" / "users.csv").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_a_closed_pipe_ends_quietly() -> None:
    process = spawn("train", "--help")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=30)
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
