"""Which statin, which dose: intensity by indication, SLCO1B1 (CPIC 2022), interactions and kidney function together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_finding, of_medicine, said, total
from salus.careplan.facts import Facts
from salus.careplan.guidelines.common import BRAIN, CORONARY_EVENT, OTHER_VESSELS, egfr, event, joined, may_be_pregnant
from salus.careplan.medicines import Medicine
from salus.careplan.model import Dropped
from salus.careplan.resolve import strength_rank
from salus.careplan.safety import Hit, check, interactions
from salus.fhir import drugs
from salus.findings.model import Evidence, Finding, Proposal

GUIDELINE = "cpic-slco1b1-statins-2022"
RENAL = 60
"""eGFR below which the EU label of rosuvastatin bars 40 mg and begins with 5 mg."""
TOLERATED = "CPIC: what was taken for a year or more without muscle symptoms may be continued"
"""CPIC 2022 on statins already taken (as given by UF Health's page on SLCO1B1 and statins): a year where the risk of
muscle symptoms is high, four weeks where it is moderate; the longer time is used for both."""
AGED = 75
"""Years above which moderate intensity is as good a choice as high (2018 guideline, disease of the vessels)."""
LDL_GOAL = 70
"""LDL in mg/dL from which the 2025 guideline adds a non-statin on the highest tolerated statin."""

_PATIENT = (
    "Another tablet for cholesterol may suit you better. Keep taking {name} until your doctor gives you a new plan. "
    "Tell your doctor if your muscles hurt."
)
_PATIENT_TODAY = (
    "Two of your medicines do not go well together: {name} and {other}. Please call your doctor or pharmacist today "
    "and ask what to do. Tell them if your muscles hurt."
)
_PATIENT_START = (
    "A medicine that lowers cholesterol can lower your risk of a heart attack or stroke. Ask your doctor about it."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A statin at a dose, and what speaks for care. ``mg`` is None where no dose of the intensity is left."""

    name: str
    mg: int | None
    cautions: tuple[str, ...]

    @property
    def words(self) -> str:
        """Name, dose and cautions for a sentence."""
        dose = f"{self.name} {self.mg} mg"
        return f"{dose} ({'; '.join(self.cautions)})" if self.cautions else dose


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to change, with the guideline it comes from. ``against`` is the medicine that forbids it."""

    guideline: str
    strength: str
    citation: str
    basis: Basis
    safety: bool = True
    against: str = ""


def propose(facts: Facts) -> Outcome:
    """One item for the statin that is taken; one to begin a statin in vessel disease; what else CPIC says falls."""
    offered = [(p, f) for f in facts.findings for p in f.proposals if p.guideline == GUIDELINE]
    taken = tuple(m for m in facts.taking("statin") if m.drug.ingredients)
    idle = [p for p, _ in offered if not any(m.drug.is_a(p.target) for m in taken)]
    if idle:
        names = joined(sorted({p.target for p in idle}), "and")
        reason = f"not on the medicine list: {names}; it counts where a statin is chosen"
        yield Dropped(f"{GUIDELINE}:others", f"What CPIC advises for {names}", reason, idle[0].citation)
    need = intensity_needed(facts)
    if not taken:
        known = facts.list_known and not facts.taking("statin")
        if need:
            yield (expecting(facts, need.guideline) or _begin(facts, need)) if known else _ask(need)
        return
    for medicine in taken:
        yield from _judged(facts, medicine, need, [(p, f) for p, f in offered if medicine.drug.is_a(p.target)])


def intensity_needed(facts: Facts) -> Reason | None:
    """Why high intensity is needed: an acute coronary syndrome or stent, else other vessel disease."""
    acute = event(facts, CORONARY_EVENT)
    if acute:
        words = said("a high-intensity statin is recommended after an acute coronary syndrome or stent")
        return Reason("acc-aha-acs-2025", "recommended", cite("acs-2025", "cholesterol-2018"), words + acute.basis)
    vessels = event(facts, (*OTHER_VESSELS, *BRAIN))
    if vessels:
        words = said("a high-intensity statin is recommended in disease of heart, brain or leg arteries")
        citation = cite("dyslipidaemia-2026", "cholesterol-2018")
        return Reason("acc-aha-dyslipidaemia-2026", "recommended", citation, words + vessels.basis)
    return None


def _judged(facts: Facts, medicine: Medicine, need: Reason | None, offered: list[tuple[Proposal, Finding]]) -> Outcome:
    name = medicine.ingredient
    reasons = [*_interaction_reasons(facts, medicine), *_gene_reasons(medicine, offered)]
    if need:
        reasons += _intensity_reasons(medicine, need)
    reasons.sort(key=lambda r: (r.strength != "contraindicated", strength_rank(r.strength), not r.safety, r.guideline))
    changing = [p for p, _ in offered if p.action in ("change", "avoid")]
    if not reasons:
        for proposal, _ in offered:
            yield Dropped(proposal.key, proposal.text, "the dose that is taken is within what it advises", "")
        return
    first, *others = reasons
    against = first.against
    wanted = "high" if need else str(drugs.statin_intensity(name, medicine.daily_mg) or "moderate")
    choices = high_choices(facts) if wanted == "high" else ()
    draft = Draft(
        guideline=first.guideline,
        action="change",
        target=name,
        tier="urgent" if first.strength == "contraindicated" else "medicines",
        order=12,
        text=_forbidden(name, against) + _text(facts, medicine, need, choices, changing, against),
        patient_text=(_PATIENT_TODAY if against else _PATIENT).format(name=name, other=against),
        strength=first.strength,
        citation="; ".join(dict.fromkeys(r.citation for r in reasons)),
        basis=of_medicine(medicine) + total(r.basis for r in reasons) + _course(facts),
        changes_if="muscle symptoms appear, the genotype is not confirmed, or kidney function or medicines change",
        window=_window(need, "today" if against else "at the next visit"),
        alternatives=tuple(f"{c.name} {c.mg} mg" for c in choices if c.mg),
        topic=f"medicine:{name}",
    )
    yield draft
    for guideline, citation in {r.guideline: r.citation for r in others if r.guideline != first.guideline}.items():
        reason = f"merged into {draft.key}: the same step for a further reason"
        yield Dropped(f"{guideline}:change:{name}", draft.text, reason, citation)


def _interaction_reasons(facts: Facts, medicine: Medicine) -> list[Reason]:
    found = []
    for hit in interactions(facts):
        if hit.entry.get("rule") != "statins" or not set(medicine.drug.ingredients) & set(hit.of):
            continue
        if _within(hit, medicine):
            continue
        words = said(f"{hit.other.name}: {hit.text}")
        strength = "contraindicated" if hit.bars else f"recommended (dose limit of {hit.entry['of_above_mg']} mg)"
        basis = of_medicine(hit.other) + words
        against = hit.other.ingredient if hit.bars else ""
        citation = cite(str(hit.entry["source"]))
        found.append(Reason(str(hit.entry["guideline"]), strength, citation, basis, against=against))
    return found


def _within(hit: Hit, medicine: Medicine) -> bool:
    limit = hit.entry.get("of_above_mg")
    return limit is not None and medicine.daily_mg is not None and medicine.daily_mg <= limit


def _gene_reasons(medicine: Medicine, offered: list[tuple[Proposal, Finding]]) -> list[Reason]:
    found = []
    for proposal, finding in offered:
        if _satisfied(proposal, medicine.daily_mg):
            continue
        basis = of_finding(finding) + said(f"CPIC: {proposal.text}") + said(TOLERATED)
        found.append(Reason(proposal.guideline, proposal.strength, proposal.citation, basis))
    return found


def _satisfied(proposal: Proposal, mg: Decimal | None) -> bool:
    """Whether the dose taken is already within what the proposal advises; an unknown dose is not."""
    details = proposal.details
    if mg is None:
        return False
    if "below_mg_per_day" in details:
        return bool(mg < details["below_mg_per_day"])
    limits = ("at_most_mg_per_day", "start_at_most_mg_per_day", "caution_above_mg_per_day")
    bounds = [details[name] for name in limits if name in details]
    return bool(bounds) and bool(mg <= min(bounds))


def _intensity_reasons(medicine: Medicine, need: Reason) -> list[Reason]:
    level = drugs.statin_intensity(medicine.ingredient, medicine.daily_mg)
    if level == "high":
        return []
    dose = "a dose that is not recorded" if medicine.daily_mg is None else f"{medicine.daily_mg} mg a day"
    words = f"{medicine.ingredient} at {dose} is not of high intensity" + (f" ({level} intensity)" if level else "")
    return [replace(need, basis=said(words) + need.basis, safety=False)]


def high_choices(facts: Facts) -> tuple[Choice, ...]:
    """Statins that reach high intensity within the limits of genotype, kidney and medicines: no caution first."""
    found = []
    for name, (lowest, highest) in drugs.high_doses().items():
        if facts.allergy(name).positive:
            continue
        cap, cautions = _limits(facts, name, highest)
        mg = lowest if lowest <= cap else None
        found.append(Choice(name, mg, tuple(cautions)))
    possible = [c for c in found if c.mg is not None]
    return tuple(sorted(possible, key=lambda c: (len(c.cautions), c.name)))


def _limits(facts: Facts, name: str, highest: int) -> tuple[int, list[str]]:
    cap, cautions = highest, []
    for proposal in (p for f in facts.findings for p in f.proposals if p.guideline == GUIDELINE and p.target == name):
        start = proposal.details.get("start_at_most_mg_per_day")
        caution = proposal.details.get("caution_above_mg_per_day")
        if start is not None:
            cap = min(cap, int(start))
            cautions.append(f"by SLCO1B1 begin with at most {start} mg and watch for muscle symptoms")
        elif caution is not None:
            cap = min(cap, int(caution))
    for hit in interactions(facts):
        if hit.entry.get("rule") == "statins" and name in hit.of:
            cap = 0 if hit.bars else min(cap, int(hit.entry["of_above_mg"]))
    kidney = egfr(facts)
    if name == "rosuvastatin" and kidney and kidney[0] < RENAL:
        cap = 0 if kidney[0] < 30 else min(cap, 20)
        cautions.append("at this kidney function the EU label begins with 5 mg")
    if name == "rosuvastatin" and (facts.taking("ticagrelor") or _ticagrelor_is_coming(facts)):
        low = ", which matters more as kidney function is low" if kidney and kidney[0] < RENAL else ""
        cautions.append(f"ticagrelor raises its level{low}")
    return cap, cautions


def _ticagrelor_is_coming(facts: Facts) -> bool:
    from salus.careplan.guidelines import antiplatelet

    drafts = [d for d in antiplatelet.propose(facts) if isinstance(d, Draft)]
    return any("ticagrelor" in d.alternatives for d in drafts)


def _forbidden(name: str, other: str) -> str:
    """Two that must not be taken together are settled today; how, the prescriber decides."""
    if not other:
        return ""
    return (
        f"{name.capitalize()} must not be taken with {other}: replace one of the two; for a short course the "
        f"prescriber may suspend {name}. "
    )


def _window(need: Reason | None, when: str) -> str:
    """When, and what is looked at after the change."""
    if need is None:
        return when
    return f"{when}; lipids 4 to 8 weeks after: with LDL of {LDL_GOAL} mg/dL or more add a non-statin"


def _aged(facts: Facts) -> str:
    above = facts.age is not None and facts.age > AGED
    return f" Above {AGED} years moderate intensity is a reasonable choice too." if above else ""


def _text(
    facts: Facts,
    medicine: Medicine,
    need: Reason | None,
    choices: tuple[Choice, ...],
    changing: list[Proposal],
    against: str,
) -> str:
    name = medicine.ingredient
    if need and choices:
        listed = " or ".join(c.words for c in choices)
        several = len(choices) > 1 and all(c.cautions for c in choices)
        fewest = len(choices) > 1 and len(choices[0].cautions) < len(choices[1].cautions)
        lead = f" Less speaks against {choices[0].name};" if fewest else " Each asks for care:"
        even = f"{lead} prescriber and pharmacist choose." if several else ""
        return f"Change {name} to a high-intensity statin: {listed}.{even}{_aged(facts)}"
    if need:
        return (
            f"Change {name}: no statin reaches high intensity within the limits that apply here. Take the highest "
            "tolerated dose of a suitable statin and add a non-statin."
        )
    if against:
        return "Look for muscle symptoms."
    if changing:
        return f"{changing[0].text} Alternatives: {joined(changing[0].alternatives)}."
    return f"Review the dose of {name}: see the reasons."


def _begin(facts: Facts, need: Reason) -> Draft:
    choices = high_choices(facts)
    listed = " or ".join(c.words for c in choices)
    text = f"Begin a high-intensity statin: {listed}." if listed else "Begin a statin at the highest tolerated dose."
    text += _aged(facts) + pregnancy_words(facts)
    return Draft(
        guideline=need.guideline,
        action="start",
        target="statin",
        tier="medicines",
        order=14,
        text=f"{text} First confirm that none is taken or was not tolerated: none is on the medicine list.",
        patient_text=_PATIENT_START,
        strength=need.strength,
        citation=need.citation,
        basis=need.basis + said("no statin is on the medicine list") + _genes(facts) + _course(facts),
        changes_if="a statin turns out to be taken, was not tolerated before, or a stroke was a bleed",
        window=_window(need, "at the next visit"),
        alternatives=tuple(f"{c.name} {c.mg} mg" for c in choices),
        topic="medicine:statin",
    )


def pregnancy_words(facts: Facts) -> str:
    """A statin is not begun in pregnancy: where it may be, that is asked first."""
    if not may_be_pregnant(facts) or check(facts, "pregnancy").verdict == "clear":
        return ""
    return " Not in pregnancy or while breastfeeding: ask first."


def expecting(facts: Facts, guideline: str) -> Dropped | None:
    """The statin that is not begun because a pregnancy is recorded."""
    found = check(facts, "pregnancy") if may_be_pregnant(facts) else None
    if found is None or found.verdict != "barred":
        return None
    reason = f"not in most pregnancies: {'; '.join(found.basis.words)}"
    return Dropped(f"{guideline}:start:statin", "Begin a statin.", reason, cite("statin-pregnancy-fda-2021"))


def _ask(need: Reason) -> Draft:
    return Draft(
        guideline=need.guideline,
        action="review",
        target="statin",
        tier="medicines",
        order=14,
        text="Find out whether a statin is taken, which and at what dose: high intensity is recommended here.",
        patient_text="Do you take a tablet for high cholesterol? Tell your doctor and bring it to your next visit.",
        strength=need.strength,
        citation=need.citation,
        basis=need.basis + said("what was looked at does not tell which statin is taken, if any"),
        changes_if="a medicine list is recorded",
    )


def _genes(facts: Facts) -> Basis:
    finding = facts.one("slco1b1-phenotype")
    return of_finding(finding) if finding and finding.proposals else Basis()


def _course(facts: Facts) -> Basis:
    """LDL and muscle symptoms, as far as they are recorded."""
    found = Basis()
    ldl = facts.latest("ldl-cholesterol", "mg/dL", "cholesterol")
    if ldl:
        value, observation = ldl
        when = observation.effective.text[:10] if observation.effective else ""
        side = "at or above" if value >= LDL_GOAL else "below"
        found += Basis(
            (f"LDL {value:.0f} mg/dL on {when}, {side} {LDL_GOAL}",), (), (Evidence.of_observation(observation, "LDL"),)
        )
    muscles = facts.about("myopathy", "rhabdomyolysis")
    if muscles.state != "not-recorded":
        found += Basis(muscles.words, muscles.findings, muscles.evidence)
    return found
