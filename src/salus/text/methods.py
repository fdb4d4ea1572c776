"""The method ``text.mentions``: problems and medicines that the notes name, each with what is asserted of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.fhir.blobs import Blob
from salus.fhir.codes import Code
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding
from salus.record.chart import Chart
from salus.terminology import classes, codes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salus.text.document import Document
    from salus.text.lexicon import Entry
    from salus.text.mentions import Mention
    from salus.text.values import Value

PROBLEM = "note-problem"
MEDICATION = "note-medication"
_NO_UNCERTAINTY = (
    "no calibrated probability: only the reading of context was measured (validation text.context), not how often a "
    "name in a note means what the dictionary takes it for"
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_PROBLEM_SENTENCES = {
    "present": "says that the patient has {name}",
    "absent:ever": "says that there is no history of {name}",
    "absent:now": "says that there is no current {name}; it does not speak of the past",
    "absent:unqualified": "says: no {name}",
    "possible": "mentions {name} as possible, not as certain",
    "historical": "says that the patient had {name} in the past",
    "hypothetical": "speaks of {name} only as a risk or a condition, not as a fact",
    "family": "says that a relative of the patient{relative} has or had {name}{age}",
    "family-absent": "says that there is no {name} in the family",
    "family-possible": "mentions {name} as possible in a relative of the patient{relative}",
    "other": "mentions {name} of a person who is not the patient",
}
_OWN_SENTENCES = {
    ("smoking", "present"): "says that the patient smokes",
    ("smoking", "historical"): "says that the patient smoked in the past",
    ("smoking", "absent:unqualified"): "says that the patient does not smoke",
    ("smoking", "absent:ever"): "says that the patient never smoked",
}
"""What is not a disease that one has gets words of its own."""
_VALUE_VALID = timedelta(days=30)
"""How long before the last note one may be whose pressure or laboratory value is named. salus's choice."""
NOTE_CHARACTERS = 200_000
"""Characters of one note that are read, about a hundred pages. salus's choice: it takes a second or two."""
RECORD_CHARACTERS = 1_000_000
"""Characters that are read of all notes together, newest first. salus's choice."""
PLACES = 100
"""Places of one finding that are told; further ones are counted."""
PAST_SECTIONS = {"past_medical_history": "past medical history", "past_surgical_history": "past surgical history"}
_USE_SENTENCES = {
    "in-use": "says that the patient takes {name}",
    "stopped": "says that {name} was stopped or is not taken",
    "past": "says that the patient took {name} in the past",
    "proposed": "speaks of {name} as an option or under a condition, not as taken",
    "not-taking": "says that the patient does not take {name}",
    "avoid": "says that {name} is to be avoided",
    "allergy": "says that the patient has an allergy or intolerance to {name}",
    "no-allergy": "says that there is no allergy to {name}",
    "adverse-reaction": "tells of a complaint in connection with {name}; whether it is still taken is not clear",
    "not-patient": "mentions {name} of a person who is not the patient",
    "unclear": "mentions {name}, and it is not clear whether it is taken",
}


class NoteMentions:
    """Problems and medicines in notes. Contract: :class:`salus.findings.method.Method`."""

    id = "text.mentions"
    version = "1.3.2"
    title = "Problems and medicines named in notes"
    intended_use = (
        "Finds names of selected problems and of medicines in English clinical notes and states for each whether "
        "the note asserts it of the patient, denies it, doubts it, sets it in the past, makes it conditional or tells "
        "it of a relative. For a professional who reads the note beside it; not a coding system."
    )
    inputs = ("note",)
    produces = (PROBLEM, MEDICATION)
    consumes: tuple[str, ...] = ()
    population = "Any patient with a note in English"
    references = (
        "Chapman WW et al. A simple algorithm for identifying negated findings and diseases in discharge summaries. "
        "J Biomed Inform 2001;34:301-310",
        "Harkema H et al. ConText: an algorithm for determining negation, experiencer, and temporal status from "
        "clinical reports. J Biomed Inform 2009;42:839-851",
        "NLM RxNorm Current Prescribable Content 10/06/2025",
    )
    licence = "Apache-2.0"
    limits = (
        "how many of a note's problems and medicines are found is not measured: only what is asserted of a given "
        "phrase, "
        "on sentences that the rules were made on",
        "English only; a note or a sentence in another language is named and not read, as far as its words tell: a few "
        "words that English text holds as well may pass for English",
        "What is set in the past is often told as present: words of the past are found less surely than denials",
        "Only the problems of its table and the medicines of RxNorm's prescribable names; all else is not looked for",
        "No spelling correction; no reading across sentences but for the heading and the line that opens a list",
        "A note's silence about a problem is not a denial",
        "No value is read; a blood pressure, potassium, sodium, INR, glucose, eGFR or ejection fraction far out of "
        "bounds is named",
        "An empty tick box counts as a denial only where another box of the note is ticked",
        f"The first {NOTE_CHARACTERS:,} characters of a note and, newest first, {RECORD_CHARACTERS:,} of all notes; "
        "what is not read is named",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding per note, concept and combination of axes; "not-assessable" for what cannot be read."""
        notes = chart.notes()
        if not notes:
            reason, needs = "no note is recorded, or none was released", ("a clinical note in English",)
            sentence = "No note is recorded, or none was released: there was nothing to read."
            return [Finding(PROBLEM, sentence, status="not-assessable", reason=reason, needs=needs)]
        last = max((note.effective.start for note in notes if note.effective), default=None)
        shares = _shares(notes)
        found = [finding for note in notes for finding in _of_note(note, last, shares)]
        beyond = [note for note in notes if any(not shares[note.source.ref, i] for i in range(len(note.parts)))]
        return [*found, _beyond(beyond)] if beyond else found


MENTIONS = NoteMentions()


def _shares(notes: Iterable[Blob]) -> dict[tuple[str, int], int]:
    """How many characters are read of each note's part, by the note's reference and the part's index.

    A part's bytes stand for its characters: no encoding of a note has more of these than of those.
    """

    def age(note: Blob) -> tuple[bool, float]:
        return note.effective is None, -note.effective.start.timestamp() if note.effective else 0.0

    left, shares = RECORD_CHARACTERS, {}
    for note in sorted(notes, key=age):
        for index, part in enumerate(note.parts):
            shares[note.source.ref, index] = min(NOTE_CHARACTERS, left)
            left -= min(NOTE_CHARACTERS, left, part.size if part.size > 0 else NOTE_CHARACTERS)
    return shares


def _of_note(note: Blob, last: datetime | None, shares: Mapping[tuple[str, int], int]) -> Iterator[Finding]:
    from salus.formats.note import read_note
    from salus.text.document import Document
    from salus.text.language import foreign_language, foreign_passages
    from salus.text.mentions import mentions
    from salus.text.values import urgent_values

    year = note.effective.start.year if note.effective else None
    for index, part in enumerate(note.parts):
        target = f"{note.source.ref}#{part.name or index}"
        share = shares[note.source.ref, index]
        if not share:
            continue
        try:
            text = read_note(note.read(index), note.meta.get("encoding") or None, name=note.source.ref).text
        except InputError as error:
            yield _refusal(
                note, target, f"the note cannot be read: {error.what}", error.remedy or "the note as UTF-8 text"
            )
            continue
        if len(text) > share:
            text, whole = _start_of(text, share), len(text)
            yield _read_in_part(note, index, target, len(text), whole)
        other = foreign_language(text)
        if other:
            yield _refusal(note, target, f"the note reads as {other}, not as English", "a note in English")
            continue
        document = Document(note.source.ref, text)
        foreign = list(foreign_passages(text))
        if foreign:
            languages = " and ".join(dict.fromkeys(language for _, language in foreign))
            places = tuple(
                Evidence.of_blob(note, index, "note, not read", start=span.start, end=span.end) for span, _ in foreign
            )
            reason = f"a part of the note reads as {languages}, not as English"
            yield _refusal(note, target, reason, "that part in English", places)
        groups: dict[tuple[str, ...], list[Mention]] = {}
        for mention in mentions(document, note_year=year):
            if not any(span.contains(mention.span) for span, _ in foreign):
                groups.setdefault(mention.key, []).append(mention)
        values = [v for v in urgent_values(document, note_year=year) if _counts(v, note, groups, last)]
        values = [v for v in values if not any(span.overlaps(v.span) for span, _ in foreign)]
        if values:
            yield _unread_values(note, index, target, values)
        for key, group in groups.items():
            yield _finding(note, index, document, f"{target}|{'|'.join(key[1:])}", group)


def _refusal(note: Blob, target: str, reason: str, need: str, places: tuple[Evidence, ...] = ()) -> Finding:
    """A note that was not read, or the ``places`` of it that were not. Who asks a person lists it as not understood."""
    the_note = _the_note(note)
    subject = f"A part of {the_note[0].lower()}{the_note[1:]}" if places else the_note
    sentence = f"{subject} could not be read for problems and medicines."
    evidence = places or (Evidence(note.source),)
    return Finding(
        PROBLEM, sentence, status="not-assessable", reason=reason, needs=(need,), target=target,
        effective=_effective(note), evidence=evidence, details={"note": note.source.ref, "unread": True},
    )  # fmt: skip


def _start_of(text: str, length: int) -> str:
    """The first ``length`` characters, or up to the last line end or space among them, so that no word is cut."""
    start = text[:length]
    return start[: max(start.rfind("\n"), start.rfind(" ")) + 1] or start


def _read_in_part(note: Blob, index: int, target: str, read: int, whole: int) -> Finding:
    places = (Evidence.of_blob(note, index, "note, not read from here on", start=read, end=min(whole, read + 80)),)
    reason = f"a note of {whole:,} characters was read in part: the first {read:,}"
    return _refusal(note, f"{target}|rest", reason, "the note in shorter ones", places)


def _beyond(notes: list[Blob]) -> Finding:
    """Notes of which nothing, or some files, were left out because newer ones took all that is read of a record."""
    count = "A note" if len(notes) == 1 else f"{len(notes)} notes"
    return Finding(
        PROBLEM, f"{count} could not be read for problems and medicines: newer ones were as long as is read at once.",
        status="not-assessable", needs=("somebody who reads the older notes",), target="notes|beyond",
        reason=f"of all notes together, newest first, {RECORD_CHARACTERS:,} characters are read, and no more",
        evidence=tuple(Evidence(note.source) for note in notes[:PLACES]),
        details={"unread": True, "notes": len(notes)},
    )  # fmt: skip


def _counts(value: Value, note: Blob, groups: Mapping[tuple[str, ...], list[Mention]], last: datetime | None) -> bool:
    """True for a value that the note's own words do not tell already, and that no much later note follows."""
    if value.said_by:
        asserted = {g[0].entry.concept for g in groups.values() if g[0].assertion in ("present", "historical")}
        return not value.said_by & asserted
    return note.effective is None or last is None or note.effective.end >= last - _VALUE_VALID


def _unread_values(note: Blob, index: int, target: str, values: list[Value]) -> Finding:
    """Values that would change a plan and that stand in the note alone: named, for a person to enter or to look up."""
    shown = " and ".join(dict.fromkeys(f"{value.name} of {value.words}" for value in values))
    values = values[:PLACES]
    places = tuple(Evidence.of_blob(note, index, "note, not read", start=v.span.start, end=v.span.end) for v in values)
    return Finding(
        PROBLEM, f"{_the_note(note)} tells {shown}, which was not taken over: no values are read from notes.",
        status="not-assessable", reason=f"the note tells {shown}, and no values are read from notes",
        needs=("the value as a result in the record",), target=f"{target}|values", effective=_effective(note),
        evidence=places,
        details={"note": note.source.ref, "unread": True, "values": [[v.name, v.words] for v in values]},
    )  # fmt: skip


def _finding(note: Blob, index: int, document: Document, target: str, group: list[Mention]) -> Finding:
    first = group[0]
    is_problem = first.entry.kind == "problem"
    return Finding(
        code=PROBLEM if is_problem else MEDICATION,
        sentence=_sentence(note, document, group),
        value=_problem_code(first) if is_problem else _medication_code(first),
        no_uncertainty=_NO_UNCERTAINTY,
        effective=_effective(note),
        target=target,
        evidence=tuple(
            Evidence.of_blob(note, index, f"note, {m.section.heading.id}", start=m.span.start, end=m.span.end)
            for m in group[:PLACES]
        ),
        details=_details(note, document, group),
    )


def _problem_code(mention: Mention) -> Code:
    return codes.get(mention.entry.concept).codes[0]


def _medication_code(mention: Mention) -> Code:
    """RxNorm's code of a single ingredient, else our own name: a class or a combination has no one code."""
    entry = mention.entry
    if len(entry.rxcui) == 1 and entry.rxcui[0]:
        return Code(codes.SYSTEMS["rxnorm"], entry.rxcui[0], entry.concept)
    return Code(codes.SYSTEMS["salus"], entry.concept, entry.concept)


def _details(note: Blob, document: Document, group: list[Mention]) -> dict[str, Any]:
    first = group[0]
    entry, context = first.entry, first.context
    return {
        "concept": entry.concept,
        "assertion": first.assertion,
        "negation": context.negation,
        "certainty": context.certainty,
        "temporality": context.temporality,
        "experiencer": context.experiencer,
        "denial": first.denial,
        "use": first.use,
        "class": _class_of(entry),
        "ingredients": list(entry.ingredients),
        "rxcui": list(entry.rxcui),
        "relative": first.relative,
        "kin": first.kin.as_details() if first.kin else None,
        "age_at_onset": next((m.age_at_onset for m in group if m.age_at_onset), ""),
        "note": note.source.ref,
        "mentions": [_mention_details(document, m) for m in group[:PLACES]],
        **({"more_mentions": len(group) - PLACES} if len(group) > PLACES else {}),
    }


def _class_of(entry: Entry) -> str:
    """The class that the name of a class of medicines means ("statins" -> "statin"); "" for all else."""
    return (classes.class_of(entry.concept) or "") if entry.kind == "medication" and not entry.ingredients else ""


def _mention_details(document: Document, mention: Mention) -> dict[str, Any]:
    return {
        "start": mention.span.start,
        "end": mention.span.end,
        "text": document.slice(mention.span),
        "section": mention.section.heading.id,
        "section_loinc": mention.section.heading.loinc,
        "sentence": [mention.sentence.start, mention.sentence.end],
        "from_section": list(mention.context.from_section),
        "triggers": [
            {"axis": t.axis, "value": t.value, "start": t.span.start, "end": t.span.end}
            for t in mention.context.triggers
        ],
    }


def _effective(note: Blob) -> tuple[str, str]:
    text = note.effective.text if note.effective else ""
    return (text, text)


def _the_note(note: Blob) -> str:
    if note.effective is None:
        return "The undated note"
    text = note.effective.text
    if len(text) < len("2025-05-03"):
        return f"The note of {text}"
    day = note.effective.start
    return (
        f"The note of {int(text[8:10])} {_MONTHS[int(text[5:7]) - 1]} {text[:4]}" if text else f"The note of {day:%Y}"
    )


def _sentence(note: Blob, document: Document, group: list[Mention]) -> str:
    mention = group[0]
    if mention.entry.kind == "medication":
        template, name = _USE_SENTENCES[mention.use], mention.entry.concept
    else:
        key = f"absent:{mention.denial}" if mention.assertion == "absent" else mention.assertion
        template = _OWN_SENTENCES.get((mention.entry.concept, key), _PROBLEM_SENTENCES[key])
        name = mention.entry.display
    relative = f" ({mention.relative.lower()})" if mention.relative else ""
    age = mention.age_at_onset
    age = f", in the {age}" if age.endswith("s") else f", at the age of {age}" if age else ""
    if template.startswith("says ") and (section := _past_history(document, group)):
        template = template.replace("says ", f"says in its {section} ", 1)
    return f"{_the_note(note)} {template.format(name=name, relative=relative, age=age)}."


def _past_history(document: Document, group: list[Mention]) -> str:
    """The kind of past history, named by heading or in the sentence, that alone makes all of ``group`` past; or ""."""
    found = {_history_of(document, mention) for mention in group}
    return PAST_SECTIONS.get(found.pop(), "") if len(found) == 1 else ""


def _history_of(document: Document, mention: Mention) -> str:
    """Identifier of the section that sets the mention in the past; "" where other words do."""
    from salus.text.sections import headings

    if "temporality" in mention.context.from_section:
        return mention.section.heading.id
    spans = [t.span for t in mention.context.triggers if t.axis == "temporality"]
    names = {" ".join(document.slice(span).lower().split()) for span in spans}
    heading = headings().get(names.pop()) if len(names) == 1 else None
    return heading.id if heading else ""
