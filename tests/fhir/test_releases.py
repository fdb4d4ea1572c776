"""FHIR releases: recognised by what is stated and by shape, converted by tables; no meaning is turned round."""

import copy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.fhir.releases import recognise, release_of, stated, to_r4
from salus.fhir.releases.steps import VERBS
from salus.fhir.releases.tables import tables
from tests.fhir.made import METFORMIN, PATIENT, of

# ---- recognising


@pytest.mark.parametrize(
    ("text", "release"),
    [("1.0.2", "DSTU2"), ("3.0.1", "STU3"), ("4.0.1", "R4"), ("4.3.0", "R4B"), ("5.0.0", "R5"), ("STU3", "STU3"),
     ("r5", "R5"), ("6.0.0", ""), ("2.1.0", ""), ("", "")],
)  # fmt: skip
def test_a_stated_version_is_a_release(text, release):
    assert stated(text) == release


@pytest.mark.parametrize(
    ("resource", "release"),
    [
        (of("MedicationOrder", patient=PATIENT, dateWritten="2026"), "DSTU2"),
        (of("MedicationStatement", patient=PATIENT, status="active", wasNotTaken=False), "DSTU2"),
        (of("Condition", patient=PATIENT, dateRecorded="2026", clinicalStatus="active"), "DSTU2"),
        (of("Condition", subject=PATIENT, clinicalStatus="active"), "STU3"),
        (of("MedicationStatement", subject=PATIENT, status="active", taken="y"), "STU3"),
        (of("Observation", subject=PATIENT, context={"reference": "Encounter/1"}), "STU3"),
        (of("MedicationRequest", subject=PATIENT, medication={"concept": METFORMIN}), "R5"),
        (of("MedicationStatement", subject=PATIENT, status="recorded"), "R5"),
        (of("Encounter", status="completed"), "R5"),
        (of("Procedure", subject=PATIENT, status="completed", performedDateTime="2020"), "R4"),
        (of("Observation", status="final", code=METFORMIN, subject=PATIENT), "R4"),
        (of("Basic", code=METFORMIN), "R4"),
        (
            of("Observation", subject=PATIENT, code={"coding": [{"system": "http://hl7.org/fhir/v3/X", "code": "a"}]}),
            "STU3",
        ),
    ],
)
def test_the_shape_tells_the_release(resource, release):
    assert release_of(resource) == release


def test_what_is_looked_for_in_the_text_first_stands_there():
    """The walk through a resource is left out where its text lacks a mark: no old address may lack it."""
    mark = recognise._OLD_HOME.decode()
    for address in (*tables().renamed_systems, *recognise._OLD_SYSTEMS):
        assert f'"{address}'.startswith(mark)
        coded = of("Observation", subject=PATIENT, code={"coding": [{"system": address, "code": "a"}]})
        assert release_of(coded) == "STU3"
        assert release_of(coded, text=b"{}") == "R4"
    hidden = of("Observation", status="final", contained=[{"resourceType": "X", "a": [{"modifierExtension": [{}]}]}])
    assert "modifierExtension" in to_r4(hidden).refused


def test_what_is_stated_decides_only_what_the_shape_leaves_open():
    plain = of("Observation", status="final", code=METFORMIN)
    assert [release_of(plain, said) for said in ("DSTU2", "STU3", "R4B", "R5")] == ["DSTU2", "STU3", "R4B", "R5"]
    assert release_of(of("MedicationStatement", subject=PATIENT, taken="n"), "R4") == "STU3"
    profiled = {**plain, "meta": {"profile": ["https://fhir.example/STU3/StructureDefinition/X"]}}
    assert release_of(profiled) == "STU3"


def test_r4_comes_back_as_it_is_and_nothing_is_changed_in_place():
    body = of("Observation", status="final", code=METFORMIN, subject=PATIENT, own=[{"a": Decimal("1.10")}])
    kept = copy.deepcopy(body)
    found = to_r4(body)
    assert (found.resource, found.losses, found.refused, found.release) == (kept, (), "", "R4")
    older = of("MedicationStatement", patient=PATIENT, status="active", wasNotTaken=True, note="x")
    kept = copy.deepcopy(older)
    assert to_r4(older).resource != kept
    assert older == kept


# ---- negatives


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (of("MedicationStatement", patient=PATIENT, status="active", wasNotTaken=True), "not-taken"),
        (of("MedicationStatement", patient=PATIENT, status="active", wasNotTaken=False), "active"),
        (of("MedicationStatement", subject=PATIENT, status="active", taken="n"), "not-taken"),
        (of("MedicationStatement", subject=PATIENT, status="active", taken="y"), "active"),
        (of("MedicationStatement", subject=PATIENT, status="active", taken="unk"), "unknown"),
        (of("MedicationStatement", subject=PATIENT, status="active", taken="na"), "unknown"),
        (of("MedicationStatement", subject=PATIENT, status="entered-in-error", taken="n"), "entered-in-error"),
        (of("MedicationStatement", subject=PATIENT, status="active", wasNotTaken=True), "not-taken"),
        (of("MedicationStatement", patient=PATIENT, status="entered-in-error", wasNotTaken=True), "entered-in-error"),
        (of("MedicationAdministration", patient=PATIENT, status="completed", wasNotGiven=True), "not-done"),
        (of("MedicationAdministration", subject=PATIENT, status="completed", notGiven=True), "not-done"),
        (of("MedicationDispense", subject=PATIENT, status="completed", notDone=True), "declined"),
        (of("Immunization", patient=PATIENT, status="completed", wasNotGiven=True, date="2020"), "not-done"),
        (of("Immunization", patient=PATIENT, status="completed", notGiven=True, date="2020"), "not-done"),
        (of("Immunization", patient=PATIENT, status="completed", notGiven=False, date="2020"), "completed"),
        (of("Procedure", subject=PATIENT, status="completed", notPerformed=True), "not-done"),
        (of("Procedure", subject=PATIENT, status="suspended", notDone=True), "not-done"),
        (of("Procedure", subject=PATIENT, status="aborted", notDone=False), "stopped"),
        (of("Procedure", subject=PATIENT, status="suspended", context=PATIENT), "on-hold"),
        (of("FamilyMemberHistory", patient=PATIENT, status="completed", notDone=True), "health-unknown"),
        (of("MedicationRequest", subject=PATIENT, status="ended", medication={"concept": METFORMIN}), "completed"),
        (of("Encounter", status="discharged"), "finished"),
        (of("Encounter", status="discontinued"), "unknown"),
        (of("DiagnosticReport", status="modified"), "amended"),
    ],
)  # fmt: skip
def test_what_was_not_done_is_never_done(resource, status):
    found = to_r4(resource)
    assert (found.resource["status"], found.refused) == (status, "")
    assert not {"wasNotTaken", "taken", "wasNotGiven", "notGiven", "notPerformed", "notDone"} & found.resource.keys()


@pytest.mark.parametrize(
    ("adherence", "more", "status"),
    [
        ("taking", {}, "active"),
        ("not-taking", {}, "not-taken"),
        ("on-hold-as-directed", {}, "on-hold"),
        ("stopped", {}, "stopped"),
        ("unknown", {}, "unknown"),
        (None, {}, "unknown"),
        (None, {"effectiveDateTime": "2020"}, "unknown"),
        (None, {"effectivePeriod": {"start": "2020"}}, "active"),
        (None, {"effectivePeriod": {"start": "2020", "end": "2021"}}, "unknown"),
        ("taking", {"status": "entered-in-error"}, "entered-in-error"),
        (None, {"status": "draft", "effectivePeriod": {"start": "2020"}}, "unknown"),
    ],
)
def test_r5_tells_by_adherence_whether_a_medicine_is_taken(adherence, more, status):
    said = {"adherence": {"code": {"coding": [{"code": adherence}]}}} if adherence else {}
    body = of("MedicationStatement", **{"status": "recorded", "medication": {"concept": METFORMIN}, **said, **more})
    assert to_r4(body).resource["status"] == status
    assert to_r4(body).resource["medicationCodeableConcept"] == METFORMIN


REFUSED = {
    "a negation that is neither": of("MedicationStatement", patient=PATIENT, status="active", wasNotTaken="maybe"),
    "a negation of null": of("Procedure", subject=PATIENT, status="completed", notDone=None),
    "taken in an unknown way": of("MedicationStatement", subject=PATIENT, status="active", taken="later"),
    "an adherence that is not known": of(
        "MedicationStatement", status="recorded", adherence={"code": {"coding": [{"code": "mostly"}]}}
    ),
    "an adherence in words": of("MedicationStatement", status="recorded", adherence={"code": {"text": "rarely"}}),
    "a status that is not known": of("MedicationRequest", subject=PATIENT, status="pausing"),
    "a status that is no string": of("Observation", status=["final"], code=METFORMIN),
    "a clinical status that is not known": of("Condition", patient=PATIENT, clinicalStatus="latent"),
    "over and active": of("Condition", subject=PATIENT, clinicalStatus="active", abatementBoolean=True),
    "an abatement that is neither": of("Condition", subject=PATIENT, clinicalStatus="active", abatementBoolean="y"),
    "an animal": of("Patient", animal={"species": {"text": "dog"}}),
    "rules that are not known": of("Observation", status="final", code=METFORMIN, implicitRules="http://x"),
    "a modifier": of("Observation", status="final", code=METFORMIN, modifierExtension=[{"url": "http://x"}]),
    "a modifier inside": of(
        "MedicationRequest", status="active", dosageInstruction=[{"modifierExtension": [{"url": "http://x"}]}]
    ),
    "a modifier in what it contains": of(
        "Observation",
        status="final",
        contained=[{"resourceType": "Device", "modifierExtension": [{"url": "http://x"}]}],
    ),
    "a status of what it contains": of(
        "MedicationRequest", status="active", contained=[{"resourceType": "Medication", "status": "odd"}]
    ),
}


@pytest.mark.parametrize("resource", REFUSED.values(), ids=REFUSED)
def test_what_could_turn_the_meaning_round_is_refused_with_its_place(resource):
    found = to_r4(resource)
    assert found.refused
    assert found.refused.split(" ")[0].count(".") >= 1
    assert found.resource["resourceType"] == resource["resourceType"]


def test_an_adherence_that_is_not_known_leaves_the_status_open():
    assert to_r4(REFUSED["an adherence in words"]).resource["status"] == "unknown"


def test_a_refused_resource_keeps_what_names_it():
    found = to_r4(of("MedicationOrder", patient=PATIENT, status="pausing", medicationCodeableConcept=METFORMIN))
    assert found.refused
    assert found.resource["resourceType"] == "MedicationRequest"
    assert found.resource["medicationCodeableConcept"] == METFORMIN


# ---- the tables, and any input


def test_the_tables_name_only_what_the_interpreter_and_the_releases_know():
    found = tables()
    every = [step for steps in (*found.steps.values(), *found.parts.values()) for step in steps]
    assert {step.verb for step in every} <= VERBS.keys()
    for step in every:
        if step.verb in ("map", "concept", "coding"):
            assert step.arguments[1] in found.codes
        if step.verb in ("concept", "coding"):
            assert step.arguments[1] in found.systems
        if step.verb == "use":
            assert step.arguments[0] in found.parts
    for (release, kind), steps in found.steps.items():
        if release == "common":
            continue
        known = {path.split(".")[0] for path, forms in found.elements[kind].forms.items() if release in forms}
        for step in steps:
            first = step.path[0] if step.path else step.arguments[0]
            made = {a for s in steps for a in s.arguments[1:]}
            assert step.verb in ("type", "use", "default") or first in known | made, (release, kind, step)


def test_every_code_table_leads_to_codes_of_r4():
    found = tables()
    for (_, kind), steps in found.steps.items():
        target = next((s.arguments[0] for s in steps if s.verb == "type"), kind)
        for step in steps:
            if step.verb == "map" and step.arguments[0] == "status" and not step.path and kind != "Goal":
                known = found.elements[target].status["R4"]
                assert {code.removeprefix("~") for code in found.codes[step.arguments[1]].values()} <= known


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["active", "n", "unk", "completed", "", "2020"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "concept", "reference", "text", "start", "item"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@st.composite
def resources(draw):
    kind = draw(st.sampled_from(sorted(tables().elements)))
    names = sorted({path.split(".")[0] for path in tables().elements[kind].forms})
    chosen = draw(st.lists(st.sampled_from(names), max_size=6))
    return {"resourceType": kind, **{name: draw(JSON) for name in chosen}}


@given(resources(), st.sampled_from([None, "1.0.2", "3.0.2", "4.0.1", "5.0.0", "nonsense"]))
def test_any_json_is_converted_or_refused_and_never_raises(resource, release):
    kept = copy.deepcopy(resource)
    found = to_r4(resource, release)
    assert resource == kept
    assert found.resource["resourceType"]
    assert to_r4(found.resource, found.release if found.release == "R4" else None).resource is not None


NEGATIONS = {
    "MedicationStatement": (
        ("wasNotTaken", True),
        ("taken", "n"),
        ("adherence", {"code": {"coding": [{"code": "not-taking"}]}}),
    ),
    "MedicationAdministration": (("wasNotGiven", True), ("notGiven", True)),
    "MedicationDispense": (("notDone", True),),
    "Immunization": (("wasNotGiven", True), ("notGiven", True)),
    "Procedure": (("notPerformed", True), ("notDone", True)),
}
POSITIVE = frozenset({"active", "completed", "in-progress", "intended", "recorded", "final"})


@given(st.data(), st.sampled_from([None, "1.0.2", "3.0.2", "4.0.1", "5.0.0"]))
def test_a_negative_never_becomes_a_positive_whatever_else_the_resource_says(data, release):
    kind = data.draw(st.sampled_from(sorted(NEGATIONS)))
    name, value = data.draw(st.sampled_from(NEGATIONS[kind]))
    resource = {**data.draw(resources()), "resourceType": kind}
    resource["status"] = data.draw(
        st.sampled_from(["active", "completed", "in-progress", "recorded", "aborted", "odd"])
    )
    for other, _ in NEGATIONS[kind]:
        resource.pop(other, None)
    found = to_r4({**resource, name: value}, release)
    assert found.refused or found.resource["status"] not in POSITIVE
