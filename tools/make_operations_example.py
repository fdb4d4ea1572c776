"""Make examples/tour/operations/: a small ward to plan and a history of admissions, both invented.

    python tools/make_operations_example.py

The seed is fixed. The ward has fewer beds and surgeon's minutes than its patients would need: wishes stay unmet.
"""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path
from random import Random

TARGET = Path(__file__).parents[1] / "examples" / "tour" / "operations"
DAYS, SHIFTS, LEVELS = 7, ("early", "late", "night"), 3
AGES = ("child", "adult", "older")


def person(random: Random, name: str, most: int) -> dict[str, object]:
    """Who lies in a bed."""
    stay = random.randint(2, most)
    return {
        "id": name,
        "gender": random.choice("AB"),
        "age_group": random.choice(AGES),
        "length_of_stay": stay,
        "workload_produced": [random.randint(1, 3) for _ in range(stay * len(SHIFTS))],
        "skill_level_required": [random.choice((0, 0, 1, 2)) for _ in range(stay * len(SHIFTS))],
    }


def patient(random: Random, number: int) -> dict[str, object]:
    """Who is to be admitted."""
    release, mandatory = random.randint(0, 4), number % 3 == 0
    told = person(random, f"patient-{number:02}", 4) | {
        "mandatory": mandatory,
        "surgery_release_day": release,
        "surgery_duration": random.choice((60, 90, 120, 180)),
        "surgeon_id": f"surgeon-{number % 2}",
        "incompatible_room_ids": [f"room-{random.randrange(3)}"] if random.random() < 0.3 else [],
    }
    return told | ({"surgery_due_day": min(DAYS - 1, release + 3)} if mandatory else {})


def nurse(random: Random, number: int) -> dict[str, object]:
    """One shift of the day for two days, then another, then a day off: two nurses on duty in every shift."""
    work = []
    for day in range(DAYS):
        kind = (number + day // 3) % 4
        if kind < 3:
            work.append({"day": day, "shift": SHIFTS[kind], "max_load": random.choice((8, 10, 12))})
    return {"id": f"nurse-{number}", "skill_level": number % LEVELS, "working_shifts": work}


def ward(random: Random) -> dict[str, object]:
    """The instance."""
    occupants = [person(random, f"occupant-{i}", 3) | {"room_id": f"room-{i}"} for i in range(2)]
    return {
        "days": DAYS,
        "skill_levels": LEVELS,
        "shift_types": SHIFTS,
        "age_groups": AGES,
        "weights": {
            "room_mixed_age": 5,
            "room_nurse_skill": 2,
            "continuity_of_care": 1,
            "nurse_eccessive_workload": 2,
            "open_operating_theater": 20,
            "surgeon_transfer": 5,
            "patient_delay": 10,
            "unscheduled_optional": 150,
        },
        "occupants": occupants,
        "patients": [patient(random, number) for number in range(18)],
        "surgeons": [
            {"id": f"surgeon-{i}", "max_surgery_time": [240 if (day + i) % 2 else 180 for day in range(DAYS)]}
            for i in range(2)
        ],
        "operating_theaters": [
            {"id": f"theatre-{i}", "availability": [300 if (day + i) % 3 else 0 for day in range(DAYS)]}
            for i in range(2)
        ],
        "rooms": [{"id": f"room-{i}", "capacity": 2 + i % 2} for i in range(3)],
        "nurses": [nurse(random, number) for number in range(8)],
    }


def history(random: Random) -> list[tuple[str, str, int]]:
    """26 weeks of two specialties, fewer at week-ends."""
    rows = []
    for name, rate in (("surgery", 6.0), ("medicine", 11.0)):
        for i in range(182):
            day = date(2026, 1, 5) + timedelta(days=i)
            trials, chance = 60, rate * (0.6 if day.weekday() > 4 else 1.15) / 60
            rows.append((day.isoformat(), name, sum(random.random() < chance for _ in range(trials))))
    return rows


def main() -> None:
    random = Random(20260105)
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "ward.json").write_text(json.dumps(ward(random), indent=1) + "\n", "utf-8")
    with (TARGET / "history.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("date", "specialty", "admissions"))
        writer.writerows(history(random))


if __name__ == "__main__":
    main()
