"""One list of medicines from the record and the notes: what is taken, at what daily dose, and when it was confirmed.

Rules by which entries are settled, in any order of reading: an entry that says its own end (a period that is over) is
over; entries of the same ingredients are one medicine, the newest confirmation decides its name and dose; what denies
(a note, or an entry "not taken") later than the newest confirmation never takes a medicine off the list, it marks it as
contradicted; an entry whose supply has run out, or that nobody confirmed for two years, stays and is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from salus.fhir import dates
from salus.fhir.medications import Medication
from salus.fhir.views import dicts
from salus.fhir.views import text_of as text_of_concept
from salus.findings.model import Evidence, Finding
from salus.person.answer import NotUnderstood, place, text_of
from salus.terminology import classes, doses
from salus.terminology.doses import Dose
from salus.terminology.meaning import Medicine as Meaning
from salus.terminology.reader import Terminology

STALE_DAYS = 730
"""A medicine that nobody confirmed for longer is marked. salus's own choice, the look-back of risk.prevent."""
DISPENSED_DAYS = 180
"""How long something handed out without a stated supply counts as taken. salus's own choice."""
GIVEN_DAYS = 30
"""How long a single administration counts as taken. salus's own choice."""
GRACE_DAYS = 90
"""How long after the end of its supply a medicine counts as taken without a question. salus's own choice."""
NO_NAME = "a medicine without a name"
UNKNOWN = "no table knows which medicine it is"
UNTOLD = "a note says that it is taken, and its name does not tell what is in it"

_USED = ("in-use",)
_NOT_USED = ("stopped", "past", "not-taking")
_ON_LIST = ("active", "on-hold", "unknown", "")
_DENIES = ("not-taken", "stopped")


@dataclass(frozen=True, slots=True)
class Medicine:
    """One medicine as reconciled. ``doubts`` say what speaks against its being taken as listed.

    ``daily_mg`` is None where the dose is not recorded, not understood, a range or taken only as needed.
    """

    drug: Meaning
    name: str
    dose: str
    daily: Dose
    daily_mg: Decimal | None
    in_use: bool
    status: str
    sources: tuple[str, ...]
    last_confirmed: str
    doubts: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[str, ...] = ()
    stale: bool = False
    """Last confirmed more than :data:`STALE_DAYS` ago, or its supply ran out; what nobody ever dated is not."""

    @property
    def ingredient(self) -> str:
        """Its ingredients as one name; the name itself where they are not known."""
        return " + ".join(self.drug.ingredients) or self.name

    @property
    def sure(self) -> bool:
        """Whether nothing on record speaks against its being taken now. What is not sure is asked about."""
        return self.status in ("active", "in a note only") and not self.stale

    @property
    def words(self) -> str:
        """Name and dose for a sentence."""
        return f"{self.name}, {self.dose}" if self.dose else self.name


@dataclass(frozen=True, slots=True)
class Ended:
    """A medicine that the record says was stopped or not taken, and why."""

    name: str
    status: str
    reason: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the record with what its codes and its dosages mean."""

    entry: Medication
    drug: Meaning
    dose: Dose


def listed(entries: Sequence[Medication], terminology: Terminology) -> tuple[Listed, ...]:
    """The entries, read."""
    return tuple(
        Listed(m, terminology.medicine(m.codes, m.text, m.form, m.ingredients), doses.read_fhir(m.dosages))
        for m in entries
    )


def reconcile(entries: Sequence[Listed], noted: Sequence[Finding], now: datetime) -> tuple[Medicine, ...]:
    """Every current entry of the record and every medicine that a note says is taken, joined by ingredient."""
    groups: dict[str, list[Listed]] = {}
    against: dict[str, list[Listed]] = {}
    for one in entries:
        if _counts(one, now):
            groups.setdefault(_key(one), []).append(one)
        elif one.entry.status in _DENIES and one.drug.ingredients:
            against.setdefault(_key(one), []).append(one)
    mentions: dict[str, list[Finding]] = {}
    for finding in noted:
        drug = drug_of_note(finding)
        mentions.setdefault(_name_key(drug, str(finding.details.get("concept"))), []).append(finding)
    found = [_from_record(group, mentions.get(key, []), against.get(key, []), now) for key, group in groups.items()]
    found += [
        _from_notes(group, now)
        for key, group in mentions.items()
        if key not in groups
        and any(f.details.get("use") in _USED for f in group)
        and not _means_one_of(drug_of_note(group[0]), found)
    ]
    return tuple(sorted(found, key=lambda m: (m.name.lower(), m.dose, m.last_confirmed)))


def ended(entries: Sequence[Listed], names: Iterable[str]) -> tuple[Ended, ...]:
    """What was stopped or not taken of ``names`` (ingredients or classes), where a reason is given."""
    wanted = tuple(names)
    found = []
    for one in entries:
        entry = one.entry
        reason = "; ".join(_reasons(entry))
        if entry.status in _DENIES and reason and any(one.drug.is_a(name) for name in wanted):
            name = entry.text or ", ".join(c.display or c.code for c in entry.codes) or NO_NAME
            found.append(Ended(name, entry.status, reason[:80], (_place(entry),)))
    return tuple(found)


def _reasons(entry: Medication) -> list[str]:
    """What an entry says of why it has its status: its reason, else its notes."""
    told = entry.body.get("statusReason")
    words = [text_of_concept(each) for each in (told if isinstance(told, list) else [told])]
    notes = (note.get("text") for note in dicts(entry.body.get("note")))
    return [w for w in words if w] or [w for w in notes if isinstance(w, str) and w.strip()]


def not_understood(entries: Sequence[Listed], noted: Sequence[Finding], now: datetime) -> tuple[NotUnderstood, ...]:
    """Current entries and mentions whose medicine could not be read, and entries whose dose could not."""
    found = [
        NotUnderstood("medicine", str(f.details.get("concept", "")), UNTOLD, f.effective[0], f.evidence)
        for f in noted
        if f.details.get("use") in _USED and not drug_of_note(f).understood
    ]
    for one in entries:
        if not _counts(one, now):
            continue
        entry, when = one.entry, text_of(one.entry.confirmed)
        name = entry.text or ", ".join(c.display or c.code for c in entry.codes)
        if not one.drug.understood:
            found.append(NotUnderstood("medicine", name, UNKNOWN, when, (_place(entry),)))
        elif entry.dosages and not one.dose.understood:
            words = f"{name}: {one.dose.words}" if one.dose.words else name
            found.append(NotUnderstood("dose", words, one.dose.why, when, (_place(entry),)))
    return tuple(found)


def drug_of_note(finding: Finding) -> Meaning:
    """The medicine of a mention. The name of a whole class ("statin") gives the class and no ingredient."""
    named = [str(i) for i in finding.details.get("ingredients", ())]
    concept = str(finding.details.get("concept", ""))
    if not named and not classes.is_class(concept):
        return Meaning(basis="unknown")  # a brand whose content its name does not tell
    ingredients = tuple(sorted(n for n in named if not classes.is_class(n)))
    return Meaning(ingredients, classes.classes_of(named or [concept]), basis="text")


def _counts(one: Listed, now: datetime) -> bool:
    """Whether an entry speaks of something taken now."""
    entry = one.entry
    if one.drug.nothing or one.drug.silent:
        return False
    if entry.until is not None and entry.until.end <= now:
        return False
    kind = entry.body.get("resourceType")
    if kind == "MedicationDispense":
        if entry.status not in ("completed", "in-progress"):
            return False
        begun = entry.confirmed.start if entry.confirmed else None
        if entry.supplied_until is not None:
            return entry.supplied_until + timedelta(days=GRACE_DAYS) > now
        return begun is not None and begun + timedelta(days=DISPENSED_DAYS) > now
    if kind == "MedicationAdministration":
        given = entry.confirmed.end if entry.confirmed else None
        return (
            entry.status in ("completed", "in-progress") and given is not None and given + timedelta(GIVEN_DAYS) > now
        )
    return entry.status in _ON_LIST


def _means_one_of(drug: Meaning, found: Sequence[Medicine]) -> bool:
    """Whether a note's name of a class means a medicine that is on the list."""
    return not drug.ingredients and any(drug.classes & medicine.drug.classes for medicine in found)


def _key(one: Listed) -> str:
    """Entries of one key are one medicine; what has no name is a medicine of its own."""
    return _name_key(one.drug, one.entry.text or ", ".join(c.code for c in one.entry.codes) or one.entry.source.ref)


def _name_key(drug: Meaning, text: str) -> str:
    return ("local " if drug.local else "") + ("+".join(drug.ingredients) or text.lower())


def _from_record(
    group: Sequence[Listed], notes: Sequence[Finding], denying: Sequence[Listed], now: datetime
) -> Medicine:
    newest = max(group, key=lambda one: _age_key(one.entry))
    # the newest confirmation may not repeat the dose: then the newest entry that states one gives it
    dosed = max((one for one in group if one.entry.dosages), key=lambda one: _age_key(one.entry), default=newest)
    entry, confirmed = newest.entry, text_of(newest.entry.confirmed)
    agreeing = [f for f in notes if f.details.get("use") in _USED]
    against = [f for f in notes if f.details.get("use") in _NOT_USED and _later(f.effective[0], confirmed)]
    untaken = [one for one in denying if _later(text_of(one.entry.confirmed), confirmed)]
    last = max([confirmed[:10], *(f.effective[0][:10] for f in agreeing)])
    doubts = [f.sentence for f in against]
    doubts += [f"the record has it as {one.entry.status} on {text_of(one.entry.confirmed)[:10]}" for one in untaken]
    doubts += _doubts(group, newest, dosed, last, now)
    contradicted = bool(against or untaken or _against(entry))
    return Medicine(
        drug=newest.drug,
        name=entry.text or ", ".join(c.display or c.code for c in entry.codes) or NO_NAME,
        dose=dosed.dose.words,
        daily=dosed.dose,
        daily_mg=doses.daily_mg(dosed.dose, dosed.drug.strength),
        in_use=True,
        status="contradicted" if contradicted else _STATUS.get(entry.status, "active"),
        sources=("record", *(("note",) if agreeing or against else ())),
        last_confirmed=last,
        doubts=tuple(doubts),
        evidence=(*(_place(one.entry) for one in (*group, *untaken)), *_places(agreeing, against)),
        findings=tuple(f.id for f in (*agreeing, *against)),
        stale=bool(_age_of(last, now)) or _run_out(group, now) or entry.status in ("unknown", ""),
    )


_STOPS = re.compile(
    r"stop|discontinu|\bnot? (?:longer |being )?tak|no longer|ceas|declin|refus|never (?:took|start|fill|pick)|paus|"
    r"suspen|"
    r"\b(?:not|n't|un)-? ?(?:fill|pick|start|adher)|non-?(?:adher|complian)|\b(?:held|hold)\b|intoleran|"
    r"nicht (?:mehr |ein)?(?:genomm|nehm)|nimmt .{0,20}nicht|abgesetzt|gestopt|gestaakt|arret|interromp|ne prend p|"
    r"no (?:lo |la )?toma|não toma|non (?:la |lo )?(?:assum|prende)",
    re.I,
)
"""Words in an entry's own note by which it may not be taken. They raise a doubt and take nothing off the list."""


def _against(entry: Medication) -> list[str]:
    told = (note.get("text") for note in dicts(entry.body.get("note")))
    return [words for words in told if isinstance(words, str) and _STOPS.search(words)]


_STATUS = {"on-hold": "on hold", "unknown": "status not known", "": "status not known"}


def _doubts(group: Sequence[Listed], newest: Listed, dosed: Listed, last: str, now: datetime) -> list[str]:
    found = list(newest.drug.notes)
    if len({_amount(one) for one in group if one.entry.dosages}) > 1:
        found.append("listed more than once with different doses")
    if newest.entry.status == "on-hold":
        found.append("the record has it on hold")
    if newest.entry.body.get("resourceType") == "MedicationAdministration":
        found.append("only that it was given is recorded: confirm that it is taken, and the dose")
    found += [f"a note on the entry says: “{words[:80]}”" for words in _against(newest.entry)]
    if newest.entry.status in ("unknown", ""):
        found.append("the record does not say whether it is taken")
    if not newest.drug.understood:
        found.append("read but not understood")
    elif dosed.entry.dosages and not dosed.dose.understood:
        found.append(f"its dose was not understood: {dosed.dose.why}")
    if not last:
        found.append("no date vouches for it")
    if _run_out(group, now):
        found.append("its supply has run out")
    return found + list(_age_of(last, now))


def _amount(one: Listed) -> str:
    """The daily dose to compare two entries by: the amount where it is known, else the words."""
    amount = doses.daily_mg(one.dose, one.drug.strength)
    return one.dose.words.lower() if amount is None else f"{amount.normalize():f}"


def _run_out(group: Sequence[Listed], now: datetime) -> bool:
    """Whether what was prescribed or handed out of it ended more than :data:`GRACE_DAYS` ago."""
    ends = [one.entry.supplied_until for one in group]
    return None not in ends and max(e for e in ends if e) + timedelta(days=GRACE_DAYS) < now


def _from_notes(group: Sequence[Finding], now: datetime) -> Medicine:
    taken = [f for f in group if f.details.get("use") in _USED]
    newest = max(taken, key=lambda f: (f.effective[0], f.id))
    against = [f for f in group if f.details.get("use") in _NOT_USED and _later(f.effective[0], newest.effective[0])]
    last = newest.effective[0][:10]
    return Medicine(
        drug=drug_of_note(newest),
        name=str(newest.details.get("concept")),
        dose="",
        daily=doses.read_fhir(()),
        daily_mg=None,
        in_use=not against,
        status="contradicted" if against else "in a note only",
        sources=("note",),
        last_confirmed=last,
        doubts=(
            "not on the record's list: confirm that it is taken, and the dose",
            *(f.sentence for f in against),
            *_age_of(last, now),
        ),
        evidence=_places(taken, against),
        findings=tuple(f.id for f in (*taken, *against)),
        stale=bool(_age_of(last, now)),
    )


def _places(*findings: Sequence[Finding]) -> tuple[Evidence, ...]:
    return tuple(e for group in findings for f in group for e in f.evidence)


def _age_of(last: str, now: datetime) -> tuple[str, ...]:
    """The doubt that a day of last confirmation raises, if it is too long ago."""
    if not last or dates.parse(last).end >= now - timedelta(days=STALE_DAYS):
        return ()
    return ("not confirmed for more than two years",)


def _age_key(entry: Medication) -> tuple[str, str, str]:
    return (entry.confirmed.start.isoformat() if entry.confirmed else "", entry.status, entry.source.ref)


def _later(date: str, than: str) -> bool:
    """Whether ``date`` is later than the day ``than``; undated is not, an undated entry is always earlier."""
    if not date:
        return False
    return not than or dates.instant(date) > dates.instant(than[:10])


def _place(medication: Medication) -> Evidence:
    path = "medicationCodeableConcept" if "medicationCodeableConcept" in medication.body else "medicationReference"
    return place(medication.source, path, "medicine list")
