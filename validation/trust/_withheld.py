"""How what a patient withholds shows to a reader, for trust checks: denials that tell it, and a slow model of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product

from validation.trust._world import ICD, KINDS, LOINC, READERS, Case, Rule, Thing, closure_of, exception_of, says


def withholding_of(dice: random.Random, at: datetime) -> Rule:
    """A denial of some whole kinds of data, to the reader or to everybody, which most often tells how it shows."""
    actors = None if dice.random() < 0.5 else frozenset(dice.choice([[READERS[0]], [READERS[1]], READERS]))
    purposes = frozenset({"TREAT"}) if dice.random() < 0.2 else None
    kinds = frozenset(dice.choice([["note"], dice.sample(KINDS[1:], dice.randint(1, 2))]))
    shown = dice.choice(["", "flagged", "flagged", "interlock", "interlock", "interlock"])
    root = Rule("deny", actors, purposes, at, kinds=kinds, shown=shown)
    return replace(root, nested=(exception_of(dice, root, 1),) if dice.random() < 0.2 else ())


RULES: Mapping[str, Callable[[random.Random, datetime], Rule]] = {
    "closing": closure_of,
    "withholding": withholding_of,
    "opening": lambda dice, at: Rule("permit", frozenset({READERS[0]}), None, at, kinds=frozenset(KINDS)),
    "interlock": lambda dice, at: Rule("deny", None, None, at, kinds=frozenset({"note"}), shown="interlock"),
}
"""What a patient decides on some occasions."""


def in_conflict(case: Case) -> bool:
    """Whether the record gives clopidogrel and a letter tells of ibuprofen: together they are a severe conflict."""
    given = [t.body["medicationCodeableConcept"]["text"] for t in case.things if "medicationCodeableConcept" in t.body]
    letters = [t.data[1] for t in case.things if t.data is not None and t.data[0] == "note"]
    return "clopidogrel" in given and any(b"Date: 2025" in text and b"ibuprofen" in text for text in letters)


def told_of(case: Case, at: datetime) -> dict[str, set[str]]:
    """The kinds of data that are denied to the reader as a whole, by how that shows: flagged or interlock.

    A reader to whom nothing is permitted, not even a part of a kind, is told nothing.
    """
    found: dict[str, set[str]] = {"flagged": set(), "interlock": set()}
    decided = {kind: _deciding(case, kind, at) for kind in KINDS}
    if not any(answer == "permit" for answer, _ in decided.values()):
        return found
    for kind, (answer, rule) in decided.items():
        if answer == "deny" and rule is not None and rule.shown and kind in (rule.kinds or ()):
            found[rule.shown].add(kind)
    return found


def _deciding(case: Case, kind: str, at: datetime) -> tuple[str | None, Rule | None]:
    """What all consents together say of a kind of data at large, and the rule that decides."""
    newest: dict[str, tuple[int, str, Rule]] = {}
    for said in case.said:
        answer = None if said.ended or said.dated > at else _at_large(said.rule, case, kind, at)
        if answer and (said.signer not in newest or said.order > newest[said.signer][0]):
            newest[said.signer] = (said.order, answer, said.rule)
    if "patient" in newest and newest["patient"][1] == "deny":
        return newest["patient"][1:]
    if any(answer == "deny" for signer, (_, answer, _) in newest.items() if signer != "staff"):
        newest.pop("staff", None)
    return max(newest.values(), key=lambda each: each[0])[1:] if newest else (None, None)


def _at_large(rule: Rule, case: Case, kind: str, at: datetime) -> str | None:
    """What one rule says of a kind: it permits where it permits anything that may be, denies where it denies that which
    only a denial of the whole kind can mean."""
    plain, *others = _probes(kind)
    if any(says(rule, {}, case, thing, kind, at, "read") == "permit" for thing in (plain, *others)):
        return "permit"
    return "deny" if says(rule, {}, case, plain, kind, at, "read") == "deny" else None


@cache
def _probes(kind: str) -> tuple[Thing, ...]:
    """Things of a kind as they may be; the first of a type and a code that no rule names, and of no confidence."""
    named = ["Basic", "Condition", "Observation", "DocumentReference", "MedicationRequest", "List", "DiagnosticReport"]
    codes = [("urn:example", "x"), *((ICD, code) for code in ("B20", "E11.9"))]
    codes += [(LOINC, code) for code in ("2160-0", "4548-4", "69548-6")]
    labels = [("U", ""), ("N", ""), ("R", ""), ("V", ""), ("N", "HIV"), ("N", "SDV"), ("N", "PSY")]
    return tuple(
        Thing(
            {"resourceType": name, "id": "x", "code": {"coding": [{"system": system, "code": code}]}},
            frozenset({kind}),
            frozenset({sensitive} - {""}),
            level,
        )
        for (level, sensitive), name, (system, code) in product(labels, named, codes)
    )
