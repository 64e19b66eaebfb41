"""Build ``data/sample`` from the NHANES table of adults: ``python data/build_sample.py TABLE``.

Maintainers run it when the catalogue or the simulator changes; nobody else needs to.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from recommender.simulation.blocks import Plan, blocks
from recommender.simulation.people import load_population
from recommender.simulation.tables import CsvFile
from recommender.simulation.world import choose_actions, make_menu, read_actions

SAMPLE = Path(__file__).parent / "sample"
ADULTS = 3200
DAYS = 90
SEED = 20261101
END_AT = datetime(2026, 11, 1, tzinfo=UTC)

SET_ASIDE = (
    ("active_days", 7, "days a week above 7 are a refusal code"),
    ("alcohol_per_day", 24, "more than 24 drinks a day is not credible"),
)
"""Column, highest credible answer, why anything above becomes a missing answer."""


def say(text: str) -> None:
    """Tell the maintainer."""
    sys.stdout.write(text + "\n")


def clean(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take out coded refusals and impossible answers; return the rest, and what was taken.

    Measured values are never touched: an impossible blood pressure stays for ``ingest`` to
    reject with its reason.
    """
    table = table.copy()
    taken = []
    for column, highest, reason in SET_ASIDE:
        wrong = table[column] > highest
        rows = table.loc[wrong, ["source_row"]]
        taken.append(rows.assign(column=column, value=table.loc[wrong, column], reason=reason))
        table.loc[wrong, column] = None
    return table, pd.concat(taken, ignore_index=True)


def choose_adults(table: pd.DataFrame, keep: set[int]) -> pd.DataFrame:
    """Pick adults at random; those in ``keep`` (numbers of source rows) always."""
    kept = table[table["source_row"].isin(keep)]
    drawn = table.drop(kept.index).sample(ADULTS - len(kept), random_state=SEED)
    return pd.concat([kept, drawn]).sort_values("source_row")


def write_adults(source: Path) -> None:
    """Write ``nhanes_adults.csv`` and ``nhanes_set_aside.csv`` and say what was done."""
    table = pd.read_csv(source)
    table.insert(0, "source_row", range(1, len(table) + 1))
    cleaned, taken = clean(table)
    adults = choose_adults(cleaned, set(taken["source_row"]))
    whole = ["phq2", "sleep_hours", "active_days", "alcohol_per_day", "alcohol_days_per_year"]
    adults[whole] = adults[whole].astype("Int64")
    adults.to_csv(SAMPLE / "nhanes_adults.csv", index=False)
    taken.to_csv(SAMPLE / "nhanes_set_aside.csv", index=False)
    say(f"{len(adults)} of {len(table)} adults taken")
    say(f"answers set aside: {taken['column'].value_counts().to_dict()}")
    for column in ("systolic_bp", "diastolic_bp"):
        impossible = (adults[column] < {"systolic_bp": 50, "diastolic_bp": 20}[column]).sum()
        say(f"{column}: {impossible} impossible readings kept for ingest to reject")
    hypertensive = ((adults["systolic_bp"] >= 140) | (adults["diastolic_bp"] >= 90)).sum()
    say(f"pregnant {(adults['pregnant'] == 'Yes').sum()}, blood pressure high {hypertensive}")


def write_records() -> None:
    """Write ``users.csv``, ``events.parquet`` and ``observations.parquet``."""
    population = load_population(SAMPLE / "nhanes_adults.csv")
    shipped = read_actions(SAMPLE.parent / "actions.ndjson")
    menu = make_menu(choose_actions(shipped, len(shipped) or 130, SEED), SEED)
    plan = Plan(population, menu, len(population), DAYS, SEED, END_AT, bootstrap=False)
    every = list(blocks(plan))
    with CsvFile(SAMPLE / "users.csv") as users:
        users.append(pa.concat_tables([block.users for block in every]))
    for name in ("events", "observations"):
        table = pa.concat_tables([getattr(block, name) for block in every])
        path = SAMPLE / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=19)
        say(f"{name}: {table.num_rows} rows, {path.stat().st_size / 1e6:.1f} MB")
    say(f"actions: {len(menu)}, never shown: {int((~menu.launched).sum())}")


if __name__ == "__main__":
    write_adults(Path(sys.argv[1]))
    write_records()
