"""The least that a nightly training has to do, done bare: what its time is compared with.

Rows out as they are stored, of the columns that training needs, with none of them looked at; the
fit of ``implicit`` on the same interactions; everybody's scores as one product, and the best of
each; the same score rows in again, into a table with the same keys and checks.
"""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp
from pyarrow import csv
from sqlalchemy import text
from threadpoolctl import threadpool_limits

from recommender.store.engine import POSTGRESQL, Connection, Engine, reading, writing
from tests.benchmarks.night_cost import Cost, Meter

FACTORS, ITERATIONS, KEEP = 64, 5, 50
MOST_PEOPLE_IN = 100_000
"""People whose score rows are copied in again; of more, the time is scaled up."""

_QUERIES = (
    "SELECT user_id, birth_date, sex, conditions, attributes FROM users",
    "SELECT user_id, action_id, type, occurred_at, request_id, propensity, value FROM events",
    "SELECT user_id, metric, value, observed_at FROM observations",
)
_COLUMNS = (
    "run_id, user_id, rank, action_id, score, p_complete, benefit, base_part, profile_part, "
    "biometrics_part, behaviour_part, factor_part, verdict, rule_id, standard_error"
)
_CHUNK = 20_000


@dataclass(frozen=True)
class Floors:
    """What each floor cost."""

    rows_out: Cost
    implicit: Cost
    product: Cost
    rows_in: Cost

    @property
    def total(self) -> Cost:
        """Their sum."""
        return self.rows_out + self.implicit + self.product + self.rows_in


def measure(engine: Engine, progress: Callable[[str, float], None]) -> Floors:
    """Measure all floors on a database that holds a run."""
    meter = Meter(engine)
    progress("floor: rows out", 0.0)
    out = meter.cost_of(lambda: _rows_out(engine))
    progress("floor: implicit", 0.0)
    fit, factors = _fitted(meter, _interactions(engine))
    progress("floor: product", 0.0)
    product = meter.cost_of(lambda: _best(*factors))
    progress("floor: rows in", 0.0)
    return Floors(out, fit, product, _rows_in(meter, engine))


def _rows_out(engine: Engine) -> None:
    with reading(engine) as connection:
        driver = _driver(connection)
        for query in _QUERIES:
            if connection.dialect.name == POSTGRESQL:
                with driver.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                    for _ in copy:
                        pass
            else:
                cursor = driver.execute(query)
                while cursor.fetchmany(_CHUNK):
                    pass


def _driver(connection: Connection) -> Any:
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.driver_connection


def _interactions(engine: Engine) -> sp.csr_matrix:
    """How often each person and action came together, whatever happened."""
    users, actions = _Places(), _Places()
    parts = [(users.of(block["user"]), actions.of(block["action"])) for block in _pairs(engine)]
    user, action = (np.concatenate(each) for each in zip(*parts, strict=True))
    ones = np.ones(len(user), np.float32)
    found = sp.csr_matrix((ones, (user, action)), shape=(len(users.known), len(actions.known)))
    found.sum_duplicates()
    return found


class _Places:
    """Numbers of names, in the order in which they come up."""

    def __init__(self) -> None:
        self.known = pa.array([], pa.string())

    def of(self, names: pa.ChunkedArray) -> Any:
        fresh = pc.unique(names).filter(pc.invert(pc.is_in(pc.unique(names), value_set=self.known)))
        self.known = pa.concat_arrays([self.known, fresh])
        return pc.index_in(names, value_set=self.known).to_numpy().astype(np.int32)


def _pairs(engine: Engine) -> Iterator[pa.Table]:
    query = "SELECT user_id, action_id FROM events"
    with reading(engine) as connection:
        driver = _driver(connection)
        if connection.dialect.name != POSTGRESQL:
            cursor = driver.execute(query)
            while rows := cursor.fetchmany(1_000_000):
                yield pa.table(dict(zip(("user", "action"), zip(*rows, strict=True), strict=True)))
            return
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as rows,
        ):
            lines = iter(rows)
            while block := b"".join(map(bytes, itertools.islice(lines, 1_000_000))):
                names = csv.ReadOptions(column_names=["user", "action"])
                yield csv.read_csv(io.BytesIO(block), read_options=names)


def _fitted(meter: Meter, matrix: sp.csr_matrix) -> tuple[Cost, tuple[Any, Any]]:
    from implicit.cpu.als import AlternatingLeastSquares

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AlternatingLeastSquares(factors=FACTORS, iterations=ITERATIONS, random_state=0)
        cost = meter.cost_of(lambda: model.fit(matrix, show_progress=False))
    return cost, (model.user_factors, model.item_factors)


def _best(users: Any, actions: Any) -> None:
    with threadpool_limits(1, "blas"):
        for start in range(0, len(users), _CHUNK):
            scores = users[start : start + _CHUNK] @ actions.T
            np.argpartition(-scores, KEEP, axis=1)[:, :KEEP]


def _rows_in(meter: Meter, engine: Engine) -> Cost:
    """Copy the published run's rows into a table like theirs; drops it again."""
    with reading(engine) as connection:
        run = connection.execute(
            text("SELECT run_id FROM publications ORDER BY publication_id DESC LIMIT 1")
        ).scalar_one()
        people = (
            connection.execute(
                text(
                    "SELECT user_id FROM scores WHERE run_id = :run AND rank = 1 ORDER BY user_id"
                ),
                {"run": run},
            )
            .scalars()
            .all()
        )
    some = people[:MOST_PEOPLE_IN]
    with _table_like_scores(engine) as table:
        cost = Cost()
        for start in range(0, len(some), _CHUNK):
            cost += _chunk_in(meter, engine, table, run, some[start : start + _CHUNK])
    return cost.times(len(people) / max(len(some), 1))


@contextmanager
def _table_like_scores(engine: Engine) -> Iterator[str]:
    name = "bench_floor"
    with writing(engine) as connection:
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
        if connection.dialect.name == POSTGRESQL:
            connection.execute(text(f"CREATE TABLE {name} (LIKE scores INCLUDING ALL)"))
        else:
            made = connection.execute(
                text("SELECT sql FROM sqlite_master WHERE name = 'scores'")
            ).scalar_one()
            head, brace, rest = made.partition("(")
            connection.execute(text(f"CREATE TABLE {name} {brace}{rest}"))
            assert "scores" in head
    try:
        yield name
    finally:
        with writing(engine) as connection:
            connection.execute(text(f"DROP TABLE {name}"))


def _chunk_in(meter: Meter, engine: Engine, table: str, run: str, people: list[str]) -> Cost:
    within = {"run": run, "low": people[0], "high": people[-1]}
    where = "WHERE run_id = {run} AND user_id >= {low} AND user_id <= {high}"
    with writing(engine) as connection:
        driver = _driver(connection)
        if connection.dialect.name != POSTGRESQL:
            places = where.format(run=":run", low=":low", high=":high")
            rows = driver.execute(f"SELECT {_COLUMNS} FROM scores {places}", within).fetchall()
            into = ", ".join("?" for _ in _COLUMNS.split(","))
            statement = f"INSERT INTO {table} ({_COLUMNS}) VALUES ({into})"
            return meter.cost_of(lambda: driver.executemany(statement, rows))
        places = where.format(run="%(run)s", low="%(low)s", high="%(high)s")
        query = f"COPY (SELECT {_COLUMNS} FROM scores {places}) TO STDOUT"
        with driver.cursor() as cursor:
            with cursor.copy(query, within) as copy:
                lines = b"".join(map(bytes, copy))
            return meter.cost_of(lambda: _copy_in(cursor, table, lines))


def _copy_in(cursor: Any, table: str, lines: bytes) -> None:
    with cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN") as copy:
        copy.write(lines)
