"""Privacy: a record without identifiers, a k-anonymous table, and a patient erased with every proof left standing."""

from __future__ import annotations

import random
from collections.abc import Mapping

from salus.cli.tour.slice import Slice, Stage
from salus.errors import AccessError, IntegrityError


def run(stage: Stage) -> str:
    """De-identify an example record, release a made-up table, erase a patient in a house of its own."""
    return f"{_deidentify(stage)}; {_anonymise()}; {_erase(stage)}"


def _deidentify(stage: Stage) -> str:
    from salus.app.research.deidentified import deidentified
    from salus.fhir import json

    example = stage.examples["maria"]
    told = deidentified(stage.session("demo-maria"), example.patient, example.at)
    everything = b"".join(json.dumps(body) for body in told.resources) + "".join(told.notes).encode()
    if example.patient.encode() in everything:
        raise IntegrityError("a released record names its patient")
    return f"{len(told.resources)} resources and {len(told.notes)} notes released without identifiers"


def _anonymise() -> str:
    from salus.app.research.anonymised import anonymised

    chance = random.Random(2026)  # noqa: S311 - made-up rows, no secret
    ages = {
        str(a): (str(a), f"{a // 5 * 5}-{a // 5 * 5 + 4}", f"{a // 20 * 20}-{a // 20 * 20 + 19}", "*")
        for a in range(20, 80)
    }
    towns = {f"{n:03}": (f"{n:03}", f"{n // 10:02}x", f"{n // 100}xx", "*") for n in range(300)}
    rows = [(str(int(chance.triangular(20, 80, 60))), f"{chance.randrange(300):03}", "x") for _ in range(2000)]
    told = anonymised(("age", "town", "value"), rows, {"age": ages, "town": towns}, k=5, suppression=0.04)
    if told.smallest_class < 5:
        raise IntegrityError("a class below k was released")
    return f"2,000 made-up rows 5-anonymous with {told.suppressed} suppressed"


def _erase(stage: Stage) -> str:
    from salus.app import demo, erasure

    example = stage.examples["thomas"]
    with demo.make_house(stage.folder / "house", example) as house:
        demo.take_in(house, example)
        kept = house.log.newest(house.store.connection)
        patient = demo.session(house, demo.patient_actor(example))
        erasure.ask(patient, example.patient)
        told = erasure.carry_out(demo.session(house, demo.OPERATOR), example.patient)
        if not isinstance(told, Mapping):
            raise IntegrityError("an erasure in a store for demonstrations waits for a second person")
        report = house.verify(kept)
        try:
            patient.open(example.patient, example.at)
        except AccessError:
            if not report.problems:
                return f"a patient erased ({told['versions']} versions) and {report.entries} log entries still verify"
        raise IntegrityError("an erased record can be read, or the log does not verify any more")


SLICE = Slice(
    name="privacy",
    title="Privacy",
    says=("k-anonymous tables with the least loss that there is, as ARX finds it"),
    capabilities=("trust.anonymity",),
    also=(
        "Safe Harbor de-identification of a record and its notes, where the record names whom to hide; erasure by "
        "shredding a patient's key with all proofs left standing"
    ),
    also_capabilities=("trust.deidentification", "trust.erasure"),
    run=run,
    shown=("loss_ratio_0", "recall_with_record"),
)
