"""FHIR Dosage elements: read in full, held against their words, and not understood where anything is left open."""

from decimal import Decimal

import pytest

from salus.terminology.doses import daily_mg, read_fhir

DAILY = {"frequency": 1, "period": 1, "periodUnit": "d"}


def amount(value, unit="mg", **more):
    return {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit, **more}}]}


def repeat(**elements):
    return {"timing": {"repeat": elements}}


def coded(code):
    return {"timing": {"code": {"coding": [{"code": code}]}}}


@pytest.mark.parametrize(
    ("element", "mg"),
    [
        (repeat(**DAILY), "40"),
        (repeat(frequency=2, period=1, periodUnit="d"), "80"),
        (repeat(period=8, periodUnit="h"), "120"),
        (repeat(frequency=1, period=2, periodUnit="d"), "20"),
        (repeat(frequency=3, period=1, periodUnit="d", when=["AC"]), "120"),
        (repeat(frequency=7, period=1, periodUnit="wk"), "40"),
        (repeat(frequency=2, period=1, periodUnits="d"), "80"),
        (repeat(**DAILY, dayOfWeek=["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), "40"),
        (repeat(frequency=2, period=1, periodUnit="wk", dayOfWeek=["mon", "thu"], timeOfDay=["08:00:00"]), None),
        (repeat(when=["MORN", "EVE"]), "80"),
        (repeat(when=["HS"]), "40"),
        (repeat(frequency=2, period=1, periodUnit="d", when=["MORN", "EVE"]), "80"),
        (repeat(timeOfDay=["08:00:00", "14:00:00", "20:00:00"]), "120"),
        (repeat(frequency=2, period=2, periodUnit="d", timeOfDay=["08:00:00", "20:00:00"]), "40"),
        (repeat(period=2, periodUnit="d", timeOfDay=["08:00:00", "20:00:00"]), "40"),
        (repeat(frequency=2, timeOfDay=["08:00:00", "20:00:00"]), "80"),
        (coded("QD"), "40"), (coded("BID"), "80"), (coded("TID"), "120"), (coded("QID"), "160"), (coded("QOD"), "20"),
        (coded("AM"), "40"), (coded("PM"), "40"), (coded("BED"), "40"), (coded("Q4H"), "240"), (coded("Q6H"), "160"),
        (coded("Q8H"), "120"), (coded("Q12H"), "80"), (coded("bid"), "80"),
        ({"timing": {"code": {"text": "TWICE A DAY"}}}, "80"),
        ({"timing": {"code": {"text": "at bedtime"}}}, "40"),
        ({"timing": {"code": {"coding": [{"code": "BID"}], "text": "TWICE A DAY"}, "repeat": dict(DAILY,
         frequency=2)}}, "80"),
        ({"timing": {"code": {"text": "0900"}, "repeat": {"timeOfDay": ["09:00:00"]}}}, "40"),
    ],
)  # fmt: skip
def test_a_timing_gives_the_amount_of_a_day(element, mg):
    dose = read_fhir([amount(40) | element])
    assert dose.understood, dose.why
    found = daily_mg(dose, None)
    if mg is None:
        assert abs(found - Decimal(80) / 7) < Decimal("1e-20")
    else:
        assert found == Decimal(mg)


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ({}, "how often"), ({"timing": {}}, "how often"), ({"timing": "daily"}, "not known"),
        ({"timing": {"repeat": []}}, "malformed"),
        ({"timing": {"modifierExtension": [{}]}}, "not known"), (coded("FROB"), "not known"),
        ({"timing": {"event": ["2024-01-01"]}}, "single dates"),
        (repeat(frequency=24), "what period"), (repeat(frequency=1, period=1), "no unit"),
        (repeat(frequency=1, period=1, periodUnit="week"), "no unit"),
        (repeat(frequency=1, period=0, periodUnit="d"), "malformed"),
        (repeat(frequency=0, period=1, periodUnit="d"), "malformed"),
        (repeat(frequency=2, frequencyMax=1, period=1, periodUnit="d"), "malformed"),
        (repeat(period=2, periodMax=1, periodUnit="d"), "malformed"),
        (repeat(periodUnit="d"), "malformed"), (repeat(frequency="1", period=1, periodUnit="d"), "malformed"),
        (repeat(frequency=True, period=1, periodUnit="d"), "malformed"),
        (repeat(frequency=Decimal("1E+999"), period=1, periodUnit="d"), "malformed"),
        (repeat(**DAILY, weird=1), "not known"), (repeat(**DAILY, when=["XX"]), "time of day"),
        (repeat(**DAILY, when="MORN"), None),
        (repeat(**DAILY, when=[1]), "malformed"), (repeat(when=["C"]), "at how many"),
        (repeat(**DAILY, dayOfWeek=["monday"]), "day of the week"),
        (repeat(when=["MORN"], timeOfDay=["08:00:00"]), "said twice"),
        (repeat(frequency=1, period=1, periodUnit="wk", dayOfWeek=["mon", "wed"]), "two frequencies"),
        (repeat(frequency=3, period=1, periodUnit="d", when=["MORN", "EVE"]), "two frequencies"),
        (repeat(**DAILY, when=["MORN", "EVE"]), "two frequencies"),
        (repeat(frequency=3, timeOfDay=["08:00:00"]), "what period"),
        (repeat(period=30, periodUnit="min"), "intervals than an hour"),
        ({"timing": {"code": {"coding": [{"code": "BID"}]}, "repeat": DAILY}}, "two frequencies"),
        ({"timing": {"code": {"coding": [{"code": "BID"}, {"code": "TID"}]}}}, "two frequencies"),
        (repeat(**DAILY) | {"modifierExtension": [{"url": "x"}]}, "modifier"),
    ],
)  # fmt: skip
def test_a_timing_that_leaves_anything_open_is_not_understood(element, why):
    dose = read_fhir([amount(40) | element])
    if why is None:
        assert dose.understood
        return
    assert not dose.understood
    assert why in dose.why
    assert daily_mg(dose, None) is None


@pytest.mark.parametrize(
    ("element", "low", "high", "unit"),
    [
        (amount(40), 40, 40, "mg"), (amount(40, "mg", code="mg", system="http://unitsofmeasure.org"), 40, 40, "mg"),
        (amount(1, "g"), 1000, 1000, "mg"),
        (amount(100, "mcg"), Decimal("0.1"), Decimal("0.1"), "mg"),
        (amount(100, "", code="ug"), Decimal("0.1"), Decimal("0.1"), "mg"),
        (amount(100, "MCG", code="MCG"), Decimal("0.1"), Decimal("0.1"), "mg"),
        (amount(2, "tablet(s)"), 2, 2, "{tablet}"),
        (amount(2, "", code="{tablet}"), 2, 2, "{tablet}"), (amount(2, "Tablet", code="1"), 2, 2, "{tablet}"),
        (amount(2, "", code="TAB"), 2, 2, "{tablet}"),
        (amount(2, "stuk", code="245"), 2, 2, "{each}"), (amount(5, "ml", code="mL"), 5, 5, "mL"),
        (amount(1, "", code="dL"), 100, 100, "mL"),
        (amount(12, "units", code="U"), 12, 12, "[iU]"), (amount(12, "IE", code="[iU]"), 12, 12, "[iU]"),
        (amount(4, "gtt", code="[drp]"), 4, 4, "{drop}"),
        (amount(Decimal("0.5"), "gélule", code="15012000"), Decimal("0.5"), Decimal("0.5"), "{capsule}"),
        (amount(0.5, "mg"), Decimal("0.5"), Decimal("0.5"), "mg"),
        ({"doseQuantity": {"value": 40, "unit": "mg"}}, 40, 40, "mg"),
        ({"quantityQuantity": {"value": 2, "unit": "tab"}}, 2, 2, "{tablet}"),
        ({"quantityRange": {"low": {"value": 1, "unit": "tab"}, "high": {"value": 2, "unit": "tab"}}}, 1, 2,
         "{tablet}"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 1, "unit": "g"}, "high": {"value": 2,
         "unit": "g"}}}]}, 1000, 2000, "mg"),
        ({"doseRange": {"high": {"value": 2, "unit": "puff"}}}, 0, 2, "{puff}"),
        ({"doseAndRate": [amount(40)["doseAndRate"][0], amount(40)["doseAndRate"][0]]}, 40, 40, "mg"),
        ({"doseAndRate": [{"type": {"coding": [{"code": "calculated"}]}, **amount(80)["doseAndRate"][0]},
                          {"type": {"coding": [{"code": "ordered"}]}, **amount(40)["doseAndRate"][0]}]}, 40, 40, "mg"),
        ({"doseAndRate": [{"doseQuantity": {"value": 40, "unit": "mg"}, "rateQuantity": {"value": 5,
         "unit": "mg/min"}}]}, 40, 40, "mg"),
    ],
)  # fmt: skip
def test_amounts_of_every_release(element, low, high, unit):
    dose = read_fhir([element | repeat(**DAILY)])
    assert dose.understood, dose.why
    assert (dose.low, dose.high, dose.unit) == (low, high, unit)


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ({}, "amount is not said"), (amount(40, "frobs"), "unit is not known"), (amount(40, ""), "unit is not known"),
        ({"doseAndRate": [{"doseQuantity": {"value": 1}}]}, "unit is not known"),
        (amount(40, "tablet", code="mg"), "two meanings"),
        (amount("40"), "not a number"), (amount(True), "not a number"), (amount(None), "not a number"),
        (amount(-5), "nought"), (amount(0), "nought"),
        (amount(Decimal("NaN")), "not a number"), (amount(Decimal("1E+999999")), "not a number"),
        (amount(40, comparator="<"), "not a number"),
        ({"doseAndRate": "40 mg"}, "malformed"), ({"doseAndRate": [{"doseQuantity": "40 mg"}]}, "not a number"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 1, "unit": "mg"}}}]}, "no upper bound"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 3, "unit": "mg"}, "high": {"value": 2,
         "unit": "mg"}}}]}, "do not fit"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 1, "unit": "mg"}, "high": {"value": 2,
         "unit": "mL"}}}]}, "do not fit"),
        ({"doseAndRate": [amount(40)["doseAndRate"][0], amount(80)["doseAndRate"][0]]}, "two amounts"),
        ({"doseAndRate": [{"rateQuantity": {"value": 5, "unit": "mg/min"}}]}, "rate"), ({"rateRatio": {}}, "rate"),
    ],
)  # fmt: skip
def test_an_amount_that_leaves_anything_open_is_not_understood(element, why):
    dose = read_fhir([element | repeat(**DAILY)])
    assert not dose.understood
    assert why in dose.why


@pytest.mark.parametrize("element", [
    {"asNeededBoolean": True}, {"asNeededCodeableConcept": {"text": "pain"}}, {"asNeeded": True},
     {"asNeededFor": [{"text": "pain"}]},
])  # fmt: skip
def test_as_needed_leaves_no_amount_of_a_day(element):
    for more in (amount(40) | repeat(**DAILY), amount(40), {}):
        dose = read_fhir([more | element])
        assert dose.understood
        assert dose.as_needed
        assert daily_mg(dose, None) is None
    assert not read_fhir([amount(40) | repeat(**DAILY) | {"asNeededBoolean": False}]).as_needed


@pytest.mark.parametrize(
    ("text", "mg"),
    [
        ("40 mg daily", "40"), ("40 mg once daily", "40"), ("1 tablet (40 mg) daily", "40"),
        ("1 tablet daily", "40"), ("2 tablets of 20 mg daily", "40"),
        ("2 tablets daily", "40"), ("40 mg (2 mL) daily", "40"), ("40 mg", "40"), ("daily", "40"),
        ("40 mg jednou denně", "40"), ("in the morning", "40"),
    ],
)  # fmt: skip
def test_words_that_say_the_same_are_one_instruction(text, mg):
    dose = read_fhir([amount(40) | repeat(**DAILY) | {"text": text}])
    assert dose.understood, dose.why
    assert dose.words == text
    assert daily_mg(dose, None) == Decimal(mg)


@pytest.mark.parametrize(
    "text",
    [
        "40 mg twice daily", "20 mg daily", "40 mg every other day", "40-80 mg daily", "2 tablets of 40 mg daily",
        "1 tablet (20 mg) daily", "5 mL daily",
        "20 mg in the morning and 20 mg at night", "40 mg daily for 5 days then 20 mg daily", "40 mg twice weekly",
        "1/2 tablet (40 mg) bid",
        "20 mg jednou denně", "40 mg daily if dizzy", "do not take 40 mg", "40 mg daily, reduce weekly",
        "40 mg 80 mg daily", "take as directed by INR",
        "1-2 tablets daily", "40 mg (1 mL) twice daily",
    ],
)  # fmt: skip
def test_words_that_say_something_else_leave_neither(text):
    dose = read_fhir([amount(40) | repeat(**DAILY) | {"text": text}])
    assert not dose.understood
    assert dose.why
    assert daily_mg(dose, Decimal(40)) is None


def test_as_needed_in_words_or_structure_holds_for_both():
    structured = amount(40) | repeat(**DAILY)
    assert read_fhir([structured | {"text": "40 mg daily as needed"}]).as_needed
    assert read_fhir([structured | {"text": "40 mg daily", "asNeededBoolean": True}]).as_needed
    assert (
        read_fhir([structured | {"text": "40 mg daily as needed", "asNeededBoolean": False}]).why
        == "text and structure disagree"
    )


def test_words_fill_what_the_structure_leaves_out():
    assert daily_mg(read_fhir([amount(4) | {"text": "4 mg PO OD"}]), None) == 4
    assert (
        daily_mg(read_fhir([repeat(frequency=2, period=1, periodUnit="d") | {"text": "1 tablet bid"}]), Decimal(5))
        == 10
    )
    assert daily_mg(read_fhir([repeat(**DAILY) | {"text": "1 tablet"}]), Decimal(5)) == 5
    assert daily_mg(read_fhir([amount(40) | {"text": "at night"}]), None) == 40
    assert daily_mg(read_fhir([{"text": "10-0-8 IE"}]), None) is None
    assert read_fhir([{"text": "10-0-8 IE"}]).daily_low == 18
    assert not read_fhir([{"text": "40 mg daily"}], text_fallback=False).understood
    assert read_fhir([amount(40) | repeat(**DAILY) | {"text": "20 mg daily"}], text_fallback=False).low == 40


def test_once_a_day_at_two_times_needs_words():
    both = amount(2, "tabletter") | repeat(**DAILY, when=["MORN", "EVE"])
    assert not read_fhir([both]).understood
    said = read_fhir([both | {"text": "2 tabletter morgen og 2 tabletter aften - hver dag"}])
    assert (said.low, said.per_day_low, said.daily_low) == (2, 2, 4)
    assert read_fhir([both | {"text": "2 tabletter hver dag"}]).per_day_low == 1
    assert not read_fhir([both | {"text": "2 tabletter 3 gange hver dag"}]).understood


MORNING, EVENING = repeat(when=["MORN"]), repeat(when=["EVE"])


def test_lines_of_one_number_add_up():
    first, second = amount(40) | MORNING, amount(20) | EVENING
    for number in ({}, {"sequence": 1}):
        dose = read_fhir([first | number, second | number])
        assert (dose.low, dose.high, dose.per_day_low, dose.daily_low) == (20, 40, 2, 60)
        assert daily_mg(dose, None) == 60
    together = read_fhir(
        [amount(40) | repeat(**DAILY) | {"sequence": 1}, amount(20) | repeat(**DAILY) | {"sequence": 1}]
    )
    assert daily_mg(together, None) == 60
    words = read_fhir([{"text": "1 tablet in the morning"}, {"text": "2 tablets at night"}])
    assert daily_mg(words, Decimal(10)) == 30
    assert words.words == "1 tablet in the morning; 2 tablets at night"
    weekly = [amount(1) | repeat(dayOfWeek=["mon"]), amount(3) | repeat(dayOfWeek=["tue"])]
    assert daily_mg(read_fhir(weekly), None) == read_fhir([amount(4) | repeat(dayOfWeek=["mon"])]).daily_low


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no dosage"), (["40 mg daily"], "malformed"), ([None], "malformed"),
        ([amount(40) | repeat(**DAILY), amount(20) | repeat(**DAILY)], "alternatives or doubles"),
        ([amount(40) | repeat(**DAILY) | {"sequence": 1}] * 2, "alternatives or doubles"),
        ([amount(40) | MORNING, amount(20) | MORNING], "alternatives or doubles"),
        ([amount(40) | MORNING | {"sequence": 1}, amount(20) | EVENING], "only some"),
        ([amount(40) | MORNING, amount(1, "tablet") | EVENING], "different units"),
        ([amount(40) | MORNING, amount(20, "frobs") | EVENING], "unit is not known"),
        ([amount(40) | MORNING, {"text": "20 mg at night for 5 days"}], "different times"),
        ([amount(40) | MORNING | {"sequence": 1}, {"text": "20 mg nocte for 5 days then 10 mg nocte", "sequence": 1}],
         "steps stand beside"),
        ([amount(40) | MORNING | {"sequence": 1}, {"text": "20 mg daily for 5 days then 10 mg daily", "sequence": 1}],
         "steps stand beside"),
    ],
)  # fmt: skip
def test_lines_that_do_not_fit_are_not_understood(lines, why):
    dose = read_fhir(lines)
    assert not dose.understood
    assert why in dose.why


def test_lines_of_different_numbers_or_dates_are_steps():
    steps = read_fhir([amount(20) | repeat(**DAILY) | {"sequence": 2}, amount(40) | repeat(**DAILY) | {"sequence": 1}])
    assert [step.low for step in steps.steps] == [40, 20]
    assert steps.understood
    assert daily_mg(steps, None) is None
    dated = [
        amount(20) | repeat(**DAILY, boundsPeriod={"start": "2024-01-06", "end": "2024-01-10"}),
        amount(40) | repeat(**DAILY, boundsPeriod={"start": "2024-01-01", "end": "2024-01-05"}),
    ]
    assert [(step.low, step.start) for step in read_fhir(dated).steps] == [(40, "2024-01-01"), (20, "2024-01-06")]
    overlapping = [dated[0], amount(40) | repeat(**DAILY, boundsPeriod={"start": "2024-01-01", "end": "2024-01-07"})]
    assert not read_fhir(overlapping).understood


def test_an_as_needed_line_leaves_the_whole_as_needed():
    dose = read_fhir([amount(40) | MORNING, amount(20) | EVENING | {"asNeededBoolean": True}])
    assert dose.as_needed
    assert daily_mg(dose, None) is None


@pytest.mark.parametrize(
    ("more", "days"),
    [({"boundsDuration": {"value": 10, "unit": "d"}}, 10), ({"boundsDuration": {"value": 2, "code": "wk"}}, 14),
    ({"count": 14, "frequency": 2}, 7),
     ({"count": 14, "boundsPeriod": {"start": "2024-01-01"}}, None),
     ({"boundsDuration": {"value": 10, "unit": "moons"}}, None), ({}, None)],
)  # fmt: skip
def test_bounds_say_how_long(more, days):
    assert read_fhir([amount(40) | repeat(**DAILY | more)]).duration_days == days


@pytest.mark.parametrize("more", [{}, DAILY, {"frequency": 2, "period": 1, "periodUnit": "d"}])
def test_one_dose_in_all_is_no_daily_dose(more):
    found = read_fhir([{**amount(80), **repeat(count=1, **more)}])
    assert not found.understood
    assert found.daily_low is None
    assert "one dose" in found.why
    assert read_fhir([{**amount(80), **repeat(count=14, **DAILY)}]).understood
