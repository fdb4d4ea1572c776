"""What a method may return: so many findings and bytes. One that gives more has failed, and nothing else has."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from salus.findings import runner
from salus.record.chart import Chart
from tests.conftest import person
from tests.findings.made import Made, finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def run(act):
    other = Made("other", lambda *_: [finding()])
    return runner.run([Made("m", act), other], Chart.of([person()], now=NOW))


def test_a_method_that_never_ends_giving_findings_is_stopped(monkeypatch):
    monkeypatch.setattr(runner, "MAX_FINDINGS", 10)
    asked = []

    def endless(*_):
        for number in itertools.count():
            asked.append(number)
            yield finding(target=str(number))

    outcome = run(endless)
    assert outcome.failures == (runner.Failure("m", "returned more than 10 findings"),)
    assert len(asked) == 11
    assert [f.method for f in outcome.findings] == ["other"]
    exact = run(lambda *_: [finding(target=str(n)) for n in range(10)])
    assert not exact.failures
    assert len(exact.findings) == 11


@pytest.mark.parametrize(("length", "fails"), [(400_000, False), (700_000, True)])
def test_the_bytes_of_a_methods_findings_are_bounded_together(monkeypatch, length, fails):
    monkeypatch.setattr(runner._Room, "__init__", lambda self: setattr(self, "left", 1 << 20))

    def act(*_):
        return [finding(target=str(n), details={"text": "x" * (length // 2)}) for n in range(2 + fails)]

    outcome = run(act)
    assert [f.method for f in outcome.failures] == (["m"] if fails else [])
    assert "more than 16 MiB" in outcome.failures[0].why if fails else not outcome.failures
    assert len(outcome.findings) == (1 if fails else 3)
