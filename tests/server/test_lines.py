"""A fair queue: everybody in turn, one thread for the slow, and a flood is the loss of whoever sends it."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import StoreError
from salus.server import lines as module
from salus.server.lines import QUICK, Lines, TooMany


def drained(lines: Lines, seconds: float = 0.0) -> list:
    """Everything that waits, in the order in which one thread would take it."""
    taken = []
    while lines._turns:
        by, job = lines.take()
        taken.append(job)
        lines.done(by, seconds)
    return taken


def test_everybody_gets_a_turn_before_anybody_gets_a_second():
    lines: Lines = Lines(1, 100, 100)
    for job in ("a1", "a2", "a3", "b1", "c1", "c2"):
        lines.put(job[0], job)
    assert drained(lines) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_an_asker_with_too_many_is_refused_and_nobody_else_is():
    lines: Lines = Lines(1, 100, 3)
    for n in range(3):
        lines.put("mal", n)
    with pytest.raises(TooMany):
        lines.put("mal", 3)
    assert lines.put("pat", "x") is None


def test_a_newcomer_takes_the_last_place_of_the_longest_line():
    lines: Lines = Lines(1, 4, 4)
    for n in range(4):
        lines.put("mal", n)
    assert lines.put("pat", "p1") == 3
    assert lines.put("pat", "p2") == 2
    with pytest.raises(StoreError, match="too many requests are waiting") as refused:
        lines.put("pat", "p3")  # by now both have as much
    assert not isinstance(refused.value, TooMany)
    assert drained(lines) == [0, "p1", 1, "p2"]


def test_nobody_loses_a_place_to_one_who_would_then_have_as_many():
    lines: Lines = Lines(1, 5, 5)
    for n in range(3):
        lines.put("mal", n)
    lines.put("pat", "p1")
    lines.put("pat", "p2")
    with pytest.raises(StoreError):
        lines.put("pat", "p3")
    assert lines.put("lee", "l1") == 2


def started(lines: Lines) -> list[str]:
    """Whose jobs start when as many threads as want to ask for one."""
    begun = []
    while (by := next((by for by in lines._turns if lines._may_run(lines._lines[by])), None)) is not None:
        lines.take()
        begun.append(by)
    return begun


def test_one_thread_each_while_others_wait_and_more_only_for_the_quick_and_alone():
    lines: Lines = Lines(4, 100, 100)
    for n in range(10):
        lines.put("mal", n)
    assert started(lines) == ["mal"]  # how long its jobs take is not known yet
    lines.done("mal", QUICK / 2)
    assert started(lines) == ["mal"] * 3  # quick, and alone: all threads but one
    lines.put("pat", "p")
    assert started(lines) == ["pat"]
    lines.done("mal", QUICK / 2)
    assert started(lines) == []  # pat is at work: mal has two already
    for _ in range(2):
        lines.done("mal", 10 * QUICK)
    lines.done("pat", QUICK / 2)
    assert started(lines) == ["mal"]  # alone again, but slow now


def test_the_slow_have_half_of_the_threads_together(monkeypatch):
    monkeypatch.setattr(module, "REST", 0.0)
    lines: Lines = Lines(4, 100, 100)
    for name in "abc":
        lines.put(name, 0)
        lines.put(name, 1)
    assert started(lines) == ["a", "b", "c"]
    for name in "abc":
        lines.done(name, 1.0)
    assert started(lines) == ["a", "b"]
    lines.put("quick", 0)
    assert started(lines) == ["quick"]
    lines.done("a", 1.0)
    assert started(lines) == ["c"]


def test_who_has_more_jobs_gives_way_to_one_who_is_at_work(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_REST", 0.2)
    lines: Lines = Lines(4, 100, 100)
    for n in range(5):
        lines.put("mal", n)
    assert started(lines) == ["mal"]
    lines.put("pat", 0)
    assert started(lines) == ["pat"]
    lines.done("mal", QUICK)
    assert started(lines) == []
    begun = time.monotonic()
    assert lines.take() == ("mal", 1)  # pat is still at work, and mal has waited
    assert 1.5 * QUICK < time.monotonic() - begun < 2
    lines.done("mal", QUICK)
    lines.done("pat", QUICK)
    begun = time.monotonic()
    assert lines.take() == ("mal", 2)  # nobody else wants anything
    assert time.monotonic() - begun < QUICK


def test_those_who_have_more_jobs_do_not_give_way_to_each_other():
    lines: Lines = Lines(4, 100, 100)
    for n in range(5):
        for by in ("mal", "mel"):
            lines.put(by, n)
    assert started(lines) == ["mal", "mel"]
    for by in ("mal", "mel"):
        lines.done(by, QUICK / 2)
    assert started(lines) == ["mal", "mel"]
    lines.done("mal", QUICK / 2)
    assert started(lines) == ["mal"]


def test_who_gives_way_is_let_in_as_soon_as_the_other_is_done(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_REST", 60.0)
    lines: Lines = Lines(2, 10, 10)
    for n in range(2):
        lines.put("mal", n)
    assert started(lines) == ["mal"]
    lines.put("pat", 0)
    assert started(lines) == ["pat"]
    lines.done("mal", 30.0)
    got: list = []
    waiting = threading.Thread(target=lambda: got.append(lines.take()))
    waiting.start()
    waiting.join(0.05)
    assert got == []
    lines.done("pat", 0.0)
    waiting.join(5)
    assert got == [("mal", 1)]


def test_who_waits_for_a_job_is_woken_by_the_next_and_by_the_end():
    lines: Lines = Lines(2, 10, 10)
    got: list = []

    def work():
        while (taken := lines.take()) is not None:
            got.append(taken[1])
            lines.done(taken[0], 0.0)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(5):
        lines.put(str(n % 2), n)
    deadline = threading.Event()
    while len(got) < 5:
        deadline.wait(0.01)
    lines.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert sorted(got) == list(range(5))


def test_what_was_not_begun_is_given_back_at_the_end():
    lines: Lines = Lines(1, 10, 10)
    lines.put("a", 1)
    lines.put("b", 2)
    assert lines.take() == ("a", 1)
    assert lines.close() == [2]
    assert lines.take() is None


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("pppabc"), st.floats(0, 0.2)), max_size=60))
def test_whatever_comes_no_more_runs_than_may_and_all_is_done_in_the_end(threads, steps):
    """``p`` puts a job of somebody, any other letter ends that one's job."""
    lines: Lines = Lines(threads, 30, 8)
    running: list[str] = []
    put = taken = lost = 0
    for number, (step, seconds) in enumerate(steps):
        if step == "p":
            try:
                lost += lines.put("abcd"[number % 4], number) is not None
                put += 1
            except StoreError:
                pass
        elif step in running:
            running.remove(step)
            lines.done(step, seconds)
        while len(running) < threads and any(lines._may_run(lines._lines[by]) for by in lines._turns):
            running.append(lines.take()[0])
            taken += 1
        slow = [by for by in running if lines._lines[by].slow]
        assert lines._slow_running == len(slow)
        assert lines._running == len(running)
        assert 0 <= lines._modest == sum(line.modest for line in lines._lines.values()) <= len(running)
        assert lines._count == put - taken - lost == sum(len(line.jobs) for line in lines._lines.values())
    for by in running:
        lines.done(by, 0.0)
    drained(lines)
    assert not lines._lines
    assert lines._count == lines._running == lines._slow_running == lines._modest == 0
