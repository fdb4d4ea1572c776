"""Clopidogrel and CYP2C19: CPIC 2022, held against indication, time since the stent, and contraindications."""

from __future__ import annotations

from datetime import timedelta

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_finding, of_medicine, said, total
from salus.careplan.facts import Facts
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

GUIDELINE = "cpic-cyp2c19-clopidogrel-2022"
INDICATIONS = (("acs-or-pci", CORONARY_EVENT), ("neurovascular", BRAIN), ("cardiovascular-other", OTHER_VESSELS))
"""Populations of the guideline, the most specific for platelet inhibition first."""
SLOW_HEART = 50
"""Beats a minute below which the label's warning of bradyarrhythmia is brought up. salus's own choice."""
LOW_DENSITY = 5
"""Percent of lung volume at or below -950 HU that quantitative CT takes for emphysema (as in imaging.lung-ct)."""

_PATIENT = (
    "Your genes may make clopidogrel work less well for you. Keep taking it every day. Call your heart doctor's office "
    "this week and ask if another medicine is better for you."
)


def propose(facts: Facts) -> Outcome:
    """One item at most: of the recorded indications the most specific decides."""
    offered = [(p, f) for f in facts.findings for p in f.proposals if p.guideline == GUIDELINE]
    if not offered:
        return
    taken = facts.taking("clopidogrel")
    if not taken:
        for proposal, _ in offered:
            yield Dropped(_key(proposal), proposal.text, "clopidogrel is not on the medicine list", proposal.citation)
        return
    populations = {str(p.details.get("when", {}).get("population", "")): (p, f) for p, f in offered}
    chosen: tuple[Proposal, Finding, Event | None] | None = None
    for name, concepts in INDICATIONS:
        found = event(facts, concepts)
        if name in populations and found and chosen is None:
            chosen = (*populations[name], found)
        elif name in populations:
            reason = "a more specific indication applies" if found else "no such indication is recorded"
            yield Dropped(_key(populations[name][0]), populations[name][0].text, reason, populations[name][0].citation)
    if chosen is None:
        proposal, finding = next(iter(populations.values()))
        chosen = (proposal, finding, None)
    reasons = total([of_finding(chosen[1]), *map(of_medicine, taken)])
    yield _draft(facts, chosen[0], chosen[2], reasons)


def _key(proposal: Proposal) -> str:
    population = proposal.details.get("when", {}).get("population", "")
    return f"{proposal.key} ({population})" if population else proposal.key


def _draft(facts: Facts, proposal: Proposal, found: Event | None, reasons: Basis) -> Draft:
    options = [
        option(facts, str(a["medicine"]), a.get("contraindications", ()), _cautions(facts, str(a["medicine"])))
        for a in proposal.details.get("alternatives", ())
    ]
    recent = found.recent(facts, DAYS_OF_DAPT) if found else None
    basis = reasons + (found.basis if found else said("why clopidogrel is taken is not recorded"))
    basis += total(o.basis for o in options)
    basis += total(_context(facts, options))
    draft = Draft(
        guideline=proposal.guideline,
        action=proposal.action,
        target=proposal.target,
        tier="urgent" if found and recent is not False else "medicines",
        order=10,
        text=_text(options, found, recent),
        patient_text=_PATIENT,
        strength=proposal.strength,
        citation="; ".join((proposal.citation, cite("acs-2025"), *_labels(options))),
        basis=basis,
        changes_if=_changes_if(options, proposal),
        window=_window(found, recent),
        alternatives=tuple(o.medicine for o in options if o.verdict != "barred"),
        topic="platelet-inhibitor",
    )
    return _unresolved(facts, draft, options)


def _text(options: list[Option], found: Event | None, recent: bool | None) -> str:
    if recent is False:
        return (
            "Ask cardiology whether a platelet inhibitor besides aspirin is still needed: the usual 12 months have "
            "passed, and by the genotype clopidogrel works poorly."
        )
    clear = [o.medicine for o in options if o.verdict == "clear"]
    open_ones = [o for o in options if o.verdict == "confirm"]
    start = "" if found else "If it is taken after an acute coronary syndrome or stent: "
    if clear:
        cautions = [words for o in options if o.medicine in clear for words in o.cautions]
        tail = f" {' '.join(cautions)}" if cautions else ""
        return (
            f"{start}Ask cardiology to replace clopidogrel by {joined(clear)} at standard dose; clopidogrel is taken "
            f"until then.{tail}"
        )
    confirm = "; ".join(f"for {o.medicine}: no {joined(o.named('confirm'))}" for o in open_ones)
    names = joined(o.medicine for o in open_ones)
    cautions = [words for o in open_ones for words in o.cautions]
    tail = f" {' '.join(cautions)}" if cautions else ""
    return (
        f"{start}Ask cardiology to replace clopidogrel by {names} at standard dose, after confirming what is not "
        f"recorded ({confirm}); clopidogrel is taken until then.{tail}"
    )


def _unresolved(facts: Facts, draft: Draft, options: list[Option]) -> Draft:
    """Unresolved where every alternative is barred, or where an anticoagulant speaks for clopidogrel."""
    from dataclasses import replace

    thinner = facts.taking("anticoagulant")
    if thinner:
        why = (
            f"{thinner[0].name} is taken: with an anticoagulant the 2025 guideline prefers clopidogrel, while by the "
            "genotype clopidogrel works poorly. No rule settles which risk weighs more."
        )
        return replace(
            draft,
            status="unresolved",
            ask="cardiology",
            why=why,
            basis=draft.basis + total(map(of_medicine, thinner)),
            text="Which platelet inhibitor besides the anticoagulant? Clopidogrel works poorly by the genotype.",
        )
    if options and all(o.verdict == "barred" for o in options):
        why = " ".join(f"Against {o.medicine}: {joined(o.named('barred'), 'and')}." for o in options)
        return replace(
            draft,
            status="unresolved",
            ask="cardiology",
            why=why,
            text="Clopidogrel works poorly by the genotype, and every alternative of the guideline is contraindicated.",
        )
    return draft


def _cautions(facts: Facts, medicine: str) -> list[str]:
    """Sentences on what does not bar ticagrelor but must be known when it is given (its label)."""
    found = []
    if medicine == "ticagrelor":
        density = value_of(facts.one("lung-density-laa950"))
        if density is not None and density >= LOW_DENSITY:
            found.append(
                "Ticagrelor can cause breathlessness: the CT shows low lung density, so test the lungs early, "
                "to be able to tell the medicine from the lungs."
            )
        rate = value_of(facts.one("ecg-heart-rate"))
        if rate is not None and rate < SLOW_HEART:
            found.append("Ticagrelor can slow the heart: the recorded rate is low, so have a 12-lead ECG first.")
        heavy = [m for m in facts.taking("aspirin") if m.daily_mg is None or m.daily_mg > 100]
        if heavy:
            found.append("With ticagrelor aspirin must not exceed 100 mg a day: check its dose.")
    return found


def _context(facts: Facts, options: list[Option]) -> list[Basis]:
    """Findings that the cautions rest on, also where they are reassuring."""
    if not any(o.medicine == "ticagrelor" and o.verdict != "barred" for o in options):
        return []
    found = []
    density, rate = facts.one("lung-density-laa950"), facts.one("ecg-heart-rate")
    if density is not None and (value_of(density) or 0) >= LOW_DENSITY:
        found.append(of_finding(density))
    if rate is not None:
        slow = (value_of(rate) or 0) < SLOW_HEART
        words = "" if slow else f"{rate.sentence.rstrip('.')}: no slow heart rate (the rhythm itself is not judged)"
        found.append(of_finding(rate, words))
    elif facts.chart.signals("ecg"):
        found.append(said("an ECG is recorded, but its rate could not be told"))
    return found


def _labels(options: list[Option]) -> list[str]:
    names = {"ticagrelor": "ticagrelor-label", "prasugrel": "prasugrel-label"}
    return [cite(names[o.medicine]) for o in options if o.medicine in names]


def _changes_if(options: list[Option], proposal: Proposal) -> str:
    unknown = sorted({name for o in options if o.verdict == "confirm" for name in o.named("confirm")})
    more = f"; one of these turns out to be there: {joined(unknown)}" if unknown else ""
    return f"{proposal.changes_if}{more}"


def _window(found: Event | None, recent: bool | None) -> str:
    if found is None or recent is False:
        return ""
    if not found.date:
        return "within days; confirm the date of the stent or acute coronary syndrome"
    until = dates.instant(found.date) + timedelta(days=DAYS_OF_DAPT)
    return f"within days; two platelet inhibitors by default until {until:%Y-%m-%d} (12 months after {found.date})"
