"""Erasure on patients made of canaries: a third is erased, and looked for in everything that is left, decoded.

Each patient's names, dates, numbers, variants and ids are random and stand nowhere else. They come in as FHIR, as a
note, as a VCF file, as a source in quarantine and as readings that still wait in the queue; findings are drawn, a view
over the population is asked. Then a third of them is erased. Looked through are, for every spelling (UTF-8, UTF-16,
hex, base64, gzip, zlib): all files of the house, every row of the store and the queue opened with every key that is
left, the temporary folder, a backup of before, the same backup restored, and an old copy of the store opened with
today's keys.

A case is a canary, a patient's sealed rows, a proof of before, or a survivor's record. Needs no outside data.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, report
from validation.trust._canaries import Canary, Search, bases, days, digits, word

SHORT = ("--patients", "12")
MUTANTS = (
    Mutant(
        "salus/trust/vault.py",
        "self._ring.rewrap(self.name(patient) for patient in patients)",
        "return",
        "no key is destroyed",
    ),
)

SHARE = 3
"""One patient in so many is erased."""
MANY = 200
"""Of more keys than these, so many by chance are tried on a row that neither its own nor the house's opens."""
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "id"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
            ]
        }
    ],
}


@dataclass
class Person:
    """A patient and what stands for him."""

    id: str
    words: dict[str, str]
    session: Any = None
    proofs: list[bytes] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    def canaries(self) -> Iterator[Canary]:
        for name, text in self.words.items():
            yield Canary(self.id, name.partition("_")[0], text)


def made(count: int) -> list[Person]:
    """``count`` people, no two of whom share anything."""
    dates = iter(days(3 * count))
    people = []
    for _ in range(count):
        words = {
            "name_family": word(12),
            "name_given": word(9),
            "name_street": word(14),
            "name_note": word(16),
            "name_quarantine": word(15),
            "date_birth": next(dates),
            "date_test": next(dates),
            "date_note": next(dates),
            "number_record": digits(12),
            "number_phone": digits(11),
            "number_value": f"{digits(1)}.{digits(11)}",
            "number_device": f"cuff-{digits(12)}",
            "variant_id": f"rs{digits(11)}",
            "variant_allele": bases(28),
            "id_patient": f"{word(3)}-{digits(14)}",
            "id_actor": f"a{digits(14)}",
        }
        people.append(Person(words["id_patient"], words))
    return people


def bundle(person: Person) -> dict[str, Any]:
    words = person.words
    subject = {"reference": f"Patient/{person.id}"}
    value = {
        "value": Decimal(words["number_value"]),
        "unit": "mg/dL",
        "system": "http://unitsofmeasure.org",
        "code": "mg/dL",
    }
    patient = {
        "resourceType": "Patient",
        "id": person.id,
        "identifier": [{"system": "urn:example:mrn", "value": words["number_record"]}],
        "name": [{"family": words["name_family"], "given": [words["name_given"]]}],
        "telecom": [{"system": "phone", "value": words["number_phone"]}],
        "address": [{"line": [words["name_street"]]}],
        "gender": "female",
        "birthDate": words["date_birth"],
    }
    reading = {
        "resourceType": "Observation",
        "id": f"o-{digits(9)}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": subject,
        "effectiveDateTime": words["date_test"],
        "valueQuantity": value,
    }
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (patient, reading)]}


def note(person: Person) -> str:
    words = person.words
    seen = f"{words['date_note']}: {words['name_given']} {words['name_family']} was seen."
    return f"{seen}\nHer {words['name_note']} is well.\n"


def vcf(person: Person) -> str:
    row = f"chr10\t94781859\t{person.words['variant_id']}\tG\t{person.words['variant_allele']}\t.\tPASS\t.\tGT\t0/1"
    head = "##fileformat=VCFv4.2\n##contig=<ID=chr10,length=133797422>\n"
    return f"{head}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{person.words['name_family']}\n{row}\n"


# ---- filling


class Town:
    """A house full of these people, whose master key lies outside the folder of the keys."""

    def __init__(self, folder: Path, count: int) -> None:
        from salus.app.config import at_folder
        from salus.app.house import House
        from salus.app.session import Session
        from salus.trust.identity import Actor, Identity

        self.folder = folder
        self.people = made(count)
        self.house = House.create(at_folder(folder / "house"), alone=True)
        operator = Identity.generate("operator")
        self.house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        self.operator = Session(self.house, operator)
        researcher = Identity.generate("researcher")
        self.house.add_actor(Actor("researcher", "practitioner", researcher.public_key), by="operator")
        self.researcher = Session(self.house, researcher)
        for person in self.people:
            identity = Identity.generate(person.words["id_actor"])
            name = f"{person.words['name_given']} {person.words['name_family']}"
            actor = Actor(identity.id, "patient", identity.public_key, patient=person.id, name=name)
            self.house.add_actor(actor, by="operator")
            person.session = Session(self.house, identity)

    def fill(self) -> None:
        """Take everything in, in every way there is."""
        from salus.app.live.readings import Monitor

        for person in self.people:
            self._take_in(person)
        with Monitor(self.operator) as monitor:
            for person in self.people:
                device = person.words["number_device"]
                monitor.assign(device, person.id, setting="home", silent_after=None)
                told = monitor.receive([_reading(device, self.house.time())])
                if told.new != 1:
                    raise RuntimeError(f"a reading was not queued: {told.refused}")
        for person in self.people[:: max(1, len(self.people) // 12)]:
            person.session.open(person.id, self.house.clock())

    def _take_in(self, person: Person) -> None:
        from salus.app.intake.intake import Intake
        from salus.fhir import json
        from salus.trust import quarantine

        source = self.folder / "in"
        source.mkdir(exist_ok=True)
        for name, data in (("a.json", json.dumps(bundle(person))), ("b.txt", note(person)), ("c.vcf", vcf(person))):
            path = source / name
            path.write_bytes(data.encode() if isinstance(data, str) else data)
            (taken,) = Intake(self.operator, patient=None if name == "a.json" else person.id).run([path])
            if taken.error:
                raise RuntimeError(f"{name} was not taken in: {taken.error}")
            path.unlink()
        house = self.house
        scope = house.gate.house("operator", may_write=True)
        content = f"who knows whose: {person.words['name_quarantine']}".encode()
        n = quarantine.keep(house.store, house.vault, house.log, scope, [content], "unreadable", house.time())
        house.assign_quarantined(n, person.id, "operator")

    def mirror(self) -> int:
        """Ask a view over everybody, as a population's mirror would be made of."""
        from salus.app.research.views import view

        for person in self.people:
            given = {"actors": ["researcher"], "categories": ["record", "signal"], "purposes": ["HRESCH"]}
            person.session.give_consent(person.id, self.house.clock(), **given)
        return view(self.researcher, VIEW, self.house.clock())[1]

    def remember(self) -> None:
        """Proofs, and what the survivors' records hold."""
        for person in self.people:
            entries = person.session.accesses(person.id)
            person.proofs = [person.session.proof(person.id, e["n"]) for e in (entries[0], entries[-1])]
            person.kept = digests(self.house, person.id)


def _reading(device: str, at: str) -> bytes:
    from salus.fhir import json

    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": 71, "unit": "/min"})


def digests(house: Any, patient: str) -> dict[str, str]:
    """Every resource and blob of a patient, as a digest."""
    from salus.fhir.views import CATEGORIES
    from salus.trust.grants import Grant

    scope = Grant("validation", patient, "self", frozenset(CATEGORIES), may_write=False, purpose="PATRQT")
    found = {
        s.source.ref: hashlib.sha256(s.data).hexdigest()
        for s in house.store.read(scope)
        if not s.source.ref.startswith("Flag/")
    }
    rows = house.store.connection.execute(
        "SELECT b.address FROM blob b JOIN patient p ON p.pid = b.pid WHERE p.id = ?", (patient,)
    ).fetchall()
    return found | {a: hashlib.sha256(house.store.blob(scope, a)).hexdigest() for (a,) in rows}


# ---- opening everything that can be opened


def decoded(file: Path, vault: Any, patients: list[str], counts: Counter[str]) -> Iterator[bytes]:
    """Every value of every row of an SQLite file, and whatever it opens to under any key that is left."""
    from salus.errors import SalusError
    from salus.trust.quarantine import key_name

    names = [*patients, *(key_name(n) for n in range(1, 3 * len(patients) + 10)), ""]
    ciphers = []
    for name in names:
        try:
            vault.mac(name, b"")
            ciphers.append((name, vault._ciphers[name][0]))
        except SalusError:
            counts["keys that are gone"] += 1
    by_name = dict(ciphers)
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        pids = dict(connection.execute("SELECT pid, id FROM patient")) if _has(connection, "patient") else {}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield from _rows(connection, table, by_name, pids, counts)


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())


def _rows(
    connection: sqlite3.Connection, table: str, ciphers: dict[str, Any], pids: dict[int, str], counts: Counter[str]
) -> Iterator[bytes]:
    cursor = connection.execute(f'SELECT * FROM "{table}"')
    columns = [column[0] for column in cursor.description]
    lines = []
    for row in cursor:
        values = dict(zip(columns, row, strict=True))
        lines.append("\t".join(v if isinstance(v, str) else str(v) for v in row if not isinstance(v, bytes)))
        for column, value in values.items():
            if isinstance(value, bytes) and column in ("body", "entry") and value:
                opened = _opened(connection, table, values, value, ciphers, pids)
                counts[f"{table} rows opened" if opened else f"{table} rows that nobody opens"] += 1
                if opened:
                    yield opened
    yield "\n".join(lines).encode()


def _opened(
    connection: sqlite3.Connection,
    table: str,
    row: dict[str, Any],
    sealed: bytes,
    ciphers: dict[str, Any],
    pids: dict[int, str],
) -> bytes | None:
    """The plain bytes of a sealed value, under whichever key opens it; the place that is authenticated is the row's."""
    from cryptography.exceptions import InvalidTag

    place, owner = _place(connection, table, row, pids)
    everybody = list(ciphers)
    others = everybody if len(everybody) <= MANY else secrets.SystemRandom().sample(everybody, MANY)
    for name in (owner, "", *others):
        try:
            plain: bytes = ciphers[name].decrypt(sealed[:12], sealed[12:], place)
            return plain
        except (InvalidTag, KeyError):  # another's, or one that was destroyed
            continue
    return None


def _place(connection: sqlite3.Connection, table: str, row: dict[str, Any], pids: dict[int, str]) -> tuple[bytes, str]:
    """What is authenticated with a sealed value, and the name of the key that it should be under."""
    from salus.record.sealing import Chunk, context
    from salus.trust.log_reading import leaf_context
    from salus.trust.quarantine import key_name

    def owner(query: str, value: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = connection.execute(query, (value,)).fetchone()
        return found

    if table == "resource":
        ref = f"{row['type']}/{row['id']}"
        return context(ref, row["version"], row["updated"], bool(row["deleted"])), pids[row["pid"]]
    if table == "history":
        pid, kind, name = owner("SELECT pid, type, id FROM resource WHERE rid = ?", row["rid"])
        return context(f"{kind}/{name}", row["version"], row["updated"], bool(row["deleted"])), pids[pid]
    if table == "blob_chunk":
        asked = "SELECT pid, category, chunks, size FROM blob WHERE address = ?"
        pid, category, chunks, size = owner(asked, row["address"])
        chunk = Chunk(row["address"], category, row["n"], chunks, size)
        return chunk.context(packed=len(row["body"]) < chunk.length), pids[pid]
    if table == "log_leaf":
        name = pids.get(row["pid"], "")
        return leaf_context(row["n"], name, row["topic"]), name
    if table == "quarantine":
        return f"quarantine\0{row['n']}\0{row['part']}".encode(), key_name(row["n"])
    return b"live reading", ""


def raw(*folders: Path) -> Iterator[bytes]:
    """The bytes and the name of every file below."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            yield str(path.relative_to(folder)).encode()
            if path.is_file():
                yield path.read_bytes()


# ---- the check


@dataclass
class Found:
    """Cases, and where something was left."""

    cases: int = 0
    failures: list[dict[str, str]] = field(default_factory=list)

    def case(self, id: str, why: str) -> None:
        """One case; ``why`` is empty where it came out right."""
        self.cases += 1
        if why:
            self.failures.append({"id": id, "why": why})


class Check:
    """One run of the check in a folder of its own."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.master = folder / "master" / "key"
        os.environ["SALUS_MASTER_KEY_FILE"] = str(self.master)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        os.environ["TMPDIR"] = os.environ["SQLITE_TMPDIR"] = str(self.temporary)
        tempfile.tempdir = str(self.temporary)
        self.town = Town(folder, count)
        self.outcome = Found()
        self.figures: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Fill, copy, erase, look."""
        town, began = self.town, time.perf_counter()
        town.fill()
        self.figures["people in a view"] = town.mirror()
        town.remember()
        self.gone = town.people[::SHARE]
        self.staying = [p for p in town.people if p not in self.gone]
        self.search = Search(c for p in self.gone for c in p.canaries())
        self.figures["seconds to fill"] = round(time.perf_counter() - began, 1)
        before = self._control()
        self._copy()
        self._erase()
        self._look(before)
        self._old_copies()
        self._proofs()
        self._survivors()
        self.figures["bytes searched"] = self.search.searched
        self.figures |= dict(sorted(self.counts.items()))

    @property
    def _house(self) -> Path:
        return self.folder / "house"

    @property
    def _everybody(self) -> list[str]:
        return [p.id for p in self.town.people]

    def _live(self) -> Iterator[bytes]:
        """Everything the house has now, as it lies and opened."""
        yield from raw(self._house / "store", self._house / "keys", self.temporary, self.folder / "in")
        for name in ("record.sqlite", "live.sqlite"):
            yield from decoded(self._house / "store" / name, self.town.house.vault, self._everybody, self.counts)

    def _control(self) -> set[Canary]:
        """The same search before the erasure has to find every canary: else it proves nothing."""
        found = {c for data in self._live() for c in self.search.look(data)}
        for person in self.gone:
            for canary in person.canaries():
                self.outcome.case(f"control {canary.kind}", "" if canary in found else "not found before the erasure")
        self.counts.clear()
        self.search.searched = 0
        return found

    def _copy(self) -> None:
        """What somebody may have kept: a backup, a copy of the store, of the keys, of the master key."""
        self.town.house.backup(self.folder / "backup.sqlite", "operator")
        shutil.copytree(self._house / "store", self.folder / "old-store")
        shutil.copytree(self._house / "keys", self.folder / "old-keys")
        shutil.copy(self.master, self.folder / "old-master")

    def _erase(self) -> None:
        from salus.app import erasure

        house = self.town.house
        self.held = house.log.vouched(house.store.connection)
        times, generation = [], house.vault.generation
        for person in self.gone:
            erasure.ask(person.session, person.id)
            began = time.perf_counter()
            told = erasure.carry_out(self.town.operator, person.id)
            times.append(time.perf_counter() - began)
            told = told if isinstance(told, dict) else {}  # else it was only proposed
            pid = told.get("pid")
            logged = pid in house.registry.erased and told["compacted"] is True
            self.outcome.case("erasure in the log", "" if logged else "it is not")
        times.sort()
        self.figures["erased"] = len(self.gone)
        self.figures["seconds an erasure, median and longest"] = [round(times[len(times) // 2], 3), round(times[-1], 3)]
        self.figures["generations of keys"] = house.vault.generation - generation

    def _look(self, before: set[Canary]) -> None:
        """Nothing of the erased in the house, in its temporary folder, in the backup, and in the restored backup."""
        self._absent("the house", (c for data in self._live() for c in self.search.look(data)))
        backup = self.folder / "backup.sqlite"
        vault, counts = self.town.house.vault, Counter[str]()
        found = self.search.look(backup.read_bytes())
        found |= {c for data in decoded(backup, vault, self._everybody, counts) for c in self.search.look(data)}
        self.figures["ids of the erased in a backup of before"] = sum(c.kind == "id" for c in found)
        self._absent("a backup of before", (c for c in found if c.kind != "id"))
        self._restored(backup)
        self.figures["canaries"] = len(before)

    def _restored(self, backup: Path) -> None:
        from salus.app.config import at_folder
        from salus.app.house import House

        settings = at_folder(self.folder / "restored")
        shutil.copytree(self._house / "keys", settings.keys)
        living = os.environ["SALUS_MASTER_KEY_FILE"]
        os.environ["SALUS_MASTER_KEY_FILE"] = str(shutil.copy(self.master, self.folder / "master-of-restored"))
        told = House.restore(settings, backup, accept_loss=True)
        self.outcome.case("the restored backup verifies", "; ".join(p.what for p in told.problems))
        with House(settings) as house:
            rows = decoded(settings.store_file, house.vault, self._everybody, self.counts)
            found = {c for data in rows for c in self.search.look(data)}
            found |= {c for data in raw(settings.store, settings.keys) for c in self.search.look(data)}
            self._absent("a restored backup", iter(found))
            for person in self.staying:
                same = digests(house, person.id).items() >= person.kept.items()
                self.outcome.case("a survivor in the restored backup", "" if same else "the record is another")
        os.environ["SALUS_MASTER_KEY_FILE"] = living

    def _absent(self, where: str, found: Iterator[Canary]) -> None:
        left = set(found)
        for person in self.gone:
            for canary in person.canaries():
                self.outcome.case(f"{canary.kind} in {where}", "it is still there" if canary in left else "")
        self.figures[f"found in {where}"] = dict(Counter(c.kind for c in left))

    def _old_copies(self) -> None:
        """Old ciphertext with the keys of today; the old key folder with the master key of today, and with its own."""
        from salus.errors import SalusError
        from salus.trust.vault import Vault
        from salus.trust.wrapping import FileProvider

        counts = Counter[str]()
        old = self.folder / "old-store" / "record.sqlite"
        vault = self.town.house.vault
        found = {c for d in decoded(old, vault, self._everybody, counts) for c in self.search.look(d)}
        self.figures["an old copy of the store, with the keys of today"] = dict(sorted(counts.items()))
        self.figures["canaries that an old copy of the store shows"] = dict(Counter(c.kind for c in found))
        told = [c for c in found if c.kind not in ("id", "date")]  # ids and search dates stand in the clear in a store
        self.outcome.case("an old copy of the store, with the keys of today", "; ".join({c.kind for c in told}))
        with closing(sqlite3.connect(old)) as connection:
            for person in self.gone:
                self.outcome.case("ciphertext of the erased", self._opens(connection, vault, person.id))
        try:
            Vault(self.folder / "old-keys", FileProvider(self.master))
            why = "it opens"
        except SalusError:
            why = ""
        self.outcome.case("an old copy of the key folder, with the master key of today", why)
        before = Vault(
            shutil.copytree(self.folder / "old-keys", self.folder / "old-keys-2"),
            FileProvider(self.folder / "old-master"),
        )
        self.figures["an old copy of the key folder and of the master key together opens the erased"] = sum(
            before.holds(p.id) for p in self.gone
        )

    def _opens(self, connection: sqlite3.Connection, vault: Any, patient: str) -> str:
        from salus.errors import SalusError
        from salus.record.sealing import context

        rows = connection.execute(
            "SELECT r.type, r.id, r.version, r.updated, r.deleted, r.body FROM resource r "
            "JOIN patient p ON p.pid = r.pid WHERE p.id = ?",
            (patient,),
        ).fetchall()
        for kind, name, version, updated, deleted, body in rows:
            for owner in (patient, ""):
                try:
                    vault.unseal(owner, body, context(f"{kind}/{name}", version, updated, bool(deleted)))
                    return "a row opens"
                except SalusError:
                    continue
        return "" if rows else "the old copy holds nothing of the patient: nothing was tested"

    def _proofs(self) -> None:
        from salus.errors import SalusError
        from salus.fhir import json
        from salus.trust import proof

        house = self.town.house
        key = house.vault.house.public_key()
        growth = json.dumps(proof.of_growth(house.store.connection, house.log, self.held))
        given = [(p, data) for p in self.town.people for data in p.proofs]
        for person, data in [*given, (None, growth)]:
            try:
                proof.check(data, key)
                why = ""
            except SalusError as error:
                why = error.what
            self.outcome.case("a proof of before" if person else "the log only grew", why)
        self.figures["proofs"] = len(given)
        told = house.verify(self.held).problems
        self.outcome.case("the store verifies", "; ".join(p.what for p in told[:3]))

    def _survivors(self) -> None:
        for person in self.staying:
            same = digests(self.town.house, person.id).items() >= person.kept.items()
            self.outcome.case("a survivor", "" if same else "the record is another")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(), help="not used: the patients are made here")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--patients", type=int, default=100, help="how many there are; a third is erased")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        check = Check(Path(folder), given.patients)
        with check.town.house:
            check.run()
    figures = {"patients": given.patients, "seconds": round(time.perf_counter() - began, 1), **check.figures}
    wrong = Counter(f"{f['id']}: {f['why']}" for f in check.outcome.failures)
    tally = Tally(failures=[{"id": w, "outcome": "wrong", "why": f"{k} times"} for w, k in wrong.most_common()])
    tally.add_many(Outcome.WRONG, len(check.outcome.failures))
    tally.add_many(Outcome.RIGHT, check.outcome.cases - len(check.outcome.failures))
    return report(
        check="trust.erasure",
        tally=tally,
        covers="nothing of an erased patient is found in what is left, and every proof of before still holds",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        data=given.data,
        figures=figures,
        methods=["trust.erasure"],
        as_json=given.json,
    )


if __name__ == "__main__":
    sys.exit(main())
