"""Checks of profiles, and how a profile record changes what is stored.

A field that a record has replaces the stored one, an empty one clears it, and a field
that the record does not have (a column that the file lacks) leaves it as it is: a system
that knows only birth dates can't wipe conditions that another one reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from recommender import columns
from recommender.attributes import excess
from recommender.catalogue import condition_names
from recommender.condition_codes import conditions_of_code
from recommender.domain import SEX_CODES, Sex, User
from recommender.formats.chunk import Chunk, Column, typed_cell
from recommender.intake import fields
from recommender.intake.checked import Checked, Shape, begin, finish, json_text, strict_json
from recommender.intake.failures import Failures, ReasonCode

USERS = Shape(
    kind="users",
    key=columns.USER_ID,
    required=(columns.USER_ID,),
    optional=(columns.BIRTH_DATE, columns.SEX, columns.CONDITIONS),
)
_MOST_CONDITIONS = 200
GIVEN = "given"
"""Column of checked profiles: JSON list of the fields that the record has."""


@dataclass(frozen=True)
class Merged:
    """What profile records make of the stored ones.

    Attributes
    ----------
    rows
        Profiles to store: those that are new or have changed, one row a person.
    new, corrected, same
        Records that brought a person or the first knowledge of one, that changed one,
        and that changed nothing.
    refused
        Number of the record -> why its attributes can't be added.
    """

    rows: pa.Table
    new: int
    corrected: int
    same: int
    refused: Mapping[int, str]


def check_users(chunk: Chunk, path: str, now: datetime) -> Checked:
    """Check profiles; columns without a meaning of their own are attributes.

    Parameters
    ----------
    now
        Nobody is born later.

    Raises
    ------
    MalformedFileError
        A file lacks ``user_id``.
    """
    failures = begin(chunk, USERS, path)
    user = fields.ids(chunk.column(columns.USER_ID), columns.USER_ID, failures)
    born = fields.dates(chunk.column(columns.BIRTH_DATE), columns.BIRTH_DATE, now, failures)
    clean = {
        columns.USER_ID: user,
        columns.BIRTH_DATE: born,
        columns.SEX: _sex(chunk, failures),
        columns.CONDITIONS: _conditions(chunk.column(columns.CONDITIONS), failures),
        columns.ATTRIBUTES: _attributes(chunk, failures),
        GIVEN: _given(chunk),
    }
    return finish(chunk, USERS, failures, clean, user_ids=user)


def merge_profiles(rows: pa.Table, stored: Mapping[str, User]) -> Merged:
    """Apply checked profile records, in order, to the stored profiles.

    Parameters
    ----------
    rows
        ``Checked.rows`` of ``check_users``.
    stored
        Profiles of those of the records' people that are known already.
    """
    current, changed = dict(stored), dict[str, None]()
    counts = {"new": 0, "corrected": 0, "same": 0}
    refused: dict[int, str] = {}
    for number, row in enumerate(rows.to_pylist()):
        user_id = row[columns.USER_ID]
        before = current.get(user_id)
        known = before or User(user_id)
        after = _changed(known, row)
        flaw = excess(known.attributes, after.attributes)
        if flaw is not None:
            refused[number] = flaw
            continue
        if before is not None and _content(before) == _content(after):
            counts["same"] += 1
            continue
        counts["new" if before is None or _is_blank(before) else "corrected"] += 1
        current[user_id] = after
        changed[user_id] = None
    return Merged(_table([current[user_id] for user_id in changed]), **counts, refused=refused)


def _sex(chunk: Chunk, failures: Failures) -> pa.Array:
    given = pc.utf8_lower(fields.texts(chunk.column(columns.SEX), columns.SEX, failures))
    known = pc.is_in(given, value_set=pa.array(list(SEX_CODES), pa.string()))
    failures.add(
        fields.mask_of(pc.and_(given.is_valid(), pc.invert(known))),
        ReasonCode.UNKNOWN_SEX,
        f"sex must be one of {', '.join(SEX_CODES)}",
    )
    return pc.fill_null(given, Sex.UNKNOWN.value)


def _conditions(column: Column | None, failures: Failures) -> pa.Array:
    """Sorted JSON lists; each distinct text is taken apart once."""
    if column is None:
        return pa.array(["[]"] * failures.rows, pa.string())
    items = column if isinstance(column, list) else column.to_pylist()
    distinct = {item: _condition_list(item) for item in items if isinstance(item, str)}
    texts = [distinct[item] if isinstance(item, str) else _condition_list(item) for item in items]
    wrong = np.array([text is None for text in texts], dtype=np.bool_)
    failures.add(
        wrong,
        ReasonCode.BAD_CONDITIONS,
        f"conditions must be a list of up to {_MOST_CONDITIONS} names of up to "
        f"{fields.LONGEST_TEXT} characters",
    )
    return pa.array(texts, pa.string())


def _condition_list(value: Any) -> str | None:
    names = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    spelled = spelled_conditions(names)
    if len(spelled) > _MOST_CONDITIONS or any(len(name) > fields.LONGEST_TEXT for name in spelled):
        return None
    return strict_json(spelled)


def spelled_conditions(names: Sequence[str]) -> list[str]:
    """Conditions as the vocabulary has them, so that no guardrail misses "Type 2 diabetes".

    Other spellings and common synonyms ("pregnant", "T1D") become the vocabulary's name, and so do
    codes of ICD-10 and SNOMED CT ("E11.9"); what it does not know is kept as it is, in lower case.
    """
    known = condition_names()
    found: set[str] = set()
    for name in names:
        spelled = "_".join(name.casefold().replace("-", " ").split())
        found.update(
            (known[spelled],) if spelled in known else conditions_of_code(name) or (spelled,)
        )
    return sorted(found - {""})


def _attributes(chunk: Chunk, failures: Failures) -> pa.Array:
    others = USERS.others(chunk)
    if not others:
        return pa.array(["{}"] * failures.rows, pa.string())
    texts = [strict_json(record) for record in _attribute_records(chunk, others)]
    wrong = np.array([text is None for text in texts], dtype=np.bool_)
    failures.add(wrong, ReasonCode.BAD_ATTRIBUTE, "an attribute can't be kept as JSON")
    return pa.array(texts, pa.string())


def _attribute_records(chunk: Chunk, others: Sequence[str]) -> list[dict[str, Any]]:
    if chunk.table is None:
        known = USERS.known
        return [
            {name: value for name, value in record.items() if name not in known}
            for record in chunk.objects
        ]
    cells = [_cells(chunk.table[name], chunk.is_text) for name in others]
    return [dict(zip(others, values, strict=True)) for values in zip(*cells, strict=True)]


def _cells(column: pa.Array, is_text: bool) -> list[Any]:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if not is_text:
        values: list[Any] = column.to_pylist()
        return values
    encoded = column.dictionary_encode()
    typed = [typed_cell(text) for text in encoded.dictionary.to_pylist()]
    return [typed[code] for code in encoded.indices.to_pylist()]


def _given(chunk: Chunk) -> pa.Array:
    if chunk.table is not None:
        given = json_text([name for name in USERS.optional if name in chunk.table])
        return pa.array([given] * chunk.rows, pa.string())
    texts = [json_text([n for n in USERS.optional if n in record]) for record in chunk.objects]
    return pa.array(texts, pa.string())


def _changed(before: User, row: Mapping[str, Any]) -> User:
    given = row[GIVEN]
    after = before
    if columns.BIRTH_DATE in given:
        after = replace(after, birth_date=row[columns.BIRTH_DATE])
    if columns.SEX in given:
        after = replace(after, sex=Sex(row[columns.SEX]))
    if columns.CONDITIONS in given:
        after = replace(after, conditions=tuple(orjson.loads(row[columns.CONDITIONS])))
    if row[columns.ATTRIBUTES] == "{}":
        return after
    attributes = {**before.attributes, **orjson.loads(row[columns.ATTRIBUTES])}
    kept = {name: value for name, value in attributes.items() if value not in (None, "")}
    return replace(after, attributes=kept)


def _content(user: User) -> tuple[Any, ...]:
    attributes = user.attributes and json_text(user.attributes)
    return user.birth_date, user.sex, sorted(user.conditions), attributes or ""


def _is_blank(user: User) -> bool:
    return _content(user) == _content(User(user.user_id))


def _table(users: Sequence[User]) -> pa.Table:
    return pa.table(
        {
            columns.USER_ID: pa.array([user.user_id for user in users], pa.string()),
            columns.BIRTH_DATE: pa.array([user.birth_date for user in users], pa.date32()),
            columns.SEX: pa.array([user.sex.value for user in users], pa.string()),
            columns.CONDITIONS: pa.array(
                [json_text(sorted(user.conditions)) for user in users], pa.string()
            ),
            columns.ATTRIBUTES: pa.array(
                [json_text(dict(user.attributes)) for user in users], pa.string()
            ),
        }
    )
