"""Publishing a run that the gate held back, on an operator's word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from recommender.assess import Assessor
from recommender.domain import MetricsList
from recommender.errors import ConflictError
from recommender.gate import forced_message, log_overruled
from recommender.guardrails.rules import Rules
from recommender.models.artifact import unpack
from recommender.nightly import score_everyone
from recommender.settings import Settings
from recommender.store.cards import load_card, release
from recommender.store.engine import Engine, reading, writing
from recommender.store.lock import train_lock
from recommender.store.packed import PEOPLE_AT_ONCE, packed_counts, record_chunks
from recommender.store.packing import pack_changed
from recommender.store.read import load_catalogue
from recommender.store.runs import load_artifact, publish, run_detail

COMMAND = "runs publish --force"


def publish_held_back(
    engine: Engine,
    run_id: str,
    *,
    rules: Rules,
    metrics: MetricsList,
    settings: Settings,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> int:
    """Publish a run in spite of the gate: score everyone as of its training, put it in force.

    Its message and its card keep what the gate said, and that it was published all the same.
    Returns the number of the publication.

    Raises
    ------
    LockHeldError
        If a train is at work.
    NotFoundError
        There is no such run, or its model has been cleaned up by a later train.
    ConflictError
        It was not held back.
    """
    now = datetime.now(UTC)
    with train_lock(engine, settings.train_lease_seconds) as make_sure_it_is_held:
        with writing(engine) as connection:
            found = run_detail(connection, run_id).summary
            if found.status != "held_back":
                raise ConflictError(f"run {run_id} was not held back: it is {found.status}")
            model = unpack(*load_artifact(connection, run_id))
            card = load_card(connection, run_id)
        pack_changed(engine)
        with reading(engine) as connection:
            catalogue = load_catalogue(connection)
            total = packed_counts(connection).users
        assessor = Assessor(model, rules, metrics, catalogue)
        keep = settings.scores_per_user
        chunks = record_chunks(engine, found.as_of, catalogue, metrics, PEOPLE_AT_ONCE)
        score_everyone(engine, run_id, assessor, chunks, total, found.as_of, keep, progress)
        make_sure_it_is_held()
        with writing(engine) as connection:
            how = {"forced": True, "forced_by": COMMAND, "forced_at": now.isoformat("T", "seconds")}
            forced = {"gate": card["gate"] | how}
            message = forced_message(found.message or "")
            release(connection, run_id, message, card | forced)
            publication_id = publish(connection, run_id, "publish", datetime.now(UTC))
    log_overruled(run_id, COMMAND, message)
    return publication_id
