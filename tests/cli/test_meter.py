"""The meter of long work: silent for a second, then per cent, number and rate, on a terminal in one line."""

import io

from salus.cli.meter import Meter


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


def shown(terminal, calls):
    stream, now = Stream(terminal), [0.0]
    with Meter("verifying", "resources", stream=stream, clock=lambda: now[0]) as meter:
        for at, done in calls:
            now[0] = at
            meter(done, 4000)
    return stream.getvalue()


def test_short_work_shows_nothing():
    assert shown(False, [(0.2, 10), (0.99, 20)]) == shown(True, [(0.2, 10), (0.99, 20)]) == ""


def test_elsewhere_each_is_a_line_of_its_own_and_not_many():
    lines = shown(False, [(2, 1000), (5, 2000), (11.9, 2500), (12, 3000)]).splitlines()
    assert lines == [
        "verifying: 25 %, 1,000 of 4,000 resources, 500 a second",
        "verifying: 75 %, 3,000 of 4,000 resources, 250 a second",
    ]


def test_on_a_terminal_one_line_is_written_over_and_wiped():
    text = shown(True, [(1, 4000), (1.1, 4000), (2, 1)])
    parts = text.split("\r")
    assert parts[1] == "verifying: 100 %, 4,000 of 4,000 resources, 4,000 a second"
    assert parts[2].rstrip() == "verifying: 0 %, 1 of 4,000 resources, 0 a second"
    assert len(parts[2]) == len(parts[1])
    assert parts[3].strip() == parts[4] == ""


def test_nothing_to_do_is_no_error():
    stream, now = Stream(False), [0.0]
    meter = Meter("verifying", "resources", stream=stream, clock=lambda: now[0])
    now[0] = 2.0
    meter(0, 0)
    assert "0 of 0" in stream.getvalue()
