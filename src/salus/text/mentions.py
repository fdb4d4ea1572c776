"""Mentions of problems and medicines in a note: where, of whom, and what exactly the note asserts.

The rule of safety: only an affirmed, certain, present mention about the patient is "present". Everything else keeps its
own word, so that nothing denied, doubted, past, conditional or about a relative can become an active condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from salus.text import lexicon, relatives, senses
from salus.text.abbreviations import explained_otherwise
from salus.text.context import Context, Sentence, Trigger
from salus.text.document import Document, Span, tokenize
from salus.text.lists import with_leads
from salus.text.marks import Style
from salus.text.onset import age_at_onset
from salus.text.sections import Section, sections
from salus.text.sentences import exchanges, sentences

MEDICINE_SECTIONS = frozenset({"medications", "discontinued_medications", "allergies"})
_NOW = re.compile(
    r"\b(acute|new|current|currently|recent|recently|further|recurrent|active|today|more|additional)\b", re.I
)
_EVER = re.compile(r"\b(never|ever|history|hx|prior|previous|previously|past|known|h/o)\b", re.I)
_SLIGHT = re.compile(
    r"\b(mild|minor|minimal|trivial|slight|non-?\s?obstructive|insignificant|non-?\s?significant)\b|<", re.I
)
_PERCENT = re.compile(r"(?P<degree>\d{1,3})[ ]?%")
_NARROW = 50  # per cent of narrowing from which it is a disease of the vessel
_BESIDE = 30  # code points before and after a name in which its degree is looked for
_CLAUSE_END = re.compile(r"[,.;\n](?!\d)")
_LABEL = re.compile(r"[ \t]{0,4}(?:[:=|?\t]|[ ]{2}|[-–—][ \t])")


@dataclass(frozen=True, slots=True)
class Mention:
    """One name in a note with everything the note says of it.

    ``assertion``: "present", "absent", "possible", "historical", "hypothetical"; for people who are not the patient
    "family", "family-absent", "family-possible" and "other"; for medicines also "allergy". ``use`` (medicines):
    "in-use", "stopped", "past", "proposed", "not-taking", "avoid", "allergy", "no-allergy", "adverse-reaction",
    "not-patient", "unclear".
    ``denial`` of what is absent: "ever" (no history of, never), "now" (no acute, no new), "unqualified".
    """

    span: Span
    entry: lexicon.Entry
    section: Section
    sentence: Span
    context: Context
    assertion: str
    use: str = ""
    denial: str = ""
    relative: str = ""
    age_at_onset: str = ""
    kin: relatives.Kin | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two mentions of a note the same statement."""
        c = self.context
        axes = (c.negation, c.certainty, c.temporality, c.experiencer)
        return (
            self.entry.kind,
            self.entry.concept,
            self.assertion,
            *axes,
            self.use,
            self.denial,
            self.relative.lower(),
        )


def mentions(document: Document, *, note_year: int | None = None) -> list[Mention]:
    """All mentions in the order of the text. Years before ``note_year`` count as past. Never raises for any text."""
    style, doubtful = Style.of(document.text), explained_otherwise(document.text)
    return [
        mention
        for section in sections(document)
        for span, lead in with_leads(document.text, _spans(document.text, section.body))
        for mention in _in_sentence(document, section, span, _Setting(note_year, lead, style, doubtful))
    ]


def _spans(text: str, body: Span) -> Iterator[Span]:
    return exchanges(text, sentences(text, body.start, body.end))


@dataclass(frozen=True, slots=True)
class _Setting:
    """What a sentence is read with: the year of the note, the line that opens its list, the note's style of marks.

    ``doubtful``: abbreviations that the note explains as something else than the dictionary does.
    """

    year: int | None
    lead: Span | None
    style: Style
    doubtful: frozenset[str] = frozenset()


def _in_sentence(document: Document, section: Section, span: Span, setting: _Setting) -> Iterator[Mention]:
    tokens = tokenize(document.text, span.start, span.end)
    found = lexicon.matches(tokens, in_medicine_list=section.heading.id in MEDICINE_SECTIONS)
    heading = tokenize(document.text, section.title.start, section.title.end)
    judged = senses.judge(document.text, tokens, heading, found)
    if not judged:
        return
    found = [one.match for one in judged]
    sentence = Sentence(
        document.text, span, before_year=setting.year, lead=setting.lead, style=setting.style, tokens=tokens
    )
    named: list[relatives.Named] | None = None
    for position, match in enumerate(found):
        context: Context | None = _assess(sentence, section, match)
        if context is not None and match.entry.says:
            context = _habit(document.text, context, found, position)
        if context is None:
            continue
        if judged[position].doubtful or document.slice(match.span).lower() in setting.doubtful:
            context = _doubted(context, match)
        mention = _mention(document, section, sentence, match, context)
        if context.experiencer != "family":
            yield mention
            continue
        named = relatives.find(sentence.tokens) if named is None else named
        yield from _of_relatives(document, sentence, mention, found, named)


def _assess(sentence: Sentence, section: Section, match: lexicon.Match) -> Context:
    is_medicine = match.entry.kind == "medication"
    past = section.heading.id == "discontinued_medications" or not is_medicine
    return sentence.assess(
        match.span,
        kind=match.entry.lasts or match.entry.kind,
        temporality=section.heading.temporality if past else None,
        experiencer=section.heading.experiencer,
    )


def _mention(
    document: Document, section: Section, sentence: Sentence, match: lexicon.Match, context: Context
) -> Mention:
    is_medicine = match.entry.kind == "medication"
    use = _use(context, section.heading.id) if is_medicine else ""
    assertion = _USE_ASSERTS[use] if is_medicine and use != "not-patient" else _assertion(context)
    # The words that open a list belong to what is said of its items.
    start = min([sentence.span.start, *(trigger.span.start for trigger in context.triggers)])
    denial = _denial(document, match.span, context) if assertion in ("absent", "family-absent") else ""
    span = Span(start, sentence.span.end)
    return Mention(match.span, match.entry, section, span, context, assertion, use, denial)


def _habit(text: str, context: Context, found: Sequence[lexicon.Match], position: int) -> Context | None:
    """The context of words that name a habit without asserting it, or that say more than their name; None to skip.

    "Smoking status: never smoker" is said by "never smoker"; "30 pack-years" tells nothing of today.
    """
    match = found[position]
    said, affirmed = match.entry.says, context.negation == "affirmed"
    if said in ("part", "maybe"):
        return _part_or_sign(text, context, found, position)
    if said == "no":
        return _doubted(context, match) if not affirmed else _denied(replace(context, temporality="recent"), match, "")
    if said == "past":
        return _denied(context, match, "ended") if affirmed else context
    others = [o for o in found if o is not match and o.entry.concept == match.entry.concept]
    told = {other.entry.says for other in others}
    is_label = said != "amount" and _LABEL.match(text, match.span.end) is not None
    if is_label and any(other.span.start > match.span.end for other in others):
        return None
    if said in ("amount", "total") and not told <= {"topic", "amount", "total"}:
        return None
    open_ = said == "total" or (said == "topic" and (is_label or ("total" in told and "" not in told)))
    marked = any(trigger.direction == "mark" for trigger in context.triggers)
    if open_ and affirmed and not marked and context.temporality == "recent":
        return _doubted(context, match)
    return context


def _part_or_sign(text: str, context: Context, found: Sequence[lexicon.Match], position: int) -> Context | None:
    """The context of a form of a disease or of what only speaks for it; None where it says nothing of the whole.

    "No LAD stenosis" does not deny all coronary disease; in "Heart failure, NYHA II" the name itself says more.
    """
    match = found[position]
    if context.negation == "negated" and not _ended(context.of("negation")):
        return None
    if match.entry.says == "part":
        return _doubted(context, match) if _is_slight(text, match.span) else context
    others = (other.entry for other in found if other is not match)
    named = any(other.concept == match.entry.concept and other.says != "maybe" for other in others)
    return None if named else _doubted(context, match)


def _is_slight(text: str, span: Span) -> bool:
    """True for a narrowing that is told to be slight: "mild LAD stenosis", "30% stenosis of the RCA", "<50%"."""
    before = _CLAUSE_END.split(text[max(0, span.start - _BESIDE) : span.start])[-1]
    after = _CLAUSE_END.split(text[span.start : span.end + _BESIDE])[0]
    around = before + after
    degrees = [int(m["degree"]) for m in _PERCENT.finditer(around)]
    return _SLIGHT.search(around) is not None or (bool(degrees) and max(degrees) < _NARROW)


def _doubted(context: Context, match: lexicon.Match) -> Context:
    trigger = Trigger(match.span, "certainty", "uncertain", "self", "", 0)
    return replace(context, certainty="uncertain", triggers=(*context.triggers, trigger))


def _denied(context: Context, match: lexicon.Match, kind: str) -> Context:
    trigger = Trigger(match.span, "negation", "negated", "self", kind, 0)
    others = (t for t in context.triggers if t.value != "affirmed")
    return replace(context, negation="negated", triggers=(*others, trigger))


def _of_relatives(
    document: Document,
    sentence: Sentence,
    mention: Mention,
    found: Sequence[lexicon.Match],
    named: Sequence[relatives.Named],
) -> Iterator[Mention]:
    """The mention once for each relative it is told of, with the age where one is told."""
    nearest = min(mention.context.of("experiencer"), key=lambda trigger: trigger.gap, default=None)
    at = next((i for i, n in enumerate(named) if nearest and n.span.overlaps(nearest.span)), None)
    group = () if at is None else tuple(relatives.together(sentence.tokens, named, at))
    after = [m.span.start for m in found] + [n.span.start for n in named if n not in group]
    low = max([sentence.span.start, *(m.span.end for m in found if m.span.end <= mention.span.start)])
    high = min([place for place in after if place >= mention.span.end], default=sentence.span.end)
    age = age_at_onset(document.text, mention.span, Span(low, max(low, high)), stays=mention.entry.lasts == "chronic")
    if not group:
        words = " ".join(document.slice(nearest.span).split()) if nearest else ""
        yield replace(mention, relative=words, age_at_onset=age, kin=relatives.Kin(side=relatives.side_of(words)))
    for one in group:
        words = " ".join(document.slice(one.span).split())
        yield replace(mention, relative=words, age_at_onset=age, kin=one.kin)


def _ended(triggers: tuple[Trigger, ...]) -> bool:
    return bool(triggers) and all(trigger.kind == "ended" for trigger in triggers)


def _assertion(context: Context) -> str:
    negated = context.negation == "negated"
    if context.experiencer == "family":
        # A relative who smoked once is told of too.
        negated = negated and not _ended(context.of("negation"))
        return "family-absent" if negated else "family-possible" if context.certainty == "uncertain" else "family"
    if context.experiencer == "other":
        return "other"
    if context.temporality == "hypothetical":
        return "hypothetical"
    if context.certainty == "uncertain":
        return "possible"
    if negated:
        # "resolved", "quit": it is not there now, but it was.
        return "historical" if _ended(context.of("negation")) else "absent"
    return "historical" if context.temporality == "historical" else "present"


_USE_ASSERTS = {
    "in-use": "present",
    "stopped": "historical",
    "past": "historical",
    "proposed": "hypothetical",
    "not-taking": "absent",
    "avoid": "absent",
    "allergy": "allergy",
    "no-allergy": "absent",
    "adverse-reaction": "possible",
    "unclear": "possible",
}


def _use(context: Context, section: str) -> str:
    """What the note says of the use of a medicine. In doubt: not in use."""
    negated = context.negation == "negated"
    if context.experiencer != "patient":
        return "not-patient"
    if context.use == "allergy" or section == "allergies":
        # "did not tolerate" is a denial of tolerance, not of the intolerance.
        said = any(
            t.axis == "use" and any(n.span.overlaps(t.span) for n in context.of("negation")) for t in context.triggers
        )
        return "no-allergy" if negated and not said else "allergy"
    if context.use == "avoid":
        return "avoid"
    if context.use in ("stopped", "past"):
        settled = context.temporality != "hypothetical" and "restarted" not in context.also
        return context.use if settled else "unclear"
    if context.temporality == "hypothetical":
        return "proposed"
    if negated:
        # "No muscle pain on simvastatin" denies the pain, not the medicine.
        return "in-use" if context.use == "adverse-reaction" else "not-taking"
    if context.temporality == "historical" and context.use != "started":
        return "past"
    if context.use == "adverse-reaction":
        return "adverse-reaction"
    return "unclear" if context.doubted_at_once else "in-use"


def _denial(document: Document, target: Span, context: Context) -> str:
    """How far a denial reaches; "" where nothing was denied in words (a medicine to be avoided)."""
    triggers = context.of("negation")
    if not triggers:
        return ""
    if context.temporality == "historical" or any(_EVER.search(document.slice(t.span)) for t in triggers):
        return "ever"
    for trigger in triggers:
        between = (
            document.text[trigger.span.start : target.end] if trigger.direction == "forward" else document.slice(target)
        )
        if _NOW.search(between):
            return "now"
    return "unqualified"
