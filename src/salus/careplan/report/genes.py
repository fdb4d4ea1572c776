"""The gene table: gene, diplotype, phenotype, what it means for which medicine, and the positions it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.careplan.model import Plan
from salus.careplan.report.words import capital, value_words
from salus.findings.model import Finding, Proposal


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a gene's result means for one medicine, and what became of it in the plan ("#item-1", "#dropped-2").

    ``taken``: the medicine is on the plan's medicine list.
    """

    medicine: str
    indication: str
    text: str
    strength: str
    href: str
    fate: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Position:
    """One position of a gene. ``differs`` where the finding cites it for a variant."""

    place: str
    genotype: str
    status: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Gene:
    """One row of the gene table."""

    name: str
    diplotypes: tuple[str, ...]
    more_diplotypes: int
    phenotype: str
    settled: bool
    functions: tuple[tuple[str, str], ...]
    meanings: tuple[Meaning, ...]
    others: tuple[Meaning, ...]
    positions: tuple[Position, ...]
    sentence: str
    source: str
    finding: str


SHOWN = 4


def genes(plan: Plan, anchors: Mapping[str, str]) -> tuple[Gene, ...]:
    """A row for every finding that names a gene. ``anchors``: finding id to its anchor on the page."""
    fates = _fates(plan)
    taken = frozenset(m.ingredient.lower() for m in plan.medicines)
    found = [f for f in plan.findings if isinstance(f.details.get("gene"), str)]
    return tuple(_gene(f, fates, taken, anchors) for f in sorted(found, key=lambda f: str(f.details["gene"])))


def _fates(plan: Plan) -> dict[str, tuple[str, str]]:
    fates = {d.key: (f"#dropped-{n}", "not in the plan") for n, d in enumerate(plan.dropped, 1)}
    fates |= {i.key: (f"#item-{n}", f"item {n} of the plan") for n, i in enumerate(plan.items, 1)}
    return fates


def _gene(
    finding: Finding, fates: Mapping[str, tuple[str, str]], taken: frozenset[str], anchors: Mapping[str, str]
) -> Gene:
    details = finding.details
    meanings = [_meaning(p, fates, taken) for p in finding.proposals]
    diplotypes = _texts(details.get("diplotypes"))
    settled = finding.status == "ok"
    possible = ", ".join(_texts(details.get("phenotypes")))
    functions = details.get("functions")
    table = details.get("table")
    version = str(table.get("version", ""))[:10] if isinstance(table, Mapping) else ""
    return Gene(
        name=str(details["gene"]),
        diplotypes=diplotypes[:SHOWN],
        more_diplotypes=max(len(diplotypes) - SHOWN, 0),
        phenotype=value_words(finding.value) if settled else (f"open: {possible}" if possible else "not assessable"),
        settled=settled,
        functions=tuple((k, str(v)) for k, v in functions.items())[:8] if isinstance(functions, Mapping) else (),
        meanings=tuple(m for m in meanings if m.taken or m.href),
        others=tuple(m for m in meanings if not (m.taken or m.href)),
        positions=_positions(finding),
        sentence=finding.sentence,
        source=f"allele table of {version}" if version else "",
        finding=anchors.get(finding.id, ""),
    )


def _meaning(proposal: Proposal, fates: Mapping[str, tuple[str, str]], taken: frozenset[str]) -> Meaning:
    href, fate = fates.get(proposal.key, ("", ""))
    name = proposal.target.replace("-", " ")
    is_taken = name.lower() in taken
    return Meaning(capital(name), proposal.indication, proposal.text, str(proposal.strength), href, fate, is_taken)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _positions(finding: Finding) -> tuple[Position, ...]:
    value = finding.details.get("positions")
    cited = {f"{e.locator['contig']}:{e.locator['pos']}" for e in finding.evidence if "pos" in e.locator}
    rows = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    found = []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        place, status, reason = (str(row.get(key) or "") for key in ("position", "status", "reason"))
        words = f"{status}: {reason}" if reason else status
        found.append(Position(place, str(row.get("genotype", "")), words, place.partition(" ")[0] in cited))
    return tuple(found)
