"""The whole pipeline over real-looking notes: no exception, and every span gives back its own words.

Notes: columns ``note`` or ``section_text`` of ``notes/*.csv``. There is no truth for the mentions in them: what is
scored is that the pipeline runs and that its places hold; the yield is reported.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from pathlib import Path

from salus.text.document import Document, tokenize
from salus.text.mentions import Mention, mentions
from salus.text.sections import sections
from salus.text.sentences import sentences
from validation._report import argument_parser, report

Notes = list[tuple[str, str]]


def _notes(paths: list[Path]) -> Notes:
    found: Notes = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle)):
                text = row.get("note") or row.get("section_text")
                if text is not None:
                    found.append((f"{path.stem}:{number}", text))
    return found


def _wrong_place(document: Document, found: list[Mention]) -> str | None:
    """What is wrong with the places, or None: names read again in their slices, triggers in their sentences."""
    for mention in found:
        words = [token.norm for token in tokenize(document.slice(mention.span))]
        original = [t.norm for t in tokenize(document.text, mention.span.start, mention.span.end)]
        if not words or words != original:
            return "a mention does not slice to its own words"
        if not mention.sentence.contains(mention.span) or not mention.section.body.contains(mention.sentence):
            return "a mention lies outside its sentence or section"
        if not all(mention.sentence.contains(trigger.span) for trigger in mention.context.triggers):
            return "a trigger lies outside its sentence"
    return None


def _lost_words(document: Document) -> str | None:
    """Every token of a section must lie in one of its sentences."""
    for section in sections(document):
        spans = sentences(document.text, section.body.start, section.body.end)
        in_sentences = sum(len(tokenize(document.text, span.start, span.end)) for span in spans)
        if in_sentences != len(tokenize(document.text, section.body.start, section.body.end)):
            return "words of a section are in no sentence"
    return None


def main() -> int:
    arguments = argument_parser(__doc__.splitlines()[0]).parse_args()
    paths = sorted((arguments.data / "notes").glob("*.csv"))
    notes = _notes(paths)
    mentions(Document("warm", "warm the tables"))
    failures, assertions, uses, sections_with_code = [], Counter[str](), Counter[str](), 0
    with_mention = total = characters = 0
    seconds = 0.0
    for name, text in notes:
        document = Document(name, text)
        begun = time.process_time()
        try:
            found = mentions(document, note_year=2024)
        except Exception as error:  # noqa: BLE001 - any exception is what this check looks for
            failures.append({"id": name, "why": f"{type(error).__name__}"})
            continue
        seconds += time.process_time() - begun
        characters += len(text)
        why = _wrong_place(document, found) or _lost_words(document)
        if why:
            failures.append({"id": name, "why": why})
        with_mention += bool(found)
        total += len(found)
        assertions.update(f"{m.entry.kind}:{m.assertion}" for m in found)
        uses.update(m.use for m in found if m.use)
        sections_with_code += sum(m.section.heading.loinc is not None for m in found)
    figures = {
        "notes_with_a_mention": with_mention / len(notes) if notes else 0.0,
        "mentions_per_note": total / len(notes) if notes else 0.0,
        "mentions_in_coded_section": sections_with_code / total if total else 0.0,
        "assertions": dict(sorted(assertions.items())),
        "uses": dict(sorted(uses.items())),
        "notes_per_s": len(notes) / seconds if seconds else None,
        "characters_per_s": characters / seconds if seconds else None,
    }
    return report(
        check="text.notes",
        n=len(notes),
        passed=len(notes) - len(failures),
        figures=figures,
        methods=["text.mentions"],
        data=arguments.data,
        files=paths,
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
