"""Handing data out for research: a record without identifiers, under the patient's consent to just that purpose."""

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
    """What is released to this actor of the record and its notes, without the identifiers of Safe Harbor.

    Genome, images and signals are not in it: a genome identifies by itself, and a head can be seen in its images.
    Raises AccessError without a basis for ``purpose``, InputError where a note cannot be read or something is left.
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
