"""What a chart answers to each question: which resources, in which order, and by what another answer is told."""

from datetime import UTC, datetime

import pytest

from salus.fhir import series
from salus.fhir.blobs import BLOB_SCHEME, EXT_META, EXT_SHA256
from salus.fhir.columns import in_columns, least, micros
from salus.record.chart import Chart
from salus.record.contents import Row, opened
from tests.conftest import creatinine, person

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SUBJECT = {"reference": "Patient/p1"}


def chart(*resources, now=NOW, born=None):
    return Chart.of([born or person(), *resources], now=now)


def condition(name, **more):
    return {"resourceType": "Condition", "id": name, "subject": SUBJECT, "code": {"text": name}, **more}


def order(name, **more):
    more = {"status": "active", "authoredOn": "2026-01-01", "medicationCodeableConcept": {"text": name}, **more}
    return {"resourceType": "MedicationRequest", "id": name, "intent": "order", "subject": SUBJECT, **more}


def read(found, *accessors):
    """The digests of what was read."""
    return {r.accessor: r.digest for r in found.reads if not accessors or r.accessor in accessors}


def names(items):
    return [item.source.ref.partition("/")[2] for item in items]


@pytest.mark.parametrize(("now", "died"), [(datetime(2026, 2, 1, tzinfo=UTC), False), (NOW, True)])
def test_before_somebody_dies_he_has_not_died_and_that_is_another_answer(now, died):
    dead = {**person(), "deceasedDateTime": "2026-03-01"}
    found = chart(born=dead, now=now)
    assert found.patient.deceased is died
    other = chart(born=dead, now=datetime(2026, 2, 2, tzinfo=UTC))
    assert other.patient.deceased is False
    assert (read(found) == read(other)) is not died


def test_problems_stand_in_the_order_of_their_onset_or_else_of_their_recording():
    found = chart(
        condition("c", onsetDateTime="2025-03-01", recordedDate="2025-01-01"),
        condition("b", recordedDate="2025-02-01"),
        condition("d", onsetDateTime="2025-03-01"),
        condition("a"),
        condition("e", onsetDateTime="2026-07-01", recordedDate="2026-05-01"),
        condition("f", onsetDateTime="2026-07-01", recordedDate="2026-07-01"),
        condition("g", recordedDate="2026-07-01"),
        condition("x", verificationStatus={"coding": [{"code": "entered-in-error"}]}),
        condition("y", onsetDateTime="2026-08-01", verificationStatus={"coding": [{"code": "entered-in-error"}]}),
        condition("z", modifierExtension=[{"url": "urn:x", "valueBoolean": True}]),
    )
    assert names(found.conditions()) == ["a", "b", "c", "d"]
    assert names(found.future()) == ["e"]
    assert names(found.modified("Condition")) == ["z"]


def test_medicines_of_the_past_that_were_not_entered_in_error():
    found = chart(
        order("late", authoredOn="2026-04-01"),
        order("early"),
        order("ahead", authoredOn="2026-07-01"),
        order("wrong", status="entered-in-error"),
        order("undated", authoredOn=None),
    )
    assert names(found.medications()) == ["undated", "early", "late"]


def test_a_prescription_is_another_one_when_the_medicine_that_it_names_is_another():
    named = order("r", medicationCodeableConcept=None, medicationReference={"reference": "Medication/m"})
    drugs = [{"resourceType": "Medication", "id": "m", "code": {"text": text}} for text in ("aspirin", "warfarin")]
    seen = []
    for resources in ([named], [named, drugs[0]], [named, drugs[1]]):
        found = chart(*resources)
        _ = found.medications()
        seen.append(read(found)["medications"])
    assert len(set(seen)) == 3
    strange = {**drugs[0], "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    found = chart(named, strange)
    assert (found.medications(), names(found.modified("MedicationRequest"))) == ((), ["r"])


def test_files_of_one_kind_in_the_order_of_their_dates():
    def file(name, kind, date):
        attachment = {
            "contentType": "text/plain",
            "url": f"{BLOB_SCHEME}{name}",
            "size": 1,
            "extension": [{"url": EXT_SHA256, "valueString": "00"}, {"url": EXT_META, "valueString": "{}"}],
        }
        tag = {"system": "urn:salus:kind", "code": kind}
        return {
            "resourceType": "DocumentReference", "id": name, "status": "current", "subject": SUBJECT, "date": date,
            "meta": {"tag": [tag]}, "content": [{"attachment": attachment}],
        }  # fmt: skip

    found = chart(
        file("b", "note/text", "2026-02-01"),
        file("a", "note/text", "2026-01-01"),
        file("g", "genome/vcf", "2026-01-01"),
        file("ahead", "note/text", "2026-07-01"),
    )
    assert names(found.notes()) == ["a", "b"]
    assert names(found.genome()) == ["g"]


def test_a_result_that_lies_ahead_is_told_when_its_time_comes_and_not_before():
    found = chart(creatinine("1.0", "2026-06-01T01:00:00Z", "c1"), creatinine("0.9", "2026-05-31", "c0"))
    assert names(found.observations("creatinine")) == ["c0"]
    assert found.until == datetime(2026, 6, 1, 1, tzinfo=UTC)
    assert found.latest("creatinine").source.ref == "Observation/c0"


def test_results_since_a_time_and_in_order():
    found = chart(*(creatinine(f"1.{n}", f"2026-01-0{n}", f"c{n}") for n in (3, 1, 2)))
    assert names(found.observations("creatinine")) == ["c1", "c2", "c3"]
    assert names(found.observations("creatinine", datetime(2026, 1, 2, tzinfo=UTC))) == ["c2", "c3"]
    told = found.observations("creatinine")
    assert (names(told[-1:]), told[0].source.ref, len(told)) == (["c3"], "Observation/c1", 3)
    assert told == tuple(told)
    assert told != tuple(told)[:2]


def test_what_nobody_vouches_for_is_unread_and_what_has_a_modifier_is_neither():
    unknown = {**creatinine("1.0", "2026-01-02", "odd"), "code": {"text": "zork"}}
    of_another = {**creatinine("1.0", "2026-01-01", "newborn"), "focus": [{"reference": "Patient/p2"}]}
    undated = {k: v for k, v in creatinine("1.0", "2026-01-01", "undated").items() if k != "effectiveDateTime"}
    cancelled = {**creatinine("1.0", "2026-01-01", "none"), "status": "cancelled", "code": {"text": "zork"}}
    turned = {**creatinine("1.0", "2026-01-01", "turned"), "modifierExtension": [{"url": "urn:x"}]}
    found = chart(unknown, of_another, undated, cancelled, turned)
    assert names(found.unread_observations()) == ["undated", "newborn", "odd"]
    assert names(found.modified("Observation")) == ["turned"]
    assert found.observations("creatinine") == ()


def test_a_pressure_written_as_one_value_has_its_parts():
    pressure = {
        "resourceType": "Observation", "id": "bp", "status": "final", "subject": SUBJECT,
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "effectiveDateTime": "2026-01-01", "valueString": "128/76 mmHg",
    }  # fmt: skip
    (found,) = chart(pressure).panels("systolic-bp")
    assert {name: str(q.value) for name, q in found.components.items()} == {"systolic-bp": "128", "diastolic-bp": "76"}


def test_what_names_a_diagnosis_in_passing_is_told_from_its_time_on():
    visits = [
        {
            "resourceType": "Encounter", "id": name, "status": status, "subject": SUBJECT,
            "period": {"start": start}, "reasonCode": [{"text": name}],
        }
        for name, status, start in (
            ("cough", "finished", "2026-01-01"),
            ("ahead", "planned", "2026-07-01"),
            ("none", "cancelled", "2026-01-01"),
        )
    ]  # fmt: skip
    found = chart(*visits)
    assert [m.text for m in found.mentions()] == ["cough"]
    assert {k for k in found.kinds if k != "person"} == {"record"}


def test_what_is_shared_is_made_once_and_read_by_whoever_asks():
    found, made = chart(creatinine("1.0", "2026-01-01", "c1")), []

    def make(reader):
        made.append(reader)
        return str(reader.latest("creatinine").quantity), reader.now.year

    first, second = found.fresh(), found.fresh()
    assert first.shared("x", make) == second.shared("x", make) == ("1.0 mg/dL", 2026)
    assert len(made) == 1
    assert [r.accessor for r in second.reads] == ["latest", "now"]


def test_what_was_read_before_an_error_is_read_by_whoever_asked():
    found = chart(creatinine("1.0", "2026-01-01", "c1"))

    def make(reader):
        return reader.latest("creatinine"), reader.now, 1 / 0

    for twin in (found.fresh(), found.fresh()):
        with pytest.raises(ZeroDivisionError):
            twin.shared("x", make)
        assert [r.accessor for r in twin.reads] == ["latest", "now"]


def test_what_is_made_of_findings_is_made_each_time():
    found, made = chart(), []
    for twin in (found.fresh(), found.fresh()):
        twin.shared("x", lambda reader: made.append(reader.findings("x")))
    assert len(made) == 2


def test_many_are_opened_together_and_each_once():
    asked = []

    def open_all(rows):
        asked.append([row.ref for row in rows])
        for row in rows:
            row.opened((None, {"id": row.ref}))

    rows = [Row(f"Observation/{n}", "", frozenset(), None, open_all) for n in range(600)]
    _ = rows[1].entry
    assert [row.entry[1]["id"] for row in opened(rows)] == [row.ref for row in rows]
    assert [len(some) for some in asked] == [1, 255, 256, 88]
    assert list(opened(rows)) == rows
    assert len(asked) == 4


def heart_rates(day, *told):
    """A block of heart rates (value by hour) of a day of May 2026."""
    coded = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    head = series.Head(coded, (series.Part(coded, "/min"),), "Watch", "", "home", "day")
    rows = [(micros(datetime(2026, 5, day, hour, tzinfo=UTC)), 0, (least(value, 0),), 0, "") for hour, value in told]
    return series.body(head, in_columns(rows), "Patient/p1")


def test_readings_that_came_since_are_another_answer_though_their_blocks_lay_beside():
    blocks = heart_rates(4, (9, 60)), heart_rates(5, (2, 180))
    then, later = (chart(*blocks, now=datetime(2026, 5, day, 12, tzinfo=UTC)) for day in (4, 6))
    span = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    for found, rates in ((then, [60]), (later, [60, 180])):
        assert [float(o.quantity.value) for o in found.observations("heart-rate")] == rates
        assert list(found.readings("heart-rate", "/min", *span).values) == rates
        assert len(found.summaries("heart-rate", "/min", "day", *span).rows) == len(rates)
    assert not any(later.replay(read) for read in then.reads)
    assert all(then.replay(read) for read in then.reads)


def test_as_many_that_came_of_another_day_are_another_answer():
    blocks = heart_rates(4, (9, 60), (20, 61)), heart_rates(5, (2, 180), (20, 61)), heart_rates(6, (1, 70))
    then, later = (chart(*blocks, now=datetime(2026, 5, day, 12, tzinfo=UTC)) for day in (4, 5))
    assert [len(found.observations("heart-rate")) for found in (then, later)] == [1, 3]
    assert not any(later.replay(read) for read in then.reads)


def test_another_result_of_the_same_report_is_another_answer():
    inside = [creatinine("1.0", "2026-05-01", "a"), creatinine("2.0", "2026-07-01", "b")]
    report = {
        "resourceType": "DiagnosticReport", "id": "r", "status": "final", "subject": SUBJECT,
        "code": {"text": "panel"}, "contained": inside,
    }  # fmt: skip
    then, later = chart(report), chart(report, now=datetime(2026, 8, 1, tzinfo=UTC))
    assert [str(found.latest("creatinine").quantity.value) for found in (then, later)] == ["1.0", "2.0"]
    assert not later.replay(then.reads[0])


def test_what_begins_now_has_begun():
    assert names(chart(creatinine("1.0", NOW.isoformat(), "c1")).observations("creatinine")) == ["c1"]
