"""Erasure on Synthea patients: every second one is erased; nothing of them can be read, everything else verifies.

A case is a patient; what must be is our own definition of erasure, so this shows that salus keeps it. Right, for an
erased patient: no call opens the record, the vault holds no key, neither a sealed body nor the patient's id is left in
the store's files, and the copy of the store made before held both. Right, for the others: every body is what it was,
and a proof made before still checks. Wrong: anything else, an exception too. The check holds when besides the whole
store verifies and the log extends the checkpoint kept before. Not read: a file that could not be taken in.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from salus.app import erasure
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import SalusError
from salus.trust import proof
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of
from validation.record.synthea import DEVELOPED, open_house

CHUNK = 256
"""Bytes of a sealed body that are looked for: SQLite cuts longer ones into pages."""
FORGETTING = "salus/record/forgetting.py"
MUTANTS = (
    Mutant(FORGETTING, 'for table in ("memo", "blob", "resource"):', 'for table in ("memo", "blob"):',
           "bodies are not deleted"),
    Mutant(FORGETTING, '(f"{ERASED}{pid}", pid))', '(scope.patient, pid))', "the patient's id stays"),
    Mutant("salus/trust/vault.py", "self._ring.rewrap(self.name(patient) for patient in patients)",
           "self._ring.rewrap(self.name(patient) for patient in ())", "the key is not destroyed"),
    Mutant(FORGETTING, "SELECT rid FROM resource WHERE pid = ?)\", (pid,))", "SELECT rid FROM resource)\", ())",
           "everybody's history goes"),
)  # fmt: skip


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
    if house.vault.holds(patient):
        return "a key is left"
    files = b"".join(p.read_bytes() for p in house.configuration.store.iterdir() if p.is_file())
    before = old.read_bytes()
    if not mine or not all(body[:CHUNK] in before for body in mine) or patient.encode() not in before:
        return "the copy made before does not hold what was to be erased: nothing was tested"
    if any(body[:CHUNK] in files for body in mine):
        return "sealed bodies are left in the store"
    return "the patient's id is left in the store" if patient.encode() in files else ""


@dataclass(frozen=True)
class Town:
    """A house with taken-in patients, each with a session of their own; every second one is to go."""

    house: House
    operator: Session
    clinician: Session
    names: list[str]
    speakers: dict[str, Session]
    unread: list[str]

    @property
    def gone(self) -> list[str]:
        """Patients who ask to be erased."""
        return self.names[::2]

    @property
    def others(self) -> list[str]:
        """Patients who stay."""
        return self.names[1::2]


def town(folder: Path, files: list[Path]) -> Town:
    """Take the files in and make every patient an actor."""
    house, operator, clinician = open_house(folder)
    unread = [f"{t.name}: {t.error}" for path in files for t in Intake(operator).run([path]) if t.error]
    names = house.store.patients(house.gate.house("operator"))
    speakers = {}
    for number, patient in enumerate(names):
        identity = Identity.generate(f"patient-{number}")
        house.add_actor(Actor(identity.id, "patient", identity.public_key, patient=patient), by="operator")
        speakers[patient] = Session(house, identity)
    return Town(house, operator, clinician, names, speakers, unread)


def erase_half(here: Town, old: Path, tally: Tally) -> list[str]:
    """Erase every second patient and tally every one. Returns what does not verify of the whole store."""
    house = here.house
    kept = {p: bodies(house, p) for p in here.others}
    mine = {p: sealed(house, p) for p in here.gone}
    proofs = {p: here.speakers[p].proof(p, here.speakers[p].accesses(p)[0]["n"]) for p in here.others}
    checkpoint = house.log.newest(house.store.connection)
    house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(house.configuration.store_file, old)
    for patient in here.gone:
        try:
            erasure.ask(here.speakers[patient], patient)
            erasure.carry_out(here.operator, patient)
        except SalusError:
            continue  # what is left shows below
    for patient in here.gone:
        why = problems(house, old, patient, mine[patient], here.clinician)
        tally.add(patient, Outcome.WRONG if why else Outcome.RIGHT, why)
    key = house.vault.house.public_key()
    for patient in here.others:
        try:
            proof.check(proofs[patient], key)
            why = "" if bodies(house, patient) == kept[patient] else "another patient's record changed"
        except SalusError as error:
            why = f"a proof fell, or the record cannot be read: {error.what}"
        tally.add(patient, Outcome.WRONG if why else Outcome.RIGHT, why)
    return [f"{p.where}: {p.what}" for p in house.verify(checkpoint).problems]


def main() -> int:
    """Erase every second patient and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("synthea/*.ndjson.gz"))
    tally, broken = Tally(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        here = town(Path(folder) / "house", files)
        with here.house:
            broken = erase_half(here, Path(folder) / "before.db", tally) if here.names else []
    for name in here.unread:
        tally.add(name, Outcome.NOT_READ, "not taken in")
    tally.failures += [{"id": "store", "outcome": "own", "why": why} for why in broken]
    return report(
        check="record.erasure",
        tally=tally,
        data=arguments.data,
        covers="after an erasure salus itself finds nothing that it could open of the patient, and all others are as "
        "they "
        "were; copies on other machines and what a disk keeps are not looked at",
        truth=Truth.OWN,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={"n": tally.n, "passed": tally.passed, "erased": len(here.gone), "store_problems": len(broken)},
        methods=["trust.erasure"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and not broken,
    )


if __name__ == "__main__":
    sys.exit(main())
