"""Make the list of English words of clinical text: ``src/salus/text/data/english.txt``.

    python tools/make_text_english.py ../shared/data

By it ``salus.text.language`` tells a short line that holds no English word at all. A word counts that stands in three
or more texts of MedQuAD, MTS-Dialog and ACI-BENCH (training parts alone), or among the Vanderbilt abbreviations and
their senses; ``make_text_english_own.txt`` holds what these lack.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from salus.text.language import american

TARGET = Path(__file__).resolve().parent.parent / "src" / "salus" / "text" / "data" / "english.txt"
OWN = Path(__file__).with_name("make_text_english_own.txt")
FEWEST = 3
"""Texts that hold a word: slips of the pen stand in fewer."""
SHORTEST = 3
"""Letters of a word that tells: those of two stand in any language."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
HEADER = """\
# English words of clinical text, small letters, by which a line is known to hold some: nothing is read from them.
#   Spelt the American way, as salus.text.language folds a word. Made by tools/make_text_english.py.
# source: words in three or more texts of MedQuAD (Ben Abacha A, Demner-Fushman D, BMC Bioinformatics 2019;20:511),
#   MTS-Dialog (Ben Abacha A et al., EACL 2023) and ACI-BENCH (Yim W et al., Sci Data 2023;10:586), training parts;
#   the Vanderbilt abbreviations and their senses (Wu Y et al., in Grossman Liu L et al., Sci Data 2021;8:149); own.
# licence: CC BY 4.0 (all four); own additions Apache-2.0
"""


def texts(folder: Path) -> Iterator[str]:
    """Every text, once."""
    with gzip.open(folder / "qa" / "medquad.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield f"{row.get('question', '')} {row.get('answer', '')}"
    for name in ("MTS-Dialog-TrainingSet.csv", "aci_bench_train.csv"):
        with (folder / "notes" / name).open(encoding="utf-8", newline="") as rows:
            yield from (" ".join(value or "" for value in row.values()) for row in csv.DictReader(rows))


def words(text: str) -> set[str]:
    """The words of a text as the list has them."""
    return {american(word.removesuffix("'s")) for word in _WORD.findall(text.lower().replace("’", "'"))}


def main() -> None:
    """Read the texts, write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    folder = parser.parse_args().data / "text"
    counts = Counter(word for text in texts(folder) for word in words(text))
    found = {word for word, count in counts.items() if count >= FEWEST}
    for path in sorted((folder / "abbrev").glob("vanderbilt_*.txt")):
        for line in path.read_text("utf-8", errors="replace").splitlines()[1:]:
            short, _, sense = line.partition("\t")
            found |= words(sense.partition("\t")[0]) | {word for word in words(short) if len(word) > SHORTEST}
    own = (line for line in OWN.read_text("utf-8").splitlines() if not line.startswith("#"))
    found |= {word for line in own for word in line.split()}
    kept = sorted(word for word in found if len(word) >= SHORTEST)
    TARGET.write_text(HEADER + "\n".join(textwrap.wrap(" ".join(kept), 118, break_on_hyphens=False)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
