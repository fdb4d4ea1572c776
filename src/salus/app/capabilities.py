"""What rooms below the findings can do (trust, record, intake), and what the house does with cards, for their cards."""

from __future__ import annotations

from salus.findings.capability import Capability

GOVERNANCE = Capability(
    id="findings.cards",
    version="1.0.0",
    title="Method cards: source attributes, applied model card, bill of materials, trace",
    intended_use=(
        "Let an organisation see, before it uses a method, what it is for, on whom it was measured and what is not "
        "known, in the forms that regulation and the Coalition for Health AI ask for."
    ),
    inputs=("the registry of methods", "what validation measured"),
    produces=("card", "31 source attributes", "applied model card in XML"),
    population="Every method and capability of salus; a stranger's method shows the same card from its own statements.",
    references=(
        "45 CFR 170.315(b)(11)(iv), source attributes of predictive decision support interventions",
        "Coalition for Health AI, applied model card schema v0.2",
    ),
    licence="Apache-2.0",
    limits=(
        "A card repeats what its author states and what was measured; it is no clearance or certification.",
        'Fairness in subgroups and validity in local data read "not provided" until somebody measures them.',
    ),
)
