"""RxNorm, Rich Release Format: the full release, the prescribable one, or a subset of the same form."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from salus.errors import InputError
from salus.terminology.releases.delimited import plain
from salus.terminology.releases.known import Known, together
from salus.terminology.releases.pack import Pack
from salus.terminology.releases.source import Member, Source
from salus.terminology.words import fold

__all__ = ["NOTICE", "members", "read", "recognised", "version"]

NOTICE = (
    "This product uses publicly available data courtesy of the U.S. National Library of Medicine (NLM), National "
    "Institutes of Health, Department of Health and Human Services; NLM is not responsible for the product and does "
    "not endorse or recommend this or any other product."
)
_STRENGTH = re.compile(r"[^/]* (\d{1,6}(?:\.\d{1,6})?) MG(?: \[[^\]]*\])?")
_NDC = re.compile(r"[0-9]{11}")
_TABLES = """
CREATE TABLE work.atom (rxcui INTEGER, tty TEXT, name TEXT, PRIMARY KEY (rxcui, tty, name)) WITHOUT ROWID;
CREATE TABLE work.towards (rxcui INTEGER, next INTEGER, PRIMARY KEY (rxcui, next)) WITHOUT ROWID;
CREATE TABLE work.part (rxcui INTEGER, component INTEGER, PRIMARY KEY (rxcui, component)) WITHOUT ROWID;
CREATE TABLE work.form (rxcui INTEGER, form INTEGER, PRIMARY KEY (rxcui, form)) WITHOUT ROWID;
CREATE TABLE work.ingredient (rxcui INTEGER PRIMARY KEY, names TEXT);
CREATE TABLE work.reach (rxcui INTEGER, ingredient INTEGER, PRIMARY KEY (rxcui, ingredient)) WITHOUT ROWID;
CREATE TABLE work.ndc (ndc TEXT, names TEXT, PRIMARY KEY (ndc, names)) WITHOUT ROWID;
"""
_REACH = """
INSERT INTO work.reach WITH RECURSIVE reach (rxcui, at) AS (
  SELECT DISTINCT rxcui, rxcui FROM work.atom WHERE tty IN ({})
  UNION SELECT reach.rxcui, towards.next FROM reach JOIN work.towards AS towards ON towards.rxcui = reach.at
    WHERE reach.at NOT IN (SELECT rxcui FROM work.atom WHERE tty = ?))
SELECT rxcui, at FROM reach WHERE at IN (SELECT rxcui FROM work.atom WHERE tty = ?)
"""


@cache
def _rules() -> Mapping[str, Any]:
    table: dict[str, Any] = tomllib.loads(
        files("salus.terminology.releases").joinpath("rxnorm.toml").read_text("utf-8")
    )
    return table


def recognised(source: Source) -> bool:
    """Whether the files are RxNorm."""
    return source.one(r"RXNCONSO\.RRF") is not None


def members(source: Source) -> list[Member]:
    """The files that are read; the attributes, with the NDC, may be missing."""
    found = []
    for name in ("RXNCONSO", "RXNREL", "RXNSAT"):
        member = source.one(rf"{name}\.RRF")
        if member:
            found.append(member)
        elif name != "RXNSAT":
            raise InputError(f"no {name}.RRF", str(source.path), "load the folder that holds all RRF files")
    return found


def version(source: Source) -> str:
    """The release's version, as its own table of sources (RXNSAB.RRF) or else the file's name states it; or ""."""
    member = source.one(r"RXNSAB\.RRF")
    if member:
        for _, line in member.lines():
            fields = line.split("|")
            if len(fields) > 6 and fields[3] == "RXNORM":
                return fields[6] or fields[2]
    dated = re.search(r"(\d{8})", source.path.name)
    return dated[1] if dated else ""


def read(source: Source, pack: Pack, known: Known) -> None:
    """Read a release into a pack."""
    for statement in _TABLES.split(";"):
        pack.sql(statement)
    parts = {re.sub(r"\..*", "", member.base).upper(): member for member in members(source)}
    _atoms(parts["RXNCONSO"], pack)
    _relations(parts["RXNREL"], pack)
    _ingredients(pack, known)
    marks = ", ".join("?" * len(_rules()["product"]))
    pack.sql(_REACH.format(marks), *_rules()["product"], _rules()["ingredient"], _rules()["ingredient"])
    _products(pack)
    _names(pack, known)
    if "RXNSAT" in parts:
        _ndc(parts["RXNSAT"], pack)


def _columns(member: Member, table: str, wanted: Sequence[str], pack: Pack) -> Iterator[tuple[str, ...]]:
    names: Sequence[str] = _rules()["columns"][table]
    places = [names.index(name) for name in wanted]
    for _, fields in plain(member, "|", len(names), pack.losses):
        yield tuple(fields[place] for place in places)


def _atoms(member: Member, pack: Pack) -> None:
    """The current names that RxNorm itself gives."""
    kept = {_rules()["ingredient"], "DF", *_rules()["product"]}

    def rows() -> Iterator[tuple[int, str, str]]:
        wanted = ("RXCUI", "SAB", "TTY", "STR", "SUPPRESS")
        for rxcui, source, tty, name, suppressed in _columns(member, "RXNCONSO", wanted, pack):
            if not rxcui.isdecimal():
                pack.losses.add(f"rows of {member.base} without a number")
            elif source == "RXNORM" and tty in kept and suppressed in ("N", ""):
                yield int(rxcui), tty, name.strip()

    pack.many("INSERT OR IGNORE INTO work.atom VALUES (?, ?, ?)", rows())


def _relations(member: Member, pack: Pack) -> None:
    towards = set(_rules()["towards"])
    wanted = ("RXCUI1", "RXCUI2", "RELA", "SAB", "SUPPRESS")
    for first, second, kind, source, suppressed in _columns(member, "RXNREL", wanted, pack):
        if source != "RXNORM" or suppressed not in ("N", "") or not (first.isdecimal() and second.isdecimal()):
            continue  # of another source, or between atoms: these say nothing of concepts
        if kind in towards:
            pack.sql("INSERT OR IGNORE INTO work.towards VALUES (?, ?)", int(second), int(first))
        if kind == "consists_of":
            pack.sql("INSERT OR IGNORE INTO work.part VALUES (?, ?)", int(second), int(first))
        elif kind == _rules()["form"]:
            pack.sql("INSERT OR IGNORE INTO work.form VALUES (?, ?)", int(second), int(first))


def _ingredients(pack: Pack, known: Known) -> None:
    """Each ingredient under the name that the shipped tables have for it, else under its own."""
    rows = pack.sql("SELECT rxcui, min(name) FROM work.atom WHERE tty = ? GROUP BY rxcui", _rules()["ingredient"])
    for rxcui, name in rows:
        own = fold(name).replace("+", " ")
        names = known.of_product("rxnorm", str(rxcui)) or known.tables.name("i", own) or own
        pack.sql("INSERT INTO work.ingredient VALUES (?, ?)", rxcui, own if names == "?" else names)


def _products(pack: Pack) -> None:
    """Every product with the union of its ingredients, unless its own name lists more parts."""
    for rxcui, names in pack.sql("SELECT rxcui, names FROM work.ingredient ORDER BY rxcui"):
        pack.product("rxnorm", rxcui, names, substance=True)
    rows = pack.sql(
        "SELECT atom.rxcui, tty, min(name), ingredient.rxcui, names FROM work.atom AS atom "
        "JOIN work.reach AS reach ON reach.rxcui = atom.rxcui "
        "JOIN work.ingredient AS ingredient ON ingredient.rxcui = reach.ingredient "
        "WHERE tty <> ? GROUP BY atom.rxcui, tty, ingredient.rxcui ORDER BY atom.rxcui, tty", _rules()["ingredient"],
    )  # fmt: skip
    for (rxcui, tty, name), group in groupby(rows, key=lambda row: row[:3]):
        parts = {number: names for *_, number, names in group}
        if tty not in _rules()["product"]:
            continue
        if tty in _rules()["parted"] and name.count(" / ") + 1 > len(parts):
            pack.losses.add("products with fewer ingredients than their name has parts, left unread")
            continue
        names = together(set(parts.values()))
        strength = _strength(pack, rxcui) if tty in _rules()["strong"] and "+" not in names else ""
        pack.product("rxnorm", rxcui, names, strength, substance=tty in _rules()["substance"])
    left = (
        "SELECT count(DISTINCT rxcui) FROM work.atom WHERE tty NOT IN (?, 'DF') "
        "AND rxcui NOT IN (SELECT rxcui FROM work.reach)"
    )
    pack.losses.add("products whose ingredients the release does not hold",
                    count=pack.sql(left, _rules()["ingredient"]).fetchone()[0])  # fmt: skip


def _strength(pack: Pack, rxcui: int) -> str:
    """mg in one tablet or capsule of a product that consists of one component; "" for all others."""
    forms = pack.sql(
        "SELECT name FROM work.form AS f JOIN work.atom AS a ON a.rxcui = f.form AND tty = 'DF' WHERE f.rxcui = ?",
        rxcui,
    ).fetchall()
    if not forms or not all(re.search(_rules()["solid"], form[0]) for form in forms):
        return ""
    components = pack.sql(
        "SELECT DISTINCT name FROM work.part AS p JOIN work.atom AS a ON a.rxcui = p.component WHERE p.rxcui = ?", rxcui
    ).fetchall()
    amounts = {found[1] for row in components if (found := _STRENGTH.fullmatch(row[0]))}
    numbers = pack.sql("SELECT count(*) FROM work.part WHERE rxcui = ?", rxcui).fetchone()[0]
    if len(amounts) != 1 or len(components) != numbers or not _one_each(pack, rxcui):
        return ""
    return amounts.pop()


def _one_each(pack: Pack, rxcui: int) -> bool:
    """Whether a clinical drug consists of one component, a branded one of one of each kind."""
    kinds = [row[0] for row in pack.sql(
        "SELECT a.tty FROM work.part AS p JOIN work.atom AS a ON a.rxcui = p.component WHERE p.rxcui = ?", rxcui
    )]  # fmt: skip
    return len(kinds) == len(set(kinds))


def _names(pack: Pack, known: Known) -> None:
    """Names of substances and brands that the shipped tables do not have."""
    kinds = (_rules()["ingredient"], "PIN", _rules()["brand"])
    rows: Iterable[tuple[str, str, str]] = pack.sql(
        "SELECT tty, name, names FROM work.atom AS a JOIN product ON system = 'rxnorm' AND code = a.rxcui "
        "JOIN meaning ON meaning.id = product.meaning WHERE tty IN (?, ?, ?)", *kinds,
    ).fetchall()  # fmt: skip
    for tty, name, names in rows:
        if not known.has_name(("i", "b"), name):
            pack.name("b" if tty == _rules()["brand"] else "i", fold(name), names)


def _ndc(member: Member, pack: Pack) -> None:
    """Labeller and product of each NDC (the first nine of its eleven digits), where all its packages agree."""
    wanted = ("RXCUI", "ATN", "SAB", "ATV", "SUPPRESS")
    for rxcui, kind, source, value, suppressed in _columns(member, "RXNSAT", wanted, pack):
        if kind != "NDC" or source != "RXNORM" or suppressed not in ("N", ""):
            continue
        if not _NDC.fullmatch(value) or not rxcui.isdecimal():
            pack.losses.add(f"product codes of {member.base} that are not eleven digits")
            continue
        pack.sql(
            "INSERT OR IGNORE INTO work.ndc SELECT ?, names FROM product JOIN meaning ON meaning.id = product.meaning "
            "WHERE system = 'rxnorm' AND code = ?", value[:9], int(rxcui),
        )  # fmt: skip
    for ndc, group in groupby(pack.sql("SELECT ndc, names FROM work.ndc ORDER BY ndc").fetchall(), lambda row: row[0]):
        sets = [names for _, names in group]
        if len(sets) == 1:
            pack.product("ndc9", ndc, sets[0])
        else:
            pack.losses.add("product codes of two medicines, left unread")
