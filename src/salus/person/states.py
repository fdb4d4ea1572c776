"""States that several kinds of entry tell of: pregnancy, breast-feeding, smoking. Each is decided in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.model import Evidence
from salus.person.answer import Answer, State, Statement, day, settle, span_of, text_of
from salus.person.conditions import Entry, Noted
from salus.record.chart import Chart

PREGNANCY_DAYS = 301
"""43 weeks: a recorded pregnancy is taken to have ended by then."""
DENIAL_DAYS = 30
"""How old a "not pregnant" may be to count. salus's choice."""
BREASTFEEDING_DAYS = 730
"""A recorded breast-feeding counts for two years at most (WHO: continued up to two years and beyond). salus's choice.
"""
ENDS = ("childbirth-postpartum", "pregnancy-loss")
NEVER = ("hysterectomy",)


def pregnancy(chart: Chart, entries: Iterable[Entry], noted: Iterable[Noted]) -> Answer:
    """Whether the person is pregnant now: problem list, pregnancy status, due date, gestational age, notes.

    A statement counts for 43 weeks, its end (a birth) ends what was said before, a denial counts for 30 days.
    """
    told = [_cared_for(e) for e in entries if "pregnancy" in e.meaning.concepts and not e.family]
    told += [n.statement for n in noted if "pregnancy" in n.concepts]
    told += _statuses(chart, "pregnancy-status", ("pregnant", "pregnancy"), "not-pregnant", "pregnancy status")
    told += _due(chart)
    told += _tests(chart)
    ends = [e.statement for e in entries if set(ENDS) & e.meaning.concepts and e.meaning.aspect == "active"]
    ended = max((s.when for s in ends if s.when), default=None)
    current = [s for s in told if _still(s, chart.now, ended)]
    newest = max((s.date for s in current if s.state in ("denied", "denied-now")), default="")
    # the newest word decides here: a pregnancy is no lasting diagnosis
    kept = [s for s in current if not (newest and s.state in ("present", "possible") and s.date < newest)]
    barren = [
        e.statement for e in entries if set(NEVER) & e.meaning.concepts and e.statement.state in ("present", "past")
    ]
    kept += [Statement("denied", s.words, s.date, s.evidence) for s in barren]
    if chart.patient.sex == "male":
        kept = [_contradicted(s) for s in kept]
    return settle("pregnancy", kept)


def _cared_for(entry: Entry) -> Statement:
    """What an entry says of a pregnancy. A dated procedure of antenatal care leaves it open whether it goes on."""
    statement = entry.statement
    source = statement.evidence[0].source.ref
    return replace(statement, state="possible") if source.startswith("Procedure/") and statement.when else statement


def _contradicted(statement: Statement) -> Statement:
    """A pregnancy beside the sex "male": which of the two is wrong, a person has to find out."""
    if statement.state != "present":
        return statement
    return replace(statement, state="possible", words=f"{statement.words}, but the recorded sex is male")


def _still(statement: Statement, now: datetime, ended: datetime | None) -> bool:
    when = span_of(statement.date)
    if statement.state in ("denied", "denied-now"):
        return when is not None and when.start >= now - timedelta(days=DENIAL_DAYS)
    if statement.state == "past":
        return False
    if when is None:
        return True  # an undated assertion counts as lasting
    return when.end >= now - timedelta(days=PREGNANCY_DAYS) and not (ended is not None and ended >= when.start)


def breastfeeding(chart: Chart, entries: Iterable[Entry], noted: Iterable[Noted]) -> Answer:
    """Whether the person breast-feeds now."""
    told = [e.statement for e in entries if "breastfeeding" in e.meaning.concepts and not e.family]
    told += [n.statement for n in noted if "breastfeeding" in n.concepts]
    earliest = chart.now - timedelta(days=BREASTFEEDING_DAYS)
    return settle("breastfeeding", (s for s in told if s.when is None or s.when >= earliest))


def _statuses(chart: Chart, concept: str, yes: tuple[str, ...], no: str, name: str) -> Iterator[Statement]:
    for observation in chart.observations(concept):
        said = _said(chart, observation)
        if "no-information" not in said:
            state: State = "denied" if no in said else "present" if set(yes) & said else "possible"
            words = f"{name} of {_day(observation)}: {_words(observation) or 'cannot be read'}"
            yield Statement(state, words, text_of(observation.effective), (Evidence.of_observation(observation, name),))


def _due(chart: Chart) -> Iterator[Statement]:
    """A due date that has not come (with four weeks' grace) and a gestational age say that there is a pregnancy."""
    for observation in chart.observations("edd"):
        due = _date_value(observation)
        if due is not None and due.end + timedelta(days=28) >= chart.now:
            words = f"delivery is expected on {day(due.text)}"
            yield Statement(
                "present", words, text_of(observation.effective), (Evidence.of_observation(observation, "due date"),)
            )
    for observation in chart.observations("gestational-age"):
        if isinstance(observation.value, Quantity):
            words = f"gestational age recorded on {_day(observation)}"
            yield Statement(
                "present", words, text_of(observation.effective), (Evidence.of_observation(observation, "gestation"),)
            )


def _date_value(observation: Observation) -> Span | None:
    told = observation.body.get("valueDateTime")
    return span_of(told) if isinstance(told, str) else None


_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
SMOKING = ("smoking-status", "tobacco-use")
_SMOKES: tuple[tuple[str, State], ...] = (("smoker-current", "present"), ("smoker-former", "past"),
                                         ("smoker-never", "denied"), ("smoker-not-now", "denied-now"))  # fmt: skip


def smoking(chart: Chart, entries: Iterable[Entry], noted: Iterable[Noted]) -> Answer:
    """Whether the person smokes: the newest of recorded statuses and dated entries; a note only where there is none.

    "present": smokes now; "past": stopped; "denied": never smoked; "denied-now": does not smoke, the past is not told;
    "possible": the newest status cannot be read, or a later word beside it says that the person smokes. ``statements``
    holds what decides, then what notes say.
    """
    told = [_status(chart, o) for concept in SMOKING for o in chart.observations(concept)]
    told += [s for e in entries if (s := _of_entry(e)) is not None]
    mentioned = [n.statement for n in noted if "smoking" in n.concepts]
    if not told:
        return settle("smoking", mentioned)
    newest = max(told, key=lambda s: (s.when or _EARLIEST, -_order(s.state), s.words))
    passing = [e.statement for e in entries if "smoker-current" in e.meaning.concepts and _is_passing(e)]
    says_so = [*(s for s in mentioned if s.state == "present"), *passing]
    later = [s for s in says_so if s.when and s.when > (newest.when or _EARLIEST)]
    if later and newest.state != "present":
        # who took up smoking again, or who never said so where it is recorded, a person has to ask
        latest = max(later, key=lambda s: (s.when or _EARLIEST, s.words))
        words = f"{newest.words}, but {latest.words[:1].lower()}{latest.words[1:].rstrip('.')}"
        return Answer("smoking", "possible", (replace(newest, state="possible", words=words), latest))
    return Answer("smoking", newest.state, (newest, *(s for s in mentioned if s.state == newest.state)))


def _order(state: State) -> int:
    return ["present", "possible", "past", "denied-now", "denied", "not-recorded"].index(state)


def _status(chart: Chart, observation: Observation) -> Statement:
    said = _said(chart, observation)
    state: State = next((s for name, s in _SMOKES if name in said), "possible")
    words = f"smoking status of {_day(observation)}: {_words(observation) or 'cannot be read'}"
    proof = (Evidence.of_observation(observation, "smoking status"),)
    return Statement(state, words, text_of(observation.effective), proof)


def _is_passing(entry: Entry) -> bool:
    return entry.statement.state == "possible" and not entry.family


def _of_entry(entry: Entry) -> Statement | None:
    """An entry of the problem list on smoking."""
    if entry.family:
        return None
    state = next((s for name, s in _SMOKES if name in entry.meaning.concepts), None)
    if state is None or entry.statement.state not in ("present", "past"):
        return None
    over = entry.statement.state == "past" and state == "present"
    return Statement("past" if over else state, entry.statement.words, entry.statement.date, entry.statement.evidence)


_POSITIVE = re.compile(r"\s*(?:pos(?:\.|itiv\w*)?|\+{1,4}|detected|reactive|yes|ja|oui|sí|si|sim)\s*", re.I)
_NEGATIVE = re.compile(r"\s*(?:neg(?:\.|ativ\w*)?|-|not detected|non-?reactive|no|nein|non|não)\s*", re.I)


def _tests(chart: Chart) -> Iterator[Statement]:
    """What a pregnancy test says in words: a positive one makes it likely, a negative one denies it for its time."""
    for observation in chart.observations("pregnancy-test"):
        words = _words(observation)
        state: State | None = (
            "present" if _POSITIVE.fullmatch(words) else "denied" if _NEGATIVE.fullmatch(words) else None
        )
        if state is not None:
            name = "pregnancy test"
            proof = (Evidence.of_observation(observation, name),)
            yield Statement(state, f"{name} of {_day(observation)}: {words}", text_of(observation.effective), proof)


def _said(chart: Chart, observation: Observation) -> frozenset[str]:
    """The concepts of an answer: of its code, else of its words."""
    value = observation.value
    if isinstance(value, Code):
        found = chart.terminology.value_concepts((value,))
        return found or _by_words(chart, value.display)
    return _by_words(chart, value) if isinstance(value, str) else frozenset()


def _by_words(chart: Chart, words: str) -> frozenset[str]:
    meaning = chart.terminology.diagnosis((), words) if words else None
    return meaning.concepts if meaning and meaning.aspect in ("active", "history") else frozenset()


def _words(observation: Observation) -> str:
    value = observation.value
    return (value.display or value.code) if isinstance(value, Code) else value if isinstance(value, str) else ""


def _day(observation: Observation) -> str:
    return day(text_of(observation.effective)) or "an unknown day"
