"""A ward with one person in it, whose belt has measured since a while."""

from datetime import timedelta

import pytest

from salus.app.intake.intake import Intake
from salus.app.live.readings import Monitor
from salus.app.session import Session
from tests.conftest import AT, bundle, person

BEGUN = AT - timedelta(hours=3)


@pytest.fixture
def operator(ward):
    session = Session(ward.house, ward.operator)
    Intake(session).run([ward.write("p.json", bundle(person()))])
    return session


@pytest.fixture
def monitor(operator):
    with Monitor(operator) as found:
        found.assign("belt", "p1", setting="home", silent_after=timedelta(minutes=30), since=BEGUN)
        yield found
