"""The check's own count and salus's count agree on any plan, good or broken."""

import json
from random import Random

import pytest

from salus.operations.model import Admission, Plan
from salus.operations.read import write_plan
from salus.operations.rules import score
from tests.operations import tiny
from validation.operations._recount import recount

HOUSES = [(tiny.document(), tiny.made()), (json.loads(tiny.WARD.read_bytes()), tiny.ward())]


def drawn(instance, random):
    """Any plan: most break rules. Nurses mostly work then, so that costs can be compared."""
    admissions = tuple(
        None
        if random.random() < 0.3
        else Admission(*(random.randrange(n) for n in (instance.days, len(instance.rooms), len(instance.theatres))))
        for _ in instance.patients
    )
    present = random.random() < 0.7
    everybody = range(len(instance.nurses))
    rows = tuple(
        tuple(
            None if random.random() < 0.1 else random.choice(instance.on_duty(shift) if present else everybody)
            for shift in range(instance.shifts)
        )
        for _ in instance.rooms
    )
    return Plan(admissions, rows)


@pytest.mark.parametrize("house", HOUSES, ids=["tiny", "ward"])
def test_both_counts_agree(house):
    document, instance = house
    seen = set()
    for seed in range(150):
        plan = drawn(instance, Random(seed))
        broken, cost = recount(document, json.loads(write_plan(instance, plan)))
        found = score(instance, plan)
        assert broken == {rule: n for rule, n in found.hard.items() if n}
        assert found.hard["nurse_presence"] or cost == found.cost
        seen |= set(broken)
    assert len(seen) >= 8
