"""What HL7 v2 messages become: values, places that are named as lost, and what is refused."""

from datetime import timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats import hl7v2
from salus.intake import hl7v2 as intake
from salus.intake import hl7v2_map, hl7v2_types
from salus.intake.hl7v2_tables import tables

ADT = "MSH|^~\\&|WARD|NV|||20260301081500+0100||ADT^A01^ADT_A01|C1|P|2.5.1\r"
ORU = ADT.replace("ADT^A01^ADT_A01", "ORU^R01^ORU_R01")
PID = "PID|1||77^^^NV^MR||Doe^Jane||19800102|F\r"


def mapped(text, zone=None):
    return hl7v2_map.run(hl7v2.parse(text.encode()), zone)


def one(result, kind):
    (found,) = [r for r in result.resources if r["resourceType"] == kind]
    return found


def test_the_tables_name_only_what_the_interpreter_knows():
    found = tables()
    kinds = set(hl7v2_types.PRIMITIVES) | set(found.datatypes)
    rules = [r for makers in found.makers.values() for m in makers for r in m.rules]
    rules += [r for m in found.named.values() for r in m.rules] + [r for t in found.datatypes.values() for r in t]
    for rule in rules:
        if rule.kind.startswith("->"):
            assert rule.kind[2:] in {*found.named, "PL"}
        elif not rule.kind.startswith(("=", "@")):
            assert rule.kind in kinds
        assert not rule.table or rule.table in found.codes


def test_a_result_becomes_an_observation_of_the_report():
    result = mapped(
        ORU
        + PID
        + "OBR|1|P1|F1|24320-4^BMP^LN|||20260301090000\rOBX|1|NM|2823-3^Potassium^LN||4.10|mmol/L^^UCUM|3.5-5.1|H|||F\r"
    )
    observation = one(result, "Observation")
    assert observation["valueQuantity"] == {
        "value": Decimal("4.10"), "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"
    }  # fmt: skip
    assert str(observation["valueQuantity"]["value"]) == "4.10"
    assert observation["effectiveDateTime"] == "2026-03-01T09:00:00+01:00"  # the offset of MSH-7
    assert observation["status"] == "final"
    report = one(result, "DiagnosticReport")
    assert report["result"] == [{"reference": f"Observation/{observation['id']}"}]


@pytest.mark.parametrize(
    ("value", "element", "expected"),
    [
        ("SN||>^160", "valueQuantity", {"value": Decimal(160), "comparator": ">"}),
        ("SN||3^-^5", "valueString", "3-5"),
        ("SN||^3^-^5", "valueRange", {"low": {"value": Decimal(3)}, "high": {"value": Decimal(5)}}),
        ("SN||^1^:^40", "valueRatio", {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(40)}}),
        ("NM||see note", "valueString", "see note"),
        ("ST||a~b", "valueString", "a\nb"),
        ("CWE||A^Alpha^LN", "valueCodeableConcept", {"coding": [{"code": "A", "display": "Alpha", "system": "http://loinc.org"}]}),
    ],
)  # fmt: skip
def test_values_by_their_type(value, element, expected):
    kind, _, rest = value.partition("|")
    sub, _, content = rest.partition("|")
    found = one(mapped(f"{ORU}{PID}OBX|1|{kind}|1^X^LN|{sub}|{content}||||||F\r"), "Observation")
    assert found[element] == expected


def test_two_numbers_in_one_field_are_not_read_as_one():
    found = one(mapped(ORU + PID + "OBX|1|NM|1^X^LN||60~120||||||F\r"), "Observation")
    assert "valueQuantity" not in found
    assert [c["valueQuantity"]["value"] for c in found["component"]] == [60, 120]


def test_a_working_diagnosis_is_not_a_confirmed_one():
    for sign, status in (("W", "provisional"), ("A", "provisional"), ("F", "confirmed"), ("", "unconfirmed")):
        found = one(mapped(f"{ADT}{PID}DG1|1||J18.9^Pneumonia^I10|||{sign}\r"), "Condition")
        assert found["verificationStatus"]["coding"][0]["code"] == status


def test_what_is_not_carried_over_is_named_and_its_value_is_not():
    result = mapped(ADT + PID.replace("|F", "|F|||||||||||||||SECRET") + "ZPI|secret\rPV1|1|I|||||^^Nowhere\r")
    assert {"PID-23", "ZPI-1"} <= set(result.losses)
    assert not any("secret" in loss.lower() for loss in result.losses)
    assert not any(loss.startswith("PID-3") for loss in result.losses)


def test_a_time_without_offset_keeps_only_its_day_unless_the_zone_is_known():
    text = ADT.replace("+0100", "") + PID + "PV1|1|I|||||||||||||||||V1|||||||||||||||||||||||||202603010810\r"
    result = mapped(text)
    assert one(result, "Encounter")["period"]["start"] == "2026-03-01"
    assert any("without offset" in loss for loss in result.losses)
    known = mapped(text, timezone(timedelta(hours=-5)))
    assert one(known, "Encounter")["period"]["start"] == "2026-03-01T08:10:00-05:00"


def test_a_bed_and_a_house_of_the_same_name_are_two_places_without_a_circle():
    result = mapped(ADT + PID + "PV1|1|I|W^101^1^1\r")
    places = {f"Location/{r['id']}": r for r in result.resources if r["resourceType"] == "Location"}
    assert len(places) == 4
    at = one(result, "Encounter")["location"][0]["location"]["reference"]
    chain = []
    while at:
        chain.append(places[at]["physicalType"]["coding"][0]["code"])
        at = places[at].get("partOf", {}).get("reference")
    assert chain == ["bd", "ro", "wa", "si"]


def test_the_visit_keeps_its_identity_from_admission_to_discharge():
    visit = "PV1|1|I|||||||||||||||||V1^^^NV\r"
    admitted = one(mapped(ADT + PID + visit), "Encounter")
    left = one(mapped(ADT.replace("A01", "A03").replace("C1", "C2") + PID + visit), "Encounter")
    assert (admitted["id"], admitted["status"], left["status"]) == (left["id"], "in-progress", "finished")


@pytest.mark.parametrize("event", ["A18", "A23", "A24", "A29", "A37", "A40", "A45", "A47"])
def test_records_are_never_joined_or_deleted_by_a_message(event):
    with pytest.raises(intake.UnsupportedError):
        intake.batch((ADT.replace("A01", event) + PID).encode(), Path("m"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (ADT, "PID"),
        (ADT + PID + PID, "PID"),
        (ADT + "PID|1||||Doe^Jane\r", "PID-3"),
        (ADT.replace("|C1|", "||") + PID, "MSH-10"),
        (ADT.replace("ADT^A01", "SIU^S12") + PID, "MSH-9"),
        (ADT.replace("|P|", "|T|") + PID, "MSH-11"),
    ],
)
def test_a_message_that_cannot_be_filed_is_refused_with_its_place(text, where):
    with pytest.raises(InputError) as caught:
        intake.batch(text.encode(), Path("m"))
    assert caught.value.where == where


SEGMENTS = ["PV1", "OBX", "OBR", "NK1", "IN1", "AL1", "DG1", "ROL", "GT1", "PDA", "NTE"]
SIGNS = ["", "|", "^", "~", "&", "1", "20260101", "SEL", "SN", ">", '""']


@given(st.lists(st.sampled_from(SEGMENTS), max_size=6), st.lists(st.sampled_from(SIGNS), max_size=60))
def test_any_filling_of_known_segments_is_mapped_or_refused_in_words(names, signs):
    body = "".join(signs)
    text = ORU + PID + "".join(f"{name}|1|{body}\r" for name in names)
    try:
        result = mapped(text)
    except InputError:
        return
    ids = [(r["resourceType"], r["id"]) for r in result.resources]
    assert len(ids) == len(set(ids))
