"""R4 and R5 Consents in one form, and that whatever is not understood refuses the whole consent, with its path."""

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import dates
from salus.trust.consent_forms import read, release_of
from salus.trust.provisions import MAX_DEPTH, AccessRequest, Provision, decide
from salus.trust.resource_facts import DataReference

HL7 = "http://terminology.hl7.org/CodeSystem"
AT = datetime(2026, 6, 1, tzinfo=UTC)


def concept(system, code):
    return {"coding": [{"system": system, "code": code, "display": "words"}]}


def code(system, value):
    return {"system": system, "code": value}


def recipient(reference):
    return {"role": concept(f"{HL7}/v3-ParticipationType", "IRCP"), "reference": reference}


RULE = {
    "period": {"start": "2026-01-01", "end": "2026-12-31"},
    "actor": [
        recipient({"reference": "Practitioner/kim"}),
        recipient({"identifier": {"system": "urn:salus:actor", "value": "dr-lee"}}),
    ],
    "action": [concept(f"{HL7}/consentaction", "access"), concept("urn:salus:action", "read")],
    "securityLabel": [code(f"{HL7}/v3-Confidentiality", "R"), code(f"{HL7}/v3-ActCode", "PSY")],
    "purpose": [code(f"{HL7}/v3-ActReason", "TREAT"), code("http://example.org/purposes", "project")],
    "code": [concept("http://loinc.org", "2160-0")],
    "dataPeriod": {"start": "2020"},
    "data": [{"meaning": "authoredby", "reference": {"reference": "Practitioner/kim"}}],
}
READ = {
    "period": (dates.parse("2026-01-01"), dates.parse("2026-12-31")),
    "actors": frozenset({"Practitioner/kim", "urn:salus:actor|dr-lee"}),
    "actions": frozenset({"access", "read"}),
    "labels": frozenset({"R", "PSY"}),
    "purposes": frozenset({"TREAT", "http://example.org/purposes|project"}),
    "codes": frozenset({"http://loinc.org|2160-0"}),
    "data_period": (dates.parse("2020"), None),
    "data": frozenset({DataReference("authoredby", frozenset({"Practitioner/kim"}))}),
}


def r4(provision=None, **more):
    return {
        "resourceType": "Consent",
        "id": "c",
        "meta": {"versionId": "1"},
        "status": "active",
        "scope": concept(f"{HL7}/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-01-01",
        "performer": [{"reference": "Patient/p1"}],
        "organization": [{"reference": "Organization/o1"}],
        "sourceReference": {"reference": "DocumentReference/d1"},
        "policy": [{"uri": "http://example.org/policy"}],
        "verification": [{"verified": True}],
        "provision": provision or {"type": "permit"},
        **more,
    }


def r5(*provisions, **more):
    return {
        "resourceType": "Consent",
        "status": "active",
        "category": [concept(f"{HL7}/consentscope", "patient-privacy")],
        "subject": {"reference": "https://example.org/fhir/Patient/p1"},
        "date": "2026-01-01",
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "controller": [{"reference": "Organization/o1"}],
        "regulatoryBasis": [concept(f"{HL7}/v3-ActCode", "hipaa-self-pay")],
        "decision": "permit",
        **({"provision": list(provisions)} if provisions else {}),
        **more,
    }


def without(body, *keys):
    return {k: v for k, v in body.items() if k not in keys}


def where(body, release=None):
    with pytest.raises(InputError) as caught:
        read(body, release)
    return caught.value.where


def test_an_r4_consent():
    body = r4(
        {
            "type": "permit",
            **RULE,
            "class": [code("http://hl7.org/fhir/resource-types", "Observation"), code("urn:ietf:bcp:13", "text/plain")],
            "provision": [{"type": "deny"}, {"type": "permit", "class": [code("urn:salus:category", "genome")]}],
        }
    )
    form = read(body)
    assert (form.release, form.patient, form.dated, form.verified) == (
        "R4",
        "Patient/p1",
        dates.parse("2026-01-01"),
        True,
    )
    assert form.root == Provision(
        "permit",
        classes=frozenset({"Observation", "urn:ietf:bcp:13|text/plain"}),
        nested=(Provision("deny"), Provision("permit", categories=frozenset({"genome"}))),
        **READ,
    )


def test_an_r5_consent_negates_level_by_level():
    types = {
        "resourceType": [code("http://hl7.org/fhir/resource-types", "Observation")],
        "documentType": [code("urn:ietf:bcp:13", "text/plain")],
    }
    form = read(r5({**RULE, **types, "provision": [{"purpose": RULE["purpose"][:1], "provision": [{"id": "x"}]}]}, {}))
    assert (form.release, form.patient, form.verified) == ("R5", "https://example.org/fhir/Patient/p1", None)
    assert form.root == Provision(
        "permit",
        period=READ["period"],
        nested=(
            Provision(
                "deny",
                classes=frozenset({"Observation"}),
                documents=frozenset({"urn:ietf:bcp:13|text/plain"}),
                nested=(Provision("permit", purposes=frozenset({"TREAT"}), nested=(Provision("deny"),)),),
                **READ,
            ),
            Provision("deny"),
        ),
    )
    assert [p.type for p in read(r5({}, decision="deny")).root.nested] == ["permit"]
    assert read(r5()).root.nested == ()


def test_a_role_alone_names_a_recipient_in_r5():
    actor = {"role": concept("urn:roles", "nurse")}
    assert read(r5({"actor": [actor]})).root.nested[0].roles == frozenset({"urn:roles|nurse"})


@pytest.mark.parametrize(
    ("type_", "policy", "told"),
    [
        ("permit", None, "permit"),
        ("deny", None, "deny"),
        (None, "OPTIN", "permit"),
        (None, "OPTOUT", "deny"),
        ("permit", "OPTIN", "permit"),
        ("deny", "OPTIN", "deny"),
        ("deny", "OPTOUT", "deny"),
        ("permit", "hipaa-self-pay", "permit"),
    ],
)
def test_the_base_rule_of_r4(type_, policy, told):
    rule = {"policyRule": concept(f"{HL7}/v3-ActCode", policy)} if policy else {}
    assert read(r4({"type": type_} if type_ else {"period": {"start": "2026"}}, **rule)).root.type == told


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (r4({"type": "permit"}, policyRule=concept(f"{HL7}/v3-ActCode", "OPTOUT")), "Consent.policyRule"),
        (r4({"period": {"start": "2026"}}), "Consent.provision.type"),
        (r4({"id": "x"}, policyRule=concept(f"{HL7}/v3-ActCode", "hipaa-auth")), "Consent.provision.type"),
        (r4({"type": "permit"}, policyRule={"text": "opt in"}), "Consent.policyRule"),
        (r4({"type": "permit", "provision": [{}]}), "Consent.provision.provision[0].type"),
        (r4({"type": "Permit"}), "Consent.provision.type"),
        (without(r4(), "provision"), "Consent.provision"),
        (r4(provision=[{"type": "permit"}]), "Consent.provision"),
        (without(r4(), "status"), "Consent.status"),
        (r4(status="in force"), "Consent.status"),
        (r4(status=["active"]), "Consent.status"),
        (r5(status="unknown"), "Consent.status"),
        (without(r4(), "patient"), "Consent.patient"),
        (r4(patient={"display": "Pat"}), "Consent.patient"),
        (r4(patient={"reference": "Group/g"}), "Consent.patient"),
        (r4(patient={"reference": "#p"}), "Consent.patient.reference"),
        (without(r5(), "subject"), "Consent.subject"),
        (r5(subject={"reference": "Practitioner/x"}), "Consent.subject"),
        (without(r4(), "dateTime"), "Consent.dateTime"),
        (without(r5(), "date"), "Consent.date"),
        (r5(date="yesterday"), "Consent.date"),
        (without(r5(), "decision"), "Consent.decision"),
        (r5({"type": "deny"}), "Consent.provision[0].type"),
        (r5({"class": []}), "Consent.provision[0].class"),
        (r5({"expression": {"language": "text/cql"}}), "Consent.provision[0].expression"),
        (r4({"type": "permit", "resourceType": []}), "Consent.provision.resourceType"),
        (r4(implicitRules="http://example.org/rules"), "Consent.implicitRules"),
        (r4(_status={"extension": []}), "Consent._status"),
        (r4(verification=[{"verified": "yes"}]), "Consent.verification"),
        (r4(scope=concept(f"{HL7}/consentscope", "other")), "Consent.scope"),
        (r5(category=[concept("http://loinc.org", "1-8")]), "Consent.category"),
        (without(r5(), "category"), "Consent.category"),
        ({**r4(), "resourceType": "Contract"}, "resourceType"),
    ],
)
def test_what_stands_in_the_way_is_named(body, place):
    assert where(body) == place


@pytest.mark.parametrize(
    ("element", "place"),
    [
        ({"purpose": [{"code": "TREAT"}]}, "purpose[0].system"),
        ({"purpose": [code(f"{HL7}/v3-ActReason", "TREATMENT")]}, "purpose[0]"),
        ({"purpose": [code("urn:a|b", "c")]}, "purpose[0].system"),
        ({"purpose": {"system": "urn:a", "code": "c"}}, "purpose"),
        ({"purpose": []}, "purpose"),
        ({"purpose": [None]}, "purpose[0]"),
        ({"purpose": [code("urn:a", " c")]}, "purpose[0].code"),
        ({"purpose": [code("urn:a", "c\n")]}, "purpose[0].code"),
        ({"purpose": [code("urn:a", "c" * 3000)]}, "purpose[0].code"),
        ({"purpose": [{**code("urn:a", "c"), "extension": []}]}, "purpose[0].extension"),
        ({"action": [concept(f"{HL7}/consentaction", "read")]}, "action[0]"),
        ({"action": [concept("urn:salus:action", "access")]}, "action[0]"),
        ({"action": [{"text": "read"}]}, "action[0]"),
        ({"action": [{"text": "read", "coding": [5]}]}, "action[0].coding[0]"),
        ({"securityLabel": [code(f"{HL7}/v3-Confidentiality", "Q")]}, "securityLabel[0]"),
        ({"securityLabel": [code(f"{HL7}/v3-ActCode", "R")]}, "securityLabel[0]"),
        ({"securityLabel": [code("urn:other", "R")]}, "securityLabel[0]"),
        ({"securityLabel": [{"code": "R"}]}, "securityLabel[0].system"),
        ({"class": [code("urn:other", "record")]}, "class[0]"),
        ({"class": [code("http://hl7.org/fhir/resource-types", "observation")]}, "class[0]"),
        ({"class": [code("urn:salus:category", "everything")]}, "class"),
        ({"class": [code("urn:salus:category", "record"), code("urn:other", "genome")]}, "class"),
        (
            {
                "class": [
                    code("urn:salus:category", "record"),
                    code("http://hl7.org/fhir/resource-types", "Observation"),
                ]
            },
            "class",
        ),
        ({"code": [code("http://loinc.org", "2160-0")]}, "code[0].system"),
        ({"code": concept("http://loinc.org", "2160-0")}, "code"),
        ({"data": [{"meaning": "near", "reference": {"reference": "A/1"}}]}, "data[0].meaning"),
        ({"data": [{"meaning": "instance"}]}, "data[0].reference"),
        ({"data": [{"meaning": "instance", "reference": {"reference": "#a"}}]}, "data[0].reference.reference"),
        ({"actor": [{"reference": {"reference": "Practitioner/kim"}}]}, "actor[0]"),
        ({"actor": [{"role": concept(f"{HL7}/v3-ParticipationType", "IRCP")}]}, "actor[0]"),
        ({"actor": [{"role": RULE["actor"][0]["role"], "reference": {"display": "Kim"}}]}, "actor[0].reference"),
        ({"actor": [{**RULE["actor"][0], "role": concept(f"{HL7}/v3-ParticipationType", "CST")}]}, "actor[0].role"),
        ({"actor": [{**RULE["actor"][0], "role": concept("urn:other", "IRCP")}]}, "actor[0].role"),
        ({"actor": [recipient({"identifier": {"value": "dr-lee"}})]}, "actor[0].reference.identifier.system"),
        (
            {"actor": [recipient({"identifier": {"system": "a|b", "value": "c"}})]},
            "actor[0].reference.identifier.system",
        ),
        ({"actor": [recipient({"reference": "Practitioner/kim/_history/2"})]}, "actor[0].reference.reference"),
        ({"actor": [recipient({"reference": "Practitioner"})]}, "actor[0].reference.reference"),
        ({"period": {"start": "soon"}}, "period.start"),
        ({"period": {}}, "period"),
        ({"period": "2026"}, "period"),
        ({"period": {"start": "2026-02-01", "end": "2026-01-31"}}, "period"),
        ({"dataPeriod": {"end": 2026}}, "dataPeriod.end"),
        ({"provision": {"type": "deny"}}, "provision"),
        ({"type": None}, "type"),
    ],
)
def test_what_a_provision_says_is_understood_in_full_or_refused(element, place):
    inner = {"type": "deny", **element}
    assert where(r4(inner)) == f"Consent.provision.{place}"
    assert (
        where(r4({"type": "permit", "provision": [{"type": "deny"}, inner]}))
        == f"Consent.provision.provision[1].{place}"
    )


def test_the_release_is_told_by_the_elements_or_by_the_caller():
    assert (release_of(r4()), release_of(r5())) == ("R4", "R5")
    both = {**r4(), "subject": {"reference": "Patient/p1"}}
    assert where(both) == "Consent.subject"
    with pytest.raises(InputError, match="R4 and of R5"):
        release_of(both)
    assert where({"resourceType": "Consent", "status": "active", "provision": {"type": "permit"}}) == "Consent"
    assert where(r4(), "R5").startswith("Consent.")
    assert where(r5(), "R4").startswith("Consent.")
    assert read(r4(), "R4") == read(r4())


def test_what_is_not_in_force_or_not_about_data_decides_nothing():
    for status in ("draft", "proposed", "rejected", "inactive", "entered-in-error"):
        assert read(r4(status=status, provision={"type": "?"})) is None
    for status in ("draft", "inactive", "not-done", "entered-in-error"):
        assert read(r5(status=status)) is None
    assert where(r5(status="rejected")) == "Consent.status"
    for scope in ("treatment", "adr"):
        assert read(r4(scope=concept(f"{HL7}/consentscope", scope))) is None
    assert read(r5(category=[concept(f"{HL7}/consentcategorycodes", "dnr")])) is None


def test_a_consent_to_research_is_for_research():
    for body in (
        r4(scope=concept(f"{HL7}/consentscope", "research")),
        r5(category=[concept(f"{HL7}/v3-ActCode", "RESEARCH")]),
    ):
        form = read(body)
        for purpose, told in (("TREAT", "no-consent"), ("CLINTRCH", "permit")):
            request = AccessRequest(frozenset({"Practitioner/kim"}), purpose, "access", AT)
            assert decide(form, request).answer == told


def test_verification():
    assert read(without(r4(), "verification")).verified is None
    assert read(r4(verification=[{"verified": False}])).verified is False
    assert read(r4(verification=[{"verified": False}, {"verified": True}])).verified is True
    assert where(r4(verification=[])) == "Consent.verification"


def nested(depth):
    element = {"type": "deny"}
    for _ in range(depth - 1):
        element = {"type": "permit", "provision": [element]}
    return element


def test_depth_and_number_are_bounded():
    assert read(r4(nested(MAX_DEPTH)))
    wide = {"type": "permit", "provision": [{"type": "deny", "provision": [{"type": "permit"}] * 20}] * 20}
    for root in (nested(MAX_DEPTH + 1), nested(400), wide):
        with pytest.raises(InputError, match="too deeply, or too many"):
            read(r4(root))
    assert where(r4({"type": "permit", "provision": [{"type": "deny"}] * 300})) == "Consent.provision.provision"
    assert where(r4(contained=[{"x": [1] * 30_000}])) == "Consent"


def apart(body):
    """The body without objects that stand in two places."""
    return json.loads(json.dumps(body))


FULL_R4 = apart(
    r4({"type": "permit", **RULE, "provision": [{"type": "deny", **RULE}]}, contained=[{"resourceType": "Basic"}])
)
FULL_R5 = apart(r5({**RULE, "provision": [RULE]}, policyBasis={"url": "http://example.org/policy"}))
UNEVALUATED = {"meta", "text", "contained", "extension", "identifier", "performer", "organization", "sourceReference"}
UNEVALUATED |= {"policy", "controller", "regulatoryBasis", "policyBasis"}


def objects(node, path=()):
    """Every object in a body, by its path."""
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from objects(value, (*path, key))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from objects(value, (*path, i))


def changed(body, path, key, value):
    body = copy.deepcopy(body)
    node = body
    for step in path:
        node = node[step]
    node[key] = value
    return body


BODIES = {"R4": FULL_R4, "R5": FULL_R5}
PLACES = [(release, path) for release, body in BODIES.items() for path in objects(body)]
EVALUATED = [(release, path) for release, path in PLACES if not path or path[0] not in UNEVALUATED]


@pytest.mark.parametrize(("release", "path"), PLACES, ids=str)
def test_an_extension_that_changes_the_meaning_is_refused_wherever_it_stands(release, path):
    body = BODIES[release]
    assert read(body)
    place = where(changed(body, path, "modifierExtension", [{"url": "urn:x"}]))
    told = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    assert place == f"Consent{told}.modifierExtension"
    assert where(changed(body, path, "modifierExtension", None)) == place


@pytest.mark.parametrize("key", ["extension", "unknown", "_type", "provisions", "Type"])
@pytest.mark.parametrize(("release", "path"), EVALUATED, ids=str)
def test_an_unknown_member_is_refused_wherever_it_is_evaluated(release, path, key):
    body = BODIES[release]
    if not path and key == "extension":
        assert read(changed(body, path, key, [{"url": "urn:x"}]))  # tells nothing that must be understood
    else:
        assert where(changed(body, path, key, "x")).endswith(f".{key}")


def test_errors_hold_no_values_of_the_consent():
    for bad in ({"purpose": [code("urn:secret", "secret\x00")]}, {"secret name": 1}, {"purpose": "secret"}):
        with pytest.raises(InputError) as caught:
            read(r4({"type": "permit", **bad}))
        assert "secret" not in str(caught.value)


KEYS = sorted({*RULE, *FULL_R4, *FULL_R5, "type", "class", "coding", "code", "system", "reference", "role", "value"})
JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), st.sampled_from(KEYS), JSON)
def test_nothing_but_an_input_error_leaves_the_reader(place, key, value):
    release, path = place
    body = changed(BODIES[release], path, key, value)
    try:
        form = read(body)
    except InputError:
        assert where(body)
        return
    assert form is None or decide(form, AccessRequest(frozenset({"A/1"}), "TREAT", "access", AT)).answer


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(value):
    for body in (value, {"resourceType": "Consent", "status": "active", "patient": value, "provision": value}):
        with pytest.raises(InputError):
            read(body)
