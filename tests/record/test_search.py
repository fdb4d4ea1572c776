"""What a search parameter finds in a resource."""

import pytest

from salus.record import search
from tests.conftest import person

NAMED = person(
    name=[{"use": "maiden", "family": "Example", "given": ["Ada"], "period": {"start": "2011-05-01"}}],
    address=[{"use": "home", "type": "both", "city": "Utrecht", "period": {"start": "2019"}}],
)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("name", "exam", True),
        ("name", "ada", True),
        ("name", "maiden", False),
        ("name", "2011", False),
        ("address", "utr", True),
        ("address", "home", False),
        ("address", "both", False),
        ("address", "2019", False),
    ],
)
def test_people_are_found_by_the_words_of_a_name_or_address_only(name, text, found):
    assert search.parse(search.types()["Patient"][name], "", text).matches(NAMED) is found
