"""Honest splits: everything a model sees lies before everything it is judged on."""

from __future__ import annotations

from recommender.dataset import Records, until
from recommender.outcomes import Impressions, delay_curve, outcomes_of, with_pending_weights


def temporal_split(
    records: Records, at: float, as_of: float | None = None
) -> tuple[Records, Impressions]:
    """Split at an instant (seconds since 1970).

    Parameters
    ----------
    as_of
        End of what is known of the future's outcomes; the last event where not given.

    Returns
    -------
    past, future
        Records up to and including ``at``; labelled impressions after it. Outcomes that were
        still pending at ``as_of`` have less weight.
    """
    events = records.events
    end = as_of if as_of is not None else float(events.at.max(initial=at))
    rows = outcomes_of(events, end)
    rows = with_pending_weights(rows, delay_curve(rows, end), end)
    return until(records, at), rows.select(rows.at > at)
