"""The collector is held back as long as anybody needs it, and is then as it was."""

import gc
import threading

import pytest

from salus.app import collecting


@pytest.fixture(autouse=True)
def usual():
    before = gc.get_threshold()
    gc.set_threshold(701, 11, 12)
    yield
    gc.set_threshold(*before)


def test_it_is_held_back_until_the_last_of_several_threads_is_out():
    inside, out = threading.Event(), threading.Event()

    def other():
        with collecting.seldom():
            inside.set()
            out.wait(10)

    with collecting.seldom():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait(10)
    assert gc.get_threshold() == (collecting.OBJECTS, 11, 12)
    out.set()
    thread.join(10)
    assert gc.get_threshold() == (701, 11, 12)


def test_it_is_as_it_was_after_an_error_and_never_held_back_less():
    gc.set_threshold(10 * collecting.OBJECTS, 11, 12)
    seen = []

    def fails():
        with collecting.seldom():
            seen.append(gc.get_threshold()[0])
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fails()
    assert seen == [10 * collecting.OBJECTS]
    assert gc.get_threshold() == (10 * collecting.OBJECTS, 11, 12)
