"""Each rule and wish by itself, against counts made by hand."""

import json
from dataclasses import replace

import pytest

from salus.operations.model import Admission
from salus.operations.read import read_plan, write_plan
from salus.operations.rules import HARD, score
from tests.operations import tiny

BASE = {
    "age_mix": 2,  # day 0: o0 is old, p0 young
    "skill": 3,  # p0 needs level 1 late on day 0, n1 has 0
    "continuity": 20,  # o0 and p0 have two nurses each
    "excess": 0,
    "open_theatre": 11,
    "surgeon_transfer": 0,
    "delay": 0,
    "unscheduled": 38,
}


def admitted(number, *place, plan=None):
    plan = plan or tiny.base()
    admissions = list(plan.admissions)
    admissions[number] = Admission(*place) if place else None
    return replace(plan, admissions=tuple(admissions))


def covered(room, shift, nurse, plan=None):
    plan = plan or tiny.base()
    rows = [list(row) for row in plan.nurses]
    rows[room][shift] = nurse
    return replace(plan, nurses=tuple(tuple(row) for row in rows))


def judge(plan, document=None):
    found = score(tiny.made(document), plan)
    return {name: n for name, n in found.hard.items() if n}, dict(found.costs), found


def test_the_base_plan_costs_what_was_counted_by_hand():
    hard, costs, found = judge(tiny.base())
    assert hard == {}
    assert costs == BASE
    assert (found.cost, found.violations) == (74, 0)


WISHES = {
    # p1, old, a day late beside p0: one more theatre day, an age gap on day 1, two nurses, no load beyond 3
    "delay": (
        admitted(1, 1, 0, 0),
        {"delay": 17, "unscheduled": 19, "open_theatre": 22, "age_mix": 4, "continuity": 30},
    ),
    # another nurse on the early shift of day 1 is a third for p0
    "continuity": (covered(0, 2, 2), {"continuity": 25}),
    "unscheduled": (admitted(1, 2, 0, 0), None),
}


def test_delay_and_what_comes_with_it():
    _, costs, found = judge(WISHES["delay"][0])
    assert costs == BASE | WISHES["delay"][1]
    assert found.cost == 95


def test_a_third_nurse_costs_one_unit_of_continuity():
    assert judge(WISHES["continuity"][0])[1] == BASE | {"continuity": 25}


def test_a_second_theatre_of_a_surgeon_on_a_day_is_a_transfer():
    _, costs, _ = judge(admitted(1, 0, 0, 1))
    assert costs == BASE | {"surgeon_transfer": 13, "open_theatre": 22, "continuity": 30, "unscheduled": 19}


def test_load_beyond_the_greatest_is_counted_per_nurse_and_shift():
    document = tiny.document()
    document["patients"][0]["workload_produced"] = [4, 1, 1, 1]
    assert judge(tiny.base(), document)[1] == BASE | {"excess": 14}  # 1 + 4 where 3 is the most


def test_missing_skill_levels_add_up():
    document = tiny.document()
    document["patients"][0]["skill_level_required"] = [2, 2, 2, 1]
    assert judge(tiny.base(), document)[1] == BASE | {"skill": 9}  # 2 and 1 levels in the late shifts


def test_what_lies_beyond_the_horizon_counts_nowhere():
    document = tiny.document()
    document["patients"][2] |= tiny.stay(9)
    plan = covered(1, 5, 1, covered(1, 4, 0, admitted(2, 2, 1, 0)))
    hard, costs, _ = judge(plan, document)
    assert hard == {}
    assert costs["continuity"] == 30
    assert costs["delay"] == 34


BROKEN = {
    "gender_mix": (admitted(2, 1, 0, 0), {"gender_mix": 1, "uncovered_room": 2}),
    "room_compatibility": (covered(1, 1, 1, covered(1, 0, 0, admitted(1, 0, 1, 1))), {"room_compatibility": 1}),
    "mandatory_unscheduled": (admitted(0), {"mandatory_unscheduled": 1}),
    "admission_day": (covered(0, 5, 1, covered(0, 4, 0, admitted(0, 2, 0, 0))), {"admission_day": 1}),
    "room_capacity": (admitted(1, 0, 0, 1), {"room_capacity": 1}),
    "theatre_overtime": (admitted(1, 0, 0, 0), {"room_capacity": 1, "theatre_overtime": 20}),
    "nurse_presence": (covered(0, 1, 0), {"nurse_presence": 1}),
    "uncovered_room": (covered(0, 1, None), {"uncovered_room": 1}),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_each_hard_rule_is_counted(rule):
    plan, expected = BROKEN[rule]
    assert judge(plan)[0] == expected


def test_surgeons_overtime_is_in_minutes():
    document = tiny.document()
    document["surgeons"][0]["max_surgery_time"] = [100, 120, 120]
    assert judge(admitted(1, 0, 0, 1), document)[0] == {"room_capacity": 1, "surgeon_overtime": 20}
    assert set(BROKEN) | {"surgeon_overtime"} == set(HARD)


def test_mixed_gender_counts_the_smaller_group_of_every_day():
    document = tiny.document()
    document["occupants"][0] |= tiny.stay(2)
    document["rooms"][0]["capacity"] = 4
    document["patients"][1] |= {"gender": "B", "length_of_stay": 2} | tiny.stay(2)
    plan = admitted(2, 0, 0, 1, plan=admitted(1, 0, 0, 0))
    document["operating_theaters"][0]["availability"] = [200] * 3
    document["surgeons"][0]["max_surgery_time"] = [200] * 3
    assert judge(plan, document)[0] == {"gender_mix": 4}  # two of each, on two days


def test_a_plan_survives_its_json():
    instance = tiny.made()
    for plan in [tiny.base(), *(plan for plan, _ in BROKEN.values())]:
        again = read_plan(write_plan(instance, plan), instance)
        assert again == plan
    assert json.loads(write_plan(instance, tiny.base()))["patients"][1] == {"id": "p1", "admission_day": "none"}
