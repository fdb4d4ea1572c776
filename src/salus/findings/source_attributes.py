"""The 31 source attributes that 45 CFR 170.315(b)(11)(iv) asks of a predictive intervention, filled from a card.

Nothing is invented: what neither the method nor its validation states reads "not provided".
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from salus.fhir import json
from salus.findings.cards import NOT_PROVIDED, Card


@dataclass(frozen=True, slots=True)
class Attribute:
    """One source attribute: its number, key, group and wording in the regulation, and what the card says."""

    n: int
    key: str
    group: str
    text: str
    value: str

    @property
    def provided(self) -> bool:
        """False where nothing is known."""
        return self.value != NOT_PROVIDED


def attributes(card: Card) -> list[Attribute]:
    """The 31 attributes of ``card``, in the regulation's order."""
    known = {**_common(), **_of_card(card), **card.facts}
    return [replace(row, value=known.get(row.key) or NOT_PROVIDED) for row in _table()]


def _of_card(card: Card) -> dict[str, str]:
    stated = {
        "details_output_value": f"{card.title}: {', '.join(card.produces)}" if card.produces else card.title,
        "purpose_intended_use": card.intended_use,
        "purpose_patient_population": card.population,
        "cautions_risks": " ".join(card.limits),
    }
    if card.measured:
        data = "; ".join(
            f"{m.check}: {m.n} cases of {m.data.get('folder')}, sha256 {m.data.get('sha256')}" for m in card.measured
        )
        stated["validation_data_source"] = data
        stated["validation_tester"] = "The salus authors; the check is in the repository, anybody can repeat it"
        stated["validation_process"] = "python -m validation." + ", ".join(m.check for m in card.measured)
        stated["performance_external_validity"] = "; ".join(m.summary for m in card.measured)
    return stated


@cache
def _table() -> tuple[Attribute, ...]:
    table = json.loads(files("salus.findings").joinpath("tables/source_attributes.json").read_bytes())
    return tuple(Attribute(**row, value=NOT_PROVIDED) for row in table["attributes"])


@cache
def _common() -> dict[str, str]:
    with files("salus.findings").joinpath("tables/facts.toml").open("rb") as file:
        return dict(tomllib.load(file)["facts"])
