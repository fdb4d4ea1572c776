"""Consent and proof: who may read is signed, who read is proved, and a witness holds the house to its log."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from salus.cli.tour.slice import Slice, Stage
from salus.errors import AccessError, IntegrityError

if TYPE_CHECKING:
    from salus.app.house import House
    from salus.trust.note import Verifier


def run(stage: Stage) -> str:
    """A record opened by a signed consent and closed again; the look proved to its patient, cosigned by a witness."""
    from salus.app import demo
    from salus.app.session import Session
    from salus.trust import audit, proof
    from salus.trust.identity import demo_identity

    example = stage.examples["noor"]
    with demo.make_house(stage.folder / "consent", example) as house:
        demo.take_in(house, example)
        patient = Session(house, demo_identity(demo.patient_actor(example)))
        reader = Session(house, demo_identity(demo.CLINICIAN))
        given = patient.give_consent(example.patient, example.at, actors=[reader.actor.id], categories=["record"])
        reader.open(example.patient, example.at)
        patient.revoke(example.patient, given)
        try:
            reader.open(example.patient, example.at)
            raise IntegrityError("a revoked consent opens a record")
        except AccessError:
            seen = [e for e in patient.accesses(example.patient) if e.get("actor") == reader.actor.id]
        for event in patient.audit_events(example.patient):
            audit.check(event, failed=event["outcome"] != "0")
        verifier = _cosigned(stage, house)
        told = proof.check(patient.proof(example.patient, seen[0]["n"]), house.vault.house.public_key(), [verifier])
        if told.witnesses != (verifier.name,):
            raise IntegrityError("the witness does not stand on the proof")
    return f"{len(seen)} looks of a clinician in the patient's own log, one of them proved and {told.lines()[1]}"


def _cosigned(stage: Stage, house: House) -> Verifier:
    """Have a witness in this process cosign the log; returns its public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from salus.app import witnessing
    from salus.trust.checkpoint import verifier
    from salus.trust.note import Signer
    from salus.trust.witness import Server, Witness

    log = verifier(house.log.origin, house.vault.house.public_key())
    signer = Signer.cosigner("witness.example/tour", Ed25519PrivateKey.generate())
    witness = Witness(stage.folder / "witness", [signer], {log.name: [log]})
    server = Server(("127.0.0.1", 0), witness)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        witnessing.cosign(house, f"http://127.0.0.1:{server.server_address[1]}", signer.verifier.vkey)
    finally:
        server.shutdown()
        server.server_close()
        witness.close()
    return signer.verifier


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
