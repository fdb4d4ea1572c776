"""What becomes of a source or a question never tells of what is hidden: variants of row 6 (see test_oracles)."""

import pytest

from salus.app.fhir import api as fhir_api
from salus.app.intake.intake import Intake
from salus.app.intake.view import NotReleased
from salus.app.session import Session
from tests.conftest import bundle, creatinine, person
from tests.trust.attacks.scene import GENE, leaves, put, stocked


@pytest.fixture
def secret(front):
    """The front, with a genetic result that dr-lee, who reads the record, does not see."""
    put(front.ward, GENE)
    front.consent(categories=["record"])
    return front


def drawn(name, *targets):
    return {**creatinine("1", "2026-01-01", name), "derivedFrom": [{"reference": t} for t in targets]}


def took(secret, name, *bodies, who=None, **more):
    """What becomes of a file of dr-lee's."""
    return took_all(secret, {name: bodies}, who, **more)[0]


def took_all(secret, files, who=None, **more):
    ward = secret.ward
    paths = [ward.write(f"in/{name}.json", bundle(person(), *bodies)) for name, bodies in files.items()]
    return Intake(Session(ward.house, who or ward.clinician), **more).run(paths)


def shown(secret, old):
    """The ids under which dr-lee finds what he filed as ``old``."""
    found = secret.get("/fhir/Observation?patient=p1&_count=1000").json()["entry"]
    return [
        e["resource"]["id"]
        for e in found
        if e["resource"]["id"] == old or {"use": "old", "value": old} in e["resource"].get("identifier", ())
    ]


# ---- references


@pytest.mark.parametrize("dry", [False, True])
def test_a_guess_costs_the_same_entries_and_says_the_same(secret, dry):
    said = []
    for name in ("gene", "absent"):
        before = leaves(secret.ward.house)
        taken = took(secret, f"by-{name}", drawn(f"by-{name}", f"Observation/{name}"), dry_run=dry)
        told = taken.error.what, taken.error.remedy, str(taken.counts), taken.losses, taken.written
        said.append((told, leaves(secret.ward.house) - before))
    assert said[0] == said[1]


def test_a_chain_of_guesses_and_a_report_are_no_way_round(secret):
    for name in ("gene", "absent"):
        report = {"resourceType": "DiagnosticReport", "id": f"r-{name}", "status": "final",
                  "code": {"text": "x"}, "subject": {"reference": "Patient/p1"},
                  "result": [{"reference": f"Observation/by-{name}"}]}  # fmt: skip
        bodies = {"a": (report,), "b": (drawn(f"by-{name}", f"Observation/{name}"),)}
        assert all(isinstance(t.error, NotReleased) for t in took_all(secret, bodies))
        assert secret.get(f"/fhir/DiagnosticReport/r-{name}").status_code == 404


def test_a_release_lets_the_reference_in(secret):
    assert took(secret, "x", drawn("x", "Observation/c1")).error is None
    (name,) = shown(secret, "x")
    assert secret.get(f"/fhir/Observation/{name}").json()["derivedFrom"][0]["reference"] == "Observation/c1"


def test_an_operator_keeps_the_record_and_is_told(secret):
    ward = secret.ward
    taken = took_all(secret, {"a": (drawn("a", "Observation/gene"),), "b": (drawn("b", "Observation/absent"),)},
                     ward.operator)  # fmt: skip
    assert [t.error for t in taken] == [None, None]
    assert secret.get("/fhir/Observation/a").status_code == 404  # it has the kinds of what it was drawn from
    assert secret.get("/fhir/Observation/b").status_code == 200


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a"), ("b", "c", "a")])
def test_files_of_one_run_may_refer_to_each_other_in_any_order(secret, order):
    bodies = {"a": (creatinine("1", "2026-01-01", "a"),), "b": (drawn("b", "Observation/a"),),
              "c": (drawn("c", "Observation/b", "Observation/a"),)}  # fmt: skip
    assert not [t.error for t in took_all(secret, {name: bodies[name] for name in order}) if t.error]
    (a,), (b,), (c,) = (shown(secret, name) for name in "abc")
    told = [r["reference"] for r in secret.get(f"/fhir/Observation/{c}").json()["derivedFrom"]]
    assert told == [f"Observation/{b}", f"Observation/{a}"]
    again = took_all(secret, {name: bodies[name] for name in order})
    assert not [t for t in again if t.error or t.written.created or t.written.updated]


def test_a_later_run_refers_to_what_an_earlier_one_filed(secret):
    took(secret, "a", creatinine("1", "2026-01-01", "a"))
    assert took(secret, "b", drawn("b", "Observation/a")).error is None
    assert (
        secret.get(f"/fhir/Observation/{shown(secret, 'b')[0]}")
        .json()["derivedFrom"][0]["reference"]
        .endswith(shown(secret, "a")[0])
    )


def test_files_that_only_refer_to_each_other_in_a_ring_are_refused(secret):
    taken = took_all(secret, {"a": (drawn("a", "Observation/b"),), "b": (drawn("b", "Observation/a"),)})
    assert all(isinstance(t.error, NotReleased) for t in taken)
    assert len(taken) == 2
    assert took(secret, "ab", drawn("a", "Observation/b"), drawn("b", "Observation/a")).error is None


# ---- ids


@pytest.mark.parametrize("stamp", ["1990-01-01T00:00:00Z", "2030-01-01T00:00:00Z"])
def test_an_id_that_is_guessed_tells_nothing_and_takes_nothings_place(secret, stamp):
    house, said = secret.ward.house, []
    for name in ("gene", "absent"):
        body = {**creatinine("1", "2026-01-01", name), "meta": {"lastUpdated": stamp}}
        taken = took(secret, name, body, drawn(f"by-{name}", f"Observation/{name}"))
        answers = [secret.get(f"/fhir/Observation/{n}").status_code for n in (name, f"by-{name}")]
        found = len(shown(secret, name)), len(shown(secret, f"by-{name}"))
        said.append((taken.error, taken.counts, taken.losses, taken.written.created, answers, found))
    assert said[0][1:] == said[1][1:]
    assert said[0][0] is said[1][0] is None
    (gene,) = house.store.read(house.gate.processing("p1"), ("Observation",), ["gene"])
    assert gene.body == GENE


def test_what_is_released_is_updated_under_its_own_id(secret):
    body = {**creatinine("2.0", "2026-01-02", "c1"), "meta": {"lastUpdated": "2030-01-01T00:00:00Z"}}
    assert took(secret, "c1", body).error is None
    assert str(secret.get("/fhir/Observation/c1").json()["valueQuantity"]["value"]) == "2.0"


def test_whoever_sees_nothing_of_the_record_attaches_to_nothing(ward):
    stocked(ward)
    said = []
    for name in ("gene", "absent", "c1"):
        path = ward.write(f"{name}.json", bundle(person(), drawn(f"by-{name}", f"Observation/{name}")))
        (taken,) = Intake(Session(ward.house, ward.clinician)).run([path])
        said.append(taken.error.what)
    assert len(set(said)) == 1


# ---- how many hold an id


@pytest.mark.parametrize("count", [1, 25, 250])
def test_however_many_hold_an_id_the_answer_is_the_same(secret, count):
    asked = ("/fhir/Observation/{}", "/fhir/Observation/{}/_history", "/fhir/Observation?_id={}",
             "/fhir/Observation?_id={}&_summary=count")  # fmt: skip
    before = {path: [secret.get(path.format(n)) for n in ("c1", "gene", "absent")] for path in asked}
    for n in range(count):
        copies = (creatinine("1.0", "2026-01-01", name, f"x{n}") for name in ("c1", "gene"))
        put(secret.ward, person(f"x{n}"), *copies, patient=f"x{n}")
    for path in asked:
        after = [secret.get(path.format(n)) for n in ("c1", "gene", "absent")]
        assert [a.status_code for a in after] == [a.status_code for a in before[path]]
        assert [a.json().get("total") for a in after] == [a.json().get("total") for a in before[path]]


def test_every_look_leaves_its_entry_and_all_are_one_transaction(secret):
    ward = secret.ward
    for n in range(5):
        put(ward, person(f"x{n}"), creatinine("1.0", "2026-01-01", "shared", f"x{n}"), patient=f"x{n}")
    before, sealed = leaves(ward.house), checkpoints(ward.house)
    assert secret.get("/fhir/Observation/shared").status_code == 404
    assert leaves(ward.house) - before == 5
    assert checkpoints(ward.house) - sealed == 1
    for n in range(5):
        newest = list(ward.house.log.entries(ward.house.store.connection, topic="access", patient=f"x{n}"))[-1]
        assert (newest.content["actor"], newest.content["decision"]) == ("dr-lee", "deny")
    assert not ward.house.verify().problems


def test_the_grant_of_a_question_carries_the_number_of_its_own_entry(secret):
    house = secret.ward.house
    actor = house.authenticate(secret.ward.clinician)
    put(secret.ward, person("x1"), patient="x1")
    (grant,) = house.gate.grants(actor, {"x1": "TREAT", "p1": "TREAT", "nobody": "TREAT"})
    entries = list(house.log.entries(house.store.connection, topic="access", patient="p1"))
    assert (grant.patient, grant.leaf, entries[-1].content["decision"]) == ("p1", entries[-1].n, "permit")


def test_a_question_that_cannot_be_logged_is_not_answered(secret, monkeypatch):
    from salus.errors import StoreError
    from tests.trust.attacks.scene import full

    house = secret.ward.house
    actor = house.authenticate(secret.ward.clinician)
    monkeypatch.setattr("salus.trust.mark.overwrite", full)
    with pytest.raises(StoreError):
        house.gate.grants(actor, {"p1": "TREAT"})


def test_the_bound_of_work_is_far_above_what_somebody_plants(secret, monkeypatch):
    assert fhir_api.MAX_HOLDERS >= 10_000
    monkeypatch.setattr(fhir_api, "MAX_HOLDERS", 1)
    put(secret.ward, person("x1"), creatinine("1.0", "2026-01-01", "c1", "x1"), patient="x1")
    before = leaves(secret.ward.house)
    assert secret.get("/fhir/Observation/c1").status_code == 404
    assert leaves(secret.ward.house) > before


def checkpoints(house):
    return house.store.connection.execute("SELECT count(*) FROM log_checkpoint").fetchone()[0]
