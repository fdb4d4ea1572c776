"""Proposals of findings that no rule of its own handles: taken over when they apply to this person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from salus.careplan.draft import Draft, Outcome, of_finding, of_medicine, said, total
from salus.careplan.model import Dropped
from salus.careplan.resolve import merged
from salus.findings.model import Finding, Proposal
from salus.person.person import Person

HANDLED = ("cpic-cyp2c19-clopidogrel-2022", "cpic-slco1b1-statins-2022")
"""Guidelines whose proposals other rules take."""

ORDER = 50
ORDERS = {"kidney-function-decline": 3}
"""Targets that come before what depends on them: the cause of a fall is looked for before medicines are begun."""
ENOUGH = 3
TOGETHER = "missing-inputs"
SAME_TEST = {"egfr": "creatinine"}
"""Inputs that are obtained by the test of another target."""
GAPS = (
    "Some facts about you are missing. Ask your doctor which tests and questions can fill the gaps at your next visit."
)


def propose(person: Person) -> Outcome:
    """Each proposal once, with every finding that made it."""
    made: dict[str, list[tuple[Proposal, Finding]]] = {}
    for finding in person.findings:
        for proposal in finding.proposals:
            if proposal.guideline not in HANDLED:
                made.setdefault(proposal.key, []).append((proposal, finding))
    drafts = [_judged(person, [p for p, _ in made[key]], [f for _, f in made[key]]) for key in sorted(made)]
    asked = {key: proposals[0][0] for key, proposals in made.items()}
    yield from _bundled(drafts, frozenset(f.sentence for f in person.findings), asked)


def _bundled(drafts: list[Draft | Dropped], told: frozenset[str], asked: Mapping[str, Proposal]) -> Outcome:
    """Three or more missing inputs of one guideline become one item: one visit can obtain them.

    ``told`` are the sentences of the findings, which say of all inputs together what each reason says of one; ``asked``
    holds the proposals by key.
    """
    groups: dict[str, list[Draft]] = {}
    for draft in drafts:
        if isinstance(draft, Draft) and draft.tier == "missing-data" and draft.action == "measure":
            groups.setdefault(draft.guideline, []).append(draft)
    bundles = [g for g in groups.values() if len(g) >= ENOUGH]
    joining: dict[str, list[Draft]] = {}
    for draft in drafts:
        bundle = _asking_too(draft, bundles)
        if isinstance(draft, Draft) and bundle:
            joining.setdefault(bundle[0].guideline, []).append(draft)
            yield merged(draft, replace(bundle[0], target=TOGETHER).key)
    for draft in drafts:
        group = groups.get(draft.guideline, []) if isinstance(draft, Draft) else []
        if any(draft in joined for joined in joining.values()):
            continue
        if not isinstance(draft, Draft) or len(group) < ENOUGH or draft not in group:
            yield draft
        elif draft is group[0]:
            yield _one_of(group, told, joining.get(draft.guideline, []), asked)


def _asking_too(draft: Draft | Dropped, bundles: list[list[Draft]]) -> list[Draft] | None:
    """The bundle that asks for the same test as ``draft``; None where none does, or ``draft`` is of a bundle itself."""
    if not isinstance(draft, Draft) or draft.action != "measure" or draft.tier != "missing-data":
        return None
    if any(draft in bundle for bundle in bundles):
        return None
    return next((g for g in bundles if any(_test(d) == _test(draft) for d in g)), None)


def _test(draft: Draft) -> str:
    return SAME_TEST.get(draft.target, draft.target)


def _one_of(group: list[Draft], told: frozenset[str], joining: list[Draft], asked: Mapping[str, Proposal]) -> Draft:
    """Several missing inputs as one item. What is asked stands in each proposal's ``details``: a common "purpose", the
    "step" that obtains the input, and under "unknown" the input of which no more is to be said than that."""
    first, proposals = group[0], [asked[d.key] for d in group]
    purposes = {p.details.get("purpose") for p in proposals}
    purpose = purposes.pop() if len(purposes) == 1 else None
    steps = [
        p.details.get("step", d.text.rstrip(".")) if purpose else d.text.rstrip(".")
        for p, d in zip(proposals, group, strict=True)
    ]
    bare = [p for p in proposals if "unknown" in p.details]
    together = total(d.basis for d in (*group, *joining))
    others = [w for w in together.words if w not in told and w not in {p.indication for p in bare}]
    unknown = [f"not known: {'; '.join(str(p.details['unknown']) for p in bare)}"] if bare else []
    citations = dict.fromkeys(d.citation for d in (first, *joining))
    return replace(
        first,
        target=TOGETHER,
        text=f"{f'{purpose}: ' if purpose else ''}{'; '.join(dict.fromkeys(steps))}.",
        patient_text=GAPS,
        citation="; ".join(citations),
        basis=replace(together, words=(*unknown, *others) or ("inputs are missing",)),
        changes_if="these are recorded",
        window="at the next visit",
    )


def _judged(person: Person, proposals: list[Proposal], findings: list[Finding]) -> Draft | Dropped:
    proposal = proposals[0]
    medicine = proposal.details.get("when", {}).get("medicine", "")
    taken = person.taking(medicine) if medicine else ()
    if medicine and not taken:
        known = person.surely_without(medicine)
        reason = f"{medicine} is not on the medicine list" if known else f"{medicine} is not known to be taken"
        return Dropped(proposal.key, proposal.text, reason, proposal.citation)
    barred = [a for c in proposal.contraindications if (a := person.about(c)).positive]
    if barred:
        reason = "contraindicated: " + "; ".join(w for a in barred for w in a.words)
        return Dropped(proposal.key, proposal.text, reason, proposal.citation)
    unknown = [c for c in proposal.contraindications if not person.about(c).excluded]
    confirm = f" First confirm that there is no {' or '.join(n.replace('-', ' ') for n in unknown)}." if unknown else ""
    basis = total([said(proposal.indication), *map(of_finding, findings), *map(of_medicine, taken)])
    return Draft(
        guideline=proposal.guideline,
        action=proposal.action,
        target=proposal.target,
        tier=proposal.tier,
        order=ORDERS.get(proposal.target, ORDER),
        text=proposal.text + confirm,
        patient_text=proposal.patient_text,
        strength=proposal.strength,
        citation=proposal.citation,
        basis=basis,
        changes_if=proposal.changes_if or "a newer result is recorded",
        window=proposal.window,
        alternatives=proposal.alternatives,
    )
