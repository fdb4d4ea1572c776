"""Consent decisions against two published sets: requests for data at large with obligations, and resource by resource.

Cases are found by their form. ``*cases.jsonl``: rows with ``consents``, ``query`` and an expected decision with
obligations (CONSENT_PERMIT, CONSENT_DENY, NO_CONSENT; REDACT with ``codes`` or ``exceptAnyOfCodes``).
``*decisions.jsonl`` beside ``*consents.json`` and ``*groups.json``: rows with one resource, recipient and purpose.
The one set names actors by identifiers, the other by references: a request carries both.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

DEVELOPED = ("4391ac2bd0b1e4a3", "0539fdd39bf6fbc9", "b1a171ba9fc8f0b7", "d1f02feae181d7d4")
"""The decisions were built with these files at hand."""
_PROVISIONS = "salus/trust/provisions.py"
MUTANTS = (
    Mutant(
        _PROVISIONS, "rule.end and at >= rule.end", "rule.end and at < rule.end", "a consent holds after its end only"
    ),
    Mutant(
        _PROVISIONS, "    if permit and speaks:\n        return permit\n", "", "exceptions that permit are overlooked"
    ),
    Mutant(_PROVISIONS, "if barred:", "if False:", "a denial of everything bars nothing"),
    Mutant(
        _PROVISIONS,
        "rule.purposes.isdisjoint(PURPOSES",
        "False and rule.purposes.isdisjoint(PURPOSES",
        "every purpose will do",
    ),
    Mutant(
        _PROVISIONS, "if c.element not in elements) + own", ") + own", "an exception keeps the data named around it"
    ),
)

ANSWERS = {"permit": "CONSENT_PERMIT", "deny": "CONSENT_DENY", "no-consent": "NO_CONSENT"}


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def names_of(reference: str, resource: dict) -> set[str]:
    """Reference and identifiers of an actor."""
    from salus.trust.datatypes import identifier

    return {reference} | {identifier(i["system"], i["value"]) for i in resource.get("identifier", [])}


def spelled(element: str, value: str) -> str:
    """A value of a condition as ``system|code``."""
    from salus.trust.consent_forms import RESOURCE_TYPES
    from salus.trust.labels import CONFIDENTIALITY, CONFIDENTIALITY_SYSTEM, SENSITIVITY_SYSTEM

    if element == "labels":
        return f"{CONFIDENTIALITY_SYSTEM if value in CONFIDENTIALITY else SENSITIVITY_SYSTEM}|{value}"
    return value if "|" in value else f"{RESOURCE_TYPES}|{value}"


def merged(duties: list[tuple[str, str, frozenset[str]]]) -> set[tuple[str, str, frozenset[str]]]:
    """Duties to leave out what carries any of some codes are one: both ways of writing say the same."""
    codes = {
        code: frozenset(c for k, n, cs in duties if (k, n) == (code, "codes") for c in cs) for code, _, _ in duties
    }
    return {d for d in duties if d[1] != "codes"} | {(k, "codes", cs) for k, cs in codes.items() if cs}


def obligations_of(decision) -> set[tuple[str, str, frozenset[str]]] | None:
    """(code, parameter, codes); None for an obligation that the set's form cannot say."""
    found = []
    for duty in decision.obligations:
        if bool(duty.where) == bool(duty.unless):
            return None
        groups = [duty.where] if duty.where else duty.unless
        if any(len(g) != 1 or g[0].element not in ("labels", "classes", "codes") for g in groups):
            return None
        codes = frozenset(spelled(g[0].element, value) for g in groups for value in g[0].values)
        found.append((duty.code, "codes" if duty.where else "exceptAnyOfCodes", codes))
    return merged(found)


def expected_obligations(row: dict) -> set[tuple[str, str, frozenset[str]]]:
    return merged(
        [
            (o["id"]["code"], name, frozenset(f"{c['system']}|{c['code']}" for c in codes))
            for o in row["expect"].get("obligations", [])
            for name, codes in o["parameters"].items()
        ]
    )


def at_large(row: dict):
    """The decision on one row of ``*cases.jsonl``: the newest consent that speaks of the request decides."""
    from salus.trust import provisions
    from salus.trust.consent_forms import read
    from salus.trust.datatypes import identifier

    query = row["query"]
    told = query["actor"] if isinstance(query["actor"], list) else [query["actor"]]
    asked = {identifier(a["system"], a["value"]) for a in told}
    actors = set(asked)
    for reference, resource in row["actor_resources"].items():
        names = names_of(reference, resource)
        actors |= names if names & asked else set()
    request = provisions.AccessRequest(
        frozenset(actors), query.get("purposeOfUse", ""), "access", datetime.fromisoformat(row["now"])
    )
    forms = [form for entry in row["consents"] if (form := read(entry["resource"]))]
    found = [(form, provisions.decide(form, request)) for form in forms]
    speaking = [(f, d) for f, d in found if d.answer != "no-consent"]
    decision = max(speaking, key=lambda pair: pair[0].dated.start)[1] if speaking else provisions.Decision("no-consent")
    return decision, forms, request


def check_at_large(row: dict, timed: list) -> str:
    """What is wrong with the decision on a row, "" when nothing is."""
    decision, forms, request = at_large(row)
    timed.extend((form, request) for form in forms)
    if ANSWERS[decision.answer] != row["expect"]["decision"]:
        return f"{decision.answer}, not {row['expect']['decision']}"
    if "obligations" in row["expect"] and obligations_of(decision) != expected_obligations(row):
        return f"obligations {obligations_of(decision)}"
    return ""


def one_resource(row: dict, consents: dict[str, dict], groups: dict[str, list[str]]):
    """The decision on one row of ``*decisions.jsonl``."""
    from salus.fhir import dates
    from salus.trust import provisions
    from salus.trust.consent_forms import read
    from salus.trust.resource_facts import ResourceFacts

    resource = row["resource"]
    facts = ResourceFacts(
        ref=resource["id"],
        type=resource["id"].partition("/")[0],
        labels=frozenset({resource["conf"], *resource["labels"]}),
        authors=frozenset({resource["author"]}),
        authored=dates.parse(resource["authored"]),
        contexts=frozenset({resource["encounter"]} if resource["encounter"] else ()),
        refers_to=frozenset({resource["encounter"]} if resource["encounter"] else ()),
        referred_by=frozenset(),
        codes=frozenset(),
        documents=frozenset(),
    )
    request = provisions.AccessRequest(
        frozenset({row["recipient"]}),
        row["purpose"],
        "access",
        datetime.fromisoformat(row["now"]),
        organisations=frozenset(g for g, members in groups.items() if row["recipient"] in members),
        resource=facts,
    )
    form = read(consents[row["consent"]])
    return provisions.decide(form, request) if form else provisions.Decision("no-consent"), form, request


def check_one_resource(row: dict, consents: dict[str, dict], groups: dict[str, list[str]], timed: list) -> str:
    decision, form, request = one_resource(row, consents, groups)
    timed.extend([(form, request)] if form else [])
    told = "permit" if decision.answer == "permit" else "not-permitted"
    return "" if told == row["expect"] else f"{decision.answer}, not {row['expect']}"


def cost(timed: list) -> float:
    """Microseconds of CPU of a decision over three consents: three times the mean over all consents and requests."""
    from salus.trust import provisions

    rounds = max(1, 20_000 // len(timed))
    start = time.process_time()
    for _ in range(rounds):
        for form, request in timed:
            provisions.decide(form, request)
    return 3 * (time.process_time() - start) / (rounds * len(timed)) * 1e6


def beside(path: Path, pattern: str) -> object:
    """The one JSON file beside ``path`` of this form; None when there is none."""
    found = sorted(path.parent.glob(pattern))
    return json.loads(found[0].read_text("utf-8")) if len(found) == 1 else None


def score(tally: Tally, name: str, check: Callable[..., str], *given) -> None:
    """Count one case. Every row expects a decision: a refusal to read its consents is one though answerable."""
    from salus.errors import SalusError

    try:
        why = check(*given)
    except SalusError as error:
        tally.add(name, Outcome.REFUSED_THOUGH_ANSWERABLE, f"refused: {error}")
    else:
        tally.add(name, Outcome.WRONG if why else Outcome.RIGHT, why)


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    tally, files, large, single = Tally(), [], [], []
    for path in sorted(arguments.data.rglob("*cases.jsonl")):
        found = [row for row in rows(path) if {"consents", "query", "expect"} <= row.keys()]
        files += [path] if found else []
        for row in found:
            score(tally, f"{path.parent.name}: {row['fhir']} {row['name']}", check_at_large, row, large)
    for path in sorted(arguments.data.rglob("*decisions.jsonl")):
        listed, groups = beside(path, "*consents.json"), beside(path, "*groups.json") or {}
        if not isinstance(listed, list):
            continue
        consents = {entry["id"]: entry["resource"] for entry in listed}
        files += [path, *path.parent.glob("*consents.json"), *path.parent.glob("*groups.json")]
        for number, row in enumerate(rows(path)):
            name = f"{path.parent.name}: row {number} {row['consent']}"
            score(tally, name, check_one_resource, row, consents, groups, single)
    figures = {"n": tally.n, "passed": tally.passed}
    for name, timed in (("at_large", large), ("one_resource", single)):
        figures |= {f"{name}_three_consents_us": cost(timed)} if timed else {}
    return report(
        check="trust.consent",
        tally=tally,
        covers="FHIR Consents are decided as IHE's guide and LEAP's service decide them",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["trust.consent"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
