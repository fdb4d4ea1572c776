"""Pairs of medicines from the table, and two medicines of one class."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from salus.careplan.draft import Draft, Outcome, cite, of_medicine, said, total
from salus.careplan.guidelines.common import joined
from salus.careplan.safety import Hit, interactions
from salus.findings.strength import Grade, Strength
from salus.person.medicines import Medicine
from salus.person.person import Person

DOUBLED = {
    "statin": "statins",
    "p2y12-inhibitor": "P2Y12 inhibitors",
    "ppi": "acid blockers of one kind",
    "ace-inhibitor": "ACE inhibitors",
    "arb": "angiotensin receptor blockers",
    "nsaid": "pain killers of the NSAID kind",
    "anticoagulant": "anticoagulants",
    "beta-blocker": "beta blockers",
    "sglt2-inhibitor": "SGLT2 inhibitors",
}
"""Classes of which two at once are a mistake until somebody says otherwise."""
COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
DANGEROUS = frozenset({"p2y12-inhibitor", "anticoagulant", "nsaid"})


def propose(person: Person) -> Outcome:
    """An item for each pair that applies and no other rule weighs, and for each doubled class."""
    for hit in interactions(person):
        if "proposal" not in hit.entry:
            continue
        for medicine in person.medicines:
            concerned = any(medicine.drug.is_a(name) for name in hit.entry["of"])
            listed = medicine.in_use and bool(medicine.drug.classes)
            if listed and concerned and medicine != hit.other and not _small(hit, medicine):
                yield _pair(hit, medicine)
    for name, words in DOUBLED.items():
        taken = person.taking(name)
        if len({m.drug.ingredients for m in taken if m.drug.ingredients}) > 1:
            yield _doubled(name, words, taken)


def _small(hit: Hit, medicine: Medicine) -> bool:
    """Whether the dose is within the limit of the pair. Of an unknown one the strength tells."""
    limit = hit.entry.get("of_above_mg")
    mg = medicine.daily_mg if medicine.daily_mg is not None else _strength(medicine)
    return limit is not None and mg is not None and mg <= limit


def _strength(medicine: Medicine) -> Decimal | None:
    return medicine.drug.strength if medicine.drug.strength is not None else medicine.daily.strength_mg


def _pair(hit: Hit, medicine: Medicine) -> Draft:
    entry = hit.entry
    names = {"of": medicine.ingredient, "with": hit.other.ingredient}
    text = str(entry["proposal"])
    if "of_above_mg" in entry and medicine.daily_mg is None and _strength(medicine) is None:
        text = "Find out which dose of {of} is taken: " + hit.text + "."
    return Draft(
        guideline=str(entry["guideline"]),
        action=entry["action"],
        target=medicine.ingredient,
        tier=entry["tier"],
        order=int(entry["order"]),
        text=text.format(**names),
        patient_text=_sentence(str(entry["patient"]).format(**names)),
        strength=Strength.of(entry["strength"]),
        citation=cite(str(entry["source"])),
        basis=of_medicine(medicine) + of_medicine(hit.other) + said(hit.text),
        changes_if=str(entry["changes_if"]),
        alternatives=tuple(entry.get("alternatives", ())),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _doubled(name: str, words: str, taken: tuple[Medicine, ...]) -> Draft:
    ingredients = tuple(dict.fromkeys(m.ingredient for m in taken))
    listed = joined(ingredients, "and")
    count = COUNTS[len(ingredients)] if len(ingredients) < len(COUNTS) else str(len(ingredients))
    sure = len({m.ingredient for m in taken if not m.stale}) > 1
    reasons = total(map(of_medicine, taken))
    return Draft(
        guideline="salus-medicine-list",
        action="review",
        target=f"two-{name}",
        tier="urgent" if name in DANGEROUS else "medicines",
        order=25,
        text=f"{count} {words} are listed as taken: {listed}. Find out which one is meant.",
        patient_text=(
            f"Your list shows {listed}. They work in the same way. Please ask your doctor or pharmacist which one is "
            "meant for you."
        ),
        strength=Strength(Grade.RECOMMENDED, "duplicate therapy"),
        citation="rule of salus: two medicines of one class are a mistake until somebody says otherwise",
        basis=replace(reasons, stale=()) if sure else reasons,
        changes_if="only one of them is still taken",
    )
