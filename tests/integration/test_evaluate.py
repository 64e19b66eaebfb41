"""``recommender evaluate`` on real databases: complete, recomputable, and read-only."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from recommender.cli import main
from recommender.store.engine import connect, reading, writing
from recommender.store.queries import run_query

MODELS = (
    "random", "popularity_count", "popularity_rate", "popularity_recent", "ials", "ease",
    "features", "factors", "hybrid",
)  # fmt: skip
RANKING = {
    "ndcg_at_10", "recall_at_10", "recall_at_20", "map", "hit_rate_at_10", "novelty",
    "corrected_recall_at_10", "corrected_recall_at_20", "shown_ndcg_at_10",
}  # fmt: skip
LISTS = {"coverage", "inter_user_distance"}
PROBABILITY = {"log_loss", "brier", "expected_calibration_error", "predicted", "observed"}


def evaluate(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--database-url", url, "evaluate", *arguments])


def read(url: str, *arguments: str) -> Any:
    done = evaluate(url, "--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = connect(url)
    with reading(engine) as connection:
        found = [tuple(row) for row in run_query(connection, query)[1]]
    engine.dispose()
    return found


def test_every_line_and_figure_is_there(trained_url: str) -> None:
    found = read(trained_url, "--quick", "--days", "10")
    assert tuple(line["name"] for line in found["leaderboard"]) == MODELS
    for line in found["leaderboard"]:
        gives = line["name"] in ("random", "popularity_rate", "features", "factors", "hybrid")
        assert set(line["figures"]) == RANKING | LISTS | (PROBABILITY if gives else set())
        compared = set(line["hybrid_minus"])
        expected = RANKING | (PROBABILITY if gives else set())
        assert compared == (set() if line["name"] == "hybrid" else expected)
    assert found["window"]["days"] == pytest.approx(10)
    assert found["window"]["judged"] > 50
    assert len(found["prediction"]["reliability"]) == 10
    assert {"history", "sex", "age"} <= {s["family"] for s in found["segments"]}
    assert {line["name"] for line in found["policies"]} == set(MODELS)
    assert found["learning_curve"] == []
    assert found["left_out"] == []
    assert found["harm"]["groups"][0]["people"] == found["harm"]["people"]
    assert {"sex", "age", "condition"} >= {g["family"] for g in found["harm"]["groups"][1:]}
    assert found["harm"]["near_misses"] == sum(found["harm"]["by_severity"].values())
    assert found["harm"]["near_misses"] == sum(r["near_misses"] for r in found["harm"]["rules"])
    by_name = {line["name"]: line["figures"] for line in found["leaderboard"]}
    assert by_name["random"]["inter_user_distance"]["value"] > 0.5
    assert by_name["popularity_count"]["inter_user_distance"]["value"] == 0.0
    assert by_name["hybrid"]["log_loss"]["value"] < by_name["random"]["log_loss"]["value"]


def test_popularity_can_be_recomputed_from_sql(trained_sqlite_url: str) -> None:
    found = read(trained_sqlite_url, "--quick")
    window = found["window"]
    split = np.datetime64(window["split_at"].removesuffix("Z").split("+")[0])
    done = rows(
        trained_sqlite_url,
        "SELECT user_id, action_id, occurred_at FROM events WHERE type = 'complete'",
    )
    counts: dict[str, int] = defaultdict(int)
    later: dict[str, set[str]] = defaultdict(set)
    for user, action, at in done:
        if np.datetime64(str(at).rstrip("Z")) <= split:
            counts[action] += 1
        else:
            later[user].add(action)
    assert sum(map(len, later.values())) == window["completed_pairs"]
    tenth = sorted(counts.values(), reverse=True)[9]
    surely = {action for action, n in counts.items() if n > tenth}
    perhaps = {action for action, n in counts.items() if n >= tenth}
    least, most = (
        np.mean([len(actions & some) / len(actions) for actions in later.values()])
        for some in (surely, perhaps)
    )
    line = next(x for x in found["leaderboard"] if x["name"] == "popularity_count")
    recall = line["figures"]["recall_at_10"]["value"]
    if len(perhaps) == 10:
        assert recall == pytest.approx(most)
    assert least - 1e-9 <= recall <= most + 1e-9
    assert most < 0.9


def test_figures_add_up_from_those_of_each_person(trained_sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    found = read(trained_sqlite_url, "--quick", "--per-user", str(path))
    above: dict[tuple[str, str], float] = defaultdict(float)
    below: dict[tuple[str, str], float] = defaultdict(float)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = row["model"], row["figure"]
            above[key] += float(row["above"])
            below[key] += float(row["below"])
    checked = 0
    for line in found["leaderboard"]:
        for name, figure in line["figures"].items():
            key = line["name"], name
            if key in above:
                assert above[key] / below[key] == pytest.approx(figure["value"]), key
                checked += 1
    assert checked > 80


def test_the_same_seed_gives_the_same_figures_and_nothing_is_written(
    trained_sqlite_url: str,
) -> None:
    path = Path(trained_sqlite_url.removeprefix("sqlite:///"))
    count = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM scores)"
    before = rows(trained_sqlite_url, count), path.read_bytes()
    one, two = (read(trained_sqlite_url, "--quick", "--seed", "3") for _ in range(2))
    assert one == two
    assert (rows(trained_sqlite_url, count), path.read_bytes()) == before


def test_the_command_on_the_page_gives_the_same_figures(
    trained_sqlite_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "evaluation.html"
    done = evaluate(trained_sqlite_url, "--quick", "--json", "--days", "9", "--report", str(path))
    shown = re.search(r"<code>recommender evaluate (.*?)</code>", path.read_text(encoding="utf-8"))
    assert shown is not None
    again = read(trained_sqlite_url, "--quick", *shown[1].split())
    assert again["leaderboard"] == json.loads(done.stdout)["leaderboard"]
    assert again["harm"] == json.loads(done.stdout)["harm"]


def test_plots_have_words_for_those_who_cannot_see_them(
    trained_sqlite_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "evaluation.html"
    assert evaluate(trained_sqlite_url, "--quick", "--report", str(path)).exit_code == 0
    page = path.read_text(encoding="utf-8")
    plots = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(plots) >= 7
    for plot in plots:
        assert re.search(r"<title>[^<]{5,}</title><desc>[^<]{5,}</desc>", plot)
    assert page.count("<table") == page.count('<div class="scroll" tabindex="0"><table')
    assert page.count('scope="col"') > 20


def test_completions_alone_are_enough(trained_sqlite_url: str, tmp_path: Path) -> None:
    """No impressions: the catalogue is ranked, and what can't be told is left out in words."""
    path = tmp_path / "evaluation.html"
    engine = connect(trained_sqlite_url)
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE type <> 'complete'")
    engine.dispose()
    done = evaluate(trained_sqlite_url, "--quick", "--save", "--json", "--report", str(path))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    names = [line["name"] for line in found["leaderboard"]]
    assert names == [name for name in MODELS if name != "popularity_rate"]
    by_name = {line["name"]: line["figures"] for line in found["leaderboard"]}
    assert set(by_name["hybrid"]) == {
        "ndcg_at_10", "recall_at_10", "recall_at_20", "map", "hit_rate_at_10", "novelty", *LISTS
    }  # fmt: skip
    assert by_name["hybrid"]["recall_at_20"]["value"] > by_name["random"]["recall_at_20"]["value"]
    assert found["prediction"] is None
    assert found["policies"] == []
    page = path.read_text(encoding="utf-8")
    assert "Nothing was shown in the held-out days" in page
    assert "No propensities were logged" in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S).lower().split()


class Links(HTMLParser):
    """Collects what a page would fetch or run, and checks that tags are closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.outside += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_page_that_fetches_nothing_and_names_nobody(
    trained_sqlite_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "evaluation.html"
    done = evaluate(trained_sqlite_url, "--report", str(path))
    assert done.exit_code == 0, done.output
    page = path.read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert links.outside == []
    assert links.open == []
    assert "script" not in links.tags
    assert "url(" not in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S).lower().split()
    assert not re.search(r"u\d{7}", page)
    for heading in (
        "In short", "Predicting what becomes of what is shown", "Ranking the whole catalogue",
        "What its lists would have brought", "does it happen in 30%", "Is every group served",
        "Day by day", "What more history is worth", "What the model learned", "Limits",
        "may not be used for", "Fairness and harm", "near miss", "Which rules did it", "Many looks",
        "Support (positivity)", "recommender evaluate --as-of",
    ):  # fmt: skip
        assert heading in page, heading


def test_names_from_the_data_cannot_break_the_page(trained_sqlite_url: str, tmp_path: Path) -> None:
    users = tmp_path / "users.ndjson"
    ids = [row[0] for row in rows(trained_sqlite_url, "SELECT user_id FROM users")]
    nasty = "<script>alert(1)</script>"
    users.write_text(
        "\n".join(
            json.dumps({"user_id": user, "conditions": [nasty], "team": nasty}) for user in ids
        )
    )
    taken = CliRunner().invoke(
        main, ["--database-url", trained_sqlite_url, "ingest", "users", str(users)]
    )
    assert taken.exit_code == 0, taken.output
    path = tmp_path / "evaluation.html"
    assert evaluate(trained_sqlite_url, "--quick", "--report", str(path)).exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_people_read_a_table(trained_sqlite_url: str) -> None:
    done = evaluate(trained_sqlite_url, "--quick")
    assert done.exit_code == 0
    for words in ("Ranking the whole catalogue", "EASE", "hybrid minus", "coverage"):
        assert words in done.output


def test_nothing_to_replay_is_said_in_words(database_url: str, trained_sqlite_url: str) -> None:
    empty = evaluate(database_url, "--quick")
    assert empty.exit_code == 1
    assert "no behaviour yet" in empty.output
    early = evaluate(trained_sqlite_url, "--quick", "--as-of", "2001-01-01T00:00:00Z")
    assert early.exit_code == 1
    assert "no behaviour" in early.output


def test_help_has_an_example() -> None:
    done = CliRunner().invoke(main, ["evaluate", "--help"])
    assert done.exit_code == 0
    assert "recommender evaluate --report evaluation.html" in done.output
