"""Houses that threads of a server keep: nobody whom others took out is let in by one, and nothing erased stays."""

import sqlite3
from datetime import timedelta

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.serving.open_house import Houses, OpenHouse
from salus.app.session import Session
from salus.errors import AccessError, StoreError
from salus.record.store import Store
from salus.trust import quarantine
from salus.trust.identity import Actor, Identity
from salus.trust.vault import Vault
from tests.conftest import AT
from tests.trust.test_gate import fill


@pytest.fixture
def opened(ward):
    """A patient who lets dr-lee in."""
    fill(ward)
    Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    return ward


def before_a_key_goes(monkeypatch, act):
    """Let another process do something when the next key is destroyed."""
    plain, done = Vault.shred, []

    def shred(vault, *names):
        if not done:
            done.append(names)
            act()
        return plain(vault, *names)

    monkeypatch.setattr(Vault, "shred", shred)


def expire(ward):
    """Something in quarantine whose time is over."""
    house = ward.house
    scope = house.gate.house("operator", may_write=True)
    quarantine.keep(house.store, house.vault, house.log, scope, [b"x"], "unreadable", house.time())
    ward.time += timedelta(days=31)


def look(house, actor="dr-lee"):
    return house.gate.grant(house.registry.actors[actor], "p1", "TREAT")


def test_who_is_taken_out_while_a_house_destroys_something_is_out(opened, monkeypatch):
    expire(opened)
    before_a_key_goes(monkeypatch, lambda: opened.house.remove_actor("dr-lee", by="operator"))
    own = OpenHouse(Houses(opened.house.configuration, opened.house.clock))
    assert own.current().quarantined() == []  # it tidied when it was opened
    house = own.current()
    assert "dr-lee" not in house.registry.actors
    with pytest.raises(AccessError):
        Session(house, opened.clinician)
    own.close()


def test_a_house_that_destroys_something_by_itself_is_not_outdated(opened):
    expire(opened)
    with House(opened.house.configuration, clock=opened.house.clock) as house:
        assert house.quarantined() == []
        assert not house.outdated()
        house.note("operator", {"reason": "tried"})


def test_an_erasure_beside_another_decision_leaves_the_house_outdated(opened, monkeypatch):
    """Else it would share what it makes of consents whose signers it does not know."""
    fill(opened, "p2")
    other, proxy = Identity.generate("pat-p2"), Identity.generate("prox")
    opened.house.add_actor(Actor("pat-p2", "patient", other.public_key, "p2"), by="operator")
    erasure.ask(Session(opened.house, other), "p2")
    houses = Houses(opened.house.configuration, opened.house.clock)
    with houses.open() as one:

        def enrol():
            with House(opened.house.configuration, clock=opened.house.clock) as process:
                process.add_actor(Actor("prox", "proxy", proxy.public_key, "p1"), by="pat")

        before_a_key_goes(monkeypatch, enrol)
        erasure.carry_out(Session(one, opened.operator), "p2")
        assert one.outdated()
        with pytest.raises(StoreError, match="decided about the house meanwhile"):
            one.note("operator", {"reason": "tried"})
        with House(opened.house.configuration, clock=opened.house.clock) as process:
            Session(process, proxy).withhold("p1", AT, categories=["record"])
        look(one)  # which knows no proxy: a denial that it cannot tell from a stranger's
        with houses.open() as fresh, pytest.raises(AccessError):
            look(fresh)


def test_nothing_of_an_erased_patient_stays_with_the_houses(opened):
    houses = Houses(opened.house.configuration, opened.house.clock)
    with houses.open() as house:
        look(house)
        assert "p1" in houses._standings._kept
        erasure.ask(Session(opened.house, opened.patient), "p1")
        erasure.carry_out(Session(opened.house, opened.operator), "p1")
        assert house.outdated()
    with houses.open():
        assert not houses._standings._kept


def test_what_was_destroyed_in_part_is_destroyed_when_a_house_is_opened(opened, monkeypatch):
    house = opened.house
    scope = house.gate.house("operator", may_write=True)
    n = quarantine.keep(house.store, house.vault, house.log, scope, [b"x"], "unreadable", house.time())
    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "blank", lambda *_: (_ for _ in ()).throw(RuntimeError))
        with pytest.raises(RuntimeError):
            house.destroy_quarantined(n, "operator")
    assert [entry["n"] for entry in house.quarantined()] == [n]
    with House(house.configuration, clock=house.clock) as again:
        assert again.quarantined() == []
        assert not again.verify().problems


def test_a_store_that_cannot_be_read_when_it_is_opened_is_told_of_and_closed(opened, monkeypatch):
    """As where a database is restarted between the connection and the first look."""
    closed, close = [], Store.close

    def lost(*_):
        raise sqlite3.OperationalError("no connection")

    monkeypatch.setattr(Store, "close", lambda store: closed.append(store) or close(store))
    monkeypatch.setattr(quarantine, "left", lost)
    with pytest.raises(StoreError, match="cannot be read: no connection"):
        House(opened.house.configuration, clock=opened.house.clock)
    assert len(closed) == 1
