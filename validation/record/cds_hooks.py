"""CDS Hooks: payloads that HL7's validator judged are read or refused as it says; and consistency with our own cases.

A case is a file of ``cdshooks/*.json``: ``payload`` and ``n_errors``, the number of errors that the validator found.

- right: no error was found, and the payload is read;
- refused rightly: errors were found, and the payload is refused;
- wrong: errors were found, and the payload is read; refused though answerable: none, and it is refused;
- not read: a file without payload or verdict.

Two groups are ours and stand in the figures alone. ``broken``: each payload with one place left out, or given another
type or a wrong value, must be refused. ``cards``: a record is made for each patient-view patient from what the payload
prefetched, and the running server's answer must be read by our own strict reader and hold a card.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.server.application import create
from salus.server.cds_messages import read_request, read_response, read_services
from salus.trust.identity import Actor, Identity
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

READERS: dict[str, Callable[[Any], Any]] = {
    "request": read_request,
    "response": read_response,
    "services": read_services,
}
DEVELOPED = (
    "287cbd7f3f62fe98",
    "0b8abd5ab5fefcce",
    "6de6d8fe22c4ea82",
    "c609b36660c0abd0",
    "4cb52590b4a2f4b7",
    "73c9211056019464",
    "5ba60358b376dc0f",
    "95f8f4446e2b1180",
    "f9588b596948e3d2",
)
"""Files that the readers were made on."""
MESSAGES = "salus/server/cds_messages.py"
MUTANTS = (
    Mutant(MESSAGES, "if hook not in _HOOKS:", "if False:", "any hook is taken"),
    Mutant(MESSAGES, 'if card.get("indicator") not in INDICATORS:', "if False:", "any indicator is taken"),
    Mutant(MESSAGES, 'if bundle["resourceType"] != "Bundle":', "if False:", "draft orders may be anything"),
    Mutant(MESSAGES, "if user_type not in _USERS or not _ID.match(user):", "if user_type not in _USERS:",
           "users without an id are taken"),
    Mutant(MESSAGES, '    if "cards" not in root:\n        noted.append("no cards")',
           '    if "cards" not in root:\n        raise InputError("no cards")', "a response without cards is refused"),
)  # fmt: skip
NOW = datetime(2022, 9, 27, tzinfo=UTC)
BASE = "http://testserver"
WRONG_TYPES = (17, [1], {"x": 1}, True, "")
ID, UUID, URL = "not an id", "not-a-uuid", "no url"
BREAKS: dict[str, dict[tuple[str, ...], tuple[Any, ...]]] = {
    "request": {
        ("hook",): (None, "no-such-hook", *WRONG_TYPES),
        ("hookInstance",): (None, UUID, *WRONG_TYPES),
        ("fhirServer",): (URL, *WRONG_TYPES),
        ("context",): (None, 17, [1], "text", {}),
        ("context", "userId"): (None, "Practitioner", "Nobody/x", *WRONG_TYPES),
        ("context", "patientId"): (None, ID, "Group/x", *WRONG_TYPES),
        ("context", "encounterId"): (ID, *WRONG_TYPES),
        ("context", "selections"): (None, 17, "text", {}, [17], [""]),
        ("context", "draftOrders"): (None, 17, [1], "text", {"resourceType": "Patient"}),
        ("context", "draftOrders", "resourceType"): (None, "Patient", 17),
        ("context", "draftOrders", "entry"): (17, {}, [17], [{}]),
        ("prefetch",): (17, [1], "text", {"item": 17}, {"item": {"id": "x"}}, {"item": [1]}),
    },
    "response": {
        ("cards",): (17, {}, "text", [17], [{}]),
        ("cards", "0", "summary"): (None, *WRONG_TYPES),
        ("cards", "0", "indicator"): (None, "hard-stop", *WRONG_TYPES),
        ("cards", "0", "source"): (None, 17, [1], "text"),
        ("cards", "0", "source", "label"): WRONG_TYPES,
        ("cards", "0", "source", "url"): (URL, *WRONG_TYPES),
        ("cards", "0", "links"): (17, {}, [17], [{}]),
        ("cards", "0", "links", "0", "url"): (None, URL, *WRONG_TYPES),
        ("cards", "0", "suggestions"): (17, {}, [17], [{}]),
        ("cards", "0", "suggestions", "0", "label"): (None, *WRONG_TYPES),
        ("cards", "0", "suggestions", "0", "actions", "0", "type"): (None, "replace", *WRONG_TYPES),
        ("cards", "0", "suggestions", "0", "actions", "0", "description"): (None, *WRONG_TYPES),
        ("cards", "0", "suggestions", "0", "actions", "0", "resource"): (None, 17, [1], {"id": "x"}),
    },
    "services": {
        ("services",): (None, 17, {}, "text", [17], [{}]),
        ("services", "0", "hook"): (None, *WRONG_TYPES),
        ("services", "0", "id"): (None, *WRONG_TYPES),
        ("services", "0", "description"): (None, *WRONG_TYPES),
        ("services", "0", "title"): WRONG_TYPES,
        ("services", "0", "prefetch"): (17, [1], "text", {"x": 17}),
    },
}
"""For each kind of message and place: what it is given instead (None: it is left out)."""


def judge(kind: str, body: Any) -> tuple[Outcome, str]:
    """How a file ends against the validator's verdict, and why."""
    if not isinstance(body, dict) or "payload" not in body or not isinstance(body.get("n_errors"), int):
        return Outcome.NOT_READ, "no payload or no verdict"
    try:
        why = _read(kind, body["payload"])
    except Exception as error:  # noqa: BLE001 - a crash is no refusal
        return Outcome.WRONG, f"broke: {error!r}"
    if body["n_errors"]:
        return (Outcome.REFUSED_RIGHTLY, "") if why else (Outcome.WRONG, "taken, although the validator found errors")
    return (Outcome.REFUSED_THOUGH_ANSWERABLE, why) if why else (Outcome.RIGHT, "")


def main() -> int:
    """Run the check."""
    arguments = argument_parser(str(__doc__).splitlines()[0]).parse_args()
    files = sorted((arguments.data / "cdshooks").glob("*.json"))
    tally = Tally()
    own: dict[str, list[str]] = {"cards": [], "broken": []}  # "" where it passed, else why not
    for path in files:
        body, kind = json.loads(path.read_bytes()), _kind(path.name)
        outcome, why = judge(kind, body)
        tally.add(path.name, outcome, why)
        if outcome is not Outcome.RIGHT:
            continue
        payload = body["payload"]
        if kind == "request" and payload.get("hook") == "patient-view":
            own["cards"].append(_cards(payload))
        own["broken"] += [_refused(kind, twin) for _, twin in _broken(kind, payload)]
    groups = {name: {"n": len(whys), "passed": whys.count("")} for name, whys in own.items()}
    for name, whys in own.items():
        tally.failures += [{"id": name, "outcome": "own", "why": why} for why in whys if why][:5]
    enough = all(g["n"] == g["passed"] for g in groups.values()) and len(own["broken"]) >= 30 and len(own["cards"]) >= 1
    return report(
        check="record.cds_hooks",
        tally=tally,
        data=arguments.data,
        covers="the few payloads that HL7's validator passes are read by salus too; that wrong ones are refused is "
        "shown "
        "on breakages of our own alone",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            "n": tally.n,
            "passed": tally.passed,
            "payloads": {"n": tally.n, "passed": tally.passed},
            **groups,
        },
        methods=["server.fhir"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and enough,
    )


def _kind(name: str) -> str:
    return next((kind for kind in READERS if f"-{kind}-" in name), "request")


def _read(kind: str, payload: Any) -> str:
    """Why a payload is refused; "" where it is taken. Raises what is no refusal."""
    try:
        READERS[kind](payload)
    except InputError as error:
        return str(error) or "refused"
    return ""


def _refused(kind: str, payload: Any) -> str:
    """Why a broken payload is not refused as it should be; "" where it is."""
    try:
        return "" if _read(kind, payload) else "taken, although it is broken"
    except Exception as error:  # noqa: BLE001 - a crash is no refusal
        return f"broke: {error!r}"


def _broken(kind: str, payload: Any) -> Iterator[tuple[str, Any]]:
    for path, values in BREAKS[kind].items():
        for value in values:
            twin = copy.deepcopy(payload)
            if (place := _place(twin, path)) is None:
                continue
            holder, key = place
            if value is None:
                del holder[key]
            else:
                holder[key] = value
            if twin != payload:
                yield f"{'.'.join(path)} = {'(left out)' if value is None else repr(value)}", twin


def _place(value: Any, path: tuple[str, ...]) -> tuple[Any, Any] | None:
    """The object or list that holds the last step of ``path``, and that step; None where there is none."""
    for number, step in enumerate(path):
        key: Any = int(step) if step.isdigit() else step
        there = isinstance(value, list) and isinstance(key, int) and key < len(value)
        if not there and not (isinstance(value, dict) and key in value):
            return None
        if number == len(path) - 1:
            return value, key
        value = value[key]
    return None


def _cards(payload: Any) -> str:
    """Ask the server about a record made of what the payload prefetched; "" when its answer is a valid response."""
    from starlette.testclient import TestClient

    asked = read_request(payload)
    with tempfile.TemporaryDirectory() as folder:
        people = {name: Identity.generate(name) for name in ("operator", "clinician", "patient")}
        with House.create(at_folder(Path(folder) / "house"), alone=True, clock=lambda: NOW) as house:
            for name, kind, patient in (
                ("operator", "operator", ""),
                ("clinician", "practitioner", ""),
                ("patient", "patient", asked.patient),
            ):
                house.add_actor(Actor(name, kind, people[name].public_key, patient=patient), by="operator")
            file = Path(folder) / "in" / "record.json"
            file.parent.mkdir()
            file.write_bytes(json.dumps(_record(payload, asked.patient)))
            taken = Intake(Session(house, people["operator"])).run([file])
            if any(t.error for t in taken):
                return f"the record could not be made: {taken[0].error}"
            Session(house, people["patient"]).give_consent(
                asked.patient, NOW, actors=["clinician"], categories=CATEGORIES
            )
            application = create(house.configuration, base=BASE, clock=lambda: NOW)
            signed = assertion(people["clinician"], f"{BASE}/cds-services/salus-plan", NOW)
            with TestClient(application) as http:
                headers = {"Authorization": f"Bearer {signed}", "Content-Type": "application/json"}
                answer = http.post("/cds-services/salus-plan", content=json.dumps(payload), headers=headers)
            if answer.status_code != 200:
                return f"status {answer.status_code}"
            try:
                read_response(answer.json(), strict=True)
            except InputError as error:
                return str(error)
            return "" if answer.json()["cards"] else "no cards"


def _record(payload: Any, patient: str) -> Any:
    """A Bundle of the prefetched resources, with the Patient where none was prefetched."""
    found = []
    for item in payload.get("prefetch", {}).values():
        resource = item.get("resource", item) if isinstance(item, dict) else None
        if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
            found += [e["resource"] for e in resource.get("entry", []) if "resource" in e]
        elif isinstance(resource, dict) and "resourceType" in resource:
            found.append(resource)
    if not any(r["resourceType"] == "Patient" for r in found):
        found.append({"resourceType": "Patient", "id": patient})
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in found]}


if __name__ == "__main__":
    sys.exit(main())
