"""A made-up patient with every kind of finding, and a plan over them, for the tests of the report."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from salus.careplan.model import Dropped, MedicineLine, NotAssessable, Plan, PlanItem
from salus.fhir import json
from salus.fhir.blobs import BLOB_SCHEME, EXT_META, EXT_SHA256
from salus.fhir.quantity import Quantity
from salus.fhir.views import TAG_KIND
from salus.findings.method import Method
from salus.findings.model import Evidence, Finding, Interval, MediaItem
from salus.findings.runner import run
from salus.findings.strength import Strength
from salus.genomics.pharmacogenes import PHARMACOGENES
from salus.genomics.tables import Gene, load
from salus.imaging.thumbnail import png
from salus.monitoring.method_home_blood_pressure import HOME_BLOOD_PRESSURE
from salus.record.chart import Chart
from salus.risk.course import EGFR_COURSE
from salus.risk.egfr import EGFR
from salus.text.methods import NoteMentions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LOINC = "http://loinc.org"
HOSTILE = """<script>alert("x")</script><img src=x onerror='alert(1)'> & "quoted" 'single' </style></svg>"""
NOTE = f"""CLINIC NOTE
58-year-old woman, NSTEMI in January 2026 with a stent, on clopidogrel 75 mg daily. No bleeding.
She had a transient ischaemic attack in 2019. See https://evil.example/x?a=1 and {HOSTILE}
"""
SERIES = b'[{"at": "2026", "value": 1}, {"at": "2027", "value": 3}]'
Resource = dict[str, Any]


def _quantity(value: object, unit: str) -> Resource:
    return {"value": Decimal(str(value)), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def lab(id: str, code: str, text: str, value: object, unit: str, at: str) -> Resource:
    """A laboratory result."""
    return {
        "resourceType": "Observation", "id": id, "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}], "text": text},
        "effectiveDateTime": at, "valueQuantity": _quantity(value, unit),
    }  # fmt: skip


def _pressures() -> list[Resource]:
    """Two measurements in the morning and two in the evening, every third day and daily in the last week."""
    found = []
    days = [d for d in range(84, 0, -1) if d % 3 == 0 or d <= 7]
    for day in days:
        for hour, minute, shift in ((7, 0, 2), (7, 2, 0), (20, 0, -3), (20, 2, -1)):
            at = (NOW - timedelta(days=day)).replace(hour=hour, minute=minute)
            systolic, diastolic = 126 + (84 - day) // 6 + shift, 78 + (84 - day) // 12 + shift
            components = [
                {"code": {"coding": [{"system": LOINC, "code": c}]}, "valueQuantity": _quantity(v, "mm[Hg]")}
                for c, v in (("8480-6", systolic), ("8462-4", diastolic))
            ]
            found.append({
                "resourceType": "Observation", "id": f"bp{len(found)}", "status": "final",
                "meta": {"tag": [{"system": "urn:salus:setting", "code": "home"}]},
                "code": {"coding": [{"system": LOINC, "code": "85354-9"}], "text": "Blood pressure"},
                "effectiveDateTime": at.isoformat(), "component": components,
            })  # fmt: skip
    return found


def document(id: str, kind: str, title: str, date: str, parts: Mapping[str, bytes], **meta: str) -> Resource:
    """A DocumentReference whose attachments lie in the blob store under their SHA-256."""
    body: Resource = {
        "resourceType": "DocumentReference", "id": id, "status": "current", "description": title, "date": date,
        "meta": {"tag": [{"system": TAG_KIND, "code": kind}]},
        "content": [
            {"attachment": {
                "title": name, "contentType": "application/octet-stream", "size": len(data),
                "url": BLOB_SCHEME + hashlib.sha256(data).hexdigest(),
                "extension": [{"url": EXT_SHA256, "valueString": hashlib.sha256(data).hexdigest()}],
            }}
            for name, data in parts.items()
        ],
    }  # fmt: skip
    if meta:
        inner = [{"url": key, "valueString": value} for key, value in meta.items()]
        body["extension"] = [{"url": EXT_META, "extension": inner}]
    return body


def _rows(gene: Gene, first: str, second: str) -> list[str]:
    one, other = (next(h for h in gene.haplotypes if h.name == name) for name in (first, second))
    lines = []
    for index, p in enumerate(gene.positions):
        alleles = [p.ref, *p.alts]
        numbers = sorted(alleles.index(h.bases[index]) for h in (one, other))
        genotype = "/".join(map(str, numbers))
        lines.append(f"chr{gene.contig}\t{p.pos}\t.\t{p.ref}\t{','.join(p.alts)}\t.\tPASS\t.\tGT\t{genotype}\n")
    return lines


def genome() -> bytes:
    """A VCF with CYP2C19 *2/*2 and SLCO1B1 *1/*5."""
    head = "##fileformat=VCFv4.2\n##contig=<ID=chr10,length=133797422>\n##contig=<ID=chr12,length=133275309>\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
    rows = _rows(load("CYP2C19"), "*2", "*2") + _rows(load("SLCO1B1"), "*1", "*5")
    return (head + columns + "".join(rows)).encode()


FILES: dict[str, tuple[str, str, str, dict[str, bytes]]] = {
    "note": ("note/text", f"Clinic note {HOSTILE}", "2026-05-18", {"note.txt": NOTE.encode()}),
    "genome": ("genome/vcf", "Genome variants", "2026-05-04", {"genome.vcf": genome()}),
    "ct": ("image/dicom", "Chest CT", "2026-05-20", {"0001.dcm": b"slice one", "0002.dcm": b"slice two"}),
    "ecg": ("ecg/wfdb", "Watch ECG", "2026-05-30", {"watch.hea": b"header", "watch.dat": b"signal"}),
}


def resources(name: str = f"Ann O'Brien {HOSTILE}") -> list[Resource]:
    """Everything that is on record."""
    person = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1968-02-03",
              "name": [{"text": name}]}  # fmt: skip
    creatinine = [("0.98", "2025-03-10"), ("1.08", "2025-09-15"), ("1.16", "2026-01-28"), ("1.32", "2026-05-18")]
    ratios = [("120", "2026-01-28"), ("246", "2026-05-18")]
    clopidogrel = {
        "resourceType": "MedicationRequest", "id": "m1", "status": "active", "authoredOn": "2026-01-30",
        "medicationCodeableConcept": {"text": "clopidogrel 75 MG Oral Tablet"},
        "dosageInstruction": [{"text": "75 mg once daily"}],
    }  # fmt: skip
    return [
        person,
        clopidogrel,
        *(lab(f"cr{n}", "2160-0", "Creatinine", v, "mg/dL", d) for n, (v, d) in enumerate(creatinine)),
        *(lab(f"acr{n}", "9318-7", "Albumin/Creatinine", v, "mg/g", d) for n, (v, d) in enumerate(ratios)),
        *_pressures(),
        *(document(id, kind, title, date, parts) for id, (kind, title, date, parts) in FILES.items()),
    ]


def blobs() -> dict[str, bytes]:
    """The bytes of every file by address."""
    return {hashlib.sha256(data).hexdigest(): data for _, _, _, parts in FILES.values() for data in parts.values()}


def chart(bodies: Sequence[Resource] | None = None, findings: Sequence[Finding] = ()) -> Chart:
    """The chart of all that."""
    return Chart.of(resources() if bodies is None else bodies, now=NOW, blobs=blobs(), findings=findings)


def beat(at: float) -> float:
    """One heart beat in mV around ``at`` = 0 s: P, QRS and T as Gaussians."""
    waves = ((-0.16, 0.12, 0.025), (-0.03, -0.12, 0.01), (0.0, 1.1, 0.011), (0.25, 0.3, 0.05))
    return sum(height * math.exp(-0.5 * ((at - shift) / width) ** 2) for shift, height, width in waves)


def strip(**changes: Any) -> MediaItem:
    """Ten seconds at 100 Hz, a beat a second, with a gap."""
    samples: list[Any] = [round(beat((n / 100) % 1 - 0.5), 3) for n in range(1000)]
    samples[400:410] = [None] * 10
    body = {
        "fs": 100,
        "start": 0,
        "unit": "mV",
        "channel": "I",
        "samples": samples,
        "beats": list(range(50, 1000, 100)),
    }
    text = json.dumps({k: Decimal(str(v)) if isinstance(v, float) else v for k, v in (body | changes).items()})
    return MediaItem("strip", "ECG, I, from 0 s", "application/json", text)


def thumbnail() -> bytes:
    """A small grey PNG."""
    import numpy as np

    return png(np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8))


def made_findings(on: Chart) -> tuple[Finding, ...]:
    """Findings as methods would give them for signals and images, and those of a hostile stranger's method."""
    reader = on.fresh()
    ecg, ct = reader.signals("ecg")[0], reader.images()[0]
    rate = Finding(
        code="ecg-heart-rate", sentence="Mean heart rate 60 beats a minute over 10 s of trusted ECG.",
        value=Quantity(Decimal("60.0"), "/min"), interval=Interval(Decimal(59), Decimal(61), None, "one beat missed"),
        effective=("2026-05-30T19:15:00Z", "2026-05-30T19:15:10Z"), target=ecg.source.ref,
        evidence=(Evidence.of_blob(ecg, 1, "strip shown", sample_start=0, sample_end=1000, channel="I"),),
        media=(strip(),), patient_sentence="Your heart beat about 60 times a minute.",
    )  # fmt: skip
    volume = Finding(
        code="image-volume", sentence="CT: 2 slices of 64 × 48 pixels.", value="CT",
        no_uncertainty="read from the header", effective=("2026-05-20", "2026-05-20"), target=ct.source.ref,
        evidence=(Evidence(ct.source), Evidence.of_blob(ct, 1, "middle slice", frame=1, box=[8, 6, 50, 40])),
        details={"columns": 64, "rows": 48},
        media=(
            MediaItem("thumbnail", "CT, axial", "image/png", thumbnail()),
            MediaItem("thumbnail", "Not a picture", "image/svg+xml", b"<svg onload='alert(1)'/>"),
        ),
    )  # fmt: skip
    stranger = Finding(
        code="stranger-score", sentence=f"A stranger says {HOSTILE}", value=HOSTILE, no_uncertainty=HOSTILE,
        evidence=(Evidence(ct.source, label=HOSTILE),), patient_sentence=f"Stop clopidogrel now. {HOSTILE}",
        details={"gene": HOSTILE, "positions": [1, {"position": HOSTILE}], "diplotypes": "no list"},
        media=(MediaItem("strip", HOSTILE, "application/json", b"not json"),
               MediaItem("series", HOSTILE, "application/json", SERIES)),
    )  # fmt: skip
    refused = Finding(
        code="prevent-cvd-10y", sentence="Not assessable: no blood pressure.", status="not-assessable",
        reason="no clinic blood pressure is recorded", needs=("a clinic blood pressure",),
    )  # fmt: skip
    owners = (
        (rate, "monitoring.ecg-rate"),
        (volume, "imaging.volume"),
        (stranger, "acme.score"),
        (refused, "risk.prevent"),
    )
    return tuple(f.by(subject="p", method=method, version="1.0.0", parameters="", reads=()) for f, method in owners)


@cache
def findings() -> tuple[Finding, ...]:
    """What our own methods draw from the chart, and the made ones."""
    methods: list[Method] = [EGFR, EGFR_COURSE, HOME_BLOOD_PRESSURE, PHARMACOGENES, NoteMentions()]
    outcome = run(methods, chart())
    assert not outcome.failures
    return outcome.findings + made_findings(chart())


def item(rank: int, **fields: Any) -> PlanItem:
    """A plan item; unnamed fields are ordinary."""
    base: dict[str, Any] = {
        "key": f"cpic:change:drug{rank}", "tier": "medicines", "rank": rank, "action": "change",
        "target": f"drug{rank}", "text": f"Change medicine {rank}.", "strength": Strength.of("strong"),
        "patient_text": "Ask your doctor about this pill.", "because": ("first reason", "last reason"),
        "citation": "Lee CR et al. 2022, PMID 35034351, doi:10.1002/cpt.2526.",
        "findings": (), "evidence": (), "changes_if": "a laboratory finds another result",
    }  # fmt: skip
    return PlanItem(**(base | fields))


@cache
def plan(name: str = f"Ann O'Brien {HOSTILE}") -> Plan:
    """A plan with items of every tier, one unresolved, and everything else a plan can hold."""
    found = findings()
    by_code = {f.code: f for f in found}
    gene, course = by_code["cyp2c19-phenotype"], by_code["egfr-course"]
    notes = tuple(e for f in found if f.code == "note-problem" for e in f.evidence)
    proposal = gene.proposals[0]
    urgent = item(
        3, tier="urgent", key=proposal.key, text="Replace clopidogrel.", status="unresolved", ask="cardiology",
        why="prasugrel is contraindicated after a transient ischaemic attack", window="within days until 2027-01-29",
        findings=(gene.id,), evidence=notes, alternatives=("ticagrelor",),
    )  # fmt: skip
    items = (
        item(1), item(2, text=f"Change {HOSTILE}", because=(HOSTILE,), patient_text="Stop taking clopidogrel today."),
        urgent, item(4, tier="disease-control", findings=(course.id,)), item(5, tier="prevention", because=()),
        item(6, tier="missing-data", text="Measure potassium.", patient_text="One blood test is missing."),
    )  # fmt: skip
    source = next(s for s, body in chart().resources() if body["resourceType"] == "MedicationRequest")
    medicine = MedicineLine(
        "clopidogrel 75 MG Oral Tablet", "clopidogrel", "75 mg once daily", "active", ("record",), "2026-01-30", (),
        (Evidence(source, {"path": "medicationCodeableConcept"}),),
    )  # fmt: skip
    return Plan(
        subject="p", name=name, at="2026-06-01T12:00:00Z", looked_at=("record", "genome", "note"), items=items,
        medicines=(medicine, MedicineLine(HOSTILE, "", "", "in a note only", ("note",), "", ("confirm the dose",), ())),
        not_assessable=(NotAssessable("prevent-cvd-10y", "10-year risk", "no blood pressure", ("a clinic value",)),),
        dropped=(Dropped("k", f"Start {HOSTILE}", "a more specific rule applies", "doi:10.1000/xyz"),),
        summary={"age": 58, "sex": "female"}, findings=found,
    )  # fmt: skip


def changed(**fields: Any) -> Plan:
    """The plan with some fields replaced."""
    return replace(plan(), **fields)
