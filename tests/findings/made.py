"""Findings and methods made up for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import strategies as st

from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import CATEGORIES, Source
from salus.findings.model import Evidence, Finding, Interval, MediaItem, Proposal
from salus.findings.strength import Grade, Strength
from salus.record.chart import Read

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAME = st.text("abcdefghijklmnop-", min_size=1, max_size=10)
NUMBER = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12).filter(
    lambda number: len(str(number)) <= 64  # longer ones are not read: the runner reports who returns one
)
DATE = st.sampled_from(["", "2026", "2026-05", "2026-05-03", "2026-05-03T10:00:00Z", "2026-05-04"])
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), 1 << 63)
    | NUMBER
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)
SOURCES = st.builds(
    Source, NAME.map(lambda n: f"Observation/{n}"), st.integers(1, 99), st.just("0" * 64), st.sampled_from(CATEGORIES)
)
EVIDENCE = st.builds(
    Evidence, SOURCES, st.dictionaries(NAME, TEXT | st.integers(0, 10**9), max_size=3), st.none() | TEXT, TEXT, TEXT
)
PROPOSALS = st.builds(
    Proposal,
    guideline=NAME,
    action=st.sampled_from(["start", "stop", "avoid", "change", "measure", "refer", "continue", "review"]),
    target=NAME,
    text=TEXT,
    indication=TEXT,
    strength=st.builds(Strength, st.sampled_from(Grade), st.sampled_from(["", "grade B", "1A"])),
    citation=TEXT,
    tier=st.sampled_from(["urgent", "medicines", "disease-control", "prevention", "missing-data"]),
    window=TEXT,
    contraindications=st.lists(NAME, max_size=2).map(tuple),
    alternatives=st.lists(NAME, max_size=2).map(tuple),
    changes_if=TEXT,
    patient_text=TEXT,
    details=st.dictionaries(NAME, PLAIN, max_size=2),
)
VALUES = (
    st.none()
    | st.booleans()
    | TEXT
    | NUMBER
    | st.builds(Quantity, NUMBER, NAME, st.sampled_from([None, "<", ">"]))
    | st.builds(Code, TEXT, NAME, TEXT)
)
INTERVALS = st.builds(Interval, NUMBER, NUMBER, st.none() | st.floats(0, 1), TEXT)
READS = st.builds(
    Read,
    st.sampled_from(["now", "patient", "latest"]),
    st.lists(NAME, max_size=2).map(tuple),
    TEXT,
    st.frozensets(st.sampled_from(CATEGORIES)),
)
OK = st.builds(
    Finding,
    code=NAME,
    sentence=TEXT,
    status=st.just("ok"),
    value=VALUES,
    interval=st.none() | INTERVALS,
    probability=st.none() | st.decimals(0, 1, places=4),
    no_uncertainty=st.text("abc", min_size=1, max_size=5),
    effective=st.tuples(DATE, DATE),
    target=TEXT,
    evidence=st.lists(EVIDENCE, min_size=1, max_size=2).map(tuple),
    proposals=st.lists(PROPOSALS, max_size=2).map(tuple),
    details=st.dictionaries(NAME, PLAIN, max_size=3),
    media=st.lists(st.builds(MediaItem, NAME, TEXT, NAME, st.binary(max_size=20)), max_size=2).map(tuple),
    patient_sentence=TEXT,
    subject=NAME,
    method=NAME,
    method_version=NAME,
    parameters_digest=NAME,
    read_set=st.lists(READS, max_size=3).map(tuple),
)
NOT_ASSESSABLE = st.builds(
    Finding,
    code=NAME,
    sentence=TEXT,
    status=st.just("not-assessable"),
    reason=st.text("abc", min_size=1, max_size=5),
    needs=st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=2).map(tuple),
    effective=st.tuples(DATE, DATE),
    subject=NAME,
    method=NAME,
    method_version=NAME,
)
FINDINGS = OK | NOT_ASSESSABLE


def finding(code="egfr", **more):
    """A finding as a method returns it."""
    parts = {
        "code": code,
        "sentence": "eGFR 55.",
        "status": "ok",
        "value": Quantity(Decimal("55.0"), "mL/min/{1.73_m2}"),
        "no_uncertainty": "made up",
        "effective": ("2026-01-01", "2026-01-01"),
        "evidence": (Evidence(Source("Observation/c1", 1, "0" * 64)),),
    }
    return Finding(**{**parts, **more})


@dataclass
class Made:
    """A method whose ``run`` is a function given to it."""

    id: str
    act: object = None
    version: str = "1"
    title: str = "made"
    intended_use: str = "tests"
    inputs: tuple[str, ...] = ("record",)
    produces: tuple[str, ...] = ("egfr",)
    consumes: tuple[str, ...] = ()
    population: str = "anybody"
    references: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    limits: tuple[str, ...] = ()
    runs: list[str] = field(default_factory=list)

    def run(self, chart, context):
        self.runs.append(self.id)
        return self.act(chart, context)
