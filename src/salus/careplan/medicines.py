"""One list of medicines from the record and the notes, each with where it stands and when it was last confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from salus.careplan.model import MedicineLine
from salus.fhir import dates, drugs
from salus.fhir.drugs import Drug
from salus.fhir.views import Medication
from salus.findings.model import Evidence, Finding

_IN_USE = ("in-use",)
_NOT_IN_USE = ("stopped", "past", "not-taking")
_ON_LIST = ("active", "on-hold")
STALE_DAYS = 730
"""A medicine that nobody confirmed for longer is marked. salus's own choice, the look-back of risk.prevent."""


@dataclass(frozen=True, slots=True)
class Medicine:
    """One medicine as reconciled. ``doubts`` say what speaks against its being taken as listed."""

    drug: Drug
    name: str
    dose: str
    daily_mg: Decimal | None
    in_use: bool
    status: str
    sources: tuple[str, ...]
    last_confirmed: str
    doubts: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[str, ...]
    stale: bool = False
    """Last confirmed more than :data:`STALE_DAYS` ago; what nobody ever dated is not."""

    @property
    def ingredient(self) -> str:
        """Its ingredients as one name; the name itself where they are not known."""
        return " + ".join(self.drug.ingredients) or self.name

    @property
    def line(self) -> MedicineLine:
        """As it stands in the plan."""
        return MedicineLine(
            self.name, self.ingredient, self.dose, self.status, self.sources, self.last_confirmed, self.doubts,
            self.evidence,
        )  # fmt: skip

    @property
    def words(self) -> str:
        """Name and dose for a sentence."""
        return f"{self.name}, {self.dose}" if self.dose else self.name


def reconcile(listed: Sequence[Medication], noted: Sequence[Finding], now: datetime) -> tuple[Medicine, ...]:
    """Every current entry of the record and every medicine that a note says is taken, joined by ingredient.

    A note never takes a medicine off the list: where a note later than the entry says that it is not taken, the
    medicine stays, marked as contradicted.
    """
    groups: dict[str, list[Medication]] = {}
    for medication in listed:
        if medication.status in _ON_LIST:
            groups.setdefault(_key(_drug_of(medication), medication.text), []).append(medication)
    mentions: dict[str, list[Finding]] = {}
    for finding in noted:
        mentions.setdefault(_key(_drug_of_note(finding), str(finding.details.get("concept"))), []).append(finding)
    found = [_from_record(group, mentions.get(key, []), now) for key, group in groups.items()]
    found += [
        _from_notes(group, now)
        for key, group in mentions.items()
        if key not in groups
        and any(f.details.get("use") in _IN_USE for f in group)
        and not _means_one_of(_drug_of_note(group[0]), found)
    ]
    return tuple(sorted(found, key=lambda m: (m.name.lower(), m.dose)))


def _drug_of(medication: Medication) -> Drug:
    return drugs.identify(medication.codes, medication.text)


def _drug_of_note(finding: Finding) -> Drug:
    """The medicine of a mention. The name of a whole class ("statin") gives the class and no ingredient."""
    named = [str(i) for i in finding.details.get("ingredients", ())] or [str(finding.details.get("concept", ""))]
    classes = drugs.classes_of(named)
    return Drug(tuple(sorted(n for n in named if not drugs.is_class(n))), classes)


def _means_one_of(drug: Drug, listed: Sequence[Medicine]) -> bool:
    """Whether a note's name of a class means a medicine that is on the list."""
    return not drug.ingredients and any(drug.classes & medicine.drug.classes for medicine in listed)


def _key(drug: Drug, text: str) -> str:
    return "+".join(drug.ingredients) or text.lower()


def _from_record(group: Sequence[Medication], notes: Sequence[Finding], now: datetime) -> Medicine:
    newest = max(group, key=lambda m: (m.confirmed.start.isoformat() if m.confirmed else "", m.source.ref))
    drug = _drug_of(newest)
    confirmed = newest.confirmed.text if newest.confirmed else ""
    agreeing = [f for f in notes if f.details.get("use") in _IN_USE]
    against = [f for f in notes if f.details.get("use") in _NOT_IN_USE and _later(f, confirmed)]
    doubts = [f.sentence for f in against]
    if len({m.dose for m in group}) > 1:
        doubts.append("listed more than once with different doses")
    if newest.status == "on-hold":
        doubts.append("the record has it on hold")
    last = max([confirmed[:10], *(f.effective[0][:10] for f in agreeing)])
    if not last:
        doubts.append("no date vouches for it")
    doubts += _age_of(last, now)
    return Medicine(
        drug=drug,
        name=newest.text or "a medicine without a name",
        dose=newest.dose,
        daily_mg=drugs.daily_mg(drug, newest.dose),
        in_use=True,
        status="contradicted" if against else "on hold" if newest.status == "on-hold" else "active",
        sources=("record", *(("note",) if agreeing or against else ())),
        last_confirmed=last,
        doubts=tuple(doubts),
        evidence=(*(_place(m) for m in group), *(e for f in (*agreeing, *against) for e in f.evidence)),
        findings=tuple(f.id for f in (*agreeing, *against)),
        stale=bool(_age_of(last, now)),
    )


def _from_notes(group: Sequence[Finding], now: datetime) -> Medicine:
    taken = [f for f in group if f.details.get("use") in _IN_USE]
    newest = max(taken, key=lambda f: (f.effective[0], f.id))
    against = [f for f in group if f.details.get("use") in _NOT_IN_USE and _later(f, newest.effective[0])]
    last = newest.effective[0][:10]
    return Medicine(
        drug=_drug_of_note(newest),
        name=str(newest.details.get("concept")),
        dose="",
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
        evidence=tuple(e for f in (*taken, *against) for e in f.evidence),
        findings=tuple(f.id for f in (*taken, *against)),
        stale=bool(_age_of(last, now)),
    )


def _age_of(last: str, now: datetime) -> tuple[str, ...]:
    """The doubt that a day of last confirmation raises, if it is too long ago."""
    if not last or dates.parse(last).end >= now - timedelta(days=STALE_DAYS):
        return ()
    return ("not confirmed for more than two years",)


def _later(finding: Finding, than: str) -> bool:
    """Whether a note is later than the day ``than``; an undated note is not, an undated entry is always earlier."""
    if not finding.effective[0]:
        return False
    return not than or dates.instant(finding.effective[0]) > dates.instant(than[:10])


def _place(medication: Medication) -> Evidence:
    path = {"path": "medicationCodeableConcept"}
    return Evidence(medication.source, path, digest=medication.source.digest, label="medicine list")
