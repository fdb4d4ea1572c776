"""What the composer of plans does, for its card."""

from __future__ import annotations

from salus.findings.capability import Capability

PLAN = Capability(
    id="careplan.plan",
    version="2.0.0",
    title="Personal care plan of treatment and prevention",
    intended_use=(
        "Show a professional, in one list with its evidence, what guidelines say for this person by history, results, "
        "medicines, genes and wishes, and what has to be known first. It proposes; a person decides."
    ),
    inputs=("the person: diagnoses, medicines, allergies, relatives, newest results", "findings of methods", "goals"),
    produces=("plan items with strength, reasons and alternatives", "what is not assessable", "what is not understood"),
    population="Adults. Recommendations of the guidelines that each item names; what no rule covers is listed.",
    references=("Every item cites its guideline or label; careplan/tables/sources.toml lists them all",),
    licence="Apache-2.0",
    limits=(
        "Cardiovascular disease, its prevention, kidney disease and the medicines for them; not a whole textbook.",
        "While a diagnosis, procedure, allergy or medicine cannot be read, no new medicine is begun: that comes first.",
        "The cases of its check were known while rules were written: they show that faults are mended, no rate.",
    ),
)
