"""Fixtures of other folders that the attacks start from."""

from tests.server.conftest import front as front
from tests.trust.test_duties import clinic as clinic
from tests.trust.test_erasure import two as two
