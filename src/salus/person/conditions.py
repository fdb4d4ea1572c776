"""What a record and its notes say of diagnoses and procedures: one statement a place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.fhir.codes import Code
from salus.fhir.mentions import Mention
from salus.fhir.views import Condition, Event
from salus.findings.model import Finding
from salus.person.answer import Kind, NotUnderstood, State, Statement, on, place, span_of, text_of
from salus.person.dated import happened
from salus.record.chart import Chart
from salus.terminology import codes
from salus.terminology.meaning import Diagnosis

UNKNOWN = "no table knows its code, and its words could not be read"
FUTURE = "it begins after today, though it was written down before"
EMPTY = "it has neither a code nor words"
_ASSERTIONS: dict[str, State] = {"present": "present", "historical": "past", "possible": "possible"}
_OVER = ("inactive", "remission", "resolved")
"""What says that a problem is over. A status that cannot be read says nothing of the kind."""
_DONE = ("completed", "in-progress", "active", "")
_DONE_KINDS = ("Procedure", "Device", "DeviceUseStatement")
_NOT_DONE = ("preparation", "not-done", "entered-in-error", "inactive", "intended")
ACUTE_DAYS = 28
"""Four weeks, within which ICD-10 calls an infarction acute (I21)."""
_CERTAINTY: dict[str, State] = {"G": "present", "Z": "past", "V": "possible", "A": "denied"}
"""Letters beside a German diagnosis code: "gesichert", "Zustand nach", "Verdacht", "Ausschluss"."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A diagnosis or a procedure of the record with what its code means; ``family``: it speaks of a relative."""

    meaning: Diagnosis
    statement: Statement
    words: str
    family: bool = False


def recorded(chart: Chart) -> tuple[tuple[Entry, ...], tuple[NotUnderstood, ...]]:
    """Every diagnosis and procedure that could be read, and those that could not."""
    return chart.shared("diagnoses", _read)


def _read(chart: Chart) -> tuple[tuple[Entry, ...], tuple[NotUnderstood, ...]]:
    done = tuple(event for kind in _DONE_KINDS for event in chart.events(kind))
    conditions, future, mentions = chart.conditions(), chart.future(), chart.mentions()
    _ = chart.patient, chart.now  # part of the read set of every record, also of one whose entries need neither
    entries: list[Entry] = []
    unread: list[NotUnderstood] = []
    for condition in conditions:
        meaning = chart.terminology.diagnosis(condition.codes, condition.text)
        if not meaning.understood:
            unread.append(_unread(condition, meaning))
        if meaning.aspect == "risk":
            continue  # a risk, or a test for a disease, says nothing of the disease
        if meaning.concepts or (meaning.understood and meaning.aspect != "denied"):
            entries.append(_of_condition(chart, condition, meaning))
    for procedure in done:
        meaning = chart.terminology.procedure(procedure.codes, procedure.text)
        if procedure.status in _NOT_DONE:
            continue
        if not meaning.understood:
            unread.append(_unread(procedure, meaning))
        elif procedure.kind != "Procedure" and not meaning.concepts:
            continue  # a cuff or a pump tells of no disease
        else:
            entries.append(_of_procedure(procedure, meaning, chart.now))
    unread += [replace(_unread(c, chart.terminology.diagnosis(c.codes, c.text)), why=FUTURE) for c in future]
    return (*entries, *_in_passing(chart, mentions)), tuple(unread)


def _in_passing(chart: Chart, mentions: Sequence[Mention]) -> Iterator[Entry]:
    """Diagnoses that stand beside something else: nobody put them on the list, so each is only possible."""
    for mention in mentions:
        meaning = chart.terminology.diagnosis(mention.codes, mention.text)
        if meaning.concepts and meaning.aspect in ("active", "history", "resolved", "possible"):
            name = name_of(mention.text, mention.codes)
            words = f"{name} as {mention.where}{on(mention.period)}, not on the problem list"
            evidence = (place(mention.source, label=mention.where),)
            yield Entry(meaning, Statement("possible", words, text_of(mention.period), evidence), name)


@dataclass(frozen=True, slots=True)
class Noted:
    """What a note says of a problem. ``concepts`` holds the broader ones too, ``narrow`` only what was named."""

    concepts: frozenset[str]
    narrow: frozenset[str]
    statement: Statement


def noted(findings: Iterable[Finding]) -> Iterator[Noted]:
    """What notes say of the patient's own problems."""
    for finding in findings:
        state = _note_state(finding)
        if state:
            statement = Statement(state, finding.sentence, finding.effective[0], finding.evidence, finding.id)
            yield Noted(concepts_of(finding), frozenset({str(finding.details.get("concept", ""))}), statement)


def about(
    told: Iterable[tuple[frozenset[str], frozenset[str], Statement]], wanted: frozenset[str], other: frozenset[str]
) -> list[Statement]:
    """The statements of ``told`` (concepts with the broader ones, narrow concepts, statement) that speak of ``wanted``.

    What asserts something narrower asserts the thing asked for. A denial speaks of what it names and nothing else: "no
    bleeding from the gut" leaves bleeding open, "no bleeding" leaves an old bleeding in the brain open. It counts where
    every concept asked for is denied. ``other`` are concepts whose entries do not count.
    """
    found: list[Statement] = []
    denials: list[tuple[frozenset[str], Statement]] = []
    for concepts, narrow, statement in told:
        if other & concepts:
            continue
        if statement.state not in ("denied", "denied-now"):
            found += [statement] if wanted & concepts else []
            continue
        covered = narrow & wanted
        denials += [(covered, statement)] if covered else []
    if wanted <= frozenset().union(*(covered for covered, _ in denials)):
        found += [statement for _, statement in denials]
    return found


def concepts_of(finding: Finding) -> frozenset[str]:
    """The concepts of a mention in a note, with the broader ones."""
    value = finding.value
    named = codes.names((value,)) if isinstance(value, Code) else frozenset()
    return named | codes.with_broader((str(finding.details.get("concept", "")),))


def name_of(text: str, codings: Sequence[Code]) -> str:
    """What stands in the record: the words, else the codes."""
    return text or ", ".join(c.display or c.code for c in codings)


def _unread(entry: Condition | Event, meaning: Diagnosis) -> NotUnderstood:
    kind: Kind = "diagnosis" if isinstance(entry, Condition) else "device" if entry.kind == "Device" else "procedure"
    when = entry.period if isinstance(entry, Event) else entry.onset or entry.recorded
    why = EMPTY if meaning.basis == "empty" else UNKNOWN
    evidence = (place(entry.source, label="problem list" if kind == "diagnosis" else kind),)
    return NotUnderstood(kind, name_of(entry.text, entry.codes), why, text_of(when), evidence)


def _of_condition(chart: Chart, condition: Condition, meaning: Diagnosis) -> Entry:
    when = condition.onset or condition.recorded
    evidence = (place(condition.source, label="problem list"),)
    name = name_of(condition.text, condition.codes)
    read = " (read from text)" if meaning.basis == "text" and condition.codes else ""
    state, words = _state(chart, condition, meaning), f"{name} on the problem list{read}{on(when)}"
    if state == "denied":
        words = f"the problem list refutes {name}{on(when)}"
    elif state == "possible":
        words = f"the problem list has {name} as not confirmed"
    lasting = all(_nature(name) in ("status", "history") for name in meaning.narrow)
    event = happened(condition, chart.patient, past=lasting or meaning.aspect != "active")
    if "myocardial-infarction-old" in meaning.narrow and _newer(event, chart.now - timedelta(days=ACUTE_DAYS)):
        event = ""  # an infarction that is called old is older than that: the date is that of the writing
    statement = Statement(state, words, text_of(when), evidence, happened=event)
    return Entry(meaning, statement, name, meaning.aspect == "family")


def _nature(name: str) -> str:
    concept = codes.concepts().get(name)
    return concept.nature if concept else ""


def _newer(date: str, than: datetime) -> bool:
    span = span_of(date)
    return span is not None and span.start > than


def _state(chart: Chart, condition: Condition, meaning: Diagnosis) -> State:
    """The more cautious of what the status elements say and what the code itself says."""
    certainty = _CERTAINTY.get(condition.certainty, "possible") if condition.certainty else "present"
    if condition.verification == "refuted" or meaning.aspect == "denied" or certainty == "denied":
        return "denied"
    if not condition.asserted or meaning.aspect == "possible" or certainty == "possible":
        return "possible"
    ended = condition.abatement is not None and condition.abatement.start <= chart.now
    over = ended or (condition.abatement is None and condition.clinical in _OVER)
    return "past" if over or meaning.aspect != "active" or certainty == "past" else "present"


DIALYSIS_DAYS = 90
"""How long a dialysis that was done tells that the person is on dialysis. salus's own choice, as for acute injury."""


def _recently(procedure: Event, now: datetime) -> bool:
    return procedure.period is not None and procedure.period.end >= now - timedelta(days=DIALYSIS_DAYS)


def _of_procedure(procedure: Event, meaning: Diagnosis, now: datetime) -> Entry:
    evidence = (place(procedure.source, label="procedure"),)
    name = name_of(procedure.text, procedure.codes)
    device = procedure.kind != "Procedure"
    done = procedure.status in _DONE
    lasting = "dialysis" in meaning.concepts and _recently(procedure, now)
    when = "" if device and procedure.period is None else on(procedure.period)
    words = f"{'device' if device else 'procedure'}: {name}{when}"
    words += "" if done else f", of which the record says “{procedure.status}”"
    date = text_of(procedure.period)
    state: State = "possible" if not done else "present" if lasting else "past"
    statement = Statement(state, words, date, evidence, happened=date)
    return Entry(meaning, statement, name, meaning.aspect == "family")


def _note_state(finding: Finding) -> State | None:
    assertion = str(finding.details.get("assertion", ""))
    if assertion == "absent":
        if not finding.effective[0]:
            return None  # a negative counts only from a dated source
        return "denied-now" if finding.details.get("denial") == "now" else "denied"
    return _ASSERTIONS.get(assertion)
