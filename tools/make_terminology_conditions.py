"""Diagnoses and procedures: codes, prefixes, names, rules over words. Used by make_terminology.py."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from tempfile import TemporaryDirectory
from typing import Any

from make_terminology_measures import concept_lines
from make_terminology_read import Table, fold, key, read, write

from salus.fhir.codes import Code
from salus.terminology.codes import with_broader
from salus.terminology.conditions import Conditions
from salus.terminology.diagnosis_words import Words, plain_words, title_digest, with_words
from salus.terminology.tables import Tables

OPEN_TIERS = ("open", "gps")
PRESENT_HISTORY = ("smoker-former",)
"""A concept of the past that is a state of today: who has stopped smoking is a former smoker now."""
OF_STATE = 4
"""The bit of a word that names of states hold, which procedures leave."""
SHORT = 4
"""Words in a short name."""
TELLING = 0.1
"""A word tells of a concept when this share of the titles and names that hold it are short names of concepts."""
GENERIC = frozenset(
    [
        "acute",
        "chronic",
        "subacute",
        "mild",
        "moderate",
        "severe",
        "primary",
        "secondary",
        "recurrent",
        "left",
        "right",
        "bilateral",
        "upper",
        "lower",
        "of",
        "the",
        "and",
        "with",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "or",
        "from",
        "due",
        "other",
        "unspecified",
        "disorder",
        "disease",
        "syndrome",
        "finding",
        "condition",
        "type",
        "stage",
        "grade",
        "congenital",
        "acquired",
        "generalized",
        "localized",
        "simple",
        "complex",
        "adult",
        "child",
        "old",
        "new",
        "early",
        "late",
        "total",
        "partial",
        "single",
        "multiple",
        "multi",
        "viral",
        "bacterial",
        "infectious",
        "allergic",
        "traumatic",
        "joint",
        "skin",
        "limb",
        "hand",
        "foot",
        "leg",
        "arm",
        "knee",
        "shoulder",
        "back",
        "neck",
        "head",
        "wrist",
        "ankle",
        "ear",
        "nose",
        "throat",
        "mouth",
        "tooth",
        "teeth",
        "sinus",
        "sinusitis",
        "pharyngitis",
        "bronchitis",
        "otitis",
        "media",
        "work",
        "employment",
        "stress",
        "injury",
        "sprain",
        "fever",
        "nausea",
        "vomiting",
        "diarrhea",
        "headache",
        "fatigue",
        "symptom",
        "sign",
        "problem",
        "loss",
        "taste",
        "smell",
        "full",
        "time",
        "force",
        "labor",
        "social",
        "contact",
        "victim",
        "laparoscopic",
        "wound",
        "situ",
        "open",
        "insertion",
        "surgery",
        "operation",
        "present",
        "place",
        "seasonal",
        "allergies",
        "heat",
    ]
)


def classified(folder: Path, shipped: Table) -> None:
    """Prefixes of the classifications and patterns of procedure codes."""
    past = past_concepts(folder)
    for row in read(folder, "concept_icd"):
        bare = row["prefix"].replace(".", "").upper()
        if bare in dropped()["prefixes"].get(row["concept"], ()):
            continue
        aspect = "history" if row["note"] == "history" or row["concept"] in past else ""
        national = "national" if row["note"].startswith("national") else ""
        shipped.prefixes.add((row["system"], bare, row["concept"], row["mode"], aspect, national))
    for row in read(folder, "concept_procedures"):
        shipped.patterns.add((row["system"], row["concept"], row["pattern"]))


def past_concepts(folder: Path) -> set[str]:
    """The concepts that are themselves of the past."""
    kinds = {row["concept"]: row["aspect"] for row in read(folder, "concepts")}
    return {name for name, kind in kinds.items() if kind == "history" and name not in PRESENT_HISTORY}


def coded(folder: Path, shipped: Table, pack: Table, words: Words) -> None:
    """Exact codes: SNOMED CT, Read v2, the ontologies."""
    past = past_concepts(folder)
    for row in read(folder, "concept_snomed"):
        if not kept(row["concept"], row["term"], row["aspect"], row["sources"], words):
            continue
        aspect = "history" if row["aspect"] or row["concept"] in past else ""
        (shipped if row["tier"] in OPEN_TIERS else pack).code("d", "snomed", row["sctid"], [row["concept"]], aspect)
    for row in read(folder, "snomed_resolved"):
        table = shipped if row["tier"] in OPEN_TIERS else pack
        table.code("d", "snomed", row["sctid"], [row["concept"]], "resolved")
    for row in read(folder, "concept_read2"):
        aspect = {"history": "history", "possible": "possible"}.get(
            row["aspect"], "history" if row["concept"] in past else ""
        )
        shipped.code("d", "read2", row["read_v2"], [row["concept"]], aspect)
    for row in read(folder, "concept_ontology"):
        if kept(row["concept"], row["label"], "", "ontology", words):
            system, _, _ = row["id"].partition(":")
            shipped.code("d", system.lower(), row["id"], [row["concept"]])


def kept(concept: str, term: str, aspect: str, sources: str, words: Words) -> bool:
    """Whether a row can be trusted: see make_terminology_dropped.toml."""
    table = dropped()
    for entry in table["dropped"]:
        named = entry["concept"] == "*" or concept in entry["concept"].split("|")
        if named and re.search(entry["term"], term):
            return False
    known = sources.split("+")
    if aspect or concept in table["kept"]["concepts"] or len(known) > 3 or set(known) & set(table["kept"]["sources"]):
        return True
    return concept in with_broader(words.by_rules(plain_words(term)))


@cache
def dropped() -> Any:
    """What is left out, and why."""
    return tomllib.loads(Path(__file__).with_name("make_terminology_dropped.toml").read_text("utf-8"))


@cache
def own() -> Any:
    """Concepts and codes of make_terminology_own.toml."""
    return tomllib.loads(Path(__file__).with_name("make_terminology_own.toml").read_text("utf-8"))


def owned(shipped: Table) -> None:
    """The rows of our own concepts, and the codes that are known to mean none."""
    for concept, entry in own()["concept"].items():
        for system in ("icd10cm", "icd10", "icd9cm"):
            for prefix in entry.get(system, ()):
                bare = prefix.replace(".", "")
                shipped.prefixes.add((system, bare, concept, "include", "", ""))
                for broader in entry.get("instead-of", ()):
                    shipped.prefixes.add((system, bare, broader, "exclude", "", ""))
        for sctid in entry.get("snomed", ()):
            shipped.code("d", "snomed", sctid, [concept])
        match = entry["match"]
        shipped.rules[concept] = (match, entry.get("unless", ""), "|".join(sorted(letters(match))))
    for concept, entry in own()["codes"].items():
        for mode, codes in (("include", entry), ("exclude", entry.get("without", {}))):
            for system in ("icd10cm", "icd10"):
                for prefix in codes.get(system, ()):
                    shipped.prefixes.add((system, prefix.replace(".", ""), concept, mode, "", ""))
    for sctid in own()["none"]["snomed"]:
        if ("d", "snomed", key(sctid)) not in shipped.codes:
            shipped.code("d", "snomed", sctid, [])


def vocabulary(folder: Path, shipped: Table) -> None:
    """The single words of every open title."""
    titles = [row["display"] for row in read(folder, "concepts")]
    titles += [row["label"] for row in read(folder, "concept_ontology")]
    for table in ("icd10cm", "icd9cm"):
        titles += [row["display"] for row in read(folder, table)]
    found = Counter(word for title in titles for word in set(re.findall(r"[a-z]{2,}", fold(title))))
    telling = Counter(word for name in short_names(folder) for word in set(re.findall(r"[a-z]{2,}", fold(name))))
    for word, count in found.items():
        shipped.words[word] = int(word not in GENERIC and telling[word] >= TELLING * (count + telling[word]))
    for word in names_of("words")["procedures"].split():
        shipped.words.setdefault(word, 0)
    states = {row["concept"] for row in read(folder, "concepts") if row["aspect"] == "status"}
    for word in {word for name in short_names(folder, states) for word in re.findall(r"[a-z]{2,}", fold(name))}:
        if word not in GENERIC:
            shipped.words[word] = shipped.words.get(word, 0) | OF_STATE


@cache
def names_of(part: str) -> Any:
    """A part of make_terminology_names.toml."""
    return tomllib.loads(Path(__file__).with_name("make_terminology_names.toml").read_text("utf-8"))[part]


def short_names(folder: Path, only: set[str] | None = None) -> Iterator[str]:
    """The short names of the concepts, or of ``only`` these."""
    for row in (*read(folder, "concepts"), *read(folder, "concept_names_en")):
        if only is not None and row["concept"] not in only:
            continue
        name = row.get("display") or row["name"]
        if len(name.split()) <= SHORT:
            yield name


def exact_names(folder: Path, shipped: Table, words: Words) -> None:
    """Names that the rules over words read otherwise than the tables: titles of ICD by their codes, and terms by their
    concept. Only a digest of each is kept, since not every term is free."""
    wanted: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {}
    for row in read(folder, "concept_names_en"):
        if kept(row["concept"], row["name"], "", "names", words):
            found.setdefault(plain_words(row["name"]), set()).add(row["concept"])
    wanted |= {name: concepts for name, concepts in found.items() if not concepts <= with_broader(words.by_rules(name))}
    for concept, names in names_of("names").items():
        for name in names:
            wanted.setdefault(plain_words(name), set()).update({concept} - {"none"})
    reader = Conditions(words.tables)
    for table, uri in (
        ("icd9cm", "http://hl7.org/fhir/sid/icd-9-cm"),
        ("icd10cm", "http://hl7.org/fhir/sid/icd-10-cm"),
    ):
        for row in read(folder, table):
            if row["display"] and row.get("kind") not in ("chapter", "block") and "-" not in row["code"]:
                reading = reader.coding(Code(uri, row["code"]))
                aspect, rest = words.split(plain_words(row["display"]))
                if reading and reading.aspect == aspect == "active":
                    wanted[rest] = set(reading.concepts)
                    short = rest.removesuffix(", unspecified")
                    if short != rest and not reading.concepts:
                        wanted.setdefault(short, set())
    for name, concepts in wanted.items():
        unlike = with_broader(words.by_rules(name)) != with_broader(concepts)
        if unlike or (not concepts and len(name.split()) <= SHORT):
            shipped.titles[title_digest(name)] = "+".join(sorted(concepts))


def listed(folder: Path, shipped: Table) -> None:
    """The classifications that are held whole."""
    for table, system in (("icd10cm", "icd10cm"), ("icd10who_codes", "icd10"), ("icd9cm", "icd9cm")):
        for row in read(folder, table):
            if row.get("kind") not in ("chapter", "block") and "-" not in row["code"]:
                shipped.hold(system, row["code"])


def rules(folder: Path, shipped: Table) -> None:
    """The rules over words."""
    for row in read(folder, "concept_text_rules"):
        if not row["concept"].startswith("*"):
            more = added().get(row["concept"], {})
            match = "|".join(part for part in (row["match"], more.get("match", "")) if part)
            unless = "|".join(part for part in (row["not"] or "", more.get("unless", "")) if part)
            shipped.rules[row["concept"]] = (match, unless, "|".join(sorted(letters(match))))


@cache
def added() -> Any:
    """Our own additions to the rules of the facts table."""
    return tomllib.loads(with_words(Path(__file__).with_name("make_terminology_rules.toml").read_text("utf-8")))


def letters(pattern: str) -> set[str]:
    """Letters of which at least one run stands in every text that ``pattern`` matches; empty where that is not sure."""
    found = set()
    for branch in _branches(parser.parse(pattern, re.IGNORECASE)):
        best = max(_runs(branch), key=len, default="")
        if len(best) < 2:
            return set()
        found.add(best)
    return found


def _branches(tokens: Any) -> Iterator[Any]:
    if len(tokens) == 1 and tokens[0][0] is sre.BRANCH:
        for branch in tokens[0][1][1]:
            yield from _branches(branch)
    else:
        yield list(tokens)


def _runs(tokens: Iterable[Any]) -> Iterator[str]:
    run = ""
    for operation, value in tokens:
        if operation is sre.LITERAL:
            run += chr(value).lower()
            continue
        yield run
        run = ""
    yield run


def build(folder: Path, shipped: Table, pack: Table) -> None:
    """Everything about diagnoses."""
    classified(folder, shipped)
    listed(folder, shipped)
    vocabulary(folder, shipped)
    rules(folder, shipped)
    owned(shipped)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "rules.sqlite"
        write(path, shipped, ())
        words = Words(Tables((path,)))
        coded(folder, shipped, pack, words)
        exact_names(folder, shipped, words)


PARENTS = {
    "myocardial-infarction-acute": "acute-coronary-syndrome",
    "stroke": "cerebrovascular-disease",
    "transient-ischaemic-attack": "cerebrovascular-disease",
    "cerebral-artery-stenosis": "cerebrovascular-disease",
    "stroke-or-tia-history": "cerebrovascular-disease",
}
"""Broader concepts that the facts table does not name: ICD-10 has all of them under I60-I69 and G45."""


def write_concepts(folder: Path, target: Path) -> None:
    """Every concept for ``codes.concepts()``: display, broader concepts, and a code that stands for it alone."""
    preferred = _preferred(folder / "diagnoses")
    lines = ["name\tdisplay\tbroader\tcode\tnature"]
    for row in read(folder / "diagnoses", "concepts"):
        broader = ",".join(part for part in (row["parents"], PARENTS.get(row["concept"], "")) if part)
        lines.append(
            "\t".join((row["concept"], row["display"], broader, preferred.get(row["concept"], ""), row["aspect"]))
        )
    lines += [
        "\t".join((name, entry["display"], entry.get("parents", ""), _first_code(entry), entry["nature"]))
        for name, entry in own()["concept"].items()
    ]
    lines += concept_lines(folder / "labs")
    target.write_text("\n".join(lines) + "\n", "utf-8")


def _first_code(entry: Any) -> str:
    """The code that stands for one of our own concepts, where one is given."""
    return f"snomed|{entry['snomed'][0]}" if entry.get("snomed") else ""


def _preferred(folder: Path) -> dict[str, str]:
    """The SNOMED CT identifier whose term is the concept's own display, where an open one is known."""
    display = {r["concept"]: plain(r["display"]) for r in read(folder, "concepts")}
    found: dict[str, str] = {}
    for row in sorted(read(folder, "concept_snomed"), key=_standing):
        if row["tier"] in OPEN_TIERS and not row["aspect"] and plain(row["term"]) == display[row["concept"]]:
            found.setdefault(row["concept"], "snomed|" + row["sctid"])
    chosen = tomllib.loads(Path(__file__).with_name("make_terminology_preferred.toml").read_text("utf-8"))
    known = {(r["concept"], r["sctid"]) for r in read(folder, "concept_snomed") if r["tier"] in OPEN_TIERS}
    for concept, sctid in chosen.items():
        if (concept, str(sctid)) not in known:
            raise SystemExit(f"make_terminology_preferred.toml: {sctid} is no open identifier of {concept}")
        found.setdefault(concept, f"snomed|{sctid}")
    return found


def _standing(row: dict[str, str]) -> tuple[int, bool, int]:
    """The order of preference: known to most sources, from an open one, the oldest."""
    return -len(row["sources"].split("+")), row["tier"] != "open", int(row["sctid"])


def plain(display: str) -> str:
    """A display without what stands in brackets and behind a comma, in American spelling."""
    short = re.sub(r" \([^)]*\)|, .*", "", fold(display))
    for words, other in SPELLINGS:
        short = short.replace(words, other)
    return (
        re.sub(r"[^a-z0-9]+", " ", short)
        .replace(" disorder", " disease")
        .removesuffix(" mellitus")
        .removesuffix(" syndrome")
        .strip()
    )


SPELLINGS = (("ae", "e"), ("oe", "e"), ("disorder", "disease"), ("haemorrhage", "hemorrhage"))
