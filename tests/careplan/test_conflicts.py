"""Conflicts between proposals: which stays, which falls and why, and in which order the rest stands."""

import itertools
from dataclasses import replace

import pytest

from salus.careplan.draft import Basis, Draft
from salus.careplan.model import TIERS
from salus.careplan.resolve import merged, ranked, settle
from salus.findings.strength import Strength


def draft(action="start", target="aspirin", guideline="g", **more):
    """A recommended proposal about a medicine with one reason."""
    values = {
        "tier": "medicines", "order": 5, "text": f"{action} {target}", "patient_text": "Ask.",
        "strength": Strength.of("recommended"), "citation": f"Source of {guideline}",
        "basis": Basis((f"{guideline} says",)), "changes_if": "",
    }  # fmt: skip
    return Draft(guideline=guideline, action=action, target=target, **(values | more))


def outcome(*drafts):
    """The keys that stay and fall, which must not depend on the order in which the proposals come."""
    seen = set()
    for order in itertools.permutations(drafts):
        kept, dropped = settle(order)
        seen.add((frozenset(d.key for d in kept), frozenset((d.key, d.merged_into) for d in dropped)))
    assert len(seen) == 1
    return seen.pop()


@pytest.mark.parametrize("restrains", ["stop", "avoid", "change"])
@pytest.mark.parametrize("promotes", ["start", "continue"])
def test_safety_comes_before_benefit(restrains, promotes):
    no, yes = draft(restrains, guideline="a"), draft(promotes, guideline="b")
    kept, dropped = settle([yes, no])
    assert kept == [no]
    assert [(d.key, d.merged_into) for d in dropped] == [(yes.key, "")]
    assert f"{no.key} speaks of the same medicine" in dropped[0].reason
    assert "safety before benefit" in dropped[0].reason
    assert (dropped[0].text, dropped[0].citation) == (yes.text, yes.citation)
    outcome(no, yes)


def test_safety_comes_first_however_strong_and_urgent_the_benefit_is():
    weak = draft("avoid", guideline="z", tier="missing-data", strength=Strength.of("weak"))
    strong = draft("start", guideline="a", tier="urgent", strength=Strength.of("strong"))
    assert outcome(weak, strong) == ({weak.key}, {(strong.key, "")})


@pytest.mark.parametrize("action", ["measure", "refer", "review"])
def test_what_neither_restrains_nor_promotes_a_medicine_stands_beside_it(action):
    other = draft(action, guideline="b")
    for one in (draft("avoid", guideline="a"), draft("start", guideline="a")):
        assert outcome(one, other) == ({one.key, other.key}, frozenset())


def test_proposals_on_different_medicines_do_not_meet():
    one, other = draft("avoid", "aspirin"), draft("start", "apixaban")
    assert outcome(one, other) == ({one.key, other.key}, frozenset())
    assert outcome(draft("stop", "aspirin"), draft("stop", "apixaban"))[1] == frozenset()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("start", "start", True),
        ("start", "continue", True),
        ("stop", "avoid", True),
        ("change", "avoid", True),
        ("measure", "measure", True),
        ("measure", "refer", False),
        ("review", "measure", False),
    ],
)
def test_the_same_step_on_the_same_target_is_one_item_with_all_reasons(one, other, same):
    first = draft(one, guideline="a", strength=Strength.of("strong"))
    second = draft(other, guideline="b", window="today")
    kept, dropped = settle([second, first])
    if not same:
        assert {d.key for d in kept} == {first.key, second.key}
        return
    (item,) = kept
    assert item.key == first.key
    assert item.basis.words == ("a says", "b says")
    assert item.citation == "Source of a; Source of b"
    assert item.window == "today"
    assert dropped == [merged(second, first.key)]
    assert dropped[0].merged_into == first.key


def test_a_source_is_cited_once_and_a_window_that_is_there_stays():
    first = draft(guideline="a", citation="One; Two", window="now", strength=Strength.of("strong"))
    second = draft(guideline="b", citation="Two", window="later")
    (item,), _ = settle([first, second])
    assert (item.citation, item.window) == ("One; Two", "now")


def test_what_is_unresolved_is_never_pushed_aside():
    open_, yes = draft("avoid", guideline="z", status="unresolved", strength=Strength.of("weak")), draft(guideline="a")
    assert outcome(open_, yes) == ({open_.key}, {(yes.key, "")})
    open_ = draft("start", guideline="z", status="unresolved", strength=Strength.of("weak"))
    kept, _ = settle([draft("start", guideline="a", strength=Strength.of("strong")), open_])
    assert [d.status for d in kept] == ["unresolved"]
    # an open question about starting and a warning both stay in sight
    assert outcome(open_, draft("avoid", guideline="a")) == ({open_.key, "a:avoid:aspirin"}, frozenset())


def test_of_equals_the_stronger_stays_then_the_one_with_more_reasons_then_the_first_by_name():
    strong, plain = draft(guideline="z", strength=Strength.of("strong")), draft(guideline="a")
    assert outcome(strong, plain)[0] == {strong.key}
    more = draft(guideline="z", basis=Basis(("one", "two")))
    assert outcome(more, plain)[0] == {more.key}
    assert outcome(draft(guideline="b"), plain)[0] == {plain.key}
    urgent = draft(guideline="z", tier="urgent")
    assert outcome(urgent, strong)[0] == {urgent.key} if urgent.key != strong.key else True
    assert outcome(replace(urgent, guideline="y"), strong)[0] == {"y:start:aspirin"}


def test_of_one_topic_only_one_proposal_stays():
    one = draft("measure", "ldl", guideline="a", topic="lipids", strength=Strength.of("strong"))
    other = draft("measure", "apob", guideline="b", topic="lipids")
    assert outcome(one, other) == ({one.key}, {(other.key, "")})
    assert outcome(one, replace(other, topic="kidney"))[1] == frozenset()
    assert outcome(replace(one, topic=""), replace(other, topic=""))[1] == frozenset()
    assert outcome(one, replace(other, topic=""))[1] == frozenset()


def test_one_proposal_may_meet_several():
    no, yes, again = draft("avoid", guideline="a"), draft("start", guideline="b"), draft("continue", guideline="c")
    assert outcome(no, yes, again) == ({no.key}, {(yes.key, ""), (again.key, "")})


def test_the_same_key_stands_once():
    one = draft(order=1)
    kept, dropped = settle([one, replace(one, order=2)])
    assert len(kept) == len(dropped) == 1


def test_the_order_of_the_plan():
    tiers = [draft(guideline=f"g{n}", target=f"t{n}", tier=tier) for n, tier in enumerate(TIERS)]
    assert ranked(reversed(tiers)) == tiers
    open_ = draft(guideline="z", target="z", status="unresolved", order=9)
    early, late = draft(guideline="y", target="y", order=1), draft(guideline="a", target="a", order=2)
    same = draft(guideline="b", target="b", order=2)
    assert ranked([same, late, early, open_]) == [open_, early, late, same]
