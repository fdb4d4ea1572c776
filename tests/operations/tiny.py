"""A problem so small that its costs are counted by hand: one occupant, three patients, two rooms, three nurses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from salus.operations.model import Admission, Instance, Plan
from salus.operations.read import read_instance

WARD = Path(__file__).parents[2] / "examples" / "tour" / "operations" / "ward.json"


def stay(days: int, **more: Any) -> dict[str, Any]:
    shifts = 2 * days
    return {
        "length_of_stay": days,
        "workload_produced": [1] * shifts,
        "skill_level_required": [0] * shifts,
        **more,
    }


def patient(name: str, gender: str, age: str, days: int, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "gender": gender,
        "age_group": age,
        "mandatory": False,
        "surgery_release_day": 0,
        "surgery_duration": 60,
        "surgeon_id": "s0",
        "incompatible_room_ids": [],
        **stay(days),
        **more,
    }


def document() -> dict[str, Any]:
    """The instance as JSON. Weights are different primes, so that a sum tells what was counted."""
    return {
        "days": 3,
        "skill_levels": 3,
        "shift_types": ["early", "late"],
        "age_groups": ["young", "old"],
        "weights": {
            "room_mixed_age": 2,
            "room_nurse_skill": 3,
            "continuity_of_care": 5,
            "nurse_eccessive_workload": 7,
            "open_operating_theater": 11,
            "surgeon_transfer": 13,
            "patient_delay": 17,
            "unscheduled_optional": 19,
        },
        "occupants": [{"id": "o0", "gender": "A", "age_group": "old", "room_id": "r0", **stay(1)}],
        "patients": [
            patient("p0", "A", "young", 2, mandatory=True, surgery_due_day=1, skill_level_required=[0, 1, 0, 0]),
            patient("p1", "A", "old", 1, incompatible_room_ids=["r1"]),
            patient("p2", "B", "old", 2),
        ],
        "surgeons": [{"id": "s0", "max_surgery_time": [120, 120, 120]}],
        "operating_theaters": [{"id": "t0", "availability": [100] * 3}, {"id": "t1", "availability": [100] * 3}],
        "rooms": [{"id": "r0", "capacity": 2}, {"id": "r1", "capacity": 1}],
        "nurses": [
            {"id": "n0", "skill_level": 2, "working_shifts": duty("early")},
            {"id": "n1", "skill_level": 0, "working_shifts": duty("late")},
            {"id": "n2", "skill_level": 1, "working_shifts": duty("early")[1:2]},
        ],
    }


def duty(shift: str) -> list[dict[str, Any]]:
    return [{"day": day, "shift": shift, "max_load": 3} for day in range(3)]


def made(changed: dict[str, Any] | None = None) -> Instance:
    return read_instance(json.dumps(changed or document()).encode())


def base() -> Plan:
    """p0 on day 0 in r0, the others out; n0 early and n1 late in r0 while somebody lies there."""
    return Plan((Admission(0, 0, 0), None, None), ((0, 1, 0, 1, None, None), (None,) * 6))


def ward() -> Instance:
    return read_instance(WARD.read_bytes())
