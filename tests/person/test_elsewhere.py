"""What stands in unusual places or forms: it is read as what it is, or named, and never passed over."""

from decimal import Decimal

import pytest

from tests.careplan.people import finding
from tests.person.charts import concept, condition, known, medicine, procedure, relative, result

MI = "snomed|22298006"
REFUSED = {"status": "not-assessable", "reason": "the note is not in English", "needs": ("a translation",)}
POTASSIUM = "loinc|2823-3"
GERMAN = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"


def certain(letter):
    """An infarction in ICD-10-GM with the letter that German practices write beside a code."""
    body = condition("icd10cm|I21.9")
    body["code"]["coding"][0]["extension"] = [{"url": GERMAN, "valueCoding": {"code": letter}}]
    return body


# ---- diagnoses


@pytest.mark.parametrize(
    ("letter", "state"), [("G", "present"), ("Z", "past"), ("V", "possible"), ("A", "denied"), ("X", "possible")]
)
def test_the_certainty_beside_a_german_code_decides(letter, state):
    assert known(certain(letter)).about("myocardial-infarction").state == state


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Encounter", "status": "finished", "reasonCode": [concept(MI)]},
        {"resourceType": "DiagnosticReport", "status": "final", "conclusionCode": [concept(MI)]},
        {"resourceType": "Flag", "status": "active", "code": concept(MI)},
        {"resourceType": "Claim", "status": "active", "diagnosis": [{"diagnosisCodeableConcept": concept(MI)}]},
        medicine("paracetamol", reasonCode=[concept(MI)]),
    ],
    ids=lambda body: body["resourceType"],
)
def test_a_diagnosis_named_in_passing_is_possible(body):
    answer = known(body).about("myocardial-infarction")
    assert answer.state == "possible"
    assert "not on the problem list" in answer.words[0]


def test_what_was_taken_back_is_not_named_in_passing():
    body = {"resourceType": "Encounter", "status": "entered-in-error", "reasonCode": [concept(MI)]}
    assert known(body).about("myocardial-infarction").state == "not-recorded"


def test_a_stent_known_as_a_device_is_a_stent_and_a_cuff_is_no_disease():
    stent = {"resourceType": "Device", "status": "active", "type": concept(text="Drug-eluting coronary stent")}
    cuff = {"resourceType": "Device", "status": "active", "type": concept(text="Blood pressure cuff")}
    assert known(stent).about("percutaneous-coronary-intervention").positive
    person = known(cuff)
    assert [u.kind for u in person.not_understood] == ["device"]
    assert not person.unread("diagnosis", "procedure")


@pytest.mark.parametrize(("status", "state"), [("unknown", "possible"), ("stopped", "possible"),
                                              ("not-done", "not-recorded"), ("completed", "past")])  # fmt: skip
def test_a_procedure_of_unknown_end_is_possible(status, state):
    answer = known(procedure("snomed|415070008", status=status)).about("percutaneous-coronary-intervention")
    assert answer.state == state


def test_an_onset_in_the_future_is_named():
    person = known(condition(MI, onset="2027-01-01", recordedDate="2026-01-01"))
    assert person.about("myocardial-infarction").open
    later = known(condition(MI, onset="2027-01-01", recordedDate="2027-01-02"))
    assert not later.not_understood  # on this day nobody can have known


@pytest.mark.parametrize(
    ("entry", "happened"),
    [
        (condition(MI, onset="2020-03-01"), "2020-03-01"),
        (condition(MI, onset=None, recordedDate="2026-05-01"), "2026-05-01"),
        (condition("icd10cm|I25.2", onset=None, recordedDate="2026-05-01"), ""),
        (condition("icd10cm|I25.2", onset="2026-05-20"), ""),
        (condition("icd10cm|I25.2", onset="2026-02-01"), "2026-02-01"),
        (condition("icd10cm|Z95.5", onset=None, recordedDate="2026-05-01"), ""),
        (condition("icd10cm|Z95.5", onset="2026-03-01"), "2026-03-01"),
        (condition(MI, onset=None, recordedDate="2026-05-01", onsetString="2009"), "2009"),
        (condition(MI, onset=None, recordedDate="2026-05-01", onsetAge={"value": 50, "unit": "a"}), "2017"),
        (condition(text="Myocardial infarction 2009", onset=None, recordedDate="2026-05-01"), "2009"),
        (condition(MI, onset=None, recordedDate="2026-05-01", onsetString="long ago"), ""),
    ],
)
def test_the_date_of_recording_is_not_the_date_of_the_event(entry, happened):
    (statement,) = known(entry).about("myocardial-infarction", "percutaneous-coronary-intervention").statements
    assert statement.happened == happened


# ---- medicines


def test_that_nothing_is_known_of_medicines_is_no_list():
    code = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips|no-medication-info"
    person = known(medicine(code=code, kind="MedicationStatement"))
    assert not person.list_known
    assert not person.medicines
    assert not person.surely_without("statin")


def test_what_was_given_lately_is_taken_and_asked_about():
    given = medicine("Atorvastatin 80 mg", kind="MedicationAdministration", status="completed", when=None)
    person = known({**given, "effectiveDateTime": "2026-05-20"})
    (found,) = person.taking("statin")
    assert any("only that it was given" in doubt for doubt in found.doubts)
    assert not known({**given, "effectiveDateTime": "2026-03-20"}).taking("statin")


def test_an_entrys_own_note_that_it_was_stopped_makes_it_doubtful():
    (found,) = known(medicine("Atorvastatin 80 mg", note=[{"text": "Patient stopped it in March."}])).medicines
    assert found.status == "contradicted"
    assert not found.sure
    (plain,) = known(medicine("Atorvastatin 80 mg", note=[{"text": "With food."}])).medicines
    assert plain.sure


@pytest.mark.parametrize("status", ["on-hold", "unknown"])
def test_what_is_on_hold_or_of_unknown_status_is_not_sure(status):
    (found,) = known(medicine("Warfarin 5 mg", status=status)).taking("anticoagulant")
    assert not found.sure


def test_a_modifier_of_the_medication_itself_keeps_the_list_open():
    product = {"resourceType": "Medication", "id": "m", "code": concept(text="Atorvastatin 80 mg"),
               "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}  # fmt: skip
    order = medicine()
    del order["medicationCodeableConcept"]
    person = known(product, {**order, "medicationReference": {"reference": "Medication/m"}})
    assert not person.taking("statin")
    assert not person.surely_without("statin")


def test_a_display_without_a_code_is_read_as_words():
    order = medicine()
    order["medicationCodeableConcept"] = {"coding": [{"display": "Simvastatin 40 MG Oral Tablet"}]}
    assert known(order).taking("simvastatin")


# ---- results


def test_a_result_in_words_is_read_and_one_without_a_unit_is_named():
    told = result(POTASSIUM, None) | {"valueString": "6.6 mmol/L"}
    assert known(told).newest("potassium", "mmol/L").value == 6.6
    person = known(result(POTASSIUM, None) | {"valueQuantity": {"value": Decimal("6.6")}})
    assert [(u.kind, u.words) for u in person.not_understood] == [("result", "potassium")]


def test_a_component_of_any_coded_panel_is_a_result():
    panel = result("loinc|24321-2", None)
    panel["component"] = [{"code": concept(POTASSIUM), "valueQuantity": {"value": Decimal("4.4"), "unit": "mmol/L"}}]
    assert known(panel).newest("potassium", "mmol/L").value == 4.4


def test_a_pressure_in_a_panel_of_another_name_is_not_taken_for_one_of_the_clinic():
    panel = result("", None, text="Home blood pressure")
    panel["component"] = [{"code": concept("loinc|8480-6"), "valueQuantity": {"value": 165, "unit": "mm[Hg]"}}]
    person = known(panel)
    assert person.newest("systolic-bp", "mm[Hg]").value is None
    assert [u.words for u in person.not_understood] == ["Home blood pressure"]


def test_a_result_about_somebody_else_is_not_the_patients():
    person = known(result(POTASSIUM, "6.9", "mmol/L", focus=[{"reference": "RelatedPerson/n"}]))
    assert person.newest("potassium", "mmol/L").value is None
    assert [u.kind for u in person.not_understood] == ["result"]


def test_potassium_of_the_urine_is_not_that_of_the_blood():
    urine = result("", "66", "mmol/L", text="Potassium", specimen={"display": "Urine"})
    assert known(urine).newest("potassium", "mmol/L").value is None


def test_a_result_of_unknown_status_is_named():
    person = known(result(POTASSIUM, "6.9", "mmol/L") | {"status": "unknown"})
    assert [u.words for u in person.not_understood] == ["potassium"]


def test_what_nobody_can_have_is_no_value():
    found = known(result(POTASSIUM, "44", "mmol/L")).newest("potassium", "mmol/L")
    assert found.value is None
    assert "nobody can have" in found.problem


def test_an_undated_result_of_known_kind_hides_no_other():
    person = known(result("loinc|2093-3", "200", "mg/dL"), result(POTASSIUM, "6.9", "mmol/L", when=None))
    assert person.newest("total-cholesterol", "mg/dL").value == 200


def test_a_loinc_code_that_is_not_the_analytes_hides_nothing_and_a_local_one_may():
    hba1c = result("loinc|4548-4", "6.1", "%", when="2026-04-01")
    assert known(hba1c, result("loinc|770-8", "60", "%")).newest("hba1c", "%").value == 6.1
    assert known(hba1c, result("loinc|99990-4", "60", "%")).newest("hba1c", "%").value == 6.1
    assert known(hba1c, result("loinc|99990-5", "60", "%")).newest("hba1c", "%").value is None
    assert known(hba1c, result("urn:lab|X", "60", "%")).newest("hba1c", "%").value is None


# ---- allergies, relatives, pregnancy


@pytest.mark.parametrize(
    ("told", "ages"),
    [
        ({"onsetString": "in his 40s"}, (40, 49)),
        ({"onsetString": "age 45"}, (45, 45)),
        ({"onsetString": "45 years"}, (45, 45)),
        ({"onsetString": "early fifties"}, (50, 54)),
        ({"onsetString": "before 50"}, (None, 49)),
        ({"onsetString": "after 60"}, (60, None)),
        ({"onsetString": "elderly"}, (None, None)),
        ({"onsetAge": {"value": 50, "unit": "a", "comparator": "<"}}, (None, 49)),
        ({"onsetAge": {"value": 50, "unit": "a", "comparator": ">="}}, (50, None)),
        ({"onsetAge": {"value": 720, "unit": "mo"}}, (60, 60)),
        ({"onsetAge": {"value": 48, "unit": "yr"}}, (48, 48)),
    ],
)
def test_the_age_of_a_relative_in_words_and_bounds(told, ages):
    body = relative("role|FTH", MI)
    body["condition"][0].update(told)
    (found,) = known(body).family("myocardial-infarction")
    assert (found.youngest, found.oldest) == ages


@pytest.mark.parametrize(
    ("died", "onset", "oldest", "words"),
    [
        ({"deceasedAge": {"value": 48, "unit": "a"}}, {}, 48, ", died at 48 years"),
        ({"deceasedString": "before 60"}, {}, 59, ", died by 59 years"),
        ({"deceasedRange": {"high": {"value": 50, "unit": "a"}}}, {"onsetString": "after 40"}, 50, "died by 50 years"),
        ({"deceasedAge": {"value": 80, "unit": "a"}}, {"onsetAge": {"value": 48, "unit": "a"}}, 48, ", at 48 years"),
        ({"deceasedBoolean": True}, {}, None, MI.partition("|")[2]),
    ],
)
def test_what_a_relative_died_with_began_before_the_death(died, onset, oldest, words):
    body = relative("role|FTH", MI, **died)
    body["condition"][0].update(onset)
    (found,) = known(body).family("myocardial-infarction")
    assert found.oldest == oldest
    assert found.statement.words.endswith(words)


def test_a_relative_is_known_by_the_code_of_the_person_too():
    (found,) = known(relative("snomed|66839005", MI, age=50)).family("myocardial-infarction")
    assert (found.kin.role, found.premature) == ("father", True)


def test_a_family_history_that_nobody_could_tell_is_named_and_not_read():
    person = known(relative("role|FTH", MI, age=50) | {"status": "health-unknown"})
    assert not person.family("myocardial-infarction")
    assert [u.kind for u in person.not_understood] == ["relative"]


def test_a_pregnancy_status_in_words_counts_and_one_that_cannot_be_read_leaves_it_open():
    told = result("loinc|82810-3", None)
    assert known(told | {"valueCodeableConcept": {"text": "Pregnant"}}, sex="female").pregnancy.state == "present"
    assert known(told | {"valueCodeableConcept": {"text": "zxqv"}}, sex="female").pregnancy.state == "possible"


def test_care_in_a_pregnancy_leaves_it_open_until_it_must_be_over():
    scan = {"resourceType": "Procedure", "status": "completed", "code": {"text": "Antenatal ultrasound scan"}}
    woman = {"sex": "female"}
    assert known(scan | {"performedDateTime": "2026-05-25"}, **woman).pregnancy.state == "possible"
    assert known(scan | {"performedDateTime": "2025-05-25"}, **woman).pregnancy.state == "not-recorded"
    assert known(scan, **woman).pregnancy.state == "not-recorded"
    birth = condition("snomed|169763008", onset="2026-05-28")
    assert known(scan | {"performedDateTime": "2026-05-25"}, birth, **woman).pregnancy.state == "not-recorded"


@pytest.mark.parametrize(("status", "state"), [("active", "past"), ("intended", "not-recorded")])
def test_a_device_in_use_tells_of_what_it_was_put_in_for(status, state):
    used = {"resourceType": "DeviceUseStatement", "status": status, "device": {"display": "Coronary stent"}}
    assert known(used | {"timingDateTime": "2025-02-01"}).about("cardiovascular-disease").state == state


def test_a_device_in_use_that_nobody_knows_is_named():
    used = {"resourceType": "DeviceUseStatement", "status": "active", "device": {"display": "Zyxq graft"}}
    assert [u.words for u in known(used).not_understood] == ["Zyxq graft"]


def test_a_pregnancy_beside_the_sex_male_has_to_be_settled():
    answer = known(condition("snomed|77386006", onset="2026-04-01"), sex="male").pregnancy
    assert answer.state == "possible"
    assert "the recorded sex is male" in answer.words[0]


def test_an_allergy_to_a_class_from_a_note_speaks_of_its_members():
    told = finding("note-medication", details={"concept": "statin", "use": "allergy", "ingredients": []})
    person = known(findings=(told,))
    assert person.allergy("simvastatin").positive
    assert not person.allergy("aspirin").positive


def test_a_result_inside_a_report_is_a_result():
    inner = result(POTASSIUM, "6.9", "mmol/L")
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": concept(text="Electrolytes"),
              "contained": [{**inner, "id": "k"}], "result": [{"reference": "#k"}]}  # fmt: skip
    assert known(report).newest("potassium", "mmol/L").value == 6.9


def test_a_diagnosis_among_the_results_is_possible_and_another_answer_says_nothing():
    told = result("loinc|29308-4", None) | {"valueCodeableConcept": concept(MI)}
    assert known(told).about("myocardial-infarction").state == "possible"
    other = result("loinc|54114-4", None) | {"valueCodeableConcept": concept(MI)}
    assert known(other).about("myocardial-infarction").state == "not-recorded"


def test_a_note_that_could_not_be_read_is_named_and_keeps_every_negative_open():
    unread = finding("note-problem", **REFUSED, details={"unread": True})
    person = known(medicine("paracetamol"), findings=(unread,))
    assert [u.kind for u in person.not_understood] == ["note"]
    assert person.about("stroke").open
    assert person.allergy("aspirin").open
    assert not person.surely_without("statin")
    other = finding("note-problem", **REFUSED, details={})
    assert known(medicine("paracetamol"), findings=(other,)).surely_without("statin")


def test_a_prescription_of_a_release_that_nobody_reads_keeps_the_list_open():
    old = {"resourceType": "MedicationPrescription", "status": "active", "medication": {"display": "Atorvastatin"}}
    person = known(old)
    assert not person.surely_without("statin")
    assert [u.why for u in person.not_understood] == ["its type is of a FHIR release that is not read"]
