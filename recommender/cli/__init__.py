"""The command line: parse, open the database, call one flow, print.

Each command has a module of its own, which is imported only when it is called for, so that
``recommender --help`` answers at once.
"""

from recommender.cli.root import main

__all__ = ["main"]
