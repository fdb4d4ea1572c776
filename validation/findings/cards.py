"""Every card: the 31 source attributes as rows, and an applied model card that is valid against its schema.

The schema imports that of XML signatures, which no card uses; it is resolved from a minimal one here, never fetched.
A case is a card of salus, or one that others published beside the schema (they try the checker itself).

- right: a row for each attribute of the regulation under its own number, with a text, and with the value where the card
  has one; and XML that is valid against the schema and says the card's name;
- wrong: a row is missing or empty, a number of the card is not in the page, or the XML is not valid.
"""

from __future__ import annotations

import html
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from salus.findings import cards, chai
from salus.findings.card_page import to_html
from salus.findings.source_attributes import attributes
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

MUTANTS = (
    Mutant("salus/findings/source_attributes.py", '"purpose_patient_population": card.population,', "",
           "the population is not said"),
    Mutant("salus/findings/source_attributes.py", '"cautions_risks": " ".join(card.limits),',
           '"cautions_risks": " ".join(card.limits[:1]),', "all limits but the first are left out"),
    Mutant("salus/findings/chai.py", "PatientConsentOrDisclosure=(", "PatientConsent=(", "an element has another name"),
    Mutant("salus/findings/chai.py", 'ModelName=f"{card.id}: {card.title}"', "ModelName=card.title",
           "cards lack their name"),
)  # fmt: skip
SIGNATURES = "http://www.w3.org/2000/09/xmldsig#"
MINIMAL = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{SIGNATURES}">
<xs:element name="Signature" type="xs:anyType"/></xs:schema>"""


def load_schema(path: Path):
    """The schema at ``path``, its one import resolved from a minimal local schema."""
    import xmlschema

    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "signatures.xsd"
        local.write_text(MINIMAL, "utf-8")
        here = Path(folder) / "card.xsd"
        here.write_text(
            re.sub(r'schemaLocation="[^"]*"', 'schemaLocation="signatures.xsd"', path.read_text("utf-8")), "utf-8"
        )
        return xmlschema.XMLSchema(str(here), allow="local")


def wrong_rows(page: str, wanted: list[dict[str, Any]], given: dict[str, str]) -> list[str]:
    """Which attributes of the regulation have no row of their own in the page, or not the text that the card has."""
    rows = {n: _plain(text) for n, text in re.findall(r"<dt>(\d+)\. .*?</dt><dd[^>]*>(.*?)</dd>", page, re.S)}
    bad = [str(row["key"]) for row in wanted if not rows.get(str(row["n"]), "")]
    return bad + [
        str(row["key"])
        for row in wanted
        if row["key"] in given and given[row["key"]] not in rows.get(str(row["n"]), "")
    ]


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def stated(described: Any) -> dict[str, str]:
    """What a method says of itself and its page has to say: the regulation's keys and our words, white space folded."""
    said = {
        "purpose_intended_use": described.intended_use,
        "purpose_patient_population": described.population,
        "cautions_risks": " ".join(described.limits),
    }
    return {key: " ".join(value.split()) for key, value in said.items() if value}


def judge(described: Any, schema: Any, wanted: list[dict[str, Any]]) -> tuple[Outcome, str]:
    """How a card ends, and why."""
    card = cards.card(described)
    missing = wrong_rows(to_html(card), wanted, stated(described))
    text = chai.to_xml(card).decode()
    errors = [str(e.reason) for e in schema.iter_errors(text)]
    if f"{described.id}: " not in text:
        errors.append("the card's name is not in it")
    return (Outcome.WRONG, f"no row: {missing}; schema: {errors[:2]}") if missing or errors else (Outcome.RIGHT, "")


def main() -> int:
    """Print the report; 0 when every card is right."""
    arguments = argument_parser(__doc__ or "").parse_args()
    schemas = sorted(arguments.data.rglob("schema.xsd"))
    regulations = sorted(arguments.data.rglob("hti1_*.json"))
    tally, provided, rows, published = Tally(), list[int](), 0, list[Path]()
    described = cards.described() if schemas and regulations else []
    if described:
        schema, wanted = load_schema(schemas[0]), json.loads(regulations[0].read_text("utf-8"))["predictive"]
        rows = len(wanted)
        published = sorted(schemas[0].parent.glob("examples/*.xml"))
        for path in published:  # the checker itself: what others published must pass it
            valid = schema.is_valid(str(path))
            tally.add(path.name, Outcome.RIGHT if valid else Outcome.WRONG, "a published card does not validate here")
        for each in described:
            tally.add(each.id, *judge(each, schema, wanted))
            provided.append(sum(a.provided for a in attributes(cards.card(each))))
    return report(
        check="findings.cards",
        tally=tally,
        data=arguments.data,
        covers="every card has the rows that a regulation names and a form that others' schema allows; whether what "
        "it says "
        "is true is shown by the checks that it cites",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=[*schemas[:1], *regulations[:1], *published],
        figures={
            "n": tally.n,
            "passed": tally.passed,
            "cards": len(described),
            "rows": rows,
            "provided_min": min(provided, default=None),
            "provided_max": max(provided, default=None),
        },
        methods=["findings.cards"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
