"""A plan holds until the instant that its chart tells: made-up people, each planned again at later moments.

A plan that stands is not made again before something is written or its time is over, so a time that is told too late
shows an old plan. The moments of a person are one by chance, the eve of a birthday, and one some hours before the plan
changes with nothing written, found by halving a year and a half. A case is a moment: right where the plan made from
scratch at the last instant before the told one, and at one in between, says the same, word for word, in all but its
date; wrong where it says anything else. A plan that holds for no time at all is abstained from; at most
:data:`MOST_ABSTAINED` may be. ``--people`` says how many are made; no outside data are read.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.person._charts import PLAIN, someone, write
from validation.person._plans import AT, Said, planned

PEOPLE = 200
FURTHEST = timedelta(days=60)
"""How long after the moment plans are looked at, where they hold for longer."""
SPAN = timedelta(days=550)
HOUR = timedelta(hours=1)
AHEAD = 0.2
"""The share of results that are dated after the first moment."""
MOST_ABSTAINED = 0.02
_MOMENT = "salus/record/moment.py"
SHORT = ("--people", "40")
MUTANTS = (
    Mutant(
        _MOMENT,
        "self.until = self.now + after",
        "self.until = self.now + after * 2",
        "every answer is thought to hold twice as long",
    ),
    Mutant(
        _MOMENT,
        "                self._horizon.limit(ahead)\n        return plain",
        "                self._horizon.limit(ahead + _DAY)\n        return plain",
        "what lies ahead is passed a day later",
    ),
    Mutant(
        "salus/record/snapshot.py",
        "        self.horizon.limit(moment(start) - self.now)\n        return False",
        "        return False",
        "what is dated ahead never comes",
    ),
)


def timed(resources: Iterable[Mapping[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
    """The same, with results of some minute of their day, else everything would change at midnight; a few are ahead."""
    made = []
    for resource in resources:
        when = resource.get("effectiveDateTime", "")
        if len(when) == len("2026-01-01") and chance.random() < AHEAD:
            when = f"{AT + timedelta(days=chance.randint(20, 500)):%Y-%m-%d}"
        clock = f"T{chance.randrange(24):02}:{chance.randrange(60):02}:00Z"
        made.append({**resource, "effectiveDateTime": when + clock} if len(when) == len("2026-01-01") else {**resource})
    return made


def moments(birth: str, resources: Sequence[Mapping[str, Any]], chance: random.Random) -> Iterator[datetime]:
    """The moments at which a person is planned."""
    start = AT + timedelta(seconds=chance.randrange(int(SPAN.total_seconds())))
    yield start
    month, day = int(birth[5:7]), int(birth[8:10])
    yield datetime(AT.year + 1, month, day, tzinfo=UTC) - chance.randint(1, 20) * HOUR
    low, high = AT + HOUR, AT + SPAN
    before = planned(resources, low)
    if not differs(before, planned(resources, high)):
        return
    while high - low > HOUR:
        middle = low + (high - low) / 2
        low, high = (low, middle) if differs(before, planned(resources, middle)) else (middle, high)
    yield low - chance.randint(1, 5) * HOUR


def differs(first: Said, later: Said) -> bool:
    """Whether two plans propose or find something else, whatever the age."""
    return (first.items, first.findings) != (later.items, later.findings)


def judge(first: Said, later: Said) -> str:
    """What differs, in short; "" where nothing does."""
    if replace(first.plan, at="", findings=()) != replace(later.plan, at="", findings=()):
        return f"items {sorted(first.items ^ later.items)[:3]}, or their words"
    return "" if first.findings == later.findings else f"findings {sorted(first.findings ^ later.findings)[:3]}"


def main() -> int:
    """Print the report; 0 when every plan holds as long as it is told to."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--people", type=int, default=PEOPLE)
    arguments = parser.parse_args()
    tally = Tally()
    held = []
    for number in range(arguments.people):
        person, chance = someone(number), random.Random(f"until {number}")
        resources = timed(write(person, PLAIN), chance)
        for at in moments(person.birth, resources, chance):
            first = planned(resources, at)
            left = min(first.until - at, FURTHEST)
            held.append(left.total_seconds() / 3600)
            if left <= timedelta():
                tally.add(f"{number} at {at:%Y-%m-%d %H:%M}", Outcome.ABSTAINED, "it holds for no time at all")
                continue
            later = (at + left * chance.random(), at + left - timedelta.resolution)
            why = next((w for then in later if (w := judge(first, planned(resources, then)))), "")
            tally.add(f"{number} at {at:%Y-%m-%d %H:%M}", Outcome.WRONG if why else Outcome.RIGHT, why)
    wrong, abstained = tally.counts[Outcome.WRONG], tally.counts[Outcome.ABSTAINED]
    return report(
        check="person.until",
        tally=tally,
        data=arguments.data,
        covers="a plan of invented people says the same from scratch at every moment up to the one until which it is "
        "said to hold",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        figures={"people": arguments.people, "hours_held_mean": round(sum(held) / len(held), 1) if held else None},
        intervals={"wrong": wilson(wrong, tally.n)},
        methods=["careplan.plan"],
        as_json=arguments.json,
        ok=bool(held) and not wrong and abstained <= MOST_ABSTAINED * tally.n,
    )


if __name__ == "__main__":
    sys.exit(main())
