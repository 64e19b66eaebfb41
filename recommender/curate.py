"""Looking after the catalogue: check a file, compare it with the database, retire an action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from recommender.catalogue import (
    action_from_mapping,
    load_conditions,
    load_tags,
    load_techniques,
)
from recommender.catalogue_parts import eligibility_document, evidence_document
from recommender.catalogue_review import ERROR, Problem, Vocabulary, review
from recommender.domain import Action, Catalogue, MetricsList
from recommender.errors import CatalogueError, ConflictError, MalformedFileError, NotFoundError
from recommender.formats.chunk import Chunk
from recommender.formats.tabular import read_chunks
from recommender.intake.actions import ACTIONS
from recommender.store.engine import Engine, reading, writing
from recommender.store.read import load_catalogue
from recommender.store.versions import ActionVersion, action_history
from recommender.taking import Session, take_chunk

_LINES = (".ndjson", ".jsonl")
_NOT_COMPARED = ("action_id", "attributes")


@dataclass(frozen=True)
class Flaw:
    """A problem and where it stands: its line in NDJSON, else the number of its record."""

    place: int
    action_id: str
    level: str
    text: str


@dataclass(frozen=True)
class Difference:
    """One action of which a file and the database say different things.

    Attributes
    ----------
    change
        ``added`` (the file alone has it), ``missing`` (the database alone), ``changed``.
    fields
        Field -> (in the database, in the file), of changed ones.
    """

    action_id: str
    change: str
    fields: Mapping[str, tuple[Any, Any]]


def vocabulary(metrics: MetricsList) -> Vocabulary:
    """The shipped vocabularies, to check entries against."""
    return Vocabulary(metrics.names, load_tags(), load_conditions(), load_techniques())


def check_file(path: str, metrics: MetricsList, today: date) -> tuple[int, list[Flaw]]:
    """Check every entry of a catalogue file; return how many there are and what is wrong.

    Raises
    ------
    MalformedFileError
        The file can't be read at all.
    """
    places: list[int] = []
    actions: list[Action] = []
    flaws: list[Flaw] = []
    for place, record in _records(path):
        try:
            actions.append(_read(record))
            places.append(place)
        except CatalogueError as error:
            flaws.append(Flaw(place, _named(record), ERROR, str(error)))
    found = review(actions, vocabulary(metrics), today)
    for place, problems in zip(places, found, strict=True):
        flaws += [_flaw(place, problem) for problem in problems]
    return len(actions) + len(flaws) - sum(map(len, found)), sorted(flaws, key=_by_place)


def place_word(path: str) -> str:
    """What ``Flaw.place`` counts in a file: ``line``, or ``record`` where lines say little."""
    return "line" if path.lower().endswith(_LINES) else "record"


def compare_file(engine: Engine, path: str) -> list[Difference]:
    """Return how a catalogue file differs from the database, by ``action_id``.

    Raises
    ------
    CatalogueError, MalformedFileError
        An entry, or the file, can't be read.
    """
    sent = {action.action_id: action for action in map(_read, dict(_records(path)).values())}
    with reading(engine) as connection:
        held = {action.action_id: action for action in load_catalogue(connection).actions}
    return [
        difference
        for action_id in sorted(sent.keys() | held.keys())
        if (difference := _difference(action_id, held.get(action_id), sent.get(action_id)))
    ]


def find_action(catalogue: Catalogue, action_id: str) -> Action:
    """Return one action.

    Raises
    ------
    NotFoundError
        The catalogue does not have it.
    """
    place = catalogue.index.get(action_id)
    if place is None:
        raise NotFoundError(f"no such action: {action_id}")
    return catalogue.actions[place]


def versions_of(engine: Engine, action_id: str) -> list[ActionVersion]:
    """Return every version of an action, oldest first.

    Raises
    ------
    NotFoundError
        None is kept.
    """
    with reading(engine) as connection:
        versions = action_history(connection, action_id)
    if not versions:
        raise NotFoundError(f"no version is kept of an action called {action_id}")
    return versions


def retire_action(
    engine: Engine, action_id: str, metrics: MetricsList, now: datetime, source: str
) -> bool:
    """Stop recommending an action; its history stays. False if it was retired already.

    Raises
    ------
    NotFoundError
        The action is unknown.
    ConflictError
        Its entry would not be taken today, so that it has to be mended first.
    """
    with writing(engine) as connection:
        action = find_action(load_catalogue(connection), action_id)
        record = action_record(action) | {"retired": True}
        chunk = Chunk(1, values=[orjson.loads(orjson.dumps(record))])
        report = take_chunk(connection, Session("actions", metrics, now, source), chunk)
        if report.rejected:
            raise ConflictError(f"mend {action_id} first: {report.rejected[0].reason}")
    return not action.retired


def action_record(action: Action) -> dict[str, Any]:
    """An action as a catalogue file has it."""
    fields = {
        name: getattr(action, name)
        for name in Action.__dataclass_fields__
        if name not in ("attributes", "evidence", "eligible")
    }
    nested = {
        "evidence": [evidence_document(item) for item in action.evidence],
        "eligible": eligibility_document(action.eligible),
    }
    return {**action.attributes, **fields, **nested}


def _records(path: str) -> Iterator[tuple[int, Any]]:
    if place_word(path) == "line":
        yield from _lines(Path(path))
        return
    for chunk in read_chunks(path):
        for row in range(chunk.rows):
            yield chunk.first + row + 1, chunk.record(row, ACTIONS.known)


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise MalformedFileError(str(path), error.strerror or "can't be read") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, CatalogueError(f"not JSON: {error.msg}")


def _read(record: Any) -> Action:
    if isinstance(record, CatalogueError):
        raise record
    if not isinstance(record, dict):
        raise CatalogueError("an action must be a JSON object")
    return action_from_mapping(record)


def _named(record: Any) -> str:
    return str(record.get("action_id", "")) if isinstance(record, dict) else ""


def _flaw(place: int, problem: Problem) -> Flaw:
    return Flaw(place, **asdict(problem))


def _by_place(flaw: Flaw) -> tuple[int, str]:
    return flaw.place, flaw.level


def _difference(action_id: str, held: Action | None, sent: Action | None) -> Difference | None:
    if held is None or sent is None:
        return Difference(action_id, "added" if held is None else "missing", {})
    before, after = _compared(held), _compared(sent)
    fields = {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
    return Difference(action_id, "changed", fields) if fields else None


def _compared(action: Action) -> dict[str, Any]:
    record = orjson.loads(orjson.dumps(action_record(action)))
    return {name: value for name, value in record.items() if name not in _NOT_COMPARED}
