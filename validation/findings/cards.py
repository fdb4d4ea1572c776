"""Every card: the 31 source attributes as rows, and an applied model card that is valid against its schema.

The schema imports that of XML signatures, which no card uses; it is resolved from a minimal one here, never fetched.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from validation._report import argument_parser, report

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


def wrong_rows(html: str, expected: list[dict]) -> list[str]:
    """Which attributes of the regulation have no row of their own with a text in the page."""
    rows = dict(re.findall(r"<dt>(\d+)\. .*?</dt><dd[^>]*>(.*?)</dd>", html, re.S))
    return [row["key"] for row in expected if not rows.get(str(row["n"]), "").strip()]


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.findings import cards, chai
    from salus.findings.card_page import to_html
    from salus.findings.source_attributes import attributes

    schemas = sorted(arguments.data.rglob("schema.xsd"))
    regulations = sorted(arguments.data.rglob("hti1_*.json"))
    if not schemas or not regulations:
        return report(check="findings.cards", n=0, passed=0, data=arguments.data, as_json=arguments.json)
    schema, expected = load_schema(schemas[0]), json.loads(regulations[0].read_text("utf-8"))["predictive"]
    published = sorted(schemas[0].parent.glob("examples/*.xml"))
    failures, provided = [], []
    for path in published:  # the checker itself: what others published must pass it
        if not schema.is_valid(str(path)):
            failures.append({"id": path.name, "why": "a published card does not validate here"})
    described = cards.described()
    for each in described:
        card = cards.card(each)
        missing = wrong_rows(to_html(card), expected)
        provided.append(sum(a.provided for a in attributes(card)))
        errors = [str(e.reason) for e in schema.iter_errors(chai.to_xml(card).decode())]
        if missing or errors:
            failures.append({"id": each.id, "why": f"no row: {missing}; schema: {errors[:2]}"})
    n = len(described) + len(published)
    figures = {
        "n": n,
        "passed": n - len(failures),
        "cards": len(described),
        "rows": len(expected),
        "provided_min": min(provided),
        "provided_max": max(provided),
    }
    return report(
        check="findings.cards",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=[schemas[0], regulations[0], *published],
        figures=figures,
        methods=["findings.cards"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
