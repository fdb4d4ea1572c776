"""Dose instructions: what an amount and a frequency in words or in a FHIR Dosage mean.

``read_text`` reads an instruction as people write it (English and Latin short forms, German, French, Dutch, Italian,
Spanish and Portuguese), ``read_fhir`` a list of Dosage elements (R4, with the STU3 and DSTU2 forms), ``daily_mg`` gives
the exact amount of a day. What is not understood says so and why; a number is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal, localcontext
from typing import Any

from salus.terminology.dose_model import SOLID, Dose

__all__ = ["Dose", "daily_mg", "on_day", "read_fhir", "read_text"]


def read_text(text: str) -> Dose:
    """The instruction that ``text`` gives ("1 tablet twice daily", "1-0-1", "20 mg nocte")."""
    from salus.terminology import dose_text  # the grammar is loaded when first used

    return dose_text.read(text)


def read_fhir(dosages: Sequence[Mapping[str, Any]], text_fallback: bool = True) -> Dose:
    """The instruction that a list of FHIR Dosage elements gives (R4 and R5, with the forms of STU3 and DSTU2).

    ``text_fallback``: an element's words are read where its structure does not say amount and frequency, and held
    against it where it does. Elements of one sequence number add up; of different numbers they are steps.
    """
    from salus.terminology import dose_fhir

    return dose_fhir.read_fhir(dosages, text_fallback)


def on_day(dose: Dose, day: date) -> Dose | None:
    """The step that holds on ``day``; the dose itself where it has no steps.

    None where no step's dates hold the day, or more than one's do, or a step has no dates.
    """
    if not dose.steps:
        return dose
    if not all(step.start and step.end for step in dose.steps):
        return None
    holding = [step for step in dose.steps if step.start[:10] <= day.isoformat() <= step.end[:10]]
    return holding[0] if len(holding) == 1 else None


def daily_mg(dose: Dose, strength_mg: Decimal | None) -> Decimal | None:
    """The exact amount of a day in mg.

    ``strength_mg`` is what one tablet or capsule of the product holds. None where the instruction is not understood, is
    followed only as needed, leaves a range or has steps; where it counts tablets of an unknown strength; and where its
    words name another strength than the product's.
    """
    if not dose.understood or dose.as_needed or dose.steps:
        return None
    amount = dose.daily_low
    if amount is None or amount != dose.daily_high:
        return None
    if dose.unit == "mg":
        return amount
    each = _each(dose, strength_mg)
    if each is None:
        return None
    with localcontext(Context(prec=28)):
        return amount * each


def _each(dose: Dose, product: Decimal | None) -> Decimal | None:
    """What one unit of the amount holds in mg."""
    if dose.unit not in SOLID:
        return dose.strength_mg
    if dose.aside_mg is not None:
        if product is None or dose.low is None or dose.low != dose.high:
            return None
        return product if dose.aside_mg in (product, product * dose.low) else None
    if product is not None and dose.strength_mg is not None and product != dose.strength_mg:
        return None
    return dose.strength_mg if product is None else product
