"""The alert machine and the event-time stream: the same history from any order, and what each step needs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from salus.errors import InputError
from salus.monitoring.alerts import Context, Watch
from salus.monitoring.live import Acknowledgement, Reading, Stay, check_plausible, table
from salus.monitoring.live_stream import Stream

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
LATE = table().lateness


def at(minutes):
    return START + timedelta(minutes=minutes)


def heart(minutes, value, device="belt", setting="home", seq=""):
    return Reading(device, "heart-rate", at(minutes), seq, {"heart-rate": Decimal(value)}, setting)


def pressure(minutes, systolic, diastolic=80):
    values = {"systolic-bp": Decimal(systolic), "diastolic-bp": Decimal(diastolic)}
    return Reading("cuff", "blood-pressure", at(minutes), "", values, "home")


def watched(*events, stays=(), silent=None, until=None):
    watch = Watch(Context("p", silent or {}, stays))
    for event in events:
        watch.apply(event)
    if until is not None:
        watch.tick(at(until))
    return [(s.rule, s.to, (s.at - START).total_seconds() / 60) for s in watch.history], watch


def test_every_rule_names_its_source():
    assert all(len(rule.source) > 20 and rule.title for rule in table().rules)


def test_one_high_pressure_is_no_alert_and_a_second_one_is():
    assert watched(pressure(0, 190))[0] == []
    assert watched(pressure(0, 190), pressure(0.5, 190))[0] == []  # too soon after
    assert watched(pressure(0, 190), pressure(5, 150), pressure(10, 190))[0] == []
    assert watched(pressure(0, 180), pressure(5, 120, 120))[0] == [("bp-severe", "open", 5)]


def test_it_does_not_flap_around_the_limit():
    around = [pressure(5 * n, 181 if n % 2 else 178) for n in range(20)]
    history, _ = watched(
        pressure(0, 181), pressure(2, 182), *[replace(r, at=r.at + timedelta(minutes=5)) for r in around]
    )
    assert [step for step in history if step[1] == "open"] == [("bp-severe", "open", 2)]
    assert not [step for step in history if step[1] == "resolved"]
    over, _ = watched(pressure(0, 181), pressure(2, 182), pressure(4, 150), pressure(6, 150))
    assert over[-1] == ("bp-severe", "resolved", 6)


def test_nobody_acknowledges_it_escalates_and_persists_it_opens_again():
    events = [heart(n, 130) for n in range(12)]
    history, watch = watched(*events, until=80)
    assert history == [("hr-high", "open", 10), ("hr-high", "escalated", 70)]
    alert = watch.history[0].alert
    seen = [Acknowledgement(alert, at(75), "dr"), *[heart(n, 130) for n in range(80, 330, 10)]]
    for event in seen:
        watch.apply(event)
    assert [(s.to, s.by) for s in watch.history[2:4]] == [("acknowledged", "dr"), ("open", "")]
    assert watch.history[3].at == at(320)  # the first broken reading four hours after it was seen


def test_silence_resolves_nothing_and_is_an_alert_itself():
    silent = {"belt": timedelta(minutes=30)}
    history, _ = watched(*[heart(n, 130) for n in range(12)], silent=silent, until=60)
    assert history == [("hr-high", "open", 10), ("not-monitored", "open", 41)]
    again, _ = watched(*[heart(n, 80) for n in range(3)], heart(60, 80), silent=silent)
    assert again == [("not-monitored", "open", 32), ("not-monitored", "resolved", 60)]


def vitals(minutes, setting="ward", **more):
    values = {"respiratory-rate": 18, "oxygen-saturation": 97, "systolic-bp": 120, "heart-rate": 80}
    values |= {"body-temperature": Decimal("37.0")} | more
    numbers = {k: Decimal(v) for k, v in values.items()}
    return Reading("bed", "vitals", at(minutes), "", {**numbers, "oxygen": "air", "acvpu": "A"}, setting)


def test_news2_is_scored_only_inside_an_open_acute_encounter():
    ill = {"respiratory-rate": 26, "systolic-bp": 95}
    assert watched(vitals(0, **ill))[0] == []
    assert watched(vitals(0, "home", **ill), stays=[Stay(START, None)])[0] == []
    found, watch = watched(vitals(0, **ill), vitals(5), stays=[Stay(START, None)])
    assert found == [("news2-urgent", "open", 0), ("news2-urgent", "resolved", 5)]
    assert watch.history[0].evidence
    left, _ = watched(vitals(0, **ill), stays=[Stay(START, at(30))], until=50)
    assert left[-1] == ("news2-urgent", "resolved", 30)


def test_a_stale_vital_sign_does_not_calm_an_alert():
    ill = Reading("bed", "rr", at(0), "", {"respiratory-rate": Decimal(26)}, "ward")
    calm = Reading("bed", "rr", at(5), "", {"respiratory-rate": Decimal(16)}, "ward")
    found, _ = watched(ill, calm, stays=[Stay(START, None)])
    assert found == [("news2-urgent", "open", 0)]  # the other parameters are not known: nothing says that all is well


@pytest.mark.parametrize("value", ["400", "-1", "NaN", "Infinity"])
def test_a_number_that_cannot_be_a_measurement_is_refused(value):
    with pytest.raises(InputError, match="heart-rate"):
        check_plausible({"heart-rate": Decimal(value)})


events = st.lists(
    st.builds(
        heart,
        st.integers(0, 120),
        st.integers(30, 180),
        st.sampled_from(["belt", "patch"]),
        st.just("home"),
        st.sampled_from(["1", "2"]),
    ),
    max_size=60,
    unique_by=lambda r: r.key,
)


@settings(max_examples=60)
@given(events, st.randoms(use_true_random=False))
def test_any_order_within_the_lateness_and_any_doubles_give_the_same_history(readings, source):
    def history(sequence):
        watch = Watch(Context("p", {"belt": timedelta(minutes=20)}))
        stream = Stream(LATE, watch.apply, watch.tick)
        verdicts = [stream.offer(event) for event in sequence]
        stream.advance(at(600))
        return watch.history, verdicts

    ordered = sorted(readings, key=lambda r: (r.at, r.key))
    moved = sorted(ordered * 2, key=lambda r: r.at.timestamp() + source.uniform(0, LATE.total_seconds() - 1))
    one, _ = history(ordered)
    other, verdicts = history(moved)
    assert one == other
    assert sorted(verdicts) == ["accepted"] * len(ordered) + ["duplicate"] * len(ordered)


def test_late_readings_are_told_and_rewrite_nothing():
    watch = Watch(Context("p"))
    stream = Stream(LATE, watch.apply, watch.tick)
    for n in range(12):
        stream.offer(heart(n, 80))
    assert stream.offer(heart(3, 150, seq="x")) == "late"
    assert stream.offer(heart(3, 150, seq="x")) == "duplicate"
    assert watch.history == []


def test_two_values_of_one_reading_both_count_for_nothing():
    seen = []
    stream = Stream(LATE, seen.append)
    assert stream.offer(heart(0, 80)) == "accepted"
    assert stream.offer(heart(0, 90)) == "conflict"
    stream.advance(at(60))
    assert seen == []


class Machine(RuleBasedStateMachine):
    """Whatever comes in whatever order of kinds: the states of an alert follow each other as they may."""

    NEXT = {  # noqa: RUF012
        "open": {"acknowledged", "escalated", "resolved"},
        "escalated": {"acknowledged", "resolved"},
        "acknowledged": {"open", "resolved"},
        "resolved": set(),
    }

    def __init__(self):
        super().__init__()
        self.watch = Watch(Context("p", {"belt": timedelta(minutes=30)}, [Stay(at(0), at(2000))]))
        self.now = 0

    def step(self, minutes):
        self.now += minutes
        return self.now

    @rule(minutes=st.integers(0, 90), value=st.sampled_from([40, 60, 97, 110, 140]))
    def heart_rate(self, minutes, value):
        self.watch.apply(heart(self.step(minutes), value))

    @rule(minutes=st.integers(0, 90), value=st.sampled_from([80, 92, 130, 178, 185]))
    def blood_pressure(self, minutes, value):
        self.watch.apply(pressure(self.step(minutes), value, 70))

    @rule(minutes=st.integers(0, 90), rate=st.sampled_from([16, 26]))
    def ward_round(self, minutes, rate):
        self.watch.apply(vitals(self.step(minutes), **{"respiratory-rate": rate}))

    @rule(minutes=st.integers(0, 90), which=st.integers(0, 20))
    def somebody_acknowledges(self, minutes, which):
        known = [s.alert for s in self.watch.history]
        if known:
            self.watch.apply(Acknowledgement(known[which % len(known)], at(self.step(minutes)), "dr"))

    @rule(minutes=st.integers(0, 900))
    def time_passes(self, minutes):
        self.watch.tick(at(self.step(minutes)))

    @invariant()
    def the_history_is_in_order_and_every_step_may_follow(self):
        state = {}
        moments = [s.at for s in self.watch.history]
        assert moments == sorted(moments)
        for step in self.watch.history:
            if step.alert in state:
                assert step.to in self.NEXT[state[step.alert]], (state[step.alert], step)
            else:
                assert step.to == "open"
                assert step.evidence
            state[step.alert] = step.to
            assert bool(step.by) == (step.to == "acknowledged")


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30)
