"""One person, asked in clinical words. Pure: the same chart and findings give the same answers.

Everybody asks here: no rule looks into codes, units or statuses itself. An answer has three values, its evidence and
its date; what could not be read is listed in :attr:`Person.not_understood` and keeps open every negative it could
break.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property

from salus.fhir import dates
from salus.fhir.dates import Span
from salus.findings.model import Finding
from salus.person import allergies, conditions, measurements, medicines, relatives, states
from salus.person.allergies import Allergy
from salus.person.answer import Answer, NotUnderstood, Statement, place, settle
from salus.person.conditions import Entry, Noted
from salus.person.measurements import Measured, Reading
from salus.person.medicines import Ended, Listed, Medicine
from salus.person.relatives import Relative
from salus.record.chart import OUTDATED, Chart
from salus.terminology import classes

ADULT = 18
OLDEST = 120
"""Completed years above which a date of birth is taken for a mistake. salus's own choice."""
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "allergy": ("AllergyIntolerance",),
    "diagnosis": ("Condition",),
    "procedure": ("Procedure",),
    "device": ("Device",),
    "medicine": (
        "MedicationRequest",
        "MedicationStatement",
        "MedicationDispense",
        "MedicationAdministration",
        *OUTDATED,
    ),
    "dose": (),
    "relative": ("FamilyMemberHistory",),
    "result": ("Observation",),
    "note": (),
}
"""What may stay unread, and the resource types it stands in."""
RELEASE = "its type is of a FHIR release that is not read"
MODIFIER = "an element that may turn its meaning round is not known"


class Person:
    """What is known of the person of ``chart``. Raises MethodError for a chart without one.

    ``findings`` are what methods drew; without them the mentions in notes are asked of the chart itself, so that a
    method that asks a Person has them in its read set.
    """

    def __init__(self, chart: Chart, findings: Sequence[Finding] | None = None) -> None:
        self.chart = chart
        self.now = chart.now
        self.patient = chart.patient
        self.age_doubt = _age_doubt(self.patient.birth, self.now)
        """Why the recorded date of birth cannot be right; "" where it can: nothing rests on an age that cannot be."""
        self.age = None if self.age_doubt else self.patient.age(self.now)
        self.adult = None if self.age_doubt else _adult(self.patient.birth, self.now)
        self._given = findings is not None
        self._unread: dict[tuple[str, ...], tuple[NotUnderstood, ...]] = {}
        self.asked: set[str] = set()
        """Concepts, medicines and measurements that were asked for: what is on record beside them no rule covers."""
        self.findings = tuple(sorted(findings or (), key=lambda f: (f.code, f.effective, f.id, f.sentence)))

    # ---- findings

    def all(self, code: str) -> tuple[Finding, ...]:
        """The assessable findings with this code, oldest first."""
        if self._given:
            return tuple(f for f in self.findings if f.code == code and f.status == "ok")
        found = [f for f in self.chart.findings(code) if f.status == "ok"]
        return tuple(sorted(found, key=lambda f: (f.effective, f.id, f.sentence)))

    def one(self, code: str) -> Finding | None:
        """The newest assessable finding with this code."""
        found = self.all(code)
        return max(found, key=lambda f: (f.effective[1], f.id, f.sentence)) if found else None

    # ---- diagnoses and procedures

    @cached_property
    def _recorded(self) -> tuple[tuple[Entry, ...], tuple[NotUnderstood, ...]]:
        return conditions.recorded(self.chart)

    @cached_property
    def _noted(self) -> tuple[Noted, ...]:
        return tuple(conditions.noted(self.all("note-problem")))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every diagnosis and procedure of the record that could be read."""
        return self._recorded[0]

    def problems(self) -> tuple[Entry, ...]:
        """The problem list: its own entries, not procedures nor what is said of relatives, and not what was refuted."""
        kinds = [(e, e.statement.evidence[0].source.ref.partition("/")[0]) for e in self.entries]
        return tuple(e for e, kind in kinds if kind == "Condition" and not e.family and e.statement.state != "denied")

    def about(self, *concepts: str, within: timedelta | None = None, but: Collection[str] = ()) -> Answer:
        """What record and notes say of any of ``concepts``: what asserts wins over what denies.

        ``within``: only dated statements that are not older count, and undated ones. ``but``: concepts whose entries do
        not count (a bleeding in the brain is no stroke that a statin prevents).
        """
        wanted, other = frozenset(concepts), frozenset(but)
        self.asked |= wanted
        told = [(e.meaning.concepts, e.meaning.narrow, e.statement) for e in self.entries if not e.family]
        told += [(n.concepts, n.narrow, n.statement) for n in self._noted]
        found = conditions.about(told, wanted, other)
        found += [s for a in self.allergies if (s := _as_reaction(a, wanted)) is not None]
        if within is not None:
            earliest = self.now - within
            found = [s for s in found if s.when is None or s.when >= earliest]
        return settle(concepts[0], found, self.unread("diagnosis", "procedure", "note"))

    # ---- medicines

    @cached_property
    def listed(self) -> tuple[Listed, ...]:
        """Every entry of the medicine list, read."""
        return self.chart.shared("medicines", lambda chart: medicines.listed(chart.medications(), chart.terminology))

    @cached_property
    def medicines(self) -> tuple[Medicine, ...]:
        """The reconciled list of medicines, taken or in doubt."""
        return medicines.reconcile(self.listed, self.all("note-medication"), self.now)

    @property
    def list_known(self) -> bool:
        """Whether the record holds a medicine list at all. Without one, that a medicine is not on it says nothing."""
        return any(not one.drug.silent for one in self.listed) or bool(self.unread("medicine"))

    def taking(self, *names: str) -> tuple[Medicine, ...]:
        """Medicines in use that are any of ``names`` (ingredients or classes)."""
        self.asked.update(names)
        return tuple(m for m in self.medicines if m.in_use and any(m.drug.is_a(name) for name in names))

    def surely_without(self, *names: str) -> bool:
        """Whether a medicine list is known, could be read whole, holds none of ``names``, and none was ended for a
        reason that may speak against it."""
        known = self.list_known and not self.unread("medicine", "note")
        return known and not self.taking(*names) and not self.ended(*names)

    def ended(self, *names: str) -> tuple[Ended, ...]:
        """What was stopped or not taken of ``names``, where the record says why."""
        return medicines.ended(self.listed, names)

    # ---- allergies

    @cached_property
    def _allergies(self) -> tuple[tuple[Allergy, ...], tuple[NotUnderstood, ...]]:
        return allergies.recorded(self.chart)

    @property
    def allergies(self) -> tuple[Allergy, ...]:
        """The allergy list as far as it could be read, statements of absence included."""
        return self._allergies[0]

    def allergy(self, ingredient: str) -> Answer:
        """What is said of an allergy or intolerance to ``ingredient``, its class, or of none to any medicine."""
        found = [
            a.statement
            for a in self.allergies
            if (a.nothing and a.statement.date) or (not a.nothing and a.bars(ingredient))
        ]
        speaks_of = {ingredient, *classes.classes_of((ingredient,))}
        found += [s for names, s in allergies.noted(self.all("note-medication")) if speaks_of & names]
        return settle(f"allergy to {ingredient}", found, self.unread("allergy", "note"))

    # ---- relatives

    @cached_property
    def relatives(self) -> tuple[Relative, ...]:
        """Every condition of a relative."""
        return relatives.relatives(self.chart, self.entries, self.all("note-problem"))

    def family(self, *concepts: str) -> tuple[Relative, ...]:
        """What is recorded of any of ``concepts`` in relatives: the record's family history first, then notes."""
        wanted = frozenset(concepts)
        found: dict[tuple[str, str], Relative] = {}
        for relative in self.relatives:
            if wanted & relative.concepts:
                found.setdefault((relative.statement.words, relative.statement.date), relative)
        return tuple(found.values())

    # ---- states

    @cached_property
    def pregnancy(self) -> Answer:
        """Whether the person is pregnant now."""
        return states.pregnancy(self.chart, self.entries, self._noted)

    @cached_property
    def breastfeeding(self) -> Answer:
        """Whether the person breast-feeds now."""
        return states.breastfeeding(self.chart, self.entries, self._noted)

    @cached_property
    def smoking(self) -> Answer:
        """Whether the person smokes: "present", "past", "denied" (never), "denied-now"."""
        return states.smoking(self.chart, self.entries, self._noted)

    # ---- measurements

    def newest(
        self, concept: str, unit: str, *, within: timedelta | None = None,
        settings: Collection[str | None] | None = None,
    ) -> Measured:  # fmt: skip
        """The newest result of ``concept`` in ``unit``, not older than ``within``; without a value, why."""
        self.asked.add(concept)
        return measurements.newest(self.chart, concept, unit, within=within, settings=settings)

    def readings(
        self, concept: str, unit: str, *, since: datetime | None = None,
        settings: Collection[str | None] | None = None,
    ) -> tuple[Reading, ...]:  # fmt: skip
        """Every result of ``concept``, oldest first, each in ``unit`` or with the reason why not."""
        self.asked.add(concept)
        return measurements.readings(self.chart, concept, unit, since=since, settings=settings)

    # ---- what could not be read

    @cached_property
    def not_understood(self) -> tuple[NotUnderstood, ...]:
        """Everything on record that could not be read, by kind, oldest first; each once."""
        unique: dict[tuple[str, str, str, str], NotUnderstood] = {}
        for one in self.unread(*_SOURCES):
            unique.setdefault((one.kind, one.words, one.why, one.date), one)
        return tuple(sorted(unique.values(), key=lambda u: (u.kind, u.date, u.words)))

    def unread(self, *kinds: str) -> tuple[NotUnderstood, ...]:
        """What could not be read of these kinds, entries with an unknown modifier among them.

        Only the entries of these kinds are looked at: a question's read set holds no more than it needs.
        """
        if kinds not in self._unread:
            self._unread[kinds] = self._find_unread(kinds)
        return self._unread[kinds]

    def _find_unread(self, kinds: tuple[str, ...]) -> tuple[NotUnderstood, ...]:
        types = dict.fromkeys(name for kind in kinds for name in _SOURCES[kind])
        found = [u for source in dict.fromkeys(map(self._reader, kinds)) for u in source() if u.kind in kinds]
        found += [
            NotUnderstood("modifier", u.text or u.kind, MODIFIER, "", (place(u.source, "modifierExtension"),))
            if name not in OUTDATED
            else NotUnderstood("medicine", u.text or u.kind, RELEASE, "", (place(u.source, "medication"),))
            for name in types
            for u in self.chart.modified(name)
        ]
        return tuple(found)

    def _reader(self, kind: str) -> Callable[[], Iterable[NotUnderstood]]:
        readers: dict[str, Callable[[], Iterable[NotUnderstood]]] = {
            "allergy": self._unread_allergies,
            "relative": self._unread_relatives,
            "result": self._unread_results,
            "note": self._unread_notes,
            "medicine": self._unread_medicines,
            "dose": self._unread_medicines,
        }
        return readers.get(kind, self._unread_diagnoses)

    def _unread_diagnoses(self) -> Iterable[NotUnderstood]:
        return self._recorded[1]

    def _unread_medicines(self) -> Iterable[NotUnderstood]:
        return medicines.not_understood(self.listed, self.all("note-medication"), self.now)

    def _unread_allergies(self) -> Iterable[NotUnderstood]:
        return self._allergies[1]

    def _unread_relatives(self) -> Iterable[NotUnderstood]:
        return relatives.not_understood(self.chart)

    def _unread_results(self) -> Iterable[NotUnderstood]:
        return measurements.not_understood(self.chart)

    def _unread_notes(self) -> Iterable[NotUnderstood]:
        given = [f for f in self.findings if f.code == "note-problem"] if self._given else None
        for finding in self.chart.findings("note-problem") if given is None else given:
            if finding.status == "not-assessable" and finding.details.get("unread"):
                yield NotUnderstood("note", "", finding.reason, finding.effective[0], finding.evidence)

    # ---- time

    def within(self, span: Span | None, days: int) -> bool | None:
        """Whether ``span`` lies within the last ``days``; None when its date is missing or too partial to tell."""
        if span is None:
            return None
        earliest = self.now - timedelta(days=days)
        if span.start >= earliest:
            return True
        return None if span.end > earliest else False


def _as_reaction(allergy: Allergy, concepts: Iterable[str]) -> Statement | None:
    """An entry of the allergy list as a statement that its reaction happened once."""
    if allergy.nothing or not allergy.reactions & frozenset(concepts):
        return None
    statement = allergy.statement
    return Statement("past", f"{statement.words} on the allergy list", statement.date, statement.evidence)


def _age_doubt(birth: Span | None, now: datetime) -> str:
    if birth is None:
        return ""
    if birth.start > now:
        return f"the recorded date of birth, {birth.text}, lies in the future"
    years = now.year - birth.end.year - ((now.month, now.day) < (birth.end.month, birth.end.day))
    return f"the recorded date of birth, {birth.text}, is more than {OLDEST} years ago" if years > OLDEST else ""


def _adult(birth: Span | None, now: datetime) -> bool | None:
    """Whether the person is 18 or older; None when the birth date leaves it open."""
    if birth is None:
        return None
    ages = {
        dates.age_years(Span(at, at + timedelta(days=1)), now) for at in (birth.start, birth.end - timedelta(days=1))
    }
    if None in ages:
        return None
    adult = {age >= ADULT for age in ages if age is not None}
    return adult.pop() if len(adult) == 1 else None
