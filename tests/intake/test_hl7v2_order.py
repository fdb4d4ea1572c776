"""HL7 v2 results: corrections, withdrawals and late messages in any order; one order is one report and one specimen."""

import itertools

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.formats import hl7v2
from salus.intake import hl7v2 as reader
from salus.intake import hl7v2_map
from salus.intake.read import Options
from tests.intake.test_fhir_set import held


def oru(id, sent, value, status="F", order="F49", issued="", obx14="20260302080000+0100", sender="LAB", code="24323-8"):
    return (
        f"MSH|^~\\&|{sender}|HOSP|||{sent}||ORU^R01^ORU_R01|{id}|P|2.5.1\r"
        "PID|1||V49^^^HOSP^MR||Doe^Jane||19570402|F\r"
        f"OBR|1|O49|{order}|{code}^Panel^LN|||20260302080000+0100|||||||||||||||{issued}|||{status}\r"
        f"OBX|1|NM|2160-0^Creatinine^LN|1|{value}|mg/dL^^UCUM|||||{status}|||{obx14}\r"
    ).encode()


def send(ward, *messages, options=None):
    taken = []
    for number, message in enumerate(messages):
        path = ward.folder / f"m{number}-{len(list(ward.folder.glob('*')))}.hl7"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(message)
        taken += Intake(Session(ward.house, ward.operator), options=options).run([path])
    assert [t.error for t in taken] == [None] * len(taken)
    return taken


def results(ward):
    (patient,) = ward.house.store.patients(ward.house.gate.house("t"))
    found = held(ward, patient)
    counts = {}
    for kind, _ in found:
        counts[kind] = counts.get(kind, 0) + 1
    values = [
        (str(r.get("valueQuantity", {}).get("value")), r["status"]) for (k, _), r in found.items() if k == "Observation"
    ]
    return sorted(values), counts, found


FINAL = oru("C1", "20260302081500+0100", "1.1")
CORRECTED = oru("C2", "20260302120000+0100", "2.4", "C")
DELETED = oru("C3", "20260302130000+0100", "2.4", "D")
LATE = oru("C4", "20260302081600+0100", "1.1")


def test_a_correction_replaces_a_deletion_withdraws_and_a_late_original_undoes_nothing(ward):
    send(ward, FINAL)
    assert results(ward)[0] == [("1.1", "final")]
    send(ward, CORRECTED)
    assert results(ward)[0] == [("2.4", "corrected")]
    send(ward, DELETED)
    assert results(ward)[0] == [("2.4", "entered-in-error")]
    (taken,) = send(ward, LATE)
    assert "1 Observation not taken: the record holds a newer version" in taken.losses
    values, counts, _ = results(ward)
    assert values == [("2.4", "entered-in-error")]
    assert (counts["DiagnosticReport"], counts["Specimen"], counts["ServiceRequest"]) == (1, 1, 1)
    assert not ward.house.verify().problems


@pytest.mark.parametrize("order", list(itertools.permutations((FINAL, CORRECTED, LATE))))
def test_every_order_of_the_same_messages_leaves_the_correction(ward, order):
    send(ward, *order)
    assert results(ward)[0] == [("2.4", "corrected")]


def test_a_replay_with_a_new_time_of_sending_does_not_undo_a_correction(ward):
    send(ward, FINAL, CORRECTED, oru("C5", "20260303100000+0100", "1.1"))
    assert results(ward)[0] == [("2.4", "corrected")]


def test_a_result_that_is_issued_later_replaces_even_a_correction(ward):
    first = oru("C2", "20260302120000+0100", "2.4", "C", issued="20260302115000+0100")
    send(ward, first, oru("C5", "20260303100000+0100", "1.9", issued="20260303095900+0100"))
    assert results(ward)[0] == [("1.9", "final")]


def test_times_without_offset_are_compared_within_one_sender(ward):
    corrected = oru("C2", "20260302120000", "2.4")
    send(ward, corrected, oru("C4", "202603020816", "1.1"))
    assert results(ward)[0] == [("2.4", "final")]
    send(ward, oru("C6", "20260302120001", "2.5"))
    assert results(ward)[0] == [("2.5", "final")]


def test_two_orders_with_the_same_test_at_the_same_time_are_two_results(ward):
    send(ward, oru("C1", "20260302081500+0100", "1.1"), oru("C2", "20260302081501+0100", "7.7", order="F50"))
    values, counts, _ = results(ward)
    assert values == [("1.1", "final"), ("7.7", "final")]
    assert counts["DiagnosticReport"] == 2


def test_an_order_number_belongs_to_its_laboratory_and_its_test(ward):
    other = oru("C2", "20260302081501+0100", "1.1", code="5555-5")
    foreign = oru("C3", "20260302081501+0100", "1.1").replace(b"|LAB|HOSP|", b"|LAB|CLINIC|")
    send(ward, FINAL, other, foreign)
    assert results(ward)[1]["DiagnosticReport"] == 3


def test_a_blank_status_is_unknown_and_kept(ward):
    send(ward, oru("C1", "20260302081500+0100", "1.1", status=""))
    values, _, found = results(ward)
    assert values == [("1.1", "unknown")]
    assert {r["status"] for (k, _), r in found.items() if k == "DiagnosticReport"} == {"unknown"}


def test_an_older_admission_does_not_undo_a_discharge_or_an_address(ward):
    def adt(id, event, sent, city, end=""):
        visit = f"PV1|1|I{'|' * 17}V1{'|' * 25}20260301080000+0100|{end}\r"
        return (
            f"MSH|^~\\&|ADT|HOSP|||{sent}||ADT^{event}|{id}|P|2.5.1\r"
            f"PID|1||V49^^^HOSP^MR||Doe^Jane||19570402|F|||^^{city}\r{visit}"
        ).encode()

    send(ward, adt("A2", "A03", "20260305080000+0100", "New", "20260305080000+0100"))
    (taken,) = send(ward, adt("A1", "A01", "20260301080000+0100", "Old"))
    assert any("PID" in loss and "newer" in loss for loss in taken.losses)
    _, _, found = results(ward)
    assert [r["status"] for (k, _), r in found.items() if k == "Encounter"] == ["finished"]
    assert [r["address"][0]["city"] for (k, _), r in found.items() if k == "Patient"] == ["New"]
    send(ward, adt("A3", "A08", "20260306080000+0100", "Newer"))
    assert [r["address"][0]["city"] for (k, _), r in results(ward)[2].items() if k == "Patient"] == ["Newer"]


def test_what_says_nothing_of_the_person_carries_no_time():
    batch = reader.batch(FINAL, "m")
    with_meta = {r["resourceType"] for r in batch.resources if "meta" in r}
    assert with_meta == {"Patient", "Observation", "DiagnosticReport", "ServiceRequest", "Specimen"}
    (observation,) = [r for r in batch.resources if r["resourceType"] == "Observation"]
    assert observation["meta"] == {"source": "urn:hl7v2:sender:LAB:HOSP", "lastUpdated": "2026-03-02T08:15:00+01:00"}


def test_the_senders_encoding_holds_where_the_message_names_none(ward):
    message = FINAL.replace(b"Doe", "Dö\u00df".encode("latin-1"))
    path = ward.folder / "latin.hl7"
    path.parent.mkdir(parents=True)
    path.write_bytes(message)
    (refused,) = Intake(Session(ward.house, ward.operator)).run([path])
    assert "--encoding" in refused.error.remedy
    (taken,) = Intake(Session(ward.house, ward.operator), options=Options(encoding="latin-1")).run([path])
    assert taken.error is None
    assert [r["name"][0]["family"] for (k, _), r in results(ward)[2].items() if k == "Patient"] == ["Dö\u00df"]


def test_three_orders_of_one_message_are_three_reports_with_their_own_results():
    text = (
        "MSH|^~\\&|LAB|H|||20260302081500+0100||ORU^R01|C6|P|2.5.1\rPID|1||V44^^^H^MR||Doe^J||19570402|F\r"
        "ORC|1|a1\rOBR|1|S-1||AS|||20260302144900\rOBX|1|ST|AS||Negative||||||F|||20260302151500\r"
        "ORC|2|a2\rOBR|1|S-1||ABOR|||20260302145400\rOBX|1|ST|ABOR||B||||||F|||20260302151500\r"
        "ORC|3|a3\rOBR|1|S-2||AS|||20260302144900\rOBX|1|ST|AS||Positive||||||F|||20260302151500\r"
    )
    found = hl7v2_map.run(hl7v2.parse(text.encode())).resources
    by_ref = {f"{r['resourceType']}/{r['id']}": r for r in found}
    reports = [r for r in found if r["resourceType"] == "DiagnosticReport"]
    told = [[by_ref[x["reference"]]["valueString"] for x in r["result"]] for r in reports]
    assert told == [["Negative"], ["B"], ["Positive"]]
    assert len([r for r in found if r["resourceType"] == "Specimen"]) == 3


@pytest.mark.parametrize(
    ("kind", "value", "element", "expected"),
    [
        ("NM", "065.88", "valueQuantity", "65.88"),
        ("NM", "+1.10", "valueQuantity", "1.10"),
        ("NM", " 4.1 ", "valueQuantity", "4.1"),
        ("NM", ">60", "valueString", ">60"),
        ("NM", "5,6", "valueString", "5,6"),
        ("NM", "1.4E+2", "valueString", "1.4E+2"),
        ("SN", "=^23", "valueQuantity", "23"),
        ("SN", "<>^23", "valueString", "<>23"),
        ("SN", ">=^5^-^9", "valueString", ">=5-9"),
        ("SN", "^3^+", "valueString", "3+"),
    ],
)
def test_what_is_no_number_stays_text(kind, value, element, expected):
    text = oru("C1", "20260302081500+0100", "@").decode().replace("|NM|", f"|{kind}|").replace("@", value)
    (observation,) = [
        r for r in hl7v2_map.run(hl7v2.parse(text.encode())).resources if r["resourceType"] == "Observation"
    ]
    found = observation[element]
    assert str(found["value"] if element == "valueQuantity" else found) == expected
    assert element == "valueString" or "comparator" not in found


def test_a_reference_range_that_is_a_bound_is_never_taken_for_the_other(ward):
    text = oru("C1", "20260302081500+0100", "1.1").decode().replace("mg/dL^^UCUM|", "mg/dL^^UCUM|>5")
    (observation,) = [
        r for r in hl7v2_map.run(hl7v2.parse(text.encode())).resources if r["resourceType"] == "Observation"
    ]
    assert observation["referenceRange"] == [{"text": ">5"}]


def test_a_header_that_ends_at_the_version_is_read():
    text = "MSH|^~\\&|A|B|C|D|20260121155132||ORU^R01|3-1|P|2.7\rPID|1||7||Doe^J||19611215|F\r"
    assert reader.batch(text.encode(), "m").patient["birthDate"] == "1961-12-15"
