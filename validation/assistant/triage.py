"""Red flags on messages of others: what physicians called an emergency is raised, ordinary questions are not.

Every ``*.jsonl`` below the folder whose rows have a text (``prompt``, ``message``, ``text``, ``vignette``) is read by
its form, whatever its name:

- rows with a judgement (``gold``, ``label``, ``urgency`` or ``emergency``): an emergency must be raised, anything else
  must not. A judgement in words that are not known here is not read.
- consumer health questions (``message`` with a ``summary`` and no judgement): one on an overdose must be raised, the
  others should not be.

Tables of vignettes (``Vignette_id`` and ``Goldstandard_solution`` in a ``.csv``) that hold no text cannot be put to the
code: each vignette counts as not read. What other symptom checkers answered in them is printed beside, as ``peers``.

Raised emergencies and questions left alone are right, the others wrong: there is no abstaining. The check holds when
at least 92 % of the emergencies are raised and at most 4 % of the others, and when 85 % of the emergencies are raised
by rules, which tell the signs that they saw (``by_rules``), and not by the second look alone.
"""

from __future__ import annotations

import csv
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

RAISED_AT_LEAST, FALSE_AT_MOST, BY_RULES_AT_LEAST = 0.92, 0.04, 0.85
SECOND_LOOK = "several"
"""The flag that tells no sign but the words that weighed most."""
DEVELOPED = ("9c4f847a55ec1443", "d237e0a2a9e888e0")
"""The table of red flags of earlier versions was made with these files at hand."""
TEXTS = ("prompt", "message", "text", "vignette")
JUDGEMENTS = ("gold", "label", "urgency", "emergency")
YES = frozenset({"emergency", "emergent", "true", "1"})
NO = frozenset({"non-emergency", "non-emergent", "not emergency", "self-care", "selfcare", "false", "0", "routine"})
_ROOM = "salus/assistant/"
MUTANTS = (
    Mutant(
        f"{_ROOM}redflags.py",
        "raised = [r for flag in read_as.rules.flags if (r := _raised(flag, read_as))]",
        "raised = []",
        "no rule is asked",
    ),
    Mutant(
        f"{_ROOM}redflags.py",
        "    for line in flag.when:\n        if spans",
        "    for line in flag.when[:1]:\n        if spans",
        "only the first rule of a flag is asked",
    ),
    Mutant(
        f"{_ROOM}tables/redflags/leaning.json", '"threshold": ', '"threshold": -', "the second look raises nearly all"
    ),
)

Case = tuple[Path, str, str, bool | None]
"""File, id, text, and whether it is an emergency; None where its judgement is not understood."""


def judged(row: dict[str, Any]) -> bool | None:
    """Whether a row calls itself an emergency."""
    word = str(next(row[name] for name in JUDGEMENTS if name in row)).strip().lower()
    return True if word in YES else False if word in NO else None


def messages(folder: Path) -> Iterator[Case]:
    """Every row with a text, with what is said of it."""
    for path in sorted(folder.rglob("*.jsonl")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            row = json.loads(line) if line.strip() else None
            if not isinstance(row, dict):
                continue
            text = next((row[name] for name in TEXTS if isinstance(row.get(name), str)), None)
            if text is None:
                continue
            name = f"{path.name}:{row.get('id', row.get('qid', number))}"
            if any(name in row for name in JUDGEMENTS):
                yield path, name, text, judged(row)
            elif "summary" in row and "message" in row:
                yield path, name, text, "overdose" in str(row["summary"]).lower()


def vignettes(folder: Path) -> Iterator[tuple[Path, list[dict[str, str]]]]:
    """Tables of what symptom checkers advised, with the gold standard and without the text."""
    for path in sorted(folder.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if rows and {"Vignette_id", "Goldstandard_solution"} <= rows[0].keys():
            yield path, rows


def peers(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Of each app in a table of vignettes: the share of emergencies that it called one, over all and its median."""
    advised: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        if row["Goldstandard_solution"] == "Emergency":
            advised[row["App_name"]].append(row["Triage_advice_from_app"] == "Emergency")
    shares = {name: round(sum(given) / len(given), 3) for name, given in sorted(advised.items())}
    return {"median": statistics.median(shares.values()), "best": max(shares.values()), "apps": len(shares)}


def by_rules(raised: Sequence[Any]) -> bool:
    """Whether a flag was raised that tells its signs."""
    return any(each.flag.id != SECOND_LOOK for each in raised)


def main() -> int:
    """Print the report; 0 when enough emergencies and few others were raised."""
    from salus.assistant import redflags

    arguments = argument_parser(__doc__ or "").parse_args()
    tally, files, figures = Tally(), set(), {"by_file": {}}
    counts, ruled = {True: [0, 0], False: [0, 0]}, 0
    for path, name, text, emergency in messages(arguments.data):
        files.add(path)
        if emergency is None:
            tally.add(name, Outcome.NOT_READ, "its judgement is in words that are not known here")
            continue
        raised = redflags.check(text)
        counts[emergency][0] += 1
        counts[emergency][1] += bool(raised)
        ruled += emergency and by_rules(raised)
        words = "; ".join(word for each in raised for word in each.words)
        why = f"raised by {words!r}" if raised else "not raised"
        tally.add(name, Outcome.RIGHT if bool(raised) is emergency else Outcome.WRONG, why)
        of_file = figures["by_file"].setdefault(path.name, {"n": 0, "right": 0})
        of_file["n"] += 1
        of_file["right"] += bool(raised) is emergency
    for path, rows in vignettes(arguments.data):
        files.add(path)
        for number in sorted({row["Vignette_id"] for row in rows}, key=str):
            tally.add(f"{path.name}:{number}", Outcome.NOT_READ, "the table holds no text")
        figures["peers"] = peers(rows)
    (emergencies, escalated), (others, false) = counts[True], counts[False]
    share = false / others if others else None
    figures |= {
        "n": emergencies + others,
        "passed": escalated + others - false,
        "emergencies": emergencies,
        "escalated": escalated,
        "by_rules": ruled,
        "questions": others,
        "false_escalations": share,
    }
    return report(
        check="assistant.triage",
        tally=tally,
        covers="messages that physicians called emergencies are raised, consumer health questions are not",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        data=arguments.data,
        files=sorted(files),
        figures=figures,
        intervals={"escalated": wilson(escalated, emergencies), "false_escalations": wilson(false, others)},
        methods=["assistant.redflags"],
        as_json=arguments.json,
        ok=bool(emergencies)
        and escalated >= RAISED_AT_LEAST * emergencies
        and ruled >= BY_RULES_AT_LEAST * emergencies
        and (share or 0.0) <= FALSE_AT_MOST,
    )


if __name__ == "__main__":
    sys.exit(main())
