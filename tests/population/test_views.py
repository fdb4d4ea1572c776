"""Views: what each way of walking gives, and every refusal with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.population import views
from salus.population.views import read

ADA = {
    "resourceType": "Patient",
    "id": "a",
    "gender": "female",
    "name": [{"family": "One", "given": ["Ada", "May"]}, {"family": "Two"}],
    "telecom": [{"value": "1"}, {"value": "2"}],
}
BOB = {"resourceType": "Patient", "id": "b", "gender": "male"}
FORM = {
    "resourceType": "QuestionnaireResponse",
    "id": "q",
    "item": [{"linkId": "1", "item": [{"linkId": "1.1", "item": [{"linkId": "1.1.1"}]}]}, {"linkId": "2"}],
}


def column(name, path, **more):
    return {"name": name, "path": path, **more}


def rows(*selects, resources=(ADA, BOB), resource="Patient", **more):
    view = read({"resource": resource, "select": list(selects), **more})
    return [tuple(row[c] for c in view.columns) for row in view.rows(resources)]


ID = {"column": [column("id", "getResourceKey()")]}


def test_for_each_leaves_out_who_has_none_and_or_null_keeps_them():
    names = [column("family", "family")]
    assert rows(ID, {"forEach": "name", "column": names}) == [("a", "One"), ("a", "Two")]
    assert rows(ID, {"forEachOrNull": "name", "column": names}) == [("a", "One"), ("a", "Two"), ("b", None)]


def test_row_index_counts_in_its_own_walk():
    inner = {"forEach": "given", "column": [column("n", "%rowIndex"), column("given", "$this")]}
    outer = {"forEach": "name", "column": [column("m", "%rowIndex")], "select": [inner]}
    assert rows(ID, outer) == [("a", 0, 0, "Ada"), ("a", 0, 1, "May")]
    assert rows({"column": [column("top", "%rowIndex")]}) == [(0,), (0,)]


def test_repeat_goes_down_in_the_order_of_the_document():
    walk = {"repeat": ["item"], "column": [column("link", "linkId"), column("i", "%rowIndex")]}
    found = rows(walk, resource="QuestionnaireResponse", resources=[FORM])
    assert found == [("1", 0), ("1.1", 1), ("1.1.1", 2), ("2", 3)]


def test_unions_nest_and_keep_their_order():
    def one(path):
        return {"forEach": path, "column": [column("word", "$this")]}

    union = {"unionAll": [{"unionAll": [one("name.family"), one("telecom.value")]}, one("gender")]}
    assert rows(ID, union) == [
        *[("a", w) for w in ("One", "Two", "1", "2", "female")],
        ("b", "male"),
    ]
    below = {"forEachOrNull": "name", "unionAll": [one("family"), one("given")]}
    assert rows(ID, below) == [("a", "One"), ("a", "Ada"), ("a", "May"), ("a", "Two"), ("b", None)]


def test_where_constants_and_lists():
    wanted = {"constant": [{"name": "sex", "valueCode": "female"}], "where": [{"path": "gender = %sex"}]}
    given_names = {"column": [column("given", "name.given", collection=True, type="string")]}
    assert rows(ID, given_names, **wanted) == [("a", ["Ada", "May"])]
    assert rows(ID, where=[{"path": "active"}]) == []  # nothing is not true
    view = read({"resource": "Patient", "select": [given_names]})
    assert view.types == {"given": ("string", True)}


def test_resources_of_another_type_are_passed_over():
    assert rows(ID, resources=[FORM, BOB]) == [("b",)]


REFUSED = [
    ({"select": [ID]}, "resource"),
    ({"resource": "Pat ient", "select": [ID]}, "resource"),
    ({"resource": "Patient"}, "select"),
    ({"resource": "Patient", "select": []}, "select"),
    ({"resource": "Patient", "select": [{}]}, "select"),
    ({"resource": "Patient", "select": ["x"]}, "select"),
    ({"resource": "Patient", "select": [{**ID, "columns": []}]}, "select"),
    ({"resource": "Patient", "select": [ID, ID]}, "select"),
    ({"resource": "Patient", "select": [{"forEach": "name", "forEachOrNull": "name", **ID}]}, "select"),
    ({"resource": "Patient", "select": [{"forEach": "name..x", **ID}]}, "select.forEach"),
    ({"resource": "Patient", "select": [{"repeat": "item", **ID}]}, "select.repeat"),
    ({"resource": "Patient", "select": [{"repeat": [], **ID}]}, "select.repeat"),
    ({"resource": "Patient", "select": [{"column": {}}]}, "select.column"),
    ({"resource": "Patient", "select": [{"column": [column("1a", "id")]}]}, "select.column"),
    ({"resource": "Patient", "select": [{"column": [column('a" x', "id")]}]}, "select.column"),
    ({"resource": "Patient", "select": [{"column": [{"name": "a"}]}]}, "select.column a"),
    ({"resource": "Patient", "select": [{"column": [column("a", "resolve()")]}]}, "select.column a"),
    ({"resource": "Patient", "select": [{"select": [{"column": [column("a", "(")]}]}]}, "select.select.column a"),
    (
        {"resource": "Patient", "select": [{"unionAll": [ID, {"column": [column("a", ")")]}]}]},
        "select.unionAll[1].column a",
    ),
    ({"resource": "Patient", "select": [{"unionAll": [ID, {"column": [column("a", "id")]}]}]}, "select.unionAll"),
    ({"resource": "Patient", "select": [ID], "where": {"path": "active"}}, "where"),
    ({"resource": "Patient", "select": [ID], "where": [{}]}, "where"),
    ({"resource": "Patient", "select": [ID], "constant": [{"name": "x"}]}, "constant"),
    (
        {"resource": "Patient", "select": [ID], "constant": [{"name": "x", "valueCode": "a", "valueId": "b"}]},
        "constant",
    ),
]


@pytest.mark.parametrize(("definition", "place"), REFUSED)
def test_a_refusal_names_its_place(definition, place):
    with pytest.raises(InputError) as refused:
        read(definition)
    assert str(refused.value.where).partition(": ")[0] == place


def test_selects_nested_too_deep_are_refused():
    select = ID
    for _ in range(views.MAX_DEPTH):
        select = {"select": [select]}
    with pytest.raises(InputError, match="not a select"):
        read({"resource": "Patient", "select": [select]})


def test_several_values_in_one_cell_and_filters_that_are_no_truth_values_are_refused():
    with pytest.raises(InputError, match="several values in column 'family'"):
        rows({"column": [column("family", "name.family")]})
    with pytest.raises(InputError, match="true or false"):
        rows(ID, where=[{"path": "name.family"}])
    with pytest.raises(InputError, match="no constant 'nobody'"):
        rows(ID, where=[{"path": "gender = %nobody"}])


@pytest.mark.parametrize("nested", [False, True])
def test_a_product_that_grows_without_end_is_refused(nested, monkeypatch):
    monkeypatch.setattr(views, "MAX_ROWS_A_RESOURCE", 500)
    walks = [{"forEach": "item", "column": [column(f"c{n}", "linkId")]} for n in range(12)]
    many = {"resourceType": "QuestionnaireResponse", "item": [{"linkId": "x"}] * 20}
    selects = [{"select": walks}] if nested else walks
    with pytest.raises(InputError, match="more than 500 rows"):
        rows(*selects, resource="QuestionnaireResponse", resources=[many])


def test_a_thousand_columns_are_read_in_no_time():
    view = read({"resource": "Patient", "select": [{"column": [column(f"c{n}", "id") for n in range(1000)]}]})
    assert len(view.columns) == 1000


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=4))
def test_selects_side_by_side_give_the_product_of_their_rows(sizes):
    body = {"resourceType": "Basic", **{f"k{n}": list(range(size)) for n, (size, _) in enumerate(sizes)}}
    selects = [
        {"forEachOrNull" if or_null else "forEach": f"k{n}", "column": [column(f"c{n}", "$this")]}
        for n, (_, or_null) in enumerate(sizes)
    ]
    expected = 1
    for size, or_null in sizes:
        expected *= max(size, 1) if or_null else size
    found = rows(*selects, resource="Basic", resources=[body])
    assert len(found) == expected == len(set(found))
