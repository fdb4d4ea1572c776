"""Elements of a Consent that salus writes itself: its own extension and bare actions; and bounds by their place."""

import pytest

from salus.errors import InputError
from salus.trust.consent_forms import ACTION_SYSTEM, CATEGORY_SYSTEM, WITHHELD_AS, read
from salus.trust.provisions import MAX_PROVISIONS
from tests.trust.test_consent_forms import r4, where

EXTENSION = "Consent.provision.extension"
KIND = [{"system": CATEGORY_SYSTEM, "code": "genome"}]


def denial(*extensions, **more):
    return r4({"type": "deny", "class": KIND, "extension": list(extensions), **more})


@pytest.mark.parametrize("shown", ["hidden", "flagged", "interlock"])
def test_a_denial_of_whole_kinds_tells_how_it_shows(shown):
    assert read(denial({"url": WITHHELD_AS, "valueCode": shown})).withheld_as == shown


@pytest.mark.parametrize(
    "extensions",
    [
        [{"url": "urn:another", "valueCode": "flagged"}],
        [{"url": WITHHELD_AS, "valueCode": "loud"}],
        [{"url": WITHHELD_AS}],
        [{"valueCode": "flagged"}],
        [{"url": WITHHELD_AS, "valueCode": "flagged"}, {"url": WITHHELD_AS, "valueCode": "flagged"}],
        [{"url": WITHHELD_AS, "valueCode": "flagged"}, {"url": "urn:another"}],
    ],
)
def test_an_extension_that_is_another_or_stands_twice_is_refused_at_its_place(extensions):
    assert where(denial(*extensions)) == EXTENSION


@pytest.mark.parametrize(
    "change",
    [{"type": "permit"}, {"class": []}, {"action": [{"system": ACTION_SYSTEM, "code": "process"}]}],
)
def test_only_a_denial_of_reading_whole_kinds_tells_how_it_shows(change):
    body = denial({"url": WITHHELD_AS, "valueCode": "flagged"}, **change)
    if not change.get("class", True):
        del body["provision"]["class"]
    assert where(body) == EXTENSION
    reading = {"action": [{"system": ACTION_SYSTEM, "code": "read"}, {"system": ACTION_SYSTEM, "code": "process"}]}
    assert read(denial({"url": WITHHELD_AS, "valueCode": "flagged"}, **reading)).withheld_as == "flagged"


def test_an_action_of_salus_is_written_bare_or_as_a_concept_but_not_as_both():
    bare = {"system": ACTION_SYSTEM, "code": "read"}
    for item in (bare, {"coding": [bare]}):
        assert read(r4({"type": "permit", "action": [item]})).root.actions == {"read"}
    with pytest.raises(InputError):
        read(r4({"type": "permit", "action": [{**bare, "coding": [bare]}]}))
    assert where(r4({"type": "permit", "action": [{"system": ACTION_SYSTEM, "code": "sell"}]})).startswith(
        "Consent.provision.action[0]"
    )


def test_the_provision_at_which_there_are_too_many_or_too_deep_ones_is_named():
    flat = {"type": "permit", "provision": [{"type": "deny"}] * MAX_PROVISIONS}
    assert where(r4(flat)) == f"Consent.provision.provision[{MAX_PROVISIONS - 1}]"
    flat["provision"].pop()
    assert len(read(r4(flat)).root.nested) == MAX_PROVISIONS - 1
    deep = {"type": "permit"}
    for _ in range(7):
        deep = {"type": "permit", "provision": [deep]}
    assert where(r4(deep)) == "Consent.provision" + 6 * ".provision[0]"
