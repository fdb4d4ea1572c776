"""The report's page as data: what the templates print, put together from a plan and its chart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus import __version__
from salus.careplan.model import NOT_A_DEVICE, TIER_TITLES, TIERS, Dropped, NotAssessable, Plan, PlanItem
from salus.careplan.report.ecg import Strip, strips
from salus.careplan.report.evidence import Library, Place, SourceGroup
from salus.careplan.report.genes import Gene, genes
from salus.careplan.report.links import Piece, pieces
from salus.careplan.report.pictures import Picture, pictures
from salus.careplan.report.plain import PatientPage, patient_page, sentences
from salus.careplan.report.trends import Trend, trends
from salus.careplan.report.words import (
    department,
    interval_words,
    period,
    probability_words,
    title_of,
    value_words,
)
from salus.careplan.scope import reason
from salus.findings.model import Evidence, Finding
from salus.person.death import death_words
from salus.record.chart import Chart

FIRST = 5
"""Items on the first screen, at most."""
DENSE_FROM = 8
NEEDS, REASON = 3, 150
"""What the first screen shows of an unanswered question: things to obtain, and characters of the reason."""
GENE_TEST = "a pharmacogenetic test, or a genome file with all positions (gVCF)"
_POSITIONS = re.compile(r"\brs\d+|^the genotype at ")
_OWN_FACTS = ("age", "sex", "name", "deceased", "nothing_proposed", "age_note")


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item: its number in the plan, its words, the findings it rests on and its evidence, opened."""

    number: int
    item: PlanItem
    tier: str
    citation: tuple[Piece, ...]
    findings: tuple[tuple[str, str], ...]
    evidence: tuple[Place, ...]

    @property
    def headline(self) -> str:
        """The first sentence of the item."""
        return next(iter(sentences(self.item.text)), self.item.text)

    @property
    def rest(self) -> str:
        """What follows the first sentence; "" where nothing does."""
        return self.item.text.strip()[len(self.headline) :].strip()


@dataclass(frozen=True, slots=True)
class MedicineView:
    """One medicine with its evidence."""

    name: str
    ingredient: str
    dose: str
    status: str
    sources: tuple[str, ...]
    last_confirmed: str
    notes: tuple[str, ...]
    evidence: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding: value, uncertainty or why there is none, method, and its evidence."""

    anchor: str
    finding: Finding
    title: str
    value: str
    interval: str
    probability: str
    dated: str
    evidence: tuple[Place, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one department: those with a result, then those that could not be assessed.

    ``dense`` where there are many one-line statements.
    """

    title: str
    ok: tuple[FindingView, ...]
    open: tuple[FindingView, ...]

    @property
    def dense(self) -> bool:
        return len(self.ok) > DENSE_FROM


@dataclass(frozen=True, slots=True)
class OpenView:
    """An unanswered question; ``anchor`` is its finding on the page, "" where it has none.

    ``needs`` are the first things to obtain, ``more`` how many there are beyond them.
    """

    title: str
    reason: str
    needs: tuple[str, ...]
    more: int
    anchor: str


@dataclass(frozen=True, slots=True)
class DroppedView:
    """A dropped proposal and its rule."""

    number: int
    title: str
    dropped: Dropped
    citation: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page."""

    plan: Plan
    deceased: bool
    facts: tuple[str, ...]
    more_facts: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    nothing: str
    first: tuple[ItemView, ...]
    tiers: tuple[tuple[str, str, tuple[ItemView, ...]], ...]
    medicines: tuple[MedicineView, ...]
    not_assessable: tuple[OpenView, ...]
    dropped: tuple[DroppedView, ...]
    trends: tuple[Trend, ...]
    strips: tuple[Strip, ...]
    pictures: tuple[Picture, ...]
    genes: tuple[Gene, ...]
    groups: tuple[FindingGroup, ...]
    sources: tuple[SourceGroup, ...]
    patient: PatientPage
    not_a_device: str = NOT_A_DEVICE
    version: str = __version__


def make_page(plan: Plan, chart: Chart) -> Page:
    """The page of ``plan``; evidence is opened in ``chart``, whose read set stays as it is."""
    findings = sorted(plan.findings, key=lambda f: (f.method, f.code, f.effective, f.target))
    anchors = {f.id: f"finding-{n}" for n, f in enumerate(findings, 1)}
    tracings, images = strips(findings), pictures(findings)
    library = Library(chart, _figures(findings, tracings, images), _frames(findings), _all_evidence(plan, findings))
    items = _items(plan, findings, anchors, library)
    medicines = tuple(
        MedicineView(
            m.name, m.ingredient, m.dose, m.status, m.sources, m.last_confirmed, m.notes, library.open_all(m.evidence)
        )
        for m in plan.medicines
    )
    groups = _groups(findings, anchors, library, plan.looked_at)
    facts, more = _facts(plan, chart)
    return Page(
        plan=plan,
        deceased=bool(plan.summary.get("deceased")),
        facts=facts,
        more_facts=more,
        notices=tuple(str(plan.summary[k]) for k in ("age_note",) if plan.summary.get(k)),
        nothing=str(plan.summary.get("nothing_proposed") or ""),
        first=tuple(sorted(items, key=_urgency))[:FIRST],
        tiers=tuple((t, TIER_TITLES[t], of) for t in TIERS if (of := tuple(i for i in items if i.item.tier == t))),
        medicines=medicines,
        not_assessable=tuple(_open(entry, findings, anchors, plan.looked_at) for entry in plan.not_assessable),
        dropped=tuple(
            DroppedView(n, plan.dropped_title(d), d, pieces(d.citation)) for n, d in enumerate(plan.dropped, 1)
        ),
        trends=trends(findings, chart),
        strips=tracings,
        pictures=images,
        genes=genes(plan, anchors),
        groups=groups,
        sources=library.sources(),
        patient=patient_page(plan),
    )


def _open(
    entry: NotAssessable, findings: Sequence[Finding], anchors: Mapping[str, str], looked_at: Sequence[str]
) -> OpenView:
    about = (
        f for f in findings if f.code == entry.finding and f.status != "ok" and reason(f, looked_at) == entry.reason
    )
    finding = next(about, None)
    needs = tuple(dict.fromkeys(_short_need(need) for need in entry.needs)) if finding else entry.needs
    return OpenView(
        title=entry.title if entry.title != entry.finding else title_of(entry.finding),
        reason=_shortened(entry.reason),
        needs=needs[:NEEDS] if finding else needs,
        more=max(len(needs) - NEEDS, 0) if finding else 0,
        anchor=anchors[finding.id] if finding else "",
    )


def _short_need(need: str) -> str:
    """A list of positions of a gene in few words: it stands whole under the finding."""
    return GENE_TEST if _POSITIONS.search(need) else need


def _shortened(text: str) -> str:
    """A long reason cut at a word: it stands whole under the finding."""
    return text if len(text) <= REASON else text[:REASON].rpartition(" ")[0] + " …"


def _urgency(view: ItemView) -> tuple[int, int, int]:
    return TIERS.index(view.item.tier), view.item.rank, view.number


def _facts(plan: Plan, chart: Chart) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Age and sex for the head of the page, and whatever else the plan's summary says of the person."""
    summary: dict[str, Any] = dict(plan.summary)
    if chart.known:
        person = chart.fresh().patient
        summary.setdefault("age", person.age(chart.fresh().now))
        summary.setdefault("sex", person.sex)
        if person.deceased:
            summary.setdefault("deceased", death_words(person))
    age, sex = summary.get("age"), summary.get("sex")
    facts = (
        summary.get("deceased") or (f"{age} years" if age is not None and age != "" else "age not recorded"),
        str(sex) if sex and sex != "not recorded" else "sex not recorded",
    )
    more = tuple(
        (str(k).replace("_", " ").replace("-", " "), value_words(v))
        for k, v in summary.items()
        if k not in _OWN_FACTS and isinstance(v, str | int) and not isinstance(v, bool) and v != ""
    )
    return facts, more


def _all_evidence(plan: Plan, findings: Sequence[Finding]) -> list[Evidence]:
    holders: list[Sequence[Evidence]] = [f.evidence for f in findings]
    holders += [i.evidence for i in plan.items]
    holders += [m.evidence for m in plan.medicines]
    return [e for held in holders for e in held]


def _figures(findings: Sequence[Finding], tracings: Sequence[Strip], images: Sequence[Picture]) -> dict[str, str]:
    """Where a picture of a source stands: the first strip or thumbnail of a finding about it."""
    owned: dict[str, str] = {}
    for owner, anchor in (*((s.owner, s.anchor) for s in tracings), *((p.owner, p.anchor) for p in images)):
        owned.setdefault(owner, anchor)
    found: dict[str, str] = {}
    for finding in findings:
        for evidence in finding.evidence if finding.id in owned else ():
            found.setdefault(evidence.source.ref, owned[finding.id])
    return found


def _frames(findings: Sequence[Finding]) -> dict[str, tuple[int, int]]:
    """Columns and rows of each image series that a finding describes."""
    found = {}
    for finding in findings:
        columns, rows = finding.details.get("columns"), finding.details.get("rows")
        if isinstance(columns, int) and isinstance(rows, int) and finding.target:
            found[finding.target] = (columns, rows)
    return found


def _items(
    plan: Plan, findings: Sequence[Finding], anchors: Mapping[str, str], library: Library
) -> tuple[ItemView, ...]:
    by_id = {f.id: f for f in findings}
    found = []
    for number, item in enumerate(plan.items, 1):
        rests_on = [by_id[i] for i in item.findings if i in by_id]
        evidence = (*item.evidence, *(e for f in rests_on for e in f.evidence))
        found.append(
            ItemView(
                number,
                item,
                TIER_TITLES[item.tier],
                pieces(item.citation),
                tuple((anchors[f.id], f.sentence) for f in rests_on),
                library.open_all(evidence),
            )
        )
    return tuple(found)


def _groups(
    findings: Sequence[Finding], anchors: Mapping[str, str], library: Library, looked_at: Sequence[str]
) -> tuple[FindingGroup, ...]:
    groups: dict[str, list[FindingView]] = {}
    for finding in findings:
        groups.setdefault(department(finding.method), []).append(
            _view(finding, anchors[finding.id], library, looked_at)
        )
    return tuple(
        FindingGroup(
            title,
            tuple(v for v in views if v.finding.status == "ok"),
            tuple(v for v in views if v.finding.status != "ok"),
        )
        for title, views in groups.items()
    )


def _view(finding: Finding, anchor: str, library: Library, looked_at: Sequence[str]) -> FindingView:
    return FindingView(
        anchor,
        finding,
        title_of(finding.code),
        value_words(finding.value),
        interval_words(finding),
        probability_words(finding),
        period(finding.effective),
        library.open_all(finding.evidence),
        reason(finding, looked_at),
    )
