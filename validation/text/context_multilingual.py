"""Context of a target in seven languages, of which salus reads English alone: does it say so, or assert wrongly?

Cases: ``context/*multilingual*.jsonl`` with ``language``, ``text``, ``target`` and ``expected`` (negation, temporality,
certainty). As in a note, salus first asks whether the text, or the sentence around the target, is in another language.

- right: all expected axes are given; for a language that is not read that is luck, counted apart as ``by_luck``;
- wrong: an axis is given otherwise, the gravest being a sentence in another language taken for English;
- abstained: the text is named as being in another language, and nothing is said of the target;
- refused though answerable: an English text is taken for another language;
- not read: the target does not occur in the text.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from salus.text.context import Sentence
from salus.text.document import Span
from salus.text.language import foreign_language, foreign_passages
from salus.text.sentences import sentences
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

DEVELOPED = ("a6d5ece4cac78345",)
"""Files whose words stand in the table of languages."""
READ = "en"
LANGUAGE = "salus/text/language.py"
MUTANTS = (
    Mutant(LANGUAGE, "_TOLD = 2 ", "_TOLD = 4 ", "twice the evidence is needed before a text is another language's"),
    Mutant(LANGUAGE, "    if _is_other_script(sample):", "    if False:", "other scripts are read as English"),
    Mutant(LANGUAGE,
           "return sum(2 * (word in self.notes or self.ends(word)) + (word in self.telling) for word in words)",
           "return sum(word in self.telling for word in words)", "words of notes tell nothing of the language"),
    Mutant(LANGUAGE, "    if _holds_together(written):", "    if False:", "joining words tell nothing"),
    Mutant("salus/text/context.py", '"certainty": ("uncertain",),', '"certainty": (),', "nothing is uncertain"),
)  # fmt: skip


def judge(case: dict[str, Any]) -> tuple[Outcome, str]:
    """How a case ends, and why."""
    text, words = str(case["text"]), str(case["target"]["text"])
    start = text.find(words)
    if start < 0:
        return Outcome.NOT_READ, "the target does not occur in the text"
    target = Span(start, start + len(words))
    language = foreign_language(text) or next(
        (name for span, name in foreign_passages(text) if span.overlaps(target)), None
    )
    if language:
        outcome = Outcome.REFUSED_THOUGH_ANSWERABLE if case["language"] == READ else Outcome.ABSTAINED
        return outcome, f"named as {language}"
    around = next(span for span in sentences(text) if span.overlaps(target))
    said = Sentence(text, around).assess(target)
    differs = {axis: getattr(said, axis) for axis, value in case["expected"].items() if getattr(said, axis) != value}
    return (Outcome.WRONG, f"said {differs}, expected {case['expected']}") if differs else (Outcome.RIGHT, "")


def main() -> int:
    """Print the report; 0 when nothing is wrong and every English text is read."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted((arguments.data / "context").glob("*multilingual*.jsonl"))
    tally, by_language = Tally(), Counter[str]()
    lucky = english = 0
    for path in files:
        for case in (json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()):
            outcome, why = judge(case)
            tally.add(str(case["case_id"]), outcome, why)
            by_language[f"{case['language']}/{outcome}"] += 1
            lucky += outcome is Outcome.RIGHT and case["language"] != READ
            english += case["language"] == READ
    right = by_language[f"{READ}/{Outcome.RIGHT}"]
    wrong = tally.counts[Outcome.WRONG]
    return report(
        check="text.context_multilingual",
        tally=tally,
        data=arguments.data,
        covers="short sentences in German, French, Spanish, Portuguese, Hindi, Japanese and Chinese are named as not "
        "read instead of being read as English; salus understands none of these languages",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        figures={
            "english": english,
            "english_right": right,
            "other_languages": tally.n - english,
            "named_as_not_read": tally.counts[Outcome.ABSTAINED],
            "by_luck": lucky,
            "wrong": wrong,
            "by_language": dict(sorted(by_language.items())),
        },
        intervals={"wrong": wilson(wrong, tally.n)},
        methods=["text.mentions"],
        files=files,
        as_json=arguments.json,
        ok=not wrong and right == english,
    )


if __name__ == "__main__":
    sys.exit(main())
