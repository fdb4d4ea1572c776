"""Row 4: data of one kind dressed as another, so that a reader of the record alone sees what he may not."""

import base64

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from tests.conftest import bundle, creatinine, person
from tests.trust.attacks.scene import ABOUT, GENE, file, put
from tests.trust.test_gate import look

PLAIN = {**creatinine("1.0", "2026-01-01", "x"), **ABOUT}
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def observed(**more):
    return {**PLAIN, **more}


def coded(system, code):
    return observed(code={"coding": [{"system": system, "code": code}]})


TRICKS = {
    "a code with https": coded("https://loinc.org", "69548-6"),
    "a code with a version": coded("http://loinc.org|2.77", "69548-6"),
    "a code with a slash": coded("http://loinc.org/", "69548-6"),
    "a code without a system": observed(code={"coding": [{"code": "69548-6"}]}),
    "a code by its OID": coded("urn:oid:2.16.840.1.113883.6.1", "69548-6"),
    "a second coding": observed(code={"coding": [*PLAIN["code"]["coding"], GENE["code"]["coding"][0]]}),
    "a code in a component": observed(component=[{"code": GENE["code"], "valueString": "positive"}]),
    "a code in an extension": observed(extension=[{"url": "urn:x", "valueCodeableConcept": GENE["code"]}]),
    "an extension by name": observed(extension=[{"url": "urn:x/genomic-source", "valueString": "positive"}]),
    "a profile": observed(meta={"profile": ["http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"]}),
    "a contained result": observed(contained=[{**GENE, "id": "c"}], hasMember=[{"reference": "#c"}]),
    "a result twice contained": observed(contained=[{**PLAIN, "id": "c", "contained": [{**GENE, "id": "d"}]}]),
    "a value in words": observed(valueString="BRCA1 c.68_69delAG, pathogenic variant"),
    "words behind invisible letters": observed(note=[{"text": "BR\u200bCA1 mu\u00adtation carrier"}]),
    "words in full width": observed(note=[{"text": "ＢＲＣＡ１ positive"}]),
    "words in a narrative": observed(text={"status": "generated", "div": "<div>fac<b>tor V</b> &#76;eiden</div>"}),
    "words in an element that R4 lacks": observed(gossip="she is a carrier of the BRCA2 mutation"),
    "a section": observed(category=[{"coding": [{"system": "http://hl7.org/fhir/v2/0074", "code": "GE"}]}]),
    "a section in words": observed(category=[{"text": "Humangenetik"}]),
    "ICD-10 without dot": {**ABOUT, "resourceType": "Condition", "id": "x",
                           "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "z1501"}]}},
    "a sequence": {**ABOUT, "resourceType": "MolecularSequence", "id": "x", "coordinateSystem": 0,
                   "patient": ABOUT["subject"]},
    "a file by its words": {**ABOUT, "resourceType": "DocumentReference", "id": "x", "status": "current", "content": [
        {"attachment": {"contentType": "text/plain", "data": b64(VCF)}}]},
    "a file by its name": {**ABOUT, "resourceType": "DocumentReference", "id": "x", "status": "current", "content": [
        {"attachment": {"contentType": "text/plain", "title": "panel.VCF.gz"}}]},
    "a file in an extension": observed(extension=[{"url": "urn:x", "valueAttachment": {
        "contentType": "text/vcf", "data": b64(VCF)}}]),
    "a portrait that is none": {**person(), "photo": [{"contentType": "text/vcf", "title": "me.vcf"}]},
    "a file of no type": {**ABOUT, "resourceType": "Media", "id": "x", "status": "completed", "content": {"url": "a"}},
    "a picture": {**ABOUT, "resourceType": "ImagingStudy", "id": "x", "status": "available"},
    "a series of a signal": observed(valueSampledData={"origin": {"value": 0}, "period": 1, "dimensions": 1}),
    "a conclusion": {**ABOUT, "resourceType": "DiagnosticReport", "id": "x", "status": "final",
                     "conclusion": "as feared", "code": {"text": "report"}},
    "a comment as long as a letter": observed(note=[{"text": "He said. " * 200}]),
    "anything as Basic": {**ABOUT, "resourceType": "Basic", "id": "x", "code": {"text": "x"}},
    "a type that nobody knows": {**ABOUT, "resourceType": "GenomicStudy", "id": "x", "status": "available"},
    "a list that leads to one": {**ABOUT, "resourceType": "List", "id": "x", "status": "current", "mode": "working",
                                 "entry": [{"item": {"reference": "Observation/gene"}}]},
    "a list by version": {**ABOUT, "resourceType": "List", "id": "x", "status": "current", "mode": "working",
                          "entry": [{"item": {"reference": "Observation/gene/_history/1"}}]},
    "a list in a task": {**ABOUT, "resourceType": "Task", "id": "x", "status": "draft", "intent": "plan",
                         "for": ABOUT["subject"], "contained": [{"resourceType": "List", "id": "l", "entry": [
                             {"item": {"reference": "Observation/gene"}}]}]},
}  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_what_is_dressed_as_record_is_not_shown_to_a_reader_of_the_record(ward, trick):
    put(ward, person(), GENE)
    put(ward, trick)
    file(Session(ward.house, ward.patient))
    grant = look(ward)[1]
    assert grant.categories == {"record"}
    ref = f"{trick['resourceType']}/{trick['id']}"
    assert not ward.house.store.versions(grant, ref)
    assert ref not in {s.source.ref for s in ward.house.store.read(grant)}
    assert not list(ward.house.store.search(grant, trick["resourceType"], ids=[trick["id"]]))


TAGS = {
    "a finding's tag": {"tag": [{"system": "urn:salus:finding", "code": "x"}]},
    "a category": {"tag": [{"system": "urn:salus:category", "code": "record"}]},
    "a kind": {"tag": [{"system": "urn:salus:kind", "code": "record"}]},
    "the patient's own": {"tag": [{"system": "urn:salus:category", "code": "person"}]},
    "all": {
        "tag": [
            {"system": f"urn:salus:{what}", "code": code}
            for what, code in (("finding", "x"), ("category", "record"), ("kind", "record"), ("setting", "home"))
        ]
    },
}


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("own", ["", "salus-"])
def test_no_tag_from_outside_makes_data_of_another_kind(ward, tags, own):
    put(ward, person())
    lie = {**GENE, "id": f"{own}x", "meta": tags}
    ward.write("lie.json", bundle(person(), lie))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    file(Session(ward.house, ward.patient))
    found = ward.house.store.read(look(ward)[1])
    assert not [s for s in found if b"69548-6" in s.data]
