"""What is shipped for operators fits the product: commands, figures, locks; and logs no ids."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from api.present import _BY_SEGMENT, Present
from api.telemetry import Telemetry
from recommender.cli import main
from recommender.knowledge import load_knowledge
from recommender.published import Published
from recommender.store.engine import connect

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_NEEDS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not here"
)
_NAMES_PEOPLE = ("$request ", "$request_uri", "$uri", "$args", "$query_string", "$arg_", "$remote_")


def units() -> list[Path]:
    return sorted(p for p in (DEPLOY / "systemd").iterdir() if p.suffix in (".service", ".timer"))


def analyze(folder: Path, *arguments: str, only: str = "") -> subprocess.CompletedProcess[str]:
    paths = []
    for unit in units():
        # systemd wants the programs to be there.
        text = re.sub(r"/opt/recommender/bin/recommender", "/bin/true", unit.read_text())
        (folder / unit.name).write_text(text)
        if unit.name.endswith(only):
            paths.append(str(folder / unit.name))
    return subprocess.run(
        ["systemd-analyze", *arguments, *paths], capture_output=True, text=True, check=False
    )


@_NEEDS_SYSTEMD
def test_the_units_are_sound(tmp_path: Path) -> None:
    assert len(units()) == 3
    done = analyze(tmp_path, "verify", "--man=no")
    ours = [line for line in done.stderr.splitlines() if "recommender" in line]
    assert (done.returncode, ours) == (0, [])


@_NEEDS_SYSTEMD
def test_the_services_may_do_little(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--threshold=20", only=".service")
    assert done.returncode == 0, done.stdout


def typed() -> list[list[str]]:
    """Command lines of the product in units, image and compose file."""
    found = []
    for unit in units():
        for line in re.findall(r"^ExecStart=\S+/recommender (.*)$", unit.read_text(), re.M):
            found.append(shlex.split(line))
    image = (DEPLOY / "Dockerfile").read_text()
    found.append(re.findall(r'"([^"]+)"', re.search(r"^CMD \[(.*)\]$", image, re.M)[1]))  # type: ignore[index]
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    found += [one["command"] for one in services.values() if "command" in one]
    return found


def test_every_command_line_is_one() -> None:
    lines = typed()
    assert len(lines) == 8
    for line in lines:
        context = click.Context(main)
        command = main.get_command(context, line[0])
        assert command is not None, line
        command.make_context(line[0], line[1:])


def test_containers_wait_for_the_database_and_hold_no_password() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("serve", "train", "upgrade", "schedule"):
        service = services[name]
        assert service["depends_on"]["database"]["condition"] == "service_healthy"
        assert service["environment"]["PGPASSWORD"].startswith("${POSTGRES_PASSWORD:?")
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert services["serve"]["ports"] == ["127.0.0.1:8000:8000"]


def test_the_image_builds_from_what_is_locked() -> None:
    image = (DEPLOY / "Dockerfile").read_text()
    names = re.search(r"\^\(([a-z|-]+)\)==", image)[1].split("|")  # type: ignore[index]
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert "hatchling" in names
    assert all(re.search(rf"^{name}==", lock, re.M) for name in names)
    blocks = re.split(r"^(?=\S+==)", lock, flags=re.M)
    needed = {
        block.partition("==")[0]
        for block in blocks
        if re.search(r"^ +#(?: via)? +hatchling$", block, re.M)
    }
    assert needed
    assert needed <= set(names)
    copied = set(re.findall(r"^COPY (?:--\S+ )?(.*) \S+$", image, re.M)) - {"/opt/recommender"}
    ignored = (ROOT / ".dockerignore").read_text()
    assert all(f"!{name}\n" in ignored for line in copied for name in line.split())


def test_the_proxy_logs_nothing_that_names_people() -> None:
    text = (DEPLOY / "proxy/nginx.conf").read_text()
    (form,) = re.findall(r"log_format recommender.*?;", text, re.S)
    assert not [name for name in _NAMES_PEOPLE if name in form]
    assert "$upstream_http_x_request_id" in form
    logs = re.findall(r"^\s*access_log (.*);", text, re.M)
    assert all(log == "off" or log.endswith(" recommender") for log in logs)
    assert re.findall(r"^\s*error_log .* (\w+);", text, re.M) == ["crit"]
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text


def names_of_figures(url: str) -> set[str]:
    """Names of all families, those of the run that is not there included."""
    engine, known = connect(url), load_knowledge()
    present = Present(Published(engine, known.rules, known.metrics))
    families = text_string_to_metric_families(Telemetry(present).render().decode())
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in families
    }
    engine.dispose()
    run = {
        "recommender_published_run_info",
        "recommender_published_run_age_seconds",
        "recommender_run_stage_seconds",
    }
    return names | run | {"recommender_run_figure"} | {name for name, _, _ in _BY_SEGMENT.values()}


def test_every_figure_is_documented_and_no_other(sqlite_url: str) -> None:
    text = (ROOT / "docs/observability.md").read_text()
    documented = set(re.findall(r"^\| `(recommender_\w+)`", text, re.M))
    assert documented == names_of_figures(sqlite_url)


def test_alerts_speak_of_figures_that_exist(sqlite_url: str) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 8
    known = names_of_figures(sqlite_url)
    for rule in rules:
        for name in re.findall(r"recommender_\w+", rule["expr"]):
            assert re.sub(r"_(bucket|count|sum)$", "", name) in known, name
