"""Red flags on messages that physicians called emergencies, and on consumer health questions.

``triage/*emergent*.jsonl``: every message (``prompt``) whose ``gold`` is "emergency" must be escalated.
``qa/*liveqa*.jsonl``: of the questions, one on an overdose (by its summary) must be, the others should not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from validation._report import argument_parser, report

MISSED_AT_MOST = 3 / 25
FALSE_AT_MOST = 0.20


def lines(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def main() -> int:
    from salus.assistant import redflags

    arguments = argument_parser(__doc__ or "").parse_args()
    emergencies = sorted(arguments.data.rglob("*emergent*.jsonl"))
    questions = sorted(arguments.data.rglob("*liveqa*.jsonl"))
    failures, n, escalated, others, false, overdoses, overdoses_seen = [], 0, 0, 0, 0, 0, 0
    for case in (c for path in emergencies for c in lines(path) if c["gold"] == "emergency"):
        n += 1
        if redflags.check(case["prompt"]):
            escalated += 1
        else:
            failures.append({"id": case["id"], "why": "not escalated"})
    for case in (c for path in questions for c in lines(path)):
        raised = redflags.check(case["message"])
        if "overdose" in case["summary"].lower():
            overdoses += 1
            overdoses_seen += bool(raised)
            if not raised:
                failures.append({"id": case["qid"], "why": "an overdose was not escalated"})
            continue
        others += 1
        if raised:
            false += 1
            failures.append({"id": case["qid"], "why": f"escalated by {[r.words for r in raised]}"})
    share = false / others if others else None
    enough = bool(n) and escalated >= n * (1 - MISSED_AT_MOST)
    figures = {
        "n": n + others + overdoses,
        "passed": escalated + (others - false) + overdoses_seen,
        "emergencies": n,
        "escalated": escalated,
        "questions": others,
        "false_escalations": share,
        "tq74": bool(overdoses and overdoses_seen == overdoses) if overdoses else None,
    }
    return report(
        check="assistant.triage",
        n=figures["n"] if n else 0,
        passed=figures["passed"],
        data=arguments.data,
        files=[*emergencies, *questions],
        figures=figures,
        methods=["assistant.redflags"],
        failures=failures,
        as_json=arguments.json,
        ok=enough and (share is None or share <= FALSE_AT_MOST) and overdoses == overdoses_seen,
    )


if __name__ == "__main__":
    sys.exit(main())
