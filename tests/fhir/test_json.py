"""JSON of health data: digits survive, hostile text costs little, and every refusal says where."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import json

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda d: len(str(d)) <= json.MAX_NUMBER_CHARS and abs(d.adjusted()) <= json.MAX_EXPONENT
)
INTEGERS = st.integers(-(10**40), 10**40)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | DECIMALS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def exact(value):
    """``value`` with every number spelled out, so that 1.0 and 1.00 differ."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def as_written(value):
    """Whole numbers beyond 64 bits are Decimals from the start."""
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    whole = isinstance(value, int) and not isinstance(value, bool)
    return Decimal(value) if whole and not -(1 << 63) <= value < 1 << 64 else value


@given(VALUES)
def test_what_is_written_reads_back_digit_for_digit(value):
    text = json.dumps(as_written(value))
    assert exact(json.loads(text)) == exact(value)
    assert json.dumps(json.loads(text)) == text


@given(VALUES)
def test_what_was_written_is_reread_as_it_is_read(value):
    text = json.dumps(json.loads(json.dumps(as_written(value))))
    again = json.reread(text)
    assert exact(again) == exact(json.loads(text))
    assert json.dumps(again) == text


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1} 2', b"\xff", b"NaN", b" {}"])
def test_what_is_not_what_was_written_is_refused(data):
    with pytest.raises(InputError):
        json.reread(data)


@given(VALUES)
def test_every_object_is_found_once_and_no_value_is_taken_for_one(value):
    def count(item):
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        return isinstance(item, dict) + sum(map(count, inner))

    found = json.objects(value)
    assert len(found) == count(value)
    assert all(isinstance(item, dict) for item in found)


@pytest.mark.parametrize(
    "text", ["1.0", "1.00", "0.10", "-0.0", "5.40E+3", "1E-7", "123456789012345678901234567890", "1E+400", "0E-10"]
)
def test_a_number_keeps_its_digits(text):
    value = json.loads(text.encode())
    assert not isinstance(value, float)
    assert json.dumps(value) == text.encode()


def test_canonical_form_does_not_depend_on_the_order_of_members():
    one, two = json.loads(b'{"b": 1.50, "a": {"d": 1, "c": 2}}'), json.loads(b'{"a": {"c": 2, "d": 1}, "b": 1.50}')
    assert json.dumps(one, canonical=True) == json.dumps(two, canonical=True) == b'{"a":{"c":2,"d":1},"b":1.50}'


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity"), object(), {1}])
def test_what_is_no_json_is_never_written(number):
    with pytest.raises(TypeError):
        json.dumps({"value": number})


@pytest.mark.parametrize(
    ("data", "what", "where"),
    [
        (b"", "empty", None),
        (b" \n\t", "empty", None),
        (b"\xef\xbb\xbf", "empty", None),
        (b'{"a": 1', "not valid JSON", "line 1 column 8"),
        (b'{"resourceType": "Bundle",\n "entry": [\n  {"resou', "not valid JSON", "line 3 column 4"),
        (b'{"a": 1} {"b": 2}', "not valid JSON", "line 1 column 10"),
        (b"Dear colleague,", "not valid JSON", "line 1 column 1"),
        (b'{"a": "f\xfcr"}', "not UTF-8", "byte 8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8", "byte 0"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' stands twice", None),
        (b'[\n {"value": NaN}]', "NaN", "line 2 column 12"),
        (b'{"NaN": "NaN", "v": -Infinity}', "Infinity", "line 1 column 21"),
        (b'{"1e999": "1e999",\n "value": 1e999}', "giant exponent", "line 2 column 11"),
        (b'{"value": 1e-401}', "giant exponent", "line 1 column 11"),
        (b'{"value": 0e999999999}', "giant exponent", "line 1 column 11"),
        (b"[1e99999999999999999999999]", "giant exponent", "line 1 column 2"),
        (b"[1, " + b"9" * 65 + b"]", "65 characters", "line 1 column 5"),
        (b"[0." + b"1" * 63 + b"]", "65 characters", "line 1 column 2"),
        (b'{"a": "\\ud800"}', "surrogate", None),
        (b'{"\\uDFFF": 1}', "surrogate", None),
    ],
)
def test_a_refusal_says_what_and_where(data, what, where):
    with pytest.raises(InputError) as refused:
        json.loads(data)
    assert what in refused.value.what
    assert refused.value.where == where


def test_a_byte_order_mark_and_whole_surrogate_pairs_are_read():
    assert json.loads(b'\xef\xbb\xbf{"a": "\\ud83e\\ude7a"}') == {"a": "\N{STETHOSCOPE}"}


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_sixty_four_levels_are_read_and_one_more_is_not(opening, closing):
    def nested(depth):
        return (opening * depth + ("0" if closing == "}" else "") + closing * depth).encode()

    json.loads(nested(json.MAX_DEPTH))
    for depth in (json.MAX_DEPTH + 1, 200, 100_000):
        with pytest.raises(InputError, match="nested"):
            json.loads(nested(depth))
    with pytest.raises(InputError):
        json.loads(opening.encode() * 100_000)


def test_hostile_text_costs_bounded_time():
    started = time.process_time()
    for data in (b"[" + b"1e5," * 200_000 + b"1e999]", b'["' + b"\\n" * 500_000 + b'", 1e999]', b"9" * 2_000_000):
        with pytest.raises(InputError):
            json.loads(data)
    assert time.process_time() - started < 5


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(data):
    try:
        value = json.loads(data)
    except InputError:
        return
    assert exact(json.loads(json.dumps(value))) == exact(value)


def test_nesting_is_bounded_also_where_a_library_lifted_pythons_limit():
    import sys

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)
    try:
        for text in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500):
            with pytest.raises(InputError, match="nested deeper"):
                json.loads(text)
        assert json.loads(b"[" * 60 + b"]" * 60)
    finally:
        sys.setrecursionlimit(before)


def test_every_object_of_a_value_is_found_at_any_depth():
    deep = {"n": 3}
    for _ in range(5000):
        deep = {"x": [deep, "y", None]}
    assert sum(1 for _ in json.objects(deep)) == 5001
    assert list(json.objects(["a", 1])) == []
