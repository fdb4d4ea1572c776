"""The NHS dictionary of medicines and devices (dm+d): the XML files of a weekly release.

A virtual product has the ingredients that the release lists for it, if each of their names can be read; actual
products and packs have those of their virtual product. All codes are SNOMED CT codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import groupby

from salus.errors import InputError
from salus.terminology.releases.known import Known, together
from salus.terminology.releases.pack import Pack
from salus.terminology.releases.source import Member, Source
from salus.terminology.releases.xml_records import records
from salus.terminology.words import fold

__all__ = ["NOTICE", "members", "read", "recognised", "version"]

NOTICE = (
    "Contains public sector information licensed under the Open Government Licence v3.0 (NHS Business Services "
    "Authority, dictionary of medicines and devices)."
)
_NEEDED = ("vtm", "vmp", "ingredient")
_MORE = ("amp", "vmpp", "ampp", "lookup")
_ID = re.compile(r"[1-9][0-9]{5,17}")
_DISCRETE = "1"
"""DF_INDCD of a product that is counted in pieces."""
_MG = {"mg": Decimal(1), "gram": Decimal(1000), "microgram": Decimal("0.001")}
_BRAND = re.compile(r"([A-Z][A-Za-z'-]{3,}) \d[\d.,]* ?(?:mg|microgram|g|unit)")
_TABLES = """
CREATE TABLE work.substance (id INTEGER PRIMARY KEY, names TEXT);
CREATE TABLE work.vmp (id INTEGER PRIMARY KEY, vtm INTEGER, form TEXT, name TEXT);
CREATE TABLE work.vpi (vmp INTEGER, substance INTEGER, base INTEGER, value TEXT, unit INTEGER, per TEXT,
  PRIMARY KEY (vmp, substance)) WITHOUT ROWID;
CREATE TABLE work.unit (id INTEGER PRIMARY KEY, name TEXT);
"""


def _file(name: str) -> str:
    return rf"f_{name}\d*_\d+\.xml"


def recognised(source: Source) -> bool:
    """Whether the files are dm+d."""
    return source.one(_file("vmp")) is not None


def members(source: Source) -> list[Member]:
    """The files that are read."""
    found = []
    for name in (*_NEEDED, *_MORE):
        member = source.one(_file(name))
        if member:
            found.append(member)
        elif name in _NEEDED:
            raise InputError(f"no f_{name} file", str(source.path), "load the folder that holds all files of the week")
    return found


def version(source: Source) -> str:
    """The day of the release from the file's name (f_vmp2_3DDMMYY.xml), year first; else its digits as they are."""
    member = source.one(_file("vmp"))
    digits = re.sub(r".*_(\d+)\.xml", r"\1", member.base.lower()) if member else ""
    dated = re.fullmatch(r"\d(\d\d)(\d\d)(\d\d)", digits)
    return f"20{dated[3]}-{dated[2]}-{dated[1]}" if dated else digits


def read(source: Source, pack: Pack, known: Known) -> None:
    """Read a release into a pack."""
    for statement in _TABLES.split(";"):
        pack.sql(statement)
    files = {name: source.one(_file(name)) for name in (*_NEEDED, *_MORE)}
    for entry in _entries(files["ingredient"], pack, ("ING",), "ISID"):
        pack.sql("INSERT OR REPLACE INTO work.substance VALUES (?, ?)",
                 int(entry["ISID"]), known.ingredient(entry.get("NM", "")))  # fmt: skip
    _units(files["lookup"], pack)
    _virtual(files["vmp"], pack, known)
    _moieties(files["vtm"], pack, known)
    _actual(files["amp"], pack, known)
    for name, own, of in (("vmpp", "VPPID", "VPID"), ("ampp", "APPID", "APID")):
        for entry in _entries(files[name], pack, (name.upper(),), own):
            _like(pack, entry[own], entry.get(of, ""))


def _entries(
    member: Member | None, pack: Pack, kinds: tuple[str, ...], own: str, *, valid: bool = True
) -> Iterator[Mapping[str, str]]:
    """The records of these kinds that have a number of their own and are valid."""
    if member is None:
        return
    for _, entry in records(member, kinds):
        if not _ID.fullmatch(entry.get(own, "")):
            pack.losses.add(f"records of {member.base} without a number")
        elif not (valid and entry.get("INVALID") == "1"):
            yield entry


def _units(member: Member | None, pack: Pack) -> None:
    if member is None:
        return
    for path, entry in records(member, ("INFO",)):
        if path[-2:-1] == ("UNIT_OF_MEASURE",) and _ID.fullmatch(entry.get("CD", "")):
            pack.sql("INSERT OR REPLACE INTO work.unit VALUES (?, ?)", int(entry["CD"]), entry.get("DESC", ""))


def _virtual(member: Member | None, pack: Pack, known: Known) -> None:
    for kind, own in (("VMP", "VPID"), ("VPI", "VPID")):
        for entry in _entries(member, pack, (kind,), own):
            if kind == "VMP":
                row = (int(entry[own]), _number(entry, "VTMID"), entry.get("DF_INDCD", ""), entry.get("NM", ""))
                pack.sql("INSERT OR REPLACE INTO work.vmp VALUES (?, ?, ?, ?)", *row)
            else:
                value, per = entry.get("STRNT_NMRTR_VAL", ""), entry.get("STRNT_DNMTR_VAL", "")
                unit, base = _number(entry, "STRNT_NMRTR_UOMCD"), _number(entry, "BS_SUBID")
                pack.sql("INSERT OR REPLACE INTO work.vpi VALUES (?, ?, ?, ?, ?, ?)",
                         int(entry[own]), _number(entry, "ISID"), base, value, unit, per)  # fmt: skip
    rows = pack.sql(
        "SELECT vmp.id, vmp.form, vmp.name, s.names, vpi.value, unit.name, vpi.per FROM work.vmp AS vmp "
        "JOIN work.vpi AS vpi ON vpi.vmp = vmp.id LEFT JOIN work.substance AS s ON s.id = vpi.substance "
        "LEFT JOIN work.unit AS unit ON unit.id = vpi.unit ORDER BY vmp.id"
    )
    for (number, form, name), group in groupby(rows, key=lambda row: row[:3]):
        parts = [row[3:] for row in group]
        if not all(part[0] for part in parts):
            pack.losses.add("virtual products with an ingredient whose name cannot be read, left unread")
            continue
        names = _checked(name, together({part[0] for part in parts}), known)
        if not names:
            pack.losses.add("virtual products whose name and ingredients disagree, left unread")
            continue
        strength = _strength(*parts[0][1:]) if form == _DISCRETE and len(parts) == 1 and "+" not in names else ""
        pack.product("snomed", number, names, strength)
    bare = pack.sql("SELECT count(*) FROM work.vmp WHERE id NOT IN (SELECT vmp FROM work.vpi)").fetchone()[0]
    pack.losses.add("virtual products without listed ingredients, as devices and packs of several products", count=bare)


def _number(entry: Mapping[str, str], name: str) -> int:
    value = entry.get(name, "")
    return int(value) if _ID.fullmatch(value) else 0


def _checked(name: str, listed: str, known: Known) -> str:
    """The ingredients as listed, or the fuller set where the product's own name tells more; "" for a conflict."""
    named = frozenset(known.ingredient(name).split("+")) - {""}
    own = frozenset(listed.split("+"))
    if not named or named <= own:
        return listed
    return "+".join(sorted(named)) if own <= named else ""


def _strength(value: str, unit: str | None, per: str) -> str:
    """mg in one piece; "" where it is no mass, or a mass in a volume."""
    if per or unit not in _MG or not re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", value):
        return ""
    return f"{(Decimal(value) * _MG[unit]).normalize():f}"


def _moieties(member: Member | None, pack: Pack, known: Known) -> None:
    """Therapeutic moieties: what all their virtual products have, where these agree; else what their own name tells."""
    for entry in _entries(member, pack, ("VTM",), "VTMID"):
        sets = {row[0] for row in pack.sql(
            "SELECT DISTINCT names FROM work.vmp AS vmp JOIN product ON system = 'snomed' AND code = vmp.id "
            "JOIN meaning ON meaning.id = product.meaning WHERE vmp.vtm = ?", int(entry["VTMID"])
        )}  # fmt: skip
        names = sets.pop() if len(sets) == 1 else known.ingredient(entry.get("NM", ""))
        if names:
            pack.product("snomed", entry["VTMID"], names, substance="+" not in names)
        else:
            pack.losses.add("moieties whose name cannot be read, left unread")


def _actual(member: Member | None, pack: Pack, known: Known) -> None:
    """Actual products, and the brands that their names begin with."""
    for entry in _entries(member, pack, ("AMP",), "APID"):
        names = _like(pack, entry["APID"], entry.get("VPID", ""))
        brand = _BRAND.match(entry.get("NM", ""))
        if names and brand and not known.has_name(("i", "b"), brand[1]) and not known.ingredient(brand[1]):
            pack.name("b", fold(brand[1]), names)


def _like(pack: Pack, code: str, of: str) -> str:
    """Give a code what another code has; "" where that has nothing."""
    row = pack.sql(
        "SELECT names, strength FROM product JOIN meaning ON meaning.id = product.meaning "
        "WHERE system = 'snomed' AND code = ?", int(of) if _ID.fullmatch(of) else 0,
    ).fetchone()  # fmt: skip
    if row is None:
        pack.losses.add("products and packs of a virtual product that is unread")
        return ""
    pack.product("snomed", code, row[0], row[1])
    return str(row[0])
