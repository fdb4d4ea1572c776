"""Make the unit tables: UCUM's atoms, the spellings people use, and how each analyte's units convert.

    python tools/make_units.py ESSENCE [DATA]

ESSENCE is UCUM's ``ucum-essence.xml`` (version 2.2); DATA is the folder of reference data (``../shared/data``).
Writes ``src/salus/fhir/ucum.tsv``, ``src/salus/terminology/units_spellings.tsv`` and
``src/salus/terminology/units_analytes.tsv``. Only atoms that medicine uses are taken: the others (gauss, farad, tonne)
would make a reading of what is another unit's short form ("G/L", "F", "ft").
"""

from __future__ import annotations

import csv
import sys
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

from salus.errors import UnitError
from salus.fhir import ucum

ROOT = Path(__file__).resolve().parent.parent
ATOMS = [
    "10*",
    "10^",
    "%",
    "[ppth]",
    "[ppm]",
    "[ppb]",
    "mol",
    "Hz",
    "N",
    "Pa",
    "J",
    "W",
    "A",
    "V",
    "Ohm",
    "S",
    "Cel",
    "Gy",
    "Sv",
    "Bq",
    "deg",
    "L",
    "l",
    "min",
    "h",
    "d",
    "a",
    "a_j",
    "wk",
    "mo",
    "mo_j",
    "bar",
    "[in_i]",
    "[ft_i]",
    "[yd_i]",
    "[mi_i]",
    "[gal_us]",
    "[qt_us]",
    "[pt_us]",
    "[gil_us]",
    "[foz_us]",
    "[tbs_us]",
    "[tsp_us]",
    "[tsp_m]",
    "[tbs_m]",
    "[gr]",
    "[lb_av]",
    "[oz_av]",
    "[stone_av]",
    "[degF]",
    "cal",
    "cal_th",
    "[Cal]",
    "m[H2O]",
    "m[Hg]",
    "[diop]",
    "[drp]",
    "[hnsf'U]",
    "[MET]",
    "eq",
    "osm",
    "[pH]",
    "g%",
    "[HPF]",
    "[LPF]",
    "kat",
    "U",
    "[iU]",
    "[IU]",
    "[arb'U]",
    "[USP'U]",
    "[GPL'U]",
    "[MPL'U]",
    "[beth'U]",
    "[anti'Xa'U]",
    "[CFU]",
    "[BAU]",
    "[AU]",
    "[PFU]",
    "[EU]",
]
OWN_BASE = {"mol", "eq", "osm", "deg", "[pH]", "[hnsf'U]", "[HPF]", "[LPF]", "[drp]", "Bq", "Sv"}
"""Atoms that stand for themselves: an equivalent is half a mole of calcium, a drop is no fixed volume."""
DEFINED = {"m[Hg]": ("133.3224", "kPa")}
"""NIST SP 811, table B.8, gives 133.3224 Pa; UCUM rounds the same quantity to 133.322."""
SKIP = {
    "/1000 Ery", "O/oo", "o/oo", "8*10hoch8 Ery", "VE", "Uhr", "lTFR/logFer", "mmol/l z.Quadrat", "mmol²/l²",
    "mL/s/1.72qm", "mL/min/1,73", "mU/L", "mU/ml", "pro 1000", "x 10^-3", "/100 Leu", "[lb_ap]", "G/L", "G/l",
    "mL/min/173.10*-2.m2", "Index", "Ratio", "/1", "CU", "Units", "RE/ml", "Zellen", "mg/SammZeit", "mmol/SammZeit",
    "mmol/Sammelzeit", "mg/L FEU", "mg/L{FEU}", "ng/mL{DDU}", "ng/mL{FEU}", "ug/mL FEU", "ug/mL{FEU}", "ng/mL D-DU",
    "M/uL", "µg/Sammelvol.", "mL/min/{BSA}", "mm/2h",
}  # fmt: skip
"""Spellings whose row is wrong, has two meanings (decided by the analyte, see AMBIGUOUS), or says no unit.

FEU and D-DU are kept apart: a D-dimer in one is about twice the other.
"""
OWN_SPELLINGS = {
    "M/uL": "10*6/uL", "mg/L FEU": "mg/L{FEU}", "ug/mL FEU": "ug/mL{FEU}", "ng/mL D-DU": "ng/mL{DDU}",
    "ng/mL FEU": "ng/mL{FEU}", "mmHg": "mm[Hg]", "cmH2O": "cm[H2O]", "mcg": "ug", "µg": "ug", "mgs": "mg",
    "milligram": "mg", "milligrams": "mg", "gram": "g", "grams": "g", "microgram": "ug", "micrograms": "ug",
    "ml": "mL", "mls": "mL", "cc": "mL", "IU": "[IU]", "iu": "[IU]", "IE": "[IU]", "UI": "[IU]", "UI/L": "[IU]/L",
    "mIU/l": "m[IU]/L", "hrs": "h", "hr": "h", "hour": "h", "hours": "h", "day": "d",
    "minutes": "min", "mins": "min", "week": "wk", "month": "mo", "months": "mo", "year": "a", "yr": "a",
    "metre": "m", "meter": "m", "centimetre": "cm", "centimeter": "cm", "Kilogramm": "kg", "kilograms": "kg",
    "mmol/mol Hb": "mmol/mol", "% (NGSP)": "%", "% NGSP": "%", "per minute": "/min", "/minute": "/min", "S/min": "/min",
    "Schläge/min": "/min", "slag/min": "/min", "bat/min": "/min", "puls/min": "/min", "mg/g Cr": "mg/g",
    "mEq/dL": "meq/dL", "mval/l": "meq/L", "mmol/liter": "mmol/L", "mg/dL (calc)": "mg/dL", "Gm/dL": "g/dL",
    "10*9/L": "10*9/L", "L/min/m2": "L/min/m2", "mOsm/kg": "mosm/kg", "mOsmol/kg": "mosm/kg", "stone": "[stone_av]",
    "st": "[stone_av]", "inHg": "[in_i'Hg]",
}  # fmt: skip
AMBIGUOUS = {"G/L": "g/L|10*9/L", "G/l": "g/L|10*9/L", "MM": "mm|mmol/L"}
"""Spellings with two readings: G is giga in German laboratories and a capital g in capital-letter systems."""

NO_LINK = {("potassium", "mg/dL"), ("apolipoprotein-b", "umol/L"), ("crp", "nmol/L"), ("lithium-level", "mg/dL"),
           ("albumin", "umol/L"), ("fibrinogen", "umol/L"), ("bone-density-t-score", "1"), ("wbc", "K/uL"),
           ("platelets", "K/uL"), ("rbc", "M/uL"), ("laboratory-egfr", "mL/min"), ("egfr", "mL/min")}  # fmt: skip
"""Units that only a mistake puts there, whose molar mass is a matter of definition, or that are read as a spelling."""
IFCC = "NGSP = 0.09148 IFCC + 2.152: master equation, ngsp.org/ifcc.asp (Hoelzel 2004, Clin Chem 50:166)"
LINKS = {
    "creatinine": [("mg/dL", "88.4", "0", "88.4 umol/L per mg/dL: Inker 2021, NEJM 385:1737")],
    "hba1c": [("%", "1/0.09148", "-2.152/0.09148", IFCC)],
    "glucose": [("mg/dL", "10/180.156", "0", "C6H12O6, 180.156 g/mol")],
    "urine-albumin-creatinine-ratio": [("mg/g", "1/8.84", "0", "creatinine 88.4 umol/L per mg/dL: Inker 2021")],
    "urine-protein-creatinine-ratio": [("mg/g", "1/8.84", "0", "creatinine 88.4 umol/L per mg/dL: Inker 2021")],
    "tsh": [("mU/L", "1", "0", "enzyme units printed for international units")],
    "d-dimer": [],
    "inr": [("1", "1", "0", "a ratio"), ("{ratio}", "1", "0", "a ratio")],
    "ph-blood": [("1", "1", "0", "a logarithm")],
    "egfr": [("mL/min", "1", "0", "the code's name says per 1.73 m2 where the printed unit leaves it out")],
    "urea-nitrogen": [("mg/dL", "10/28.014", "0", "two atoms of nitrogen, 28.014 g/mol")],
}
CHOLESTEROL = [("mg/dL", "0.02586", "0", "0.02586 mmol/L per mg/dL: Khan 2024, Circulation 149:430, supplement")]
LINKS |= {f"{kind}cholesterol": CHOLESTEROL for kind in ("total-", "hdl-", "ldl-", "non-hdl-")}
LINKS |= {f"glucose{when}": LINKS["glucose"] for when in ("-fasting", "-2h-ogtt")}
VALENCE = {"potassium": 1, "sodium": 1, "chloride": 1, "bicarbonate": 1, "lithium-level": 1, "calcium": 2,
           "calcium-corrected": 2, "calcium-ionised": 2, "magnesium": 2}  # fmt: skip
CANONICAL = {"d-dimer": "ug/L{FEU}", "urea-nitrogen": "mmol/L"}
SCORES = {"pain-score", "phq-9", "phq-2", "gad-7", "audit-c", "audit", "mmse", "moca", "frailty-score",
          "bone-density-t-score", "smoking-pack-years", "step-count"}  # fmt: skip
NAMES = {"egfr": "laboratory-egfr"}
"""Names of the reference table that are another thing in salus: ``egfr`` is our own finding."""


def atoms(essence: Path) -> list[tuple[str, str, str, str]]:
    """(code, "yes" where it takes prefixes, factor, unit that it is defined by; "" for a base)."""
    root = ElementTree.parse(essence).getroot()
    space = root.tag.split("}")[0] + "}"
    found = [(u.attrib["Code"], "yes", "1", "") for u in root.findall(f"{space}base-unit")]
    for unit in root.findall(f"{space}unit"):
        code, value = unit.attrib["Code"], unit.find(f"{space}value")
        if code not in ATOMS or value is None:
            continue
        metric = unit.attrib["isMetric"]
        if unit.attrib.get("isSpecial") == "yes" and code != "[pH]":
            found.append((code, "no", "special", ""))
        elif code in OWN_BASE or (unit.attrib.get("isArbitrary") == "yes" and value.attrib["Unit"] == "1"):
            found.append((code, metric, "1", ""))
        else:
            number, by = DEFINED.get(code, (value.attrib["value"], value.attrib["Unit"]))
            found.append((code, metric, str(Fraction(number)), by))
    return found


def write(path: Path, head: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """A table with its source and licence in front."""
    lines = [*(f"# {line}" for line in head.strip().splitlines()), "\t".join(columns)]
    path.write_text("\n".join([*lines, *("\t".join(row) for row in rows)]) + "\n", "utf-8")


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a tab-separated file with a header."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def readable(unit: str) -> bool:
    """Whether our UCUM parser knows the unit."""
    try:
        ucum.parse(unit)
    except UnitError:
        return False
    return True


def spellings(labs: Path) -> list[tuple[str, str, str]]:
    """(spelling, UCUM, source)."""
    found = {
        row["spelling"]: (row["ucum"].replace("(24.h)", "d").replace("(1.h)", "h"), row["source"])
        for row in table(labs / "unit_alias.tsv")
        if row["spelling"] not in SKIP
    }
    found |= {spelling: (unit, "own") for spelling, unit in (OWN_SPELLINGS | AMBIGUOUS).items()}
    kept = {s: f for s, f in found.items() if all(map(readable, f[0].split("|"))) and s != f[0]}
    return sorted((spelling, unit, source) for spelling, (unit, source) in kept.items())


def molar(canonical: str, linked: str, mass: str) -> str:
    """The factor from ``linked`` (a mass concentration) to ``canonical`` for a molar mass in g/mol, or the inverse."""
    mass_unit, mole_unit = ucum.parse(linked).factor, ucum.parse(canonical).factor
    if ucum.parse(linked).kind == ucum.parse("g/L").kind:
        return f"{mass_unit / ucum.parse('g/L').factor / (mole_unit / ucum.parse('mol/L').factor)}/{mass}"
    return f"{mass_unit / ucum.parse('mol/L').factor / (mole_unit / ucum.parse('g/L').factor) * Fraction(mass)}"


def analytes(labs: Path) -> list[tuple[str, ...]]:
    """(analyte, canonical unit, linked unit, factor, offset, source): canonical = linked x factor + offset."""
    masses = {row["analyte"]: row for row in table(labs / "analytes.tsv")}
    rows: dict[str, list[tuple[str, ...]]] = {}
    for row in table(labs / "unit_conversion.tsv"):
        analyte, unit = row["analyte"], row["unit"]
        canonical = CANONICAL.get(analyte, row["canonical_unit"])
        name = NAMES.get(analyte, analyte)
        links = rows.setdefault(name, [(name, canonical, canonical, "1", "0", "canonical unit")])
        kinds = {ucum.parse(link[2]).kind for link in links}
        if analyte in LINKS:
            links[1:] = [(name, canonical, *link) for link in LINKS[analyte]]
        elif not readable(unit) or ucum.parse(unit).kind in kinds or row["note"] == "approximate":
            continue
        elif (analyte, unit) not in NO_LINK and "eq/" not in unit:
            mass = masses[analyte]["molar_mass_g_mol"]
            by_mass = mass and {ucum.parse(u).kind for u in (unit, canonical)} == {
                ucum.parse("g/L").kind,
                ucum.parse("mol/L").kind,
            }
            factor = molar(canonical, unit, mass) if by_mass and "{" not in unit else row["factor"]
            why = f"molar mass {mass} g/mol" if by_mass else row["note"] or "reference table of units"
            links.append((name, canonical, unit, factor, row["offset"], why))
    name = "urea-nitrogen"
    rows[name] = [(name, "mmol/L", "mmol/L", "1", "0", "canonical unit"), (name, "mmol/L", *LINKS[name][0])]
    for name, charge in VALENCE.items():
        rows[name].append((name, rows[name][0][1], "meq/L", f"1/{charge}", "0", f"an ion of {charge} charge(s)"))
    return [link for name in sorted(rows) for link in rows[name]]


def main() -> int:
    """Write the three tables."""
    essence, data = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else ROOT.parent / "shared" / "data")
    write(
        ROOT / "src/salus/fhir/ucum.tsv",
        "Units of medicine and the exact factors that define them; made by tools/make_units.py after UCUM 2.2.\n"
        "UCUM: Copyright 1999-2024 Regenstrief Institute, Inc. All rights reserved. Licensed under the UCUM License,"
        " Version 1.1,\nhttps://unitsofmeasure.org/license. This is a selection; the millimetre of mercury is that of"
        " NIST SP 811, table B.8.\n"
        "factor: in the unit it is defined by, as a fraction; an empty unit stands for itself.",
        ("code", "prefixes", "factor", "unit"),
        atoms(essence),
    )
    ucum.forget()
    labs = data / "terminology" / "labs"
    write(
        ROOT / "src/salus/terminology/units_spellings.tsv",
        "Spellings of units and the UCUM they stand for; made by tools/make_units.py. A bar parts two readings.\n"
        "Sources: miracum/loinc-conversion 9971147 (Apache-2.0) and own collection (Apache-2.0).",
        ("spelling", "ucum", "source"),
        spellings(labs),
    )
    write(
        ROOT / "src/salus/terminology/units_analytes.tsv",
        "Units of each analyte: canonical = linked x factor + offset; made by tools/make_units.py.\n"
        "Own collection from molar masses and the papers named (Apache-2.0); units of the same kind as a linked one"
        " convert by UCUM.",
        ("analyte", "canonical", "linked", "factor", "offset", "source"),
        analytes(labs),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
