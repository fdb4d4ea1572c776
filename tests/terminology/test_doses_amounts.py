"""Numbers side by side in an instruction: which is the amount, which the strength, and when they compete."""

from decimal import Decimal
from fractions import Fraction

import pytest

from salus.terminology.dose_model import Span
from salus.terminology.dose_text import frequency
from salus.terminology.doses import daily_mg, read_text


@pytest.mark.parametrize(
    ("sig", "low", "high", "unit", "mg", "with_20"),
    [
        # a strength beside a count: each, in all, or not said which
        ("1 tablet 20 mg tablet daily", "1", "1", "{tablet}", "20", "20"),
        ("2 tablets of 20 mg daily", "2", "2", "{tablet}", "40", "40"),
        ("2 tablets 20 mg daily", "2", "2", "{tablet}", None, "40"),
        ("2 tablets 20 mg tablets daily", "2", "2", "{tablet}", "40", "40"),
        ("2 tablets (20 mg each) daily", "2", "2", "{tablet}", "40", "40"),
        ("2 tablets (10 mg total) daily", "2", "2", "{tablet}", "10", None),
        ("20 mg 2 tablets daily", "2", "2", "{tablet}", None, "40"),
        ("20 mg tablet 2 tablets daily", "2", "2", "{tablet}", "40", "40"),
        ("20 mg (1 tablet) daily", "1", "1", "{tablet}", "20", "20"),
        ("40 mg (2 tablets) daily", "2", "2", "{tablet}", "40", "40"),
        ("2 x 20 mg daily", "2", "2", "{each}", "40", "40"),
        ("half a tablet of 20 mg daily", "0.5", "0.5", "{tablet}", "10", "10"),
        ("1-2 tablets of 20 mg daily", "1", "2", "{tablet}", None, None),
        ("1-2 tablets (20-40 mg) daily", "1", "2", "{tablet}", None, None),
        # a strength and a total
        ("2 tablets 20 mg 40 mg daily", "2", "2", "{tablet}", "40", "40"),
        ("2 tablets of 20 mg (40 mg) daily", "2", "2", "{tablet}", "40", "40"),
        # the tablet at hand and the amount that is taken of it
        ("10 mg tablet 5 mg daily", "5", "5", "mg", "5", "5"),
        ("40 mg tablet, 20 mg daily", "20", "20", "mg", "20", "20"),
        ("20 mg tablet 20 mg daily", "20", "20", "mg", "20", "20"),
        ("20 mg tablet daily", "20", "20", "mg", "20", "20"),
        # the same number said once in words and once in figures
        ("ONE (1) TABLET daily", "1", "1", "{tablet}", None, "20"),
        ("TWO (2) TABLETS daily", "2", "2", "{tablet}", None, "40"),
        ("tab 2 capsule daily", "2", "2", "{capsule}", None, "40"),
        ("tab 1 daily", "1", "1", "{tablet}", None, "20"),
        ("10 tablets daily", "10", "10", "{tablet}", None, "200"),
        # at most
        ("up to 2 tablets daily", "0", "2", "{tablet}", None, None),
        ("up to 40 mg daily", "0", "40", "mg", None, None),
        # liquids
        ("5 mL 250 mg daily", "5", "5", "mL", "250", "250"),
        ("10 mL (500 mg) daily", "10", "10", "mL", "500", "500"),
        ("10 mg/mL 2 mL daily", "2", "2", "mL", "20", "20"),
        ("2 x 5 mL daily", "10", "10", "mL", None, None),
        # schemes
        ("20 mg 1-0-1 tablets", "1", "1", "{tablet}", "40", "40"),
        ("1-0-1 mg", "1", "1", "mg", "2", "2"),
        ("1-0-1 g", "1000", "1000", "mg", "2000", "2000"),
        ("2-0-1 mg", "1", "2", "mg", "3", "3"),
    ],
)
def test_which_number_is_the_amount(sig, low, high, unit, mg, with_20):
    dose = read_text(sig)
    assert dose.understood, dose.why
    assert (dose.low, dose.high, dose.unit) == (Decimal(low), Decimal(high), unit)
    for strength, expected in ((None, mg), (Decimal(20), with_20)):
        assert daily_mg(dose, strength) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("sig", "why"),
    [
        ("20 mg tablets daily", "not said"),  # how many of them?
        ("20 mg capsules twice daily", "not said"),
        ("20-40 mg tablets daily", "not said"),
        ("5 mg 10 mg tablet daily", "two amounts"),
        ("10 mg tablet 5 mg tablet daily", "two amounts"),
        ("1 tablet 1 capsule daily", "two amounts"),
        ("TWO (3) TABLETS daily", "two amounts"),
        ("2 tablets (2 capsules) daily", "two amounts"),
        ("2 tablets (10 mg 30 mg) daily", "two amounts"),
        ("1-2 tablets (20-60 mg) daily", "two amounts"),
        ("2 tablets (20-40 mg) daily", "two amounts"),
        ("1 tablet (20-40 mg) daily", "two amounts"),
        ("2 tablets and 20 mg daily", "two amounts"),
        ("5 mL 2 tablets daily", "two amounts"),
        ("10 mg 1-0-1 mg", "two amounts"),
        ("20 mg 1 tablet 1 puff daily", "two amounts"),
        ("10 mg/mL 5 mg/mL 2 mL daily", "two strengths"),
        ("20 daily", "no unit"),
        ("1 tablet 0 mg daily", "nought"),
        ("0-1 tablet daily", "no range"),
    ],
)
def test_numbers_that_compete_are_no_amount(sig, why):
    dose = read_text(sig)
    assert not dose.understood
    assert why in dose.why
    assert daily_mg(dose, Decimal(20)) is None


@pytest.mark.parametrize(
    "sig",
    [
        "1 tablet before meals and at bedtime",
        "1 tablet at bedtime and before meals",
        "1 tablet with meals, at night",
        "1 tablet 3 times a day before meals and at bedtime",
    ],
)
def test_meals_beside_another_time_are_not_counted(sig):
    assert "counts meals" in read_text(sig).why


def test_a_meal_alone_is_a_remark():
    for sig in ("1 tablet daily before meals", "1 tablet before meals at bedtime"):
        assert read_text(sig).per_day_low == 1


@pytest.mark.parametrize(
    ("name", "per_day"),
    [
        ("TWICE A DAY", Fraction(2)),
        ("Q8H", Fraction(3)),
        ("once daily", Fraction(1)),
        ("every 2 days", Fraction(1, 2)),
        ("2 tablets twice a day", None),
        ("1 daily", None),
        ("daily then weekly", None),
        ("nonsense", None),
    ],
)
def test_the_name_of_a_frequency_says_how_often_and_nothing_else(name, per_day):
    assert frequency(name) == (None if per_day is None else Span.of(per_day))
