"""FHIRPath of views: values by a table, refusals by name, and hostile text at a bounded price."""

import sys
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import fhirpath
from salus.fhir.fhirpath import FUNCTIONS, Budget, Environment

RACE = "urn:example:race"
BODY = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "deceasedBoolean": False,
    "birthDate": "1968-03",
    "statusHistory": [{"status": "old"}],
    "name": [
        {"use": "official", "family": "Example", "given": ["Ada", "May"]},
        {"use": "nickname", "given": ["Adi"]},
    ],
    "generalPractitioner": [{"reference": "Practitioner/d1"}, {"reference": "Organization/o1"}, {"reference": "#c"}],
    "extension": [
        {"url": RACE, "valueCoding": {"code": "x"}},
        {"url": "urn:other", "valueDateTime": "2020-01-01T10:30Z"},
    ],
    "period": {"start": "2020-01-01T01:00:00+02:00", "end": "2020-01-01T00:30:00Z"},
    "valueQuantity": {"value": Decimal("1.20"), "unit": "g"},
}


def ask(text: str, **constants):
    return [node.value for node in fhirpath.compile(text)(BODY, Environment(constants, BODY))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient.id", ["p1"]),
        ("name.given", ["Ada", "May", "Adi"]),
        ("name[1].given[0]", ["Adi"]),
        ("name[9].given", []),
        ("name.where(use = 'official').family", ["Example"]),
        ("name.where(use = 'none').family", []),
        ("name.first().given.first()", ["Ada"]),
        ("name.given.last()", ["Adi"]),
        ("name.given.join('-')", ["Ada-May-Adi"]),
        ("name.prefix.join(',')", [""]),
        ("name.given.where($this.startsWith('A')).count()", [2]),
        ("name.select(use & ':' & family)", ["official:Example", "nickname:"]),
        ("name.all(given.exists())", [True]),
        ("contact.empty()", [True]),
        ("iif(active, 'yes', 'no')", ["yes"]),
        # choice elements, and what only looks like one
        ("deceased", [False]),
        ("value.ofType(Quantity).unit", ["g"]),
        ("value.ofType(string)", []),
        ("status", []),
        (f"extension('{RACE}').value.ofType(Coding).code", ["x"]),
        ("extension('urn:none')", []),
        # keys
        ("getResourceKey()", ["p1"]),
        ("generalPractitioner.getReferenceKey()", ["d1", "o1"]),
        ("generalPractitioner.getReferenceKey(Organization)", ["o1"]),
        ("generalPractitioner.getReferenceKey(Patient)", []),
        # logic of three values
        ("true and {}", []),
        ("false and {}", [False]),
        ("true or {}", [True]),
        ("false or {}", []),
        ("true xor {}", []),
        ("{} implies true", [True]),
        ("{}.not()", []),
        ("true.not()", [False]),
        # numbers
        ("1 + 2 * 3 - -4", [11]),
        ("--2", [2]),
        ("7 div -2", [-3]),
        ("-7 mod 2", [-1]),
        ("1 / 4", [Decimal("0.25")]),
        ("1 / 0", []),
        ("1 div 0", []),
        ("9223372036854775807 + 1", []),
        ("1.0 = 1.00", [True]),
        ("1 | 2 | 1", [1, 2]),
        ("2 in (1 | 2)", [True]),
        ("(1 | 2) contains 3", [False]),
        ("{} ~ {}", [True]),
        ("{} = 1", []),
        # dates: the answer is empty where precision or an unstated zone leaves it open
        ("birthDate < @1968-04-01", [True]),
        ("birthDate < @1968-03-15", []),
        ("birthDate = @1968-03", [True]),
        ("birthDate = @1968-03-01", []),
        ("period.start < period.end", [True]),
        ("period.end <= @2020-01-01T00:30", []),
        ("@2020-01-01T12:00:00Z = @2020-01-01T14:00:00.0+02:00", [True]),
        ("@T10:30 > @T09", [True]),
        ("@T10:30 = @T10", []),
        # boundaries
        ("1.20.lowBoundary()", [Decimal("1.195")]),
        ("value.ofType(Quantity).value.highBoundary()", [Decimal("1.205")]),
        ("@2020-02.lowBoundary()", ["2020-02-01"]),
        ("@2020-02.highBoundary()", ["2020-02-29"]),
        ("@2020.highBoundary()", ["2020-12-31"]),
        ("@2020-01-01T10.lowBoundary()", ["2020-01-01T10:00:00.000+14:00"]),
        ("extension.value.ofType(dateTime).highBoundary()", ["2020-01-01T10:30:59.999Z"]),
        ("@T10:30.lowBoundary()", ["10:30:00.000"]),
        ("@T10.highBoundary()", ["10:59:59.999"]),
        ("active.highBoundary()", []),
        ("'2020-13'.lowBoundary()", []),
        # texts
        (r"'it\'s'.length()", [4]),
        ("'aB'.upper() + 'Cd'.lower()", ["ABcd"]),
        ("active.toString()", ["true"]),
        ("'abc'.contains('b') and 'abc'.endsWith('c')", [True]),
    ],
)
def test_expressions(text, expected):
    assert ask(text) == expected


def test_constants_and_the_resource():
    assert ask("name.where(use = %kind).given", kind="nickname") == ["Adi"]
    assert ask("name.select(%resource.id).distinct()") == ["p1"]
    assert ask("%nothing.empty()", nothing=None) == [True]
    with pytest.raises(InputError, match="no constant 'missing'"):
        ask("%missing")


@pytest.mark.parametrize("text", ["active < 1", "'a' > 1", "name[0] < name[1]", "true < false", "birthDate > 3"])
def test_kinds_that_cannot_be_compared_are_refused(text):
    with pytest.raises(InputError, match="two kinds"):
        ask(text)


@pytest.mark.parametrize(
    "text", ["name.given.lower()", "name.given in ('a')", "name.given < 'a'", "name[0].toString()", "-'a'", "1 + 'a'"]
)
def test_several_values_and_the_wrong_kind_are_refused_where_one_is_meant(text):
    with pytest.raises(InputError):
        ask(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "name.", "name..given", "name[", "(1", "1 2", "{1}", "name.resolve()", "memberOf('x')", "where()",
        "first(1)", "'open", "@2020-13", "@2021-02-29", "$index", "name is x", "iif(true 1)", "ofType('x')", "a ! b",
        "99999999999999999999", "1.lowBoundary(2)", "a,b", None, 5,
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_when_it_is_compiled(text):
    with pytest.raises(InputError):
        fhirpath.compile(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000 + "1" + ")" * 50_000,
        "(" * 1900 + "1" + ")" * 1900,
        "a.where(" * 400 + "true" + ")" * 400,
        "a[" * 1000 + "0" + "]" * 1000,
        "'" + "x" * 100_000,
        "1" * 100_000,
        "+".join("1" * 50_000),
    ],
)
def test_hostile_text_is_refused_at_once(text):
    begun = process_time()
    with pytest.raises(InputError):
        fhirpath.compile(text)
    assert process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-" * 3998 + "1", [1]),
        ("1" + "+1" * 1900, [1901]),
        ("name" + ".name" * 790, []),
        ("name" + "[0]" * 1300, []),
        ("(1+" * 28 + "1" + ")" * 28, [29]),
    ],
)
def test_long_expressions_do_not_need_a_deep_stack(text, expected):
    assert len(text) <= fhirpath.MAX_LENGTH
    assert ask(text)[:1] == expected or text.startswith("name[")


def test_the_deepest_expression_allowed_fits_into_a_third_of_the_stack():
    depth = fhirpath.MAX_DEPTH - 1
    step = "%resource.name.exists(true implies false or true and 1 + 1 * 1 = 2 and "
    run = fhirpath.compile(step * depth + "true" + ")" * depth)
    limit = sys.getrecursionlimit()
    frame, used = sys._getframe(), 0
    while frame:
        frame, used = frame.f_back, used + 1
    try:
        sys.setrecursionlimit(used + 700)
        assert [node.value for node in run(BODY, Environment({}, BODY))] == [True]
    finally:
        sys.setrecursionlimit(limit)


def test_work_and_texts_are_bounded():
    nested = "%resource.name.given" + ".where(%resource.name.given" * 20 + ".exists()" + ").exists()" * 20
    with pytest.raises(InputError, match="too much work"):
        fhirpath.compile(nested)(BODY, Environment({}, BODY, Budget(50_000)))
    with pytest.raises(InputError, match="a text of more"):
        ask("'xxxxxxxxxx'" + ".select($this & $this)" * 40)
    assert ask("3" + ".select($this * $this)" * 40) == []
    with pytest.raises(InputError, match="too much work"):
        fhirpath.compile("name" + ".select(%resource.name)" * 60)(BODY, Environment({}, BODY, Budget(50_000)))


@pytest.mark.parametrize("odd", [{"extension": ["x"]}, {"extension": "x"}, {"extension": [None, 1]}])
def test_extensions_that_are_no_elements_are_passed_over(odd):
    assert fhirpath.compile("extension('x')")({"resourceType": "Patient", **odd}, Environment({})) == []


WORDS = [
    *FUNCTIONS, "name", "given", "active", "birthDate", "period", "extension", "value", "id", "(", ")", "[", "]", "{",
    "}", ".", ",", "+", "-", "*", "/", "&", "|", "=", "!=", "~", "!~", "<", ">", "<=", ">=", "and", "or", "xor",
    "implies",
    "in", "contains", "div", "mod", "true", "false", "$this", "$index", "%resource", "%x", "1", "0", "2.50", "'a'",
    "''", "@2020", "@2020-02-30", "@T10:30", "@2020-01-01T10:00Z", "`x`", "Patient", "Quantity",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=30))
def test_random_text_is_answered_or_refused_and_nothing_else(text):
    try:
        found = fhirpath.compile(text)(BODY, Environment({"x": "2020"}, BODY))
    except InputError:
        return
    assert all(node.value is not None for node in found)


PATHS = st.recursive(
    st.sampled_from(["name", "name.given", "active", "birthDate", "period.end", "1", "2.5", "'a'", "@2020-01", "{}"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([*sorted(fhirpath.values.OPERATORS), "and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(inner, st.sampled_from([n for n, k in FUNCTIONS.items() if k[0] == 0])).map(
            lambda t: f"{t[0]}.{t[1]}()"
        ),
        st.tuples(inner, st.sampled_from(["where", "select", "exists", "all", "startsWith", "extension"]), inner).map(
            lambda t: f"{t[0]}.{t[1]}({t[2]})"
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(PATHS)
def test_well_formed_expressions_are_answered_or_refused(text):
    run = fhirpath.compile(text)
    try:
        found = run(BODY, Environment({}, BODY))
    except InputError:
        return
    assert all(node.value is not None for node in found)
