"""Which kinds of data a resource tells of: what is not understood is of every kind, and whatever is added only adds."""

from __future__ import annotations

import base64
import random
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir import categories
from salus.fhir.categories import EVERY, MAX_TARGETS, categories_of, category_of, main_of, targets_of
from salus.fhir.views import CATEGORIES, PERSON

TABLE = tomllib.loads(files("salus.fhir").joinpath("categories.toml").read_text("utf-8"))
LOINC, SNOMED, ICD10 = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
V2, OBSERVATION = (
    "http://terminology.hl7.org/CodeSystem/v2-0074",
    "http://terminology.hl7.org/CodeSystem/observation-category",
)
DATA = {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": "2041 2043 2037"}
HOME = {"system": "urn:salus:setting", "code": "home"}


def of(kind, **elements):
    return {"resourceType": kind, "id": "x1", **elements}


def coded(code, system=LOINC, **more):
    return {"coding": [{"system": system, "code": code, **more}]}


def said(text):
    return {"text": text}


def section(code, system=V2):
    return [coded(code, system)]


def tagged(kind, *tags, **elements):
    return of(kind, meta={"tag": [{"system": f"urn:salus:{s}", "code": c} for s, c in tags]}, **elements)


def file(content_type=None, **more):
    return {**({"contentType": content_type} if content_type else {}), **more}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def comment(text):
    return of("Observation", code=coded("2160-0"), note=[{"text": text}])


LAB = {"category": section("laboratory", OBSERVATION), "code": coded("2160-0"), "valueQuantity": {"value": 1}}

CASES = {
    # what every plan needs stays record
    "condition": (of("Condition", code=coded("I10", ICD10), note=[{"text": "stable, sees Dr. Gene Hall"}]), "record"),
    "a disease that is inherited": (of("Condition", code=coded("E84.0", ICD10, display="Cystic fibrosis")), "record"),
    "trisomy 21": (of("Condition", code=coded("Q90.9", ICD10, display="Down syndrome, unspecified")), "record"),
    "familial hypercholesterolaemia": (
        of("Condition", code=said("Heterozygous familial hypercholesterolaemia")),
        "record",
    ),
    "medicine": (
        of("MedicationRequest", dosageInstruction=[said("1-0-1, 5 mg")], note=[{"text": "fasting"}]),
        "record",
    ),
    "procedure": (of("Procedure", code=said("CT of chest"), category=coded("imaging")), "record"),
    "an order for a picture": (of("ServiceRequest", category=section("RAD"), code=said("XR chest")), "record"),
    "encounter": (of("Encounter", reasonCode=[said("genetic counselling")]), "record"),
    "immunisation": (of("Immunization", vaccineCode=said("meningococcal MCV4P")), "record"),
    "allergy": (of("AllergyIntolerance", code=said("Penicillin")), "record"),
    "lab result": (of("Observation", **LAB), "record"),
    "a unit with a star": (
        of("Observation", valueQuantity={"value": 5, "unit": "10*3/uL", "code": "10*3/uL"}),
        "record",
    ),
    "lab report": (of("DiagnosticReport", category=section("LAB"), result=[{"reference": "Observation/1"}]), "record"),
    "genotype of a virus": (of("Observation", code=said("Hepatitis C virus genotype"), valueString="1a"), "record"),
    "mutation of a germ": (of("Condition", code=said("HIV with drug resistance mutations")), "record"),
    "carrier of a germ": (of("Condition", code=said("Carrier of hepatitis B")), "record"),
    "a test that is asked for": (of("Encounter", reasonCode=[coded("Z31.5", ICD10)]), "record"),
    "an accident of ICD-10": (of("Condition", code=coded("V84.0", ICD10)), "record"),
    "contained people": (of("Claim", contained=[of("Organization"), of("Coverage")]), "record"),
    "unknown extension": (of("Condition", extension=[{"url": "http://x.org/y", "valueString": "left"}]), "record"),
    "narrative": (
        of("Condition", text={"status": "generated", "div": "<div>" + "Asthma. " * 500 + "</div>"}),
        "record",
    ),
    "portrait": (of("Practitioner", photo=[file("image/jpeg", url="a")]), "record"),
    # people
    "patient": (of("Patient", name=[{"text": "Gene Apo", "family": "Brca1"}]), PERSON),
    "patient with a portrait": (of("Patient", photo=[file("image/jpeg", data="aaaa")]), PERSON),
    "portrait without a media type": (of("Patient", photo=[{"url": "http://x/y"}]), PERSON),
    "patient with a gene": (
        of("Patient", extension=[{"url": "http://x.org/y", "valueString": "BRCA1 mutation"}]),
        PERSON + " genome",
    ),
    # by type
    "imaging study": (of("ImagingStudy"), "image"),
    "imaging study with a doctor": (of("ImagingStudy", contained=[of("Practitioner"), of("Location")]), "image"),
    "sequence": (of("MolecularSequence"), "genome"),
    "composition": (of("Composition", title="Discharge summary"), "note"),
    "impression": (of("ClinicalImpression", summary="well"), "note"),
    "message": (of("Communication", payload=[{"contentString": "please call"}]), "note"),
    "basic": (of("Basic", code=said("referral")), "every"),
    "parameters": (of("Parameters"), "every"),
    "bundle": (of("Bundle", entry=[{"resource": of("Condition")}]), "every"),
    "unknown type": (of("GenomicStudy"), "every"),
    "no type": ({"id": "x1"}, "every"),
    "type that is no word": ({"resourceType": ["Condition"]}, "every"),
    # by section
    "section genetics": (of("Observation", category=section("GE"), code=said("result")), "genome"),
    "section laboratory and genetics": (
        of("Observation", category=[*section("laboratory", OBSERVATION), *section("GE")]),
        "genome",
    ),
    "section cytogenetics": (of("DiagnosticReport", category=section("CG")), "genome"),
    "section in words": (of("DiagnosticReport", category=[said("Génétique")]), "genome"),
    "section of another system": (of("Observation", category=section("GE", "http://lab.example")), "genome"),
    "section of LOINC's class": (of("DiagnosticReport", category=section("LP7824-8", LOINC)), "genome"),
    "section of LOINC's class, picture": (of("DiagnosticReport", category=section("LP29684-5", LOINC)), "image"),
    "section radiology": (of("DiagnosticReport", category=section("RAD")), "image"),
    "section imaging": (of("Observation", category=section("imaging", OBSERVATION)), "image"),
    "section of the heart's current": (of("DiagnosticReport", category=section("EC")), "signal"),
    "section of admission notes": (of("DiagnosticReport", category=section("PHY")), "note"),
    "order of a genetic test": (of("ServiceRequest", category=section("GE")), "record genome"),
    # by code
    "variant": (of("Observation", code=coded("69548-6")), "record genome"),
    "genetic report": (of("DiagnosticReport", code=coded("51969-4"), category=section("LAB")), "record genome"),
    "variant by its OID": (of("Observation", code=coded("69548-6", "urn:oid:2.16.840.1.113883.6.1")), "record genome"),
    "variant without a system": (of("Observation", code={"coding": [{"code": "69548-6"}]}), "record genome"),
    "variant of a versioned system": (of("Observation", code=coded("69548-6", LOINC + "|2.77")), "record genome"),
    "gene among the components": (of("Observation", component=[{"code": coded("48018-6")}]), "record genome"),
    "gene of HGNC": (
        of("Observation", valueCodeableConcept=coded("HGNC:2621", "http://www.genenames.org")),
        "record genome",
    ),
    "implication": (
        of("Observation", code=coded("x", "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs")),
        "record genome",
    ),
    "system alone": (
        of("Observation", valueCodeableConcept={"coding": [{"system": "http://varnomen.hgvs.org"}]}),
        "record genome",
    ),
    "carrier of cystic fibrosis": (of("Condition", code=coded("Z14.1", ICD10)), "record genome"),
    "susceptibility": (of("Condition", code=coded("Z1501", "urn:oid:2.16.840.1.113883.6.90")), "record genome"),
    "susceptibility in a claim": (
        of("Claim", diagnosis=[{"diagnosisCodeableConcept": coded("Z15.01", ICD10)}]),
        "record genome",
    ),
    "susceptibility without a system": (of("Condition", code={"coding": [{"code": "Z15.01"}]}), "record genome"),
    "susceptibility in ICD-9": (
        of("Condition", code=coded("V84.01", "http://hl7.org/fhir/sid/icd-9-cm")),
        "record genome",
    ),
    "relative is a carrier": (of("FamilyMemberHistory", condition=[{"code": coded("Z84.81", ICD10)}]), "record genome"),
    "balanced translocation": (of("Condition", code=coded("Q95.0", ICD10)), "record genome"),
    "karyotype as a code": (of("Condition", code=coded("Q98.0", ICD10)), "record genome"),
    "genetic carrier in SNOMED CT": (of("Condition", code=coded("47461006", SNOMED)), "record genome"),
    "conclusion's code": (of("DiagnosticReport", conclusionCode=[coded("Z15.01", ICD10)]), "record genome"),
    "reason of a prescription": (of("MedicationRequest", reasonCode=[coded("Z15.01", ICD10)]), "record genome"),
    "ECG": (of("Observation", code=coded("11524-6")), "record signal"),
    "ECG's lead": (of("Observation", code=coded("131329", "urn:oid:2.16.840.1.113883.6.24")), "record signal"),
    # by profile and extension
    "profile of genomics": (
        of("Observation", meta={"profile": ["http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/variant"]}),
        "record genome",
    ),
    "profile of an ECG": (
        of("Observation", meta={"profile": ["http://fhir.de/StructureDefinition/observation-de-ekg"]}),
        "record signal",
    ),
    "extension of genetics": (
        of(
            "Observation",
            extension=[
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene",
                    "valueCodeableConcept": said("x"),
                }
            ],
        ),
        "record genome",
    ),
    # by value
    "ECG as a series": (of("Observation", code=said("ECG"), valueSampledData=DATA), "record signal"),
    "series in a component": (of("Observation", component=[{"valueSampledData": DATA}]), "record signal"),
    "series in an extension": (of("Condition", extension=[{"url": "u", "valueSampledData": DATA}]), "record signal"),
    "report with a conclusion": (of("DiagnosticReport", category=section("LAB"), conclusion="benign"), "record note"),
    "report with an empty conclusion": (of("DiagnosticReport", conclusion=""), "record"),
    "report of radiology": (of("DiagnosticReport", category=section("RAD"), conclusion="clear"), "image note"),
    "report with a form": (of("DiagnosticReport", presentedForm=[file("application/pdf", url="a")]), "record note"),
    "form without a media type": (of("DiagnosticReport", presentedForm=[{"url": "a"}]), "record note"),
    "form that is a picture": (of("DiagnosticReport", presentedForm=[file("image/png", url="a")]), "record note image"),
    "form that names a variant": (
        of("DiagnosticReport", presentedForm=[file("text/plain", data=encoded("KRAS: c.35G>A found"))]),
        "record note genome",
    ),
    "report on a study": (of("DiagnosticReport", imagingStudy=[{"reference": "ImagingStudy/1"}]), "record image"),
    "report with media": (of("DiagnosticReport", media=[{"link": {"reference": "Media/1"}}]), "record image"),
    "media of an agent": (of("AuditEvent", agent=[{"media": {"code": "110030"}}]), "record"),
    # attachments
    "document, text": (
        of("DocumentReference", content=[{"attachment": file("text/plain; charset=utf-8", url="a")}]),
        "note",
    ),
    "document, picture": (of("DocumentReference", content=[{"attachment": file("image/jpeg", url="a")}]), "note image"),
    "document, sequence": (of("DocumentReference", content=[{"attachment": file("text/vcf", url="a")}]), "note genome"),
    "document, by its file name": (
        of("DocumentReference", content=[{"attachment": file("text/plain", title="Germline.VCF.gz")}]),
        "note genome",
    ),
    "document, VCF that says it is text": (
        of("DocumentReference", content=[{"attachment": file("text/plain", data=encoded("##fileformat=VCFv4.2\n"))}]),
        "note genome",
    ),
    "document, unknown media type": (
        of("DocumentReference", content=[{"attachment": file("application/x-y")}]),
        "every",
    ),
    "document, unknown media type of a known ending": (
        of("DocumentReference", content=[{"attachment": file("application/x-y", title="a.txt")}]),
        "every",
    ),
    "contained where R4 has none": (
        of("Condition", extension=[{"url": "u", "contained": [{"valueString": "BRCA1"}]}]),
        "record genome",
    ),
    "document, no media type": (of("DocumentReference", content=[{"attachment": {"url": "http://x/y"}}]), "every"),
    "document, only a title": (of("DocumentReference", content=[{"attachment": {"title": "letter"}}]), "note"),
    "document, recording": (of("DocumentReference", content=[{"attachment": file("audio/wav")}]), "note signal"),
    "document, trace": (of("DocumentReference", content=[{"attachment": file("application/edf")}]), "note signal"),
    "document of genetics": (of("DocumentReference", type=coded("51969-4"), content=[]), "note genome"),
    "attachment in an extension": (
        of("Condition", extension=[{"url": "u", "valueAttachment": file("application/dicom", url="a")}]),
        "record image",
    ),
    "attachment deep in extensions": (
        of("Condition", extension=[{"url": "u", "extension": [{"url": "v", "valueAttachment": {"data": "AAAA"}}]}]),
        "every",
    ),
    "picture of a body part": (of("BodyStructure", image=[file("image/png")]), "record image"),
    "answer that is a file": (
        of("QuestionnaireResponse", item=[{"answer": [{"valueAttachment": file("image/png")}]}]),
        "record image",
    ),
    "more text than is searched": (
        of("DocumentReference", content=[{"attachment": file("text/plain", data="AAAA" * (1 << 17))}]),
        "every",
    ),
    # media and binary
    "media, photograph": (of("Media", content=file("image/jpeg", url="a")), "image"),
    "media, by its type": (
        of("Media", type=coded("video", "http://terminology.hl7.org/CodeSystem/media-type")),
        "image",
    ),
    "media, audio": (of("Media", type=coded("audio"), content=file("audio/mp4")), "signal note"),
    "media, unknown": (of("Media", content={"url": "http://x/y"}), "every"),
    "media, nothing told": (of("Media"), "every"),
    "binary, picture": (of("Binary", contentType="image/png", data="AAAA"), "image"),
    "binary, text": (of("Binary", contentType="text/plain", data=encoded("asthma")), "note"),
    "binary, unknown": (of("Binary", contentType="application/octet-stream"), "every"),
    "binary, nothing told": (of("Binary", data="AAAA"), "every"),
    # words
    "HGVS": (comment("NM_000059.4:c.68_69del detected"), "record genome"),
    "HGVS of the genome": (comment("NC_000016.9:g.2124200_2138612dup"), "record genome"),
    "HGVS, short": (comment("found c.2369C>T"), "record genome"),
    "HGVS, protein": (comment("p.(Asn1836Lys)"), "record genome"),
    "HGVS, one letter": (comment("p.V600E"), "record genome"),
    "variant with its gene": (comment("BRAF V600E"), "record genome"),
    "rs number": (comment("rs9923231 C/T"), "record genome"),
    "star alleles": (comment("CYP2C19*2/*17"), "record genome"),
    "star alleles with a space": (comment("TPMT *3A"), "record genome"),
    "HLA": (comment("HLA-B*57:01 negative"), "record genome"),
    "karyotype": (comment("47,XXY"), "record genome"),
    "pathogenic variant": (comment("pathogenic variant in MLH1"), "record genome"),
    "gene by name": (comment("mother: BRCA1 positive"), "record genome"),
    "genotype": (comment("genotype known"), "record genome"),
    "mutation": (comment("EGFR mutation"), "record genome"),
    "metaboliser": (comment("poor metaboliser"), "record genome"),
    "carrier": (comment("carrier of cystic fibrosis"), "record genome"),
    "factor V": (comment("factor V Leiden"), "record genome"),
    "apolipoprotein": (comment("ApoE4"), "record genome"),
    "name of LOINC": (of("Observation", code=said("F5 gene mutations found [Identifier] in Blood")), "record genome"),
    "French": (comment("variant pathogène, prédisposition génétique"), "record genome"),
    "German": (comment("Gentest: Keimbahnvariante"), "record genome"),
    "Spanish": (comment("portadora de la mutación"), "record genome"),
    "Italian": (comment("predisposizione genetica"), "record genome"),
    "Dutch": (comment("DNA-onderzoek: erfelijke aanleg"), "record genome"),
    "accents apart": (comment("pre\u0301disposition ge\u0301ne\u0301tique"), "record genome"),
    "hidden characters": (comment("BR\u200bCA1"), "record genome"),
    "narrative with a variant": (of("Condition", text={"div": "<div>c.2369C&gt;<b>T</b></div>"}), "record genome"),
    "family history": (
        of("FamilyMemberHistory", condition=[{"code": said("BRCA2 mutation carrier")}]),
        "record genome",
    ),
    "name of what is referred to": (
        of("Condition", evidence=[{"detail": [{"reference": "Observation/1", "display": "BRCA1 mutation"}]}]),
        "record genome",
    ),
    "a note put into a comment": (comment("a long story. " * 80), "record note"),
    "element that R4 has not": (of("Condition", whatever={"said": ["BRCA1"]}), "record genome"),
    # contained
    "contained variant": (
        of("DiagnosticReport", contained=[of("Observation", code=coded("69548-6"))]),
        "record genome",
    ),
    "contained picture": (of("Observation", contained=[of("Media", content=file("image/png"))]), "record image"),
    "contained unknown": (of("Condition", contained=[of("GenomicStudy")]), "every"),
    "contained, no resource": (of("Condition", contained=["Observation"]), "every"),
    "contained, no list": (of("Condition", contained=of("Observation")), "every"),
    "contained within contained": (of("Condition", contained=[of("Observation", contained=[])]), "every"),
    "contained person with a gene": (of("Condition", contained=[of("Patient", note="BRCA1")]), "record genome"),
    "contained tag": (
        of(
            "Condition",
            contained=[
                {
                    **tagged("Observation", ("category", "record"), ("finding", "x")),
                    "id": "salus-1",
                    "code": coded("69548-6"),
                }
            ],
        ),
        "record genome",
    ),
    # tags
    "forged category": (
        tagged("Observation", ("category", "record"), ("finding", "egfr"), code=coded("69548-6")),
        "record genome",
    ),
    "forged person": (tagged("MolecularSequence", ("category", "person")), "genome"),
    "forged category of nothing known": (tagged("Observation", ("category", "blood")), "every"),
    "forged kind": (tagged("MolecularSequence", ("kind", "record/reading")), "genome"),
    "kind adds": (tagged("Observation", ("kind", "genome/vcf")), "record genome"),
    "kind of nothing known": (tagged("Observation", ("kind", "blood/x")), "every"),
    "home adds": (of("Condition", meta={"tag": [HOME]}), "record signal"),
    "home reading": (
        of(
            "Observation",
            meta={"tag": [HOME]},
            category=section("vital-signs", OBSERVATION),
            valueQuantity={"value": 1},
        ),
        "signal",
    ),
    "home reading of parts": (
        of(
            "Observation",
            meta={"tag": [HOME]},
            category=section("vital-signs", OBSERVATION),
            component=[{"valueQuantity": {"value": 1}}],
        ),
        "signal",
    ),
    "home, a laboratory's": (of("Observation", meta={"tag": [HOME]}, **LAB), "record signal"),
    "home, words": (
        of("Observation", meta={"tag": [HOME]}, category=section("vital-signs", OBSERVATION), valueString="well"),
        "record signal",
    ),
    "tags that are none": (of("Observation", meta={"tag": 5}), "record"),
}


def kinds(text):
    return EVERY if text == "every" else frozenset(text.split())


@pytest.mark.parametrize("name", CASES)
def test_the_kinds_of_a_resource(name):
    body, expected = CASES[name]
    assert categories_of(body) == kinds(expected)
    assert categories_of(body) == kinds(expected), "the same when it is asked again"
    assert category_of(body) == main_of(kinds(expected))


def own(kind, *tags, **elements):
    return {**tagged(kind, *tags, **elements), "id": "salus-7"}


GENES = {"note": [{"text": "no genotype is recorded: BRCA1"}]}
BLOB = [{"attachment": file("text/plain", url="urn:salus:blob:ab", title="a.vcf")}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (own("Observation", ("finding", "egfr"), ("category", "record"), **GENES), "record"),
        (own("RiskAssessment", ("finding", "x"), ("category", "genome"), ("category", "record")), "genome record"),
        (own("Observation", ("finding", "x"), ("category", "person"), **GENES), PERSON),
        (own("Observation", ("finding", "x"), ("category", "blood"), ("category", "record")), "every"),
        (own("Observation", ("category", "record"), **GENES), "record genome"),
        (own("Observation", ("finding", "x"), **GENES), "record genome"),
        (own("DocumentReference", ("kind", "genome/vcf"), content=BLOB), "genome"),
        (own("DocumentReference", ("kind", "note/text"), content=BLOB), "note"),
        (own("DocumentReference", ("kind", "ecg/wfdb"), content=BLOB), "signal"),
        (own("DocumentReference", ("kind", "note/text"), ("kind", "image/dicom"), content=BLOB), "note image"),
        (own("Provenance", ("kind", "genome/provenance")), "genome"),
        (own("Flag", ("kind", "signal/alert")), "signal"),
        (own("Flag", ("kind", "record/alert")), "record"),
        (own("Observation", ("kind", "record/reading")), "record"),
        (own("Observation", ("kind", "blood/x")), "every"),
        (own("Observation", ("kind", "signal/reading"), ("setting", "home"), valueQuantity={"value": 1}), "signal"),
    ],
)
def test_what_salus_itself_wrote_is_what_its_tags_say(body, expected):
    assert categories_of(body) == kinds(expected)


def test_a_consent_and_its_signature_are_never_hidden_from_the_gate():
    whatever = {"sourceAttachment": {"data": "AAAA"}, "note": "BRCA1", "contained": [of("Nothing")]}
    assert categories_of(of("Consent", **whatever)) == {"record"}
    consent, other = {"reference": "Consent/c1"}, {"reference": "Condition/c1"}
    assert categories_of(of("Provenance", target=[consent], **whatever)) == {"record"}
    for targets in ([consent, other], [], [other]):
        assert categories_of(of("Provenance", target=targets, **whatever)) == EVERY
    assert categories_of(of("List", target=[consent], **whatever)) == EVERY


@pytest.mark.parametrize("body", [None, [], "Condition", 7])
def test_what_is_no_resource_is_of_every_kind(body):
    assert categories_of(body) == EVERY == set(CATEGORIES)


def test_in_a_deleted_resource_is_nothing():
    assert categories_of({}) == {"record"}
    assert categories_of({"id": "x"}) == EVERY


def test_a_resource_with_more_references_than_are_followed_is_of_every_kind():
    def entries(number):
        return of("List", entry=[{"item": {"reference": f"Condition/{n}"}} for n in range(number)])

    assert categories_of(entries(MAX_TARGETS)) == {"record"}
    assert categories_of(entries(MAX_TARGETS + 1)) == EVERY
    assert len(targets_of(entries(MAX_TARGETS + 1))) == MAX_TARGETS


def test_a_text_that_is_too_long_to_be_searched_tells_of_genes():
    body = of("Condition", text={"div": "of variant hue " * (1 << 15)})
    assert categories_of(body) == {"record", "genome"}


# ---- the tables


def test_every_type_of_r4_is_in_one_list():
    listed = [name for names in TABLE["types"].values() for name in names]
    assert len(listed) == len(set(listed)) == 146
    known = {*TABLE["sections"]["results"], *TABLE["sections"]["asking"], *TABLE["contained"]["silent"]}
    assert known | set(TABLE["targets"]) | set(TABLE["targets-within"]["again"]) <= set(listed)


@pytest.mark.parametrize("listed", ["person", "genome", "image", "note", "record"])
def test_each_type_is_of_its_kind(listed):
    for name in TABLE["types"][listed]:
        assert categories_of(of(name)) == {listed}, name


def test_each_code_of_the_tables_tells_its_kind():
    for entry in TABLE["codes"]:
        for code in entry["codes"]:
            for system in entry["systems"]:
                body = of("Procedure", reasonCode=[coded(code, system)])
                assert categories_of(body) == {"record", entry["category"]}, code
                assert categories_of(of("Procedure", code=coded(code, "http://other.example"))) == {"record"}, code
    for entry in TABLE["prefixes"]:
        for begin in entry["begins"]:
            for system in (f"http://hl7.org/fhir/sid/{entry['system']}", *entry["also"]):
                assert "genome" in categories_of(of("Condition", code=coded(begin + "0", system))), begin
    for system in TABLE["code-systems"]["genome"]:
        assert "genome" in categories_of(of("Observation", valueCodeableConcept=coded("any", system))), system


def test_each_section_of_the_tables_tells_its_kind():
    for entry in TABLE["sections"]["table"]:
        for kind in set(entry) - {"systems"}:
            for code in entry[kind]:
                body = of("Observation", category=section(code, entry["systems"][0]))
                assert categories_of(body) == {kind}, code
    for kind, words in TABLE["section-words"].items():
        for word in words:
            assert categories_of(of("DiagnosticReport", category=[said(word.upper())])) == {kind}, word
            assert categories_of(of("DocumentReference", category=[said(word)])) == {"note", kind}, word


def test_each_media_type_and_ending_tells_its_kind():
    for table, elements in ((TABLE["media-types"], "contentType"), (TABLE["endings"], "url")):
        for kind in set(table) - {"families"}:
            for name in table[kind]:
                found = categories_of(of("Library", content=[{elements: name if elements != "url" else "file" + name}]))
                assert kind in found, name
                assert found != EVERY, name
    for element in TABLE["attachments"]["elements"]:
        assert categories_of(of("Contract", extension=[{element: [{"data": "AAAA"}]}])) == EVERY, element
    for element in TABLE["values"]["signal"]:
        assert categories_of(of("Contract", extension=[{element: DATA}])) == {"record", "signal"}, element
    for kind, parts in TABLE["urls"].items():
        for part in parts:
            assert categories_of(of("Flag", meta={"profile": [f"http://x/a{part}b"]})) == {"record", kind}, part
    for kind, codes in TABLE["media"].items():
        assert all(kind in categories_of(of("Media", modality=coded(code))) for code in codes)


SAMPLES = [
    "genetic test",
    "genetic analysis",
    "genetic variant",
    "genetic susceptibility",
    "genetic mutation",
    "genetic disorder carrier",
    "germ-line variant",
    "germline dna testing",
    "somatic mutation",
    "constitutional variant",
    "pharmacogenomics",
    "Pharmakogenetik",
    "farmacogenetica",
    "polygenic risk score",
    "polygenes Risiko",
    "whole exome",
    "clinical genome",
    "exome sequencing",
    "genome sequenced",
    "Exomsequenzierung",
    "Genomsequenzierung",
    "exoma",
    "Gentest",
    "Genanalyse",
    "Genbefund",
    "Genvariante",
    "Genmutation",
    "Gendefekt",
    "Keimbahn",
    "kiembaan",
    "molekulargenetisch",
    "humangenetischer",
    "genetischer Befund",
    "genetische aanleg",
    "test génétique",
    "anomalie génétique",
    "lignée germinale",
    "gène de prédisposition",
    "prueba genética",
    "análisis genético",
    "línea germinal",
    "test genetico",
    "variante genetica",
    "linea germinale",
    "DNA-diagnostiek",
    "erfelijke aanleg",
    "erfelijkheidsonderzoek",
    "pathogenic variant",
    "likely pathogenic germline variants",
    "pathogene Variante",
    "variant probablement pathogène",
    "variante patogénica",
    "variante patogenetica",
    "ziekteveroorzakende variant",
    "variant of uncertain significance",
    "copy number gain",
    "single nucleotide polymorphism",
    "karyotype",
    "caryotype",
    "cariotipo",
    "haplotype",
    "aplotipo",
    "allele",
    "alelo",
    "heterozygous",
    "homozygot",
    "hemizygous",
    "heterocigoto",
    "omozigote",
    "eterozigosi",
    "ultra-rapid metabolizer",
    "normal metaboliser",
    "Metabolisierer",
    "métaboliseur",
    "metabolizador",
    "metabolizzatore",
    "microsatellite instability",
    "tumor mutational burden",
    "factor V Leiden",
    "Faktor-V-Leiden",
    "facteur V Leiden",
    "factor V de Leiden",
    "prothrombin G20210A",
    "BRCA2",
    "PALB2",
    "Lynch syndrome gene",
    "APOE e4",
    "apo-E 3",
    "ApoE ε4",
    "gene carrier",
    "haemophilia A carrier",
    "cystic fibrosis carrier",
    "thalassaemia carrier",
    "sickle cell carrier",
    "carrier of chromosome translocation",
    "carrier of beta thalassemia",
    "carrier of a BRCA mutation",
    "carrier for fragile X",
    "carrier of hemoglobinopathy C disorder",
    "carrier status of the gene",
    "Anlageträger",
    "portadora de variante",
    "porteuse de la mutation",
    "CFTR gene targeted mutation analysis",
    "PMP22 gene deletion",
    "HER2 gene amplification",
    "BCR-ABL1 gene fusion",
    "CYP2C9 gene product metabolic activity interpretation",
    "genotype",
    "genotipo",
    "mutation",
    "mutación",
    "mutazione",
    "mutaties",
    "dna sequencing",
    "amplicon sequencing",
    "NM_005228.5:c.2369C>T",
    "LRG_1t1:c.5del",
    "ENST00000357654.9:c.1A>T",
    "c.76_77insT",
    "c.88+2T>G",
    "g.100_200inv",
    "m.3243A>G",
    "p.(Arg97ProfsTer23)",
    "p.R97*",
    "rs334",
    "CYP2D6*4",
    "CYP2C19 *2",
    "UGT1A1*28",
    "HLA-A*01:01",
    "46,XY,t(9;22)",
    "45, X",
    "KRAS G12D",
    "JAK2 p.V617F",
    "G20210A",
    "##fileformat=VCFv4.2",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_words_of_genetics_are_found_wherever_they_stand(text):
    assert "genome" in categories_of(of("Procedure", note=[{"text": f"seen: {text}, and told."}])), text
    assert "genome" in categories_of(of("Procedure", code=coded("1", "http://x.example", display=text))), text
    assert "genome" in categories_of(of("Procedure", text={"div": f"<div><p>{text.replace('>', '&gt;')}</p></div>"})), (
        text
    )


@pytest.mark.parametrize(
    "text",
    [
        "Comprehensive metabolic 2000 panel", "meningococcal MCV4P", "Gene Simmons called", "general malaise",
        "take 1 tablet *2 daily", "oxygen 2 L", "e.g. 5 mg at 8 p.m.", "generated 2024-01-01", "dna",
        "genetic counselling",
        "Hepatitis B virus DNA", "hepatitis C genotype 3", "HIV genotyping", "SARS-CoV-2 mutation", "HPV genotype 16",
        "apo B 90 mg/dL", "sickle cell disease", "haemophilia A", "Rs500", "monozygotic twins", "carrier of MRSA",
        "A1c 6.5 %", "T4 1.2", "L5-S1 disc", "B12", "allergen", "room 4B", "46, female", "Hickle134 Alfonzo975",
    ],
)  # fmt: skip
def test_words_that_only_look_alike_are_not(text):
    assert categories_of(of("Procedure", note=[{"text": text}])) == {"record"}, text


def test_a_germ_in_one_place_does_not_hide_a_gene_in_another():
    apart = "hepatitis C treated. " + "x" * 60 + " genotype known"
    assert categories_of(comment(apart)) == {"record", "genome"}
    assert categories_of(comment("hepatitis C, BRCA1")) == {"record", "genome"}


def test_whether_a_text_was_seen_before_changes_nothing(monkeypatch):
    pair = of("Observation", code=said("Hepatitis C virus"), valueString="genotype 1a")
    alone = of("Observation", code=said("result"), valueString="genotype 1a")
    first = [categories_of(pair), categories_of(alone)]
    assert first == [categories_of(pair), categories_of(alone)] == [{"record"}, {"record", "genome"}]
    monkeypatch.setattr(categories, "_MAX_SILENT", 2)
    assert [categories_of(body) for body, _ in CASES.values()] == [kinds(k) for _, k in CASES.values()]


# ---- targets


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (of("Provenance", target=[{"reference": "Condition/1"}, {"reference": "Observation/2/_history/3"}]),
         ("Condition/1", "Observation/2")),
        (of("Observation", derivedFrom=[{"reference": "Media/1"}], hasMember=[{"reference": "Observation/2"}]),
         ("Media/1", "Observation/2")),
        (of("DiagnosticReport", result=[{"reference": "Observation/2"}], media=[{"link": {"reference": "Media/1"}}]),
         ("Observation/2", "Media/1")),
        (of("Composition", section=[{"section": [{"entry": [{"reference": "Condition/3"}]}]}]), ("Condition/3",)),
        (of("QuestionnaireResponse",
            item=[{"item": [{"answer": [{"item": [{"answer": [{"valueReference": {"reference": "Media/4"}}]}]}]}]}]),
         ("Media/4",)),
        (of("AuditEvent", entity=[{"what": {"reference": "Media/1"}}]), ("Media/1",)),
        (of("List", entry=[{"item": {"reference": "Media/1"}}, {"item": {"reference": "Media/1"}}]), ("Media/1",)),
        (of("DocumentReference", context={"related": [{"reference": "Media/1"}]}), ("Media/1",)),
        (of("DetectedIssue", implicated=[{"reference": "Media/1"}]), ("Media/1",)),
        (of("RiskAssessment", basis=[{"reference": "Media/1"}]), ("Media/1",)),
        (of("Condition", contained=[of("Observation", derivedFrom=[{"reference": "Media/1"}])]), ("Media/1",)),
        (of("Condition", evidence=[{"detail": [{"reference": "Observation/1"}]}]), ()),
        (of("List", entry=[{"item": {"reference": r}} for r in ("#a", "urn:uuid:1", "http://x.org/Media/1", "Media",
                                                                "media/1", "Media/1/2", "")]), ()),
        (of("List", entry=[{"item": {"identifier": {"value": "1"}, "display": "Media/1"}}]), ()),
        (of("List", entry="Media/1"), ()),
        ({**tagged("Observation", ("finding", "x"), ("category", "record"), derivedFrom=[{"reference": "Media/1"}]),
          "id": "salus-1"}, ()),
        (tagged("Observation", ("finding", "x"), ("category", "record"), derivedFrom=[{"reference": "Media/1"}]),
         ("Media/1",)),
    ],
)  # fmt: skip
def test_what_a_resource_is_made_of_is_named(body, expected):
    assert targets_of(body) == expected


def test_each_path_of_the_targets_is_followed():
    for kind, paths in TABLE["targets"].items():
        for path in paths:
            element = {"reference": "Media/9"}
            for name in reversed(path.split(".")):
                element = {name: [element]}
            assert targets_of({"resourceType": kind, **element}) == ("Media/9",), path


# ---- what holds for any resource

ELEMENTS = [
    {"note": [{"text": "c.35G>A"}]}, {"extension": [{"url": "u", "valueSampledData": DATA}]},
    {"contained": [of("MolecularSequence")]}, {"contained": [of("Nothing")]}, {"text": {"div": "<div>BRCA1</div>"}},
    {"reasonCode": [coded("Z15.01", ICD10)]}, {"photo": [file("image/png")]}, {"valueAttachment": {"data": "AAAA"}},
    {"identifier": [{"value": "c.35G>A"}]}, {"conclusion": "well"}, {"presentedForm": [{"url": "a"}]},
    {"imagingStudy": [{"reference": "ImagingStudy/1"}]}, {"description": "x" * 2000}, {"language": "de"},
    {"meta": {"tag": [{"system": "urn:salus:category", "code": "note"}]}},
    {"meta": {"tag": [{"system": "urn:salus:kind", "code": "genome/vcf"}]}},
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(CASES)),
    st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_adding_an_element_takes_no_kind_away(name, added, order: random.Random):
    """But for a result's section and the marks of salus's own, which say what a resource is in the type's place."""
    body, _ = CASES[name]
    order.shuffle(added)
    for element in added:
        fuller = {**element, **body}
        if body.get("resourceType") not in ("Media", "Binary"):
            assert categories_of(fuller) >= categories_of(body) - ({"record"} if "meta" in element else set())
        body = fuller
    assert categories_of(body)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["x", "BRCA1", "home", "image/png", "Media/1", LOINC])
)
NAMES = st.sampled_from(
    [
        "meta",
        "tag",
        "system",
        "code",
        "coding",
        "category",
        "contained",
        "resourceType",
        "text",
        "div",
        "url",
        "extension",
        "contentType",
        "attachment",
        "content",
        "data",
        "photo",
        "reference",
        "target",
        "section",
        "entry",
        "valueSampledData",
        "conclusion",
        "note",
        "type",
        "modality",
        "id",
        "profile",
    ]
)
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(NAMES, ANY, max_size=6),
    st.sampled_from([*TABLE["types"]["record"][:20], "Media", "Nothing", "List"]),
)
def test_nothing_raises_whatever_stands_where_an_element_should_be(body, kind):
    body = {**body, "resourceType": kind}
    assert categories_of(body)
    assert categories_of(body) <= EVERY | {PERSON}
    assert all("/" in target for target in targets_of(body))
