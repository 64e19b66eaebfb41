"""The published run, loaded once and kept in step with the database.

A process asks ``current()`` before each answer. At most every ``poll_seconds`` that costs two
tiny queries; a newly published run or a changed catalogue is then loaded and put in place whole.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from recommender.assess import Assessor
from recommender.domain import MetricsList
from recommender.errors import NoPublishedRunError
from recommender.guardrails.rules import Rules
from recommender.models.artifact import unpack
from recommender.models.hybrid import HybridModel
from recommender.store.engine import Connection, Engine, reading
from recommender.store.read import catalogue_version, load_catalogue
from recommender.store.runs import PublishedRun, load_artifact, published_run
from recommender.store.versions import catalogue_revision


@dataclass(frozen=True)
class LiveRun:
    """A published run ready to answer.

    Attributes
    ----------
    catalogue_revision
        Number of the last change of the catalogue it has seen.
    model
        As trained; each new version of the catalogue is aligned from it, so that an action
        corrected twice is described by its last version.
    assessor
        The model and the guardrails, aligned with the present catalogue.
    """

    run: PublishedRun
    catalogue_version: str
    catalogue_revision: int
    model: HybridModel
    assessor: Assessor


class Published:
    """Holder of the run in force, shared by the threads of one process.

    Parameters
    ----------
    poll_seconds
        How stale the knowledge of what is published may be; 0 looks every time.
    """

    def __init__(
        self, engine: Engine, rules: Rules, metrics: MetricsList, poll_seconds: float = 0.0
    ) -> None:
        self.engine = engine
        self.rules = rules
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._live: LiveRun | None = None
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def current(self) -> LiveRun:
        """Return the run in force.

        Raises
        ------
        NoPublishedRunError
            If nothing has been published yet.
        """
        live = self._live
        if live is not None and time.monotonic() - self._looked_at < self._poll_seconds:
            return live
        with self._lock, reading(self.engine) as connection:
            self._live = self._refreshed(connection, self._live)
            self._looked_at = time.monotonic()
            return self._live

    def look_again(self) -> None:
        """Forget when we last looked, so that the next answer sees what this process changed."""
        self._looked_at = float("-inf")

    def _refreshed(self, connection: Connection, live: LiveRun | None) -> LiveRun:
        run = published_run(connection)
        if run is None:
            raise NoPublishedRunError("no run is published yet: run `recommender train`")
        version = catalogue_version(connection)
        if live is not None and (live.run, live.catalogue_version) == (run, version):
            return live
        model = (
            live.model
            if live is not None and live.run.run_id == run.run_id
            else unpack(*load_artifact(connection, run.run_id))
        )
        catalogue = load_catalogue(connection)
        assessor = Assessor(model, self.rules, self._metrics, catalogue)
        return LiveRun(run, version, catalogue_revision(connection), model, assessor)
