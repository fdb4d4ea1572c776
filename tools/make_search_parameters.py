"""Make src/salus/record/search_parameters.json from HL7's R4 core package as tables.

    python tools/make_search_parameters.py FOLDER

FOLDER holds r4_search_parameters.tsv, r4_elements.tsv.gz and r4_patient_compartment.tsv (CC0). Kept are the parameters
of kind token, date, string, quantity and reference whose expression is a plain path, for the types of the patient
compartment and those that such resources usually refer to. What is not kept is refused by the server, not ignored.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src" / "salus" / "record" / "search_parameters.json"
BESIDES = ("Device", "Location", "Medication", "Organization", "Practitioner", "PractitionerRole", "Provenance")
KINDS = ("token", "date", "string", "quantity", "reference")
QUANTITIES = ("Quantity", "Age", "Duration")
DATES = ("date", "dateTime", "instant", "Period", "datatype")
UNTRUE = frozenset({"phonetic"})  # sound-alike matching is not what a prefix search does
CODES = ("code", "string", "boolean", "id", "uri", "canonical")
TERM = re.compile(
    r"\(?(?P<type>[A-Z]\w+)\.(?P<path>[a-zA-Z.]+?)"
    r"(?:\.as\((?P<cast>\w+)\)|\s+as\s+(?P<like>\w+)|\.where\(resolve\(\) is (?P<target>\w+)\))?\)?\Z"
)


def main(folder: Path) -> None:
    """Write the table."""
    with gzip.open(folder / "r4_elements.tsv.gz", "rt", encoding="utf-8") as stream:
        elements = {row["path"]: row["types"] for row in csv.DictReader(stream, delimiter="\t")}
    with (folder / "r4_patient_compartment.tsv").open(encoding="utf-8") as stream:
        compartment = {row["resource"] for row in csv.DictReader(stream, delimiter="\t") if row["params"]}
    types = sorted((compartment | set(BESIDES) | {"Patient"}) - {"AuditEvent", "Group", "Person"})
    found: dict[str, dict[str, list[object]]] = {name: {} for name in types}
    with (folder / "r4_search_parameters.tsv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if "/SearchParameter/" not in row["url"] or row["type"] not in KINDS or "extension(" in row["expression"]:
                continue
            for base in row["base"].split("|"):
                if base in found and row["code"] not in UNTRUE and (entry := parameter(row, base, elements)):
                    found[base].setdefault(row["code"], entry)
    table = {
        "source": "HL7 FHIR R4 core package (hl7.fhir.core 4.0.1): SearchParameter, StructureDefinition",
        "licence": "CC0-1.0",
        "types": {name: dict(sorted(entries.items())) for name, entries in found.items()},
    }
    lines = json.dumps(table, indent=1, ensure_ascii=False)
    lines = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", lines)
    lines = re.sub(r'\[\s+"(\w+)",\s+(\[[^][]*\])\s+\]', r'["\1", \2]', lines)
    TARGET.write_text(lines + "\n", "utf-8")
    print(f"{len(types)} types, {sum(map(len, found.values()))} parameters")


def parameter(row: dict[str, str], base: str, elements: dict[str, str]) -> list[object] | None:
    """Kind and JSON paths of one parameter of ``base``; None where its expression is more than paths."""
    if row["code"] == "patient":
        return ["patient", []]
    terms = [t.strip() for t in row["expression"].split("|")]
    paths: list[str] = []
    kinds: set[str] = set()
    for term in (t for t in terms if t.lstrip("(").startswith(f"{base}.")):
        match = TERM.match(term)
        if match is None or match["target"]:
            return None
        keys = json_paths(base, match["path"], match["cast"] or match["like"], elements)
        if not keys:
            return None
        if row["type"] == "date":
            keys = [pair for pair in keys if pair[1] in DATES]
        if row["type"] == "quantity":
            keys = [pair for pair in keys if pair[1] in QUANTITIES]
        if row["type"] == "reference":
            keys = [pair for pair in keys if pair[1] in ("Reference", "canonical", "datatype")]
        paths += [key for key, _ in keys]
        kinds |= {kind for _, kind in keys}
    if not paths:
        return None
    code = row["type"] == "token" and kinds <= set(CODES)
    return ["code" if code else row["type"], paths]


def json_paths(base: str, path: str, cast: str | None, elements: dict[str, str]) -> list[tuple[str, str]]:
    """The dotted JSON members that ``path`` names, each with its type; a choice element has one for every type."""
    plain = elements.get(f"{base}.{path}")
    if plain is not None:
        return [(path, plain)] if "|" not in plain or not cast else []
    choice = elements.get(f"{base}.{path}[x]")
    if choice is None:
        return [(path, "datatype")] if elements.get(f"{base}.{path.rpartition('.')[0]}") else []
    chosen = [t for t in choice.split("|") if cast is None or t == cast]
    return [(f"{path}{t[0].upper()}{t[1:]}", t) for t in chosen if t != "Timing"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
