"""Make src/salus/text/data/medications.tsv: names of medicines -> ingredients with RxCUI.

    python tools/make_text_lexicon.py [DATA]        (default ../shared/data)

Reads ``terminology/medicines/brands.tsv.gz`` (every brand with all its ingredients, by region),
``rxnorm.tsv.gz`` and ``ingredients.tsv.gz`` there, the spelling of RxNorm from
``text/vocab/rxnorm_prescribable*.tsv.gz`` (NLM RxNorm Current Prescribable Content), the supplement
``make_text_a_ingredients.tsv`` beside this script,
``text/qa/medquad.jsonl.gz`` to see which brand names are also everyday words (written in lower case there), and
``text/deid/presidio_research_synth_v2.jsonl`` for those that are people's names.

A brand of several compositions has the one that RxNorm gives the bare brand name, else the one that is sold in the
United States; where there are still several, its ingredients stay empty: a name that is known, a content that is not.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from salus.text.document import tokenize
from salus.text.trie import TokenTrie

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "src" / "salus" / "text" / "data"
EVERYDAY_AT = 2  # so many lower-case uses in consumer health texts make a brand name an everyday word
HEADER = """\
# name	kind	ingredients (parted by +)	RxCUI of each (- = none known)	ambiguous (1 = an everyday word too)
# A brand without ingredients is sold in several compositions, and the name does not tell which.
# source: NLM RxNorm Current Prescribable Content 10/06/2025; ingredients beginning with A:
#   tools/make_text_a_ingredients.tsv; compositions of brands: RxNorm, European Medicines Agency (table of medicines,
#   2025-10-27, reuse with acknowledgement), Health Canada Drug Product Database (contains information licensed under
#   the Open Government Licence - Canada)
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
KINDS = ("ingredient", "salt", "brand")  # which of two equal names stands in the table

# Brands sold in Canada or France alone are left out: their names are mostly "maker ingredient".
REGIONS = frozenset({"us", "eu"})

Row = tuple[str, str, tuple[str, ...], tuple[str, ...]]
Compositions = dict[str, list[tuple[frozenset[str], tuple[str, ...]]]]


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a gzipped TSV."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


class Ingredients:
    """Names of ingredients in RxNorm's spelling, with their RxCUI ("-" where none is known)."""

    def __init__(self, medicines: Path, vocabulary: list[dict[str, str]]) -> None:
        self.code: dict[str, str] = {}
        self.spelling: dict[str, str] = {}
        supplement = (HERE / "make_text_a_ingredients.tsv").read_text("utf-8").splitlines()
        lines = [line.split("\t") for line in supplement if line and not line.startswith("#")]
        self.add((name, rxcui) for name, rxcui, *_ in lines)
        self.add((row["name"], row["rxcui"]) for row in vocabulary if row["tty"] == "IN")
        self.add((row["name"], row["rxcui"]) for row in table(medicines / "rxnorm.tsv.gz") if row["tty"] == "IN")
        self.add((row["ingredient"], row["rxcui"] or "-") for row in table(medicines / "ingredients.tsv.gz"))

    def add(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take names with codes; the first spelling stays, and a code fills a gap."""
        for name, rxcui in pairs:
            key = name.lower()
            self.spelling.setdefault(key, name)
            if self.code.get(key, "-") == "-":
                self.code[key] = rxcui

    def row(self, name: str, kind: str, parts: tuple[str, ...]) -> Row:
        """A row of the table."""
        keys = [part.lower() for part in parts]
        return (name, kind, tuple(self.spelling.get(k, k) for k in keys), tuple(self.code.get(k, "-") for k in keys))


def compositions(path: Path) -> Compositions:
    """Brand in lower case -> (regions, ingredients) of each of its compositions."""
    found: Compositions = {}
    for row in table(path):
        parts = tuple(row["ingredients"].split("+"))
        found.setdefault(row["brand"], []).append((frozenset(row["regions"].split("|")), parts))
    return found


def chosen(brand: str, sold: Compositions, by_rxnorm: dict[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """The ingredients of a brand; () where its name does not tell them, None where it is not sold in REGIONS."""
    rows = sold.get(brand, [])
    if not any(regions & REGIONS for regions, _ in rows):
        return by_rxnorm.get(brand) if not rows else None
    if len(rows) == 1:
        return rows[0][1]
    own = by_rxnorm.get(brand)
    if own is not None and any(set(parts) == set(own) for _, parts in rows):
        return own
    american = [parts for regions, parts in rows if "us" in regions]
    return american[0] if len(american) == 1 else ()


def salts(rxnorm: list[dict[str, str]], vocabulary: list[dict[str, str]], known: Ingredients) -> Iterator[Row]:
    """Salts with their ingredient, told by RxNorm or by the words they begin with ("metoprolol succinate")."""
    told = {r["name"].lower(): tuple(r["ingredients"].split("+")) for r in rxnorm if r["tty"] == "PIN"}
    for row in (r for r in (*rxnorm, *vocabulary) if r["tty"] == "PIN"):
        words = row["name"].lower().split()
        bases = (" ".join(words[:length]) for length in range(len(words) - 1, 0, -1))
        parts = told.get(row["name"].lower()) or next(((base,) for base in bases if base in known.code), None)
        if parts:
            yield known.row(row["name"], "salt", parts)


def parts_of(product: str) -> list[str]:
    """The parts of a product's name, without the brand and words of the form ("24 HR") before them."""
    return [re.sub(r"^[\d.]+ (?:HR|ML|MG|ACTUAT) ", "", part) for part in product[: product.rfind("[")].split(" / ")]


def unlisted(vocabulary: list[dict[str, str]], listed: set[str], known: Ingredients) -> Iterator[Row]:
    """Brands that the table of brands lacks; with their ingredients only where their products have as many."""
    names = {row["rxcui"]: row["name"] for row in vocabulary if row["tty"] == "IN"}
    counts: dict[str, set[int]] = {}
    for row in vocabulary:
        if row["tty"] == "SBD" and row["name"].endswith("]"):
            brand = row["name"][row["name"].rfind("[") + 1 : -1].lower()
            # "nitrofurantoin, macrocrystals 25 MG / nitrofurantoin, monohydrate 75 MG" is one ingredient.
            firsts = {re.split(r"[ ,]", part, maxsplit=1)[0] for part in parts_of(row["name"])}
            counts.setdefault(brand, set()).add(len(firsts))
    for row in (r for r in vocabulary if r["tty"] == "BN" and r["name"].lower() not in listed):
        parts = tuple(names[code] for code in row["ingredient_rxcuis"].split(",") if code in names)
        whole = counts.get(row["name"].lower()) == {len(parts)}
        yield known.row(row["name"], "brand", parts if whole else ())


def only_maker(brand: str, parts: tuple[str, ...]) -> bool:
    """True for "riluzole zentiva": the ingredient tells it already."""
    return len(parts) == 1 and brand.lower().startswith(parts[0].lower() + " ")


def all_rows(medicines: Path, vocabulary: Path) -> list[Row]:
    """Ingredients, salts and brands."""
    rxnorm, prescribable = table(medicines / "rxnorm.tsv.gz"), table(vocabulary)
    known = Ingredients(medicines, prescribable)
    rows = [known.row(known.spelling[key], "ingredient", (key,)) for key in known.code]
    rows += salts(rxnorm, prescribable, known)
    sold = compositions(medicines / "brands.tsv.gz")
    by_rxnorm = {r["name"].lower(): tuple(r["ingredients"].split("+")) for r in reversed(rxnorm) if r["tty"] == "BN"}
    spelling = {r["name"].lower(): r["name"] for r in reversed(rxnorm) if r["tty"] == "BN"}
    for brand in sorted(set(sold) | set(by_rxnorm)):
        parts = chosen(brand, sold, by_rxnorm)
        if parts is not None and not only_maker(brand, parts):
            rows.append(known.row(spelling.get(brand, brand), "brand", parts))
    return rows + list(unlisted(prescribable, set(sold) | set(by_rxnorm), known))


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


def main(data: Path) -> None:
    """Write the table from the files under ``data``."""
    folder = data / "text"
    rows = all_rows(data / "terminology" / "medicines", next(folder.glob("vocab/rxnorm_prescribable*.tsv.gz")))
    rows = [r for r in rows if len(r[0]) >= 3 and not NOT_WANTED.search(r[0]) and len(tokenize(r[0])) <= MOST_WORDS]
    names = tomllib.loads((DATA / "medication_names.toml").read_text("utf-8"))
    listed = {word.lower() for word in names["ambiguous"]}
    classes = {word for key in names["class"] if " " not in key for word in key.split("|")}
    rows = [row for row in rows if row[0].lower() not in classes]
    people = person_names(folder / "deid" / "presidio_research_synth_v2.jsonl")
    listed |= {r[0].lower() for r in rows if r[1] == "brand" and r[0].lower() in people}
    everyday = everyday_words([r[0] for r in rows if r[1] == "brand"], folder / "qa" / "medquad.jsonl.gz")
    seen: set[str] = set()
    lines = []
    for name, kind, parts, codes in sorted(rows, key=lambda r: (r[0].lower(), KINDS.index(r[1]))):
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        ambiguous = "1" if name.lower() in listed or name in everyday else ""
        lines.append("\t".join((name, kind, "+".join(parts), "+".join(codes) or "-", ambiguous)))
    (DATA / "medications.tsv").write_text(HEADER + "\n".join(lines) + "\n", "utf-8")
    open_ = sum(not parts for _, _, parts, _ in rows)
    print(f"{len(lines)} names, {len(everyday)} brands that are everyday words, {open_} brands of unknown content")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
