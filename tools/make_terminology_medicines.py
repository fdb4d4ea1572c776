"""Medicines: products, substances, brands and names, each with its ingredients. Used by make_terminology.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from make_terminology_read import Table, fold, key, read, write

from salus.terminology.medicine_words import Reader
from salus.terminology.tables import Tables

RENAMED = {
    "dabigatran etexilate": "dabigatran",
    "triamcinolone acetonide": "triamcinolone",
    "triamcinolone hexacetonide": "triamcinolone",
    "fluocinolone acetonide": "fluocinolone",
    "testosterone undecanoate": "testosterone",
    "promethazine teoclate": "promethazine",
    "ceftaroline fosamil": "ceftaroline",
    "cerliponase": "cerliponase alfa",
    "lithium carbonate": "lithium",
    "lithium citrate": "lithium",
    "mycophenolate mofetil": "mycophenolic acid",
    "erythromycin lactobionate": "erythromycin",
    "dibasic potassium phosphate": "potassium phosphate",
    "benzathine benzylpenicillin": "penicillin g",
    "procaine benzylpenicillin": "penicillin g",
    "lactic acid": "lactate",
    "fish oil (containing omega-3 acids)": "fish oil",
    "eicosapentaenoate": "eicosapentaenoic acid",
    "eicosapentanoic acid": "eicosapentaenoic acid",
    "trichloroacetate": "trichloroacetic acid",
    "chenodeoxycholic acid": "chenodeoxycholate",
    "choline fenofibrate": "fenofibric acid",
    "fenofibrate micronized": "fenofibrate",
    "testosterone enantate": "testosterone",
    "isavuconazole": "isavuconazonium",
    "tocofersolan": "tocophersolan",
    "retinol": "vitamin a",
    "hepatitis b surface antigen vaccine": "hepatitis b vaccine",
    "insulin, regular, human": "insulin human",
    "insulin isophane": "insulin human",
    "insulin lispro protamine, human": "insulin lispro",
    "insulin aspart protamine, human": "insulin aspart, human",
}
"""Salts and prodrugs that some tables name as ingredients and others by their base: one name for each, since the same
medicine must read the same from every code. Of human insulin the tables do not say surely which is regular, which NPH
and which a mixture ("Insulatard" is regular in one and NPH in another): the name is kept, the kind is not."""
CONTAINED = (
    ("trastuzumab", "trastuzumab emtansine"),
    ("inositol", "inositol nicotinate"),
    ("fenofibrate", "fenofibric acid"),
    ("herpesvirus 1, human", "talimogene laherparepvec"),
    ("methyl 5-aminolevulinate", "methyl aminolevulinate"),
    ("picosulfurate", "picosulfate"),
    ("mefenamate", "mefenamic acid"),
    ("dihematoporphyrin ether", "porfimer"),
    ("chorionic gonadotropin", "choriogonadotropin alfa"),
)
"""Pairs of which the tables list both where the product holds the second alone."""
MISTAKEN = ("procaine penicillin", "calcium", "magnesium", "zinc", "zinc undecylenate")
"""Names that the facts table gives to another substance ("zinc" to zinc sulfate)."""
ADDED = {
    "calcium": "calcium", "magnesium": "magnesium", "zinc": "zinc", "iron": "iron", "glycopyrrolate": "glycopyrronium",
    "glycopyrronium bromide": "glycopyrronium", "dextrose": "glucose", "dextrose monohydrate": "glucose",
    "dextrose anhydrous": "glucose", "zinc undecylenate": "undecylenate", "hzt": "hydrochlorothiazide",
    "hcz": "hydrochlorothiazide", "vitamin d": "vitamin d", "tylenol 3": "acetaminophen+codeine",
    "tylenol #3": "acetaminophen+codeine", "tylenol no.3": "acetaminophen+codeine",
    "tylenol 4": "acetaminophen+codeine", "tylenol #4": "acetaminophen+codeine", "procaine penicillin": "penicillin g",
    "humaninsulin": "insulin human", "insulin isophan": "insulin human", "insulina humana nph": "insulin human",
    "cotrimoxazol": "sulfamethoxazole+trimethoprim", "bempedoinsaure": "bempedoic acid", "pankreatin": "pancreatin",
    "natriumchlorid": "sodium chloride", "methylprednisolonaceponat": "methylprednisolone aceponate",
    "clavulanico": "clavulanate", "acido clavulanico": "clavulanate", "butylscopolamin": "butylscopolamine",
    "butylscopolamine": "butylscopolamine", "hyoscine butylbromide": "butylscopolamine",
    "scopolamine butylbromide": "butylscopolamine", "dimetinden": "dimethindene", "dimethindene": "dimethindene",
    "canrenone": "canrenone",
}  # fmt: skip
"""Names that RxNorm's products use and no row of the tables explains (RxNorm: "glycopyrrolate 1 MG Oral Tablet"), and
German, Spanish and Italian ones of the catalogues in make_terminology_brands.toml."""


def canonical(ingredients: str) -> str:
    """A set of ingredients as it is kept."""
    names = {RENAMED.get(name, name) for name in ingredients.split("+")}
    if len(names) > 1:
        names -= {"inert ingredients"}
    for part, whole in CONTAINED:
        if whole in names:
            names.discard(part)
    return "+".join(sorted(names))


def checked(name: str, ingredients: str, words: Reader) -> str:
    """The ingredients of a product as its table and its own full name say them; "" where the two do not agree.

    Some rows of dm+d name the first part of a combination only ("Brimonidine 0.2%/timolol 0.5% eye drops").
    """
    listed = frozenset(canonical(ingredients).split("+"))
    named = words.read(name)
    if named.ingredients:
        fuller = listed | named.ingredients
        return "+".join(sorted(fuller)) if fuller in (listed, named.ingredients) else ""
    return "" if named.barred and len(listed) == 1 else ingredients


def products(folder: Path, shipped: Table, pack: Table, words: Reader) -> None:
    """Codes of products and substances."""

    def add(system: str, code: str, ingredients: str, strength: str = "", *, substance: bool = False) -> None:
        if code and ingredients:
            shipped.products[(system, key(code))] = (canonical(ingredients), strength, int(substance))

    for row in read(folder, "rxnorm"):
        add(
            "rxnorm",
            row["rxcui"],
            row["ingredients"],
            row["strength_mg"],
            substance=row["tty"].startswith(("IN", "PIN")),
        )
    for row in read(folder, "ingredients"):
        add("unii", row["unii"], row["ingredient"])
        if row["rxcui"] and ("rxnorm", key(row["rxcui"])) not in shipped.products:
            add("rxnorm", row["rxcui"], row["ingredient"], substance=True)
    atc: dict[str, set[str]] = {}
    for row in read(folder, "atc"):
        if row["preferred"] == "1":
            atc.setdefault(row["atc"], set()).add(row["ingredients"])
    for code, sets in atc.items():
        plain = min(sets, key=lambda names: (names.count("+"), names))
        if len(sets) == 1 or ("+" not in plain and all(plain in other.split("+") for other in sets)):
            add("atc", code, plain)  # ATC has codes of their own for combinations, which registers do not always use
        # a code for a group of medicines ("grass pollen") names none of them
    for row in read(folder, "dmd"):
        sure = row["ingredients"] if row["kind"] == "vtm" else checked(row["name"], row["ingredients"], words)
        add("snomed", row["dmd_id"], sure, substance=row["kind"] == "vtm" and "+" not in row["ingredients"])
    for row in read(folder, "din_ca"):
        add("din", row["din"], row["ingredients"])
    cis = {}
    for row in read(folder, "cis_fr"):
        add("cis", row["cis"], row["ingredients"])
        cis[row["cis"]] = row["ingredients"]
    for row in read(folder, "cip13_fr"):
        if row["cis"] in cis:
            add("cip13", row["cip13"], cis[row["cis"]])
    for row in read(folder, "ndc9"):
        public = {"rxnorm-uf", "openfda-sample"} & set(row["sources"].split("+"))
        table = shipped if public else pack
        table.products[("ndc9", key(row["ndc9"]))] = (canonical(row["ingredients"]), "", 0)


def toml(part: str) -> Any:
    """One of our own tables beside this script."""
    return tomllib.loads(Path(__file__).with_name(f"make_terminology_{part}.toml").read_text("utf-8"))


def names(folder: Path, shipped: Table) -> None:
    """Names of substances ("i") and of products ("b"). A name of several sets of ingredients means "?"."""
    brands = _brands(folder)
    found = {fold(name): {canonical(ingredient)} for name, ingredient in ADDED.items()}
    for row in read(folder, "ingredients"):
        found.setdefault(fold(row["ingredient"]), {canonical(row["ingredient"])})
    for row in read(folder, "rxnorm"):
        if row["tty"] in ("IN", "PIN"):
            found.setdefault(fold(row["name"]), {canonical(row["ingredients"])})
    combined = {
        part for row in read(folder, "rxnorm") if "+" in row["ingredients"] for part in row["ingredients"].split("+")
    }
    sure = set(found)
    for row in read(folder, "synonyms"):
        name = fold(row["name"])
        unsure = row["source"] == "unii" and (
            name in brands or not _of_one(name, row["ingredients"], combined, shipped)
        )
        if name not in sure and name not in MISTAKEN and not unsure:
            found.setdefault(name, set()).add(canonical(row["ingredients"]))
    for row in read(folder, "dmd"):
        if row["kind"] == "vtm":
            found.setdefault(fold(row["name"]), {canonical(row["ingredients"])})
    for row in read(folder, "inn_variants"):
        found.setdefault(fold(row["name"]), {canonical(row["ingredient"])})
    for name, sets in list(found.items()):
        for spelled in _romance(name) - found.keys() - brands.keys() if len(sets) == 1 and name.isalpha() else ():
            shipped.names["i", spelled] = next(iter(sets))
    brands = {name: sets for name, sets in brands.items() if name not in found}
    for kind, names in (("i", found), ("b", brands)):
        for name, sets in _with_short(names).items():
            shipped.names[(kind, name)] = next(iter(sets)) if len(sets) == 1 else "?"
    for name in toml("brands")["ambiguous"]["names"]:
        shipped.names.pop(("i", name), None)
        shipped.names["b", name] = "?"


_ENDINGS = (
    ("sartan", "sartana"), ("xaban", "xabana"), ("gatran", "gatrana"), ("profen", "profeno"), ("oxen", "oxeno"),
    ("enac", "enaco"), ("olac", "olaco"), ("tropium", "tropio"), ("zetimibe", "zetimiba"), ("tinib", "tinibe"),
    ("mab", "mabe"), ("actone", "attone"),
)  # fmt: skip
_BEGINNINGS = (
    ("spir", "espir"), ("strept", "estrept"), ("simva", "sinva"), ("amlodipin", "anlodipin"), ("warf", "varf"),
    ("ketor", "cetor"), ("ketoc", "cetoc"), ("ketop", "cetop"),
)  # fmt: skip


def _romance(name: str) -> set[str]:
    """How Portuguese, Spanish and Italian spell the name of a substance where they differ by rule: "losartana",
    "espironolactona", "ibuprofeno". Read in lists of medicines of Brazil, Spain and Italy; a made name may be used by
    nobody, and none takes the place of one that a table holds.
    """
    found = {name}
    found |= {name.removesuffix(end) + other for end, other in _ENDINGS if name.endswith(end)}
    found |= {
        other + each.removeprefix(start) for each in found for start, other in _BEGINNINGS if each.startswith(start)
    }
    found |= {each.replace("ll", "l") for each in found}
    return found - {name}


def brands_of_dmd(folder: Path, shipped: Table, words: Reader) -> None:
    """Brands that only dm+d's product names know: the word before the strength ("Capoten 25mg tablets")."""
    found: dict[str, set[str]] = {}
    for row in read(folder, "dmd"):
        start = re.match(r"([A-Z][A-Za-z'-]{3,}) \d[\d.,]* ?(?:mg|microgram|g|unit)", row["name"])
        if row["kind"] != "vtm" and start:
            found.setdefault(fold(start[1]), set()).add(canonical(row["ingredients"]))
    for name, sets in found.items():
        unknown = ("b", name) not in shipped.names and ("i", name) not in shipped.names
        if unknown and len(sets) == 1 and not words.read(name).seen and name not in shipped.words:
            shipped.names["b", name] = next(iter(sets))


def _brands(folder: Path) -> dict[str, set[str]]:
    """The sets of ingredients of every brand. Of two sets the one that RxNorm's own brand has counts, where it has more
    products than the other."""
    counts: dict[str, dict[str, int]] = {}
    own = [{"brand": name, "ingredients": ingredients} for name, ingredients in toml("brands")["brands"].items()]
    for row in (*read(folder, "brands"), *read(folder, "brands_intl_manual"), *own):
        held = counts.setdefault(fold(row["brand"]), {})
        held[canonical(row["ingredients"])] = held.get(canonical(row["ingredients"]), 0) + int(row.get("n") or 1)
    for row in read(folder, "rxnorm"):
        if row["tty"] == "BN":
            held = counts.setdefault(fold(row["name"]), {})
            own = canonical(row["ingredients"])
            if held.get(own, 0) == max(held.values(), default=0):
                counts[fold(row["name"])] = {own: 1}
            else:
                held[own] = held.get(own, 0) + 1
    return {name: set(sets) for name, sets in counts.items()}


def _of_one(name: str, ingredients: str, combined: set[str], shipped: Table) -> bool:
    """Whether a name that UNII lists for a substance can be trusted to mean this substance alone.

    UNII lists brands of combinations under one of their ingredients ("Ziac" under hydrochlorothiazide): a name that is
    not like the ingredient's counts only where the ingredient is in no combination, and is no word of English.
    """
    own = [word for word in re.findall(r"[a-z]+", fold(ingredients)) if len(word) > 3]
    words = re.findall(r"[a-z]+", name)
    if any(word[:4] == part[:4] for word in words for part in own) or any(part[:6] in name for part in own):
        return True
    return not set(ingredients.split("+")) & combined and not set(words) <= set(shipped.words)


def _with_short(names: dict[str, set[str]]) -> dict[str, set[str]]:
    """The names, and those that end in brackets also without ("omega-3 acid ethyl esters (usp)")."""
    more: dict[str, set[str]] = {}
    for name, sets in names.items():
        short = re.sub(r" *\([^)]*\)", "", name)
        if short != name and len(short) > 3 and short not in names:
            more.setdefault(short, set()).update(sets)
    return names | {name: sets for name, sets in more.items() if len(sets) == 1}


NOT_OF_CLASS = {
    "nsaid": {"glucosamine"}, "penicillin": {"sulbactam", "tazobactam"},
    "heparin": {"antithrombin alfa", "antithrombin iii"},
    "ppi": {"vonoprazan"}, "calcium-channel-blocker": {"perhexiline"}, "triptan": {"lasmiditan"},
    "antipsychotic": {"lithium"},
}  # fmt: skip
"""Members of an ATC group that are no members of the class that is named after it."""
CLASS_NAMES = {
    "ergot": "ergot-alkaloid", "muscle-relaxant": "skeletal-muscle-relaxant",
    "hiv-protease-inhibitor": "protease-inhibitor",
    "cyp3a4-inducer": "strong-cyp3a-inducer",
}  # fmt: skip
"""Classes of the facts table whose name salus uses in a narrower sense, or has for the same class."""
UNSURE_KIND = {"rapid-insulin": {"insulin human", "insulin"}, "basal-insulin": {"insulin human", "insulin"}}
"""Members whose kind the tables do not say surely."""


def write_classes(folder: Path, target: Path) -> None:
    """``classes.tsv``: every class with its ingredients."""
    found: dict[str, set[str]] = {}
    for row in read(folder, "ingredient_class"):
        for name in row["classes"].split("|"):
            if row["ingredient"] not in NOT_OF_CLASS.get(name, ()):
                member = canonical(row["ingredient"])
                if member not in UNSURE_KIND.get(name, ()):
                    found.setdefault(CLASS_NAMES.get(name, name), set()).add(member)
    lines = ["class\tingredients", *(f"{name}\t{'|'.join(sorted(found[name]))}" for name in sorted(found))]
    target.write_text("\n".join(lines) + "\n", "utf-8")


def write_class_codes(folder: Path, target: Path) -> None:
    """``class_codes.tsv``: codes of whole classes and of adverse effects; every code that begins so is meant."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in read(folder, "atc_class"):
        found.setdefault(("atc", row["atc_prefix"]), set()).add(CLASS_NAMES.get(row["class"], row["class"]))
    for system, codes in toml("class_codes").items():
        for code, classes in codes.items():
            found.setdefault((system, code.replace(".", "")), set()).update(classes)
    lines = ["system\tprefix\tclasses", *(f"{s}\t{c}\t{'|'.join(sorted(found[s, c]))}" for s, c in sorted(found))]
    target.write_text("\n".join(lines) + "\n", "utf-8")


def build(folder: Path, shipped: Table, pack: Table) -> None:
    """Everything about medicines."""
    names(folder, shipped)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "names.sqlite"
        write(path, shipped, ())
        words = Reader(Tables((path,)))
        products(folder, shipped, pack, words)
        brands_of_dmd(folder, shipped, words)
