"""The running cost equals a full count after any change, and hard rules stay kept."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.operations.anneal import Annealer
from salus.operations.care import CareBounds, least_cover
from salus.operations.eject import Ejection, admit_one
from salus.operations.model import Admission, Plan
from salus.operations.rules import score
from salus.operations.state import OUT, State
from tests.operations import tiny

WARD = tiny.ward()
EMPTY = tuple((None,) * WARD.shifts for _ in WARD.rooms)


def nobody():
    return State(WARD, Plan((None,) * len(WARD.patients), EMPTY))


def soft(state):
    return score(WARD, state.plan()).cost


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 6), min_size=1, max_size=60), st.sampled_from([0.1, 20.0, 1e6]))
def test_every_move_keeps_cost_and_hard_rules(seed, kinds, temperature):
    annealer = Annealer(nobody(), Random(seed))
    annealer.temperature = temperature
    moves = list(dict.fromkeys(annealer.moves))
    assert score(WARD, annealer.state.plan()).hard["mandatory_unscheduled"] == annealer.missing == 6
    assert annealer.best_cost is None
    for kind in kinds:
        moves[kind]()
        assert annealer.state.agrees()
    hard = {name: n for name, n in score(WARD, annealer.state.plan()).hard.items() if n}
    assert set(hard) <= {"mandatory_unscheduled"}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_even_changes_that_break_rules_are_counted_right_and_undone(data):
    state = nobody()
    for _ in range(data.draw(st.integers(1, 25))):
        number = data.draw(st.integers(0, len(WARD.patients) - 1))
        if state.day[number] != OUT:
            state.discharge(number)
        else:
            place = [data.draw(st.integers(0, n - 1)) for n in (WARD.days, len(WARD.rooms), len(WARD.theatres))]
            state.admit(number, *place)
        shift, room = data.draw(st.integers(0, WARD.shifts - 1)), data.draw(st.integers(0, len(WARD.rooms) - 1))
        nurse = data.draw(st.sampled_from(state.duty[shift]))
        foretold, cost = state.nurse_change(room, shift, nurse), state.cost
        assert state.set_nurse(room, shift, nurse) == foretold == state.cost - cost
        assert state.cost == soft(state)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_an_ejection_says_what_it_costs_and_is_undone_whole(seed):
    random = Random(seed)
    annealer = Annealer(nobody(), random)
    annealer.temperature = 50.0
    for _ in range(150):
        annealer.move_patient()
    state, before = annealer.state, annealer.state.plan()
    cost, attempt = state.cost, Ejection(state, random)
    change = attempt.force(random.randrange(state.patients))
    if change is not None:
        assert state.cost - cost == change
        assert state.agrees()
        attempt.undo()
    assert (state.cost, state.plan()) == (cost, before)


def test_mandatory_patients_are_admitted_by_making_room():
    state, random = nobody(), Random(1)
    for _ in range(50):
        before = state.missing
        admit_one(state, random)
        assert state.missing <= before
    assert state.missing == 0
    assert score(WARD, state.plan()).violations == 0
    assert state.agrees()


def test_a_walk_keeps_the_best_plan_that_misses_nobody():
    annealer = Annealer(nobody(), Random(2))
    annealer.run(200, 1e6)
    hot = annealer.best_cost
    annealer.run(2000, 1.0)
    assert score(WARD, annealer.best()).violations == 0
    assert annealer.best_cost == soft(State(WARD, annealer.best())) < hot
    worse = nobody()
    while worse.missing:
        admit_one(worse, Random(3))
    annealer.load(worse.plan())
    assert annealer.cost == worse.cost > annealer.best_cost == score(WARD, annealer.best()).cost


def test_a_state_taken_from_a_plan_gives_the_plan_back():
    instance = tiny.made()
    state = State(instance, tiny.base())
    assert state.cost == 74
    assert state.plan() == tiny.base()
    assert not state.fits(1, 0, 0, 1)  # no bed left
    assert not state.fits(1, 1, 1, 1)  # the room does not suit
    assert not state.fits(2, 1, 0, 1)  # the other gender group
    assert not state.fits(1, 0, 0, 0)  # no minutes left
    assert state.fits(2, 1, 1, 0)


def test_least_cover_is_exact_or_a_bound():
    assert least_cover([]) == 0
    assert least_cover([(0,), (1,), (0, 1)]) == 2
    assert least_cover([(0, 1), (1, 2), (2, 0)]) == 2
    many = [tuple({(i * k) % 37 for k in range(1, 4)}) for i in range(1, 60)]
    assert 1 <= least_cover(many) <= 37


def test_the_least_number_of_nurses_of_a_stay():
    bounds = CareBounds(tiny.made())
    assert bounds.nurses(0, 3) == 2
    assert bounds.closed == frozenset()
    assert Admission(0, 0, 0) in tiny.base().admissions
