"""Erasure on Synthea patients: every second one is erased; nothing of them can be read, everything else verifies.

Of an erased patient: no call reads the record, no sealed body of it is left in the store's files, a copy of the store
made before cannot be opened with the keys of today. Of the others: every body is what it was. The log extends the
checkpoint kept before, and a proof made before still checks.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from salus.app import erasure
from salus.app.house import House
from salus.app.intake import Intake
from salus.app.session import Session
from salus.errors import SalusError
from salus.trust import proof
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from validation._report import argument_parser, report
from validation.record.synthea import open_house


def bodies(house: House, patient: str) -> list[bytes]:
    """Every body of a patient, opened."""
    scope = Grant("validation", patient, "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
    return [s.data for s in house.store.read(scope)]


def sealed(house: House, patient: str) -> list[bytes]:
    rows = house.store.connection.execute(
        "SELECT r.body FROM resource r JOIN patient p ON p.pid = r.pid WHERE p.id = ?", (patient,)
    )
    return [row[0] for row in rows]


def problems(house: House, old: Path, patient: str, mine: list[bytes], session: Session) -> str:
    """What is still there of an erased patient. "" when nothing is."""
    try:
        session.open(patient, house.clock())
        return "the record can be opened"
    except SalusError:
        pass
    files = b"".join(p.read_bytes() for p in house.configuration.store.iterdir() if p.is_file())
    if any(body in files for body in mine):
        return "sealed bodies are left in the store"
    before = sum(body in old.read_bytes() for body in mine)
    if not before:
        return "the copy made before does not hold what was to be erased: nothing was tested"
    try:
        house.vault.unseal(patient, mine[0], b"")
        return "a key is left"
    except SalusError:
        return ""


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("synthea/*.ndjson.gz"))
    failures: list[dict[str, Any]] = []
    names: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        house, operator, clinician = open_house(Path(folder) / "house")
        with house:
            for path in files:
                Intake(operator).run([path])
            names = house.store.patients(house.gate.house("operator"))
            gone, others = names[::2], names[1::2]
            speakers = {}
            for number, patient in enumerate(names):
                identity = Identity.generate(f"patient-{number}")
                actor = Actor(identity.id, "patient", identity.public_key, patient=patient)
                house.add_actor(actor, by="operator")
                speakers[patient] = Session(house, identity)
            kept = {p: bodies(house, p) for p in others}
            mine = {p: sealed(house, p) for p in gone}
            first = {p: speakers[p].accesses(p)[0]["n"] for p in others}
            proofs = {p: speakers[p].proof(p, first[p]) for p in others}
            checkpoint = house.log.newest(house.store.connection)
            house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            old = Path(folder) / "before.db"
            shutil.copyfile(house.configuration.store_file, old)
            for patient in gone:
                erasure.ask(speakers[patient], patient)
                erasure.carry_out(operator, patient)
            for patient in gone:
                if why := problems(house, old, patient, mine[patient], clinician):
                    failures.append({"id": patient, "why": why})
            key = house.vault.house.public_key()
            for patient in others:
                try:
                    proof.check(proofs[patient], key)
                    if bodies(house, patient) != kept[patient]:
                        failures.append({"id": patient, "why": "another patient's record changed"})
                except SalusError as error:
                    failures.append({"id": patient, "why": f"a proof fell: {error.what}"})
            told = house.verify(checkpoint).problems
            failures += [{"id": p.where, "why": p.what} for p in told]
    broken = {str(f["id"]) for f in failures}
    n = len(names)
    return report(
        check="record.erasure",
        n=n,
        passed=max(0, n - len(broken)),
        data=arguments.data,
        files=files,
        figures={"n": n, "passed": max(0, n - len(broken)), "erased": len(names[::2])},
        methods=["trust.erasure"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
