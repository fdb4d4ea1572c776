"""Kidney function for the safety of medicines: the eGFR of salus, or what the laboratory reported as eGFR."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from salus.careplan.draft import Basis, of_measured
from salus.careplan.guidelines.common import egfr
from salus.errors import UnitError
from salus.fhir.quantity import Quantity
from salus.person.answer import day
from salus.person.measurements import Measured, Reading
from salus.person.person import Person
from salus.terminology import units

LABORATORY, UNIT = "laboratory-egfr", "mL/min/{1.73_m2}"
VALID = timedelta(days=730)
"""How old a laboratory's eGFR may be, as for the creatinine of salus's own (risk.egfr)."""
AT_MOST = ("<", "<=")


def kidney_function(person: Person) -> tuple[float, Basis] | None:
    """The newest eGFR for decisions on the safety of medicines, with its reason.

    A laboratory's eGFR counts where there is no creatinine-based one, or only an older one; "less than 15" counts as
    15. Nothing else is made of it: predictions and stages rest on creatinine.
    """
    own, reported = egfr(person), person.newest(LABORATORY, UNIT, within=VALID)
    if reported.reading is None or reported.too_old or (own and not _newer(person, reported.reading)):
        return own
    value, bound = _value(reported)
    if value is None:
        return own
    words = f"eGFR {bound}{value:.0f} mL/min/1.73 m2 on {day(reported.date)}, as the laboratory reported it"
    return value, of_measured(reported, words)


def _newer(person: Person, reading: Reading) -> bool:
    finding = person.one("egfr")
    return finding is not None and day(reading.span.text) > day(finding.effective[1])


def _value(reported: Measured) -> tuple[float | None, str]:
    if reported.value is not None:
        return reported.value, ""
    told = reported.reading.quantity if reported.reading else None
    if told is None or told.comparator not in AT_MOST:
        return None, ""
    try:
        return float(units.convert(Quantity(Decimal(told.value), told.unit), UNIT, LABORATORY).value), "below "
    except UnitError:
        return None, ""
