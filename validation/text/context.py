"""Negation, temporality and experiencer against annotated sentences; the text is lower-cased first.

Cases: ``context/*corpus*.jsonl`` with ``sentence``, ``span`` of the target (null where the target does not occur
whole), ``negation``, ``temporality``, ``experiencer``. Right: all three axes as annotated. Wrong: one is not. Not read:
a case without a span; to the F1 it is one of which nothing was said. The figures ``traps_*`` are those of
``validation.text.context_traps``. On the files that the rules were made on, the check also falls when it falls below
what was reached there: they are no estimate, but they show what breaks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salus.text.context import Context, Sentence
from salus.text.document import Span
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, split_of, wilson
from validation.text.context_traps import judge

Case = dict[str, Any]
MUST_NEGATION_F1 = 0.93
KEPT_NEGATION_F1, KEPT_HISTORICAL_F1 = 0.985, 0.65
"""Below these on the files in DEVELOPED something that worked is broken."""
DEVELOPED = ("a6053c4f20c80dfc",)
"""Files whose sentences the triggers were made and mended on."""
TRIGGERS, ENGINE = "salus/text/data/context_en.toml", "salus/text/context.py"
MUTANTS = (
    Mutant(ENGINE, 'forward = direction == "forward"', 'forward = direction != "forward"',
           "triggers look the wrong way"),
    Mutant(ENGINE, "taken == _NEAREST or (hit.last < edge if forward else hit.first > edge)", "taken == _NEAREST",
           "no terminator ends a reach"),
    Mutant(ENGINE, "_FARTHEST = 150", "_FARTHEST = 2", "triggers reach over two words only"),
    Mutant(ENGINE, '"temporality": ("hypothetical", "historical"),', '"temporality": ("hypothetical",),',
           "nothing is past"),
    Mutant(ENGINE, '"negation": ("negated",),', '"negation": (),', "nothing is denied"),
    Mutant(TRIGGERS, '"not", "cannot",', '"cannot",', "'not' denies nothing"),
)  # fmt: skip


def lines(paths: list[Path]) -> Iterator[Case]:
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


def _answer(case: Case) -> Context | None:
    if case["span"] is None:
        return None
    return Sentence(case["sentence"].lower()).assess(Span(*case["span"]))


def _differs(case: Case, said: Context) -> str:
    """ "" when all three axes are right, else what was wrong."""
    wanted = {"Affirmed": "affirmed", "Negated": "negated"}[case["negation"]]
    if said.negation != wanted:
        return f"negation: said {said.negation}, is {wanted}"
    if (said.temporality == "historical") != (case["temporality"] == "Historical"):
        return f"temporality: said {said.temporality}, is {case['temporality'].lower()}"
    if (said.experiencer == "patient") != (case["experiencer"] == "Patient"):
        return f"experiencer: said {said.experiencer}, is {case['experiencer'].lower()}"
    return ""


def _outcome(case: Case, said: Context | None) -> tuple[Outcome, str]:
    """How a case ends, and why."""
    if said is None:
        return Outcome.NOT_READ, "the target does not occur whole in the sentence"
    why = _differs(case, said)
    return (Outcome.WRONG, why) if why else (Outcome.RIGHT, "")


def main() -> int:
    """Print the report; 0 when negation reaches its F1."""
    arguments = argument_parser(__doc__.splitlines()[0]).parse_args()
    folder = arguments.data / "context"
    paths = sorted(folder.glob("*corpus*.jsonl"))
    cases = list(lines(paths))
    Sentence("warm the table of triggers")
    begun = time.process_time()
    answers = [_answer(case) for case in cases]
    seconds = time.process_time() - begun
    tally = Tally()
    for case, answer in zip(cases, answers, strict=True):
        tally.add(str(case["id"]), *_outcome(case, answer))
    # A case without a span is an affirmed, recent one to the scorer: what a system that says nothing would say.
    said = [answer or Context() for answer in answers]
    negation = _prf([(c["negation"] == "Negated", a.negation == "negated") for c, a in zip(cases, said, strict=True)])
    past = [(c["temporality"] == "Historical", a.temporality == "historical") for c, a in zip(cases, said, strict=True)]
    historical = _prf(past)
    right_negation = sum(
        c["negation"] == {"affirmed": "Affirmed", "negated": "Negated"}[a.negation]
        for c, a in zip(cases, answers, strict=True)
        if a is not None
    )
    split = split_of(paths, DEVELOPED)
    traps = list(lines(sorted(folder.glob("*traps*.jsonl"))))
    n_past = sum(true for true, _ in past)
    figures = {
        **{f"negation_{name}": value for name, value in negation.items()},
        **{f"historical_{name}": value for name, value in historical.items()},
        "negation_accuracy": right_negation / len(cases) if cases else 0.0,
        "sentences_per_s": len(cases) / seconds if seconds else None,
        "without_span": sum(case["span"] is None for case in cases),
        "traps_n": len(traps),
        "traps_passed": sum(outcome is Outcome.RIGHT for outcome, _ in map(judge, traps)),
    }
    kept = split is Split.UNSEEN or (negation["f1"] >= KEPT_NEGATION_F1 and historical["f1"] >= KEPT_HISTORICAL_F1)
    return report(
        check="text.context",
        tally=tally,
        data=arguments.data,
        covers="what a sentence of an English report denies of a given phrase is mostly told as people marked it; of "
        "what is past, over four in ten are told as present; on the sentences that the rules were made on",
        truth=Truth.OUTSIDE,
        split=split,
        figures=figures,
        intervals={
            "negation_accuracy": wilson(right_negation, len(cases)),
            "historical_recall": wilson(round(historical["recall"] * n_past), n_past),
        },
        methods=["text.mentions"],
        files=paths,
        as_json=arguments.json,
        ok=negation["f1"] >= MUST_NEGATION_F1 and kept,
    )


if __name__ == "__main__":
    sys.exit(main())
