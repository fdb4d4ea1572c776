"""What the assistant gets to see for one asker, and how things are put into words for that asker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from salus.assistant.reply import Citation, Sentence
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.model import Evidence, Finding
from salus.record.chart import Chart

LONGEST_NEEDS = 400
"""A longer list of what is missing is left to the plan, which shows it in full."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the plan, in the words for this asker ("" where there are none). ``number`` counts from 1."""

    number: int
    key: str
    text: str
    clinical: str
    ask: str
    because: tuple[str, ...]
    findings: tuple[str, ...]
    evidence: tuple[Evidence, ...]

    @property
    def held(self) -> str:
        """All words of the item: what a citation of it leads to."""
        return " ".join((str(self.number), self.text, self.clinical, self.ask, *self.because))


@dataclass(frozen=True, slots=True)
class Medicine:
    """One medicine of the reconciled list; ``confirmed`` is the FHIR date that last vouched for it, or ""."""

    name: str
    ingredient: str
    dose: str
    status: str
    confirmed: str
    notes: tuple[str, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Looked:
    """One entry of the log about the patient, in words."""

    n: int
    at: str
    who: str
    what: str


@dataclass(frozen=True, slots=True)
class View:
    """A record as one asker may see it.

    ``say`` makes a sentence safe for the asker; ``day`` and ``unit`` spell FHIR dates and UCUM units.
    """

    chart: Chart
    findings: Sequence[Finding]
    items: Sequence[Item]
    medicines: Sequence[Medicine]
    to_patient: bool
    say: Callable[[str], str]
    day: Callable[[str], str]
    unit: Callable[[str], str]
    looked: Sequence[Looked] = field(default=())

    def finding(self, finding: Finding) -> Sentence:
        """A finding's sentence for this asker; why it cannot be told where it is not assessable."""
        citation = Citation.of_finding(finding, finding.code)
        if finding.status != "ok":
            wanted = "; ".join(finding.needs)
            needs = f" It would help to: {wanted}." if wanted and len(wanted) <= LONGEST_NEEDS else ""
            return Sentence(f"This cannot be told from the record: {finding.reason}.{needs}", (citation,))
        words = finding.patient_sentence if self.to_patient and finding.patient_sentence else finding.sentence
        return Sentence(self.say(words), (citation,))

    def with_codes(self, codes: Iterable[str]) -> list[Finding]:
        """The findings with these codes, in the order of the codes."""
        return [f for code in codes for f in self.findings if f.code == code]

    def value(self, observation: Observation) -> str:
        """The value of an observation as recorded, with its unit; "" where none can be used."""
        parts = observation.components
        if "systolic-bp" in parts and "diastolic-bp" in parts:
            return self._pressure(parts["systolic-bp"], parts["diastolic-bp"])
        value = observation.value
        if isinstance(value, Quantity):
            return f"{value.comparator or ''}{value.value} {self.unit(value.unit)}".strip()
        if isinstance(value, Code):
            return value.display or value.code
        return value if isinstance(value, str) else ""

    def _pressure(self, upper: object, lower: object) -> str:
        if not isinstance(upper, Quantity) or not isinstance(lower, Quantity) or upper.unit != lower.unit:
            return ""
        return f"{upper.value}/{lower.value} {self.unit(upper.unit)}"

    def when(self, observation: Observation) -> str:
        """The date of an observation in words."""
        return self.day(observation.effective.text) if observation.effective else "undated"
