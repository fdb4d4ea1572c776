"""Consent and proof: who may read is signed, who read is proved, and a witness holds the house to its log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from salus.cli.tour.slice import Slice, Stage
from salus.errors import AccessError, IntegrityError

if TYPE_CHECKING:
    from salus.app.house import House

WITNESS = "witness.example/tour"


def run(stage: Stage) -> str:
    """A record opened by a signed consent and closed again; the look proved to its patient, cosigned by a witness."""
    from salus.app import demo, proving

    example = stage.examples["noor"]
    with demo.make_house(stage.folder / "consent", example) as house:
        demo.take_in(house, example)
        patient = demo.session(house, demo.patient_actor(example))
        reader = demo.session(house, demo.CLINICIAN)
        given = patient.give_consent(example.patient, example.at, actors=[reader.actor.id], categories=["record"])
        reader.open(example.patient, example.at)
        patient.revoke(example.patient, given)
        try:
            reader.open(example.patient, example.at)
            raise IntegrityError("a revoked consent opens a record")
        except AccessError:
            seen = [e for e in patient.accesses(example.patient) if e.get("actor") == reader.actor.id]
        for event in patient.audit_events(example.patient):
            proving.check_audit_event(event)
        witnesses = _cosigned(stage, house)
        told = proving.check(patient.proof(example.patient, seen[0]["n"]), proving.public_key(house), witnesses)
        if told.witnesses != (WITNESS,):
            raise IntegrityError("the witness does not stand on the proof")
    return f"{len(seen)} looks of a clinician in the patient's own log, one of them proved and {told.lines()[1]}"


def _cosigned(stage: Stage, house: House) -> list[str]:
    """Have a witness in this process cosign the log; returns its public keys."""
    from salus.app import proving, witness_server, witnessing

    log = proving.verifier_key(house)
    watched = [(log.partition("+")[0], log)]
    server = witness_server.listen(stage.folder / "witness", WITNESS, watched, ("127.0.0.1", 0))
    keys = witness_server.verifier_keys(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        witnessing.cosign(house, f"http://127.0.0.1:{server.server_address[1]}", keys[0])
    finally:
        server.shutdown()
        server.server_close()
        server.witness.close()
    return keys


SLICE = Slice(
    name="consent",
    title="Consent and proof",
    says=(
        "FHIR Consents are decided as IHE's guide and LEAP's service decide them; logs and proofs of others are "
        "checked, and wrong ones refused"
    ),
    also=(
        "the patient's own key signs consents, which decide reads beside policies and broken glass; each look is an "
        "entry "
        "that its patient can prove, in a log that witnesses cosign"
    ),
    capabilities=("trust.consent", "trust.log", "trust.audit"),
    run=run,
)
