"""Makes ``src/salus/intake/hl7v2_codes.json`` from the concept maps of HL7's v2-to-FHIR guide.

``python tools/make_hl7v2_tables.py CODESYSTEMS.ndjson.gz``: one CSV a line as {"file", "csv"}.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from pathlib import Path

WANTED = (
    "AddressType[Type]", "AddressType[Use]", "AdministrativeSex", "AllergenType[AllergyIntoleranceCategory]",
    "AllergySeverity[AllergyIntolerance.criticality]", "AllergyType", "Event[EncounterStatus]", "InterpretationCodes",
    "NameType", "ObservationResultStatusCodesInterpretation", "PatientClass[EncounterClass]",
    "PatientClass[EncounterStatus]", "ResultStatus[Non-Queries]", "TelecommunicationEquipmentType",
    "TelecommunicationUseCode",
)  # fmt: skip
TARGET = Path(__file__).parents[1] / "src" / "salus" / "intake" / "hl7v2_codes.json"


def concept_map(text: str) -> dict[str, list[str]]:
    """Code to [code, display, system] for every row that the guide maps without a further condition."""
    rows = list(csv.reader(io.StringIO(text)))
    heads = [h.strip() for h in rows[1]]
    target = next(n for n, h in enumerate(heads) if h == "Code" and n > 2)
    table: dict[str, list[str]] = {}
    for row in rows[2:]:
        cells = [c.strip() for c in row] + [""] * 12
        code, found = cells[0], cells[target]
        if not code or not found or any(cells[3:6]) or not re.fullmatch(r"\S+", found):
            continue
        display = cells[target + 1] or cells[target + 2]
        table.setdefault(code, [found, display, cells[target + 3] if cells[target + 3].startswith("http") else ""])
    return table


def main() -> None:
    """Read the guide's maps, write the table."""
    maps: dict[str, dict[str, list[str]]] = {}
    with gzip.open(sys.argv[1], "rt", encoding="utf-8") as stream:
        for line in stream:
            entry = json.loads(line)
            name = entry["file"].removeprefix("HL7 Concept Map_ ").partition(" - ")[0]
            if name in WANTED:
                maps[name] = concept_map(entry["csv"])
    missing = set(WANTED) - maps.keys()
    if missing:
        sys.exit(f"not in the guide: {sorted(missing)}")
    content = {
        "source": "HL7 Version 2 to FHIR, concept maps of github.com/HL7/v2-to-fhir at 8c9b414b",
        "licence": "Apache-2.0",
        "maps": dict(sorted(maps.items())),
    }
    TARGET.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
