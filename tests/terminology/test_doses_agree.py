"""Structured and written instructions against each other: the same said in both ways is read alike."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.terminology.doses import daily_mg, read_fhir, read_text


def amount(value, unit="mg"):
    return {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}]}


def repeat(**elements):
    return {"timing": {"repeat": elements}}


UNITS = [
    ("mg", "mg"),
    ("tablet", "{tablet}"),
    ("capsules", "{capsule}"),
    ("mL", "mL"),
    ("units", "[iU]"),
    ("puffs", "{puff}"),
    ("g", "mg"),
]
PERIODS = [("d", "day", "days"), ("wk", "week", "weeks"), ("mo", "month", "months"), ("h", "hour", "hours")]
NUMBERS = st.one_of(
    st.integers(1, 2000), st.decimals(Decimal("0.25"), Decimal("99.75"), places=2), st.sampled_from([Decimal("0.5")])
)


@st.composite
def instructions(draw):
    """A Dosage element and the words that say the same."""
    value, (unit, _), (code, one, many) = draw(NUMBERS), draw(st.sampled_from(UNITS)), draw(st.sampled_from(PERIODS))
    times, period = draw(st.integers(1, 6)), draw(st.integers(1, 14))
    if code == "h":
        times, period = 1, max(period, 2)
    often = f"{times} times every {period} {many}" if period > 1 else f"{times} times a {one}"
    if times == 1:
        often = f"every {period} {many}" if period > 1 else f"once a {one}"
    element = amount(value, unit) | repeat(frequency=times, period=period, periodUnit=code)
    text = f"{value} {unit} {often}"
    if draw(st.booleans()):
        element, text = element | {"asNeededBoolean": True}, f"{text} as needed"
    return element, text


@given(instructions())
@settings(max_examples=300)
def test_a_structure_and_the_words_for_it_are_read_alike(both):
    element, text = both
    structured, said = read_fhir([element]), read_text(text)
    assert structured.understood, structured.why
    assert said.understood, f"{text}: {said.why}"
    for name in ("low", "high", "unit", "per_day_low", "per_day_high", "daily_low", "daily_high", "as_needed"):
        assert getattr(structured, name) == getattr(said, name), name
    joined = read_fhir([element | {"text": text}])
    assert joined.understood
    assert daily_mg(joined, Decimal(20)) == daily_mg(said, Decimal(20)) == daily_mg(structured, Decimal(20))


@given(instructions(), instructions())
def test_two_instructions_agree_only_where_they_say_the_same(one, other):
    dose = read_fhir([one[0] | {"text": other[1]}])
    same, said = read_fhir([one[0]]), read_text(other[1])
    alike = all(getattr(same, n) == getattr(said, n) for n in ("low", "high", "per_day_low", "per_day_high"))
    if dose.understood:
        assert (same.per_day_low, same.per_day_high) == (said.per_day_low, said.per_day_high)
        assert alike or "mg" in (same.unit, said.unit)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
NAMES = [
    "text",
    "timing",
    "doseAndRate",
    "doseQuantity",
    "doseRange",
    "asNeededBoolean",
    "sequence",
    "code",
    "repeat",
    "coding",
]
NAMES += [
    "frequency",
    "period",
    "periodUnit",
    "when",
    "timeOfDay",
    "dayOfWeek",
    "boundsPeriod",
    "value",
    "unit",
    "low",
    "high",
    "count",
]
ELEMENTS = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(JSON, st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4)), max_size=6
)


@given(st.lists(st.one_of(ELEMENTS, JSON), max_size=3))
@settings(max_examples=300)
def test_no_element_breaks_the_reader(elements):
    dose = read_fhir(elements)
    assert dose.understood or dose.why
