"""Running methods: reuse where nothing changed, and no method can break the run."""

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from salus.errors import InputError, MethodError
from salus.findings.method import Context
from salus.findings.registry import check, ordered
from salus.findings.runner import run
from salus.record.chart import Chart
from tests.conftest import creatinine, person
from tests.findings.made import Made, finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def chart(*resources, now=NOW):
    return Chart.of([person(), *resources], now=now)


def reading(text="eGFR 55."):
    def act(view, context):
        latest = view.latest("creatinine")
        return [finding(sentence=f"{text} {latest.quantity if latest else 'none'}")]

    return act


def test_a_method_whose_read_set_still_holds_is_not_run_again():
    method = Made("m", reading())
    first = run([method], chart(creatinine("1.0", "2026-01-01", "c1")))
    assert first.computed == ("m",)
    later = chart(
        creatinine("1.0", "2026-01-01", "c1"), creatinine("9.0", "2027-01-01", "future"), now=NOW + timedelta(1)
    )
    again = run([method], later, previous=first.findings)
    assert (again.findings, again.computed, method.runs) == (first.findings, (), ["m"])


@pytest.mark.parametrize("change", ["data", "version", "parameters", "knowledge"])
def test_a_change_of_data_version_or_context_runs_it_again(change):
    data = [creatinine("1.0", "2026-01-01", "c1")]
    first = run([Made("m", reading())], chart(*data))
    method = Made("m", reading(), version="2" if change == "version" else "1")
    contexts = {
        "parameters": {"m": Context({"k": 1})},
        "knowledge": {"m": Context({}, {"f": b"x"}, {"f": "00"})},
    }.get(change)
    newer = [creatinine("1.4", "2026-02-01", "c2")] if change == "data" else []
    again = run([method], chart(*data, *newer), contexts=contexts, previous=first.findings)
    assert again.computed == ("m",)
    assert again.findings[0].version_hash != first.findings[0].version_hash
    assert again.findings[0].id == first.findings[0].id


def test_who_asks_for_the_time_is_run_at_every_time():
    method = Made("m", lambda view, context: [finding(sentence=view.now.isoformat())])
    first = run([method], chart())
    assert run([method], chart(), previous=first.findings).computed == ("m",)
    assert run([method], chart(now=NOW + timedelta(1)), previous=first.findings).computed == ("m",)


def test_a_method_reads_the_findings_that_it_consumes():
    first = Made("z.first", lambda view, context: [finding(sentence="one")])
    second = Made(
        "a.second",
        lambda view, context: [finding("course", sentence=f"two after {view.findings('egfr')[0].sentence}")],
        produces=("course",),
        consumes=("egfr",),
    )
    outcome = run(ordered([second, first]), chart())
    assert [f.sentence for f in outcome.findings] == ["one", "two after one"]


def boom(error):
    def act(view, context):
        assert view.patient
        raise error

    return act


def midway(view, context):
    yield finding()
    raise RuntimeError("Ada Example MRN-p1")


BROKEN = {
    "raises": boom(ValueError("Ada Example")),
    "exits": boom(SystemExit(3)),
    "fails midway": midway,
    "runs into the ground": lambda view, context: (_ for _ in iter(lambda: (lambda f: f(f))(lambda f: f(f)), None)),
    "returns nothing": lambda view, context: None,
    "returns words": lambda view, context: ["a finding"],
    "returns another code": lambda view, context: [finding("something-else")],
    "returns the same twice": lambda view, context: [finding(), finding()],
    "returns what is no JSON": lambda view, context: [finding(details={"x": object()})],
    "returns half a character": lambda view, context: [finding(sentence="\ud800")],
    "returns no number": lambda view, context: [finding(details={"x": Decimal("NaN")})],
    "cites nothing": lambda view, context: [finding(evidence=())],
    "refuses in salus's words": boom(InputError("no VCF", "line 3")),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN)
def test_a_broken_method_is_reported_without_the_patients_data_and_the_rest_goes_on(act):
    good = Made("b.good", lambda view, context: [finding("other", sentence="fine")], produces=("other",))
    outcome = run([Made("a.bad", act), good], chart())
    assert [f.code for f in outcome.findings] == ["other"]
    assert [f.method for f in outcome.failures] == ["a.bad"]
    assert outcome.failures[0].why
    assert "Ada" not in outcome.failures[0].why
    assert "MRN" not in outcome.failures[0].why


def test_what_a_failing_method_found_before_stays_only_while_its_reads_hold():
    first = run([Made("m", reading())], chart(creatinine("1.0", "2026-01-01", "c1")))
    broken = Made("m", boom(ValueError()), version="2")
    same = run([broken], chart(creatinine("1.0", "2026-01-01", "c1")), previous=first.findings)
    assert same.findings == first.findings
    changed = run([broken], chart(creatinine("2.0", "2026-01-01", "c1")), previous=first.findings)
    assert changed.findings == ()
    assert len(changed.failures) == 1


def test_findings_of_a_method_that_is_gone_are_not_carried_on():
    first = run([Made("m", reading())], chart())
    assert run([], chart(), previous=first.findings).findings == ()


def test_details_come_back_as_they_are_kept_so_that_nothing_is_amended_for_its_form():
    odd = {"tiny": 1e-7, "pair": (1, 2), "digits": Decimal("1.00"), "big": 10**18}
    method = Made("m", lambda view, context: [finding(details=odd)])
    first, second = run([method], chart()), run([method], chart())
    assert first.findings == second.findings
    assert first.findings[0].version_hash == second.findings[0].version_hash
    assert first.findings[0].details["pair"] == [1, 2]


def test_a_cycle_is_refused_at_registration():
    one = Made("one", produces=("a",), consumes=("b",))
    two = Made("two", produces=("b",), consumes=("a",))
    with pytest.raises(MethodError, match="one > two > one"):
        ordered([one, two])
    with pytest.raises(MethodError, match="self > self"):
        ordered([Made("self", produces=("a",), consumes=("a",))])


@pytest.mark.parametrize(
    "change",
    [{"inputs": ("blood",)}, {"inputs": ["record"]}, {"produces": "egfr"}, {"consumes": None}, {"limits": "none"}],
)
def test_a_method_that_breaks_the_contract_is_refused(change):
    with pytest.raises(MethodError):
        check(Made("m", **change))
    with pytest.raises(MethodError, match="without"):
        check(object())


def test_deep_recursion_in_a_method_is_a_failure():
    def deep(view, context):
        def again(n):
            return again(n + 1)

        return again(0)

    limit = sys.getrecursionlimit()
    outcome = run([Made("m", deep)], chart())
    assert "RecursionError" in outcome.failures[0].why
    assert sys.getrecursionlimit() == limit
