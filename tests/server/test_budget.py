"""Room for bodies: bounded in all and for each, given to who waits, and never lost; and the pace of askers."""

from __future__ import annotations

import asyncio

import pytest

from salus.errors import StoreError
from salus.server import pace
from salus.server.budget import Budget
from salus.server.lines import TooMany
from salus.server.pace import Pace


def test_one_asker_waits_for_his_own_bodies_and_nobody_else_does():
    async def run():
        budget = Budget(100, 40, 8, 5)
        await budget.take(30, ["mal"])
        waiting = asyncio.ensure_future(budget.take(30, ["mal"]))
        await asyncio.sleep(0)
        assert not waiting.done()
        await budget.take(40, ["pat"])
        budget.give_back(30, ["mal"])
        await waiting
        assert (budget._used, dict(budget._used_by)) == (70, {"mal": 30, "pat": 40})

    asyncio.run(run())


def test_all_together_are_bounded_and_the_first_who_fits_is_next():
    async def run():
        budget = Budget(100, 80, 8, 5)
        await budget.take(80, ["a"])
        large = asyncio.ensure_future(budget.take(70, ["b"]))
        small = asyncio.ensure_future(budget.take(40, ["c"]))
        await asyncio.sleep(0)
        assert not large.done()
        assert not small.done()
        budget.give_back(80, ["a"])
        await large
        await asyncio.sleep(0)
        assert not small.done()
        budget.give_back(70, ["b"])
        await small
        budget.give_back(40, ["c"])
        assert (budget._used, dict(budget._used_by), budget._waiting) == (0, {}, [])

    asyncio.run(run())


def test_an_address_counts_beside_the_actor():
    async def run():
        budget = Budget(1000, 40, 8, 0.02)
        await budget.take(40, ["address 10.0.0.1", "a"])
        with pytest.raises(StoreError):
            await budget.take(40, ["address 10.0.0.1", "b"])
        await budget.take(40, ["address 10.0.0.2", "b"])

    asyncio.run(run())


def test_more_than_ones_share_is_taken_only_when_nothing_else_is_held():
    async def run():
        budget = Budget(100, 40, 8, 0.02)
        await budget.take(90, ["a"])
        with pytest.raises(StoreError):
            await budget.take(1, ["a"])
        budget.give_back(90, ["a"])
        await budget.take(200, ["a"])

    asyncio.run(run())


def test_who_waits_too_long_or_in_too_great_numbers_is_refused_and_holds_nothing():
    async def run():
        budget = Budget(100, 40, 2, 0.05)
        await budget.take(40, ["mal"])
        queue = [asyncio.ensure_future(budget.take(40, ["mal"])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await budget.take(40, ["mal"])
        for waiting in queue:
            with pytest.raises(StoreError, match="waiting"):
                await waiting
        gone = asyncio.ensure_future(budget.take(40, ["mal"]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        budget.give_back(40, ["mal"])
        assert (budget._used, budget._waiting) == (0, [])
        await budget.take(40, ["mal"])

    asyncio.run(run())


def test_who_is_cancelled_after_being_admitted_gives_back():
    async def run():
        budget = Budget(100, 40, 2, 5)
        await budget.take(40, ["a"])
        waiting = asyncio.ensure_future(budget.take(40, ["a"]))
        await asyncio.sleep(0)
        budget.give_back(40, ["a"])
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert budget._used == 0

    asyncio.run(run())


def test_a_pace_is_a_burst_and_then_so_much_a_second_for_each():
    kept = Pace(3, 2)
    assert [kept.keeps("a", 10.0) for _ in range(4)] == [True, True, True, False]
    assert kept.keeps("b", 10.0)
    assert [kept.keeps("a", 10.5), kept.keeps("a", 10.5)] == [True, False]
    assert [kept.keeps("a", 100.0) for _ in range(4)] == [True, True, True, False]


def test_a_pace_remembers_a_bounded_number_of_askers():
    kept = Pace(1, 0.001)
    assert kept.keeps("first", 0.0)
    assert not kept.keeps("first", 0.0)
    for number in range(pace.MOST):
        kept.keeps(str(number), 0.0)
    assert len(kept._left) == pace.MOST
    assert kept.keeps("first", 0.0)
