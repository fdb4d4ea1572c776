"""What a server remembers: pages over processes and restarts, nothing in a backup, nothing of whom is erased."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

pytest.importorskip("jwt")

from hypothesis import given
from hypothesis import strategies as st

from salus.app.fhir.pages import LIFE, Hit, Pages, Result, _dump, _load
from salus.app.intake.intake import Intake
from salus.app.refusals import Expired, NotSignedIn
from salus.app.serving import state as server_state
from salus.app.serving.state import PAGE, Stamp
from salus.app.serving.tokens import Tokens, assertion
from salus.app.session import Session
from tests.conftest import AT, bundle, person

ADDRESS = "https://salus.example/auth/token"
HITS = tuple(Hit(f"p{n % 3}", f"Observation/c{n}", n + 1) for n in range(9))


def result(**more) -> Result:
    return replace(Result("dr-lee", "TREAT", HITS, 4, AT + LIFE, 4, 9), **more)


def test_a_page_is_found_by_another_process_where_it_begins(ward):
    first, second = Pages(), Pages()
    page = first.keep(ward.house, result())
    found = second.find(ward.house, page, "dr-lee")
    assert found == replace(result(), name=found.name)
    further = second.keep(ward.house, replace(found, start=8))
    assert further.partition(".") == (found.name, ".", "8")
    assert first.find(ward.house, further, "dr-lee").start == 8
    assert ward.house.store.connection.execute("SELECT count(*) FROM server_state").fetchone() == (1,)


def test_a_page_is_its_actors_and_ends(ward):
    pages, other = Pages(), Pages()
    page = pages.keep(ward.house, result())
    with pytest.raises(Expired):
        pages.find(ward.house, page, "pat")
    ward.time += LIFE
    for each in (pages, other):
        with pytest.raises(Expired):
            each.find(ward.house, page, "dr-lee")
    for wrong in (
        "",
        "x",
        "x.1",
        page + "x",
        page.replace(".", ""),
        page.partition(".")[0] + ".-1",
        "é.1",
        "x.1234567",
    ):
        with pytest.raises(Expired):
            other.find(ward.house, wrong, "dr-lee")


def test_results_of_one_actor_are_bounded_and_anothers_stay(ward):
    pages = Pages()
    others = pages.keep(ward.house, result(actor="pat"))
    own = [pages.keep(ward.house, result()) for _ in range(PAGE.each + 1)]
    fresh = Pages()
    with pytest.raises(Expired):
        fresh.find(ward.house, own[0], "dr-lee")
    for page, actor in ((own[1], "dr-lee"), (own[-1], "dr-lee"), (others, "pat")):
        fresh.find(ward.house, page, actor)


def test_what_a_process_has_at_hand_is_bounded_and_read_again(ward, monkeypatch):
    monkeypatch.setattr("salus.app.fhir.pages.MAX_KEPT", 2)
    pages = Pages()
    own = [pages.keep(ward.house, result()) for _ in range(2)]
    pages.keep(ward.house, result())
    assert len(pages._kept) == 2
    assert pages.find(ward.house, own[0], "dr-lee").hits == HITS


TEXTS = st.text(min_size=1, max_size=8)


@given(
    st.lists(st.builds(Hit, TEXTS, TEXTS, st.integers(1, 99)), max_size=20).map(tuple),
    st.none() | st.just("HRESCH"),
    st.integers(1, 1000),
    st.none() | st.integers(0, 9999),
    st.none() | st.integers(0, 9999),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
)
def test_a_result_is_read_back_as_it_was(hits, purpose, count, total, onward, asked):
    made = Result("dr-lee", purpose, hits, count, AT, 3, total, onward, "Observation", asked, "name")
    assert _load(_dump(made), "name", AT) == made


def test_nothing_of_it_goes_into_a_backup(ward, tmp_path):
    tokens = Tokens(ward.house.vault)
    tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS)
    ward.house.backup(tmp_path / "copy", "operator")
    with sqlite3.connect(tmp_path / "copy") as copy:
        assert copy.execute("SELECT count(*) FROM server_state").fetchone() == (0,)
    assert ward.house.store.connection.execute("SELECT count(*) FROM server_state").fetchone()[0] > 0


def test_an_erasure_ends_the_pages_and_the_tokens_of_who_spoke_for_the_patient(ward):
    from salus.app import erasure

    ward.write("p1.json", bundle(person()))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    tokens, pages = Tokens(ward.house.vault), Pages()
    own = tokens.exchange(ward.house, assertion(ward.patient, ADDRESS, AT), ADDRESS).value
    doctors = tokens.exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS).value
    page = pages.keep(ward.house, result())
    erasure.ask(Session(ward.house, ward.patient), "p1")
    erasure.carry_out(Session(ward.house, ward.operator), "p1")
    rows = [kind for (kind,) in ward.house.store.connection.execute("SELECT kind FROM server_state")]
    assert sorted(rows) == ["assertion", "begun", "token"], "what the clinician used and has"
    assert tokens.actor(ward.house, doctors)[0].id == "dr-lee"
    with pytest.raises(NotSignedIn):
        tokens.actor(ward.house, own)
    with pytest.raises(Expired):
        Pages().find(ward.house, page, "dr-lee")


def test_what_has_ended_is_tidied_away_without_anybody_signing_in(ward):
    Tokens(ward.house.vault).exchange(ward.house, assertion(ward.clinician, ADDRESS, AT), ADDRESS)
    assert server_state.sweep(ward.house) == 0
    ward.time += timedelta(hours=1)
    assert server_state.sweep(ward.house) == 2
    assert server_state.sweep(ward.house) == 0


def test_a_stamp_knows_its_own_values_and_those_of_its_purpose_only(ward):
    token, visit = Stamp(ward.house.vault, "token"), Stamp(ward.house.vault, "visit")
    value = token.make()
    assert (len(value), token.holds(value), visit.holds(value)) == (54, True, False)
    assert Stamp(ward.house.vault, "token").holds(value)
    assert value != token.make()
    for n in range(54):
        other = "A" if value[n] != "A" else "B"
        assert not token.holds(value[:n] + other + value[n + 1 :])
