"""Personalised health recommendations: learn what people do, respect what is safe for them.

Read ``train.py`` and ``recommend.py`` first: they are the two main jobs, top to bottom.
``ingest.py`` is how records come in. Everything below them has one purpose each:
``store`` speaks SQL, ``features`` turns a record into numbers, ``models`` scores,
``guardrails`` decides what is safe, ``ranking`` orders.
"""

__version__ = "0.1.0"
