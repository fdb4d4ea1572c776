"""The compiled walk counts as rules.py does, keeps the hard rules, and walks the same way twice."""

from contextlib import closing

import pytest

from salus.operations import native
from salus.operations.model import Plan
from salus.operations.native import NativeWalk, compiled, suits, written
from salus.operations.rules import score
from salus.operations.state import State
from tests.operations import tiny

WARD = tiny.ward()
library = compiled()
pytestmark = pytest.mark.skipif(library is None, reason="there is no C compiler here")


def walk(instance=WARD, seed=1):
    return closing(NativeWalk(library, instance, seed))


@pytest.mark.parametrize("temperature", [0.1, 20.0, 1e5])
@pytest.mark.parametrize("instance", [WARD, tiny.made()], ids=["ward", "tiny"])
def test_the_running_cost_is_what_the_rules_count(instance, temperature):
    seen = set()
    for seed in range(12):
        with closing(NativeWalk(library, instance, seed)) as one:
            for _ in range(8):
                one.run(150, temperature)
                if one.best_cost is None:
                    continue
                found = score(instance, one.best())
                assert found.violations == 0
                assert found.cost == one.best_cost
                seen.add(found.cost)
                assert one.missing or one.cost >= one.best_cost
    assert seen


def test_what_stands_now_costs_what_it_says_after_any_number_of_changes():
    """Loading forgets the running total: a plan that is loaded and left at once costs the same again."""
    with walk(seed=5) as one, walk(seed=6) as other:
        for temperature in (1e4, 100.0, 10.0, 1.0):
            one.run(4000, temperature)
            other.load(one.best())
            assert other.best_cost == one.best_cost == score(WARD, other.best()).cost
            assert other.best() == one.best()


def test_the_same_seed_walks_the_same_way():
    plans = []
    for seed in (3, 3, 4):
        with walk(seed=seed) as one:
            one.run(20_000, 10.0)
            plans.append((one.best_cost, one.best(), one.cost))
    assert plans[0] == plans[1] != plans[2]


def test_a_cold_walk_goes_down_only():
    with walk() as one:
        one.run(3000, 1e-9)
        costs = []
        for _ in range(20):
            costs.append(one.cost)
            one.run(200, 1e-9)
        assert costs == sorted(costs, reverse=True)
        assert one.missing == 0
        assert one.best_cost == one.cost


def test_mandatory_patients_who_are_out_cost_more_than_all_wishes_and_are_no_plan():
    with walk() as one:
        assert one.missing == 6
        assert one.best_cost is None
        empty = State(WARD, Plan((None,) * len(WARD.patients), tuple((None,) * WARD.shifts for _ in WARD.rooms)))
        assert one.cost >= empty.cost + 6 * native.mandatory_price(WARD) - 10_000
        one.load(Plan((None,) * len(WARD.patients), tuple((None,) * WARD.shifts for _ in WARD.rooms)))
        assert one.best_cost is None


def test_a_plan_loaded_is_counted_like_the_rules_do():
    instance = tiny.made()
    with walk(instance) as one:
        one.load(tiny.base())
        assert one.best_cost == one.cost == score(instance, tiny.base()).cost == 74
        assert one.best() == tiny.base()


@pytest.mark.parametrize("missing", ["patients", "occupants", "operating_theaters", "surgeons", "nurses"])
def test_a_house_that_lacks_something_does_not_break_the_kernel(missing):
    document = tiny.document()
    document["patients"][0]["mandatory"] = False
    document["patients"][1]["incompatible_room_ids"] = ["r0", "r1"]
    document[missing] = []
    if missing == "surgeons":
        document["patients"] = []
    instance = tiny.made(document)
    with walk(instance) as one:
        one.run(2000, 50.0)
        found = score(instance, one.best())
        assert one.best_cost == found.cost
        assert found.hard["gender_mix"] == found.hard["room_capacity"] == found.hard["theatre_overtime"] == 0


def test_numbers_that_might_overflow_are_left_to_python():
    document = tiny.document()
    assert suits(tiny.made(document))
    document["weights"]["nurse_eccessive_workload"] = 1_000_000
    document["patients"][0]["workload_produced"] = [1_000_000] * 4
    assert not suits(tiny.made(document))
    document = tiny.document()
    document["rooms"] = document["occupants"] = []
    document["patients"][1]["incompatible_room_ids"] = []
    assert not suits(tiny.made(document))


@pytest.mark.parametrize("script", [None, "exit 1", "exit 0", "exec sleep 60"])
def test_without_a_compiler_that_works_in_time_there_is_no_kernel(monkeypatch, tmp_path, script):
    monkeypatch.setattr(native, "_built", {})
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    compiler.chmod(0o700)
    monkeypatch.setattr(native.shutil, "which", lambda name: str(compiler) if script else None)
    assert compiled(1.0) is None


def test_the_words_hold_every_number_of_the_instance():
    assert len(written(WARD)) > 3 * len(WARD.patients)
    assert written(WARD) != written(tiny.made())
