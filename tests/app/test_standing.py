"""Findings and plans stand until something is written, a time passes, or what they are made by is another."""

import sqlite3
import uuid
from datetime import timedelta

import pytest

from salus.app import standing
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.app.standing import part
from salus.errors import StoreError
from salus.fhir.views import TAG_CATEGORY
from salus.record.forgetting import forget
from salus.record.store import Change
from salus.trust.consent_drafts import closure_resource
from tests.conftest import bundle, creatinine, person
from tests.findings.made import Made, finding

DAY = timedelta(days=1)


class Counted:
    """A method that counts how often it is run."""

    def __init__(self, made=None, **more):
        self.runs = 0
        self.method = Made("m", self.run, **more)
        self.made = made or (lambda view: [finding(sentence=f"{view.latest('creatinine').quantity}")])

    def run(self, view, context):
        self.runs += 1
        return self.made(view)


def take(ward, *resources):
    value = {**bundle(person(), *resources), "timestamp": ward.time.isoformat()}
    Intake(Session(ward.house, ward.operator)).run([ward.write("in.json", value)])


def session_with(ward, *methods, house=None, who=None):
    session = Session(house or ward.house, who or ward.patient)
    session._methods = ([m.method if isinstance(m, Counted) else m for m in methods], [])
    return session


def looks(ward, monkeypatch):
    """Who had a record's resources listed."""
    counted = []
    places = type(ward.house.store).places

    def listed(store, scope):
        counted.append(scope.actor)
        return places(store, scope)

    monkeypatch.setattr(type(ward.house.store), "places", listed)
    return counted


def who(ward):
    return ward.house.authenticate(ward.patient)


@pytest.fixture
def known(ward):
    take(ward, creatinine("1.0", "2026-01-01", "c1"))
    return ward


def test_nothing_is_read_or_run_while_nothing_changed_in_whichever_process(known, monkeypatch):
    method = Counted()
    first, _ = session_with(known, method).plan("p1", known.time)
    whole = looks(known, monkeypatch)
    with House(known.house.configuration, clock=lambda: known.time) as another:
        for session in (session_with(known, method), session_with(known, method, house=another)):
            plan, opened = session.plan("p1", known.time)
            assert plan == first
            assert [f.sentence for f in opened.findings] == [f.sentence for f in first.findings] == ["1.0 mg/dL"]
        assert method.runs == 1
        assert whole == []
        assert opened.chart.latest("creatinine")  # the chart is there for who asks
        assert whole == ["pat"]


def test_what_is_written_ends_it(known):
    method = Counted()
    session_with(known, method).plan("p1", known.time)
    take(known, creatinine("1.4", "2026-01-01", "c1"))
    plan, _ = session_with(known, method).plan("p1", known.time)
    assert ([f.sentence for f in plan.findings], method.runs) == (["1.4 mg/dL"], 2)


@pytest.mark.parametrize(("later", "runs"), [(timedelta(hours=2), 1), (200 * DAY, 2)])
def test_the_time_from_which_an_answer_may_differ_ends_it(known, later, runs):
    def recent(view):
        young = view.now - view.latest("creatinine").effective.start < 180 * DAY
        return [finding(sentence="recent" if young else "old")]

    method = Counted(recent)
    told = [session_with(known, method).plan("p1", known.time)[0].findings[0].sentence]
    known.time += later
    told.append(session_with(known, method).plan("p1", known.time)[0].findings[0].sentence)
    assert (told, method.runs) == (["recent", "recent" if runs == 1 else "old"], runs)


def test_what_was_dated_ahead_ends_it_when_its_time_comes(known):
    take(known, creatinine("2.0", (known.time + 3 * DAY).date().isoformat(), "ahead"))
    method = Counted()
    sentences = []
    for _ in range(5):
        sentences.append(session_with(known, method).plan("p1", known.time)[0].findings[0].sentence)
        known.time += DAY
    assert sentences == ["1.0 mg/dL"] * 3 + ["2.0 mg/dL"] * 2


def test_a_plan_is_made_anew_when_the_person_has_a_birthday(known):
    known.time = known.time.replace(month=3, day=13, hour=23)
    session = session_with(known, Counted())
    ages = [session.plan("p1", known.time + timedelta(hours=n))[0].summary["age"] for n in (0, 0)]
    known.time += timedelta(hours=2)
    assert [*ages, session_with(known, Counted()).plan("p1", known.time)[0].summary["age"]] == [57, 57, 58]


def test_another_version_of_a_method_and_another_method_end_it(known):
    method = Counted()
    session_with(known, method).plan("p1", known.time)
    method.method.version = "2"
    session_with(known, method).plan("p1", known.time)
    assert method.runs == 2
    other = Counted(lambda view: [finding(sentence="another", target="x")])
    other.method.id = "n"
    plan, _ = session_with(known, method, other).plan("p1", known.time)
    assert {f.sentence for f in plan.findings} == {"1.0 mg/dL", "another"}


def test_a_method_that_broke_is_tried_again(known):
    def breaks(view):
        raise ValueError("no")

    method = Counted(breaks)
    for _ in range(2):
        _, opened = session_with(known, method).plan("p1", known.time)
        assert [f.method for f in opened.refresh.failures] == ["m"]
    assert method.runs == 2


def test_what_is_written_between_reading_and_keeping_is_not_lost(known):
    def slow(view):
        sentence = f"{view.latest('creatinine').quantity}"
        if method.runs == 1:
            scope = known.house.gate.custodian(known.house.registry.actors["operator"], "p1")
            change = Change("Observation", "c1", creatinine("3.0", "2026-01-01", "c1"))
            known.house.store.commit(scope, [change], at=known.house.time())
        return [finding(sentence=sentence)]

    method = Counted(slow)
    told = [session_with(known, method).plan("p1", known.time)[0].findings[0].sentence for _ in range(3)]
    assert (told, method.runs) == (["1.0 mg/dL", "3.0 mg/dL", "3.0 mg/dL"], 2)


def test_each_reader_has_the_plan_of_what_is_released_to_him(known):
    method = Counted()
    Session(known.house, known.patient).give_consent("p1", known.time, actors=["dr-lee"], categories=["record"])
    whole, _ = session_with(known, method).plan("p1", known.time)
    for _ in range(2):
        part, opened = session_with(known, method, who=known.clinician).plan("p1", known.time)
        assert part.looked_at == ("record",)
        assert opened.grant.categories == {"record"}
    assert whole.looked_at != part.looked_at
    assert method.runs == 1  # what was drawn from nothing that is withheld is taken as it is


def test_a_closure_to_processing_ends_it(known):
    method = Counted(lambda view: [finding(sentence="seen" if view.latest("creatinine") else "none seen")])
    told = [session_with(known, method).plan("p1", known.time)[1].findings[0].sentence]
    Session(known.house, known.patient).close_to_processing("p1", known.time, categories=["record"])
    told += [f.sentence for f in session_with(known, method).plan("p1", known.time)[1].findings]
    assert told in (["seen"], ["seen", "none seen"])


@pytest.mark.parametrize("damage", [b"", b"x" * 80])
def test_a_damaged_memo_counts_as_none(known, damage):
    method = Counted()
    first, _ = session_with(known, method).plan("p1", known.time)
    known.house.store.connection.execute("UPDATE memo SET body = ?", (damage,))
    again, _ = session_with(known, method).plan("p1", known.time)
    assert again == first
    assert not known.house.verify().problems


def test_one_memo_does_not_stand_for_another(known):
    session_with(known, Counted()).plan("p1", known.time)
    connection = known.house.store.connection
    places = connection.execute("SELECT kind, name FROM memo ORDER BY kind").fetchall()
    assert [kind for kind, _ in places] == ["findings", "plan"]
    assert not any(b"record" in name for _, name in places)
    connection.execute("UPDATE memo SET body = (SELECT body FROM memo WHERE kind = 'findings')")
    scope = known.house.gate.custody("service", "p1")
    asked = [("findings", ""), ("plan", part(known.house.gate.grant(who(known), "p1", "PATRQT")))]
    assert [known.house.store.memo(scope, *place) is None for place in asked] == [False, True]


def test_new_findings_end_the_plans_of_earlier_ones_and_erasure_all(known):
    method = Counted()
    Session(known.house, known.patient).give_consent("p1", known.time, actors=["dr-lee"], categories=["record"])
    for who in (known.patient, known.clinician):
        session_with(known, method, who=who).plan("p1", known.time)
    connection = known.house.store.connection
    assert connection.execute("SELECT count(*) FROM memo").fetchone() == (3,)
    take(known, creatinine("1.4", "2026-01-01", "c1"))
    session_with(known, method).plan("p1", known.time)
    assert connection.execute("SELECT count(*) FROM memo").fetchone() == (2,)
    scope = known.house.gate.custody("operator", "p1")
    with known.house.store.transaction(scope) as writing:
        forget(writing, scope)
    assert connection.execute("SELECT count(*) FROM memo").fetchone() == (0,)


def test_a_store_that_cannot_be_written_costs_no_plan(known, monkeypatch):
    def full(*_, **__):
        raise StoreError("full")

    monkeypatch.setattr(type(known.house.store), "memorise", full)
    method = Counted()
    plans = [session_with(known, method).plan("p1", known.time)[0] for _ in range(2)]
    assert plans[0] == plans[1]


def test_nothing_of_a_person_stands_readable_in_the_file(known):
    session_with(known, Counted()).plan("p1", known.time)
    path = known.house.configuration.store_file
    known.house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT count(*) FROM memo").fetchone() == (2,)
    assert b"1.0 mg/dL" not in path.read_bytes()


def test_a_closure_that_also_hits_the_findings_themselves_takes_none_away(known):
    """A closed period that includes today closes what the house itself writes today."""
    method = Counted(lambda view: [finding(sentence=f"{len(view.observations('creatinine'))} known")])
    patient = Session(known.house, known.patient)
    body = closure_resource(id=str(uuid.uuid4()), patient="p1", dated=known.time, categories=["record"])
    body["provision"].pop("class")
    body["provision"]["dataPeriod"] = {"start": "2026-05-01"}
    patient._sign_and_file("p1", patient.bound("p1", body), False)
    for _ in range(3):
        plan, opened = session_with(known, method).plan("p1", known.time)
        assert [f.sentence for f in plan.findings] == [f.sentence for f in opened.findings] == ["1 known"]
        known.time += timedelta(minutes=1)


def test_findings_are_of_what_they_were_drawn_from_now_and_not_of_what_once_was_open(known):
    """The stored finding says the same and is not written again; its kinds of data are those of before."""
    take(
        known, {**creatinine("2.0", "2026-02-01", "c2"), "meta": {"tag": [{"system": TAG_CATEGORY, "code": "genome"}]}}
    )
    method = Counted(lambda view: [finding(sentence=f"{bool(view.observations('creatinine'))}")])
    session_with(known, method).plan("p1", known.time)
    Session(known.house, known.patient).close_to_processing("p1", known.time, categories=["genome"])
    kinds = [session_with(known, method).plan("p1", known.time)[1].findings[0].read_set for _ in range(2)]
    assert kinds[0] == kinds[1]
    assert all("genome" not in read.categories for read in kinds[1])


def test_what_is_written_right_after_the_findings_is_not_vouched_for(known, monkeypatch):
    method = Counted()
    keep = standing.keep

    def late(house, patient, kind, *more):
        if kind == standing.FINDINGS and method.runs == 1:
            scope = house.gate.custodian(house.registry.actors["operator"], "p1")
            change = Change("Observation", "c1", creatinine("9.0", "2026-01-01", "c1"))
            house.store.commit(scope, [change], at=house.time())
        keep(house, patient, kind, *more)

    monkeypatch.setattr(standing, "keep", late)
    told = [session_with(known, method).plan("p1", known.time)[0].findings[0].sentence for _ in range(3)]
    assert told == ["1.0 mg/dL", "9.0 mg/dL", "9.0 mg/dL"]


def test_a_chart_that_is_read_after_its_plan_must_be_of_the_same_record(known):
    session_with(known, Counted()).plan("p1", known.time)
    _, opened = session_with(known, Counted()).plan("p1", known.time)
    take(known, creatinine("1.4", "2026-01-01", "c1"))
    with pytest.raises(StoreError, match="changed while it was looked at"):
        opened.chart.latest("creatinine")


def test_details_too_deep_to_be_read_back_are_worked_out_each_time(known):
    deep: dict[str, object] = {}
    for _ in range(59):
        deep = {"in": deep}
    method = Counted(lambda view: [finding(details=deep)])
    Session(known.house, known.patient).give_consent("p1", known.time, actors=["dr-lee"], categories=["record"])
    for who in (known.patient, known.clinician) * 2:
        assert session_with(known, method, who=who).plan("p1", known.time)[0].findings


def test_equal_parts_of_two_records_have_other_names(known):
    value = {**bundle(person("p2")), "timestamp": known.time.isoformat()}
    Intake(Session(known.house, known.operator)).run([known.write("other.json", value)])
    for patient in ("p1", "p2"):
        scope = known.house.gate.custody("service", patient)
        known.house.store.memorise(scope, "plan", b"{}", "the same")
    names = known.house.store.connection.execute("SELECT name FROM memo").fetchall()
    assert len(set(names)) == 2
