"""Structural alerts, and structures that are refused outright.

Alerts are RDKit's own filter catalogs (BSD-3-Clause): PAINS (Baell JB, Holloway GA, J Med Chem 2010;53:2719-2740) and
Brenk (Brenk R et al., ChemMedChem 2008;3:435-444). An alert is a reason to look, not a verdict.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from rdkit.Chem import MolFromSmarts
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

CATALOGS = ("PAINS", "BRENK")


@dataclass(frozen=True, slots=True)
class Alert:
    """A substructure of a catalog that a molecule contains."""

    catalog: str
    name: str


@cache
def _catalog(name: str) -> Any:
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    return FilterCatalog(parameters)


def alerts(mol: Any) -> tuple[Alert, ...]:
    """Every PAINS and Brenk substructure that an ``rdkit.Chem.Mol`` contains, in a fixed order."""
    found = {(name, match.GetDescription()) for name in CATALOGS for match in _catalog(name).GetMatches(mol)}
    return tuple(Alert(*pair) for pair in sorted(found))


@cache
def _refused() -> dict[str, Any]:
    text = files("salus.discovery").joinpath("tables/refused.toml").read_text(encoding="utf-8")
    return {name: MolFromSmarts(smarts) for name, smarts in tomllib.loads(text)["patterns"].items()}


def refusal(mol: Any) -> str | None:
    """Which family of chemical weapons a structure resembles, or None: such a structure is never designed."""
    return next((name for name, pattern in _refused().items() if mol.HasSubstructMatch(pattern)), None)
