"""A made-up population that behaves by known rules, for the sample, tests and benchmarks.

Read ``world.py`` (what there is to do and how strong each cause is), ``people.py`` (who
there is), ``course.py`` (how their readings move), ``behaviour.py`` (what they do),
``readings.py`` (what gets measured) and ``tables.py`` (how it is written down).
The model is described in words and formulas in ``docs/simulator.md``.

No SQL, HTTP, clock or environment: everything follows from the seed.
"""
