"""What makes data sensitive, what labels that came with data count for, and the facts that a consent asks of them."""

import tomllib
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir import dates
from salus.trust.labels import (
    CONFIDENTIALITY,
    PURPOSES,
    SENSITIVITY,
    assigned,
    confidentiality_of,
    label_of,
    labels_of,
    sensitivities_of,
)
from salus.trust.resource_facts import facts_of

HL7 = "http://terminology.hl7.org/CodeSystem"
ICD10CM, ICD10 = "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10"
SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
TABLE = tomllib.loads(files("salus.trust").joinpath("labels.toml").read_text("utf-8"))


def coded(system, code, **more):
    return {"resourceType": "Condition", "id": "c1", "code": {"coding": [{"system": system, "code": code}]}, **more}


def security(*labels):
    return {"resourceType": "Observation", "meta": {"security": [{"system": s, "code": c} for s, c in labels]}}


def sensitive(*labels):
    return frozenset({"R", *labels})


@pytest.mark.parametrize(
    ("system", "code", "labels"),
    [
        (ICD10CM, "B20", {"HIV"}),
        (ICD10, "B24", {"HIV"}),
        (ICD10, "B23.8", {"HIV"}),
        (ICD10CM, "Z21", {"HIV"}),
        (ICD10CM, "R75", {"HIV"}),
        (ICD10CM, "Z20.6", {"HIV"}),
        (ICD10CM, "O98.711", {"HIV", "SEX", "PREGNANT"}),
        (ICD10CM, "O98.21", {"STD", "SEX", "PREGNANT"}),
        (ICD10CM, "A50.01", {"STD"}),
        (ICD10CM, "A64", {"STD"}),
        (ICD10CM, "F10.20", {"ETHUD"}),
        (ICD10CM, "K70.30", {"ETHUD"}),
        (ICD10CM, "F11.1", {"OPIOIDUD"}),
        (ICD10CM, "F12.10", {"SUD"}),
        (ICD10CM, "F16.20", {"SUD"}),
        (ICD10CM, "F19.10", {"SUD"}),
        (ICD10, "F00.1", {"COGN"}),
        (ICD10CM, "F20.9", {"PSY"}),
        (ICD10CM, "F33.1", {"PSY"}),
        (ICD10CM, "F69", {"PSY"}),
        (ICD10CM, "F90.0", {"PSY"}),
        (ICD10CM, "F79", {"DVD"}),
        (ICD10CM, "F84.0", {"DVD"}),
        (ICD10CM, "F52.0", {"PSY", "SEX"}),
        (ICD10CM, "F64.9", {"PSY", "SEX", "GENDER"}),
        (ICD10CM, "X78.1XXA", {"PSY"}),
        (ICD10CM, "Z33.2", {"SEX", "PREGNANT"}),
        (ICD10CM, "O9A.311", {"SEX", "PREGNANT", "SDV"}),
        (ICD10CM, "Z3A.12", {"SEX", "PREGNANT"}),
        (ICD10CM, "Z30.011", {"SEX"}),
        (ICD10CM, "Z64.0", {"SEX"}),
        (ICD10CM, "D57.1", {"SCA"}),
        (ICD10CM, "T74.11XA", {"SDV"}),
        (ICD10CM, "T76.22XA", {"SDV"}),
        (ICD10CM, "Y07.01", {"SDV"}),
        (ICD10CM, "Z62.810", {"SDV"}),
        (ICD10CM, "Z15.01", {"GDIS"}),
        (ICD10CM, "f1020", {"ETHUD"}),
        (ICD10CM, " F10.20 ", {"ETHUD"}),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "F32.1", {"PSY"}),
        (SNOMED, "5602001", {"OPIOIDUD"}),
        (SNOMED, "724713006", {"SUD"}),
        (SNOMED, "706893006", {"SDV"}),
        (LOINC, "74013-4", {"ETHUD"}),
        (LOINC, "80203-3", {"HIV"}),
        (RXNORM, "1747692", {"HIV"}),
    ],
)
def test_codes_that_make_data_sensitive(system, code, labels):
    assert labels_of(coded(system, code)) == sensitive(*labels)


ORDINARY = [
    "I10",
    "F17.210",
    "A49.9",
    "A65",
    "B25",
    "Z20.5",
    "Z20",
    "Z20.9",
    "O",
    "F",
    "",
    "K71",
    "Z79.4",
    "D58",
    "T75",
]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        *((ICD10CM, code) for code in [*ORDINARY, "Z62.8"]),
        (SNOMED, "38341003"),
        (LOINC, "F10.2"),
        ("urn:other", "F10.2"),
        (SNOMED, "B20"),
    ],
)
def test_codes_that_do_not(system, code):
    assert labels_of(coded(system, code)) == frozenset({"N"})


def test_a_sensitive_code_is_found_wherever_it_stands():
    bare = {
        "resourceType": "MedicationRequest",
        "reasonCode": [{"text": "x", "coding": [{"system": ICD10CM, "code": "F11.20"}]}],
    }
    assert labels_of(bare) == sensitive("OPIOIDUD")
    value = {"resourceType": "Observation", "component": [{"valueCodeableConcept": coded(SNOMED, "42035005")["code"]}]}
    assert labels_of(value) == sensitive("SEX")
    held = {"resourceType": "List", "contained": [coded(ICD10CM, "B20")]}
    assert labels_of(held) == sensitive("HIV")


@pytest.mark.parametrize(
    ("stated", "labels"),
    [
        ([(f"{HL7}/v3-Confidentiality", "N")], {"N"}),
        ([(f"{HL7}/v3-Confidentiality", "V")], {"V"}),
        ([(f"{HL7}/v3-Confidentiality", "L")], {"L"}),
        ([(f"{HL7}/v3-Confidentiality", "N"), (f"{HL7}/v3-Confidentiality", "R")], {"R"}),
        ([(f"{HL7}/v3-ActCode", "HIV")], {"R", "HIV"}),
        ([(f"{HL7}/v3-ActCode", "HIV"), (f"{HL7}/v3-Confidentiality", "N")], {"R", "HIV"}),
        ([(f"{HL7}/v3-ActCode", "HIV"), (f"{HL7}/v3-Confidentiality", "V")], {"V", "HIV"}),
        ([("http://hl7.org/fhir/v3/Confidentiality", "R")], {"R"}),
        ([("http://hl7.org/fhir/v3/ActCode", "PSY")], {"R", "PSY"}),
        ([(f"{HL7}/v3-Confidentiality", "PSY")], {"R", "PSY"}),  # retired: ActCode replaced it
        ([(f"{HL7}/v3-ActReason", "HTEST")], {"N"}),
        ([(f"{HL7}/v3-ObservationValue", "SUBSETTED")], {"N"}),
        ([(f"{HL7}/v3-ActCode", "PROCESSINLINELABEL")], {"N"}),
        # What is not understood may mean anything.
        ([(f"{HL7}/v3-ActCode", "42CFRPart2")], {"R"}),
        ([(f"{HL7}/v3-Confidentiality", "T")], {"R"}),
        ([("urn:other", "N")], {"R"}),
        ([(None, "N")], {"R"}),
        ([(f"{HL7}/v3-Confidentiality", None)], {"R"}),
        ([(f"{HL7}/v3-Confidentiality", "N"), ("urn:other", "x")], {"R"}),
    ],
)
def test_labels_that_came_with_the_data(stated, labels):
    assert labels_of(security(*stated)) == frozenset(labels)


def test_labels_that_cannot_be_read_restrict():
    for meta in ({"security": "R"}, {"security": [5]}, {"security": [{}]}, {"security": [{"system": {}, "code": []}]}):
        assert labels_of({"resourceType": "Observation", "meta": meta}) == frozenset({"R"})
    assert labels_of({"resourceType": "Observation", "meta": {"security": []}}) == frozenset({"N"})
    assert labels_of({"resourceType": "Observation", "meta": 5}) == frozenset({"N"})


def test_a_label_on_a_part_counts_for_the_whole():
    inline = TABLE["other"]["inline"]
    body = {
        "resourceType": "Patient",
        "name": [{"extension": [{"url": inline, "valueCoding": {"system": f"{HL7}/v3-ActCode", "code": "HIV"}}]}],
    }
    assert labels_of(body) == sensitive("HIV")
    body["name"][0]["extension"][0].pop("valueCoding")
    assert labels_of(body) == sensitive()


def test_stated_labels_and_codes_add_up():
    body = {**security((f"{HL7}/v3-ActCode", "HIV")), **coded(ICD10CM, "F32.1")}
    assert labels_of(body) == sensitive("HIV", "PSY")


def test_the_names_of_the_terminology_are_used_where_a_caller_brings_them():
    asked = []

    def names(kind, codes, text, unit):
        asked.append((kind, [c.code for c in codes], text, unit))
        return (
            frozenset({"hiv"})
            if text == "HIV infection" or "86406008" in [c.code for c in codes]
            else frozenset({"gout"})
        )

    assert labels_of(coded(SNOMED, "86406008"), names) == sensitive("HIV")
    assert labels_of({"resourceType": "Condition", "code": {"text": "HIV infection"}}, names) == sensitive("HIV")
    assert labels_of(coded(SNOMED, "90560007"), names) == frozenset({"N"})
    assert asked[0] == ("Condition", ["86406008"], "", "")
    assert labels_of(coded(SNOMED, "86406008")) == frozenset({"N"})


def test_order_and_hierarchies():
    assert sorted(CONFIDENTIALITY, key=CONFIDENTIALITY.get) == ["U", "L", "M", "N", "R", "V"]
    assert confidentiality_of(["N", "V", "R"]) == "V"
    assert confidentiality_of(["M", "PSY"]) == "R"
    assert confidentiality_of([]) is None
    assert sensitivities_of(["N", "PSY", "V"]) == frozenset({"PSY"})
    assert SENSITIVITY["ETHUD"] == frozenset({"ETHUD", "SUD", "SPI", "ETH"})
    assert SENSITIVITY["HIV"] == frozenset({"HIV"})
    assert PURPOSES["BTG"] == frozenset({"BTG", "ETREAT", "TREAT"})
    assert PURPOSES["ELIGVER"] == frozenset({"ELIGVER", "COVERAGE", "HPAYMT"})
    assert PURPOSES["TREAT"] == frozenset({"TREAT"})
    assert len(PURPOSES) == 62
    assert label_of(f"{HL7}/v3-ActCode", "R") is None
    assert label_of(None, "R") is label_of(f"{HL7}/v3-Confidentiality", 5) is None


def test_the_table_assigns_only_labels_that_exist():
    rules = [*TABLE["icd10"]["rule"], *TABLE["rule"]]
    for rule in rules:
        assert rule["title"]
        assert set(rule["labels"]) <= set(SENSITIVITY)
        assert len(set(rule["codes"])) == len(rule["codes"])
    for rule in TABLE["icd10"]["rule"]:
        for code in rule["codes"]:
            low, _, high = code.partition("-")
            assert len(low) == len(high or low)
            assert low[:1] == (high or low)[:1]
            assert low <= (high or low)
    assert {"HIV", "PSY", "ETH", "ETHUD", "OPIOIDUD", "SDV", "SPI"} <= assigned()  # IHE PCF's minimum, and above it
    assert "TBOO" not in assigned()


INNER = ["coding", "code", "system", "url", "valueCoding", "reference", "identifier", "value", "start"]
JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=6) | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(INNER), inner, max_size=4),
    max_leaves=10,
)
KEYS = ["meta", "code", "id", "resourceType", "author", "period", "issued", "content", "type", "text", "extension"]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(KEYS), JSON | st.fixed_dictionaries({"security": JSON, "profile": JSON}), max_size=5
    )
)
def test_any_resource_has_exactly_one_confidentiality_and_facts(body):
    labels = labels_of(body)
    assert len(labels & CONFIDENTIALITY.keys()) == 1
    assert labels <= CONFIDENTIALITY.keys() | SENSITIVITY.keys()
    assert facts_of(body).labels == labels


def test_deep_nesting_costs_no_stack():
    body = {"resourceType": "Basic"}
    node = body
    for _ in range(20_000):
        node["extension"] = [{}]
        node = node["extension"][0]
    node["valueCoding"] = {"system": ICD10CM, "code": "B20"}
    assert labels_of(body) == sensitive("HIV")


def test_the_facts_of_a_resource():
    facts = facts_of(
        {
            "resourceType": "Observation",
            "id": "o1",
            "meta": {
                "profile": ["http://example.org/lab"],
                "security": [{"system": f"{HL7}/v3-Confidentiality", "code": "R"}],
            },
            "code": {"coding": [{"system": LOINC, "code": "2160-0"}]},
            "subject": {"reference": "Patient/p1"},
            "encounter": {"reference": "Encounter/e1"},
            "basedOn": [{"reference": "https://example.org/fhir/CarePlan/cp"}],
            "performer": [
                {"reference": "Practitioner/kim"},
                {"identifier": {"system": "urn:salus:actor", "value": "dr-lee"}},
            ],
            "effectiveDateTime": "2025-03-04",
            "issued": "2025-03-05T10:00:00Z",
        },
        category="record",
        referred_by=frozenset({"DiagnosticReport/d1"}),
    )
    assert (facts.ref, facts.type, facts.category) == ("Observation/o1", "Observation", "record")
    assert facts.labels == frozenset({"R"})
    assert facts.codes == frozenset({f"{LOINC}|2160-0"})
    assert facts.documents == frozenset({"urn:ietf:rfc:3986|http://example.org/lab"})
    assert facts.authors == frozenset({"Practitioner/kim", "urn:salus:actor|dr-lee"})
    assert (facts.authored.start, facts.authored.end) == (
        datetime(2025, 3, 4, tzinfo=UTC),
        datetime(2025, 3, 5, 10, 0, 1, tzinfo=UTC),
    )
    assert facts.contexts == frozenset({"Encounter/e1", "https://example.org/fhir/CarePlan/cp"})
    assert facts.refers_to == facts.contexts | facts.authors | {"Patient/p1"}
    assert facts.referred_by == frozenset({"DiagnosticReport/d1"})


def test_facts_that_a_resource_does_not_tell_are_not_known():
    facts = facts_of({"resourceType": "Basic"})
    assert (facts.ref, facts.codes, facts.authors, facts.authored, facts.referred_by) == ("", None, None, None, None)
    assert (facts.contexts, facts.refers_to, facts.documents) == (frozenset(), frozenset(), frozenset())
    assert facts_of({"resourceType": "Basic", "created": "soon"}).authored is None
    assert facts_of({"resourceType": "Basic", "created": 5, "issued": "2025"}).authored is None


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ({"start": "2025-03-04", "end": "2025-03-06"}, "2025-03-04", "2025-03-06"),
        ({"start": "2025-03-04"}, "2025-03-04", None),
        ({"end": "2025-03-04"}, None, "2025-03-04"),
    ],
)
def test_a_period_without_an_end_goes_on(period, start, end):
    authored = facts_of({"resourceType": "Encounter", "period": period}).authored
    assert authored.start == (dates.parse(start).start if start else datetime.min.replace(tzinfo=UTC))
    assert authored.end == (dates.parse(end).end if end else datetime.max.replace(tzinfo=UTC))


def test_what_a_document_is():
    facts = facts_of(
        {
            "resourceType": "DocumentReference",
            "type": {"coding": [{"system": LOINC, "code": "34133-9"}]},
            "content": [
                {
                    "attachment": {"contentType": "application/pdf"},
                    "format": {"system": "urn:oid:1.3.6.1.4.1.19376.1.2.3", "code": "urn:ihe:pcc:xds-ms:2007"},
                }
            ],
            "date": "2025",
        }
    )
    assert facts.documents == frozenset(
        {
            f"{LOINC}|34133-9",
            "urn:ietf:bcp:13|application/pdf",
            "urn:oid:1.3.6.1.4.1.19376.1.2.3|urn:ihe:pcc:xds-ms:2007",
        }
    )
    assert facts.authored == dates.Span(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
