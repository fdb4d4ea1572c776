"""Tampering, rewriting, killing, filling: what is stored is what was acknowledged, or it is found out.

* Random bits are flipped in the store's file, in cells of the log's and the record's tables, in published tiles,
  bundles and checkpoints, and in the marks beside the keys. Each is detected by who reads, or what is read is the same.
* Root, who has every key, changes an entry and seals and signs the whole log anew, mark and tiles with it: the house
  then verifies itself, so a witness or a receipt in the patient's hands has to say so.
* A process that appends is killed (-9) again and again: no acknowledged entry is lost, and none is another.
* Disks full and read-only, a log that another process holds: no data leave but by the emergency journal on a broken
  glass, also after a restart, and after repair everything is in the log.

A case is a flip, a rewriting, a kill, or an expectation in an outage. Needs no outside data; full disks need the right
to mount one (root), else they are counted as skipped and the check fails.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, report

SHORT = ("--flips", "120", "--rewritings", "2", "--kills", "3")
MUTANTS = (
    Mutant(
        "salus/trust/verify_record.py",
        "logged != (mac.hex(), bool(deleted))",
        "logged is None",
        "what the log says of a row is not compared",
    ),
    Mutant(
        "salus/trust/verify_log.py",
        "if row[0] != frontier.root() or row[1] != frontier.to_bytes():",
        "if False:",
        "the root is not computed anew",
    ),
)

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
WHY = "unconscious in the emergency room"
WEIGHTS = {"store file": 8, "cells": 5, "tiles": 3, "bundles": 3, "published checkpoint": 1, "mark": 2, "cosigned": 2}
CELLS = {
    "log_leaf": (("n",), ("commitment", "entry", "topic")),
    "log_tile": (("level", "tile"), ("hashes",)),
    "log_checkpoint": (("size",), ("root", "frontier", "signature")),
    "resource": (("rid",), ("body", "mac", "updated", "id")),
    "history": (("rid", "version"), ("body", "mac")),
    "blob_chunk": (("address", "n"), ("body",)),
}
"""Tables with the columns that name a row, and those in which a bit is flipped."""


class Place:
    """A house with two patients, some hundred entries, a witness who cosigned, and its published tiles."""

    def __init__(self, folder: Path, looks: int = 300) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from salus.app.config import at_folder
        from salus.app.house import House
        from salus.trust.checkpoint import verifier
        from salus.trust.identity import Identity
        from salus.trust.note import Signer
        from salus.trust.witness import Witness

        self.folder = folder
        self.configuration = at_folder(folder / "house")
        self.keys = {name: Identity.generate(name) for name in ("operator", "dr-lee", "pat", "clinic")}
        self.house = House.create(self.configuration, alone=True, clock=lambda: AT)
        self._people()
        self._records()
        for _ in range(looks):
            self.look()
        origin, key = self.house.log.origin, self.house.vault.house.public_key()
        self.signer = Signer.cosigner("witness.example/one", Ed25519PrivateKey.generate())
        self.log_key = verifier(origin, key)
        self.witness = Witness(folder / "witness", [self.signer], {origin: [self.log_key]}, clock=time.time)

    def _people(self) -> None:
        from salus.trust import policy
        from salus.trust.identity import Actor

        kinds: dict[str, Any] = {
            "operator": "operator",
            "dr-lee": "practitioner",
            "pat": "patient",
            "clinic": "organisation",
        }
        for name, kind in kinds.items():
            actor = Actor(name, kind, self.keys[name].public_key, patient="p1" if kind == "patient" else "")
            self.house.add_actor(actor, by="operator")
        rule = {"basis": "vital-interest", "actors": ["dr-lee"], "patients": ["*"], "purposes": ["BTG"],
                "categories": ["record"], "overrides-denial": True}  # fmt: skip
        document = {"id": "emergencies", "organisation": "clinic", "from": "2026-01-01", "rules": [rule]}
        self.house.add_policy(policy.sign(document, self.keys["clinic"]), by="operator")

    def _records(self) -> None:
        from salus.app.session import Session
        from salus.formats.content import Bytes
        from salus.record.store import Change

        store, operator = self.house.store, self.house.registry.actors["operator"]
        for patient in ("p1", "p2"):
            scope = self.house.gate.custodian(operator, patient)
            changes = [
                Change("Patient", patient, {"resourceType": "Patient", "id": patient, "birthDate": "1968-03-14"})
            ]
            for n in range(12):
                name = f"{patient}-o{n}"
                body = {
                    "resourceType": "Observation", "id": name, "status": "final", "valueString": f"value {n}",
                    "subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": f"2026-01-{n + 1:02}",
                }  # fmt: skip
                changes.append(Change("Observation", name, body))
            content = Bytes(random.Random(5).randbytes(70_000))
            blobs = [(store.address(scope, content.sha256), "record", content)]
            store.commit(scope, changes, at=self.house.time(), blobs=blobs)
            changed = {**(changes[3].body or {}), "valueString": "another"}
            store.commit(scope, [Change("Observation", changes[3].id, changed)], at=self.house.time())
        Session(self.house, self.keys["pat"]).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])

    def look(self, house: Any = None, purpose: str = "TREAT", patient: str = "p1") -> list[Any]:
        """A gated read of everything; it raises where nothing may be shown."""
        house = house or self.house
        grant = house.gate.grant(house.registry.actors["dr-lee"], patient, purpose)
        return list(house.store.read(grant))

    def cosign(self, house: Any = None, claimed: Any = None) -> int:
        """The status with which the witness answers the newest checkpoint; what it signed is kept beside the keys."""
        from salus.trust import log_tiles
        from salus.trust.note import parse_signatures
        from salus.trust.witness import Request

        house = house or self.house
        newest = claimed or house.log.newest(house.store.connection)
        known = self.witness._known(house.log.origin)[0].size
        view = log_tiles.view(house.store.connection, newest.size)
        path = view.consistency(known) if 0 < known < newest.size else []
        answer = self.witness.add_checkpoint(Request(min(known, newest.size), tuple(path), newest.to_note()).to_bytes())
        if answer.status == 200:
            house.log.keep_cosigned(replace(newest, cosignatures=parse_signatures(answer.body)))
        return answer.status

    def open(self, **more: Any) -> Any:
        from salus.app.house import House

        return House(self.configuration, clock=lambda: AT, **more)

    def close(self) -> None:
        self.house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.house.close()


class Score:
    """Cases by part, and those that failed."""

    def __init__(self) -> None:
        self.n = 0
        self.counts: Counter[str] = Counter()
        self.failures: list[dict[str, str]] = []

    def case(self, part: str, good: bool, name: str, why: str = "") -> None:
        self.n += 1
        self.counts[part] += 1
        if not good:
            self.counts[f"{part}, failed"] += 1
            self.failures.append({"id": f"{part}, {name}", "why": why})


def logical(house: Any) -> str:
    """Everything that a house says, opened."""
    connection = house.store.connection
    from salus.trust.grants import Grant

    told: list[Any] = [
        (e.n, e.patient, e.topic, sorted(map(repr, e.content.items()))) for e in house.log.entries(connection)
    ]
    for patient in house.store.patients(house.gate.house("t")):
        scope = Grant("t", patient, "self", frozenset({"record"}), may_write=False, purpose="PATRQT")
        told += [(s.source, s.updated, s.data) for s in house.store.read(scope)]
        told += [
            (v.source, v.data) for n in range(12) for v in house.store.versions(scope, f"Observation/{patient}-o{n}")
        ]
        rows = connection.execute(
            "SELECT b.address FROM blob b JOIN patient p ON p.pid = b.pid WHERE p.id = ? ORDER BY 1", (patient,)
        )
        told += [hash(house.store.blob(scope, a)) for (a,) in rows.fetchall()]
    tiles = connection.execute("SELECT level, tile, hashes FROM log_tile ORDER BY 1, 2").fetchall()
    mark, cosigned = house.log.remembered(), house.log.cosigned()
    marks = [(m.size, m.root, m.signature) for m in (mark, cosigned) if m]
    return repr((told, tiles, marks, cosigned and [s.blob for s in cosigned.cosignatures]))


def published(place: Place, folder: Path) -> str:
    """Everything that a reader of the published files learns from them, held to the log's key and the witness's."""
    from salus.trust.tiles import Reader

    reader = Reader(folder, place.log_key.name, [place.log_key, place.signer.verifier])
    _both(reader.signatures)
    paths = [reader.view().inclusion(n) for n in range(0, reader.checkpoint.size, 7)]
    vouched = sorted((s.verifier.name, s.time) for s in reader.signatures)
    return repr((reader.checkpoint, vouched, list(reader.entries()), paths))


def _both(signatures: Sequence[Any]) -> None:
    """Raise where one of the two does not sign any more: of a line that names nobody known a note says nothing."""
    from salus.errors import IntegrityError

    if len({s.verifier.name for s in signatures}) != 2:
        raise IntegrityError("a signature is missing that was there")


# ---- flips


def flips(place: Place, count: int, dice: random.Random, score: Score) -> None:
    """``count`` flips, each in files as they were, and put back."""
    from salus.app import witnessing

    tiles = place.folder / "published"
    if place.cosign() != 200:
        raise ArithmeticError("the witness did not cosign")
    witnessing.publish(place.house, tiles)
    place.close()
    truth, shown = _house_says(place), published(place, tiles)
    if truth is None:
        raise ArithmeticError("the untouched house does not verify")
    for number in range(count):
        kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        path = dice.choice(_files(place, tiles, kind))
        before = path.read_bytes()
        _put(path, before)
        where = _flip_cell(path, dice) if kind == "cells" else _flip(path, before, dice)
        outside = kind in ("tiles", "bundles", "published checkpoint")
        found = _tried(lambda: published(place, tiles)) if outside else _house_says(place)
        score.case(
            f"flip in {kind}", found in (None, shown if outside else truth), f"{path.name} {where}", "not noticed"
        )
        score.counts["flips detected"] += found is None
        _put(path, before)
        if number % 200 == 199 and _house_says(place) != truth:
            raise ArithmeticError("the house is not as it was")


def _files(place: Place, tiles: Path, kind: str) -> list[Path]:
    keys = place.configuration.keys
    every = [p for p in sorted(tiles.rglob("*")) if p.is_file() and "tile" in p.parts]
    return {
        "store file": [place.configuration.store_file],
        "cells": [place.configuration.store_file],
        "tiles": [p for p in every if "entries" not in p.parts],
        "bundles": [p for p in every if "entries" in p.parts],
        "published checkpoint": [tiles / "checkpoint"],
        "mark": [keys / "log.checkpoint"],
        "cosigned": [keys / "log.cosigned"],
    }[kind]


def _put(path: Path, data: bytes) -> None:
    """A file anew, and nothing of what a connection that broke off left beside it."""
    gc.collect()
    for extra in path.parent.glob(f"{path.name}-*"):
        extra.unlink()
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.write_bytes(data)
    fresh.replace(path)


def _flip(path: Path, before: bytes, dice: random.Random) -> str:
    at, bit = dice.randrange(len(before)), dice.randrange(8)
    data = bytearray(before)
    data[at] ^= 1 << bit
    path.write_bytes(bytes(data))
    return f"byte {at} bit {bit}"


def _flip_cell(path: Path, dice: random.Random) -> str:
    """One bit in one value of one row: the file stays a good one of its kind."""
    table = dice.choice(list(CELLS))
    keys, columns = CELLS[table]
    column = dice.choice(columns)
    with sqlite3.connect(path, isolation_level=None) as connection:
        query = f"SELECT {column}, {', '.join(keys)} FROM {table} WHERE length({column}) > 0"
        value, *row = dice.choice(connection.execute(query).fetchall())
        data = bytearray(value.encode() if isinstance(value, str) else value)
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(5)
        changed = bytes(data).decode("latin-1") if isinstance(value, str) else bytes(data)
        where = " AND ".join(f"{key} = ?" for key in keys)
        connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {where}", (changed, *row))
    connection.close()
    return f"{table}.{column} of row {row}"


def _house_says(place: Place) -> str | None:
    """What the house says, None where it or a reader of its cosigned checkpoint notices that something is wrong."""

    def say() -> str:
        with place.open() as house:
            if house.verify().problems:
                raise sqlite3.DatabaseError("noticed")
            kept = house.log.cosigned()
            if kept is not None:
                _both(kept.to_note().verify([place.log_key, place.signer.verifier]))
            return logical(house)

    return _tried(say)


def _tried(say: Callable[[], str]) -> str | None:
    from salus.errors import SalusError

    try:
        return say()
    except (SalusError, sqlite3.DatabaseError, UnicodeDecodeError):
        return None


# ---- root


def rewritings(count: int, dice: random.Random, score: Score) -> None:
    """An entry of the past says something else, and everything after it is sealed and signed anew.

    Or all but signed, or a row of the record alone, by somebody who has the patients' keys and not the log's: then the
    house itself must notice.
    """
    from salus.trust import proof

    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), looks=40)
        place.cosign()
        receipt = place.house.log.newest(place.house.store.connection)
        for _ in range(5):
            place.look()
        place.close()
        original = {
            p: p.read_bytes() for p in (place.configuration.store_file, place.configuration.keys / "log.checkpoint")
        }
        for _ in range(count):
            for path, data in original.items():
                _put(path, data)
            (place.configuration.keys / "log.cosigned").unlink(missing_ok=True)
            n = dice.randrange(receipt.size)
            with place.open() as house:
                row = _rewrite_row(house, dice)
                told = [p for p in house.verify().problems if p.what == "is not what the log says was written"]
                score.case("rewriting, a row", bool(told), row, "a row fits that the log knows otherwise")
            _put(place.configuration.store_file, original[place.configuration.store_file])
            with place.open() as house:
                _rewrite(house, n, signed=False)
                noticed = any(p.what == "does not fit the entries" for p in house.verify().problems)
                score.case("rewriting, unsigned", noticed, f"entry {n}", "a checkpoint of other entries fits")
                _rewrite(house, n)
                score.counts["rewritings that the house itself calls good"] += not house.verify().problems
                seen = place.cosign(house)
                score.case("rewriting, the witness", seen in (409, 422), f"entry {n}", f"the witness said {seen}")
                noticed = bool(house.verify(receipt).problems)
                score.case("rewriting, a receipt", noticed, f"entry {n}", "a checkpoint that somebody kept fits")
                grown = _tried(lambda h=house: _growth(proof, h, receipt))
                score.case("rewriting, a proof of growth", grown is None, f"entry {n}", "growth was shown")
        score.counts["rewritings"] = count


def _growth(proof: Any, house: Any, receipt: Any) -> str:
    from salus.fhir import json as fhir_json

    told = proof.of_growth(house.store.connection, house.log, receipt)
    return proof.check(fhir_json.dumps(told), house.vault.house.public_key()).what


def _rewrite_row(house: Any, dice: random.Random) -> str:
    """The body of one resource in other words, sealed and hashed with the patient's own keys."""
    from salus.fhir import json as fhir_json
    from salus.record.sealing import context, pack, unpack

    connection, vault = house.store.connection, house.vault
    rows = connection.execute("SELECT rid, id, version, updated, body FROM resource WHERE type = 'Observation'")
    rid, name, version, updated, sealed = dice.choice(rows.fetchall())
    patient, bound = name.partition("-")[0], context(f"Observation/{name}", version, updated, False)
    body = {**fhir_json.loads(unpack(vault.unseal(patient, sealed, bound))), "valueString": "what nobody wrote"}
    data = fhir_json.dumps(body)
    fresh = (vault.seal(patient, pack(data), bound), vault.mac(patient, hashlib.sha256(data).digest()), rid)
    connection.execute("UPDATE resource SET body = ?, mac = ? WHERE rid = ?", fresh)
    return str(name)


def _rewrite(house: Any, n: int, *, signed: bool = True) -> None:
    """Entry ``n`` in other words, under the right keys; tiles, checkpoints and mark as the log itself makes them.

    Unless ``signed``, the checkpoints and the mark stay those of the entry as it was.
    """
    from salus.fhir import json as fhir_json
    from salus.trust import log_tiles
    from salus.trust.checkpoint import Checkpoint, checkpoint_text, verifier
    from salus.trust.log_reading import leaf_context
    from salus.trust.merkle import Frontier, leaf_hash

    connection, vault, origin = house.store.connection, house.vault, house.log.origin
    row = (
        "SELECT coalesce(p.id, ''), l.topic, l.commitment, l.entry FROM log_leaf l LEFT JOIN patient p ON p.pid = l.pid"
    )
    patient, topic, commitment, sealed = connection.execute(f"{row} WHERE l.n = ?", (n,)).fetchone()
    content = {**house.log.open(n, patient, topic, commitment, sealed).content, "seen": "by nobody"}
    payload = os.urandom(32) + fhir_json.dumps(content, canonical=True)
    fresh = (hashlib.sha256(payload).digest(), vault.seal(patient, payload, leaf_context(n, patient, topic)), n)
    connection.execute("UPDATE log_leaf SET commitment = ?, entry = ? WHERE n = ?", fresh)
    connection.execute("DELETE FROM log_tile")
    sizes = {size for (size,) in connection.execute("SELECT size FROM log_checkpoint")}
    frontier = Frontier()
    for (each,) in connection.execute("SELECT commitment FROM log_leaf ORDER BY n").fetchall():
        frontier = frontier.append(leaf_hash(each))
        if signed and frontier.size in sizes:
            signature = vault.house.sign(checkpoint_text(frontier.size, frontier.root(), origin))
            values = (frontier.root(), frontier.to_bytes(), signature, frontier.size)
            connection.execute("UPDATE log_checkpoint SET root = ?, frontier = ?, signature = ? WHERE size = ?", values)
    log_tiles.complete(connection, frontier.size)
    if not signed:
        return
    key_id = verifier(origin, vault.house.public_key()).key_id
    house.log.set_mark(Checkpoint(frontier.size, frontier.root(), signature, origin, key_id))


# ---- kills


def kills(count: int, dice: random.Random, score: Score) -> None:
    """A child appends and says what was acknowledged; it is killed at any moment, and another goes on."""
    from salus.trust import log_tiles

    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), looks=5)
        place.close()
        known: dict[int, str] = {}
        for number in range(count):
            told = _killed_child(place, dice.uniform(0.0, 0.25), number)
            known |= dict(told)
            newest = max(known, default=0)
            with place.open() as house:
                size = house.log.newest(house.store.connection).size
                lost = [
                    s
                    for s, r in known.items()
                    if s > size or log_tiles.view(house.store.connection, s).root().hex() != r
                ]
                problems = house.verify().problems
                place.look(house)
            why = f"{len(lost)} of {newest} lost or others; {[p.what for p in problems[:2]]}"
            score.case("kill", not lost and not problems, f"number {number}", why)
            score.counts["transactions acknowledged before a kill"] += len(told)


def _killed_child(place: Place, after: float, seed: int) -> list[tuple[int, str]]:
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        with suppress(BaseException):
            _append_forever(place, into, seed)
        os._exit(0)
    os.close(into)
    select.select([out], [], [], 20)  # until it is at work
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(out, "rb") as said:
        lines = said.read().split(b"\n")[:-1]
    return [(int(size), root.decode()) for size, root in (line.split() for line in lines)]


def _append_forever(place: Place, into: int, seed: int) -> None:
    from salus.app.session import Session
    from salus.record.store import Change

    dice = random.Random(seed)
    with place.open() as house:
        scope = house.gate.custodian(house.registry.actors["operator"], "p2")
        while True:
            match dice.randrange(4):
                case 0:
                    body = {
                        "resourceType": "Observation",
                        "id": "p2-k",
                        "status": "final",
                        "valueString": str(dice.random()),
                    }
                    house.store.commit(scope, [Change("Observation", "p2-k", body)], at=house.time())
                case 1:
                    session = Session(house, place.keys["pat"])
                    session.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
                case _:
                    with house.store.transaction(house.gate.house("operator", may_write=True)) as connection:
                        for _ in range(dice.randint(1, 40)):
                            house.log.append(connection, "p1", "access", {"reason": "access", "actor": "x"})
            newest = house.log.newest(house.store.connection)
            os.write(into, f"{newest.size} {newest.root.hex()}\n".encode())


# ---- outages


@contextmanager
def disk(at: Path, megabytes: int) -> Iterator[None]:
    """A small disk of its own at ``at``. Raises CalledProcessError where nobody may mount one."""
    at.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(at)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True, capture_output=True)


OUTAGES = ("store full", "keys full", "store read-only", "keys read-only", "log held by another")


def outages(score: Score) -> None:
    for kind in OUTAGES:
        with tempfile.TemporaryDirectory() as name:
            place = Place(Path(name), looks=5)
            place.close()
            try:
                _outage(place, kind, score)
            except subprocess.CalledProcessError as error:
                score.case("outage", False, kind, f"not measured: {error.stderr.decode().strip()}")


def _outage(place: Place, kind: str, score: Score) -> None:
    """The expectations: before, in, and after one outage."""
    where = place.configuration.store if kind.startswith(("store", "log")) else place.configuration.keys

    def expect(what: str, good: bool, why: str = "") -> None:
        score.case("outage", good, f"{kind}: {what}", why)

    writable = kind == "keys full"  # the mark is overwritten in place, for which there is room
    with ExitStack() as stack:
        moved = where.with_name(f"{where.name}.moved")
        where.rename(moved)
        stack.enter_context(disk(where, 12))
        shutil.copytree(moved, where, dirs_exist_ok=True)
        with place.open() as house:
            before = house.log.newest(house.store.connection).size
            repair = _break(kind, where, place, house)
            expect("what is shown is in the log", all(_is_logged(place, house) for _ in range(3 if writable else 1)))
            if not writable:
                expect("nothing is shown", _shown(lambda: place.look(house), 1 + _fits(kind)) is None)
                expect("nothing is kept of it", house.log.newest(house.store.connection).size <= before + _fits(kind))
            journal = kind != "keys read-only"  # the journal lies beside the keys
            broke = _shown(
                lambda: house.gate.break_glass(house.registry.actors["dr-lee"], "p1", WHY, timedelta(hours=1)) or 1
            )
            expect("a glass is broken by the journal alone", (broke is not None) == journal)
            seen = _shown(lambda: place.look(house, "BTG"))
            expect("and opens the record", (seen is not None) == journal)
            expect("and no other", _shown(lambda: place.look(house, "BTG", "p2")) is None)
            if not writable:
                expect("nor for another purpose", _shown(lambda: place.look(house)) is None)
            if journal and kind != "store read-only":
                again = _shown(lambda: _after_a_restart(place))
                expect("also after a restart in the outage", again is not None, "the house does not open")
            noted = len(house.gate._journal.waiting())
            repair()
        with place.open() as house:
            merged = [e for e in house.log.entries(house.store.connection) if "journal" in e.content]
            expect("after repair everything is in the log", len(merged) == noted, f"{len(merged)} of {noted}")
            expect("and it verifies", not house.verify().problems)
            expect("and is read as before", bool(_shown(lambda: place.look(house))))


def _is_logged(place: Place, house: Any) -> bool:
    """A look that shows nothing, or leaves its entry."""
    before = house.log.newest(house.store.connection).size
    shown = _shown(lambda: place.look(house))
    return shown is None or house.log.newest(house.store.connection).size > before


def _fits(kind: str) -> int:
    """Decisions that a disk with a last free page may still take before it is full."""
    return 40 if kind.endswith("full") else 0


def _after_a_restart(place: Place) -> list[Any]:
    with place.open() as house:
        return place.look(house, "BTG")


def _break(kind: str, where: Path, place: Place, house: Any) -> Callable[[], None]:
    """Begin the outage; what is returned ends it."""
    if kind == "store read-only":  # a disk cannot be made read-only under an open store: the connection can
        house.store.connection.execute("PRAGMA query_only=ON")
        return lambda: house.store.connection.execute("PRAGMA query_only=OFF") and None
    if kind.endswith("read-only"):
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True, capture_output=True)
        return lambda: (
            subprocess.run(["mount", "-o", "remount,rw", str(where)], check=True, capture_output=True) and None
        )
    if kind.endswith("full"):
        filler = where / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        return filler.unlink
    other = sqlite3.connect(place.configuration.store_file, isolation_level=None, timeout=1)
    other.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        other.execute("ROLLBACK")
        other.close()

    return let_go


def _shown(attempt: Callable[[], Any], times: int = 1) -> Any:
    """What the last of some attempts gave; None where one was refused."""
    from salus.errors import SalusError

    last = None
    for _ in range(times):
        try:
            last = attempt()
        except (SalusError, sqlite3.DatabaseError, OSError):
            return None
    return last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(), help="not used: the house is made here")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--rewritings", type=int, default=20)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    dice, score = random.Random(given.seed), Score()
    if given.flips:
        with tempfile.TemporaryDirectory() as name:
            flips(Place(Path(name)), given.flips, dice, score)
    if given.rewritings:
        rewritings(given.rewritings, dice, score)
    if given.kills:
        kills(given.kills, dice, score)
    outages(score)
    told = (
        "flips detected",
        "rewritings",
        "rewritings that the house itself calls good",
        "transactions acknowledged before a kill",
    )
    n = sum(v for k, v in score.counts.items() if not k.endswith(", failed") and k not in told)
    tally = Tally(failures=[{**f, "outcome": str(Outcome.WRONG)} for f in score.failures])
    tally.add_many(Outcome.WRONG, len(score.failures))
    tally.add_many(Outcome.RIGHT, n - len(score.failures))
    return report(
        check="trust.tamper", tally=tally, data=given.data, figures=dict(score.counts), as_json=given.json,
        covers="bits flipped, logs rewritten, kills, full disks and outages made here are found and lose nothing",
        truth=Truth.OWN, split=Split.UNSEEN, methods=["trust.log"],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
