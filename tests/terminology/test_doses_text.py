"""Dose instructions in words: right amounts, or none and the reason."""

import time
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.terminology.dose_lexer import Unreadable, number, tokens
from salus.terminology.dose_table import table, vocabulary
from salus.terminology.doses import daily_mg, on_day, read_fhir, read_text
from salus.terminology.reader import shipped
from validation.text.sig import judge, own

CASES = list(own())


@pytest.mark.parametrize(("name", "sig", "expected"), CASES, ids=[name for name, _, _ in CASES])
def test_no_published_instruction_is_misread(name, sig, expected):
    dose = read_text(sig)
    assert not dose.understood or judge(dose, expected) is None
    assert dose.understood or dose.why
    assert dose.words == sig


UNREAD = {
    "Inject 1 each under the skin 3 (three) times a day To test sugar DX e11.9",
    "Take 4 tablets by mouth 3 times a day with meal and 2 tablets twice a day with snacks",
    "Take 3 tablets by mouth 3 times a day with meal and 2 tablets twice a day with snack",
    "Take 1 tablet by mouth once every morning then 1/2 tablet at night",
    "Take 1 tablet by mouth every morning then 1/2 tablet in the evening",
    "week 1: 100 mg po bid; week 2: 200 mg po bid; week 3: 300 mg po bid; week 4: 400 mg po bid",
    "1 tab nocte twenty eight tablets",
    "five every week",
    "1-0-1-0 Stück. Hinweis: Tablette nicht zerkauen. Bei Fieber über 39 Grad Arzt kontaktieren.",
    "alle 30 Minuten: je 1 Stück",
}
"""Instructions of the table that have an answer and are not understood yet."""


def test_all_other_published_instructions_are_read():
    readable = [sig for _, sig, expected in CASES if expected]
    assert len(CASES) >= 350
    assert {sig for sig in readable if not read_text(sig).understood} == UNREAD
    assert len(UNREAD) / len(readable) < 0.05


@pytest.mark.parametrize(
    ("sig", "low", "per_day", "daily"),
    [
        ("1 tab daily for pain or fever", 1, 1, 1), ("1 tab daily for pain and fever", 1, 1, 1),
        ("a tablet a day", 1, 1, 1),
        ("an injection daily", 1, 1, 1), ("1 tab every 6 hours max 4 in 24 hours", 1, 4, 4),
        ("1 tab every 6 hours max 4 a day", 1, 4, 4),
        ("1 tab every 6 hours, max 4", 1, 4, 4), ("1 tab three times a day, max 3 times a day", 1, 3, 3),
        ("two 5 mL spoons daily", 10, 1, 10),
        ("2 x 5 mL daily", 10, 1, 10), ("1 sachet of 5 mL daily", 5, 1, 5),
        ("2 tablets in the morning and 1 at night", 1, 2, 3),
        ("5 mg on", 5, 1, 5), ("5 mg, on", 5, 1, 5), ("1 tab at 8 am and 8 pm", 1, 2, 2),
        ("1 tab at 8 am", 1, 1, 1), ("1 tab mon - wed", 1, None, None),
        ("3 x 1 Tbl. tgl.", 1, 3, 3), ("daily: 1 in the morning, 2 at night", 1, 2, 3),
        ("1 tab mane 2 tabs nocte", 1, 2, 3),
        ("mane 1 tab nocte 2 tabs", 1, 2, 3), ("twice daily 1 in the morning and 1 at night", 1, 2, 2),
        ("1 tablet 4 a day", 1, 4, 4),
        ("1 tablet (1 tab) daily", 1, 1, 1), ("tablet 1 daily", 1, 1, 1), ("1 tab weekly on Monday", 1, None, None),
        ("1 tab daily on Monday", 1, None, None), ("once daily at night 1 tab", 1, 1, 1),
        ("1 tab in the morning with breakfast", 1, 1, 1),
        ("co-codamol 30/500 2 tabs qds", 2, 4, 8), ("Lisinopril 10/12.5 mg 1 tab daily", 1, 1, 1),
        ("vitamin B12 1 tab daily", 1, 1, 1),
        ("1 tab q.d.", 1, 1, 1), ("1tab 2x/d", 1, 2, 2), ("1-2 tabs daily", 1, 1, 1),
        ("up to 2 tablets daily", 0, 1, 0), ("ii tabs daily", 2, 1, 2),
    ],
)  # fmt: skip
def test_forms_of_the_grammar(sig, low, per_day, daily):
    dose = read_text(sig)
    assert dose.understood, dose.why
    assert dose.low == low
    if per_day is not None:
        assert (dose.per_day_low, dose.daily_low) == (per_day, daily)
    else:
        assert dose.per_day_low in (Decimal(1) / 7, Decimal(3) / 7)


@pytest.mark.parametrize(
    ("sig", "strength", "mg"),
    [
        ("80 mg once daily", None, "80"), ("40 mg twice daily", None, "80"), ("1 nocte", "40", "40"),
        ("1 ON", "40", "40"),
        ("0-0-1", "80", "80"), ("1-0-1", "500", "1000"), ("1/2 tablet daily", "40", "20"),
        ("½ tablet daily", "40", "20"),
        ("0.5 tablet daily", "10", "5"), ("0,5-0-0", "5", "2.5"),
        ("10 mg weekly", None, "1.428571428571428571428571429"),
        ("70 mg once a week", None, "10"), ("7 mg twice weekly", None, "2"),
        ("rosuvastatin 20 mg tablet: take half daily", None, "10"),
        ("rosuvastatin 20 mg tablet: take half daily", "20", "10"),
        ("rosuvastatin 20 mg tablet: take half daily", "40", None),
        ("10 mg (1 tablet) daily", None, "10"), ("Take 2 tablets (20 mg total) daily", None, "20"),
        ("Take 2 tablets (20 mg) daily", None, None), ("Take 2 tablets (20 mg) daily", "20", "40"),
        ("Take 2 tablets (20 mg) daily", "10", "20"), ("Take 2 tablets (20 mg) daily", "5", None),
        ("1 tablet daily", None, None),
        ("1 tablet daily", "20", "20"), ("1 puff daily", "20", None), ("5 mL daily", "20", None),
        ("250 mg/5 mL: 5 mL tid", None, "750"),
        ("20 mg daily as needed", None, None), ("20-40 mg daily", None, None), ("1-2 tablets daily", "20", None),
        ("20 mg once or twice daily", None, None), ("40 mg daily for 5 days then 20 mg daily", None, None),
        ("40 mg in the morning and 20 mg in the evening", None, "60"), ("100 mcg daily", None, "0.1"),
        ("1 g tds", None, "3000"),
        ("10 mg every other day", None, "5"), ("2 x 20 mg tablets daily", None, "40"),
        ("two 40 mg tablets daily", None, "80"),
        ("furosemide 40 mg 2 tabs daily", "40", "80"), ("20 mg 1-0-1", None, "40"),
        ("20 mg-0-20 mg", None, "40"), ("500mg-0-500mg", None, "1000"), ("20mg - 10mg - 20mg - 0", None, "50"),
        ("0-0-2 Tabl", "10", "20"), ("20 mg-0-20 ml", None, None), ("10 mg-0-20", None, None),
        ("5 mg daily Mon-Fri", None, "3.571428571428571428571428571"),
        ("1 g daily in 4 divided doses", None, "1000"), ("12 units at bedtime", "10", None),
        ("1-2 tablets (20 mg) daily", "20", None),
    ],
)  # fmt: skip
def test_the_amount_of_a_day_is_exact_or_none(sig, strength, mg):
    found = daily_mg(read_text(sig), None if strength is None else Decimal(strength))
    assert found == (None if mg is None else Decimal(mg))


@pytest.mark.parametrize(
    ("sig", "why"),
    [
        ("", "nothing"), ("   ", "nothing"), ("x" * 601, "too long"), ("1 tablet, " * 54, "too long"),
        ("once", "in what period"),
        ("20 mg once", "in what period"), ("1 tablet twice", "in what period"), ("daily", "amount is not said"),
        ("40 mg", "how often"),
        ("40 mg daily if needed or not", "condition"), ("40 mg daily unless dizzy", "condition"),
        ("stop 40 mg daily", "condition"),
        ("do not take 40 mg daily", "condition"), ("40 mg daily, increase weekly", "condition"),
        ("20 nocte", "no unit"),
        ("lorazepam 1 nocte", "no unit"), ("Omega 3 daily", "not known"), ("0.25 od", "no unit"),
        ("1.000 mg 2x täglich", "two ways"),
        ("1.250 mg 2x tgl", "two ways"), ("2,500 IE täglich", "two ways"), ("1,5,5 mg daily", "two ways"),
        ("007 mg daily", "nought"),
        ("12345678 mg daily", "too long"), ("1 drop OD", "right eye"), ("1 tab every 5 minutes", "not known"),
        ("1 tab twice daily once weekly", "two frequencies"), ("20 mg daily bid", "two frequencies"),
        ("1 tab QD-BID", "open which"),
        ("twice daily at night 20 mg", "two frequencies"),
        ("20 mg in the evening at bedtime", "two times of the day"),
        ("1 tablet before meals and at bedtime", "counts meals"), ("1 am and 1 pm", "an hour"),
        ("Lisinopril 10 mg 2 am", "an hour"),
        ("hydrocodone 5-325 mg every 6 hours", "no range"), ("Lisinopril 10-12.5 mg daily", "combination"),
        ("2-1 tablets daily", "no range"),
        ("1-1 tablets daily", "no range"), ("0-0-0", "nought"), ("0 mg daily", "nought"),
        ("1 tablet 0 times a day", "nought"),
        ("1 tablet every 0 hours", "nought"), ("20-0-20", "no unit"), ("1-0-1 bid", "two frequencies"),
        ("1-0-1 20 mg 10 mg", "two amounts"),
        ("20 mg 10 mg daily", "two amounts"), ("1 tablet 2 capsules daily", "two amounts"),
        ("20 mg and 40 mg daily", "two amounts"),
        ("1/7 tablet daily", "not said"), ("1 tablet daily for 3 days for 5 days", "two durations"),
        ("1 tablet frobnicated daily", "not known"),
        ("1 tablet xyzly daily", "not known"), ("5 mg/kg daily", "condition"),
        ("25 mcg/hr patch every 72 hours", "not known"),
        ("20 mg daily 40 mg daily", "same day"), ("1 morgens dann 2 abends", "follow one another"),
        ("then 20 mg daily", "empty"),
        ("one hundred mg daily", "condition"), ("take forty five mg daily", "no unit"),
        ("5 1/2 tablets daily", "two ways"),
        ("1 mg in 3 divided doses twice daily", "divided"), ("10 mg biweekly", "condition"), ("max daily", "largest"),
        ("warfarin 2 1/2 tab daily", "strength and an amount"), ("Sat-Mon 5 mg", "backwards"),
        ("2 tablets alternately daily", "condition"),
        ("TAKE AS DIRECTED", "neither"), ("1 tablet Mon twice weekly", "two frequencies"), ("1% daily", "not known"),
        ("20 mg for", "not known"), ("on 20 mg daily", "not known"),
        ("2 tablets in the morning and 20 mg at night", "different units"), ("2 tablets 5 mL daily", "two amounts"),
        ("250 mg/5 mL 125 mg/5 mL 5 mL daily", "two strengths"), ("5 mL (10 mg) (20 mg) daily", "two amounts"),
        ("2 tablets (30-50 mg total) daily", "two amounts"),
        ("1 tab every 6 hours max", "largest"), ("1 tab 1-0-1 1-1-1", "two"),
        ("20 mg in divided doses daily", "not known"),
        ("1 tablet daily and 1 at night", "same day"), ("1 tablet daily, 1 at night", "same day"),
        ("1 daily + 1 at night", "same day"), ("1 bd and 1 at noon and 1 at night", "same day"),
        ("40 mg daily, 20 mg lunch", "same day"), ("1000mcg 3 monthly", "every so many"),
        ("12 weekly", "every so many"),
        ("1 tablet and 2 a day", "number of times"), ("500 mg and half daily", "number of times"),
        ("½ x tgl. 20 mg", "number of times"), ("mane 1 and 1/2 nocte", "two ways"), ("1 cp 1/2 jours", "two ways"),
        ("ogni quarto giorno 1 cp", "fraction"), ("1 tab Mon-Wed-Fri", "list or a range"),
        ("1 tablet for 2 weeks every month", "part of a period"), ("1 tab daily 8 days a week", "does not fit"),
        ("1 tab 3 days a week Mon Wed", "two frequencies"), ("40 mg bd (100 mg daily)", "two amounts"),
        ("1-20 mg = 2 tabs daily", "no range"), ("6x1", "in what period"), ("2x1 morgens", "two frequencies"),
        ("1 tab for times daily", "not known"), ("Di 1 Tbl", "not known"),
        ("Metformin metfrobnin 5 mg od", "not known"),
        ("1-0-1 jeden 2. Tag Mo Mi Fr", "two frequencies"), ("3x500 mg", "how often"),
        ("morgens 0, abends 0", "nought"), ("1 tab weekly x 3 days", "part of a period"),
        ("1 tablet and 1 at night", "two amounts"), ("1 tablet, 1 at night", "two amounts"),
        ("20 mg and 20 mg daily", "two amounts"), ("mañana 1 y media noche 1", "not known"),
        ("1 comprimido a media noche", "not known"), ("today 10 mg daily", "not known"),
        ("1 comprimido y medio dia", "not known"), ("1-0-1/7", "two ways"),
        ("15 mg 1x/Mo", "not known"),
    ],
)  # fmt: skip
def test_what_has_no_certain_meaning_is_refused_with_the_reason(sig, why):
    dose = read_text(sig)
    assert not dose.understood
    assert why in dose.why
    assert daily_mg(dose, Decimal(10)) is None


@pytest.mark.parametrize(
    ("text", "english", "value"),
    [
        ("2,5", False, "2.5"), ("2.5", True, "2.5"), (".5", True, "0.5"), (",5", False, "0.5"),
        ("0.125", False, "0.125"),
        ("0,125", False, "0.125"), ("1,000", True, "1000"), ("1.125", True, "1.125"), ("1,000,000", False, "1000000"),
        ("1.000.000", False, "1000000"), ("1,000.5", False, "1000.5"), ("1.000,5", False, "1000.5"),
        ("1,25", True, "1.25"),
    ],
)  # fmt: skip
def test_points_and_commas(text, english, value):
    assert number(text, english) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "english"), [("1,000", False), ("1.000", True), ("1.125", False), ("1.2.3", True), ("01", True)]
)
def test_a_number_that_can_be_read_in_two_ways_is_not_read(text, english):
    with pytest.raises(Unreadable):
        number(text, english)


@pytest.mark.parametrize(
    ("sig", "steps", "days"),
    [
        ("40 mg daily for 5 days then 20 mg daily for 5 days", [("40", "1", "5"), ("20", "1", "5")], "10"),
        ("1 tablet daily for 1 week, then 2 daily", [("1", "1", "7"), ("2", "1", None)], None),
        ("1 capsule bid x7 days then 3 times a day", [("1", "2", "7"), ("1", "3", None)], None),
    ],
)
def test_a_taper_has_steps_and_no_amount_of_its_own(sig, steps, days):
    dose = read_text(sig)
    found = [(s.low, s.per_day_low, s.duration_days) for s in dose.steps]
    assert found == [tuple(None if x is None else Decimal(x) for x in step) for step in steps]
    assert len({step.unit for step in dose.steps}) == 1
    assert (dose.low, dose.per_day_low, dose.daily_low) == (None, None, None)
    assert dose.duration_days == (None if days is None else Decimal(days))
    assert on_day(dose, date(2024, 1, 1)) is None


def test_the_step_of_a_day_is_known_where_the_steps_have_dates():
    def line(mg, start, end):
        repeat = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": start, "end": end}}
        return {"doseAndRate": [{"doseQuantity": {"value": mg, "unit": "mg"}}], "timing": {"repeat": repeat}}

    dose = read_fhir([line(20, "2024-01-06", "2024-01-10"), line(40, "2024-01-01", "2024-01-05")])
    assert on_day(dose, date(2024, 1, 5)).low == 40
    assert on_day(dose, date(2024, 1, 6)).low == 20
    assert on_day(dose, date(2024, 1, 11)) is None
    assert on_day(read_text("40 mg daily"), date(2024, 1, 1)).low == 40


@pytest.mark.parametrize(
    ("sig", "start", "end"),
    [("20 mg daily, start: 2024-01-02 ~ end: 2024-03-04", "2024-01-02", "2024-03-04"),
    ("20 mg daily until 2024-03-04", "", "2024-03-04"),
     ("20 mg daily from 2024-01-02", "2024-01-02", ""), ("20 mg daily until 03/04/2024", "", "")],
)  # fmt: skip
def test_days_that_are_written_in_one_certain_way_bound_the_instruction(sig, start, end):
    dose = read_text(sig)
    assert (dose.low, dose.start, dose.end) == (20, start, end)


@pytest.mark.parametrize(
    ("sig", "route"),
    [("20 mg po daily", "oral"), ("20 mg by mouth daily", "oral"), ("20 mg IM daily", "intramuscular"),
    ("20 mg s.c. daily", "subcutaneous"),
     ("1 spray in each nostril daily", "nasal"), ("20 mg daily", "")],
)  # fmt: skip
def test_the_route_is_read(sig, route):
    assert read_text(sig).route == route


HALVES = [
    ("and a half", "1/2"), ("and half", "1/2"), ("and a quarter", "1/4"), ("y medio", "1/2"), ("y cuarto", "1/4"),
    ("et demi", "1/2"), ("et demie", "1/2"), ("e mezzo", "1/2"), ("e meio", "1/2"), ("en een halve", "1/2"),
]  # fmt: skip


@given(
    st.sampled_from([("1", 1), ("2", 2), ("one", 1), ("deux", 2), ("tres", 3)]),
    st.sampled_from(["tablet", "comprimido", "compressa", "gélule", "puffs", ""]),
    st.sampled_from(HALVES),
    st.sampled_from(["daily", "al dia", "par jour", "al giorno", "at night", "la sera"]),
)
def test_a_half_behind_the_unit_adds_to_the_amount(number_of, unit, half, often):
    dose = read_text(f"{number_of[0]} {unit} {half[0]} {often}")
    wanted = number_of[1] + (Decimal("0.5") if half[1] == "1/2" else Decimal("0.25"))
    assert dose.understood, dose.why
    assert (dose.low, dose.per_day_low, dose.daily_low) == (wanted, 1, wanted)


@given(st.text("abcdefghijklmnopqrstuvwxyzäöüéèñç", min_size=1, max_size=14))
@settings(max_examples=300)
def test_no_unknown_word_is_taken_for_a_name(word):
    """A word before an amount is read only where the tables of medicines or of these words know it."""
    dose = read_text(f"{word} 10 mg daily")
    known = vocabulary() | set(table()["names"]["short"])
    if dose.understood and not {token.text for token in tokens(word)} <= known:
        assert shipped().medicine((), word).understood


@pytest.mark.parametrize("name", ["Metformin", "L-Thyroxin", "vitamin D3", "folic acid", "Eliquis", "insulin glargine",
                                  "Acetylsalicylsäure", "Paracétamol", "metoprolol succinate", "MTX"])  # fmt: skip
def test_the_names_of_medicines_are_read_over(name):
    assert read_text(f"{name} 10 mg daily").low == 10
    assert not read_text(f"{name} evtl. 10 mg daily").understood
    assert not read_text(f"vorher {name} 10 mg daily").understood


@given(
    st.sampled_from(table()["refuse"]["meant_otherwise"]),
    st.sampled_from(["10 mg daily", "1 Tbl. tgl.", "1 comprimido al dia"]),
)
def test_no_word_of_doubt_or_past_stands_in_an_instruction_that_is_read(word, rest):
    dose = read_text(f"{word} {rest}")
    assert not dose.understood


AMOUNTS = [
    ("1 tablet", 1, 1, "{tablet}"), ("2 tabs", 2, 2, "{tablet}"),
    ("half a tablet", Decimal("0.5"), Decimal("0.5"), "{tablet}"),
    ("one and a half tablets", Decimal("1.5"), Decimal("1.5"), "{tablet}"), ("1-2 capsules", 1, 2, "{capsule}"),
    ("20 mg", 20, 20, "mg"),
    ("2.5 mg", Decimal("2.5"), Decimal("2.5"), "mg"), ("100 mcg", Decimal("0.1"), Decimal("0.1"), "mg"),
    ("1 g", 1000, 1000, "mg"),
    ("5 mL", 5, 5, "mL"), ("12 units", 12, 12, "[iU]"), ("two puffs", 2, 2, "{puff}"),
    ("1/2 tab", Decimal("0.5"), Decimal("0.5"), "{tablet}"),
]  # fmt: skip
TIMES = [
    ("daily", 1, 1), ("once daily", 1, 1), ("twice a day", 2, 2), ("three times daily", 3, 3), ("qid", 4, 4),
    ("every 8 hours", 3, 3),
    ("q4-6h", 4, 6), ("nocte", 1, 1), ("in the morning", 1, 1), ("every other day", Decimal("0.5"), Decimal("0.5")),
    ("every morning and evening", 2, 2), ("once every 2 days", Decimal("0.5"), Decimal("0.5")),
    ("every 72 hours", Decimal(1) / 3, Decimal(1) / 3),
    ("twice weekly", Decimal(2) / 7, Decimal(2) / 7), ("on Mon, Wed and Fri", Decimal(3) / 7, Decimal(3) / 7),
    ("daily at bedtime", 1, 1),
]  # fmt: skip
REMARKS = [
    "",
    " by mouth",
    " with food",
    " for high blood pressure",
    " po",
    ", swallow whole",
    " for 10 days",
    " as needed for pain",
]


@given(
    st.sampled_from(AMOUNTS),
    st.sampled_from(TIMES),
    st.sampled_from(REMARKS),
    st.booleans(),
    st.sampled_from([str, str.upper, str.title]),
)
def test_every_amount_with_every_time_is_read_right(amount, times, remark, first, case):
    body = f"{amount[0]} {times[0]}" if first else f"{times[0]} {amount[0]}"
    dose = read_text(case(f"take {body}{remark}"))
    assert dose.understood, dose.why
    assert (dose.low, dose.high, dose.unit) == amount[1:]
    for found, wanted in ((dose.per_day_low, times[1]), (dose.per_day_high, times[2])):
        assert abs(found - wanted) < Decimal("1e-20")
    assert dose.as_needed is ("needed" in remark)
    assert dose.duration_days == (10 if "10 days" in remark else None)
    for found, wanted in ((dose.daily_low, amount[1] * times[1]), (dose.daily_high, amount[2] * times[2])):
        assert abs(found - wanted) < Decimal("1e-20")


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_no_text_breaks_the_reader(text):
    dose = read_text(text)
    assert dose.understood or dose.why
    assert daily_mg(dose, Decimal(10)) is None or dose.understood


WORDS = [
    "1",
    "2",
    "½",
    "1/2",
    "20",
    "mg",
    "tablet",
    "daily",
    "twice",
    "bid",
    "then",
    "and",
    ",",
    "(",
    ")",
    "-",
    "for",
    "days",
    "x",
    "as needed",
    "at night",
    "1-0-1",
    "max",
    "of",
    "every",
    "hours",
    "morgens",
    "up to",
    "0",
    "/",
    "week",
]


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
@settings(max_examples=400)
def test_no_order_of_words_breaks_the_reader_or_gives_nonsense(text):
    dose = read_text(text)
    for part in (dose, *dose.steps):
        for low, high in (
            (part.low, part.high),
            (part.per_day_low, part.per_day_high),
            (part.daily_low, part.daily_high),
        ):
            assert (low is None) == (high is None)
            assert low is None or 0 <= low <= high
            assert high is None or high > 0


@pytest.mark.parametrize(
    "text",
    [
        "1" * 590,
        "1-" * 290,
        "(" * 590,
        "1/2 " * 140,
        "a.b." * 140,
        "then " * 110,
        "1 tablet and " * 40,
        "½" * 590,
        "for pain " * 60,
        "- " * 290,
    ],
)
def test_hostile_text_costs_bounded_time(text):
    start = time.perf_counter()
    read_text(text)
    read_text(text * 1000)
    assert time.perf_counter() - start < 1
