"""What the methods of this department share: refusals, and whom they do not apply to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from salus.errors import UnitError
from salus.fhir import dates
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation, Value
from salus.findings.model import Evidence, Finding
from salus.person.person import Person
from salus.record.chart import Chart
from salus.terminology import units


def refuse(code: str, reason: str, *needs: str, **fields: Any) -> Finding:
    """A finding that is not assessable: why, and what would settle it."""
    return Finding(
        code=code, sentence=f"Not assessable: {reason}.", status="not-assessable", reason=reason, needs=needs, **fields
    )


def pregnant(chart: Chart) -> bool:
    """True where a pregnancy is on record that has not ended."""
    return Person(chart, ()).pregnancy.state == "present"


def number(value: Value, unit: str) -> Decimal | None:
    """A measured value in ``unit``; None where it is missing, only a bound, or in a unit that cannot be converted."""
    if not isinstance(value, Quantity) or value.comparator:
        return None
    try:
        return units.convert(value, unit).value
    except UnitError:
        return None


def local_time(observation: Observation) -> datetime | None:
    """When it was measured in the person's own time, with the offset that the source gave; None for a mere date."""
    span = observation.effective
    if span is None or "T" not in span.text:
        return None
    zone = datetime.fromisoformat(span.text).tzinfo
    return span.start.astimezone(zone) if zone else span.start


def evidence(observations: Iterable[Observation]) -> tuple[Evidence, ...]:
    """Whole observations as evidence."""
    return tuple(Evidence(o.source, {}, None, o.source.digest, o.text) for o in observations)


def period(moments: Iterable[datetime]) -> tuple[str, str]:
    """The first and last of ``moments`` as FHIR instants."""
    ordered = sorted(moments)
    return dates.write(ordered[0]), dates.write(ordered[-1])


def rounded(value: float, digits: str = "0.1") -> Decimal:
    """A computed value as Decimal with the digits to be shown."""
    return Decimal(repr(value)).quantize(Decimal(digits))
