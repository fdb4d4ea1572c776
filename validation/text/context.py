"""Negation, temporality and experiencer against annotated sentences; the text is lower-cased first.

Cases: ``context/*corpus*.jsonl`` with ``sentence``, ``span`` of the target (null where the target does not occur
whole), ``negation``, ``temporality``, ``experiencer``. A case without a span counts in ``n`` and as not passed; to the
F1 it is one of which nothing was said. Second check: ``context/*traps*.jsonl``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salus.text.context import Context, Sentence
from salus.text.document import Document, Span
from salus.text.sections import sections
from validation._report import argument_parser, report

Case = dict[str, Any]
MUST_NEGATION_F1 = 0.93


def _lines(paths: list[Path]) -> Iterator[Case]:
    for path in paths:
        yield from (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())


def _prf(pairs: list[tuple[bool, bool]]) -> dict[str, float]:
    """Precision, recall and F1 of (true, said) pairs."""
    hit = sum(true and said for true, said in pairs)
    wrong = sum(said and not true for true, said in pairs)
    missed = sum(true and not said for true, said in pairs)
    precision = hit / (hit + wrong) if hit + wrong else 0.0
    recall = hit / (hit + missed) if hit + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def _wilson(hits: int, n: int) -> list[float]:
    """95 % interval of a proportion (Wilson, J Am Stat Assoc 1927;22:209-212)."""
    if not n:
        return [0.0, 1.0]
    z, share = 1.959964, hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    return [middle - half, middle + half]


def _answer(case: Case) -> Context | None:
    if case["span"] is None:
        return None
    return Sentence(case["sentence"].lower()).assess(Span(*case["span"]))


def _right(case: Case, said: Context | None) -> str | None:
    """None when all three axes are right, else what was wrong."""
    if said is None:
        return "the target does not occur whole in the sentence"
    wanted = {"Affirmed": "affirmed", "Negated": "negated"}[case["negation"]]
    if said.negation != wanted:
        return f"negation: said {said.negation}, is {wanted}"
    if (said.temporality == "historical") != (case["temporality"] == "Historical"):
        return f"temporality: said {said.temporality}, is {case['temporality'].lower()}"
    if (said.experiencer == "patient") != (case["experiencer"] == "Patient"):
        return f"experiencer: said {said.experiencer}, is {case['experiencer'].lower()}"
    return None


def _trap_spans(case: Case) -> list[tuple[str, Case]]:
    if "target" in case:
        return [(case["target"]["text"], case["expected"])]
    return [(span["text"], span["expected"]) for span in case["spans"]]


def _trap_passed(case: Case) -> bool:
    """Sections count here: the text is read with its headings, and a stated section gives its own prior."""
    text = case["text"].lower()
    parts = sections(Document("trap", text))
    stated = (case.get("section") or {}).get("temporality_prior")
    for words, expected in _trap_spans(case):
        start = text.index(words.lower())
        target = Span(start, start + len(words))
        part = next((p for p in parts if p.body.contains(target)), None)
        sentence = Sentence(text, part.body if part else None)
        heading = part.heading if part else None
        said = sentence.assess(
            target,
            temporality=stated or (heading.temporality if heading else None),
            experiencer=heading.experiencer if heading else None,
        )
        answers = {axis: getattr(said, axis) for axis in ("negation", "certainty", "temporality", "experiencer")}
        answers["uncertainty"] = said.certainty
        if any(answers[key] != value for key, value in expected.items() if key in answers):
            return False
    return True


def main() -> int:
    arguments = argument_parser(__doc__.splitlines()[0]).parse_args()
    folder = arguments.data / "context"
    paths = sorted(folder.glob("*corpus*.jsonl"))
    cases = list(_lines(paths))
    Sentence("warm the table of triggers")
    begun = time.process_time()
    answers = [_answer(case) for case in cases]
    seconds = time.process_time() - begun
    # A case without a span is an affirmed, recent one to the scorer: what a system that says nothing would say.
    said = [answer or Context() for answer in answers]
    negation = _prf([(c["negation"] == "Negated", a.negation == "negated") for c, a in zip(cases, said, strict=True)])
    past = [(c["temporality"] == "Historical", a.temporality == "historical") for c, a in zip(cases, said, strict=True)]
    historical = _prf(past)
    wrong = [(case, why) for case, answer in zip(cases, answers, strict=True) if (why := _right(case, answer))]
    right_negation = sum(
        c["negation"] == {"affirmed": "Affirmed", "negated": "Negated"}[a.negation]
        for c, a in zip(cases, answers, strict=True)
        if a is not None
    )
    traps = list(_lines(sorted(folder.glob("*traps*.jsonl"))))
    figures = {
        **{f"negation_{name}": value for name, value in negation.items()},
        **{f"historical_{name}": value for name, value in historical.items()},
        "negation_accuracy": right_negation / len(cases) if cases else 0.0,
        "sentences_per_s": len(cases) / seconds if seconds else None,
        "without_span": sum(case["span"] is None for case in cases),
        "traps_n": len(traps),
        "traps_passed": sum(map(_trap_passed, traps)),
    }
    return report(
        check="text.context",
        n=len(cases),
        passed=len(cases) - len(wrong),
        figures=figures,
        intervals={"negation_accuracy": _wilson(right_negation, len(cases))},
        methods=["text.mentions"],
        data=arguments.data,
        files=paths,
        failures=[{"id": case["id"], "why": why} for case, why in wrong],
        as_json=arguments.json,
        ok=negation["f1"] >= MUST_NEGATION_F1,
    )


if __name__ == "__main__":
    sys.exit(main())
