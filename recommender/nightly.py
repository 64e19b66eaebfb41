"""The nightly picture into the database: everybody is scored while the last batch is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from threadpoolctl import threadpool_limits

from recommender.assess import Assessor
from recommender.dataset import Records, take_users
from recommender.picture import Picture
from recommender.store.engine import Engine
from recommender.store.score_rows import ScoreBatch, writing_scores

WAITING = 2
"""Batches that may wait to be written, some 5 MB each at 50 actions a person: bounds memory."""

T = TypeVar("T")


def score_everyone(
    engine: Engine,
    run_id: str,
    assessor: Assessor,
    chunks: Iterable[Records],
    total: int,
    as_of: datetime,
    keep: int,
    progress: Callable[[str, float], None],
) -> None:
    """Write the nightly picture in batches; nobody sees it before the run is published.

    Batches are written by a thread beside the scoring of the next ones.
    Memory: that of one chunk, and of a few batches of ``HybridModel.at_once`` people.

    Parameters
    ----------
    chunks
        Everybody's records, some people at a time; taken one by one as they are needed.
    total
        How many people they hold altogether, to tell the progress by.
    keep
        How many actions of each person are written.
    """
    picture, at, done = Picture(assessor, keep), as_of.timestamp(), 0

    def tell(people: int) -> None:
        nonlocal done
        done += people
        progress("score", min(done / max(total, 1), 1.0))

    batches = (
        (len(some.users), picture.of(some, at))
        for records in chunks
        for some in chunks_of(records, assessor.model.at_once)
    )
    # The other processors are for the database, which has more to do than we have.
    with threadpool_limits(1, "blas"), writing_scores(engine, run_id) as write:

        def put(batch: tuple[int, ScoreBatch]) -> int:
            write(batch[1])
            return batch[0]

        one_ahead(batches, put, tell)


def chunks_of(records: Records, size: int) -> Iterator[Records]:
    """Cut records into those of at most ``size`` people, in their order; none of nobody."""
    total = len(records.users)
    if 0 < total <= size:
        yield records
        return
    for start in range(0, total, size):
        yield take_users(records, start, min(start + size, total))


def one_ahead(items: Iterable[T], use: Callable[[T], int], done: Callable[[int], None]) -> None:
    """Use each item in a thread of its own, in order, while the next ones are being made.

    An error on either side, an interrupt too, ends both: what waits is dropped, what is in hand
    is finished, and the error is raised here.

    Parameters
    ----------
    items
        Made in the calling thread, at most ``WAITING`` ahead of the one in use.
    done
        Told in the calling thread what ``use`` returned.
    """
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(1, "nightly-writer") as writer:
        try:
            for item in items:
                while waiting and (len(waiting) > WAITING or waiting[0].done()):
                    done(waiting.popleft().result())
                waiting.append(writer.submit(use, item))
            while waiting:
                done(waiting.popleft().result())
        except BaseException:
            writer.shutdown(cancel_futures=True)
            raise
