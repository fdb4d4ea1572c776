"""Medicines that are taken although something on record speaks against them (tables/cautions.toml)."""

from __future__ import annotations

from salus.careplan.cautions import Caution, cautions
from salus.careplan.draft import Draft, Outcome, cite, of_medicine, said
from salus.findings.strength import Strength
from salus.person.medicines import Medicine
from salus.person.person import Person


def propose(person: Person) -> Outcome:
    """An item for each medicine in use of which an entry with a proposal speaks."""
    for caution in cautions(person):
        if "proposal" in caution.entry:
            for medicine in person.taking(*caution.entry["of"]):
                yield _item(caution, medicine)


def _item(caution: Caution, medicine: Medicine) -> Draft:
    entry, name = caution.entry, medicine.ingredient
    return Draft(
        guideline=str(entry["guideline"]),
        action=entry["action"],
        target=name,
        tier=entry["tier"],
        order=int(entry["order"]),
        text=_sentence(str(entry["proposal"]).format(of=name)),
        patient_text=_sentence(str(entry["patient"]).format(of=name)),
        strength=Strength.of(entry["strength"]),
        citation=cite(str(entry["source"])),
        basis=of_medicine(medicine) + caution.basis + said(caution.text),
        changes_if=str(entry["changes_if"]),
        window="this week" if entry["tier"] == "urgent" else "at the next visit",
        topic=f"medicine:{name}",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
