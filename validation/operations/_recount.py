"""Rules and wishes of a plan counted from the two JSON files alone, with no code of salus.

Written from the problem page of IHTC-2024 (ihtc2024.github.io); ihtp.py holds it, like salus, to the costs that the
organisers state. It is the judge of the plans that salus makes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Document = dict[str, Any]


def _per_shift(values: list[int], day: int, days: int, shifts: int) -> dict[int, int]:
    """A list that begins with the day of admission, by shift of the horizon."""
    return {day * shifts + i: v for i, v in enumerate(values) if day * shifts + i < days * shifts}


def recount(instance: Document, plan: Document) -> tuple[dict[str, int], int]:
    """Broken hard rules (those above 0) and the weighted cost."""
    days, shifts = instance["days"], len(instance["shift_types"])
    patients = {p["id"]: p for p in instance["patients"]}
    admitted = [(patients[a["id"]], a) for a in plan["patients"] if a["admission_day"] != "none"]
    lodgers = [(o, 0, o["room_id"]) for o in instance["occupants"]]
    lodgers += [(p, a["admission_day"], a["room"]) for p, a in admitted]
    broken, units = _admissions(instance, admitted)
    inside: dict[tuple[str, int], list[Document]] = defaultdict(list)
    for person, start, room in lodgers:
        for day in range(start, min(start + person["length_of_stay"], days)):
            inside[room, day].append(person)
    beds = {room["id"]: room["capacity"] for room in instance["rooms"]}
    for (room, _), here in inside.items():
        women = sum(person["gender"] == "A" for person in here)
        broken["gender_mix"] += min(women, len(here) - women)
        broken["room_capacity"] += max(0, len(here) - beds[room])
        ages = [instance["age_groups"].index(person["age_group"]) for person in here]
        units["room_mixed_age"] += max(ages) - min(ages)
    cover = _cover(instance, plan, broken)
    loads: dict[tuple[str, int], int] = defaultdict(int)
    skill = {nurse["id"]: nurse["skill_level"] for nurse in instance["nurses"]}
    for person, start, room in lodgers:
        work = _per_shift(person["workload_produced"], start, days, shifts)
        need = _per_shift(person["skill_level_required"], start, days, shifts)
        nurses = {shift: cover[room, shift] for shift in work if (room, shift) in cover}
        units["continuity_of_care"] += len(set(nurses.values()))
        for shift, nurse in nurses.items():
            units["room_nurse_skill"] += max(0, need[shift] - skill[nurse])
            loads[nurse, shift] += work[shift]
    most = {
        (nurse["id"], w["day"] * shifts + instance["shift_types"].index(w["shift"])): w["max_load"]
        for nurse in instance["nurses"]
        for w in nurse["working_shifts"]
    }
    units["nurse_eccessive_workload"] = sum(max(0, load - most.get(key, load)) for key, load in loads.items())
    uncovered = {(r, d * shifts + i) for (r, d) in inside for i in range(shifts)} - set(cover)
    broken["uncovered_room"] = len(uncovered)
    cost = sum(units[name] * weight for name, weight in instance["weights"].items())
    return {rule: n for rule, n in broken.items() if n}, cost


def _cover(instance: Document, plan: Document, broken: dict[str, int]) -> dict[tuple[str, int], str]:
    """The nurse of each room and shift."""
    shifts, cover = len(instance["shift_types"]), {}
    works = {(n["id"], w["day"], w["shift"]) for n in instance["nurses"] for w in n["working_shifts"]}
    for nurse in plan["nurses"]:
        for one in nurse["assignments"]:
            for room in one["rooms"]:
                broken["nurse_presence"] += (nurse["id"], one["day"], one["shift"]) not in works
                cover[room, one["day"] * shifts + instance["shift_types"].index(one["shift"])] = nurse["id"]
    return cover


def _admissions(instance: Document, admitted: list[tuple[Document, Document]]) -> tuple[dict[str, int], dict[str, int]]:
    """Rules and wishes of who comes when, and of surgery."""
    broken: dict[str, int] = defaultdict(int)
    units: dict[str, int] = defaultdict(int)
    surgeons: dict[tuple[str, int], int] = defaultdict(int)
    theatres: dict[tuple[str, int], int] = defaultdict(int)
    visits: dict[tuple[str, int], set[str]] = defaultdict(set)
    for patient, place in admitted:
        day, theatre = place["admission_day"], place["operating_theater"]
        last = patient["surgery_due_day"] if patient["mandatory"] else instance["days"] - 1
        broken["admission_day"] += not patient["surgery_release_day"] <= day <= last
        broken["room_compatibility"] += place["room"] in patient["incompatible_room_ids"]
        units["patient_delay"] += max(0, day - patient["surgery_release_day"])
        surgeons[patient["surgeon_id"], day] += patient["surgery_duration"]
        theatres[theatre, day] += patient["surgery_duration"]
        visits[patient["surgeon_id"], day].add(theatre)
    came = {patient["id"] for patient, _ in admitted}
    broken["mandatory_unscheduled"] = sum(p["mandatory"] and p["id"] not in came for p in instance["patients"])
    units["unscheduled_optional"] = sum(not p["mandatory"] and p["id"] not in came for p in instance["patients"])
    for table, key, limit, rule in (
        (surgeons, "surgeons", "max_surgery_time", "surgeon_overtime"),
        (theatres, "operating_theaters", "availability", "theatre_overtime"),
    ):
        most = {one["id"]: one[limit] for one in instance[key]}
        broken[rule] = sum(max(0, used - most[name][day]) for (name, day), used in table.items())
    units["open_operating_theater"] = len(theatres)
    units["surgeon_transfer"] = sum(len(visited) - 1 for visited in visits.values())
    return broken, units
