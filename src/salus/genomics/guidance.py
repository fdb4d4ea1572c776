"""CPIC's recommendations by phenotype, as proposals. Whether one applies to a person, the care plan decides.

``details["when"]`` of each proposal says so in data: the ``medicine`` that must be taken or considered, and the
``population`` ("acs-or-pci", "cardiovascular-other", "neurovascular", "adults"). ``details["alternatives"]`` lists
each alternative with its contraindications (concept names) and the label they come from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from salus.findings.model import Proposal
from salus.findings.strength import Strength

_LIMITS = ("below_mg_per_day", "at_most_mg_per_day", "start_at_most_mg_per_day", "caution_above_mg_per_day")

_PATIENT = {
    "CYP2C19": (
        "Your genes may make {drug} work less well for you. Keep taking your medicines as agreed and ask your heart "
        "doctor whether another medicine suits you better."
    ),
    "SLCO1B1": (
        "Your genes may raise the chance of muscle pain with {drug}. Keep taking your medicines as agreed and ask your "
        "doctor which medicine and dose suit you."
    ),
}


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("salus.genomics").joinpath("tables", "cpic", "recommendations.toml").read_text("utf-8"))


def proposals(gene: str, phenotypes: Iterable[str]) -> tuple[Proposal, ...]:
    """The proposals that hold for every one of ``phenotypes``: where the phenotype is open, only what is common.

    Phenotypes without a recommendation of their own (normal function, indeterminate) have none in common.
    """
    open_ones = tuple(phenotypes)
    if not open_ones:
        return ()
    keyed = [{_key(entry): entry for entry in _of(gene, phenotype)} for phenotype in open_ones]
    common = [key for key in keyed[0] if all(key in others for others in keyed[1:])]
    several = len(open_ones) > 1
    return tuple(_proposal(gene, _strictest([entries[key] for entries in keyed]), several) for key in common)


def _of(gene: str, phenotype: str) -> list[Mapping[str, Any]]:
    return [e for e in _table()["recommendation"] if e["gene"] == gene and phenotype in e["phenotypes"]]


def _key(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """What makes recommendations of two phenotypes the same: drug, population and action."""
    return entry["drug"], entry["population"], entry["action"]


def _strictest(entries: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of several entries of one key the last in the table: it is for the least function and satisfies the others."""
    order = _table()["recommendation"]
    return max(entries, key=order.index)


def _proposal(gene: str, entry: Mapping[str, Any], phenotype_open: bool) -> Proposal:
    table = _table()
    alternatives = tuple(entry.get("alternatives", ()))
    reservation = " The exact phenotype is open, but each possible one leads to this." if phenotype_open else ""
    return Proposal(
        guideline=entry["guideline"],
        action=entry["action"],
        target=entry["drug"],
        text=entry["text"] + reservation,
        indication=entry["indication"],
        strength=Strength.of(entry["strength"]),
        citation=table["guideline"][entry["guideline"]]["citation"],
        tier="medicines",
        alternatives=alternatives,
        changes_if=f"a clinical laboratory finds another {gene} result, or the indication changes",
        patient_text=_PATIENT[gene].format(drug=entry["drug"]),
        details={
            "when": {"medicine": entry["drug"], "population": entry["population"]},
            "alternatives": [
                {
                    "medicine": name,
                    "contraindications": list(table["contraindications"].get(name, ())),
                    "source": table["contraindication-sources"].get(name, ""),
                }
                for name in alternatives
            ],
            **{limit: entry[limit] for limit in _LIMITS if limit in entry},
        },
    )
