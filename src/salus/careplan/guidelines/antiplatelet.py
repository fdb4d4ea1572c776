"""Clopidogrel and CYP2C19: CPIC 2022, held against indication, time since the stent, and contraindications."""

from __future__ import annotations

from datetime import timedelta

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_finding, of_medicine, said, total
from salus.careplan.guidelines.common import (
    BRAIN,
    CORONARY_EVENT,
    DAYS_OF_DAPT,
    OTHER_VESSELS,
    Event,
    event,
    joined,
    value_of,
)
from salus.careplan.model import Dropped
from salus.careplan.safety import Option, option
from salus.fhir import dates
from salus.findings.model import Finding, Proposal
from salus.person.person import Person

GUIDELINE = "cpic-cyp2c19-clopidogrel-2022"
INDICATIONS = (("acs-or-pci", CORONARY_EVENT), ("neurovascular", BRAIN), ("cardiovascular-other", OTHER_VESSELS))
"""Populations of the guideline, the most specific for platelet inhibition first."""
WEIGHT_VALID = timedelta(days=730)
SLOW_HEART = 50
"""Beats a minute below which the label's warning of bradyarrhythmia is brought up. salus's own choice."""
OLD, LIGHT = 75, 60
"""Years from which and kg below which prasugrel's label asks for restraint."""
ELECTIVE_MONTHS = 6
"""Default time on two platelet inhibitors after an elective stent (2023 AHA/ACC chronic coronary disease)."""
ACUTE = ("acute-coronary-syndrome", "myocardial-infarction")
STENT = "percutaneous-coronary-intervention"
SPECIALIST = {"neurovascular": "neurology or the stroke clinic"}
LOW_DENSITY = 5
"""Percent of lung volume at or below -950 HU that quantitative CT takes for emphysema (as in imaging.lung-ct)."""

_PATIENT = (
    "Your genes may make clopidogrel work less well for you. Keep taking it every day. Call your heart doctor's office "
    "this week and ask if another medicine is better for you."
)


def propose(person: Person) -> Outcome:
    """One item at most: of the recorded indications the most specific decides."""
    offered = [(p, f) for f in person.findings for p in f.proposals if p.guideline == GUIDELINE]
    if not offered:
        return
    taken = person.taking("clopidogrel")
    if not taken:
        for proposal, _ in offered:
            yield Dropped(_key(proposal), proposal.text, _untaken(person), proposal.citation)
        return
    populations = {str(p.details.get("when", {}).get("population", "")): (p, f) for p, f in offered}
    chosen: tuple[str, Proposal, Finding, Event | None] | None = None
    for name, concepts in INDICATIONS:
        found = event(person, concepts)
        if name in populations and found and chosen is None:
            chosen = (name, *populations[name], found)
        elif name in populations:
            reason = "a more specific indication applies" if found else "no such indication is recorded"
            yield Dropped(_key(populations[name][0]), populations[name][0].text, reason, populations[name][0].citation)
    if chosen is None:
        proposal, finding = next(iter(populations.values()))
        chosen = ("", proposal, finding, None)
    reasons = total([of_finding(chosen[2]), *map(of_medicine, taken)])
    yield _draft(person, chosen[0], chosen[1], chosen[3], reasons)


def _untaken(person: Person) -> str:
    """Why what is advised for clopidogrel does not become an item."""
    if person.surely_without("clopidogrel"):
        return "clopidogrel is not on the medicine list"
    return "clopidogrel is not known to be taken"


def _key(proposal: Proposal) -> str:
    population = proposal.details.get("when", {}).get("population", "")
    return f"{proposal.key} ({population})" if population else proposal.key


def _draft(person: Person, population: str, proposal: Proposal, found: Event | None, reasons: Basis) -> Draft:
    options = [
        option(person, str(a["medicine"]), a.get("contraindications", ()), _cautions(person, str(a["medicine"])))
        for a in proposal.details.get("alternatives", ())
    ]
    heart = population == "acs-or-pci"
    recent = found.recent(person, DAYS_OF_DAPT) if found else None
    basis = reasons + (found.basis if found else said("why clopidogrel is taken is not recorded"))
    basis += total(o.basis for o in options)
    basis += total(_context(person, options)) + (_preferred(person) if recent is not False else Basis())
    draft = Draft(
        guideline=proposal.guideline,
        action=proposal.action,
        target=proposal.target,
        tier="urgent" if found and recent is not False and population != "cardiovascular-other" else "medicines",
        order=10,
        text=_passed(person) if heart and recent is False else _text(options, population),
        patient_text=_PATIENT if population != "neurovascular" else _PATIENT.replace("heart doctor", "doctor"),
        strength=proposal.strength,
        citation="; ".join((proposal.citation, *_sources(person, heart), *_labels(options))),
        basis=basis,
        changes_if=_changes_if(options, proposal),
        window=_window(person, found, recent) if heart else "",
        alternatives=tuple(o.medicine for o in options if o.verdict != "barred"),
        topic="platelet-inhibitor",
    )
    return _unresolved(person, draft, options, SPECIALIST.get(population, "cardiology"))


def _sources(person: Person, heart: bool) -> tuple[str, ...]:
    if not heart:
        return ()
    return (cite("acs-2025"),) if person.about(*ACUTE).positive else (cite("acs-2025", "ccd-2023"),)


def _preferred(person: Person) -> Basis:
    """After an acute coronary syndrome with a stent the genotype is not the only reason."""
    if not (person.about(*ACUTE).positive and person.about(STENT).positive):
        return Basis()
    return said("after an acute coronary syndrome with a stent ticagrelor or prasugrel comes before clopidogrel anyway")


def _passed(person: Person) -> str:
    """The usual time on two platelet inhibitors is over."""
    if person.taking("aspirin"):
        return (
            "Ask cardiology whether a platelet inhibitor besides aspirin is still needed: the usual 12 months have "
            "passed, and by the genotype clopidogrel works poorly. Both are taken until then."
        )
    return (
        "Ask cardiology which platelet inhibitor to take in the long run: the usual 12 months have passed, clopidogrel "
        "is the only one on the list, and by the genotype it works poorly. It is taken until then."
    )


def _text(options: list[Option], population: str) -> str:
    clear = [o for o in options if o.verdict == "clear"]
    offered = clear or [o for o in options if o.verdict == "confirm"]
    ask = SPECIALIST.get(population, "cardiology")
    start = "" if population else "If it is taken after an acute coronary syndrome or stent: "
    names = joined(o.medicine for o in offered)
    if population in ("acs-or-pci", ""):
        step = f"{start}Ask {ask} to replace clopidogrel by {names} at standard dose"
    else:
        step = f"Ask {ask} whether {names} at standard dose, or another medicine, suits better than clopidogrel"
    confirm = "; ".join(f"for {o.medicine}: no {joined(o.named('confirm'))}" for o in offered if not clear)
    after = f", after confirming what is not recorded ({confirm})" if confirm else ""
    cautions = "".join(f" {words}" for o in offered for words in o.cautions)
    barred = "".join(
        f" Not {o.medicine}: {joined(o.named('barred'), 'and')}." for o in options if o.verdict == "barred"
    )
    return f"{step}{after}; clopidogrel is taken until then.{barred}{cautions}"


def _unresolved(person: Person, draft: Draft, options: list[Option], ask: str) -> Draft:
    """Unresolved where every alternative is barred, or where an anticoagulant speaks for clopidogrel."""
    from dataclasses import replace

    thinner = person.taking("anticoagulant")
    if thinner:
        why = (
            f"{thinner[0].name} is taken: with an anticoagulant the 2025 guideline prefers clopidogrel, while by the "
            "genotype clopidogrel works poorly. No rule settles which risk weighs more."
        )
        return replace(
            draft,
            status="unresolved",
            ask=ask,
            why=why,
            basis=draft.basis + replace(total(map(of_medicine, thinner)), stale=()),
            text="Which platelet inhibitor besides the anticoagulant, if any? By the genotype clopidogrel works "
            "poorly. Both are taken until that is settled.",
            window="within days" if draft.tier == "urgent" else "",
            alternatives=(),
        )
    if options and all(o.verdict == "barred" for o in options):
        why = " ".join(f"Against {o.medicine}: {joined(o.named('barred'), 'and')}." for o in options)
        return replace(
            draft,
            status="unresolved",
            ask=ask,
            why=why,
            text="Clopidogrel works poorly by the genotype, and every alternative of the guideline is contraindicated. "
            "Clopidogrel is taken until that is settled.",
        )
    return draft


def _cautions(person: Person, medicine: str) -> list[str]:
    """Sentences on what does not bar a medicine but must be known when it is given (its label)."""
    if medicine == "prasugrel":
        return _cautions_prasugrel(person)
    return _cautions_ticagrelor(person) if medicine == "ticagrelor" else []


def _cautions_prasugrel(person: Person) -> list[str]:
    found = []
    if person.age is not None and person.age >= OLD:
        found.append(f"Prasugrel is generally not recommended from {OLD} years (its label names exceptions).")
    weight = person.newest("body-weight", "kg", within=WEIGHT_VALID)
    if weight.value is not None and weight.value < LIGHT:
        found.append(f"Prasugrel below {LIGHT} kg: its label has 5 mg a day instead of 10.")
    if not person.about(STENT).positive:
        found.append("Prasugrel is for acute coronary syndromes treated with a stent, and none is recorded.")
    return found


def _cautions_ticagrelor(person: Person) -> list[str]:
    found = []
    density = value_of(person.one("lung-density-laa950"))
    if density is not None and density >= LOW_DENSITY:
        found.append(
            "Ticagrelor can cause breathlessness: the CT shows low lung density, so test the lungs early, "
            "to be able to tell the medicine from the lungs."
        )
    rate = value_of(person.one("ecg-heart-rate"))
    if rate is not None and rate < SLOW_HEART:
        found.append("Ticagrelor can slow the heart: the recorded rate is low, so have a 12-lead ECG first.")
    if any(m.daily_mg is None or m.daily_mg > 100 for m in person.taking("aspirin")):
        found.append("With ticagrelor aspirin must not exceed 100 mg a day: check its dose.")
    for name in ("simvastatin", "lovastatin"):
        if person.taking(name):
            found.append(f"Ticagrelor raises {name} (at most 40 mg a day with it): settle the statin at the same time.")
    return found


def _context(person: Person, options: list[Option]) -> list[Basis]:
    """Findings that the cautions rest on, also where they are reassuring."""
    if not any(o.medicine == "ticagrelor" and o.verdict != "barred" for o in options):
        return []
    found = []
    density, rate = person.one("lung-density-laa950"), person.one("ecg-heart-rate")
    if density is not None and (value_of(density) or 0) >= LOW_DENSITY:
        found.append(of_finding(density))
    if rate is not None:
        slow = (value_of(rate) or 0) < SLOW_HEART
        words = "" if slow else f"{rate.sentence.rstrip('.')}: no slow heart rate (the rhythm itself is not judged)"
        found.append(of_finding(rate, words))
    elif person.chart.signals("ecg"):
        found.append(said("an ECG is recorded, but its rate could not be told"))
    return found


def _labels(options: list[Option]) -> list[str]:
    names = {"ticagrelor": "ticagrelor-label", "prasugrel": "prasugrel-label"}
    return [cite(names[o.medicine]) for o in options if o.medicine in names]


def _changes_if(options: list[Option], proposal: Proposal) -> str:
    unknown = sorted({name for o in options if o.verdict == "confirm" for name in o.named("confirm")})
    more = f"; one of these turns out to be there: {joined(unknown)}" if unknown else ""
    return f"{proposal.changes_if}; bleeding, an operation or an anticoagulant comes up{more}"


def _window(person: Person, found: Event | None, recent: bool | None) -> str:
    if found is None or recent is False:
        return ""
    if not found.date:
        return "within days; confirm the date of the stent or acute coronary syndrome"
    until = dates.instant(found.date) + timedelta(days=DAYS_OF_DAPT)
    if person.about(*ACUTE).positive:
        return f"within days; two platelet inhibitors by default until {until:%Y-%m-%d} (12 months after {found.date})"
    return (
        f"within days; two platelet inhibitors by default until {until:%Y-%m-%d} if the stent of {found.date} was for "
        f"an acute coronary syndrome, for {ELECTIVE_MONTHS} months if it was elective: confirm which"
    )
