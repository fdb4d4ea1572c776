"""Make src/salus/text/data/medications.tsv: names of medicines -> ingredients with RxCUI.

    python tools/make_text_lexicon.py ../shared/data/text

Reads ``vocab/rxnorm_prescribable*.tsv.gz`` (NLM RxNorm Current Prescribable Content), the supplement
``make_text_a_ingredients.tsv`` beside this script, ``qa/medquad.jsonl.gz`` to see which brand names are also everyday
words (written in lower case there), and ``deid/presidio_research_synth_v2.jsonl`` for those that are people's names.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

from salus.text.document import tokenize
from salus.text.trie import TokenTrie

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "src" / "salus" / "text" / "data"
EVERYDAY_AT = 2  # so many lower-case uses in consumer health texts make a brand name an everyday word
HEADER = """\
# name	kind	ingredients (parted by +)	RxCUI of each (- = none known)	ambiguous (1 = an everyday word too)
# source: NLM RxNorm Current Prescribable Content 10/06/2025; ingredients beginning with A:
#   tools/make_text_a_ingredients.tsv
# licence: free subset of RxNorm, no licence needed. This product uses publicly available data courtesy of the U.S.
#   National Library of Medicine (NLM), National Institutes of Health, Department of Health and Human Services; NLM is
#   not responsible for the product and does not endorse or recommend this or any other product.
"""
# Not medicines a note's reader means: allergen extracts, foods, vaccines' strains and the like.
NOT_WANTED = re.compile(
    r"extract|pollen|allergen|dander|antigen|virus|strain|vaccine|toxoid|\bdust\b|feathers?\b|venom|serum|homeopathic|"
    r"live\b|culture|root\b|leaf\b|seed\b|bark\b|flower|oil\b|protein\b|food|\d{3,}|[\[\]{}()]",
    re.I,
)
MOST_WORDS = 5

Row = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def rxnorm_rows(path: Path) -> tuple[dict[str, str], list[Row]]:
    """Ingredient names by RxCUI, and rows (name, kind, ingredients, RxCUIs) of ingredients, salts and brands."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        table = list(csv.DictReader(handle, delimiter="\t"))
    ingredients = {row["rxcui"]: row["name"] for row in table if row["tty"] == "IN"}
    rows: list[Row] = [(name, "ingredient", (name,), (rxcui,)) for rxcui, name in ingredients.items()]
    by_name = {name.lower(): rxcui for rxcui, name in ingredients.items()}
    for row in table:
        if row["tty"] == "PIN":
            base = _base(row["name"], by_name)
            if base:
                rows.append((row["name"], "salt", (ingredients[base],), (base,)))
        elif row["tty"] == "BN":
            parts = [rxcui for rxcui in row["ingredient_rxcuis"].split(",") if rxcui in ingredients]
            if parts:
                rows.append((row["name"], "brand", tuple(ingredients[p] for p in parts), tuple(parts)))
    return ingredients, rows


def _base(salt: str, by_name: dict[str, str]) -> str | None:
    """The ingredient a salt's name begins with ("metoprolol succinate" -> metoprolol)."""
    words = salt.lower().split()
    for length in range(len(words) - 1, 0, -1):
        found = by_name.get(" ".join(words[:length]))
        if found:
            return found
    return None


def supplement_rows(path: Path) -> list[Row]:
    """Rows of the hand-made supplement: name, RxCUI or "-", source, brands."""
    rows: list[Row] = []
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, rxcui, _, brands = line.split("\t")
            rows.append((name, "ingredient", (name,), (rxcui,)))
            rows += [(brand, "brand", (name,), (rxcui,)) for brand in brands.split(",") if brand]
    return rows


def everyday_words(names: list[str], medquad: Path) -> set[str]:
    """Those of ``names`` that occur in lower case in MedQuAD answers."""
    trie = TokenTrie((tuple(t.norm for t in tokenize(name)), name) for name in names)
    counts: Counter[str] = Counter()
    with gzip.open(medquad, "rt", encoding="utf-8") as handle:
        for line in handle:
            answer = json.loads(line)["answer"]
            tokens = tokenize(answer)
            for first, last, values in trie.matches([token.norm for token in tokens]):
                written = answer[tokens[first].start : tokens[last - 1].end]
                if written == written.lower():
                    counts.update(values)
    return {name for name, count in counts.items() if count >= EVERYDAY_AT}


def person_names(path: Path) -> set[str]:
    """Words of the people's names in a generated corpus: contraceptives are often called like women."""
    cases = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    spans = [span for case in cases for span in case["spans"] if span["entity_type"] == "PERSON"]
    return {word.lower() for span in spans for word in re.findall(r"[^\W\d_]{3,}", span["entity_value"])}


def main(folder: Path) -> None:
    """Write the table from the files under ``folder``."""
    ingredients, rows = rxnorm_rows(next(folder.glob("vocab/rxnorm_prescribable*.tsv.gz")))
    rows += supplement_rows(HERE / "make_text_a_ingredients.tsv")
    rows = [r for r in rows if len(r[0]) >= 3 and not NOT_WANTED.search(r[0]) and len(tokenize(r[0])) <= MOST_WORDS]
    listed = {w.lower() for w in tomllib.loads((DATA / "medication_names.toml").read_text("utf-8"))["ambiguous"]}
    people = person_names(folder / "deid" / "presidio_research_synth_v2.jsonl")
    listed |= {r[0].lower() for r in rows if r[1] == "brand" and r[0].lower() in people}
    everyday = everyday_words([r[0] for r in rows if r[1] == "brand"], folder / "qa" / "medquad.jsonl.gz")
    seen: set[str] = set()
    lines = []
    for name, kind, parts, codes in sorted(rows, key=lambda r: (r[0].lower(), r[1] != "ingredient")):
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        ambiguous = "1" if name.lower() in listed or name in everyday else ""
        lines.append("\t".join((name, kind, "+".join(parts), "+".join(codes), ambiguous)))
    (DATA / "medications.tsv").write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    print(f"{len(lines)} names, {len(everyday)} brands that are everyday words, {len(ingredients)} ingredients read")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
