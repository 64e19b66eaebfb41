"""Answers for people at random, every action of each judged by an oracle that is not the engine's.

``nice -n 10 python -m tests.benchmarks.bench_safety --answers 10000000 --seed 1``

An answer is one person and the whole catalogue: whatever the guardrails let through counts as
shown, which is more than a list of ten. Half the answers are for users, half for clinicians. The
catalogue is the shipped one and an action for every tag. Ends with 1 if anything was shown that
the oracle forbids, or an alert was missing. ``--http N`` goes through HTTP instead.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from recommender.catalogue import load_catalogue, load_tags
from recommender.domain import Action, Audience, Catalogue
from recommender.guardrails.check import Guard
from recommender.guardrails.rules import Rules
from recommender.knowledge import load_knowledge
from tests.benchmarks.people_at_random import instant_at_random, people_at_random
from tests.benchmarks.safety_http import Walk, walk
from tests.benchmarks.safety_tally import Tally

BATCH = 20_000


def everything() -> Catalogue:
    """The shipped catalogue and an action for each tag."""
    tagged = (Action(f"~{tag}", tag, "activity", tags=(tag,)) for tag in load_tags())
    actions = (*load_catalogue().actions, *tagged)
    return Catalogue(tuple(sorted(actions, key=lambda action: action.action_id)))


def run(
    answers: int, seed: int, rules: Rules | None = None, batch: int = BATCH, minutes: float = 600.0
) -> Tally:
    """Judge ``answers`` answers by the shipped rules or others, while ``minutes`` last."""
    known = load_knowledge()
    catalogue = everything()
    guard = Guard(rules or known.rules, catalogue, known.metrics)
    tally, number, started = Tally(catalogue), 0, time.monotonic()
    while tally.answers < answers and time.monotonic() - started < 60 * minutes:
        rng = np.random.default_rng([seed, number])
        as_of = instant_at_random(rng)
        count = min(batch, answers - tally.answers)
        people = people_at_random(count, rng, as_of, catalogue)
        tally.add(people, as_of, tuple(Audience)[number % 2], guard)
        number += 1
    return tally


def report(tally: Tally, rule_ids: Sequence[str], seconds: float) -> None:
    print(f"{tally.answers:,} answers, {tally.checked:,} actions checked, {tally.shown:,} allowed")
    print(f"{seconds:.0f} s of processor time")
    _table("forbidden by the oracle and not withheld", tally.violations, tally.examples)
    missing = Counter({f"no alert: {name}": count for name, count in tally.silent.items()})
    _table("alerts missing", missing, tally.examples)
    _table("withheld and not forbidden by the oracle, by rule", tally.stricter, {})
    _table("the same by tag, of an action with that tag alone", tally.stricter_tags, {})
    _table("bans of the oracle, by people", tally.banned, {})
    never = sorted(name for name, count in tally.banned.items() if not count)
    print(f"\nbans that held for nobody: {', '.join(never) or 'none'}")
    silent = sorted(set(rule_ids) - set(tally.fired))
    print(f"rules that decided nothing: {', '.join(silent) or 'none'} of {len(rule_ids)}")


def report_walk(seen: Walk) -> int:
    print(
        f"{seen.answers:,} people through HTTP: {seen.items:,} actions shown, "
        f"{seen.verdicts:,} verdicts ranked, {seen.alerts:,} alerts"
    )
    _table("records rejected on the way in", seen.rejected, {})
    _table("faults", seen.wrong, seen.examples)
    return int(bool(seen.wrong))


def _table(title: str, counts: Counter[str], examples: dict[str, str]) -> None:
    print(f"\n{title}: {sum(counts.values()):,}")
    for name, count in counts.most_common():
        print(f"  {count:12,}  {name}")
        if name in examples:
            print(f"                {examples[name]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--http", type=int, metavar="N", help="N people through HTTP instead")
    options = parser.parse_args()
    if options.http:
        return report_walk(walk(options.http, options.seed))
    started = time.process_time()
    tally = run(options.answers, options.seed, minutes=options.minutes)
    rule_ids = [rule.rule_id for rule in load_knowledge().rules.rules]
    report(tally, rule_ids, time.process_time() - started)
    return int(tally.failed)


if __name__ == "__main__":
    sys.exit(main())
