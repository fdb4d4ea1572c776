"""Which connection goes first: what does nothing before what works, strangers before known, and nobody else's."""

from __future__ import annotations

import pytest

from salus.server.connections import Bounds, Door, Mark, Phase
from salus.server.service import network


class Made:
    """A connection as the door sees it."""

    def __init__(self, phase: Phase = Phase.HEADERS, trusted: bool = False) -> None:
        self.phase = phase
        self.mark = Mark(trusted)
        self.closed = False

    def give_up(self) -> None:
        self.closed = True


def test_the_oldest_that_does_nothing_goes_for_a_newcomer_of_its_address():
    door = Door(Bounds(each=3))
    first, second, third, other = Made(), Made(), Made(), Made()
    for connection in (first, second, third):
        assert door.enter(connection, "a")
    assert door.enter(other, "b")
    assert door.enter(Made(), "a")
    assert [c.closed for c in (first, second, third, other)] == [True, False, False, False]
    assert len(door) == 4
    assert (door.given_up, door.turned_away) == (1, 0)


@pytest.mark.parametrize(
    ("worth_less", "worth_more"),
    [
        (Made(Phase.DISCARD), Made(Phase.HEADERS)),
        (Made(Phase.HEADERS), Made(Phase.IDLE)),
        (Made(Phase.IDLE), Made(Phase.BODY)),
        (Made(Phase.BODY), Made(Phase.HEADERS, trusted=True)),
        (Made(Phase.BODY), Made(Phase.ANSWER)),
        (Made(Phase.IDLE, trusted=True), Made(Phase.ANSWER)),
    ],
)
def test_what_is_worth_less_goes_first_however_old_it_is(worth_less, worth_more):
    for order in ((worth_less, worth_more), (worth_more, worth_less)):
        door = Door(Bounds(each=2))
        for connection in order:
            connection.closed = False
            door.enter(connection, "a")
        assert door.enter(Made(), "a")
        assert worth_less.closed
        assert not worth_more.closed


def test_where_all_are_at_work_the_newcomer_has_to_go():
    door = Door(Bounds(each=2))
    at_work = [Made(Phase.ANSWER), Made(Phase.BODY, trusted=True)]
    for connection in at_work:
        door.enter(connection, "a")
    assert not door.enter(Made(), "a")
    assert (door.given_up, door.turned_away) == (0, 1)
    assert not any(c.closed for c in at_work)
    assert door.enter(Made(), "b")


def test_in_all_the_address_with_most_connections_loses_one():
    door = Door(Bounds(total=5, each=0))
    many, few = [Made() for _ in range(4)], Made()
    assert door.enter(few, "few")
    for connection in many:
        assert door.enter(connection, "many")
    for name in ("x", "y", "few"):
        assert door.enter(Made(), name)
    assert [c.closed for c in many] == [True, True, True, False]
    assert not few.closed
    assert len(door) == 5


def test_who_left_leaves_room_and_leaving_twice_is_leaving_once():
    door = Door(Bounds(each=1))
    first = Made()
    door.enter(first, "a")
    door.leave(first, "a")
    door.leave(first, "a")
    assert len(door) == 0
    assert door.enter(Made(), "a")
    assert not first.closed
    assert not door._of["a"].get(first)


def test_an_address_is_one_asker():
    assert network("192.0.2.7") == "192.0.2.7"
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.7") == "192.0.2.7"
    assert network("fe80::1%eth0") == "fe80::"
    assert network("testclient") == "testclient"
