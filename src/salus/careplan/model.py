"""The care plan: ranked items with their evidence, the medicines, what could not be assessed, and what was dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from salus.findings.model import Action, Evidence, Finding
from salus.findings.strength import Strength

Tier = Literal["urgent", "medicines", "disease-control", "prevention", "missing-data"]
TIERS: tuple[Tier, ...] = ("urgent", "medicines", "disease-control", "prevention", "missing-data")
TIER_TITLES: dict[Tier, str] = {
    "urgent": "Urgent and safety",
    "medicines": "Medicines",
    "disease-control": "Disease control",
    "prevention": "Prevention",
    "missing-data": "Missing data",
}

NOT_A_DEVICE = (
    "salus is not a medical device. These are proposals for a health professional, who decides; "
    "salus supports people who decide and never decides itself."
)
SCOPE_STATEMENT = (
    "This plan looked at: {looked_at}.{empty} More may be recorded elsewhere, not recorded at all, or not released to "
    "this reader; that something is not mentioned here does not mean that it is absent."
)
WITHHELD = "Withheld by the patient: {kinds}. Whether there are any such data is not told."
CONFLICT_WITHHELD = (
    "There is a severe conflict with data that the patient withholds: ask the patient, or break the glass in an "
    "emergency."
)
"""The one sentence of an interlock: the same whatever and however many conflicts there are."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One proposal as the plan makes it.

    ``key`` is guideline:action:target. ``status`` is "proposed", or "unresolved" where no safe choice follows: then
    ``ask`` says whom to ask and ``why`` what stands against each choice. ``because`` is the chain of reasons in plain
    clinical words; ``findings`` are the ids of the findings it rests on, ``evidence`` the places in the record.
    """

    key: str
    tier: Tier
    rank: int
    action: Action
    target: str
    text: str
    patient_text: str
    strength: Strength
    citation: str
    because: tuple[str, ...]
    findings: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    changes_if: str
    status: Literal["proposed", "unresolved"] = "proposed"
    ask: str = ""
    why: str = ""
    window: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MedicineLine:
    """One medicine on the reconciled list: where it stands and when it was last confirmed ("" when undated)."""

    name: str
    ingredient: str
    dose: str
    status: str
    sources: tuple[str, ...]
    last_confirmed: str
    notes: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class NotAssessable:
    """A question the record cannot answer: why, and what to obtain."""

    finding: str
    title: str
    reason: str
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A proposal that did not become an item, and the rule by which it fell."""

    key: str
    text: str
    reason: str
    citation: str = ""
    merged_into: str = ""
    """Key of the item that holds it now; "" where it fell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan for one reader at one time. Equal inputs give an equal plan."""

    subject: str
    name: str
    at: str
    looked_at: tuple[str, ...]
    items: tuple[PlanItem, ...]
    medicines: tuple[MedicineLine, ...]
    not_assessable: tuple[NotAssessable, ...]
    dropped: tuple[Dropped, ...]
    held: tuple[str, ...] = ()
    """The kinds of data that were there, of those that could be looked at."""
    not_understood: tuple[str, ...] = ()
    """Entries of the record that could not be read, in words."""
    uncovered: tuple[str, ...] = ()
    """Diagnoses, medicines and results that no rule of this plan covers, in words by kind."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Age, sex and the like, for the head of the page."""
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    withheld: tuple[str, ...] = ()
    """The kinds of data that the patient withholds from this reader and lets him be told of."""
    conflict_withheld: bool = False
    """What the patient withholds under an interlock holds a severe conflict that is not in this plan."""

    @property
    def withheld_statement(self) -> str:
        """Which kinds of data the patient withholds, as far as the reader is to be told; "" where of none."""
        return WITHHELD.format(kinds=", ".join(self.withheld)) if self.withheld else ""

    @property
    def conflict_statement(self) -> str:
        """The sentence of the interlock; "" where there is nothing to be said."""
        return CONFLICT_WITHHELD if self.conflict_withheld else ""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the reader is told of that is withheld from him, the most pressing first."""
        return tuple(words for words in (self.conflict_statement, self.withheld_statement) if words)

    @property
    def scope_statement(self) -> str:
        """Always the same words: which categories were there to be looked at, which not, and that more may exist."""
        held = [c for c in self.looked_at if c in self.held]
        bare = [c for c in self.looked_at if c not in self.held]
        empty = f" Nothing is there of: {', '.join(bare)}." if bare else ""
        return SCOPE_STATEMENT.format(looked_at=", ".join(held) or "nothing but the person's own data", empty=empty)

    def dropped_title(self, dropped: Dropped) -> str:
        """What heads a dropped proposal: the item that holds it now, or its own words."""
        number = next((n for n, item in enumerate(self.items, 1) if item.key == dropped.merged_into), None)
        return f"Merged into item {number}" if number else dropped.text

    def of_tier(self, tier: Tier) -> tuple[PlanItem, ...]:
        """The items of one tier, in rank order."""
        return tuple(item for item in self.items if item.tier == tier)
