"""AuditEvents held to R4 and to the profiles of BALP, element by element: what is refused is told by its path."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.trust import balp
from salus.trust.balp import coding

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
NETWORK = {"address": "192.0.2.1", "type": "2"}
DEVICE = {"reference": "Device/d1"}


def agent(code, who=DEVICE, requestor=False, **more):
    return {"type": {"coding": [coding(code)]}, "who": who, "requestor": requestor, **more}


def entity(kind, role=None, **more):
    return {"type": coding(kind), **({"role": coding(role)} if role else {}), **more}


PATIENT = entity("entity#1", "role#1", what={"reference": "Patient/p1"})
DATA = entity("entity#2", "role#4", what={"reference": "List/l1"})
REQUEST = entity("basic#XrequestId", what={"identifier": {"value": "76d1"}})
QUERY = entity("entity#2", "role#24", query="P2NvZGU9MQ==")
CONSENT = entity("resource#Consent", what={"reference": "Consent/c1"})
TOKEN = entity("agent#UserOauthAgent", what={"identifier": {"value": "urn:ietf:params:oauth:jti:1"}})


def event(type, action, subtypes, agents, entities, **more):
    return {
        "resourceType": "AuditEvent",
        "type": coding(type),
        "subtype": [coding(s) for s in subtypes],
        "action": action,
        "recorded": "2026-06-01T12:00:00Z",
        "outcome": "0",
        "agent": agents,
        "source": {"observer": DEVICE},
        "entity": entities,
        **more,
    }


def rest(action, interaction, entities, client="DCM#110153", server="DCM#110152", user="participation#AUT"):
    agents = [agent(client, network=NETWORK), agent(server, network=NETWORK), agent(user, {"display": "N"}, True)]
    return event("event#rest", action, [f"interaction#{interaction}"], agents, entities)


def read(*entities):
    return rest("R", "read", list(entities), "DCM#110152", "DCM#110153", "participation#IRCP")


def gone(*entities):
    return rest("D", "delete", list(entities), "DCM#110150", "provenance#custodian", "participation#CST")


def query(*entities):
    return rest("E", "search-type", list(entities), user="participation#IRCP")


def disclosure(type, action):
    agents = [agent("DCM#110153", network=NETWORK), agent("DCM#110152", network=NETWORK)]
    agents.append(agent("SCT#429577009", {"reference": "Patient/p1"}, True))
    return event(type, action, ["lifecycle#disclose", "interaction#read"], agents, [PATIENT, DATA])


def decision():
    agents = [
        agent("security#authserver"),
        agent("DCM#110150", network=NETWORK),
        agent("participation#IRCP", {"reference": "Practitioner/x"}, True),
        agent("roleclass#PROV", {"reference": "Organization/o"}),
    ]
    return event("DCM#110113", "E", ["AuthZ#AuthZ-Consent"], agents, [PATIENT, CONSENT, TOKEN])


def token(code, **more):
    agents = [agent(code, {"identifier": {"value": "u"}}, True, policy=["t"]), *more.pop("others", [])]
    return event("event#rest", "R", ["interaction#read"], agents, [DATA])


COMPREHENSIVE = token("participation#IRCP", others=[agent("DCM#110150", {"identifier": {"value": "app"}})])
GOOD = {
    "Create": rest("C", "create", [DATA, REQUEST]),
    "PatientCreate": rest("C", "create", [PATIENT, DATA]),
    "Read": read(DATA),
    "PatientRead": read(PATIENT, DATA, REQUEST),
    "Update": rest("U", "update", [DATA]),
    "PatientUpdate": rest("U", "patch", [PATIENT, DATA]),
    "Delete": gone(DATA),
    "PatientDelete": gone(PATIENT, DATA),
    "Query": query(QUERY),
    "PatientQuery": query(PATIENT, QUERY),
    "AuthZconsent": decision(),
    "AuditPrivacyDisclosureSource": disclosure("DCM#110106", "R"),
    "AuditPrivacyDisclosureRecipient": disclosure("DCM#110107", "C"),
    "OAUTHaccessTokenUseOpaque": token("agent#UserOauthAgent"),
    "OAUTHaccessTokenUseMinimal": token("agent#UserOauthAgent"),
    "OAUTHaccessTokenUseComprehensive": COMPREHENSIVE,
    "SAMLaccessTokenUseMinimal": token("agent#UserSamlAgent"),
}
BASE = ["type", "recorded", "agent", "source", "source.observer", "agent.0.requestor"]
RESTFUL = ["subtype", "outcome", "entity", "agent.0", "agent.1", "agent.2.who", "agent.2.requestor"]
RESTFUL += [f"agent.{n}.{name}" for n in (0, 1) for name in ("type", "who", "network")]
SUBJECT = ["entity.0", "entity.0.type", "entity.0.role", "entity.0.what"]
SECOND = ["entity.1", "entity.1.type", "entity.1.what"]
DISCLOSED = [p for p in RESTFUL if not p.startswith("agent.2")] + ["agent.2.who", *SUBJECT]
TOKENS = ["agent.0", "agent.0.type", "agent.0.policy"]
REQUIRED = {
    "Create": [*RESTFUL, *SUBJECT, "entity.1.what.identifier.value"],
    "PatientCreate": [*RESTFUL, *SUBJECT, *SECOND, "entity.1.role"],
    "Read": [*RESTFUL, "entity.0", "entity.0.type", "entity.0.what"],
    "PatientRead": [*RESTFUL, *SUBJECT, *SECOND],
    "Update": [*RESTFUL, *SUBJECT],
    "PatientUpdate": [*RESTFUL, *SUBJECT, *SECOND, "entity.1.role"],
    "Delete": [*RESTFUL, *SUBJECT],
    "PatientDelete": [*RESTFUL, *SUBJECT, *SECOND, "entity.1.role"],
    "Query": [*RESTFUL, "entity.0", "entity.0.type", "entity.0.role", "entity.0.query"],
    "PatientQuery": [*RESTFUL, *SUBJECT, "entity.1", "entity.1.type", "entity.1.role", "entity.1.query"],
    "AuthZconsent": [
        *[f"agent.{n}{part}" for n in range(4) for part in ("", ".type", ".who", ".requestor")],
        *["subtype", "outcome", "entity", "agent.1.network", *SUBJECT, *SECOND],
        *["entity.2.type", "entity.2.what", "entity.2.what.identifier"],
    ],
    "AuditPrivacyDisclosureSource": DISCLOSED,
    "AuditPrivacyDisclosureRecipient": DISCLOSED,
    "OAUTHaccessTokenUseOpaque": TOKENS,
    "OAUTHaccessTokenUseMinimal": TOKENS,
    "OAUTHaccessTokenUseComprehensive": ["agent.0.who", "agent.0.policy", "agent.0.who.identifier", "agent.1"],
    "SAMLaccessTokenUseMinimal": [*TOKENS, "agent.0.who", "agent.0.who.identifier.value"],
}


def changed(given, path, value=None):
    """``given`` with what stands at ``path`` removed, or replaced where ``value`` is given."""
    found = copy.deepcopy(given)
    *around, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    node = found
    for name in around:
        node = node[name]
    if value is None:
        del node[last]
    elif isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value
    return found


def where(given, profile=None, **more):
    """The path of the element for which an event is refused."""
    with pytest.raises(InputError) as refused:
        balp.check(given, profile, **more)
    assert refused.value.where
    return refused.value.where


@pytest.mark.parametrize("name", GOOD)
def test_what_conforms_is_accepted_by_name_id_address_and_claim(name):
    profile = balp.profile_of(name)
    for named in (name, profile.id, profile.canonical, f"{profile.canonical}|1.1.5"):
        balp.check(GOOD[name], named)
    balp.check({**GOOD[name], "meta": {"profile": [profile.canonical, "http://example.org/other"]}})


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, paths in REQUIRED.items() for p in [*BASE, *paths]])
def test_each_required_element_is_missed(name, path):
    told = where(changed(GOOD[name], path), name)
    assert told.startswith("AuditEvent.")


def test_every_profile_is_tried():
    assert {n for n, p in balp.profiles().items() if p.id} == set(GOOD) == set(REQUIRED)


def test_what_may_be_missing_is_not_missed():
    balp.check(changed(GOOD["PatientRead"], "action"), "PatientRead")
    balp.check(changed(GOOD["PatientRead"], "entity.2"), "PatientRead")
    balp.check(changed(GOOD["PatientRead"], "agent.2"), "PatientRead")
    balp.check(changed(GOOD["PatientRead"], "agent.2.type"), "PatientRead")
    balp.check(changed(GOOD["AuthZconsent"], "entity.2"), "AuthZconsent")


WRONG = [
    ("PatientRead", "type", coding("DCM#110100"), "AuditEvent.type"),
    ("PatientRead", "type", {"system": "urn:other", "code": "rest"}, "AuditEvent.type"),
    ("PatientRead", "type", {"code": "rest"}, "AuditEvent.type"),
    ("PatientRead", "subtype.0", coding("interaction#update"), "AuditEvent.subtype:anyRead"),
    ("PatientRead", "subtype.1", coding("interaction#vread"), "AuditEvent.subtype:anyRead"),
    ("PatientRead", "action", "U", "AuditEvent.action"),
    ("PatientRead", "outcome", "4", "AuditEvent.outcome"),
    ("PatientRead", "agent.0.media", coding("DCM#110010"), "AuditEvent.agent[0].media"),
    ("PatientRead", "agent.2.network", NETWORK, "AuditEvent.agent[2].network"),
    ("PatientRead", "agent.2.requestor", False, "AuditEvent.agent[2].requestor"),
    ("PatientRead", "agent.3", agent("DCM#110152", network=NETWORK), "AuditEvent.agent:client"),
    ("PatientRead", "entity.0.role", coding("role#4"), "AuditEvent.entity[0].role"),
    ("PatientRead", "entity.0.what.reference", "Group/g", "AuditEvent.entity[0].what"),
    ("PatientRead", "entity.0.what", {"display": "x", "type": "Group"}, "AuditEvent.entity[0].what"),
    ("PatientRead", "entity.1.role", coding("role#24"), "AuditEvent.entity[1].role"),
    ("PatientRead", "entity.3", DATA, "AuditEvent.entity:data"),
    ("PatientCreate", "agent.2.type", {"coding": [coding("DCM#110153")]}, "AuditEvent.agent:client"),
    ("PatientQuery", "entity.1.what", {"reference": "List/l"}, "AuditEvent.entity[1].what"),
    ("AuthZconsent", "subtype.0", coding("interaction#read"), "AuditEvent.subtype[0]"),
    ("AuthZconsent", "entity.3", DATA, "AuditEvent.entity[3]"),
    ("AuthZconsent", "source.observer", {"reference": "Device/other"}, "AuditEvent.agent[0].who"),
    ("AuthZconsent", "agent.3.requestor", True, "AuditEvent.agent[3].requestor"),
    (
        "AuditPrivacyDisclosureSource",
        "modifierExtension",
        [{"url": "u", "valueCode": "c"}],
        "AuditEvent.modifierExtension",
    ),
    ("AuditPrivacyDisclosureSource", "agent.0.who", {"display": "other"}, "AuditEvent.agent[0].who"),
    ("AuditPrivacyDisclosureRecipient", "agent.1.who", {"display": "other"}, "AuditEvent.agent[1].who"),
    ("OAUTHaccessTokenUseMinimal", "agent.0.network", NETWORK, "AuditEvent.agent[0].network"),
    ("OAUTHaccessTokenUseOpaque", "agent.0.policy", ["a", "b"], "AuditEvent.agent[0].policy"),
    ("SAMLaccessTokenUseMinimal", "agent.0.altId", "x", "AuditEvent.agent[0].altId"),
]


@pytest.mark.parametrize(("name", "path", "value", "place"), WRONG)
def test_a_wrong_code_or_number_is_refused_with_its_path(name, path, value, place):
    assert where(changed(GOOD[name], path, value), name) == place


NOT_R4 = [
    ("severity", "x", "AuditEvent.severity"),
    ("type", {}, "AuditEvent.type"),
    ("type", {"id": "only"}, "AuditEvent.type"),
    ("type", [coding("DCM#110100")], "AuditEvent.type"),
    ("agent", DEVICE, "AuditEvent.agent"),
    ("agent", [], "AuditEvent.agent"),
    ("action", "X", "AuditEvent.action"),
    ("outcome", "1", "AuditEvent.outcome"),
    ("outcomeDesc", " ", "AuditEvent.outcomeDesc"),
    ("recorded", "2026-06-01", "AuditEvent.recorded"),
    ("recorded", "2026-06-01T12:00:00", "AuditEvent.recorded"),
    ("recorded", "2026-02-30T12:00:00Z", "AuditEvent.recorded"),
    ("period", {"start": "soon"}, "AuditEvent.period.start"),
    ("agent.0.requestor", "true", "AuditEvent.agent[0].requestor"),
    ("agent.0.network.type", "6", "AuditEvent.agent[0].network.type"),
    ("agent.0.who", {"reference": "Observation/o"}, "AuditEvent.agent[0].who"),
    ("source.observer", {"reference": "https://x.org/fhir/Group/g/_history/1"}, "AuditEvent.source.observer"),
    ("entity.0.what.identifier", {"use": "mine", "value": "v"}, "AuditEvent.entity[0].what.identifier.use"),
    ("entity.0.query", "not base 64!", "AuditEvent.entity[0].query"),
    ("entity.0.detail", [{"type": "t"}], "AuditEvent.entity[0].detail[0].value[x]"),
    ("entity.0.detail", [{"type": "t", "valueInteger": 1}], "AuditEvent.entity[0].detail[0].valueInteger"),
    ("extension", [{"valueCode": "c"}], "AuditEvent.extension[0].url"),
    ("extension", [{"url": "u"}], "AuditEvent.extension[0].value[x]"),
    ("extension", [{"url": "u", "valueCode": 1}], "AuditEvent.extension[0].valueCode"),
    ("extension", [{"url": "u", "valueCoding": {"kode": "c"}}], "AuditEvent.extension[0].valueCoding.kode"),
    ("extension", [{"url": "u", "valueQuantity": {}}], "AuditEvent.extension[0].valueQuantity"),
    ("contained", [{"resourceType": "Device", "id": "d"}], "AuditEvent.contained[0]"),
    ("contained", [{"id": "d"}], "AuditEvent.contained[0]"),
]


@pytest.mark.parametrize(("path", "value", "place"), NOT_R4)
def test_what_r4_does_not_allow_is_refused_with_its_path(path, value, place):
    assert where(changed(GOOD["PatientRead"], path, value)) == place


def test_an_entity_has_a_name_or_a_query_and_a_primitive_may_be_an_extension():
    assert where(changed(GOOD["PatientQuery"], "entity.1.name", "n")) == "AuditEvent.entity[1]"
    absent = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    balp.check({**changed(GOOD["Read"], "recorded"), "_recorded": absent})
    balp.check(
        {
            **GOOD["Read"],
            "contained": [{"resourceType": "Device", "id": "d"}],
            "source": {"observer": {"reference": "#d"}},
        }
    )


@pytest.mark.parametrize("given", [None, [], {}, {"resourceType": "Patient"}])
def test_what_is_no_audit_event_is_refused(given):
    assert where(given) == "resourceType"


@pytest.mark.parametrize("name", ["PatientLook", "", "Rest", "RestData"])
def test_an_unknown_profile_is_refused(name):
    assert where(GOOD["Read"], name) == "profile"
    claimed = {"profile": [f"https://profiles.ihe.net/ITI/BALP/StructureDefinition/{name}"]}
    assert where({**GOOD["Read"], "meta": claimed}) == "profile"


def test_a_failure_follows_the_profile_but_for_its_outcome():
    failed = {**GOOD["PatientRead"], "outcome": "8"}
    balp.check(failed, "PatientRead", failed=True)
    assert where(failed, "PatientRead") == "AuditEvent.outcome"
    assert where(GOOD["PatientRead"], "PatientRead", failed=True) == "AuditEvent.outcome"
    assert where(changed(failed, "outcome"), "OAUTHaccessTokenUseOpaque", failed=True) == "AuditEvent.outcome"
    assert where(changed(failed, "entity.0"), "PatientRead", failed=True) == "AuditEvent.entity:patient"


def paths(node, prefix=""):
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield f"{prefix}{name}"
        yield from paths(value, f"{prefix}{name}.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["0", "R", "2026-06-01"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "url", "coding", "_x", "id"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from([(n, p) for n in GOOD for p in paths(GOOD[n])]), JSON)
@settings(max_examples=300, deadline=None)
def test_whatever_is_put_anywhere_is_accepted_or_refused_in_one_way(place, value):
    name, path = place
    mixed = copy.deepcopy(GOOD[name])
    *around, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    node = mixed
    for step in around:
        node = node[step]
    node[last] = value
    for profile in (None, name):
        try:
            balp.check(mixed, profile)
        except InputError as error:
            assert error.where  # noqa: PT017


def test_depth_is_bounded():
    inner = {"url": "u", "valueCode": "c"}
    for _ in range(2000):
        inner = {"url": "u", "extension": [inner]}
    assert where({**GOOD["Read"], "extension": [inner]}).startswith("AuditEvent.extension[0]")
