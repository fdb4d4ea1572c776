"""The newest result of what a device measures: by its own name or as a part of a panel, with little opened."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.fhir.series import Block
from salus.person import measurements
from tests.record.test_series import MINUTE, NOW, blocks, chart, coded, days, single


def systolic(at, value, id):
    body = single(at, value, id=id)
    quantity = {"value": value, "unit": "mm[Hg]", "code": "mm[Hg]", "system": "http://unitsofmeasure.org"}
    return {**body, "code": coded("systolic-bp"), "valueQuantity": quantity}


def newest(*resources, settings=None):
    found = measurements.newest(chart(*resources), "systolic-bp", "mm[Hg]", settings=settings)
    return found.value, found.problem


@pytest.mark.parametrize(("panel", "alone", "value"), [(1, 2, 131), (2, 1, 150)])
def test_the_newer_of_a_panel_and_a_value_by_itself_counts(panel, alone, value):
    told = blocks((NOW - panel * MINUTE, (131, 84)), concept="blood-pressure", device="Cuff")
    assert newest(*told, systolic(NOW - alone * MINUTE, 150, "a")) == (value, "")
    assert newest(*told, systolic(NOW - alone * MINUTE, 150, "zz")) == (value, "")


def test_two_of_one_moment_that_differ_are_none():
    told = blocks((NOW - MINUTE, (131, 84)), (NOW - 5 * MINUTE, (99, 60)), concept="blood-pressure", device="Cuff")
    value, problem = newest(*told, systolic(NOW - MINUTE, 150, "a"))
    assert value is None
    assert "differ" in problem
    assert newest(*told, systolic(NOW - MINUTE, 131, "a")) == (131, "")


def test_a_place_that_is_asked_for_leaves_out_the_others():
    told = blocks((NOW - MINUTE, (131, 84)), concept="blood-pressure", device="Cuff")
    ward = {**systolic(NOW - 9 * MINUTE, 150, "a"), "meta": {}}
    assert newest(*told, ward, settings={None}) == (150, "")
    assert newest(*told, ward, settings={"home"}) == (131, "")


def test_of_years_the_last_day_is_opened(monkeypatch):
    opened = []
    read = Block._columns
    monkeypatch.setattr(Block, "_columns", lambda block: opened.append(block) or read(block))
    told = days(60, concept="body-weight", device="Scale")
    found = measurements.newest(chart(*told), "body-weight", "kg", within=timedelta(days=30))
    assert found.value is not None
    assert len(opened) <= 2
