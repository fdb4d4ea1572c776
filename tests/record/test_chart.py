"""A chart answers a question once for its snapshot, and never with the findings of another reader."""

from __future__ import annotations

from datetime import UTC, datetime

from salus.record.chart import Chart
from tests.conftest import creatinine, person
from tests.findings.made import finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def chart(*resources):
    return Chart.of([person(), *resources], now=NOW)


def test_findings_are_those_of_the_twin_that_is_asked():
    mine, other = finding(sentence="mine"), finding(sentence="other")
    whole = chart().fresh([mine])
    assert whole.findings(mine.code) == (mine,)
    twin = whole.fresh([other])
    assert twin.findings(other.code) == (other,)
    (read,) = whole.reads
    assert whole.replay(read)
    assert not twin.replay(read)


def test_a_twin_reads_what_its_snapshot_holds_into_a_read_set_of_its_own():
    whole = chart(creatinine("1.0", "2026-01-01", "c1"))
    found = whole.latest("creatinine")
    twin = whole.fresh()
    assert twin.reads == ()
    assert twin.latest("creatinine") is found
    assert twin.reads == whole.reads
    later = chart(creatinine("1.0", "2026-01-01", "c1"), creatinine("2.0", "2026-02-01", "c2"))
    assert not later.replay(whole.reads[0])


def test_a_prescription_finds_the_medicine_it_refers_to_and_of_two_of_one_id_the_first():
    order = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/m"},
    }
    named = [{"resourceType": "Medication", "id": "m", "code": {"text": text}} for text in ("aspirin", "warfarin")]
    (listed,) = chart(order, *named).medications()
    assert listed.text == "aspirin"
    (lost,) = chart({**order, "medicationReference": {"reference": "Medication/other"}}, *named).medications()
    assert lost.text != "aspirin"
