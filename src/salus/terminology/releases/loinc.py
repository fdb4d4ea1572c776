"""LOINC: the table ``Loinc.csv``, or the shorter ``LoincTableCore.csv``.

A code measures what a code that salus knows measures, where the two differ in their method only. Codes that could be
one of salus's measurements and do not agree so far stay unread; all others are understood as something else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.terminology import units
from salus.terminology.releases.delimited import table
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import Losses, Pack
from salus.terminology.releases.source import Member, Source
from salus.terminology.words import fold

__all__ = ["NOTICE", "member", "read", "recognised", "version"]

NOTICE = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright Regenstrief Institute, Inc. and "
    "the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the "
    "license at http://loinc.org/license. LOINC(R) is a registered United States trademark of Regenstrief Institute, "
    "Inc."
)
_FILES = (r"Loinc\.csv", r"LoincTableCore\.csv", r"Loinc.*\.csv")
_CODE = re.compile(r"[0-9]{1,7}-[0-9]")
Row = Mapping[str, str]
Parts = tuple[str, str, str, str, str]


@cache
def _rules() -> Mapping[str, Any]:
    text = files("salus.terminology.releases").joinpath("loinc.toml").read_text("utf-8")
    found: dict[str, Any] = tomllib.loads(text)
    return found


def recognised(source: Source) -> bool:
    """Whether the files are LOINC: by the file's name or its first line."""
    return any(source.one(name) for name in _FILES[:2]) or (len(source.members) == 1 and _is_table(source.members[0]))


def _is_table(one: Member) -> bool:
    if not one.base.lower().endswith((".csv", ".txt")):
        return False
    first = next(one.lines(), (0, ""))[1].replace('"', "")
    return bool(first.split(",")[:3] == _rules()["columns"][:3])


def member(source: Source) -> Member:
    """The table that is read."""
    for name in _FILES:
        found = source.one(name)
        if found:
            return found
    if len(source.members) == 1:
        return source.members[0]
    raise InputError("no Loinc.csv", str(source.path), "load the folder that holds LoincTable")


def version(source: Source) -> str:
    """The version in the name of the archive or folder ("Loinc_2.81"), else that of the newest change; or ""."""
    named = re.search(r"(?i)loinc[_ -]?v?(\d\.\d{2})", str(source.path.name))
    if named:
        return named[1]
    column = -1
    newest: tuple[int, ...] = ()
    for _, fields in table(member(source), Losses()):
        if column < 0:
            column = fields.index("VersionLastChanged") if "VersionLastChanged" in fields else -1
            if column < 0:
                return ""
        elif re.fullmatch(r"\d\.\d{2}", fields[column]):
            newest = max(newest, tuple(map(int, fields[column].split("."))))
    return f"{newest[0]}.{newest[1]:02d} or later" if newest else ""


def read(source: Source, pack: Pack, known: Known) -> None:
    """Read the table into a pack."""
    mapped = {str(code): names for code, names, _ in known.codes("m", "loinc")}
    found = _Agreeing(mapped)
    for row in _rows(member(source), Losses()):
        found.learn(row)
    for row in _rows(member(source), pack.losses):
        _settle(row, found, pack, known)


def _rows(one: Member, losses: Losses) -> Iterator[Row]:
    """The rows of the table by column, those without a LOINC code counted."""
    places: dict[str, int] = {}
    for number, fields in table(one, losses):
        if not places:
            places = {name: place for place, name in enumerate(fields)}
            missing = [name for name in _rules()["columns"] if name not in places]
            if missing:
                raise InputError(f"no column {missing[0]!r}", one.base, "is this the file as it was released?")
        elif not _CODE.fullmatch(fields[places["LOINC_NUM"]]):
            losses.add(f"rows of {one.base} without a LOINC code", f"line {number}")
        else:
            yield {name: fields[places[name]] for name in _rules()["columns"]}


def _parts(row: Row) -> Parts:
    """Component, kind of quantity, time, system and scale."""
    kind = next((group[0] for group in _rules()["property"] if row["PROPERTY"] in group), row["PROPERTY"])
    return row["COMPONENT"].casefold(), kind, row["TIME_ASPCT"], row["SYSTEM"].casefold(), row["SCALE_TYP"]


class _Agreeing:
    """What the codes that salus knows measure, by the parts of their names."""

    def __init__(self, mapped: Mapping[str, str]) -> None:
        self.mapped = mapped
        self._by_parts: dict[Parts, set[str]] = {}
        self._near: set[tuple[str, str]] = set()

    def learn(self, row: Row) -> None:
        """Take the parts of a code that salus knows."""
        names = self.mapped.get(row["LOINC_NUM"])
        if names:
            self._by_parts.setdefault(_parts(row), set()).add(names)
            self._near.add((row["COMPONENT"].casefold(), row["SCALE_TYP"]))

    def measures(self, row: Row) -> str:
        """What a code measures; "" where no code, or codes of two measurements, agree with it."""
        names = self._by_parts.get(_parts(row), set())
        if len(names) != 1 or row["LOINC_NUM"] in _rules()["not"] or re.search(_rules()["method"], row["METHOD_TYP"]):
            return ""
        found = next(iter(names))
        return found if _in_its_unit(row["PROPERTY"], found) else ""

    def is_near(self, row: Row) -> bool:
        """Whether a code may be one of salus's measurements though its parts do not agree."""
        if row["LOINC_NUM"] in _rules()["not"]:
            return False
        known = (row["COMPONENT"].casefold(), row["SCALE_TYP"]) in self._near
        return known and not re.search(_rules()["elsewhere"], row["SYSTEM"])


def _in_its_unit(kind: str, names: str) -> bool:
    """Whether a measurement is given in units of this kind of quantity, where both are known."""
    unit = _rules()["unit"].get(kind)
    return unit is None or all(not units.known(name) or units.compatible(unit, name) for name in names.split("+"))


def _settle(row: Row, found: _Agreeing, pack: Pack, known: Known) -> None:
    code = row["LOINC_NUM"]
    if code in found.mapped:
        _names(row, found.mapped[code], pack, known)
    elif row["STATUS"].upper() in _rules()["withdrawn"]:
        pack.losses.add("withdrawn codes, left unread")
    elif names := found.measures(row):
        pack.code("m", "loinc", code, names)
        _names(row, names, pack, known)
    elif found.is_near(row):
        pack.losses.add("codes that may be a measurement of salus's by another specimen or method, left unread")
    else:
        pack.code("m", "loinc", code, "")


def _names(row: Row, names: str, pack: Pack, known: Known) -> None:
    if not names or "+" in names:
        return
    for name in (row["LONG_COMMON_NAME"], row["SHORTNAME"]):
        if name and not known.has_name(("m",), name):
            pack.name("m", fold(name), names)
