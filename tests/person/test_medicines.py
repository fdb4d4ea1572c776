"""One list of medicines: in any code, at the dose that is written, and never with less or more than stands there."""

from decimal import Decimal

import pytest

from tests.person.charts import condition, known, medicine


@pytest.mark.parametrize(
    ("entry", "ingredient"),
    [
        (medicine("Norvasc"), "amlodipine"),
        (medicine("Lipitor 40 mg"), "atorvastatin"),
        (medicine(code="atc|C10AA05"), "atorvastatin"),
        (medicine(code="rxnorm|83367"), "atorvastatin"),
        (medicine("Atorvastatin-Kalzium 40 mg Filmtabletten"), "atorvastatin"),
        (medicine("acide acétylsalicylique"), "aspirin"),
    ],
)
def test_a_medicine_is_known_by_brand_code_and_name(entry, ingredient):
    assert [m.drug.ingredients for m in known(entry).medicines] == [(ingredient,)]


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Entresto", {"sacubitril", "valsartan"}),
        ("Janumet", {"metformin", "sitagliptin"}),
        ("losartan/hydrochlorothiazide 50/12.5", {"losartan", "hydrochlorothiazide"}),
    ],
)
def test_no_combination_loses_a_part(text, ingredients):
    assert set(known(medicine(text)).medicines[0].drug.ingredients) == ingredients


def test_a_medication_resource_of_its_own_is_read():
    request = medicine(when="2026-05-01") | {"medicationReference": {"reference": "Medication/m1"}}
    del request["medicationCodeableConcept"]
    product = {"resourceType": "Medication", "id": "m1", "code": {"text": "atorvastatin 80 mg tablet"}}
    person = known(request, product)
    assert person.medicines[0].drug.ingredients == ("atorvastatin",)
    assert not known(request, {**product, "id": "other"}).medicines[0].drug.understood
    foreign = request | {"medicationReference": {"reference": "https://other.example/fhir/Medication/m1"}}
    assert not known(foreign, product).medicines[0].drug.understood


def test_two_medicines_that_cannot_be_read_stay_two():
    person = known(medicine(code="urn:x|1"), medicine(code="urn:x|2"))
    assert len(person.medicines) == 2
    assert len(person.unread("medicine")) == 2


@pytest.mark.parametrize(
    ("text", "dose", "daily"),
    [
        ("rosuvastatin 20 mg tablet", "1/2 tablet daily", 10),
        ("rosuvastatin 20 mg tablet", "0.5 tablet daily", 10),
        ("atorvastatin 80 mg", "1 nocte", 80),
        ("atorvastatin 80 mg tablet", "0-0-1", 80),
        ("atorvastatin", "80 mg ON", 80),
        ("atorvastatin", "40 mg twice daily", 80),
    ],
)
def test_the_daily_dose_is_what_is_written(text, dose, daily):
    assert known(medicine(text, dose)).medicines[0].daily_mg == Decimal(daily)


def test_a_structured_dose_is_read():
    dosage = {
        "doseAndRate": [{"doseQuantity": {"value": Decimal(80), "unit": "mg", "code": "mg"}}],
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
    }
    entry = medicine("atorvastatin") | {"dosageInstruction": [dosage]}
    assert known(entry).medicines[0].daily_mg == 80


def test_a_dose_that_is_not_understood_is_named_and_no_number():
    person = known(medicine("atorvastatin 40 mg", "qwzx blorp"))
    assert person.medicines[0].daily_mg is None
    assert [u.kind for u in person.not_understood] == ["dose"]


@pytest.mark.parametrize("status", ["stopped", "completed", "cancelled", "not-taken", "draft", "entered-in-error"])
def test_what_is_not_taken_is_not_on_the_list(status):
    person = known(medicine("warfarin", status=status, kind="MedicationStatement"))
    assert not person.taking("warfarin")


def test_a_period_that_is_over_ends_it_and_a_supply_that_ran_out_is_asked_about():
    over = medicine(
        "warfarin", kind="MedicationStatement", effectivePeriod={"start": "2024-01-01", "end": "2025-01-01"}
    )
    assert not known(over).taking("warfarin")
    month = {"expectedSupplyDuration": {"value": 30, "unit": "d"}}
    supplied = medicine("warfarin", when="2025-06-01", dispenseRequest=month)
    (found,) = known(supplied).taking("warfarin")
    assert found.stale
    assert "its supply has run out" in found.doubts
    fresh = medicine(
        "warfarin", when="2026-05-15", dispenseRequest={"expectedSupplyDuration": {"value": 30, "unit": "d"}}
    )
    assert not known(fresh).taking("warfarin")[0].stale


def test_a_dispense_counts_while_it_lasts():
    assert known(medicine("warfarin", kind="MedicationDispense", status="completed", when="2026-04-01")).taking(
        "warfarin"
    )
    old = medicine("warfarin", kind="MedicationDispense", status="completed", when="2020-04-01")
    assert not known(old).taking("warfarin")


def test_a_later_not_taken_marks_it_as_contradicted_and_an_earlier_does_not():
    listed = medicine("warfarin", when="2026-01-01")
    later = medicine("warfarin", status="not-taken", kind="MedicationStatement", when="2026-03-01")
    assert known(listed, later).taking("warfarin")[0].status == "contradicted"
    earlier = medicine("warfarin", status="not-taken", kind="MedicationStatement", when="2025-03-01")
    assert known(listed, earlier).taking("warfarin")[0].status == "active"


def test_without_a_statin_needs_a_list_that_could_be_read_whole():
    assert known(medicine("amlodipine 5 mg")).surely_without("statin")
    assert not known().surely_without("statin")
    assert not known(medicine("amlodipine 5 mg"), medicine(code="urn:x|1")).surely_without("statin")
    assert not known(medicine("simvastatin 20 mg")).surely_without("statin")
    modified = medicine("x", modifierExtension=[{"url": "urn:x", "valueBoolean": True}])
    assert not known(medicine("amlodipine 5 mg"), modified).surely_without("statin")


def test_no_known_medications_is_a_statement_and_no_medicine():
    system = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
    person = known(medicine("No known medications", code=f"{system}|no-known-medications", kind="MedicationStatement"))
    assert person.medicines == ()
    assert person.surely_without("statin")


def test_local_use_has_no_class_and_is_another_medicine():
    person = known(medicine("diclofenac 1 % gel"), medicine("diclofenac 50 mg tablet"))
    assert len(person.medicines) == 2
    assert [m.name for m in person.taking("nsaid")] == ["diclofenac 50 mg tablet"]


def test_the_newest_entry_with_a_dose_decides_the_dose():
    entries = [
        medicine("atorvastatin", "80 mg daily", when="2025-05-01", id="a"),
        medicine("atorvastatin", when="2026-05-01", kind="MedicationStatement", id="b"),
    ]
    for order in (entries, entries[::-1]):
        (found,) = known(*order).medicines
        assert found.daily_mg == 80
        assert found.last_confirmed == "2026-05-01"
    older = medicine("atorvastatin", "40 mg daily", when="2024-05-01", id="c")
    assert known(older, *entries).medicines[0].daily_mg == 80


def test_what_is_unread_among_diagnoses_says_nothing_of_the_medicine_list():
    assert known(medicine("amlodipine 5 mg"), condition("urn:x|1")).surely_without("statin")
