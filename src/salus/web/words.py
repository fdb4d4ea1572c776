"""The pages' own words for codes that a person would not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CATEGORIES = {
    "record": ("Health record", "diagnoses, medicines, allergies, laboratory values"),
    "genome": ("Genes", "results of genetic tests"),
    "image": ("Images", "X-ray, CT and other pictures"),
    "signal": ("Measurements", "ECG, home blood pressure, watch"),
    "note": ("Notes and letters", "what doctors and nurses wrote"),
}
"""Kinds of data: title, and what is in it."""

PURPOSES = {
    "TREAT": "treatment",
    "PATRQT": "own request",
    "HRESCH": "research",
    "HOPERAT": "operations of the house",
    "HPAYMT": "payment",
    "ETREAT": "emergency treatment",
    "PUBHLTH": "public health",
    "processing": "keeping findings up to date",
}
"""Purposes of use: HL7 v3 ActReason, and the house's own."""

BASES = {
    "consent": "your consent",
    "self": "your own record",
    "service": "the house's own service",
    "treatment": "a policy for treatment",
    "vital interest": "a policy for emergencies",
    "public health": "a policy for public health",
    "legal duty": "a legal duty",
    "custodian": "filing",
}
KINDS = {
    "practitioner": "health professional",
    "organisation": "organisation",
    "operator": "operator of this house",
    "patient": "patient",
    "proxy": "speaks for a patient",
}
SHOWN = {
    "hidden": (
        "Nothing",
        "Plans and searches look as if there were no such data, and others do not see this decision.",
        "it does not show",
    ),
    "flagged": (
        "That you keep it back",
        "They read that you withhold this kind of data, not whether there are any: they can ask you.",
        "they are told that you keep it back",
    ),
    "interlock": (
        "Only a severe conflict",
        "salus checks your medicines against these data, too. Where something is dangerous, it says one sentence, "
        "which is always the same: there is a severe conflict, ask the patient. Else nothing shows.",
        "they are told only of a severe conflict",
    ),
}
"""How what a patient withholds shows: the choice, what it means, and a clause for a list."""
WHOSE = {"others": "Other people", "own": "You", "house": "salus itself"}


def categories(codes: Iterable[str]) -> str:
    """Kinds of data in words, in their usual order; "everything" for all of them."""
    given = set(codes)
    if given >= set(CATEGORIES):
        return "everything"
    titles = [title.lower() for code, (title, _) in CATEGORIES.items() if code in given]
    return listed([*titles, *sorted(given - set(CATEGORIES))])


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def purposes(codes: Iterable[str]) -> str:
    """Purposes in words; "any purpose" where none is named."""
    return ", ".join(PURPOSES.get(c, c) for c in codes) or "any purpose"


def bases(codes: Iterable[str]) -> str:
    """Bases of access in words."""
    return ", ".join(BASES.get(c, c) for c in codes)
