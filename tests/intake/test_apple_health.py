"""An Apple Health export goes into blocks of readings, once however often it comes; each event counts once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from salus.app import explain
from salus.app.house import House
from salus.app.intake import series as intake_series
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import StoreError
from salus.fhir import json, series
from salus.fhir.columns import in_columns, micros
from salus.fhir.views import CATEGORIES, TAG_SETTING
from salus.intake import documents
from salus.intake.batch import Batch, Clues
from salus.record.store import Change
from salus.trust.grants import Grant
from tests.conftest import AT, person
from tests.intake.made import BORN

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<HealthData locale="en_GB">\n'
    f'<Me HKCharacteristicTypeIdentifierDateOfBirth="{BORN}" '
    'HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>\n'
)
START = datetime(2026, 5, 4, 7, 0)


def stamp(at):
    return f"{at:%Y-%m-%d %H:%M:%S} +0200"


def record(kind, value, unit, at, source="Watch", end=None):
    return (
        f'<Record type="HKQuantityTypeIdentifier{kind}" sourceName="{source}" unit="{unit}" startDate="{stamp(at)}" '
        f'endDate="{stamp(end or at)}" value="{value}"/>\n'
    )


def beat(minute, value=61, source="Watch"):
    return record("HeartRate", value, "count/min", START + timedelta(minutes=minute), source)


def pressure(at, upper, lower, source="Cuff"):
    pair = record("BloodPressureSystolic", upper, "mmHg", at, source)
    pair += record("BloodPressureDiastolic", lower, "mmHg", at, source)
    head = f'sourceName="{source}" startDate="{stamp(at)}" endDate="{stamp(at)}"'
    return f'{pair}<Correlation type="HKCorrelationTypeIdentifierBloodPressure" {head}>{pair}</Correlation>\n'


def protocol(days, per_day=4, upper=145, lower=92, source="Cuff", late=0):
    """A home protocol: mornings and evenings, two measurements a minute apart; ``late`` seconds after they were."""
    at = [(0, 0), (0, 1), (12, 0), (12, 1)][:per_day]
    moments = [START + timedelta(days=d, hours=h, minutes=m, seconds=late) for d in range(days) for h, m in at]
    return "".join(pressure(moment, upper, lower, source) for moment in moments)


@pytest.fixture
def taken(ward):
    """Takes an export in, for the patient whose record is there."""
    (ward.folder / "p").mkdir(parents=True)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.store.commit(scope, [Change("Patient", "p1", person(birthDate=BORN))], at=ward.house.time())

    def take(*records, who=None, name="export.xml"):
        path = ward.folder / "p" / name
        path.write_text(HEAD + "".join(records) + "</HealthData>\n")
        (found,) = Intake(Session(ward.house, who or ward.operator), patient="p1").run([path])
        assert found.error is None, found.error
        return found

    return take


def whole(house, patient="p1"):
    return Grant("test", patient, "service", frozenset(CATEGORIES), may_write=False, purpose="test")


def blocks(house):
    return {s.body["id"]: s for s in house.store.read(whole(house), ("Observation",)) if series.is_block(s.body)}


def chart(ward):
    return Session(ward.house, ward.patient).open("p1", AT).chart


def values(ward, concept="heart-rate"):
    return [o.value.value for o in chart(ward).observations(concept)]


def test_every_reading_that_is_understood_goes_into_blocks(ward, taken):
    found = taken(
        *(beat(m, 60 + m) for m in range(30)),
        record("StepCount", 412, "count", START, end=START + timedelta(minutes=5)),
        record("OxygenSaturation", "0.97", "%", START),
        record("BodyMass", "71.50", "kg", START, "Scale"),
        record("VO2Max", 41, "mL/min·kg", START),
        protocol(1),
    )
    assert found.counts == {"reading": 30 + 1 + 1 + 1 + 4, "signal": 1}
    assert found.losses == ("1 records of HKQuantityTypeIdentifierVO2Max: kept in the file, not read",)
    assert len(blocks(ward.house)) == 5
    for stored in blocks(ward.house).values():
        assert stored.body["subject"] == {"reference": "Patient/p1"}
        assert stored.categories == {"signal"}
    assert values(ward) == [60 + m for m in range(30)]
    assert values(ward, "oxygen-saturation") == [97]
    weight = chart(ward).latest("body-weight")
    assert (weight.value.value, weight.value.unit) == (Decimal("71.5"), "kg")
    assert weight.effective.text == "2026-05-04T07:00:00+02:00"
    (steps,) = chart(ward).observations("step-count")
    assert steps.effective.end - steps.effective.start == timedelta(minutes=5, seconds=1)


def test_blocks_are_of_months_and_of_one_device_and_app(ward, taken):
    months = [beat(0), beat(40 * 24 * 60)]
    taken(*months, beat(1, source="Band"))
    assert sorted(name[-6:] for name in blocks(ward.house)) == ["202605", "202605", "202606"]
    assert len({name[:23] for name in blocks(ward.house)}) == 2


def test_an_export_that_comes_again_changes_nothing(ward, taken):
    rows = [beat(m) for m in range(5)]
    first = taken(*rows)
    assert first.written.created == 3
    again = taken(*rows)
    assert (again.written.created, again.written.updated, again.written.unchanged) == (0, 0, 2)
    other = taken(*rows, "<!-- exported anew -->")
    assert (other.written.created, other.written.updated, other.written.unchanged) == (2, 0, 1)
    (block,) = blocks(ward.house).values()
    assert block.source.version == 1
    assert len(values(ward)) == 5


def test_a_newer_export_adds_what_is_new_and_loses_nothing(ward, taken):
    taken(*(beat(m, 60 + m) for m in range(5)))
    before = {o.source.ref: o.value.value for o in chart(ward).observations("heart-rate")}
    # Apple thins out what is old: the newer export lacks the first two
    newer = taken(*(beat(m, 60 + m) for m in range(2, 9)))
    assert newer.written.updated == 1
    after = {o.source.ref: o.value.value for o in chart(ward).observations("heart-rate")}
    assert sorted(after.values()) == [60 + m for m in range(9)]
    assert before.items() <= after.items()


def test_who_may_not_read_loses_nothing_and_is_told_nothing(ward, taken):
    taken(*(beat(m, 60 + m) for m in range(5)))
    view = Grant("dr-lee", "p1", "", frozenset(), may_write=False, purpose="TREAT")
    path = ward.folder / "p" / "other.xml"
    path.write_text(HEAD + beat(3, 63) + beat(7, 67) + "</HealthData>\n")
    intake = Intake(Session(ward.house, ward.operator), patient="p1")
    intake._views["p1"] = view
    (found,) = intake.run([path])
    assert found.error is None
    assert found.losses == ()
    assert values(ward) == [60, 61, 62, 63, 64, 67]


def test_a_hidden_block_that_has_it_all_is_told_of_as_an_ordinary_one(ward, taken):
    taken(beat(0), beat(1))
    (block,) = blocks(ward.house).values()
    written = []

    def write(batch, check):
        check()
        written.extend(batch.resources)
        return intake_series.Written()

    hidden = Grant("dr-lee", "p1", "", frozenset({"record"}), may_write=False, purpose="TREAT")
    for view, count in ((None, 0), (hidden, 1), (whole(ward.house), 0)):
        written.clear()
        batch, brought = intake_series.split(_batch([json.loads(block.data)]))
        intake_series.filed(ward.house.store, ward.house.gate.comparison("p1"), batch, brought, view, write)
        assert len(written) == count


def _batch(resources):
    return Batch("apple-health", (), Clues(), tuple(resources))


def test_what_somebody_else_writes_in_between_is_kept(ward, taken, monkeypatch):
    taken(beat(0, 60))
    real, calls = series.merged, []

    def meanwhile(held, told):
        both = real(held, told)
        if not calls:
            calls.append(1)
            with House(ward.house.configuration, clock=lambda: AT) as other:
                scope = other.gate.custodian(other.registry.actors["operator"], "p1")
                more = real(held, json.loads(json.dumps(_block_with(told, 5, 75))))
                other.store.commit(scope, [Change("Observation", more["id"], more)], at=other.time())
        return both

    monkeypatch.setattr(series, "merged", meanwhile)
    taken(beat(1, 61), name="second.xml")
    assert calls
    assert values(ward) == [60, 61, 75]


def _block_with(told, minute, value):
    at = micros(datetime.fromisoformat(f"{START + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S}+02:00"))
    return series.body(series.Block(told).head, in_columns([(at, 0, ((value, 0),), 120, "")]))


def test_where_others_never_stop_nothing_is_written(ward, taken, monkeypatch):
    taken(beat(0, 60))
    monkeypatch.setattr(intake_series, "_versions", lambda *_: {"never": 1})
    path = ward.folder / "p" / "second.xml"
    path.write_text(HEAD + beat(1, 61) + "</HealthData>\n")
    with pytest.raises(StoreError, match="others keep writing"):
        Intake(Session(ward.house, ward.operator), patient="p1").run([path])
    assert values(ward) == [60]


def test_a_block_that_was_withdrawn_is_not_filled_again(ward, taken):
    taken(beat(0, 60))
    (block,) = blocks(ward.house).values()
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    withdrawn = {**block.body, "status": "entered-in-error"}
    ward.house.store.commit(scope, [Change("Observation", withdrawn["id"], withdrawn)], at=ward.house.time())
    found = taken(beat(1, 61), beat(2, 62))
    assert found.losses == ("2 readings not taken: the record holds something else in the place of their block",)
    assert values(ward) == []


def test_what_an_earlier_release_took_from_the_same_export_counts_once(ward, taken):
    weights = [record("BodyMass", 70 + n, "kg", START + timedelta(days=n), "Scale") for n in range(3)]
    found = taken(*weights, beat(0))
    (block,) = (s.body for s in blocks(ward.house).values() if s.body["code"]["text"] == "Body weight")
    old = [{**single, "id": f"old-{n}"} for n, single in enumerate(series.expand(block))]
    assert all(o["meta"]["tag"][0] == {"system": TAG_SETTING, "code": "home"} for o in old)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.store.commit(scope, [Change("Observation", o["id"], o) for o in old], at=ward.house.time())
    assert found.counts["reading"] == 4
    assert values(ward, "body-weight") == [70, 71, 72]


def test_the_same_file_is_read_anew_where_an_earlier_release_left_readings_in_it(ward, taken):
    batch = _batch([])
    assert documents.provenance_id(batch, "p1") != documents.provenance_id(replace(batch, edition="series"), "p1")
    taken(beat(0))
    found = [s.body["id"] for s in ward.house.store.read(whole(ward.house), ("Provenance",))]
    digest = hashlib.sha256((ward.folder / "p" / "export.xml").read_bytes()).hexdigest()
    assert found == [documents.provenance_id(replace(batch, sha256=digest, edition="series"), "p1")]


def test_no_file_of_fhir_may_take_the_place_of_a_block(ward, taken):
    taken(beat(0, 60))
    (name,) = blocks(ward.house)
    forged = {"resourceType": "Observation", "id": name, "status": "final", "code": {"text": "nothing"}}
    path = ward.write("p/forged.json", {**forged, "subject": {"reference": "Patient/p1"}})
    found = Intake(Session(ward.house, ward.operator)).run([path])
    assert "marks that only salus itself gives" in " ".join(found[0].losses)
    assert values(ward) == [60]


def test_readings_are_released_with_the_other_signals_and_with_nothing_else(ward, taken):
    taken(beat(0, 60))
    shown = list(ward.house.store.read(Grant("x", "p1", "", frozenset({"record"}), False, "TREAT")))
    assert not [s for s in shown if s.body["resourceType"] == "Observation"]


# ---- the same reading from two sources


def average(ward):
    opened = Session(ward.house, ward.patient).open("p1", AT)
    return next(f for f in opened.findings if f.code == "home-bp-average"), opened


def test_the_same_instant_from_two_apps_counts_once(ward, taken):
    taken(protocol(7, 1), protocol(7, 1, source="Other"))
    assert "6 on 6 days" in average(ward)[0].reason


def test_a_whole_protocol_that_a_second_app_wrote_again_is_one_protocol(ward, taken):
    taken(protocol(7, upper=128, lower=78), protocol(7, upper=128, lower=78, source="Other", late=1))
    found, opened = average(ward)
    assert found.details["measurements"] == 24
    shown = list(explain.show(found.evidence, opened))
    assert len(shown) == 24
    assert not [s for s in shown if s.problem]
    assert "128 mmHg" in shown[0].excerpt


def test_too_few_are_not_made_enough_by_copies(ward, taken):
    taken(protocol(4, 2), protocol(4, 2, source="Other", late=1))
    found, _ = average(ward)
    assert found.status == "not-assessable"
    assert "6 on 3 days" in found.reason


def test_pressures_without_their_correlation_are_told_of(ward, taken):
    found = taken(
        record("BloodPressureSystolic", 150, "mmHg", START, "App"),
        record("BloodPressureDiastolic", 92, "mmHg", START, "App"),
    )
    assert len([loss for loss in found.losses if "without its correlation" in loss]) == 2


def test_a_cited_reading_stands_until_its_block_changes(ward, taken):
    taken(protocol(7))
    found, opened = average(ward)
    assert not [s for s in explain.show(found.evidence, opened) if s.problem]
    taken(protocol(8))
    _, later = average(ward)
    assert all("another version" in s.problem for s in explain.show(found.evidence, later))


def test_a_block_that_says_more_is_kept_and_what_is_new_stands_beside_it(ward, taken):
    taken(beat(0, 60), beat(1, 61))
    (block,) = blocks(ward.house).values()
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    noted = {**block.body, "note": [{"text": "worn on the left"}]}
    ward.house.store.commit(scope, [Change("Observation", noted["id"], noted)], at=ward.house.time())
    found = taken(beat(1, 61), beat(2, 62))
    assert found.losses == ()
    held = {name: s.body for name, s in blocks(ward.house).items()}
    assert held.pop(noted["id"])["note"] == noted["note"]
    (beside,) = held.values()
    assert [b["valueQuantity"]["value"] for b in series.expand(beside)] == [62]
    assert values(ward) == [60, 61, 62]
    taken(beat(0, 60), beat(1, 61), beat(2, 62), beat(3, 63), name="third.xml")
    assert len(blocks(ward.house)) == 2
    assert values(ward) == [60, 61, 62, 63]


def test_a_block_of_an_earlier_release_keeps_its_id_and_grows(ward, taken):
    taken(beat(0, 60))
    (block,) = blocks(ward.house).values()
    former = series.Block(block.body).head.block_id(series.Block(block.body).start)
    assert former != block.body["id"]
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    changes = [
        Change("Observation", block.body["id"], None),
        Change("Observation", former, series.renamed(block.body, former)),
    ]
    ward.house.store.commit(scope, changes, at=ward.house.time())
    taken(beat(0, 60), beat(1, 61), name="second.xml")
    assert list(blocks(ward.house)) == [former]
    assert values(ward) == [60, 61]


def test_a_reading_that_lasts_longer_than_a_month_is_named_and_left_in_the_file(ward, taken):
    long = record("StepCount", 9, "count", START, end=START + timedelta(days=32))
    found = taken(beat(0), long, record("StepCount", 8, "count", START, end=START + timedelta(minutes=5)))
    assert [loss for loss in found.losses if "longer than 31 days" in loss] == [
        "1 records of step-count longer than 31 days: kept in the file, not read"
    ]
    assert found.counts["reading"] == 2
