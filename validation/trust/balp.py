"""AuditEvents of IHE BALP: each is accepted under the profile it is named with, and refused without what that requires.

Reads ``balp/*.json`` (lists of {"id", "profile", "resource"}). What is required is written below, from the FSH of
IHE ITI.BasicAudit (09fe7293) and the FHIR R4 definition of AuditEvent, not taken from the code that is scored. Nothing
requires ``action``: the profiles fix its value and leave it 0..1. A case is an event. Events without one required
element are made here: they are no cases but a condition, ``removals`` of which all have to be refused.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator

from validation._report import FAILURES_SHOWN, Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_BALP = "salus/trust/balp.toml"
MUTANTS = (
    Mutant(_BALP, 'recorded = "1..1 instant"', 'recorded = "0..1 instant"', "an event needs no time"),
    Mutant(_BALP, 'requestor = "1..1 boolean"', 'requestor = "0..1 boolean"', "nobody needs to have asked"),
    Mutant(
        _BALP,
        'DCM = "http://dicom.nema.org/resources/ontology/DCM"',
        'DCM = "http://dicom.nema.org/DCM"',
        "a code system is misspelt",
    ),
)

DATA_ROLE = frozenset({"Create", "PatientCreate", "Update", "PatientUpdate", "Delete", "PatientDelete"})
"""Profiles that ask for a role of the data entity; the Reads do not."""
REST = DATA_ROLE | {"Read", "PatientRead", "Query", "PatientQuery"}
DISCLOSURE = frozenset({"PrivacyDisclosure.Source", "PrivacyDisclosure.Recipient"})
CLIENT_SERVER = frozenset({"110150", "110152", "110153", "custodian"})
USERS = frozenset({"AUT", "INF", "CST", "IRCP"})
"""Types of agents: machines (DICOM, provenance-participant-type) and users (v3-ParticipationType)."""
SENDERS = frozenset({"110152", "110153"})
RELEASERS = frozenset({"429577009", "159541003"})
"""Of a disclosure: source and recipient (DICOM), authorizer and custodian (SNOMED CT)."""


def short(profile: str) -> str:
    return profile.removeprefix("IHE.BasicAudit.")


def codes(element: dict) -> set[str]:
    kind = element.get("type", {})
    return {c.get("code") for c in kind.get("coding", [kind])}


def required(event: dict, profile: str) -> Iterator[tuple]:
    """The path of every element of ``event`` without which it is not what ``profile`` says."""
    yield from [("type",), ("recorded",), ("agent",), ("source",), ("source", "observer")]
    yield from (("agent", n, "requestor") for n in range(len(event["agent"])))
    if profile in REST | DISCLOSURE | {"AuthZconsent"}:
        yield from [("subtype",), ("outcome",), ("entity",)]
        yield from (("subtype", n) for n, s in enumerate(event["subtype"]) if n == 0 or s["code"] == "disclose")
    for n, agent in enumerate(event["agent"]):
        yield from (("agent", n, *rest) for rest in required_of_agent(agent, profile))
    for n, entity in enumerate(event.get("entity", [])):
        yield from (("entity", n, *rest) for rest in required_of_entity(entity, profile))


def required_of_agent(agent: dict, profile: str) -> Iterator[tuple]:
    kinds = codes(agent)
    machines = CLIENT_SERVER if profile in REST else SENDERS if profile in DISCLOSURE else frozenset()
    users = USERS if profile in REST else RELEASERS if profile in DISCLOSURE else frozenset()
    if kinds & machines:
        yield from [(), ("type",), ("who",), ("network",)]
    elif kinds & users:
        yield ("who",)  # there may be none: without its type it is another agent
    elif profile == "AuthZconsent":
        yield from [(), ("type",), ("who",)]
        if "110150" in kinds:
            yield ("network",)
    elif "UserOauthAgent" in kinds:
        yield from [(), ("type",), ("policy",)]


def required_of_entity(entity: dict, profile: str) -> Iterator[tuple]:
    kinds = codes(entity)
    if "1" in kinds and profile in DISCLOSURE | {"AuthZconsent"} | {p for p in REST if p.startswith("Patient")}:
        yield from [(), ("type",), ("role",), ("what",)]
    elif "2" in kinds and profile in REST:
        query = profile.endswith("Query")
        yield from [(), ("type",), ("query",) if query else ("what",)]
        if query or profile in DATA_ROLE:
            yield ("role",)
    elif "Consent" in kinds and profile == "AuthZconsent":
        yield from [(), ("type",), ("what",)]
    elif "XrequestId" in kinds and profile in REST:
        yield ("what", "identifier", "value")


def without(event: dict, path: tuple) -> dict:
    found = copy.deepcopy(event)
    node = found
    for name in path[:-1]:
        node = node[name]
    del node[path[-1]]
    return found


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.errors import InputError
    from salus.trust import audit

    files = sorted((arguments.data / "balp").glob("*.json"))
    given = [(path, case) for path in files for case in json.loads(path.read_text("utf-8"))]
    tally, believed, removed, missed, places = Tally(), [], 0, 0, 0
    for _, case in given:
        event, profile = case["resource"], short(case["profile"])
        try:
            audit.check(event, case["profile"])
        except InputError as error:
            tally.add(case["id"], Outcome.REFUSED_THOUGH_ANSWERABLE, f"refused: {error}")
            continue
        tally.add(case["id"], Outcome.RIGHT)
        for path in dict.fromkeys(required(event, profile)):
            removed += 1
            try:
                audit.check(without(event, path), case["profile"])
            except InputError as error:
                missed += 1
                places += bool(error.where and error.where.startswith("AuditEvent."))
                continue
            believed.append(f"{case['id']} is accepted without {'.'.join(map(str, path))}")
    figures = {"n": tally.n, "passed": tally.passed, "events": len(given), "removals": removed, "refused": missed}
    figures |= {"refused_with_a_path": places, "profiles": len({c["profile"] for _, c in given})}
    figures |= {"accepted_though_incomplete": believed[:FAILURES_SHOWN]}
    return report(
        check="trust.balp",
        tally=tally,
        covers="AuditEvents of IHE BALP are accepted under the profile that they are named with",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["trust.audit"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and missed == removed,
    )


if __name__ == "__main__":
    sys.exit(main())
