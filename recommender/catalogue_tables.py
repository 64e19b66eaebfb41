"""The catalogue as tables in Markdown: what is in it, for whom, on what evidence, what stops it.

Written from the shipped data, so that the document can't drift from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from recommender.catalogue import load_catalogue, load_tags, load_techniques
from recommender.catalogue_check import INTENSITIES
from recommender.catalogue_parts import eligibility_document
from recommender.domain import Action, Eligibility, Evidence, Verdict
from recommender.guardrails.rules import Rule
from recommender.knowledge import load_knowledge

_INTRODUCTION = """\
# Catalogue tables

What ships in `data/actions.ndjson`, with the vocabularies and the rules that look at them.
How to read and change it: [catalogue.md](catalogue.md).

Written by `python -m recommender.catalogue_tables`; a test keeps it equal to the data."""


def catalogue_tables() -> str:
    """Return all tables as Markdown."""
    actions = load_catalogue().actions
    rules = load_knowledge().rules.rules
    sections = [
        _INTRODUCTION,
        _section("Domains", _domains(actions)),
        _section("Tags and what they stop", _tags(actions, rules)),
        _section("Techniques", _techniques(actions)),
        _section("Sources", _sources(actions)),
        "## Actions",
        *_by_domain(actions),
    ]
    return "\n\n".join(sections) + "\n"


def contraindications(tags: Sequence[str], rules: Iterable[Rule]) -> dict[str, list[str]]:
    """Verdict -> the rules that give it to an action with these tags, in the file's order.

    Rules that look at every action, and those for one audience, are among them.

    Parameters
    ----------
    tags
        All tags of the action.
    """
    found: dict[str, list[str]] = {}
    for rule in rules:
        if rule.verdict in list(Verdict) and rule.touches(tags):
            found.setdefault(rule.verdict, []).append(rule.rule_id)
    return found


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"## {title}", "", *lines])


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |"


def _domains(actions: Sequence[Action]) -> Iterator[str]:
    found = Counter((action.domain, action.intensity) for action in actions)
    rows = [
        (f"`{name}`", total, *(found[name, intensity] for intensity in INTENSITIES))
        for name, total in sorted(Counter(action.domain for action in actions).items())
    ]
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    return _table(("domain", "actions", *INTENSITIES), [*rows, ("all", *sums)])


def _tags(actions: Sequence[Action], rules: Sequence[Rule]) -> Iterator[str]:
    used = Counter(tag for action in actions for tag in action.tags)
    every = contraindications((), rules)
    rows = [
        (f"`{tag}`", meaning, used[tag], *_own(contraindications([tag], rules), every))
        for tag, meaning in load_tags().items()
    ]
    return _table(("tag", "meaning", "actions", "withheld by", "cautioned by"), rows)


def _own(found: dict[str, list[str]], every: dict[str, list[str]]) -> Iterator[str]:
    """Rules that look at the tag itself and not at every action."""
    for verdict in (Verdict.WITHHOLD, Verdict.CAUTION):
        own = [name for name in found.get(verdict, []) if name not in every.get(verdict, [])]
        yield ", ".join(own) or "-"


def _techniques(actions: Sequence[Action]) -> Iterator[str]:
    used = Counter(action.technique for action in actions)
    rows = [(name, meaning, used[name]) for name, meaning in load_techniques().items()]
    return _table(("technique", "meaning", "actions"), rows)


def _sources(actions: Sequence[Action]) -> Iterator[str]:
    items = Counter(item for action in actions for item in action.evidence)
    rows = [
        (_source(item), item.grade, item.date, item.verified, many)
        for item, many in sorted(items.items(), key=lambda pair: (pair[0].source, pair[0].grade))
    ]
    return _table(("source", "grade", "date", "verified", "actions"), rows)


def _source(item: Evidence) -> str:
    return f"[{item.source}]({item.url})" if item.url else item.source


def _by_domain(actions: Sequence[Action]) -> Iterator[str]:
    headings = (
        *("action", "title", "effort", "min", "intensity", "technique"),
        *("again after", "for", "evidence", "review by"),
    )
    for domain in sorted({action.domain for action in actions}):
        rows = [_row(action) for action in actions if action.domain == domain]
        yield "\n".join([f"### {domain}", "", *_table(headings, rows)])


def _row(action: Action) -> Sequence[object]:
    evidence = "; ".join(f"{item.source} ({item.grade})" for item in action.evidence)
    code = (action.technique or "-").partition(" ")[0]
    return (
        *(f"`{action.action_id}`", action.title, action.effort, f"{action.minutes:g}"),
        *(action.intensity, code, f"{action.repeat_after_days:g} d", _for(action.eligible)),
        *(evidence, action.review_by),
    )


def _for(eligible: Eligibility) -> str:
    asked = eligibility_document(eligible)
    asked.pop("not_done_within_days", None)
    words = [
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in asked.items()
    ]
    return "; ".join(words) or "everybody"


if __name__ == "__main__":
    print(catalogue_tables(), end="")  # noqa: T201 - it is what this file is for
