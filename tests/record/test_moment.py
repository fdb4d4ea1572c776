"""A moment tells until when what was made of it stays the same."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.record.moment import FAR, Horizon, Moment

NOW = datetime(2026, 3, 14, 10, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def asked(question, now=NOW):
    """The answer, and the first instant at which it may differ."""
    horizon = Horizon(now)
    return question(Moment.of(now, horizon)), horizon.until


def age(birth):
    def years(now):
        return now.year - birth.year - ((now.month, now.day) < (birth.month, birth.day))

    return years


instants = st.datetimes(
    datetime(2024, 1, 1),
    datetime(2028, 12, 31),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
lengths = st.timedeltas(timedelta(days=-800), timedelta(days=800))
above = st.timedeltas(timedelta(hours=1), timedelta(days=800))


@st.composite
def questions(draw):
    """What methods ask of a moment: the earlier and the later of two, how long ago, how many days, how old."""
    when, length, other, step = draw(instants), draw(lengths), draw(lengths), draw(above)
    return draw(
        st.sampled_from(
            [
                lambda now: when <= now - length,
                lambda now: when < now + length,
                lambda now: now - length > when,
                lambda now: now == when,
                lambda now: max(when, now - length) == when,
                lambda now: sorted([when, now, when + DAY]).index(now),
                lambda now: now - when >= length,
                lambda now: (now - when) + other < length,
                lambda now: length > when - now,
                lambda now: -(when - now) <= length,
                lambda now: abs(now - when) < step,
                lambda now: (now - when).days,
                lambda now: (when - now).days,
                lambda now: (now - when) // step,
                lambda now: (when - now) // step,
                lambda now: (now - length).date(),
                lambda now: now.astimezone(timezone(timedelta(hours=-7))).date(),
                lambda now: (now.date() - when.date()).days // 7,
                lambda now: age(when)(now),
                lambda now: now.isoweekday(),
                lambda now: bool(now - when),
                lambda now: (now - (now - length)) < other,
            ]
        )
    )


@given(instants, questions(), st.floats(0, 1, exclude_max=True))
def test_until_the_horizon_every_answer_is_the_same(now, question, share):
    answer, until = asked(question, now)
    assert answer == question(now)
    later = now + (min(until, now + timedelta(days=3000)) - now) * share
    if later < until:
        assert question(later) == answer


@pytest.mark.parametrize(
    ("question", "until"),
    [
        (lambda now: now - timedelta(days=730) > datetime(2024, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
        (lambda now: now > datetime(2020, 1, 1, tzinfo=UTC), FAR),
        (lambda now: now - datetime(2026, 3, 1, tzinfo=UTC) > 20 * DAY, datetime(2026, 3, 21, tzinfo=UTC)),
        (lambda now: (now - datetime(2026, 3, 1, 12, tzinfo=UTC)).days, datetime(2026, 3, 14, 12, tzinfo=UTC)),
        (lambda now: age(datetime(1968, 3, 15, tzinfo=UTC))(now), datetime(2026, 3, 15, tzinfo=UTC)),
        (lambda now: now.astimezone(timezone(timedelta(hours=2))).day, datetime(2026, 3, 14, 22, tzinfo=UTC)),
        (lambda now: now - (now - DAY), FAR),
    ],
)
def test_the_horizon_is_no_earlier_than_it_has_to_be(question, until):
    assert asked(question)[1] == until


@pytest.mark.parametrize(
    "question",
    [
        lambda now: now.isoformat(),
        str,
        repr,
        "{:%Y}".format,
        hash,
        lambda now: now.timestamp(),
        lambda now: now.replace(year=2020),
        lambda now: now.hour,
        lambda now: now.time(),
        lambda now: now.strftime("%Y"),
        lambda now: (now - NOW + DAY).total_seconds(),
        lambda now: (now - NOW + DAY).seconds,
        lambda now: (now - NOW + DAY) / 2,
        lambda now: (now - NOW + DAY) % timedelta(hours=1),
        lambda now: hash(now - NOW),
        lambda now: str(now - NOW),
        lambda now: NOW + (now - NOW),
        copy.copy,
        lambda now: pickle.loads(pickle.dumps(now)),
    ],
)
def test_what_is_of_one_instant_only_has_no_horizon(question):
    answer, until = asked(question)
    assert until == NOW
    assert answer == question(NOW)
    assert not isinstance(answer, Moment)


def test_every_way_to_read_a_datetime_is_known():
    """A new method of ``datetime`` that is not thought of here could be read past the horizon."""
    constant = {"tzinfo", "fold", "tzname", "utcoffset", "dst", "min", "max", "resolution"}
    makers = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp", "fromisoformat", "strptime", "combine"}
    makers |= {"fromordinal", "fromisocalendar"}
    public = {name for name in dir(datetime) if not name.startswith("_")}
    assert public - constant - makers <= set(vars(Moment))
