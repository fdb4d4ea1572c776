"""The whole pipeline over real-looking notes: no exception, and every span gives back its own words.

Notes: columns ``note`` or ``section_text`` of ``notes/*.csv``. There is no truth for the mentions in them, so this
shows consistency alone: a case is a note, right when the pipeline runs and its places hold (mentions slice to their own
words, lie in their sentence and section, and no word of a section is lost), wrong when not. Not read: a file with
neither column, or a row without text. The yield is reported.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from pathlib import Path

from salus.text import lexicon
from salus.text.document import Document, Span, tokenize
from salus.text.mentions import Mention, mentions
from salus.text.sections import sections
from salus.text.sentences import sentences
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

Notes = list[tuple[str, str | None]]
DEVELOPED = ("65a28681dd59fc15", "227206520c453438", "6c778d4ac5e6cc6f", "6629e89e3fb409d2")
"""Files that the pipeline was mended on."""
LEAST_YIELD = 0.40
"""Least share of notes with a mention: a pipeline that finds nothing has no wrong place either."""
MUTANTS = (
    Mutant("salus/text/sentences.py", "found.append(Span(at, mark.end()))", "found.append(Span(at, mark.start()))",
           "the sign that ends a sentence is lost"),
    Mutant("salus/text/sections.py", "else whole.end", "else whole.end + 3",
           "a section begins after its first letters"),
    Mutant("salus/text/lexicon.py", "tokens[last - 1].end", "tokens[first].end", "a mention ends with its first word"),
    Mutant("salus/text/mentions.py", "span = Span(start, sentence.span.end)", "span = Span(start, match.span.end)",
           "a sentence ends with its mention"),
    Mutant("salus/text/sections.py", "len(text)\n        # What", "hits[position][1].end\n        # What",
           "the last section is empty"),
)  # fmt: skip


def _notes(paths: list[Path]) -> Notes:
    found: Notes = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle)):
                found.append((f"{path.stem}:{number}", row.get("note") or row.get("section_text")))
    return found


def _wrong_place(document: Document, found: list[Mention]) -> str | None:
    """What is wrong with the places, or None: names read again in their slices, triggers in their sentences."""
    for mention in found:
        words = tokenize(document.slice(mention.span))
        named = {m.entry.concept for m in lexicon.matches(words, in_medicine_list=True) if m.span.end == words[-1].end}
        if mention.entry.concept not in named:
            return "a mention does not slice to words that name it"
        if not mention.sentence.contains(mention.span) or not mention.section.body.contains(mention.sentence):
            return "a mention lies outside its sentence or section"
        if not all(mention.sentence.contains(trigger.span) for trigger in mention.context.triggers):
            return "a trigger lies outside its sentence"
    return None


def _lost_words(document: Document) -> str | None:
    """Every word of the note must lie in a section or be the title of one; every token of a section in a sentence."""
    kept = 0
    for section in sections(document):
        spans = sentences(document.text, section.body.start, section.body.end)
        in_sentences = sum(len(tokenize(document.text, span.start, span.end)) for span in spans)
        if in_sentences != len(tokenize(document.text, section.body.start, section.body.end)):
            return "words of a section are in no sentence"
        kept += _words(document.text, section.body)
        kept += 0 if section.body.contains(section.title) else _words(document.text, section.title)
    return None if kept == _words(document.text, Span(0, len(document.text))) else "words of the note are in no section"


def _words(text: str, span: Span) -> int:
    return sum(token.norm[0].isalnum() for token in tokenize(text, span.start, span.end))


def main() -> int:
    arguments = argument_parser(__doc__.splitlines()[0]).parse_args()
    paths = sorted((arguments.data / "notes").glob("*.csv"))
    notes = _notes(paths)
    mentions(Document("warm", "warm the tables"))
    tally, assertions, uses, sections_with_code = Tally(), Counter[str](), Counter[str](), 0
    with_mention = total = characters = 0
    seconds = 0.0
    for name, text in notes:
        if not text:
            tally.add(name, Outcome.NOT_READ, "no column with the text of a note")
            continue
        document = Document(name, text)
        begun = time.process_time()
        try:
            found = mentions(document, note_year=2024)
        except Exception as error:  # noqa: BLE001 - any exception is what this check looks for
            tally.add(name, Outcome.WRONG, type(error).__name__)
            continue
        seconds += time.process_time() - begun
        characters += len(text)
        why = _wrong_place(document, found) or _lost_words(document)
        tally.add(name, Outcome.WRONG if why else Outcome.RIGHT, why or "")
        with_mention += bool(found)
        total += len(found)
        assertions.update(f"{m.entry.kind}:{m.assertion}" for m in found)
        uses.update(m.use for m in found if m.use)
        sections_with_code += sum(m.section.heading.loinc is not None for m in found)
    share = with_mention / len(notes) if notes else 0.0
    figures = {
        "notes_with_a_mention": share,
        "mentions_per_note": total / len(notes) if notes else 0.0,
        "mentions_in_coded_section": sections_with_code / total if total else 0.0,
        "assertions": dict(sorted(assertions.items())),
        "uses": dict(sorted(uses.items())),
        "notes_per_s": len(notes) / seconds if seconds else None,
        "characters_per_s": characters / seconds if seconds else None,
    }
    return report(
        check="text.notes",
        tally=tally,
        data=arguments.data,
        covers="every note is read to its end and what is shown of it stands there in these words; whether mentions "
        "are "
        "found and understood rightly is not measured",
        truth=Truth.OWN,
        split=split_of(paths, DEVELOPED),
        figures=figures,
        intervals={"notes_with_a_mention": wilson(with_mention, len(notes))},
        methods=["text.mentions"],
        files=paths,
        as_json=arguments.json,
        ok=tally.passed == tally.n and share >= LEAST_YIELD,
    )


if __name__ == "__main__":
    sys.exit(main())
