"""``kill -9`` in the middle of intake: the store opens, verifies, and every source is in it whole or not at all."""

import os
import random
import subprocess
import sys
import time

import pytest

from salus.app.config import load
from salus.app.house import House
from salus.fhir import json
from salus.trust.grants import Grant
from tests.conftest import bundle, creatinine, person

PER_SOURCE = 25
SOURCES = 16
NAMES = ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE")


class Victim:
    """A store, a folder of sources for one patient a round, and the intake process that is killed."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, **{f"SALUS_{n}": str(folder / n.lower()) for n in NAMES}}
        subprocess.run(self.command("init"), env=self.environment, check=True, capture_output=True)

    @staticmethod
    def command(*words):
        return [sys.executable, "-c", "from salus.cli.main import main; main()", *words]

    def sources(self, patient):
        """A Bundle with the Patient, then many more: readings, and notes of some size."""
        folder = self.folder / "in" / patient
        folder.mkdir(parents=True)
        (folder / "00.json").write_bytes(json.dumps(bundle(person(patient))))
        for n in range(1, SOURCES):
            readings = [
                creatinine(f"1.{i}", f"2025-{i % 12 + 1:02d}-01", f"s{n}-{i}", patient) for i in range(PER_SOURCE)
            ]
            (folder / f"{n:02d}.json").write_bytes(json.dumps(bundle(*readings)))
            if n % 5 == 0:
                (folder / f"{n:02d}.txt").write_text(f"Note {n}\n" + f"line {n} of a long note\n" * 50_000)
        return folder

    def start(self, folder):
        command = self.command("intake", str(folder), "--as", "operator")
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def check(self, patient):
        """How many sources are in the store; each of them whole."""
        with House(load(environment=self.environment)) as house:
            report = house.verify()
            assert not report.problems, report.problems[:3]
            scope = Grant("t", patient, "self", frozenset({"record", "note"}), may_write=False, purpose="PATRQT")
            if not house.store.connection.execute("SELECT 1 FROM patient WHERE id = ?", (patient,)).fetchone():
                return 0
            stored = {s.source.ref: s.body for s in house.store.read(scope)}
            proofs = [body for body in stored.values() if body["resourceType"] == "Provenance"]
            cited = [target["reference"] for proof in proofs for target in proof["target"]]
            assert sorted(cited) == sorted(ref for ref in stored if not ref.startswith("Provenance/"))
            for reference, body in stored.items():
                if reference.startswith("DocumentReference/"):
                    attachment = body["content"][0]["attachment"]
                    address = attachment["url"].removeprefix("urn:salus:blob:")
                    assert len(house.store.blob(scope, address)) == attachment["size"]
            for proof in proofs:
                assert len(proof["target"]) in (1, PER_SOURCE)
            assert house.log.newest(house.store.connection).size == report.entries
            return len(proofs)


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_intake_leaves_whole_sources_and_a_store_that_opens(tmp_path, rounds):
    victim = Victim(tmp_path)
    total = SOURCES + (SOURCES - 1) // 5
    started = time.monotonic()
    assert victim.start(victim.sources("whole")).wait() == 0
    needed = time.monotonic() - started
    assert victim.check("whole") == total

    draw = random.Random(rounds)
    reached = []
    for number in range(rounds):
        patient = f"p{number}"
        folder = victim.sources(patient)
        process = victim.start(folder)
        time.sleep(draw.uniform(0.5, 1.05) * needed)
        process.kill()
        process.wait()
        reached.append(victim.check(patient))
    assert victim.start(folder).wait() == 0, "what was interrupted could not be taken in again"
    assert victim.check(patient) == total
    assert any(0 < count < total for count in reached), f"no kill fell into the writing: {reached}"
