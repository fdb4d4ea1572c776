"""Releasing a record for research: without identifiers, under the patient's consent to that purpose."""

from __future__ import annotations

from datetime import datetime

from salus.app.session import Session
from salus.errors import InputError
from salus.findings.fhir import is_finding
from salus.formats.note import read_note
from salus.trust import glass
from salus.trust.safe_harbor import Released, release

RESEARCH = "HRESCH"
"""Purpose of use: healthcare research (HL7 ActReason)."""


def deidentified(session: Session, patient: str, at: datetime, *, purpose: str = RESEARCH) -> Released:
    """The record and notes that are released to this actor, without the identifiers that Safe Harbor lists.

    Genome, images and signals are left out: a genome identifies by itself, and images of a head show the face. Raises
    AccessError without a basis for ``purpose``, InputError where a note cannot be read or an identifier is left.
    """
    glass.refuse(purpose)
    chart = session.open(patient, at, purpose=purpose).chart
    bodies = [body for _, body in chart.resources() if not is_finding(body) and body["resourceType"] != "Provenance"]
    notes = []
    for blob in chart.notes():
        try:
            notes.append(read_note(blob.read(), blob.meta.get("encoding")).text)
        except InputError as error:
            raise InputError("a note of the record cannot be read", remedy="correct or remove it first") from error
    return release(bodies, notes, at)
