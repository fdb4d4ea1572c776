"""Why a wish stays unmet: one plain sentence each, with the rule that binds and the alternative closest to feasible.

An alternative is put into the plan as it stands, nothing else moved; what it would cost is counted, not guessed. So
"nothing stands in the way" means: with the rest as planned. A better plan that moves several people at once may exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from salus.operations.care import CareBounds
from salus.operations.model import Admission, Instance, Patient, Plan
from salus.operations.rules import Lodger, by_room_and_day, carers, lodgers, score, workloads
from salus.operations.state import OUT, State


@dataclass(frozen=True, slots=True)
class Reason:
    """One unmet wish. ``cost`` is what it costs now; ``blocks`` what stands in the alternative's way (empty: cost)."""

    wish: str
    about: str
    """Id of the patient, or the nurse, room, theatre or surgeon with the day."""
    cost: int
    sentence: str
    alternative: Admission | None = None
    change: int | None = None
    """Change of the whole cost by the alternative, as if nothing stood in its way."""
    blocks: tuple[str, ...] = ()


def reasons(instance: Instance, plan: Plan) -> list[Reason]:
    """Every unmet wish of a plan without hard violations, in the order S1 to S8 within falling cost."""
    state = State(instance, plan)
    found = [*_admissions(state), *_rooms(instance, plan), *_nurses(instance, plan), *_continuity(instance, plan)]
    found += _theatres(instance, plan)
    return sorted(found, key=lambda reason: (-reason.cost, reason.wish, reason.about))


@dataclass(frozen=True, slots=True)
class _Option:
    """A way to admit a patient: how far the rules are broken (minutes and bed-days), what breaks them, the change."""

    blocks: tuple[str, ...]
    short: int
    place: Admission
    change: int


def _admissions(state: State) -> Iterator[Reason]:
    """S7 and S8: who comes late, who does not come."""
    weights = state.weights
    for number, patient in enumerate(state.instance.patients):
        day = state.day[number]
        if day == OUT and not patient.mandatory:
            option = _closest(state, number, patient.release, patient.last, 0)
            yield _told(state, patient, "unscheduled", weights.unscheduled, f"{patient.id} is not admitted", option)
        elif day > patient.release:
            place = Admission(day, state.room[number], state.theatre[number])
            change = state.discharge(number)
            option = _closest(state, number, patient.release, day - 1, change)
            state.admit(number, place.day, place.room, place.theatre)
            late = day - patient.release
            says = f"{patient.id} comes on day {day}, {late} day{'s' * (late > 1)} after release"
            yield _told(state, patient, "delay", weights.delay * late, says, option)


def _closest(state: State, number: int, first: int, last: int, base: int) -> _Option | None:
    """The day, room and theatre that break the least: fewest rules, then least minutes and bed-days, then cost."""
    patient, best = state.instance.patients[number], None
    for day in range(first, last + 1):
        for room in patient.rooms:
            in_bed = _bed_blocks(state, patient, day, room)
            for theatre in range(len(state.instance.theatres)):
                blocks = in_bed + _surgery_blocks(state, patient, day, theatre)
                key = (len(blocks), sum(short for _, short in blocks))
                if best is not None and key > (len(best.blocks), best.short):
                    continue
                change = base + state.admit(number, day, room, theatre)
                state.discharge(number)
                option = _Option(tuple(text for text, _ in blocks), key[1], Admission(day, room, theatre), change)
                if best is None or (*key, change) < (len(best.blocks), best.short, best.change):
                    best = option
    return best


def _bed_blocks(state: State, patient: Patient, day: int, room: int) -> list[tuple[str, int]]:
    """What keeps a patient from a room, in words, with how many days of the stay it concerns."""
    name, end = state.instance.rooms[room].id, min(day + patient.stay, state.days)
    full, other, closed = [], [], []
    for d in range(day, end):
        here = state.lying[room][d]
        if d in state.closed:
            closed.append(d)
        if here and state.persons[here[0]].gender != patient.gender:
            other.append(d)
        elif len(here) >= state.instance.rooms[room].beds:
            full.append(d)
    found = []
    if full:
        found.append((f"room {name} is full on {_days(full)}", len(full)))
    if other:
        found.append((f"room {name} holds the other gender group on {_days(other)}", len(other)))
    if closed:
        found.append((f"no nurse works in some shift of {_days(closed)}", len(closed)))
    return found


def _surgery_blocks(state: State, patient: Patient, day: int, theatre: int) -> list[tuple[str, int]]:
    found = []
    things = (
        ("surgeon", state.instance.surgeons[patient.surgeon].id, state.surgeon_left[patient.surgeon][day]),
        ("theatre", state.instance.theatres[theatre].id, state.theatre_left[theatre][day]),
    )
    for kind, name, left in things:
        if left < patient.duration:
            text = f"{kind} {name} has {left} of the {patient.duration} minutes left on day {day}"
            found.append((text, patient.duration - left))
    return found


def _days(days: list[int]) -> str:
    """Days in words, runs drawn together: "days 3-5, 8"."""
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    text = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"day{'s' * (len(days) > 1)} {text}"


def _told(state: State, patient: Patient, wish: str, cost: int, says: str, option: _Option | None) -> Reason:
    if option is None:
        return Reason(wish, patient.id, cost, f"{says}: no room suits")
    instance, place = state.instance, option.place
    where = f"day {place.day}, room {instance.rooms[place.room].id}, theatre {instance.theatres[place.theatre].id}"
    if option.blocks:
        text = f"{says}; closest is {where}: {' and '.join(option.blocks)}"
        text += f" (without that the whole cost would change by {option.change:+d})"
    else:
        text = f"{says}; {where} is free, and the whole cost would change by {option.change:+d}"
    return Reason(wish, patient.id, cost, text, place, option.change, option.blocks)


def _rooms(instance: Instance, plan: Plan) -> Iterator[Reason]:
    """S1: rooms in which age groups mix, a sentence for each run of days with the same people."""
    for room, days in enumerate(by_room_and_day(instance, plan)):
        runs: list[tuple[list[int], list[Lodger]]] = []
        for day, here in enumerate(days):
            if runs and runs[-1][1] == here and here:
                runs[-1][0].append(day)
            else:
                runs.append(([day], here))
        for mixed, here in runs:
            ages = [lodger.person.age for lodger in here]
            spread = (max(ages) - min(ages)) * len(mixed) if ages else 0
            if spread and instance.weights.age_mix:
                people = ", ".join(f"{lodger.person.id} ({instance.age_groups[lodger.person.age]})" for lodger in here)
                name = instance.rooms[room].id
                text = f"room {name} mixes age groups on {_days(mixed)}: {people}; {_elsewhere(instance, plan, here)}"
                yield Reason("age_mix", f"{name} day {mixed[0]}", instance.weights.age_mix * spread, text)


def _elsewhere(instance: Instance, plan: Plan, here: list[Lodger]) -> str:
    """The cheapest change of room of one of these people, all else as planned."""
    state, numbers = State(instance, plan), {p.id: i for i, p in enumerate(instance.patients)}
    best: tuple[int, str] | None = None
    for lodger in here:
        number = numbers.get(lodger.person.id)
        if number is None:
            continue
        day, room, theatre = state.day[number], state.room[number], state.theatre[number]
        change = state.discharge(number)
        for other in instance.patients[number].rooms:
            if other != room and state.fits_in_bed(number, day, other):
                whole = change + state.admit(number, day, other, theatre)
                state.discharge(number)
                if best is None or whole < best[0]:
                    best = (whole, f"{lodger.person.id} to {instance.rooms[other].id}")
        state.admit(number, day, room, theatre)
    if best is None:
        return "no other room has a bed for any of them on their days"
    return f"the cheapest change of room is {best[1]}, at {best[0]:+d}"


def _nurses(instance: Instance, plan: Plan) -> Iterator[Reason]:
    """S2 and S4: too little skill, too much work, with the cheapest other nurse of the shift."""
    state, beds = State(instance, plan), by_room_and_day(instance, plan)
    loads = workloads(instance, plan, beds)
    for room, row in enumerate(plan.nurses):
        for shift, nurse in enumerate(row):
            if nurse is None:
                continue
            here = beds[room][shift // instance.shifts_per_day]
            level = instance.nurses[nurse].skill
            needs = [lodger.person.skill[lodger.shift_of_stay(shift, instance.shifts_per_day)] for lodger in here]
            cost = instance.weights.skill * sum(max(0, need - level) for need in needs)
            if cost:
                name = f"{instance.rooms[room].id} {instance.shift_text(shift)}"
                says = (
                    f"nurse {instance.nurses[nurse].id} (level {level}) has {name}, where level {max(needs)} is asked"
                )
                yield Reason("skill", name, cost, f"{says}; {_other_nurse(state, [room], shift)}")
    for number, nurse_of in enumerate(instance.nurses):
        for shift, most in enumerate(nurse_of.loads):
            over = loads[number][shift] - most if most is not None else 0
            if over > 0 and instance.weights.excess:
                rooms = [room for room, row in enumerate(plan.nurses) if row[shift] == number]
                name = f"{nurse_of.id} {instance.shift_text(shift)}"
                says = f"nurse {name} has a workload of {loads[number][shift]} where {most} is the most"
                text = f"{says}; {_other_nurse(state, rooms, shift)}"
                yield Reason("excess", name, instance.weights.excess * over, text)


def _other_nurse(state: State, rooms: list[int], shift: int) -> str:
    """The cheapest other nurse for one of these rooms in this shift."""
    options = [
        (state.nurse_change(room, shift, nurse), room, nurse)
        for room in rooms
        for nurse in state.duty[shift]
        if nurse != state.nurse[room][shift]
    ]
    if not options:
        return "nobody else works then"
    change, room, nurse = min(options)
    name = state.instance.nurses[nurse].id
    return f"the cheapest other choice is {name} for {state.instance.rooms[room].id}, at {change:+d}"


def _continuity(instance: Instance, plan: Plan) -> Iterator[Reason]:
    """S3: who has more nurses than the least that the duty times allow."""
    bounds = CareBounds(instance)
    for lodger in lodgers(instance, plan):
        nurses, least = len(carers(instance, plan, lodger)), bounds.nurses(lodger.start, lodger.end)
        if nurses > least and instance.weights.continuity:
            text = f"{lodger.person.id} is cared for by {nurses} nurses; by duty times alone {least} could be enough"
            yield Reason("continuity", lodger.person.id, instance.weights.continuity * (nurses - least), text)


def _theatres(instance: Instance, plan: Plan) -> Iterator[Reason]:
    """S6: surgeons who change theatre, with what keeps them from staying in one."""
    visits: dict[tuple[int, int], dict[int, int]] = {}
    for patient, admission in zip(instance.patients, plan.admissions, strict=True):
        if admission is not None:
            minutes = visits.setdefault((patient.surgeon, admission.day), {})
            minutes[admission.theatre] = minutes.get(admission.theatre, 0) + patient.duration
    state, weight = State(instance, plan), instance.weights.surgeon_transfer
    for (surgeon, day), minutes in sorted(visits.items()):
        if len(minutes) > 1 and weight:
            total = sum(minutes.values())
            free = max(state.theatre_left[t][day] + used for t, used in minutes.items())
            name = instance.surgeons[surgeon].id
            text = (
                f"surgeon {name} operates in {len(minutes)} theatres on day {day}: {total} minutes, and the roomiest "
            )
            text += f"of them has {free} for this surgeon"
            yield Reason("surgeon_transfer", f"{name} day {day}", weight * (len(minutes) - 1), text)


def summary(instance: Instance, plan: Plan) -> str:
    """Cost by wish in one line."""
    found = score(instance, plan)
    parts = ", ".join(f"{name} {cost}" for name, cost in found.costs.items() if cost)
    return f"cost {found.cost} ({parts or 'every wish met'}), {found.violations} hard violations"
