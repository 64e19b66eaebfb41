"""A model card for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from recommender.model_card import FIGURES

_FLAGGED_MOST = 10
_COUNTS = {
    "users": "users",
    "events": "events",
    "observations": "readings",
    "rows_learned_from": "rows learned from",
    "completed": "of them completed",
}
_GROUP_NOTE = """\
Mean and standard error over people, on the held-out days. Groups of fewer than {least} people are
left out, counts are rounded to tens. A good model has `predicted_rate` close to `observed_rate` in
every group."""

_OFFERS_NOTE = """\
The first ten allowed actions of {people:,} people by score, and how often the best-scored action is
withheld (`near_miss`). Rules that concern fewer than 20 of them are left out."""


def card_markdown(card: Mapping[str, Any]) -> str:
    """Write a card as Markdown."""
    sections = (
        f"# Model card of run {card['run_id']}",
        *_bullets("Intended use", card["intended_use"]),
        *_bullets("Limits", card["limits"]),
        *_gate(card["gate"]),
        *_data(card["data"], card["actions"]),
        *_groups(card["groups"], card["least_people"]),
        *_figures(card["figures"]),
        *_drift(card["drift"]),
        *_offers(card.get("offers")),
        *_features(card["features"]),
        *_guardrails(card["guardrails"]),
        "## Settings and versions",
        _table(("name", "value"), [*_sorted(card["settings"]), *_sorted(card["versions"])]),
    )
    return "\n\n".join(sections) + "\n"


def _bullets(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"## {title}"
    yield "\n".join(f"- {line}" for line in lines)


def _gate(gate: Mapping[str, Any]) -> Iterator[str]:
    if gate["passed"]:
        yield from _bullets("Gate", ["passed"])
        return
    by = f" (`{gate['forced_by']}`)" if gate.get("forced_by") else ""
    outcome = f"held back, published by force{by}" if gate["forced"] else "held back"
    yield from _bullets("Gate", [outcome, *gate["reasons"]])


def _data(data: Mapping[str, Any], actions: Mapping[str, Any]) -> Iterator[str]:
    yield "## Data"
    first, last, cut = (data[name] for name in ("first_event_on", "as_of", "held_out_from"))
    held = f"; held out to judge by: from {cut}" if cut else "; too little to hold any out"
    yield f"Records from {first or 'the start'} to {last}{held}."
    domains = sorted(actions["by_domain"].items())
    yield _table(
        ("what", "how many"),
        [
            *((words, f"{data[name]:,}") for name, words in _COUNTS.items() if data[name]),
            ("actions offered", f"{actions['offered']:,}"),
            *((f"of them {domain}", f"{n:,}") for domain, n in domains),
        ],
    )


def _groups(groups: Sequence[Mapping[str, Any]], least: int) -> Iterator[str]:
    if not groups:
        return
    yield "## How well it does, for whom"
    yield _GROUP_NOTE.format(least=least)
    yield _table(
        ("group", "people", "rows", *FIGURES),
        [
            (
                f"{one['family']}: {one['group']}" if one["family"] != "all" else "everybody",
                f"{one['people']:,}",
                f"{one['rows']:,}",
                *(_with_error(one["figures"].get(name)) for name in FIGURES),
            )
            for one in groups
        ],
    )


def _with_error(figure: Mapping[str, float] | None) -> str:
    return f"{figure['value']:.3f} ± {figure['standard_error']:.3f}" if figure else "-"


def _figures(figures: Mapping[str, float]) -> Iterator[str]:
    if figures:
        yield "## Figures on held-out days"
        yield _table(("figure", "value"), [(name, f"{v:.4g}") for name, v in _sorted(figures)])


def _drift(drift: Mapping[str, Any]) -> Iterator[str]:
    if drift["compared_with"] is None:
        return
    yield f"## What changed since run {drift['compared_with']}"
    if drift["outcomes"]:
        yield _table(
            ("outcome", "value"), [(n, f"{v:+.3f}") for n, v in _sorted(drift["outcomes"])]
        )
    features = sorted(drift["features"], key=lambda one: -one["psi"])
    if features:
        yield f"What moved most, of {len(features)} features:"
        yield _table(
            ("feature", "stability index", "beyond chance", "known then", "known now"),
            [
                (
                    one["name"],
                    f"{one['psi']:.3f}",
                    "yes" if one["beyond_chance"] else "no",
                    f"{one['present_before']:.0%}",
                    f"{one['present_now']:.0%}",
                )
                for one in features[:_FLAGGED_MOST]
            ],
        )
    if drift["feeds"]:
        yield _table(
            ("feed", "share of records", "last 7 days / usual week", "shift (sd)"),
            [
                (
                    one["name"],
                    f"{one['share']:.0%}",
                    f"{one['ratio']:.2f}",
                    "-" if one["shift"] is None else f"{one['shift']:+.2f}",
                )
                for one in drift["feeds"]
            ],
        )


def _offers(offers: Mapping[str, Any] | None) -> Iterator[str]:
    """Cards of older versions have none."""
    if not offers:
        return
    yield "## What it would offer, and what is withheld"
    yield _OFFERS_NOTE.format(people=offers["people"])
    yield _table(
        ("figure", "value"), [(name, f"{v:.4g}") for name, v in _sorted(offers["figures"])]
    )
    if offers["rules"]:
        rules = sorted(offers["rules"], key=lambda one: (-one["near_misses"], -one["people"]))
        yield _table(
            ("rule", "withholds something from", "withholds the best-scored action from"),
            [
                (one["rule_id"], f"{one['people']:.1%}", f"{one['near_misses']:.1%}")
                for one in rules
            ],
        )


def _features(features: Mapping[str, Any]) -> Iterator[str]:
    yield "## Features"
    groups = ((group, features[group]) for group in ("profile", "biometrics"))
    rows = [(group, len(names), ", ".join(names)) for group, names in groups]
    yield _table(("group", "features", "names"), rows)
    if features["rare"]:
        yield f"And {features['rare']} that hold for too few people to be named."


def _guardrails(guardrails: Mapping[str, Any]) -> Iterator[str]:
    yield "## Guardrails"
    yield (
        f"{guardrails['rules']} rules; SHA-256 of all of them `{guardrails['sha256']}`. They are "
        "looked up anew for every answer, so a later edition replaces this one."
    )


def _sorted(entries: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """By name: a database may keep the entries of an object in any order."""
    return sorted(entries.items())


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
