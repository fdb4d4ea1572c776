"""Searches that name no patient: who is looked into, what is found, what the log says, and how pages go on."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from salus.app.fhir import across as fhir_across
from salus.app.fhir import query as fhir_query
from salus.app.fhir.api import Records
from salus.app.refusals import Ambiguous
from salus.app.serving.cache import Cache
from salus.app.session import Session
from salus.errors import InputError, IntegrityError
from salus.fhir.views import CATEGORIES, OWN_ID
from salus.record.store import Change
from salus.trust import consent_signatures, policy, reaching
from salus.trust.identity import Actor, Identity
from salus.trust.log import COUNTED
from tests.conftest import creatinine, person

CREATININE = ("code", "http://loinc.org|2160-0")
CLINIC = Identity.generate("clinic")
GENE = ("code", "http://loinc.org|69548-6")


def variant(id):
    code = {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": code,
        "valueCodeableConcept": {"text": "x"},
    }


class Hospital:
    """Patients q0, q1, … of a ward's house, each with results of their own."""

    def __init__(self, ward, count):
        self.ward, self.house, self.cache = ward, ward.house, Cache()
        self.keys = {}
        for n in range(count):
            patient = f"q{n}"
            self.write(
                patient,
                person(patient),
                *(creatinine(f"1.{k}", f"2026-01-0{k + 1}", f"{patient}-c{k}", patient) for k in range(3)),
            )
            key = self.keys[patient] = Identity.generate(f"pat-{patient}")
            self.house.add_actor(Actor(key.id, "patient", key.public_key, patient), by="operator")

    def write(self, patient, *bodies, deleted=()):
        scope = self.house.gate.custodian(self.house.authenticate(self.ward.operator), patient)
        changes = [Change(b["resourceType"], b["id"], b) for b in bodies]
        self.house.store.commit(
            scope, [*changes, *(Change(*ref.split("/"), None) for ref in deleted)], at=self.house.time()
        )

    def give(self, patient, *, categories=("record",), exceptions=(), period=None):
        session = Session(self.house, self.keys[patient])
        body = session.drafted(patient, self.house.clock(), actors=["dr-lee"], categories=list(categories))
        body["provision"].update({"provision": list(exceptions)} if exceptions else {})
        body["provision"].update({"period": {k: v.isoformat() for k, v in period.items()}} if period else {})
        session.file_consent(patient, body, consent_signatures.sign(body, session.identity, self.house.clock()))
        return body["id"]

    def end(self, patient, name):
        session = Session(self.house, self.keys[patient])
        body = session.ended(patient, name)
        session.file_consent(patient, body, consent_signatures.sign(body, session.identity, self.house.clock()))

    def records(self, purpose=None):
        return Records(Session(self.house, self.ward.clinician), self.cache, purpose)

    def ask(self, kind, *pairs, purpose=None):
        return self.records(purpose).search(fhir_query.parse(kind, pairs))

    def all(self, kind, *pairs):
        page = self.ask(kind, *pairs)
        found = [s.source.ref for s in page.entries]
        while page.next:
            page = self.records().page(page.next)
            found += [s.source.ref for s in page.entries]
        return found

    def patients(self):
        return {s.partition("/")[2].partition("-")[0] for s in self.all("Observation", CREATININE)}

    def looks(self, patient):
        entries = self.house.log.entries(self.house.store.connection, patient=patient)
        return [e.content for e in entries if e.content["reason"] == "access" and e.content["actor"] == "dr-lee"]


def weighing(hospital, monkeypatch):
    """A list that from now on gets every patient who is decided on for a reach."""
    weighed, gate = [], type(hospital.house.gate)
    weigh = gate._weigh
    monkeypatch.setattr(
        gate, "_weigh", lambda own, actor, patient, *more: weighed.append(patient) or weigh(own, actor, patient, *more)
    )
    return weighed


@pytest.fixture
def hospital(ward):
    return Hospital(ward, 6)


def test_only_those_who_release_something_are_found_and_only_they_have_an_entry(hospital):
    for patient in ("q1", "q4"):
        hospital.give(patient)
    found = hospital.all("Observation", CREATININE)
    assert found == [f"Observation/{p}-c{k}" for p in ("q1", "q4") for k in range(3)]
    assert [len(hospital.looks(f"q{n}")) for n in range(6)] == [0, 1, 0, 0, 1, 0]


def test_a_reach_follows_every_decision(hospital):
    assert hospital.patients() == set()
    first = hospital.give("q1")
    hospital.give("q2")
    assert hospital.patients() == {"q1", "q2"}
    hospital.end("q1", first)
    assert hospital.patients() == {"q2"}
    hospital.write("q9", person("q9"), creatinine("2.0", "2026-02-01", "q9-c0", "q9"))
    key = hospital.keys["q9"] = Identity.generate("pat-q9")
    hospital.house.add_actor(Actor(key.id, "patient", key.public_key, "q9"), by="operator")
    hospital.give("q9")
    assert hospital.patients() == {"q2", "q9"}


def test_a_reach_ends_and_begins_with_the_periods_of_consents(hospital):
    now = hospital.house.clock()
    hospital.give("q1", period={"end": now + timedelta(hours=2)})
    hospital.give("q2", period={"start": now + timedelta(hours=1), "end": now + timedelta(hours=3)})
    for hours, found in ((0, {"q1"}), (1, {"q1", "q2"}), (2, {"q2"}), (3, set()), (1.5, {"q1", "q2"}), (2.5, {"q2"})):
        hospital.ward.time = now + timedelta(hours=hours, seconds=1)  # an end holds for its whole second
        assert hospital.patients() == found


def test_nothing_is_weighed_again_that_stands(hospital, monkeypatch):
    hospital.give("q1")
    hospital.patients()
    weighed = weighing(hospital, monkeypatch)
    hospital.patients()
    assert weighed == []
    hospital.give("q3")
    hospital.patients()
    assert weighed == ["q3"]


def test_a_kept_reach_serves_another_process_and_is_brought_up_to_date(hospital, monkeypatch):
    monkeypatch.setattr(reaching, "WORTH_KEEPING", 1)
    hospital.give("q1")
    assert hospital.patients() == {"q1"}
    reaching._REACHES.clear()
    weighed = weighing(hospital, monkeypatch)
    hospital.give("q2")
    assert hospital.patients() == {"q1", "q2"}
    assert weighed == ["q2"]
    reaching._REACHES.clear()
    hospital.house.store.connection.execute("UPDATE reach SET body = zeroblob(64)")
    assert hospital.patients() == {"q1", "q2"}
    reaching._REACHES.clear()
    monkeypatch.setattr(reaching, "_rules", lambda: "other code")
    weighed.clear()
    assert hospital.patients() == {"q1", "q2"}
    assert len(weighed) == 6


def test_a_reach_that_was_put_back_comes_out_right(hospital, monkeypatch):
    monkeypatch.setattr(reaching, "WORTH_KEEPING", 1)
    given = hospital.give("q1")
    assert hospital.patients() == {"q1"}
    connection = hospital.house.store.connection
    old = connection.execute("SELECT name, body FROM reach").fetchall()
    hospital.end("q1", given)
    assert hospital.patients() == set()
    connection.executemany("INSERT OR REPLACE INTO reach VALUES (?, ?)", old)
    reaching._REACHES.clear()
    assert hospital.patients() == set()


def test_a_policy_opens_all_and_its_end_closes_them(hospital):
    hospital.house.add_actor(Actor("clinic", "organisation", CLINIC.public_key), by="operator")
    rule = {"basis": "treatment", "actors": ["dr-lee"], "patients": ["q*"], "purposes": ["TREAT"]}
    rules = [{**rule, "categories": ["record"], "overrides-denial": False}]
    document = {"id": "ward", "organisation": "clinic", "rules": rules}
    starts, ends = (hospital.house.clock() + timedelta(hours=h) for h in (1, 2))
    document |= {"from": starts.isoformat(), "to": ends.isoformat()}
    hospital.give("q2", categories=("note",))
    hospital.house.add_policy(policy.sign(document, CLINIC), by="operator")
    assert hospital.patients() == set()
    hospital.ward.time = starts
    assert hospital.patients() == {f"q{n}" for n in range(6)}
    hospital.ward.time = ends + timedelta(seconds=1)
    assert hospital.patients() == set()
    hospital.ward.time = starts
    hospital.house.remove_policy("ward", by="operator")
    assert hospital.patients() == set()


def test_consents_that_were_tampered_with_open_nothing_and_close_nobody_else(hospital):
    hospital.give("q1")
    hospital.give("q2")
    hospital.house.store.connection.execute(
        "UPDATE resource SET version = version + 1 "
        "WHERE type = 'Consent' AND pid = (SELECT pid FROM patient WHERE id = 'q1')"
    )
    assert hospital.patients() == {"q2"}
    with pytest.raises(IntegrityError):
        Session(hospital.house, hospital.ward.clinician).open("q1", hospital.ward.time)


def test_consents_that_are_tampered_with_later_close_nobody_elses_record(hospital):
    hospital.give("q1")
    hospital.give("q2")
    assert hospital.patients() == {"q1", "q2"}
    hospital.house.store.connection.execute(
        "UPDATE resource SET version = version + 1 "
        "WHERE type = 'Consent' AND pid = (SELECT pid FROM patient WHERE id = 'q1')"
    )
    hospital.house.gate._standings._kept.clear()  # as in another thread, or a process that starts
    assert hospital.patients() == {"q2"}
    assert [grant.patient for grant in Session(hospital.house, hospital.ward.clinician).grants()] == ["q2"]
    with pytest.raises(IntegrityError):
        hospital.ask("Observation", ("patient", "q1"), CREATININE)


def test_what_looks_into_all_records_is_bounded(hospital, monkeypatch):
    deny = {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]}
    for n in range(3):
        hospital.give(f"q{n}", exceptions=[deny])
    for bound, fails in ((4, False), (2, True)):
        monkeypatch.setattr(fhir_across, "EVERYWHERE", bound)
        for asked in ((GENE, ("_sort", "date")), (GENE, ("_summary", "count"))):
            if fails:
                with pytest.raises(InputError, match="too many records"):
                    hospital.ask("Observation", *asked)
            else:
                hospital.ask("Observation", *asked)


def test_a_count_leaves_out_what_is_withheld_and_its_entry_names_whom_it_counted(hospital):
    for patient in ("q1", "q2"):
        hospital.write(patient, variant(f"{patient}-v"))
    hospital.give("q1", categories=("record", "genome"))
    hospital.give("q2")
    count = ("_summary", "count")
    assert hospital.ask("Observation", GENE, count).total == 1
    assert hospital.ask("Observation", CREATININE, count).total == 6
    assert hospital.ask("Observation", CREATININE, GENE, count).total == 0
    assert hospital.ask("Condition", count).total == 0
    entries = [e.content for e in hospital.house.log.entries(hospital.house.store.connection, topic=COUNTED)]
    numbers = dict(hospital.house.store.connection.execute("SELECT id, pid FROM patient"))
    assert [e["patients"] for e in entries[:2]] == [[numbers["q1"]], sorted(numbers[p] for p in ("q1", "q2"))]
    assert entries[0]["actor"] == "dr-lee"
    seen = [e for e in Session(hospital.house, hospital.keys["q2"]).accesses("q2") if e["reason"] == "counted"]
    assert [(e["actor"], e["purpose"], "patients" in e) for e in seen] == [("dr-lee", "TREAT", False)]
    assert hospital.looks("q1") == []


def test_a_count_holds_to_what_is_decided_singly(hospital):
    hospital.give("q1")
    deny = {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]}
    hospital.give("q2", exceptions=[deny])
    assert hospital.ask("Observation", CREATININE, ("_summary", "count")).total == 3
    assert hospital.ask("Observation", CREATININE, ("_total", "accurate"), ("_count", "2")).total == 3
    assert hospital.patients() == {"q1"}


def test_who_decides_singly_is_looked_into_whatever_is_there(hospital):
    """Else the time of an answer and the log would tell whether there is something that is hidden."""
    deny = {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]}
    hospital.give("q1", exceptions=[deny])
    hospital.give("q2", exceptions=[deny])
    hospital.write("q2", deleted=[f"Observation/q2-c{k}" for k in range(3)])
    assert hospital.patients() == set()
    assert len(hospital.looks("q1")) == len(hospital.looks("q2")) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 100])
def test_pages_hold_everything_once(hospital, count):
    for n in range(6):
        hospital.give(f"q{n}")
    found = hospital.all("Observation", CREATININE, ("_count", str(count)))
    assert found == [f"Observation/q{n}-c{k}" for n in range(6) for k in range(3)]


def test_a_page_says_how_many_there_are_on_each(hospital):
    for n in range(3):
        hospital.give(f"q{n}")
    page = hospital.ask("Observation", CREATININE, ("_count", "4"), ("_total", "accurate"))
    assert page.total == 9
    assert hospital.records().page(page.next).total == 9


def test_each_page_is_decided_anew(hospital):
    hospital.give("q1")
    ended = hospital.give("q2")
    page = hospital.ask("Observation", CREATININE, ("_count", "3"), ("_total", "accurate"))
    assert [s.source.ref for s in page.entries] == [f"Observation/q1-c{k}" for k in range(3)]
    hospital.end("q2", ended)
    assert hospital.records().page(page.next).entries == ()


def test_a_search_that_has_to_look_inside_finds_the_same(hospital):
    for n in (0, 2, 5):
        hospital.give(f"q{n}")
    by_day = hospital.all("Observation", CREATININE, ("date", "2026-01-02"), ("_count", "2"))
    assert by_day == [f"Observation/q{n}-c1" for n in (0, 2, 5)]
    assert hospital.ask("Observation", ("date", "2026-01-02"), CREATININE, ("_summary", "count")).total == 3
    newest = hospital.ask("Observation", CREATININE, ("_sort", "-date"), ("_count", "3")).entries
    assert [s.source.ref for s in newest] == [f"Observation/q{n}-c2" for n in (0, 2, 5)]


def test_one_page_makes_bounded_work_and_says_where_it_goes_on(hospital, monkeypatch):
    monkeypatch.setattr(fhir_across, "WORK", 2)
    for n in range(6):
        hospital.give(f"q{n}")
    assert len(hospital.all("Observation", CREATININE)) == 18
    looked = Records._look(hospital.records(), fhir_query.parse("Observation", [CREATININE]), -1, 100, 2)
    assert len(looked.grants) == 2
    assert looked.onward is not None


def test_too_many_results_at_once_are_refused(hospital, monkeypatch):
    monkeypatch.setattr(fhir_across, "MAX_HITS", 5)
    hospital.give("q1")
    assert len(hospital.ask("Observation", CREATININE, ("_sort", "date")).entries) == 3
    hospital.give("q2")
    with pytest.raises(InputError, match="more than 5 results"):
        hospital.ask("Observation", CREATININE, ("_sort", "date"))


def test_different_resources_of_one_id_are_never_shown_as_one(hospital):
    for patient, value in (("q1", "1.0"), ("q2", "1.0"), ("q3", "2.0")):
        hospital.write(patient, {**creatinine(value, "2026-03-01", "same"), "subject": {"display": "x"}})
    for patient in ("q1", "q2"):
        hospital.give(patient)
    hospital.write("q0", {**creatinine("1.0", "2026-03-01", "same"), "subject": {"display": "x"}})
    before = len(hospital.looks("q0"))
    for count in ("1", "2", "3", "4", "5", "7", "100"):
        assert hospital.all("Observation", CREATININE, ("_count", count)).count("Observation/same") == 1
    assert len(hospital.looks("q0")) == before, "who releases nothing is not asked"
    hospital.give("q3")
    for count in ("1", "100"):
        with pytest.raises(Ambiguous):
            hospital.all("Observation", CREATININE, ("_count", count))
    assert hospital.ask("Observation", ("patient", "q1"), CREATININE).entries


def test_findings_are_searched_where_a_code_may_be_one(hospital):
    hospital.give("q1", categories=CATEGORIES)
    hospital.give("q2")
    found = hospital.ask("Observation", ("code", "urn:salus:code|egfr"), ("_total", "accurate"))
    assert found.total == len(found.entries) == 2
    assert all(s.source.ref.startswith(f"Observation/{OWN_ID}") for s in found.entries)
    subjects = {s.body["subject"]["reference"] for s in found.entries}
    assert subjects == {"Patient/q1", "Patient/q2"}


def test_an_erased_patient_is_in_no_reach(hospital):
    hospital.give("q1")
    hospital.give("q2")
    assert hospital.patients() == {"q1", "q2"}
    hospital.house.store.connection.execute("UPDATE patient SET id = 'erased:' || pid WHERE id = 'q1'")
    assert hospital.patients() == {"q2"}


def test_step_by_step_is_as_from_scratch(hospital):
    """A hundred decisions: the reach that was brought up to date is the one that is compiled anew."""
    draw, given = random.Random(7), {}
    actor = hospital.house.registry.actors["dr-lee"]
    for _ in range(100):
        patient = draw.choice(list(hospital.keys))
        match draw.randrange(4):
            case 0:
                kinds = draw.sample(["record", "genome", "note"], draw.randint(1, 3))
                start = hospital.house.clock() + timedelta(minutes=draw.randint(-20, 20))
                period = {"start": start, "end": start + timedelta(minutes=draw.randint(1, 90))}
                given.setdefault(patient, []).append(hospital.give(patient, categories=kinds, period=period))
            case 1 if given.get(patient):
                hospital.end(patient, given[patient].pop())
            case 2:
                hospital.ward.time += timedelta(minutes=draw.randint(1, 40))
            case _:
                hospital.house.add_actor(
                    Actor(f"n{draw.random()}", "practitioner", Identity.generate("n").public_key), by="operator"
                )
        step = hospital.house.gate.reach(actor, "TREAT")
        kept = dict(reaching._REACHES)
        reaching._REACHES.clear()
        hospital.house.store.connection.execute("DELETE FROM reach")
        scratch = hospital.house.gate.reach(actor, "TREAT")
        assert dict(step.shares) == dict(scratch.shares)
        held = {p for p in hospital.keys if hospital.house.gate._decide(actor, p, "TREAT").categories}
        numbers = dict(hospital.house.store.connection.execute("SELECT pid, id FROM patient"))
        assert {numbers[pid] for pid in step.shares} == held
        reaching._REACHES |= kept
