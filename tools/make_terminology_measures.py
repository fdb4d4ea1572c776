"""Measurements: LOINC and SNOMED CT codes and names of analytes. Used by make_terminology.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from make_terminology_read import Table, fold, key, read

RENAMED = {"egfr": "laboratory-egfr", "oxygen-flow": "inhaled-oxygen-flow", "fio2": "inhaled-oxygen-concentration"}
"""Names that salus had before, or that would be taken for one of its findings."""
OF_MEASURE = 2
"""The bit of a word that names of measurements hold."""


def name_of(analyte: str) -> str:
    """The concept's name in salus."""
    return RENAMED.get(analyte, analyte)


def build(folder: Path, shipped: Table, pack: Table) -> None:
    """Everything about measurements."""
    own = tomllib.loads(Path(__file__).with_name("make_terminology_measures.toml").read_text("utf-8"))
    found: dict[str, set[str]] = {}
    for row in read(folder, "loinc_analyte"):
        concept = name_of(row["analyte"])
        if row["loinc"] in own["dropped"] or own["only"].get(row["loinc"], concept) != concept:
            continue
        shipped.code("m", "loinc", row["loinc"], [concept])
        for word in re.findall(r"[a-z]{2,}", fold(row["name"])):
            shipped.words.setdefault(word, 0)
        if row["name"]:
            found.setdefault(fold(row["name"]), set()).add(concept)
    for loinc in other_codes():
        if ("m", "loinc", key(loinc)) not in shipped.codes and loinc not in own["dropped"]:
            shipped.code("m", "loinc", loinc, [])
    for row in read(folder, "snomed_analyte"):
        international = len(row["sctid"]) <= 9 or row["sctid"][-3] == "0"
        (shipped if international else pack).code("m", "snomed", row["sctid"], [name_of(row["analyte"])])
    for concept, names in own["names"].items():
        for name in names:
            found.setdefault(fold(name), set()).add(concept)
    for name, concepts in found.items():
        if len(concepts) == 1:  # a name of two measurements names neither
            shipped.names[("m", name)] = next(iter(concepts))
    for word in own["words"]["general"].split():
        shipped.words.setdefault(word, 0)
    for word in {word for name in found for word in re.findall(r"[a-z]{2,}", name)} - set(
        own["words"]["general"].split()
    ):
        shipped.words[word] = shipped.words.get(word, 0) | OF_MEASURE


def other_codes() -> list[str]:
    """LOINC codes that are known to be none of the measurements."""
    path = Path(__file__).with_name("make_terminology_loinc_other.tsv")
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [line.split("\t")[0] for line in lines[1:]]


def concept_lines(folder: Path) -> list[str]:
    """Rows of ``concepts.tsv`` for the analytes, each with the LOINC code that most sources name."""
    best: dict[str, tuple[int, str]] = {}
    dropped = tomllib.loads(Path(__file__).with_name("make_terminology_measures.toml").read_text("utf-8"))["dropped"]
    for row in read(folder, "loinc_analyte"):
        if row["loinc"] in dropped:
            continue
        weight = len(row["sources"].split("+")) - 10 * (row["sources"] == "author")
        if weight > best.get(row["analyte"], (0, ""))[0]:
            best[row["analyte"]] = (weight, "loinc|" + row["loinc"])
    return [
        "\t".join((name_of(row["analyte"]), row["display"], "", best.get(row["analyte"], (0, ""))[1], "measure"))
        for row in read(folder, "analytes")
    ]
