"""References resolved: nothing that came in is changed, and every reference is told as it stands afterwards."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from salus.intake.fhir_bundle import Entry
from salus.intake.fhir_links import linked, references, relinked, unversioned

TEXTS = st.sampled_from(["urn:uuid:1", "Patient/1", "Binary/2", "https://a.example/Binary/3/_history/1", "x", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["reference", "url", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=15,
)


def spelled(value, resolve, name=""):
    """What :func:`relinked` does, in the plainest way."""
    if isinstance(value, dict):
        return {key: spelled(item, resolve, key) for key, item in value.items()}
    if isinstance(value, list):
        return [spelled(item, resolve) for item in value]
    linking = name == "reference" or (name == "url" and isinstance(value, str) and "Binary/" in value)
    return resolve(value) if linking and isinstance(value, str) else value


@given(VALUES)
def test_every_reference_is_resolved_and_what_came_in_stays(value):
    kept = copy.deepcopy(value)
    assert relinked(value, str.upper) == spelled(kept, str.upper)
    assert value == kept
    same = relinked(value, lambda reference: reference)
    assert same is value


@given(VALUES)
def test_references_are_told_as_they_stand_in_the_resource(value):
    resource = {"resourceType": "Observation", "id": "o", "held": value}
    other = {"resourceType": "Patient", "id": "p"}
    entries = [Entry(other, "urn:uuid:1"), Entry(resource, "urn:uuid:2")]
    (_, each), _ = linked(entries)
    assert each.refers == frozenset(references(each.resource))


def test_only_a_version_is_taken_off():
    assert unversioned("A/1/_history/2") == "A/1"
    assert unversioned("A/1/_history/2/_history/3") == "A/1/_history/2"
    assert unversioned("A/_history/") == "A/_history/"
    assert unversioned("A/1") == "A/1"
