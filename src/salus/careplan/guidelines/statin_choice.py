"""Which statins reach high intensity: by genotype, kidney, allergies, and all that is taken or offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salus.careplan.draft import Draft
from salus.careplan.guidelines.filtration import kidney_function
from salus.careplan.safety import interactions
from salus.person.person import Person
from salus.terminology import classes

GUIDELINE = "cpic-slco1b1-statins-2022"
RENAL = 60
"""eGFR below which the EU label of rosuvastatin bars 40 mg and begins with 5 mg."""


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


def high_choices(person: Person, drafts: Sequence[Draft]) -> tuple[Choice, ...]:
    """Statins that reach high intensity within the limits of genotype, kidney and medicines: no caution first.

    ``drafts`` are the proposals of all rules: a medicine that one of them offers is reckoned with.
    """
    found = []
    for name, (lowest, highest) in classes.high_doses().items():
        if person.allergy(name).positive:
            continue
        cap, cautions = _limits(person, drafts, name, highest)
        mg = lowest if lowest <= cap else None
        found.append(Choice(name, mg, tuple(cautions)))
    possible = [c for c in found if c.mg is not None]
    return tuple(sorted(possible, key=lambda c: (len(c.cautions), c.name)))


def _limits(person: Person, drafts: Sequence[Draft], name: str, highest: int) -> tuple[int, list[str]]:
    cap, cautions = highest, []
    for proposal in (p for f in person.findings for p in f.proposals if p.guideline == GUIDELINE and p.target == name):
        start = proposal.details.get("start_at_most_mg_per_day")
        caution = proposal.details.get("caution_above_mg_per_day")
        if start is not None:
            cap = min(cap, int(start))
            cautions.append(f"by SLCO1B1 at most {start} mg at first; watch for muscle symptoms")
        elif caution is not None:
            cap = min(cap, int(caution))
    for hit in interactions(person):
        if hit.entry.get("rule") == "statins" and name in hit.of:
            cap = 0 if hit.bars else min(cap, int(hit.entry["of_above_mg"]))
    kidney = kidney_function(person)
    if name == "rosuvastatin" and kidney is None:
        cautions.append("kidney function is not known, which limits its dose")
    if name == "rosuvastatin" and kidney and kidney[0] < RENAL:
        cap = 0 if kidney[0] < 30 else min(cap, 20)
        cautions.append("at this kidney function the first dose of the EU label is 5 mg")
    if name == "rosuvastatin" and (person.taking("ticagrelor") or _offered(drafts, "ticagrelor")):
        low = ", which matters more as kidney function is low" if kidney and kidney[0] < RENAL else ""
        cautions.append(f"ticagrelor raises its level{low}")
    return cap, cautions


def _offered(drafts: Sequence[Draft], medicine: str) -> bool:
    return any(medicine in d.alternatives for d in drafts)
