"""Resources that have one id on two servers are two: neither replaces the other, references lead to the right one."""

import itertools

import pytest

from salus.intake import servers
from salus.intake.fhir_links import id_for
from tests.conftest import bundle, person
from tests.intake.test_fhir_set import held, run
from tests.intake.test_servers import OURS, THEIRS, lab, served

WARFARIN, CLOPIDOGREL = "855332", "309362"
MEDICINES = {OURS: WARFARIN, THEIRS: CLOPIDOGREL}
VALUES = {OURS: "1.1", THEIRS: "2.4"}
ALLERGIES = {OURS: "Penicillin", THEIRS: "Latex"}
ORDERS = [(OURS, THEIRS), (THEIRS, OURS)]


def drug(code, name="e1", **more):
    coding = {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}
    return {"resourceType": "Medication", "id": name, "code": {"coding": [coding]}, **more}


def prescription(name, **more):
    return {"resourceType": "MedicationRequest", "id": name, "status": "active", "intent": "order",
            "authoredOn": "2026-02-01", "subject": {"reference": "Patient/p1"},
            "medicationReference": {"reference": "Medication/e1"}, **more}  # fmt: skip


def chart(base, request="rq", **more):
    """What a server has of the patient: on both servers under the same ids."""
    allergy = {"resourceType": "AllergyIntolerance", "id": "1", "patient": {"reference": "Patient/p1"},
               "code": {"text": ALLERGIES[base]}}  # fmt: skip
    return (person(), prescription(request), drug(MEDICINES[base]), lab("Patient/p1", "1", VALUES[base]), allergy)


def texts(ward):
    """What the record says: creatinine values, allergies, and each prescription with the medicine it leads to."""
    found = held(ward)
    codes = {f"Medication/{name}": b["code"]["coding"][0]["code"] for (kind, name), b in found.items()
             if kind == "Medication"}  # fmt: skip
    return (
        sorted(str(b["valueQuantity"]["value"]) for (kind, _), b in found.items() if kind == "Observation"),
        sorted(b["code"]["text"] for (kind, _), b in found.items() if kind == "AllergyIntolerance"),
        sorted(codes.get(b["medicationReference"]["reference"], "none") for (kind, _), b in found.items()
               if kind == "MedicationRequest"),
    )  # fmt: skip


BOTH = (["1.1", "2.4"], ["Latex", "Penicillin"], [CLOPIDOGREL, WARFARIN])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("requests", [("rq", "rq"), ("rq", "rq2")])
def test_two_servers_resources_of_one_id_are_both_kept_and_references_lead_right(ward, order, together, requests):
    pairs = enumerate(zip(order, requests, strict=True))
    files = [ward.write(f"s/{number}.json", served(base, *chart(base, request))) for number, (base, request) in pairs]
    taken = run(ward, ward.folder / "s") if together else [t for f in files for t in run(ward, f)]
    assert [(t.error, t.patient) for t in taken] == [(None, "p1")] * 2
    assert texts(ward) == BOTH
    said = [loss for loss in taken[1].losses if "another server too" in loss]
    assert any("Medication:" in loss for loss in said)
    assert any("Observation:" in loss for loss in said)
    assert not any("took the place" in loss for t in taken for loss in t.losses)
    moved = held(ward)["Observation", id_for(f"{order[1]}/Observation/1")]
    assert moved["identifier"] == [{"use": "old", "value": "1"}]


@pytest.mark.parametrize("order", ORDERS)
def test_reading_them_again_in_any_order_changes_nothing(ward, order):
    for number, base in enumerate(order):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    before = held(ward)
    for number, base in enumerate((*order, *reversed(order))):
        again = {**served(base, *chart(base)), "total": number}  # another file that says the same
        (taken,) = run(ward, ward.write(f"again{number}.json", again))
        assert (taken.error, taken.losses) == (None, ())
        assert held(ward) == before


@pytest.mark.parametrize("order", ORDERS)
def test_a_servers_correction_replaces_its_own_and_no_other(ward, order):
    for number, base in enumerate(order):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    for base, values in ((THEIRS, ["1.1", "2.6"]), (OURS, ["1.3", "2.6"])):
        fresh = lab("Patient/p1", "1", "2.6" if base == THEIRS else "1.3") | {"status": "corrected"}
        (taken,) = run(ward, ward.write(f"fresh-{base[8]}.json", served(base, fresh)))
        assert taken.error is None
        assert texts(ward)[0] == values


@pytest.mark.parametrize("order", ORDERS)
def test_what_comes_later_by_itself_leads_to_its_own_servers_medicine(ward, order):
    for number, base in enumerate(order):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    for base in order:
        name = f"late-{base[8]}"
        run(ward, ward.write(f"{name}.json", served(base, prescription(name))))
        found = held(ward)
        _, medicine = found["MedicationRequest", name]["medicationReference"]["reference"].split("/")
        assert found["Medication", medicine]["code"] == drug(MEDICINES[base])["code"]


def test_a_medicine_that_is_not_there_is_never_another_servers(ward):
    run(ward, ward.write("1.json", served(OURS, *chart(OURS))))
    run(ward, ward.write("2.json", served(THEIRS, person(), prescription("rq2"))))
    assert texts(ward)[2] == [WARFARIN, "none"]
    run(ward, ward.write("3.json", served(THEIRS, person(), drug(CLOPIDOGREL))))
    assert texts(ward)[2] == [CLOPIDOGREL, WARFARIN]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("late", [0, 1])
def test_a_medicine_that_has_not_come_yet_is_not_another_servers_and_is_found_when_it_comes(ward, order, late):
    first, second = order
    run(ward, ward.write("1.json", served(first, person(), prescription("first"))))
    run(ward, ward.write("2.json", served(second, person(), prescription("second"))))
    soon, last = (order[late], order[1 - late])
    run(ward, ward.write("3.json", served(soon, person(), drug(MEDICINES[soon]))))
    assert texts(ward)[2] == sorted([MEDICINES[soon], "none"])
    run(ward, ward.write("4.json", served(last, person(), drug(MEDICINES[last]))))
    assert texts(ward)[2] == [CLOPIDOGREL, WARFARIN]
    found = held(ward)
    for name, base in (("first", first), ("second", second)):
        _, medicine = found["MedicationRequest", name]["medicationReference"]["reference"].split("/")
        assert found["Medication", medicine]["code"] == drug(MEDICINES[base])["code"]


FILES = [(OURS, "order"), (OURS, "drug"), (THEIRS, "order"), (THEIRS, "drug")]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_in_any_order_of_files_every_prescription_leads_to_its_own_servers_medicine(ward, order):
    for number in order:
        base, what = FILES[number]
        body = prescription(f"of-{base[8]}") if what == "order" else drug(MEDICINES[base])
        (taken,) = run(ward, ward.write(f"{number}.json", served(base, person(), body)))
        assert taken.error is None
    found = held(ward)
    for base in (OURS, THEIRS):
        led = found["MedicationRequest", f"of-{base[8]}"]["medicationReference"]["reference"]
        assert found["Medication", led.partition("/")[2]]["code"] == drug(MEDICINES[base])["code"]


def test_a_reference_to_a_version_leads_to_the_same_server(ward):
    for number, base in enumerate((OURS, THEIRS)):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    versioned = prescription("v", medicationReference={"reference": "Medication/e1/_history/7"})
    run(ward, ward.write("v.json", served(THEIRS, person(), versioned)))
    led = held(ward)["MedicationRequest", "v"]["medicationReference"]["reference"]
    assert led == f"Medication/{id_for(f'{THEIRS}/Medication/e1')}/_history/7"


def test_an_absolute_reference_to_the_patients_server_leads_to_that_servers_medicine(ward):
    for number, base in enumerate((OURS, THEIRS)):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    alone = prescription("rq3", subject={"reference": f"{THEIRS}/Patient/p1"},
                         medicationReference={"reference": f"{THEIRS}/Medication/e1"})  # fmt: skip
    (taken,) = run(ward, ward.write("alone.json", alone))
    assert taken.error is None
    assert texts(ward)[2] == sorted([CLOPIDOGREL, CLOPIDOGREL, WARFARIN])


def test_what_says_the_same_on_both_servers_is_kept_once(ward):
    run(ward, ward.write("1.json", served(OURS, person(), lab("Patient/p1", "1"))))
    before = held(ward)["Observation", "1"]
    same = lab("Patient/p1", "1") | {"meta": {"lastUpdated": "2026-04-01T00:00:00Z"}}
    (taken,) = run(ward, ward.write("2.json", served(THEIRS, person(), same)))
    assert (taken.losses, held(ward)["Observation", "1"]) == ((), before)


def sourced(resource, source):
    return {**resource, "meta": {"source": f"{source}#request-1", "lastUpdated": "2026-01-01T00:00:00Z"}}


def test_where_there_is_no_address_the_source_tells_the_server(ward):
    run(ward, ward.write("1.json", bundle(person(), sourced(drug(WARFARIN), OURS), sourced(prescription("a"), OURS))))
    other = bundle(person(), sourced(drug(CLOPIDOGREL), THEIRS), sourced(prescription("b"), THEIRS))
    (taken,) = run(ward, ward.write("2.json", other))
    assert any("another server too" in loss for loss in taken.losses)
    assert texts(ward)[2] == [CLOPIDOGREL, WARFARIN]


@pytest.mark.parametrize("codes", [(WARFARIN, CLOPIDOGREL), (CLOPIDOGREL, WARFARIN)])
def test_where_nothing_tells_another_medicine_is_kept_beside_the_first(ward, codes):
    for name, code in zip("ab", codes, strict=True):
        (taken,) = run(ward, ward.write(f"{name}.json", bundle(person(), drug(code), prescription(name))))
    assert any("both are kept" in loss for loss in taken.losses)
    assert texts(ward)[2] == [CLOPIDOGREL, WARFARIN]
    before = held(ward)
    again = {**bundle(person(), drug(codes[1]), prescription("b")), "total": 1}
    (taken,) = run(ward, ward.write("again.json", again))
    assert (taken.losses, held(ward)) == ((), before)


def test_where_an_order_of_time_is_told_the_newer_replaces(ward):
    for version, code in (("1", WARFARIN), ("2", CLOPIDOGREL)):
        body = drug(code, meta={"versionId": version})
        run(ward, ward.write(f"{version}.json", bundle(person(), body, prescription("rq"))))
    assert texts(ward)[2] == [CLOPIDOGREL]


def test_a_further_coding_makes_no_other_thing(ward):
    more = drug(WARFARIN)
    more["code"]["coding"].append({"system": "http://snomed.info/sct", "code": "1"})
    for number, body in enumerate((drug(WARFARIN), more)):
        run(ward, ward.write(f"{number}.json", bundle(person(), body)))
    assert held(ward)["Medication", "e1"]["code"] == more["code"]
    assert len([k for k in held(ward) if k[0] == "Medication"]) == 1


def test_a_record_without_servers_learns_them_and_does_not_forget(ward):
    for number, value in enumerate((bundle(*chart(OURS)), served(OURS, *chart(OURS)), bundle(*chart(OURS)))):
        run(ward, ward.write(f"{number}.json", {**value, "total": number}))
    run(ward, ward.write("plain.json", bundle(lab("Patient/p1", "1", "1.2"))))
    run(ward, ward.write("other.json", served(THEIRS, *chart(THEIRS))))
    assert texts(ward)[0] == ["1.2", "2.4"]


def test_practitioners_of_two_servers_stay_apart(ward):
    for base, name in ((OURS, "Doe"), (THEIRS, "Roe")):
        doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"family": name}]}
        body = lab("Patient/p1", name) | {"performer": [{"reference": "Practitioner/d"}]}
        run(ward, ward.write(f"{name}.json", served(base, person(), body, doctor)))
    found = held(ward)
    for name in ("Doe", "Roe"):
        (performer,) = found["Observation", name]["performer"]
        assert found["Practitioner", performer["reference"].partition("/")[2]]["name"] == [{"family": name}]


def test_bundles_of_both_servers_and_of_one_agree_on_the_ids(ward):
    mixed = {**served(OURS), "entry": [
        *served(OURS, person(), lab("Patient/p1", "1", "1.1"))["entry"],
        {"fullUrl": f"{THEIRS}/Observation/1", "resource": lab(f"{OURS}/Patient/p1", "1", "2.4")},
    ]}  # fmt: skip
    run(ward, ward.write("one.json", served(THEIRS, person(), lab("Patient/p1", "1", "2.4"))))
    run(ward, ward.write("mixed.json", mixed))
    run(ward, ward.write("two.json", served(OURS, person(), lab("Patient/p1", "1", "1.1"))))
    assert texts(ward)[0] == ["1.1", "2.4"]


def test_a_bundle_of_both_keeps_both_though_one_says_what_the_other_said_before(ward):
    run(ward, ward.write("one.json", served(THEIRS, person(), lab("Patient/p1", "1", "2.4"))))
    mixed = {**served(OURS), "entry": [
        *served(OURS, person(), lab("Patient/p1", "1", "2.4"))["entry"],
        {"fullUrl": f"{THEIRS}/Observation/1", "resource": lab(f"{OURS}/Patient/p1", "1", "2.6")},
    ]}  # fmt: skip
    run(ward, ward.write("mixed.json", mixed))
    assert texts(ward)[0] == ["2.4", "2.6"]


def test_a_correction_to_what_the_other_server_says_replaces_its_own(ward):
    for number, base in enumerate((OURS, THEIRS)):
        run(ward, ward.write(f"{number}.json", served(base, *chart(base))))
    run(ward, ward.write("c.json", served(THEIRS, person(), lab("Patient/p1", "1", VALUES[OURS]))))
    assert texts(ward)[0] == ["1.1", "1.1"]


def test_the_sender_of_a_message_is_no_server_of_ids():
    assert servers.source({"meta": {"source": "urn:hl7v2:sender:LAB:H"}}) == ""
    assert servers.source({"meta": {"source": "https://a.example#1"}}) == "https://a.example"
    assert servers.source({"meta": 7}) == ""


@pytest.mark.parametrize("order", ORDERS)
def test_resources_that_refer_to_each_other_in_a_circle_move_together(ward, order):
    for base in order:
        met = {
            "resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p1"}, "diagnosis": [{"condition": {"reference": "Condition/c"}}],
        }  # fmt: skip
        found = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"},
                 "code": {"text": ALLERGIES[base]}, "encounter": {"reference": "Encounter/e"}}  # fmt: skip
        run(ward, ward.write(f"{len(base)}{base[-3:]}.json", served(base, person(), met, found)))
    bodies = held(ward)
    conditions = {f"Condition/{name}": b for (kind, name), b in bodies.items() if kind == "Condition"}
    encounters = {f"Encounter/{name}": b for (kind, name), b in bodies.items() if kind == "Encounter"}
    assert sorted(b["code"]["text"] for b in conditions.values()) == ["Latex", "Penicillin"]
    assert len(encounters) == 2
    for name, body in encounters.items():
        (diagnosis,) = body["diagnosis"]
        assert conditions[diagnosis["condition"]["reference"]]["encounter"]["reference"] == name
