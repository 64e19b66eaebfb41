"""How Alembic reaches the database: handed over by the product, or a developer's URL."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from recommender.store.engine import connect, migrating
from recommender.store.schema import metadata


def migrate(conn: Connection) -> None:
    """Run the migrations on a connection whose transaction belongs to the caller."""
    context.configure(
        connection=conn,
        target_metadata=metadata,
        render_as_batch=conn.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def database_url() -> str:
    """Return ``-x url=…``, else the environment's, else the product's usual file."""
    given = context.get_x_argument(as_dictionary=True).get("url")
    return given or os.environ.get("RECOMMENDER_DATABASE_URL", "sqlite:///recommender.db")


def main() -> None:
    """Migrate on the caller's connection if there is one, else on an own one."""
    handed = context.config.attributes.get("connection")
    if handed is not None:
        migrate(handed)
        return
    with migrating(connect(database_url())) as conn:
        migrate(conn)


main()
