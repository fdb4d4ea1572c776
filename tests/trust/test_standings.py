"""What consents amount to, shared by the gates of several threads: worked out once, and never once it is over."""

import pytest

from salus.app.house import House
from salus.app.serving.open_house import Houses
from salus.app.session import Session
from salus.errors import AccessError
from salus.trust import consent, standings
from salus.trust.consent import Standing
from salus.trust.identity import Actor, Identity
from salus.trust.standings import Ground, Standings
from tests.conftest import AT
from tests.trust.test_gate import fill


@pytest.fixture
def evaluated(monkeypatch):
    """Whose consents were evaluated, in order."""
    found, real = [], consent.standing
    monkeypatch.setattr(consent, "standing", lambda *given: found.append(given[3]) or real(*given))
    return found


def look(house):
    return house.gate.grant(house.registry.actors["dr-lee"], "p1", "TREAT")


def give(ward):
    return Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])


def test_a_consent_is_evaluated_once_for_all_houses_of_a_process(ward, evaluated):
    fill(ward)
    given = give(ward)
    houses = Houses(ward.house.configuration, ward.house.clock)
    with houses.open() as one, houses.open() as other:
        evaluated.clear()
        assert look(one).basis == look(other).basis == look(one).basis == "consent"
        with houses.open() as later:
            assert look(later).basis == "consent"
        assert evaluated == ["p1"]
        Session(ward.house, ward.patient).revoke("p1", given)
        evaluated.clear()
        for house in (one, other, one):
            with pytest.raises(AccessError):
                look(house)
        assert evaluated == ["p1"]


def test_a_house_that_is_opened_by_itself_evaluates_by_itself(ward, evaluated):
    fill(ward)
    give(ward)
    for _ in range(2):
        with House(ward.house.configuration, clock=ward.house.clock) as house:
            evaluated.clear()
            look(house)
            assert evaluated == ["p1"]


def test_it_is_evaluated_anew_when_something_was_decided_about_the_house(ward, evaluated):
    """Who signed may have been vouched for since."""
    fill(ward)
    give(ward)
    look(ward.house)
    evaluated.clear()
    look(ward.house)
    assert not evaluated
    ward.house.add_actor(Actor("nurse", "practitioner", Identity.generate("nurse").public_key), by="operator")
    look(ward.house)
    assert evaluated == ["p1"]


def test_only_what_follows_from_the_same_entries_is_found(monkeypatch):
    monkeypatch.setattr(standings, "MAX_KEPT", 2)
    kept, one, other = Standings(), Standing(), Standing(opaque=True)
    kept.keep("p1", Ground(5, 2), one)
    assert kept.find("p1", Ground(5, 2)) is one
    assert kept.find("p1", Ground(6, 2)) is kept.find("p1", Ground(5, 3)) is kept.find("p2", Ground(5, 2)) is None
    kept.keep("p1", Ground(6, 2), other)
    assert kept.find("p1", Ground(6, 2)) is other
    assert kept.find("p1", Ground(5, 2)) is None
    kept.keep("p2", Ground(7, 2), one)
    kept.keep("p2", Ground(8, 2), one)  # known already: nobody goes for it
    assert kept.find("p1", Ground(6, 2)) is other
    kept.keep("p3", Ground(9, 2), one)
    assert kept.find("p1", Ground(6, 2)) is None
    assert kept.find("p2", Ground(8, 2)) is kept.find("p3", Ground(9, 2)) is one
