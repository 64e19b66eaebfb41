"""Erasures that outlive a restored backup: receipts are kept outside, and carried out again.

A backup holds the people who were erased after it was made. The receipts of erasures name nobody,
so they can be kept where ids may not; with the installation's secret, which a backup holds, each
person in it can be told from their receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from recommender.errors import ConflictError, MalformedFileError
from recommender.store.access import Asker, all_erasures, installation_mark, receipt_maker
from recommender.store.checkpoints import empty_log
from recommender.store.engine import Engine, reading, writing
from recommender.store.person import ids_held, tables_that_name_users
from recommender.store.write import erase_user


class Erasure(BaseModel):
    """The receipt of one erasure, and when it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    receipt: str
    erased_at: AwareDatetime


class Receipts(BaseModel):
    """Every erasure of an installation, as kept in a file.

    Attributes
    ----------
    installation
        Mark of the installation whose secret the receipts were made with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    installation: str
    erasures: tuple[Erasure, ...]


@dataclass(frozen=True)
class Again:
    """What carrying out erasures again did, or would do.

    Attributes
    ----------
    known
        Erasures that the database has seen, or that were carried out again before.
    absent
        Erasures of people of whom nothing is held.
    erased
        Receipt of each person erased, or to be erased, and the rows of each table; the rows are
        only counted by erasing.
    """

    known: int
    absent: int
    erased: Mapping[str, Mapping[str, int]]


def all_receipts(engine: Engine) -> Receipts:
    """Return the receipts of every erasure, oldest first; they name nobody."""
    with reading(engine) as connection:
        found = all_erasures(connection)
        mark = installation_mark(connection)
    erasures = tuple(Erasure(receipt=receipt, erased_at=at) for receipt, at in found)
    return Receipts(installation=mark, erasures=erasures)


def read_receipts(path: Path) -> Receipts:
    """Read a file of receipts; MalformedFileError if it is anything else."""
    written = path.read_bytes()
    try:
        return Receipts.model_validate_json(written)
    except ValidationError as error:
        flaw = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, flaw["loc"])) or "all of it"
        reason = f"not a file of `recommender user receipts`: {where}: {flaw['msg']}"
        raise MalformedFileError(str(path), reason) from None


def erase_again(
    engine: Engine,
    receipts: Receipts,
    asker: Asker,
    *,
    dry_run: bool = False,
    progress: Callable[[str, float], None] = lambda table, share: None,
) -> Again:
    """Erase whom a restored backup brought back.

    Whoever was erased before the backup was made and came back since is left alone: that erasure
    stands in the backup's own log. Cut off and repeated, it ends the same.

    Parameters
    ----------
    dry_run
        Erase nobody.
    progress
        Told a table and the share of all tables looked through, 0 to 1.

    Raises
    ------
    ConflictError
        The receipts are of another installation, so that nobody could be found by them.
    """
    with reading(engine) as connection:
        if receipts.installation != installation_mark(connection):
            raise ConflictError(
                "these receipts were made by another installation: nobody can be found by them"
            )
        latest = dict(all_erasures(connection))  # oldest first: the last one stays
    due = {
        each.receipt
        for each in receipts.erasures
        if each.receipt not in latest or latest[each.receipt] < each.erased_at
    }
    people = _people_of(engine, due, progress)
    erased = {}
    for receipt, user_id in people.items():
        erased[receipt] = {} if dry_run else _erase(engine, user_id, asker)
    if not dry_run:
        empty_log(engine)
    known = len({each.receipt for each in receipts.erasures} - due)
    return Again(known=known, absent=len(due) - len(people), erased=erased)


def _people_of(
    engine: Engine, due: set[str], progress: Callable[[str, float], None]
) -> dict[str, str]:
    """Ids, by receipt, of those who are held; in memory are only theirs."""
    found: dict[str, str] = {}
    tables = tables_that_name_users() if due else []
    with reading(engine) as connection:
        receipt_of = receipt_maker(connection)
        for number, table in enumerate(tables):
            for user_id in ids_held(connection, table):
                receipt = receipt_of(user_id)
                if receipt in due:
                    found[receipt] = user_id
            progress(table.name, (number + 1) / len(tables))
    return found


def _erase(engine: Engine, user_id: str, asker: Asker) -> dict[str, int]:
    with writing(engine) as connection:
        return erase_user(connection, user_id, datetime.now(UTC), asker)


def as_document(receipts: Receipts) -> dict[str, Any]:
    """Ready for JSON."""
    return receipts.model_dump(mode="json")
