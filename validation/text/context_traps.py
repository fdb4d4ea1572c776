"""Hard sentences for the context of a mention: false denials, ends of reach, sections, conditions.

Cases: ``context/*traps*.jsonl`` with ``text``, one ``target`` or several ``spans`` with what is ``expected`` (negation,
certainty, temporality, experiencer), and sometimes the ``section`` with its prior. The text is lower-cased and read
with its headings. Right: every expected axis of every span. Wrong: one is not. Not read: a target that does not occur.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from salus.text.context import Sentence
from salus.text.document import Document, Span
from salus.text.sections import sections
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

Case = dict[str, Any]
AXES = ("negation", "certainty", "temporality", "experiencer")
DEVELOPED = ("2c73b4e7b36611bf",)
"""Files whose sentences the rules were mended on."""
ENGINE = "salus/text/context.py"
MUTANTS = (
    Mutant(ENGINE, "taken == _NEAREST or (hit.last < edge if forward else hit.first > edge)", "taken == _NEAREST",
           "no terminator ends a reach"),
    Mutant(ENGINE, "            values[axis] = str(priors[axis])", "            pass", "sections say nothing"),
    Mutant(ENGINE, '("hypothetical", "historical"),', '("historical", "hypothetical"),',
           "past goes before conditional"),
    Mutant(ENGINE, 'if values["temporality"] == "hypothetical" or (', "if (", "what is conditional is certain"),
)  # fmt: skip


def wanted(case: Case) -> list[tuple[str, Case]]:
    """(words, expected axes) of every span; "uncertainty" is the set's other name of certainty."""
    spans = [case | {"text": case["target"]["text"]}] if "target" in case else case["spans"]
    named = {"uncertainty": "certainty"}
    return [
        (s["text"], {named.get(k, k): v for k, v in s["expected"].items() if named.get(k, k) in AXES}) for s in spans
    ]


def judge(case: Case) -> tuple[Outcome, str]:
    """How a case ends, and why. A stated section gives its own prior."""
    text = case["text"].lower()
    parts = sections(Document("trap", text))
    stated = (case.get("section") or {}).get("temporality_prior")
    for words, expected in wanted(case):
        start = text.find(words.lower())
        if start < 0:
            return Outcome.NOT_READ, f"{words!r} does not occur"
        target = Span(start, start + len(words))
        part = next((p for p in parts if p.body.contains(target)), None)
        heading = part.heading if part else None
        said = Sentence(text, part.body if part else None).assess(
            target,
            temporality=stated or (heading.temporality if heading else None),
            experiencer=heading.experiencer if heading else None,
        )
        for axis, value in expected.items():
            if getattr(said, axis) != value:
                return Outcome.WRONG, f"{words}: {axis} is {getattr(said, axis)}, expected {value}"
    return Outcome.RIGHT, ""


def main() -> int:
    """Print the report; 0 when every sentence is right."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted((arguments.data / "context").glob("*traps*.jsonl"))
    tally = Tally()
    for path in files:
        for case in (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()):
            tally.add(str(case.get("case_id") or case.get("id")), *judge(case))
    return report(
        check="text.context_traps",
        tally=tally,
        data=arguments.data,
        covers="a handful of sentences that another project made to mislead are read as it says",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        figures={"n": tally.n, "passed": tally.passed},
        methods=["text.mentions"],
        files=files,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
