"""A stranger's method may cite a single reading of a block that it was handed, and no other."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.app.sandbox import answers as sandbox_answers
from salus.app.sandbox.handed import Handed
from salus.errors import MethodError
from salus.fhir import series
from tests.conftest import creatinine
from tests.record.test_series import MINUTE, NOW, blocks, chart


@pytest.fixture
def told():
    return blocks((NOW - 2 * MINUTE, 61), (NOW - MINUTE, 62))


def test_a_reading_of_a_block_that_was_handed_over_may_be_cited(told):
    found = chart(*told, creatinine("1.0", "2026-01-01", "c1"))
    handed = Handed.of(found, ("signal", "record"), ())
    for observation in found.observations("heart-rate"):
        assert handed.source(observation.source.ref) == observation.source
    assert handed.source("Observation/c1").ref == "Observation/c1"
    block = f"Observation/{told[0]['id']}"
    assert handed.source(block).ref == block
    for none in (f"{block}.01000000", "Observation/none.01000000", "Observation/c1.01000000", "Observation/none"):
        assert handed.source(none) is None


def test_what_was_not_handed_over_may_not(told):
    handed = Handed.of(chart(*told), ("record",), ())
    assert handed.source(f"Observation/{series.expand(told[0])[0]['id']}") is None


def test_its_reads_are_done_again(told):
    found = chart(*told)
    start, end = (NOW - timedelta(days=1)).isoformat(), NOW.isoformat()
    reads = [["readings", ["heart-rate", "/min", start, end]], ["summaries", ["heart-rate", "/min", "day", start, end]]]
    sandbox_answers._read_again(reads, found, frozenset())
    assert [r.accessor for r in found.reads] == ["readings", "summaries"]
    for wrong in ("", "2026-06-01T00:00:00", "yesterday"):
        with pytest.raises(MethodError, match="said of a read"):
            sandbox_answers._read_again([["readings", ["heart-rate", "/min", wrong, end]]], found, frozenset())
