"""The annealer of native/kernel.c: compiled here with the C compiler at hand, and called through ctypes.

Nothing compiled is shipped. ``compiled`` builds the few source files of this package into a private folder that is
gone before it returns; where there is no compiler, or it fails, anneal.py does the same in Python, more slowly. ctypes
lets go of Python's lock during a call, so several walks run side by side in threads.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path

from salus.operations.model import WISHES, Admission, Instance, Plan

SOURCE = Path(__file__).parent / "native" / "kernel.c"
COMPILERS = ("cc", "gcc", "clang")
OUT = -1
NEVER = 2**63 - 1
"""The cost of the best plan while there is none."""

Words = ctypes.Array[ctypes.c_int32]


_built: dict[str, ctypes.CDLL] = {}
"""The kernel, once it was built in this process."""


def compiled(seconds: float = 30.0) -> ctypes.CDLL | None:
    """The kernel; None where it cannot be built, or not within the seconds."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler and "kernel" not in _built and (library := _build(compiler, seconds)):
        _built["kernel"] = library
    return _built.get("kernel")


def _build(compiler: str, seconds: float) -> ctypes.CDLL | None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        target = Path(folder) / ("kernel.dll" if os.name == "nt" else "kernel.so")
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=seconds)
            return _typed(ctypes.CDLL(str(target)))
        except (OSError, subprocess.SubprocessError, AttributeError):
            return None


def _typed(library: ctypes.CDLL) -> ctypes.CDLL:
    words, state = ctypes.POINTER(ctypes.c_int32), ctypes.c_void_p
    library.salus_open.argtypes = [words, ctypes.c_int, words, ctypes.c_uint64]
    library.salus_open.restype = state
    library.salus_close.argtypes, library.salus_close.restype = [state], None
    library.salus_load.argtypes, library.salus_load.restype = [state, words, words], ctypes.c_int64
    library.salus_run.argtypes = [state, ctypes.c_int, ctypes.c_double]
    library.salus_run.restype = ctypes.c_int64
    library.salus_cost.argtypes, library.salus_cost.restype = [state], ctypes.c_int64
    library.salus_missing.argtypes, library.salus_missing.restype = [state], ctypes.c_int
    library.salus_best.argtypes, library.salus_best.restype = [state, words, words], None
    return library


def _words(numbers: Sequence[int]) -> Words:
    return (ctypes.c_int32 * max(1, len(numbers)))(*numbers)


def suits(instance: Instance) -> bool:
    """Whether no price of one change can overflow the kernel's 32 bits, and there is a room at all."""
    weights, persons = instance.weights, (*instance.patients, *instance.occupants)
    dearest = max(getattr(weights, name) for name in WISHES)
    units = [1, len(instance.age_groups) * instance.days, instance.shifts, instance.days]
    units += [sum(person.workload) + sum(person.skill) for person in persons]
    beds = max([1, *(room.beds for room in instance.rooms)])
    return bool(instance.rooms) and 10 * dearest * max(units) * beds < 2**31


def mandatory_price(instance: Instance) -> int:
    """What a mandatory patient who is out costs at first while the search runs: little more than an optional one.

    The kernel raises it for whoever stays out. A high price from the beginning would forbid the ways from one good plan
    to another on which a mandatory patient is out for a moment.
    """
    return 50 + instance.weights.unscheduled


def written(instance: Instance) -> array[int]:
    """An instance as the words that ``read_words`` of native/problem.h reads."""
    w, persons, patients = instance.weights, [*instance.patients, *instance.occupants], instance.patients
    in_room = [sum(o.room == room for o in instance.occupants) for room in range(len(instance.rooms))]
    most_beds = max([1, *in_room, *(room.beds for room in instance.rooms)])
    needs: list[tuple[int, int]] = []
    suitable: list[int] = []
    first_need, first_suitable = [], [0]
    for person in persons:
        first_need.append(len(needs))
        needs += list(zip(person.workload, person.skill, strict=True))
    for patient in patients:
        suitable += list(patient.rooms)
        first_suitable.append(len(suitable))
    on = [instance.on_duty(shift) for shift in range(instance.shifts)]
    first_duty = [0]
    for nurses in on:
        first_duty.append(first_duty[-1] + len(nurses))
    per_day = instance.shifts_per_day
    words = array("i", [instance.days, per_day, len(patients), len(persons), len(instance.rooms)])
    words.extend([len(instance.theatres), len(instance.surgeons), len(instance.nurses), most_beds])
    words.extend([w.age_mix, w.skill, w.continuity, w.excess, w.open_theatre, w.surgeon_transfer, w.delay])
    words.extend([w.unscheduled, mandatory_price(instance), len(needs), len(suitable), first_duty[-1]])
    for column in (
        [person.stay for person in persons],
        [person.age for person in persons],
        [int(person.gender == "A") for person in persons],
        first_need,
        [workload for workload, _ in needs],
        [skill for _, skill in needs],
        [int(patient.mandatory) for patient in patients],
        [patient.release for patient in patients],
        [patient.last for patient in patients],
        [patient.duration for patient in patients],
        [patient.surgeon for patient in patients],
        [int(room in patient.rooms) for patient in patients for room in range(len(instance.rooms))],
        first_suitable,
        suitable,
        [room.beds for room in instance.rooms],
        [int(not all(on[day * per_day + i] for i in range(per_day))) for day in range(instance.days)],
        first_duty,
        [nurse for nurses in on for nurse in nurses],
        [nurse.skill for nurse in instance.nurses],
        [OUT if load is None else load for nurse in instance.nurses for load in nurse.loads],
        [minutes for theatre in instance.theatres for minutes in theatre.minutes],
        [minutes for surgeon in instance.surgeons for minutes in surgeon.minutes],
    ):
        words.extend(column)
    return words


class NativeWalk:
    """One walk of the kernel, to be closed."""

    round = 20_000
    """Steps between two looks at the clock: some hundredths of a second."""

    def __init__(self, library: ctypes.CDLL, instance: Instance, seed: int) -> None:
        self.library, self.instance = library, instance
        self.patients, self.slots = len(instance.patients), len(instance.rooms) * instance.shifts
        words = written(instance)
        occupied = _words([occupant.room for occupant in instance.occupants])
        self._state = library.salus_open(_words(words), len(words), occupied, seed)
        self.best_cost: int | None = None
        """Of the best plan met that admits every mandatory patient; None while there is none."""

    def close(self) -> None:
        """Free the memory."""
        if self._state:
            self.library.salus_close(self._state)
            self._state = None

    @property
    def cost(self) -> int:
        """Of what stands now, with the price of missing mandatory patients."""
        return int(self.library.salus_cost(self._state))

    @property
    def missing(self) -> int:
        """Mandatory patients who are out now."""
        return int(self.library.salus_missing(self._state))

    def run(self, steps: int, temperature: float) -> None:
        """Walk on at a temperature."""
        self._note(self.library.salus_run(self._state, steps, temperature))

    def _note(self, cost: int) -> None:
        self.best_cost = None if cost == NEVER else cost

    def load(self, plan: Plan) -> None:
        """Go to a plan. A room in which it names no nurse keeps the one it has."""
        places = [(OUT, OUT, OUT) if a is None else (a.day, a.room, a.theatre) for a in plan.admissions]
        columns = [place[part] for part in range(3) for place in places]
        nurses = [OUT if nurse is None else nurse for row in plan.nurses for nurse in row]
        self._note(self.library.salus_load(self._state, _words(columns), _words(nurses)))

    def best(self) -> Plan:
        """The best plan met. Rooms and days nobody lies in name no nurse."""
        places, nurses = _words([0] * (3 * self.patients)), _words([0] * self.slots)
        self.library.salus_best(self._state, places, nurses)
        p, shifts, instance = self.patients, self.instance.shifts, self.instance
        admissions = tuple(
            None if places[i] == OUT else Admission(places[i], places[p + i], places[2 * p + i]) for i in range(p)
        )
        filled = {(o.room, day) for o in instance.occupants for day in range(min(o.stay, instance.days))}
        for patient, admission in zip(instance.patients, admissions, strict=True):
            if admission is not None:
                end = min(admission.day + patient.stay, instance.days)
                filled |= {(admission.room, day) for day in range(admission.day, end)}
        rows = (nurses[room * shifts : (room + 1) * shifts] for room in range(len(instance.rooms)))
        roster = tuple(
            tuple(
                nurse if nurse != OUT and (room, shift // instance.shifts_per_day) in filled else None
                for shift, nurse in enumerate(row)
            )
            for room, row in enumerate(rows)
        )
        return Plan(admissions, roster)
