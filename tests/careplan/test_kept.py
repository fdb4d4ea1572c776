"""A plan that is written as JSON and read back is the same plan."""

from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.careplan import kept
from salus.careplan.model import TIERS, Dropped, MedicineLine, NotAssessable, Plan, PlanItem
from salus.fhir import json
from salus.findings.strength import Grade, Strength
from tests.findings.made import EVIDENCE, NAME, TEXT, finding

WORDS = st.lists(TEXT, max_size=3).map(tuple)
PROOF = st.lists(EVIDENCE, max_size=2).map(tuple)
ITEMS = st.builds(
    PlanItem,
    key=TEXT,
    tier=st.sampled_from(TIERS),
    rank=st.integers(1, 99),
    action=st.sampled_from(["start", "stop", "review"]),
    target=NAME,
    text=TEXT,
    patient_text=TEXT,
    strength=st.builds(Strength, st.sampled_from(Grade), st.sampled_from(["", "grade B", "1A"])),
    citation=TEXT,
    because=WORDS,
    findings=WORDS,
    evidence=PROOF,
    changes_if=TEXT,
    status=st.sampled_from(["proposed", "unresolved"]),
    ask=TEXT,
    why=TEXT,
    window=TEXT,
    alternatives=WORDS,
)
LINES = st.builds(MedicineLine, TEXT, TEXT, TEXT, TEXT, WORDS, TEXT, WORDS, PROOF)
PLANS = st.builds(
    Plan,
    subject=TEXT,
    name=TEXT,
    at=TEXT,
    looked_at=WORDS,
    items=st.lists(ITEMS, max_size=2).map(tuple),
    medicines=st.lists(LINES, max_size=2).map(tuple),
    not_assessable=st.lists(st.builds(NotAssessable, TEXT, TEXT, TEXT, WORDS), max_size=2).map(tuple),
    dropped=st.lists(st.builds(Dropped, TEXT, TEXT, TEXT, TEXT, TEXT), max_size=2).map(tuple),
    held=WORDS,
    not_understood=WORDS,
    uncovered=WORDS,
    summary=st.dictionaries(NAME, st.none() | st.integers(0, 120) | TEXT, max_size=3),
    findings=st.just(()),
    withheld=WORDS,
    conflict_withheld=st.booleans(),
)


@settings(deadline=None)
@given(PLANS)
def test_what_is_kept_is_read_back(plan):
    made = replace(plan, findings=(finding(sentence="one"), finding(sentence="two", target="x")))
    text = json.dumps(kept.dump(made))
    assert kept.load(json.loads(text), reversed(made.findings)) == made


def test_every_part_of_a_plan_is_kept():
    """A field that is added and forgotten here would be lost from plans that stand."""
    assert set(kept.dump(Plan("", "", "", (), (), (), (), ()))) == {field.name for field in fields(Plan)}
