"""When an alert opens, escalates, is seen and ends: the exact moments and values, and the readings that it rests on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from salus.monitoring.alerts import EVIDENCE, Context, Watch
from salus.monitoring.live import Acknowledgement, Bound, Reading, Rule, Stay

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(minutes):
    return START + timedelta(minutes=minutes)


def rule(**more):
    """Above 100, three times within at least ten minutes; back when two are at 95 or below."""
    values = {
        "id": "high", "title": "Too high", "setting": "home", "priority": "soon", "news2": 0, "single_3": False,
        "bounds": (Bound("heart-rate", ">", Decimal(100), Decimal(95)),), "age": HOUR, "count": 3,
        "span": timedelta(minutes=10), "clear_count": 2, "escalate": HOUR, "again": 4 * HOUR, "source": "made up",
    }  # fmt: skip
    return Rule(**(values | more))


def heart(minutes, value, **more):
    more = {"device": "belt", "setting": "home", "seq": ""} | more
    return Reading(
        more["device"], "heart-rate", at(minutes), more["seq"], {"heart-rate": Decimal(value)}, more["setting"]
    )


def watched(rules, *events, until=None, silent=None, stays=()):
    watch = Watch(Context("p", silent or {}, stays), rules)
    for event in events:
        watch.apply(event)
    if until is not None:
        watch.tick(at(until))
    return watch


def steps(watch):
    return [(s.to, round((s.at - START).total_seconds() / 60)) for s in watch.history]


def opened():
    """An alert that opens at minute 10."""
    return [heart(0, 130), heart(5, 130), heart(10, 130)]


# ---- opening


@pytest.mark.parametrize(
    ("minutes", "values", "expected"),
    [
        ((0, 5, 10), (101, 101, 101), [("open", 10)]),
        ((0, 5, 10), (100, 101, 101), []),  # at the limit is not above it
        ((0, 5, 9), (130, 130, 130), []),  # not long enough
        ((0, 10), (130, 130), []),  # not often enough
        ((0, 4, 8, 12), (130, 130, 130, 130), [("open", 12)]),
        ((0, 5, 7, 10, 12), (130, 130, 90, 130, 130), []),  # what was in range in between begins it anew
        ((0, 5, 7, 10), (130, 130, 97, 130), []),  # also between the limit and where it counts as back
    ],
)
def test_it_opens_when_broken_often_and_long_enough_without_a_break(minutes, values, expected):
    events = [heart(m, v) for m, v in zip(minutes, values, strict=True)]
    assert steps(watched([rule()], *events)) == expected


def test_once_open_it_does_not_open_again_and_names_what_it_rests_on():
    watch = watched([rule()], *opened(), heart(15, 140), heart(20, 140))
    assert steps(watch) == [("open", 10)]
    assert watch.history[0].evidence == tuple(e.key for e in opened())
    assert (watch.history[0].why, watch.history[0].rule) == ("Too high", "high")


def test_readings_of_another_setting_or_another_value_say_nothing():
    other = [heart(m, 130, setting="ward") for m in (0, 5, 10)]
    assert steps(watched([rule()], *other)) == []
    pressure = Reading("cuff", "bp", at(7), "", {"systolic-bp": Decimal(120)}, "home")
    assert steps(watched([rule()], heart(0, 130), heart(5, 130), pressure, heart(10, 130))) == [("open", 10)]


def test_of_two_bounds_one_is_enough_to_break_and_both_are_needed_to_be_back():
    two = (
        Bound("systolic-bp", ">=", Decimal(180), Decimal(175)),
        Bound("diastolic-bp", ">=", Decimal(120), Decimal(115)),
    )
    severe = rule(bounds=two, count=1, span=timedelta(0), clear_count=1)

    def cuff(minutes, **values):
        numbers = {f"{k}-bp": Decimal(v) for k, v in values.items()}
        return Reading("cuff", "bp", at(minutes), "", numbers, "home")

    high = cuff(0, systolic=150, diastolic=120)
    assert steps(watched([severe], high)) == [("open", 0)]
    assert steps(watched([severe], cuff(0, systolic=179, diastolic=119))) == []
    assert steps(watched([severe], high, cuff(5, systolic=150))) == [("open", 0)]
    assert steps(watched([severe], high, cuff(5, systolic=176, diastolic=80))) == [("open", 0)]
    assert steps(watched([severe], high, cuff(5, systolic=175, diastolic=115))) == [("open", 0), ("resolved", 5)]


def test_the_newest_twenty_readings_are_the_evidence():
    many = rule(count=25, span=timedelta(0))
    events = [heart(n, 130) for n in range(25)]
    watch = watched([many], *events)
    assert steps(watch) == [("open", 24)]
    assert watch.history[0].evidence == tuple(e.key for e in events[-EVIDENCE:])
    later = [heart(n, 130) for n in range(25, 60)]
    watch = watched([rule()], *opened(), *later, until=71)
    assert steps(watch) == [("open", 10), ("escalated", 70)]
    assert watch.history[1].evidence == tuple(e.key for e in later[-EVIDENCE:])


# ---- ending


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((95, 95), [("open", 10), ("resolved", 20)]),
        ((95,), [("open", 10)]),
        ((95, 97, 95), [("open", 10)]),  # between: not back
        ((95, 130, 95), [("open", 10)]),
        ((96, 96, 96), [("open", 10)]),
        ((95, 96, 90, 90), [("open", 10), ("resolved", 30)]),
    ],
)
def test_it_ends_only_by_enough_values_one_after_the_other_that_are_safely_back(values, expected):
    back = [heart(15 + 5 * n, v) for n, v in enumerate(values)]
    watch = watched([rule()], *opened(), *back)
    assert steps(watch) == expected
    if expected[-1][0] == "resolved":
        assert watch.history[-1].evidence == (back[-1].key,)


def test_after_the_end_the_next_alert_is_another_one_and_has_to_be_earned_anew():
    watch = watched([rule()], *opened(), heart(15, 90), heart(20, 90), heart(25, 130))
    assert steps(watch) == [("open", 10), ("resolved", 20)]
    for event in (heart(30, 130), heart(35, 130)):
        watch.apply(event)
    assert steps(watch)[2:] == [("open", 35)]
    assert watch.history[0].alert == watch.history[1].alert != watch.history[2].alert


def test_the_same_readings_make_the_same_alert_and_another_patients_another():
    one, again = watched([rule()], *opened()), watched([rule()], *opened())
    other = Watch(Context("q"), [rule()])
    for event in opened():
        other.apply(event)
    assert one.history == again.history
    assert other.history[0].alert != one.history[0].alert


# ---- being seen


def test_it_escalates_when_the_time_is_over_and_not_before():
    assert steps(watched([rule()], *opened(), until=70)) == [("open", 10)]
    watch = watched([rule()], *opened(), until=70.1)
    assert steps(watch) == [("open", 10), ("escalated", 70)]
    watch.tick(at(9999))
    assert steps(watch)[2:] == []
    assert {s.by for s in watch.history} == {""}, "nobody did it"


@pytest.mark.parametrize("moment", [20, 80])
def test_a_person_acknowledges_it_whether_or_not_it_escalated(moment):
    watch = watched([rule()], *opened(), until=moment)
    watch.apply(Acknowledgement(watch.history[0].alert, at(moment), "dr-lee"))
    assert (watch.history[-1].to, watch.history[-1].by) == ("acknowledged", "dr-lee")
    count = len(watch.history)
    watch.apply(Acknowledgement(watch.history[0].alert, at(moment + 1), "dr-kim"))
    watch.apply(Acknowledgement("another", at(moment + 2), "dr-kim"))
    watch.tick(at(9999))
    assert len(watch.history) == count, "it is seen once, and then it does not escalate"


def test_what_is_still_so_long_after_it_was_seen_opens_again():
    watch = watched([rule()], *opened())
    watch.apply(Acknowledgement(watch.history[0].alert, at(20), "dr-lee"))
    watch.apply(heart(259, 130))
    assert [s.to for s in watch.history] == ["open", "acknowledged"]
    watch.apply(heart(260, 130))
    assert [s.to for s in watch.history] == ["open", "acknowledged", "open"]
    assert watch.history[2].alert == watch.history[0].alert
    watch.tick(at(321))
    assert steps(watch)[3:] == [("escalated", 320)]


# ---- silence


def test_a_device_is_silent_after_its_time_and_not_at_it():
    silent = {"belt": timedelta(minutes=30)}
    assert steps(watched([rule()], heart(0, 80), heart(30, 80), silent=silent)) == []
    watch = watched([rule()], heart(0, 80), heart(31, 80), silent=silent)
    assert steps(watch) == [("open", 30), ("resolved", 31)]
    assert {(s.rule, s.by) for s in watch.history} == {("not-monitored", "")}
    assert [s.evidence for s in watch.history] == [(heart(0, 80).key,), (heart(31, 80).key,)]


def test_each_device_is_silent_for_itself_once_and_one_that_is_not_watched_never():
    silent = {"belt": timedelta(minutes=30), "patch": timedelta(minutes=50)}
    events = [heart(0, 80), heart(0, 80, device="patch"), heart(0, 80, device="ring")]
    watch = watched([rule()], *events, silent=silent, until=500)
    assert steps(watch) == [("open", 30), ("open", 50)]
    assert watch.history[0].alert != watch.history[1].alert


def test_silence_can_be_acknowledged_and_does_not_escalate():
    watch = watched([rule()], heart(0, 80), silent={"belt": timedelta(minutes=30)}, until=40)
    watch.apply(Acknowledgement(watch.history[0].alert, at(45), "dr-lee"))
    watch.tick(at(5000))
    assert steps(watch) == [("open", 30), ("acknowledged", 45)]


# ---- NEWS2


ILL = {"respiratory-rate": 21, "oxygen-saturation": 95, "systolic-bp": 110, "heart-rate": 91}  # 2 + 1 + 1 + 1 = 5
CALM = {"respiratory-rate": 16, "oxygen-saturation": 97, "systolic-bp": 120, "heart-rate": 80}


def bed(minutes, values, temperature="37.0"):
    numbers = {k: Decimal(v) for k, v in values.items()}
    numbers |= {"body-temperature": Decimal(temperature)} if temperature else {}
    return Reading("bed", "vitals", at(minutes), "", {**numbers, "oxygen": "air", "acvpu": "A"}, "ward")


def urgent(**more):
    values = {"id": "news2", "bounds": (), "setting": "ward", "news2": 5, "count": 1, "span": timedelta(0)}
    return rule(**(values | {"clear_count": 1} | more))


STAY = [Stay(START, None)]


def test_a_score_of_the_limit_opens_and_one_point_less_does_not():
    assert steps(watched([urgent()], bed(0, ILL), stays=STAY)) == [("open", 0)]
    assert steps(watched([urgent()], bed(0, ILL | {"heart-rate": 90}), stays=STAY)) == []
    assert steps(watched([urgent(news2=6)], bed(0, ILL), stays=STAY)) == []


def test_a_single_three_opens_only_where_the_rule_says_so():
    one = CALM | {"respiratory-rate": 25}
    assert steps(watched([urgent(single_3=True)], bed(0, one), stays=STAY)) == [("open", 0)]
    assert steps(watched([urgent()], bed(0, one), stays=STAY)) == []


def test_it_calms_only_when_every_parameter_is_known_and_the_score_is_below_the_limit():
    assert steps(watched([urgent()], bed(0, ILL), bed(5, CALM), stays=STAY)) == [("open", 0), ("resolved", 5)]
    barely = ILL | {"heart-rate": 90}
    assert steps(watched([urgent()], bed(0, ILL), bed(5, barely), stays=STAY)) == [("open", 0), ("resolved", 5)]
    # 65 minutes later the temperature is no longer known: with it, the score is 0 to 3, which is below the limit
    later = watched([urgent()], bed(0, ILL), bed(65, CALM, temperature=""), stays=STAY)
    assert steps(later) == [("open", 0), ("escalated", 60)]


def test_a_vital_sign_counts_for_its_time_and_not_from_an_earlier_stay():
    pulse = {"heart-rate": Decimal(91)}  # 1 point; with the ward round of minute 0 it is 5

    def beside(minutes, stays):
        first = bed(0, ILL | {"heart-rate": 80})
        return steps(watched([urgent()], first, Reading("bed", "pulse", at(minutes), "", pulse, "ward"), stays=stays))

    assert beside(60, STAY) == [("open", 60)]
    assert beside(61, STAY) == [], "the rest is older than an hour"
    assert beside(40, [Stay(START, at(20)), Stay(at(30), None)]) == [], "the rest is of the stay before"
    assert steps(watched([urgent()], bed(0, ILL), stays=[Stay(at(1), None)])) == []


def test_it_ends_with_the_encounter_at_that_moment():
    watch = watched([urgent()], bed(0, ILL), stays=[Stay(START, at(30))], until=30)
    assert steps(watch) == [("open", 0)]
    watch.tick(at(31))
    assert steps(watch) == [("open", 0), ("resolved", 30)]
    assert (watch.history[1].why, watch.history[1].evidence) == ("the acute encounter ended", ())
