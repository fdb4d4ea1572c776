"""Proposals of findings that no rule of its own handles: taken over when they apply to this person."""

from __future__ import annotations

from salus.careplan.draft import Draft, Outcome, of_finding, of_medicine, said, total
from salus.careplan.facts import Facts
from salus.careplan.model import Dropped
from salus.findings.model import Finding, Proposal

HANDLED = ("cpic-cyp2c19-clopidogrel-2022", "cpic-slco1b1-statins-2022")
"""Guidelines whose proposals other rules take."""

ORDER = 50


def propose(facts: Facts) -> Outcome:
    """Each proposal once, with every finding that made it."""
    made: dict[str, list[tuple[Proposal, Finding]]] = {}
    for finding in facts.findings:
        for proposal in finding.proposals:
            if proposal.guideline not in HANDLED:
                made.setdefault(proposal.key, []).append((proposal, finding))
    for key in sorted(made):
        yield _judged(facts, [p for p, _ in made[key]], [f for _, f in made[key]])


def _judged(facts: Facts, proposals: list[Proposal], findings: list[Finding]) -> Draft | Dropped:
    proposal = proposals[0]
    medicine = proposal.details.get("when", {}).get("medicine", "")
    taken = facts.taking(medicine) if medicine else ()
    if medicine and not taken:
        reason = f"{medicine} is not on the medicine list"
        return Dropped(proposal.key, proposal.text, reason, proposal.citation)
    barred = [a for c in proposal.contraindications if (a := facts.about(c)).positive]
    if barred:
        reason = "contraindicated: " + "; ".join(w for a in barred for w in a.words)
        return Dropped(proposal.key, proposal.text, reason, proposal.citation)
    unknown = [c for c in proposal.contraindications if not facts.about(c).excluded]
    confirm = f" First confirm that there is no {' or '.join(n.replace('-', ' ') for n in unknown)}." if unknown else ""
    basis = total([said(proposal.indication), *map(of_finding, findings), *map(of_medicine, taken)])
    return Draft(
        guideline=proposal.guideline,
        action=proposal.action,
        target=proposal.target,
        tier=proposal.tier,
        order=ORDER,
        text=proposal.text + confirm,
        patient_text=proposal.patient_text,
        strength=proposal.strength,
        citation=proposal.citation,
        basis=basis,
        changes_if=proposal.changes_if or "a newer result is recorded",
        window=proposal.window,
        alternatives=proposal.alternatives,
    )
