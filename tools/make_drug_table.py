"""Make src/salus/fhir/drugs.json: RxNorm codes of the medicines that rules of the care plan speak of.

    python tools/make_drug_table.py ../shared/data/text

Reads ``vocab/rxnorm_prescribable*.tsv.gz`` (NLM RxNorm Current Prescribable Content, names from B to Z) and the
supplement ``make_text_a_ingredients.tsv`` beside this script for ingredients beginning with A. Which ingredients, and
their classes, stand in ``src/salus/fhir/drug_classes.toml``. A product is kept with its ingredients and, where each
dose has one and the product one ingredient, its strength in mg.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
FHIR = HERE.parent / "src" / "salus" / "fhir"
SOLID = re.compile(r"\b(?:Tablet|Capsule|Chewable|Pack)\b")
STRENGTH = re.compile(r"(\d+(?:\.\d+)?) (MG|MCG)\b(?!/)")


def wanted() -> list[str]:
    """Every ingredient that a class names."""
    classes = tomllib.loads((FHIR / "drug_classes.toml").read_text("utf-8"))["class"]
    return sorted({name for members in classes.values() for name in members})


def supplement() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Codes and brand names of the ingredients beginning with A, from their list."""
    lines = (HERE / "make_text_a_ingredients.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    brands = {b.strip().lower(): [r[0]] for r in rows if len(r) > 3 for b in r[3].split(",") if b.strip()}
    return {row[0]: row[1] for row in rows if row[1] != "-"}, brands


def main(folder: Path) -> None:
    """Write the table."""
    source = next((folder / "vocab").glob("rxnorm_prescribable*.tsv.gz"))
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = wanted()
    first_codes, first_brands = supplement()
    codes = {name: code for name, code in first_codes.items() if name in names}
    codes |= {r["name"].lower(): r["rxcui"] for r in rows if r["tty"] == "IN" and r["name"].lower() in names}
    pattern = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, names)) + r")(?![\w-])", re.I)
    products: dict[str, list[str]] = {}
    brands = {brand: found for brand, found in first_brands.items() if found[0] in names}
    for row in rows:
        found = list(dict.fromkeys(m.lower() for m in pattern.findall(row["name"])))
        if row["tty"] in ("SCD", "SBD") and found and SOLID.search(row["name"]):
            strengths = STRENGTH.findall(row["name"])
            amount = ""
            if len(strengths) == 1 and len(found) == 1:
                amount = strengths[0][0] if strengths[0][1] == "MG" else str(float(strengths[0][0]) / 1000)
            products[row["rxcui"]] = ["+".join(found), amount]
            brand = re.search(r"\[([A-Za-z][A-Za-z -]+)\]", row["name"])
            if brand:
                brands.setdefault(brand[1].lower(), found)
    table = {
        "source": "NLM RxNorm Current Prescribable Content 2025-10-06 (names from B to Z); ingredients beginning with "
        "A: tools/make_text_a_ingredients.tsv",
        "licence": "free subset of RxNorm, no licence needed. This product uses publicly available data courtesy of "
        "the U.S. National Library of Medicine (NLM), National Institutes of Health, Department of Health and Human "
        "Services; NLM is not responsible for the product and does not endorse or recommend this or any other product.",
        "ingredients": dict(sorted(codes.items())),
        "brands": {name: "+".join(found) for name, found in sorted(brands.items())},
        "products": dict(sorted(products.items(), key=lambda item: int(item[0]))),
    }
    text = json.dumps(table, ensure_ascii=False, indent=0, separators=(",", ":"))
    text = re.sub(r'\[\n("[^"]*"),\n("[^"]*")\n\]', r"[\1,\2]", text)
    (FHIR / "drugs.json").write_text(text + "\n", "utf-8")
    print(f"{len(codes)} of {len(names)} ingredients with a code, {len(products)} products, {len(brands)} brands")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
