"""Lasting numbers of actions and metrics, for the packed records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, insert, select

from recommender.dataset import Int32Array
from recommender.store import schema


class Coder:
    """Gives each name of a kind its code, and a new one its own for good.

    Parameters
    ----------
    kind
        ``actions`` or ``metrics``.
    """

    def __init__(self, conn: Connection, kind: str) -> None:
        self._conn, self._kind = conn, kind
        self._names = pa.array(_names(conn, kind), pa.string())
        self._stored = len(self._names)

    def __call__(self, column: pa.ChunkedArray) -> Int32Array:
        """Return the codes of a column."""
        codes = pc.index_in(column, value_set=self._names)
        if codes.null_count:
            new = pc.unique(column.filter(codes.is_null()))
            self._names = pa.concat_arrays([self._names, new])
            codes = pc.index_in(column, value_set=self._names)
        return np.asarray(codes.to_numpy(), np.int32)

    def keep(self) -> None:
        """Write the new codes, in the transaction that writes what uses them.

        Not before all is read: the connection is busy while columns come out of it.
        """
        new = self._names[self._stored :].to_pylist()
        rows = [
            {"kind": self._kind, "code": self._stored + place, "name": name}
            for place, name in enumerate(new)
        ]
        if rows:
            self._conn.execute(insert(schema.packed_names), rows)
        self._stored = len(self._names)


def places_of_codes(conn: Connection, kind: str, names: Sequence[str]) -> Int32Array:
    """For each code the place of its name among ``names``, -1 if it is not there."""
    place = {name: number for number, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in _names(conn, kind)], np.int32)


def _names(conn: Connection, kind: str) -> list[str]:
    """Names in the order of their codes, which begin with 0 and leave no gap."""
    names = schema.packed_names.c
    return list(conn.scalars(select(names.name).where(names.kind == kind).order_by(names.code)))
